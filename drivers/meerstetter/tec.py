"""Meerstetter TEC controllers of the 109x family, over MeCom (protocol 5136AL).

Wear: the controller saves every changed setting to flash half a second later, and its flash stands about 100 000 saves.
- The stored target (parameter 3000) cannot be written here; the target goes to RAM (50012, selected by 50011).
- `initialise` switches saving off (108 = 1). Every other setting (ramp, proximity width, output, stability window,
  temperature limits, watchdog) is one that the controller saves when it is written without `initialise` before.
- A restart of the controller forgets this: it comes back with what its flash holds, and saving switched on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range
from pyvisa.constants import Parity, StopBits

from drivers.base import Driver, Identity
from drivers.errors import BadReply, NoReply, Refused, WrongInstrument
from drivers.meerstetter import mecom
from drivers.meerstetter.device_errors import describe_device_error
from drivers.meerstetter.mecom import encode_float32, encode_int32, float32, int32, switch
from drivers.meerstetter.moves import moves_of, ram_target_in
from drivers.meerstetter.tec_channel import FLASH_SETTING, TECChannel
from drivers.moves import Move

SERIAL_PORT = {"baud_rate": 57600, "data_bits": 8, "parity": Parity.none, "stop_bits": StopBits.one}
ANSWER_TIMEOUT_MS = 1000
WATCHDOG_RANGE_S = (0.1, 600.0)

_LINES_PER_ANSWER = 16  # late answers and a banner may come before the answer
_FIRMWARE_STEPS = 100  # 123 is version 1.23
_REMEDIES = {mecom.BUSY: "Try again later.", mecom.OUT_OF_RANGE: "Ask for a value within its limits."}


class DeviceStatus(IntEnum):
    """What the controller does (parameter 104)."""

    INITIALISING = 0
    READY = 1
    RUNNING = 2
    ERROR = 3
    BOOTLOADER = 4
    RESETTING = 5


def device_status(digits: str) -> DeviceStatus:
    """Return the status behind eight hex digits; raises ValueError where they are none."""
    return DeviceStatus(int32(digits))


def firmware_version(digits: str) -> str:
    """Return the version behind eight hex digits, "1.23" for 123."""
    return f"{int32(digits) / _FIRMWARE_STEPS:.2f}"


def zero_or_strict_range(value: float, values: tuple[float, float]) -> float:
    """Return `value` where it is 0 or within `values`; raises ValueError elsewhere."""
    return 0.0 if value == 0 else float(strict_range(value, values))


def _device_reading(parameter: int, docs: str, cast: Callable[[str], Any] = int32) -> Any:
    """Return a property that reads a parameter of the whole controller."""
    return Instrument.measurement(f"?VR{parameter:04X}01", docs, cast=cast)


class MeerstetterTEC(Driver):
    """TEC controller of the 109x family on a serial port (57600 baud, 8N1) or on a TCP stream (port 50000 by habit).

    `device_address` is from 1 to 254, or 0 for the only device of a link. A lost or garbled answer is asked for again
    with the same sequence number, at most `retries` times, and a busy controller as often; `first_sequence` fixes the
    first number, which is random by default. Refusals raise `Refused`; `check_errors` raises the error state.

    Channel 1 is `ch_1` or `channels[1]`; the second exists on two-channel models only.
    """

    channels = Instrument.MultiChannelCreator(TECChannel, [1, 2])
    tells_late_replies_apart = True
    moving_settings = frozenset({"target_temperature_c", "output_enabled"})

    device_type = _device_reading(100, "Get the type number (int, no unit), 1091 for a TEC-1091.")
    serial_number = _device_reading(102, "Get the serial number (int, no unit).")
    firmware = _device_reading(103, "Get the firmware version (str, no unit).", cast=firmware_version)
    status = _device_reading(104, "Get what the controller does (DeviceStatus, no unit).", cast=device_status)
    error_number = _device_reading(105, "Get the error number (int, no unit), 0 is none.")
    error_instance = _device_reading(106, "Get the channel that the error is about (int, no unit).")
    error_parameter = _device_reading(107, "Get the parameter of the error (int, no unit), for the maker's support.")
    flash_saving_disabled = Instrument.control(
        "?VR006C01",
        "VS006C01%s",
        "Control whether changed settings stay in RAM instead of being saved to flash (bool).",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=lambda disabled: encode_int32(int(disabled)),
        cast=switch,
    )
    watchdog_s = Instrument.control(
        "?VR080C01",
        "VS080C01%s",
        "Control after how long without a command error 183 switches off, in s (float: 0, never, or strictly from 0.1"
        " to 600)." + FLASH_SETTING,
        validator=zero_or_strict_range,
        values=WATCHDOG_RANGE_S,
        set_process=encode_float32,
        cast=float32,
    )

    def __init__(
        self,
        adapter: Any,
        name: str = "Meerstetter TEC",
        device_address: int = mecom.ANY_DEVICE,
        retries: int = 2,
        first_sequence: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not mecom.ANY_DEVICE <= device_address < mecom.SILENT_BROADCAST:
            raise ValueError(f"device_address must be from 0 to 254, not {device_address}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries}")
        kwargs["asrl"] = {**SERIAL_PORT, **kwargs.get("asrl", {})}
        kwargs.setdefault("read_termination", mecom.TERMINATOR)
        kwargs.setdefault("write_termination", mecom.TERMINATOR)
        kwargs.setdefault("timeout", ANSWER_TIMEOUT_MS)
        super().__init__(adapter, name, **kwargs)
        self.device_address = device_address
        self.retries = retries
        self._ram_targets: dict[int, float] = {}  # degC by channel, as last acknowledged
        start = secrets.randbelow(mecom.SEQUENCE_NUMBERS) if first_sequence is None else first_sequence
        self._sequence = start % mecom.SEQUENCE_NUMBERS

    def initialise(self) -> None:
        """Switch saving to flash off: before anything is set, and again after every restart of the controller.

        Raises `Refused` where the controller goes on saving.
        """
        with self.transaction():
            self.flash_saving_disabled = True
            if not self.flash_saving_disabled:
                raise Refused(
                    self.name,
                    "goes on saving its settings to flash",
                    command="VS006C01",
                    remedy="Set nothing before that is mended: every change wears the flash.",
                )

    def read_identity(self) -> Identity:
        """Return maker, type ("1091"), serial number and firmware.

        Raises `WrongInstrument` where another kind of MeCom device answers.
        """
        with self.transaction():
            identification = self.ask("?IF").strip()
            if "TEC" not in identification:
                raise WrongInstrument(
                    self.name,
                    "is no TEC controller",
                    command="?IF",
                    reply=identification,
                    remedy="Check the address in the station file.",
                )
            return Identity("Meerstetter", str(self.device_type), str(self.serial_number), str(self.firmware))

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a frame would move: targets in degC, ramps in K/s, outputs on (1) or off (0)."""
        return moves_of(command, self.device_address, self._ram_targets)

    def forget_outputs(self) -> None:
        """Forget the targets in RAM: after a power cut they are 0 degC."""
        self._ram_targets.clear()

    def is_question(self, command: str) -> bool:
        """Return whether a payload only reads: those start with a question mark."""
        return command.startswith("?")

    def check_errors(self) -> list[Any]:
        """Return an empty list; raises `Refused` with number, channel and meaning where the controller is in error.

        Its error state keeps every output off, and only a restart leaves it, see `reset`.
        """
        with self.transaction():
            if self.status is not DeviceStatus.ERROR:
                return []
            number, channel, parameter = self.error_number, self.error_instance, self.error_parameter
        raise Refused(
            self.name,
            f"is in its error state, outputs off: {describe_device_error(number)}"
            f" (error {number}, channel {channel}, parameter {parameter})",
            command="?VR006901",
            remedy="Remove the cause, then reset the controller and initialise it again.",
        )

    def reset(self) -> None:
        """Start a restart of the controller, which then is silent for a while, see `is_reset_done`.

        It comes back with the settings of its flash: no RAM target, saving switched on, the output as it was saved.
        """
        self.write("RS")
        self.forget_outputs()

    def is_reset_done(self) -> bool:
        """Return whether the controller answers again and has started up, be it into its error state."""
        try:
            return self.status in (DeviceStatus.READY, DeviceStatus.RUNNING, DeviceStatus.ERROR)
        except NoReply:
            return False

    def write(self, command: str, **kwargs: Any) -> None:
        """Send one set command (a payload, no frame) and wait for its acknowledgement.

        Raises `Refused`, `NoReply`, or `BadReply`, also where a value comes instead of an acknowledgement.
        """
        answer = self._obtain(command)
        if answer:
            raise BadReply(self.name, "expected an acknowledgement", command=command, reply=answer)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Send one query (a payload, no frame) and return the payload of its answer.

        Raises `Refused`, `NoReply`, or `BadReply`, also where an acknowledgement comes instead of a value.
        """
        answer = self._obtain(command)
        if not answer:
            raise BadReply(self.name, "acknowledged instead of answering", command=command)
        return answer

    def _obtain(self, payload: str) -> str:
        """Return the payload of the answer, asking again while the controller is busy."""
        target = ram_target_in(payload)
        with self._transaction:
            if target is not None:
                self._ram_targets.pop(target[0], None)  # not known until it is acknowledged
            for _ in range(1 + self.retries):
                answer = self._exchange(payload)
                code = mecom.server_error(answer)
                if code is None:
                    if target is not None:
                        self._ram_targets[target[0]] = target[1]
                    return answer
                refusal = Refused(
                    self.name,
                    f"refused {mecom.describe_payload(payload)}: {mecom.describe_server_error(code)}",
                    command=payload,
                    reply=answer,
                    remedy=_REMEDIES.get(code, "Check model and firmware of the controller."),
                )
                if code != mecom.BUSY:
                    break
        raise refusal

    def _exchange(self, payload: str) -> str:
        """Return the payload of the answer, asking again with the same sequence number where it was lost."""
        request = mecom.Request(self.device_address, self._sequence, payload)
        self._sequence = (self._sequence + 1) % mecom.SEQUENCE_NUMBERS
        for _ in range(self.retries):
            try:
                return self._attempt(request)
            except (NoReply, BadReply):
                continue
        return self._attempt(request)

    def _attempt(self, request: mecom.Request) -> str:
        with self.transaction(request.payload):
            super().write(request.frame)
            for _ in range(_LINES_PER_ANSWER):
                line = str(self.read())
                reply = mecom.parse_reply(line)
                if reply is None or not reply.answers(request):
                    continue  # a banner, or an answer that came too late
                if not reply.is_intact(request):
                    raise BadReply(self.name, "sent a wrong checksum", command=request.payload, reply=line)
                return reply.payload
            raise BadReply(self.name, "talks without answering", command=request.payload, reply=line)
