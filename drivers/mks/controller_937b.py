"""MKS 937B vacuum gauge controller: the driver of pymeasure, with its defects mended.

Mended: a NAK is handed on as if it were the reply ("NAK160" as a serial number); a wrong terminator and a missing
acknowledgement are bare ValueErrors, outside the lock; words such as "NOGAUGE" and units come through pymeasure only as
failed casts to float; relay set points take any text.

Sources: pymeasure 0.16 `mksinst`; MKS 937B operation manual, chapter 9; error codes as in the 946 manual, page 105; the
words in place of a pressure from the EPICS protocol file of the Sirius storage ring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.mksinst import mks937b
from pymeasure.instruments.mksinst.mks937b import IonGaugeAndPressureChannel, PressureChannel, Unit

from drivers.base import Driver, DriverChannel, Identity
from drivers.errors import BadReply, Refused
from drivers.pymeasure_backed import PlainConstructor, Withdrawn, corrected

__all__ = ["ERROR_TEXTS", "MKS937B", "GaugeChannel", "GaugeReply", "GaugeWord", "IonGaugeChannel", "Unit"]

LOWEST_ADDRESS, HIGHEST_ADDRESS = 1, 253

ERROR_TEXTS = {
    "150": "wrong gauge",
    "151": "no gauge",
    "152": "not an ion gauge",
    "153": "not a hot cathode",
    "154": "not a cold cathode",
    "155": "not a capacitance manometer",
    "156": "not a Pirani gauge",
    "160": "unrecognised message",
    "161": "set commands are locked",
    "163": "invalid channel",
    "169": "invalid argument",
    "172": "value out of range",
    "175": "neither a query nor a set",
}
"""What the numbers behind NAK mean, as far as a gauge reader meets them."""

_REPLY = re.compile(r"@(\d{3})(ACK|NAK)(.*)", re.DOTALL)
_MODULES = re.compile(r"\w\w(,\w\w){2,3}")
_RELAYS = Withdrawn("interlock relays are not set from here")


class GaugeWord(StrEnum):
    """What a channel means by a word in place of a pressure."""

    UNDER_RANGE = "under range"
    OVER_RANGE = "over range"
    OFF = "off"
    STARTING = "starting"
    NO_GAUGE = "no gauge"
    FAULT = "fault"


_WORDS = {
    "OVER": GaugeWord.OVER_RANGE,
    "ATM": GaugeWord.OVER_RANGE,
    "OFF": GaugeWord.OFF,
    "RP_OFF": GaugeWord.OFF,
    "CTRL_OFF": GaugeWord.OFF,
    "PROT_OFF": GaugeWord.OFF,
    "WAIT": GaugeWord.STARTING,
    "NOGAUGE": GaugeWord.NO_GAUGE,
    "MISCONN": GaugeWord.FAULT,
}
_PRESSURE = re.compile(r"-?\d+(\.\d*)?(E[+-]?\d+)?", re.IGNORECASE)
_UNDER_RANGE = re.compile(r"(LO)?<\S*E[+-]?\d+", re.IGNORECASE)  # LO<E-11, <1.00E-11


@dataclass(frozen=True)
class GaugeReply:
    """What a channel says: a pressure in the controller's unit, or a word and its meaning; `text` is the reply."""

    text: str
    pressure: float | None = None
    word: GaugeWord | None = None


def gauge_reply(text: str) -> GaugeReply:
    """Return what a reply to PRn? says; raises ValueError for what is neither a number nor a known word."""
    if _PRESSURE.fullmatch(text):
        return GaugeReply(text, pressure=float(text))
    if _UNDER_RANGE.fullmatch(text):
        return GaugeReply(text, word=GaugeWord.UNDER_RANGE)
    if text.upper() in _WORDS:
        return GaugeReply(text, word=_WORDS[text.upper()])
    raise ValueError(f"{text!r} is neither a pressure nor a known word")


class GaugeChannel(DriverChannel, PressureChannel):  # type: ignore[misc]
    """One gauge."""

    pressure = corrected(
        PressureChannel.pressure, "Get the pressure in the controller's `unit` (float, `BadReply` for a word)."
    )
    reading = corrected(
        PressureChannel.pressure, "Get the pressure, or the word in its place (`GaugeReply`).", cast=gauge_reply
    )
    power_enabled = corrected(
        PressureChannel.power_enabled, "Control whether the gauge, or its high voltage, is on (bool).", cast=str
    )


