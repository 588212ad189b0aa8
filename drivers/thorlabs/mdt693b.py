"""Thorlabs MDT693B (three channels) and MDT694B (one) open-loop piezo drivers, firmware 1.09 and later.

Source: command list that the instrument itself prints at `?`, and replies recorded from units of firmware 1.10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_range

from drivers.base import Driver, DriverChannel, Identity
from drivers.errors import BadReply, ConnectionLost, InstrumentError, NoReply, Refused, WrongInstrument
from drivers.moves import Move
from drivers.thorlabs.mdt693b_moves import moves_of

HIGHEST_VOLTAGE_V = 150.0
OLDEST_FIRMWARE = (1, 9)

_PROMPT = ">"
_STAR = "*"  # the prompt of the older grammar
_NOT_DEFINED = "CMD_NOT_DEFINED"
_REFUSALS = (_NOT_DEFINED, "CMD_ARG_INVALID")
_MODEL = re.compile(r"Model[ \t]+(\S+)")
_FIRMWARE = re.compile(r"Firmware Version:[ \t]*(\d+)\.(\d+)")
_SERIAL = re.compile(r"Serial#:[ \t]*(\S*)")
# The manual's command list numbers the positions of the rear switch, but units print volts: both are understood.
_LIMIT_SWITCH_V = {0: 75.0, 1: 100.0, 2: 150.0, 75: 75.0, 100: 100.0, 150: 150.0}
_SWITCH_WORDS = {"0": False, "off": False, "disabled": False, "1": True, "on": True, "enabled": True}


def limit_switch(text: str) -> float:
    """Return the voltage limit in V that `vlimit?` says."""
    if int(text) not in _LIMIT_SWITCH_V:
        raise ValueError(f"not a position of the switch: {text!r}")
    return _LIMIT_SWITCH_V[int(text)]


def switch_state(text: str) -> bool:
    """Return whether a switch is on, from "0", "1" or a phrase that ends in a word such as "Off"."""
    word = text.split()[-1].lower() if text.split() else ""
    if word not in _SWITCH_WORDS:
        raise ValueError(f"neither on nor off: {text!r}")
    return _SWITCH_WORDS[word]


def without_brackets(reply: str) -> str:
    """Return the inside of a reply such as `[ 24.80]`."""
    return reply.strip().strip("[]").strip()


# Scalars are cast whole (maxsplit=0): a stray comma is an error and not a list.


class PiezoChannel(DriverChannel):
    """One output. Its set point cannot be read back: `commanded_voltage` is what was last sent, None before.

    The front panel and the external input add to the set point without notice.
    """

    def __init__(self, parent: ThorlabsMDT69xB, id: str) -> None:  # noqa: A002 (pymeasure's name)
        super().__init__(parent, id)
        self._commanded: float | None = None
        self._found: float | None = None
        self._range = (0.0, HIGHEST_VOLTAGE_V)

    measured_voltage = Instrument.measurement(
        "{ch}voltage?",
        """Measure the output in V, with what the external input adds.

        It is the monitor of the output stage and differs from the set point by up to about 1 V: no measure of the set
        point, and never to be sent back as one.
        """,
        preprocess_reply=without_brackets,
        maxsplit=0,
    )
    minimum_voltage = Instrument.measurement(
        "{ch}min?",
        """Get the lowest set point that is accepted, in V.""",
        preprocess_reply=without_brackets,
        maxsplit=0,
    )
    maximum_voltage = Instrument.measurement(
        "{ch}max?",
        """Get the highest set point that is accepted, in V.""",
        preprocess_reply=without_brackets,
        maxsplit=0,
    )

    def found_set_point(self) -> float | None:
        """Return the set point in V that somebody worked out from measurements; None where it was set since."""
        return self._found

    def take_for_set_point(self, volts: float | None) -> None:
        """Take `volts` for where the set point is, until it is set; None for what nobody knows."""
        self._found = volts

    def forget_command(self) -> None:
        """Forget the set point; `commanded_voltage` is None until the next one."""
        self._commanded = self._found = None

    @property
    def commanded_voltage(self) -> float | None:
        """Get the set point in V that was last accepted, None when it is not known."""
        return self._commanded

    @property
    def voltage_range(self) -> tuple[float, float]:
        """Get the lowest and highest voltage in V that `voltage` takes: 0 to 150 until the limits were read."""
        return self._range

    def _set_voltage(self, volts: float) -> None:
        volts = round(strict_range(volts, self._range), 3)
        with self.parent._transaction:
            before, self._commanded = self._commanded, None  # not known until the instrument has accepted it
            try:
                self.parent.command(self.insert_id(f"{{ch}}voltage={volts:.3f}"))
            except Refused:
                self._commanded = before
                raise
            self._commanded, self._found = volts, None

    voltage = property(
        fset=_set_voltage, doc="""Set the output set point in V (strictly 0 to 150, and within `voltage_range`)."""
    )

    def set_limits(self, minimum: float, maximum: float) -> None:
        """Store the lowest and highest set point in V that the instrument accepts (strictly 0 to 150).

        The instrument moves an output that lies outside; so limits that exclude the known set point are refused with
        ValueError. Where the set point is not known, make sure that it lies inside.
        """
        strict_range(minimum, (0.0, HIGHEST_VOLTAGE_V))
        strict_range(maximum, (minimum, HIGHEST_VOLTAGE_V))
        with self.parent._transaction:
            if self._commanded is not None and not minimum <= self._commanded <= maximum:
                raise ValueError(f"limits {minimum:g} to {maximum:g} V exclude the set point {self._commanded:g} V")
            limits = [f"{{ch}}min={minimum:.3f}", f"{{ch}}max={maximum:.3f}"]
            if minimum > self.maximum_voltage:
                limits.reverse()  # never a minimum above the maximum in between
            for limit in limits:
                self.parent.command(self.insert_id(limit))
            self.read_limits()

    def read_limits(self) -> None:
        """Read the limits of this channel and of the rear switch; from now on `voltage` refuses what lies outside."""
        with self.parent._transaction:
            highest = min(self.maximum_voltage, self.parent.voltage_limit, HIGHEST_VOLTAGE_V)
            self._range = (max(0.0, self.minimum_voltage), highest)


class ThorlabsMDT69xB(Driver):
    """What both models share. Call `initialise` before anything else.

    It never changes an output on its own. There is no safe state: a piezo is safest where it is.
    """

    channels: Mapping[str, PiezoChannel] = {}
    model_name: ClassVar[str] = "MDT69"
    tells_late_replies_apart = True
    moving_settings = frozenset({"voltage", "master_scan_enabled", "master_scan_voltage"})

    def __init__(self, adapter: Any, name: str = "Thorlabs MDT69xB", **kwargs: Any) -> None:
        kwargs["asrl"] = {"baud_rate": 115_200, **kwargs.get("asrl", {})}
        kwargs.setdefault("write_termination", "\r")
        kwargs.setdefault("read_termination", _PROMPT)
        super().__init__(adapter, name, **kwargs)

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: voltages and their limits in V, the master scan."""
        return moves_of(command, tuple(self.channels))

    def forget_outputs(self) -> None:
        """Forget what was commanded: after a power cut the outputs are at 0 V."""
        for channel in self.channels.values():
            channel.forget_command()

    def require_uninterrupted(self) -> None:
        """Make sure that its power was not cut since `initialise`: it would echo again, and its outputs be at 0 V.

        Raises `ConnectionLost` where it was; it is initialised then, and no set point is known.
        """
        with self._transaction:
            if without_brackets(self.ask("echo?")).lower() == "echo off":
                return
            self.forget_outputs()
            self.initialise()
            raise ConnectionLost(
                self.name,
                "was switched off meanwhile, and its outputs are at 0 V",
                command="echo?",
                remedy="Raise the piezos again.",
            )

    voltage_limit = Instrument.measurement(
        "vlimit?",
        """Get the limit of all outputs in V (75, 100 or 150), as the switch at the rear is set.""",
        preprocess_reply=without_brackets,
        maxsplit=0,
        cast=limit_switch,
    )
    master_scan_enabled = Instrument.measurement(
        "msenable?",
        """Get whether the master scan voltage is added to all outputs (bool).""",
        preprocess_reply=without_brackets,
        maxsplit=0,
        cast=switch_state,
    )
    master_scan_voltage = Instrument.measurement(
        "msvoltage?", """Get the master scan voltage in V.""", preprocess_reply=without_brackets, maxsplit=0
    )

    def initialise(self) -> None:
        """Switch the echo off, check the firmware, make sure that master scan is off, read the limits. No output moves.

        Raises `WrongInstrument` for another model, older firmware and compatibility mode, `InstrumentError` where
        switching the master scan off would move the outputs.
        """
        with self._transaction:
            # What an earlier user left half sent or unread must not spoil the first command: end it, drop the answer.
            self.write("")
            self._out_of_step = True
            try:
                self._switch_echo_off()
            except (Refused, BadReply):  # what the empty line was answered, come in pieces
                self._out_of_step = self._reply_is_missing = True
                self._switch_echo_off()
            self.read_identity()
            self._end_master_scan()
            for channel in self.channels.values():
                channel.read_limits()

    def _switch_echo_off(self) -> None:
        reply = self._ask_first("echo=0")
        if without_brackets(reply).lower() != "echo off":
            raise BadReply(self.name, "did not switch its echo off", command="echo=0", reply=reply)

    def read_identity(self) -> Identity:
        """Return who answers; raises `WrongInstrument` for another model, older firmware and compatibility mode."""
        reply = self._ask_first("id?")
        identity = _identity_in(reply)
        if identity is None:
            raise BadReply(self.name, "did not identify itself", command="id?", reply=reply)
        self._refuse_others(identity)
        return identity

    def command(self, command: str) -> None:
        """Send a command that answers nothing but the prompt; raises `Refused` where it answers more."""
        reply = self.ask(command)
        if reply:
            raise Refused(self.name, "did not accept the command", command=command, reply=reply)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply: lines joined by newline, without echo and prompt.

        Raises `Refused` where the instrument does not know the command or its argument.
        """
        reply = super().ask(command, query_delay)
        lines = [line.strip() for line in re.split("[\r\n]", reply)]
        if lines[0].lower() == command.lower():
            del lines[0]
        text = "\n".join(line for line in lines if line)
        if text in _REFUSALS:
            raise Refused(self.name, "did not accept the command", command=command, reply=text)
        return text

    def _end_master_scan(self) -> None:
        if not self._master_scan_is_on():
            return
        volts = self.master_scan_voltage
        if volts != 0:
            raise InstrumentError(
                self.name,
                f"master scan adds {volts:g} V to all outputs",
                remedy="Bring its voltage to 0 V and switch it off, at the front panel.",
            )
        self.command("msenable=0")

    def _master_scan_is_on(self) -> bool:
        return bool(self.master_scan_enabled)

    def _ask_first(self, command: str) -> str:
        """Ask, and where no prompt comes find out whether the instrument speaks the older grammar."""
        with self._transaction:
            try:
                return self.ask(command)
            except NoReply:
                self._reply_is_missing = False  # what comes now is read to its end, whatever the grammar
                spoken = self._listen("id?")
                identity = _identity_in(spoken)
                if identity is None or _STAR not in spoken:  # half a reply has no prompt either
                    self._out_of_step = self._reply_is_missing = True
                    raise
                self._refuse_others(identity)
                raise WrongInstrument(
                    self.name,
                    f"{identity.model} speaks in compatibility mode",
                    command="id?",
                    reply=spoken,
                    remedy="Switch the compatibility mode off (cm=0).",
                ) from None

    def _listen(self, command: str) -> str:
        with self.transaction(command):
            self.write(command)
            return bytes(self.read_bytes(-1)).decode("latin-1")

    def _ask_for_mark(self) -> None:
        self._seek_mark("id?", lambda reply: _identity_in(reply) is not None)

    def _refuse_others(self, identity: Identity) -> None:
        if identity.model != self.model_name:
            raise WrongInstrument(self.name, f"expected an {self.model_name}, found {identity}", command="id?")
        major, minor = identity.firmware.split(".")
        if (int(major), int(minor)) < OLDEST_FIRMWARE:
            raise WrongInstrument(
                self.name,
                f"its firmware {identity.firmware} answers in a grammar that this driver does not speak",
                command="id?",
                remedy="Update it to firmware 1.09 or later.",
            )


class ThorlabsMDT693B(ThorlabsMDT69xB):
    """Three high-voltage outputs for piezos: `channels["x"]`, `["y"]`, `["z"]`."""

    channels = Instrument.MultiChannelCreator(PiezoChannel, ("x", "y", "z"))
    model_name = "MDT693B"

    measured_voltages = Instrument.measurement(
        "xyzvoltage?",
        """Measure the three outputs in V (tuple x, y, z), see `PiezoChannel.measured_voltage`.""",
        preprocess_reply=without_brackets,
        get_process_list=tuple,
    )

    def __init__(self, adapter: Any, name: str = "Thorlabs MDT693B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)


class ThorlabsMDT694B(ThorlabsMDT69xB):
    """One high-voltage output for a piezo: `channels["x"]`."""

    channels = Instrument.MultiChannelCreator(PiezoChannel, ("x",))
    model_name = "MDT694B"

    def __init__(self, adapter: Any, name: str = "Thorlabs MDT694B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def _master_scan_is_on(self) -> bool:
        try:
            return super()._master_scan_is_on()
        except Refused as refusal:
            if refusal.reply != _NOT_DEFINED:
                raise
            return False  # with one output a master scan makes no sense, and units may not have it


def _identity_in(reply: str) -> Identity | None:
    model, firmware, serial = _MODEL.search(reply), _FIRMWARE.search(reply), _SERIAL.search(reply)
    if model is None or firmware is None:
        return None
    return Identity("Thorlabs", model[1], serial[1] if serial else "", f"{firmware[1]}.{firmware[2]}")
