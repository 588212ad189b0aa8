"""Pfeiffer TPG 261, 262, 361 and 362 gauge controllers.

A command is acknowledged first, and its data are then asked for with a single ENQ. A reading comes with the state of
the gauge, and a gauge that is missing reads 2.0000E-2 all the same: no number leaves this driver whose state is not
good. Readings are in the unit of the display, which anybody can change at the front panel.

Data do not say what they are data of, and have no checksum. So this driver asks only questions whose answers look
different from each other, and reads both gauges at once: a late answer is never taken for that of the other gauge.
Source: TPG 261 manual (communication protocol, mnemonics); open drivers that run on hardware for the 36x.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from pymeasure.instruments import Instrument

from drivers.base import Driver, DriverChannel, Identity
from drivers.errors import BadReply, InstrumentError, Refused

log = logging.getLogger(__name__)

ACK, NAK, ENQ = "\x06", "\x15", b"\x05"
GAUGES = (1, 2)
NAMELESS_MODELS = "TPG261/TPG262"  # controllers of the 26x series do not say which of the two they are

_PASCAL_PER_TORR = 101_325 / 760
_LINES_BEFORE_ACKNOWLEDGEMENT = 16  # lines of the continuous output, or late data, may come first
_QUESTIONS = ("PR1", "PR2", "PRX", "UNI", "SEN", "TID", "ERR", "RES", "AYT")
_READING = "[0-7], *[+-]?[0-9][.][0-9]+E[+-]?[0-9]{1,2}"
_READINGS = re.compile(f"{_READING}(?:, *{_READING})?")
_ERROR_WORD = re.compile(r"[01]{4}")
_MODEL = re.compile(r"[A-Z]{2,4} ?\d{3}")
_GAUGE_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9/ ]*")


class GaugeStatus(IntEnum):
    """What the controller says of a gauge; only the value of OK is a pressure."""

    OK = 0
    UNDERRANGE = 1
    OVERRANGE = 2
    SENSOR_ERROR = 3
    SENSOR_OFF = 4
    NO_SENSOR = 5
    IDENTIFICATION_ERROR = 6
    GAUGE_ERROR = 7


_REASONS = {
    GaugeStatus.UNDERRANGE: ("the pressure is below its range", "Use another gauge down there."),
    GaugeStatus.OVERRANGE: ("the pressure is above its range", "Use another gauge up there."),
    GaugeStatus.SENSOR_ERROR: ("its sensor failed", "Check or exchange the gauge."),
    GaugeStatus.SENSOR_OFF: ("it is switched off", "Switch it on at the controller."),
    GaugeStatus.NO_SENSOR: ("no gauge is connected", "Check the gauge cable, or the channel in the station file."),
    GaugeStatus.IDENTIFICATION_ERROR: ("the controller does not know the gauge", "Check the gauge and its cable."),
    GaugeStatus.GAUGE_ERROR: ("it reports an error", "Check or exchange the gauge."),
}


class PressureUnit(IntEnum):
    """What the display counts in; the last three are of the 36x only."""

    MILLIBAR = 0
    TORR = 1
    PASCAL = 2
    MICRON = 3
    HECTOPASCAL = 4
    VOLT = 5


_PASCALS = {
    PressureUnit.MILLIBAR: 100.0,
    PressureUnit.TORR: _PASCAL_PER_TORR,
    PressureUnit.PASCAL: 1.0,
    PressureUnit.MICRON: _PASCAL_PER_TORR / 1000,
    PressureUnit.HECTOPASCAL: 100.0,
}


class ControllerError(Enum):
    """What the error register can say."""

    CONTROLLER = "controller error, see its display"
    NO_HARDWARE = "hardware not installed"
    PARAMETER = "inadmissible parameter"
    SYNTAX = "syntax error"


@dataclass(frozen=True)
class DisplayedValue:
    """One reading as it was sent: the state of the gauge, and a number in the unit of the display."""

    status: GaugeStatus
    value: float


@dataclass(frozen=True)
class GaugeReading:
    """The state of a gauge, and its pressure in Pa where the state is OK, else None."""

    status: GaugeStatus
    pressure_pa: float | None = None


def displayed_values(text: str) -> tuple[DisplayedValue, ...]:
    """Return the readings of one or two gauges in `s,x.xxxxEsxx,s,x.xxxxEsxx`; raises ValueError where it is none."""
    if not _READINGS.fullmatch(text.strip()):
        raise ValueError(f"no readings: {text!r}")
    fields = text.split(",")
    return tuple(
        DisplayedValue(GaugeStatus(int(status)), float(value))
        for status, value in zip(fields[::2], fields[1::2], strict=True)
    )


def error_word(text: str) -> tuple[ControllerError, ...]:
    """Return what the four digits of the error register say; raises ValueError where they are none."""
    if not _ERROR_WORD.fullmatch(text.strip()):
        raise ValueError(f"no error word: {text!r}")
    return tuple(error for error, digit in zip(ControllerError, text.strip(), strict=True) if digit == "1")


def gauge_types(text: str) -> tuple[str, ...]:
    """Return the gauge types in `PKR,noSEn`; raises ValueError where they are none."""
    types = tuple(field.strip() for field in text.split(","))
    if len(types) > len(GAUGES) or not all(_GAUGE_TYPE.fullmatch(name) for name in types):
        raise ValueError(f"no gauge types: {text!r}")
    return types


def pressure_unit(text: str) -> PressureUnit:
    """Return the unit behind its digit; raises ValueError where there is none."""
    if len(text) != 1:  # four digits are a late error word
        raise ValueError(f"no unit: {text!r}")
    return PressureUnit(int(text))


# Replies are cast whole (maxsplit=0): what a comma divides is for the cast to say.


class Gauge(DriverChannel):
    """One of the two gauges."""

    @property
    def status(self) -> GaugeStatus:
        """Get the state of the gauge (`GaugeStatus`)."""
        with self.parent.transaction():
            return self._shown().status

    @property
    def pressure_pa(self) -> float:
        """Measure the pressure in Pa (float). Raises `Refused` with the reason where the state is not OK."""
        reading = self.measure()
        if reading.pressure_pa is not None:
            return reading.pressure_pa
        reason, remedy = _REASONS[reading.status]
        raise Refused(
            self.parent.name,
            f"gauge {self.id} gives no pressure: {reason}",
            command="PRX",
            reply=f"status {reading.status.value}",
            remedy=remedy,
        )

    def measure(self) -> GaugeReading:
        """Return state and pressure, which belong together; the unit of the display is read with them.

        Raises `Refused` where the display shows volts.
        """
        with self.parent.transaction():
            shown = self._shown()
            if shown.status is not GaugeStatus.OK:
                return GaugeReading(shown.status)
            return GaugeReading(shown.status, shown.value * self.parent.pascals_per_unit())

    def _shown(self) -> DisplayedValue:
        shown: tuple[DisplayedValue, ...] = self.values("PRX", maxsplit=0, cast=displayed_values)[0]
        return shown[self.id - 1] if self.id <= len(shown) else DisplayedValue(GaugeStatus.NO_SENSOR, 0.0)


class PfeifferTPG(Driver):
    """A controller of two gauges, `gauges[1]` and `gauges[2]`; on the models with one, the second is missing.

    It changes nothing, and so has no safe state. The continuous output that some units start with ends by itself with
    the first command; its lines are skipped.
    """

    gauges = Instrument.MultiChannelCreator(Gauge, GAUGES, prefix="gauge_")
    tells_late_replies_apart = True  # every question is answered in a shape of its own

    def __init__(self, adapter: Any, name: str = "Pfeiffer TPG", **kwargs: Any) -> None:
        kwargs["asrl"] = {"baud_rate": 9600, **kwargs.get("asrl", {})}
        kwargs.setdefault("write_termination", "\r")
        kwargs.setdefault("read_termination", "\n")
        super().__init__(adapter, name, **kwargs)
        self._out_of_step = True  # hours of continuous output may be waiting: clear it before the first command

    unit = Instrument.measurement(
        "UNI",
        """Get the unit of the display (`PressureUnit`).""",
        maxsplit=0,
        cast=pressure_unit,
    )
    gauge_types = Instrument.measurement(
        "TID",
        """Get the types of the gauges as the controller names them (tuple of str), "noSEn" for none.""",
        maxsplit=0,
        cast=gauge_types,
    )
    error_register = Instrument.measurement(
        "ERR",
        """Get the errors since the last reading (tuple of `ControllerError`). Reading it clears them.""",
        maxsplit=0,
        cast=error_word,
    )

    def initialise(self) -> None:
        """End the continuous output, clear old errors, make sure that the display shows a pressure. Changes nothing.

        Raises `Refused` where it shows volts.
        """
        with self.transaction():
            for error in self.check_errors():
                log.warning("%s: had an old error: %s", self.name, error.value)
            self.pascals_per_unit()

    def read_identity(self) -> Identity:
        """Return who answers.

        A 36x names its model, such as "TPG362". A 26x cannot, and is known by refusing to: its model is returned as
        `NAMELESS_MODELS`, which contains the names of both.
        """
        with self.transaction():
            try:
                reply = self.ask("AYT")
            except Refused:
                types = self.gauge_types  # any other device would fail here
                log.info("%s: a TPG 26x with gauges %s", self.name, ", ".join(types))
                return Identity("Pfeiffer Vacuum", NAMELESS_MODELS, "", "")
        model, _, serial, firmware = [*(field.strip() for field in reply.split(",")), "", "", ""][:4]
        if not _MODEL.fullmatch(model):
            raise BadReply(self.name, "did not identify itself", command="AYT", reply=reply)
        return Identity("Pfeiffer Vacuum", model.replace(" ", ""), serial, firmware)

    def is_question(self, command: str) -> bool:
        """Return whether a command only reads: a known mnemonic without parameters."""
        return command.strip() in _QUESTIONS

    def forget_outputs(self) -> None:
        """Clear the line before the next command: a unit may wake up with its continuous output on."""
        self._out_of_step = True

    def check_errors(self) -> list[ControllerError]:
        """Read the error register, which clears it, and return what was in it."""
        return list(self.error_register)

    def pascals_per_unit(self) -> float:
        """Return what one unit of the display is in Pa. Raises `Refused` where it shows volts."""
        unit = self.unit
        if unit not in _PASCALS:
            raise Refused(
                self.name,
                "its display shows volts and no pressure",
                command="UNI",
                reply=str(int(unit)),
                remedy="Choose a unit of pressure at the controller.",
            )
        return _PASCALS[unit]

    # ---- the handshake -----------------------------------------------------------------------------------------------

    def values(self, command: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Send one command and return its data cast strictly; what cannot be cast may be late data of another."""
        with self.transaction(command):
            try:
                return super().values(command, *args, **kwargs)
            except BadReply:
                self._out_of_step = True
                raise

    def write(self, command: str, **kwargs: Any) -> None:
        """Send one command and wait for its acknowledgement; raises `Refused` with the controller's reason."""
        with self.transaction(command):
            if not self._is_acknowledged(command, **kwargs):
                raise self._refusal(command)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Send one command, wait for its acknowledgement, ask for its data and return them."""
        with self.transaction(command):
            self.write(command)
            self.wait_for(query_delay)
            return self._enquire(command)

    def _is_acknowledged(self, command: str, **kwargs: Any) -> bool:
        super().write(command, **kwargs)
        for _ in range(_LINES_BEFORE_ACKNOWLEDGEMENT):
            line = str(self.read()).strip()
            # The command may have cut a line of the continuous output short.
            if line.endswith((ACK, NAK)):
                return line.endswith(ACK)
        self._out_of_step = True
        raise BadReply(
            self.name,
            "talks without acknowledging",
            command=command,
            reply=line,
            remedy="Switch its continuous output off, and check the baud rate.",
        )

    def _enquire(self, command: str) -> str:
        self.write_bytes(ENQ)
        for _ in range(_LINES_BEFORE_ACKNOWLEDGEMENT):
            line = str(self.read()).strip()
            if line != ACK:  # one that came late was taken for that of this command
                break
        if not line.isprintable() or not line:
            self._out_of_step = True
            raise BadReply(self.name, "sent no data", command=command, reply=line)
        return line

    def _refusal(self, command: str) -> InstrumentError:
        reply = self._enquire("ERR") if self._is_acknowledged("ERR") else ""
        try:
            reason = ", ".join(error.value for error in error_word(reply))
        except ValueError:
            reason = ""
        return Refused(
            self.name,
            f"did not accept the command: {reason or 'it gives no reason'}",
            command=command,
            reply=NAK,
            remedy="Check the model and its firmware.",
        )