class IonGaugeChannel(GaugeChannel, IonGaugeAndPressureChannel):  # type: ignore[misc]
    """One gauge of a slot that can hold an ion gauge: channels 1, 3 and 5."""

    ion_gauge_status = corrected(
        IonGaugeAndPressureChannel.ion_gauge_status,
        "Get the state of an ion gauge (str such as Good, Off or Wait; `Refused` for other gauges).",
        cast=str,
    )


class MKS937B(Driver, PlainConstructor, mks937b.MKS937B):  # type: ignore[misc]
    """Up to six gauges, `channels[1]` to `channels[6]`, on a serial line: `@<address>...;FF`.

    `address` is that of the controller, 1 to 253.
    """

    ch_1 = Instrument.ChannelCreator(IonGaugeChannel, 1)
    ch_2 = Instrument.ChannelCreator(GaugeChannel, 2)
    ch_3 = Instrument.ChannelCreator(IonGaugeChannel, 3)
    ch_4 = Instrument.ChannelCreator(GaugeChannel, 4)
    ch_5 = Instrument.ChannelCreator(IonGaugeChannel, 5)
    ch_6 = Instrument.ChannelCreator(GaugeChannel, 6)
    relay_1 = relay_2 = relay_3 = relay_4 = relay_5 = relay_6 = _RELAYS
    relay_7 = relay_8 = relay_9 = relay_10 = relay_11 = relay_12 = _RELAYS
    all_pressures = combined_pressure1 = combined_pressure2 = Withdrawn("read the channels, each with its state")

    tells_late_replies_apart = True
    moving_settings = frozenset({"power_enabled"})

    def __init__(self, adapter: Any, name: str = "MKS 937B", address: int = 253, **kwargs: Any) -> None:
        if not LOWEST_ADDRESS <= address <= HIGHEST_ADDRESS:
            raise ValueError(f"{address} is no address of a controller: {LOWEST_ADDRESS} to {HIGHEST_ADDRESS}")
        kwargs["asrl"] = {"baud_rate": 9600, **kwargs.get("asrl", {})}
        kwargs.setdefault("read_termination", ";")  # pyvisa takes one character of ;FF, `read` takes the others
        kwargs.setdefault("write_termination", ";FF")
        super().__init__(adapter, name, **kwargs)
        self.address = address
        self._command = ""

    unit = corrected(
        mks937b.MKS937B.unit,
        "Control the unit of all pressures (`Unit`: TORR, mBAR, PASCAL or MICRON).",
        cast=str,
    )

    def read_identity(self) -> Identity:
        """Return who answers: the three modules, which a gauge controller has, the serial number and the firmware.

        Raises `BadReply` or `Refused` where something else answers.
        """
        with self._transaction:
            modules = self.ask("MT?")
            if _MODULES.fullmatch(modules) is None:
                raise BadReply(self.name, "did not name the modules of a 937B", command="MT?", reply=modules)
            return Identity("MKS", "937B", self.ask("SN?"), self.ask("FV6?"))

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command, without address and terminator; they are added."""
        with self.transaction(command):
            self._command = command
            super().write(command, **kwargs)

    def read(self, **kwargs: Any) -> str:
        """Return what stands between ACK and ;FF.

        Raises `Refused` with the reason behind a NAK, and `BadReply` for anything else.
        """
        with self.transaction(self._command):
            line = str(Instrument.read(self, **kwargs))
            end = self.read_bytes(2)
            match = _REPLY.fullmatch(line)
            if match is None or end != b"FF" or int(match[1]) != self.address:
                self._out_of_step = True
                reply = f"{line};{end.decode('latin-1')}"
                raise BadReply(self.name, "did not answer in its own form", command=self._command, reply=reply)
            if match[2] == "NAK":
                reason = ERROR_TEXTS.get(match[3], "an error that is not in the list")
                raise Refused(self.name, f"refused: {reason}", command=self._command, reply=match[3])
            return match[3]

    def check_set_errors(self) -> list[Any]:
        """Read the acknowledgement of a set; raises `Refused` where it is none."""
        self.read()
        return []

    def _ask_for_mark(self) -> None:
        self._seek_mark("MT?", lambda reply: _MODULES.fullmatch(reply) is not None)
