"""Packets of Thorlabs Elliptec devices: pure functions from text to numbers and back, no input or output.

A packet is one hex digit of address, a mnemonic of two characters and upper-case hex digits of a fixed count. The host
writes mnemonics in lower case and ends a packet with nothing; a device answers in upper case and ends with CR LF.
Source: open drivers that run on hardware (pylablib, thorlabs_elliptec) agree on this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

DEGREES_PER_REVOLUTION = 360.0
INT32 = (-(2**31), 2**31 - 1)
BUTTON_MESSAGES = ("BO", "BS")  # nobody asked for them: somebody is at the buttons of the device

_REPLY = re.compile(r"(?P<address>[0-9A-F])(?P<mnemonic>[A-Z][A-Z0-9])(?P<payload>[0-9A-F]*)")
_DIGITS = {"IN": 30, "GS": 2, "PO": 8, "HO": 8, "GJ": 8, "GV": 2, "I1": 22, "I2": 22}
_INFO = re.compile(
    r"(?P<type>[0-9A-F]{2})(?P<serial>[0-9A-F]{8})(?P<year>\d{4})(?P<firmware>[0-9A-F]{2})"
    r"(?P<hardware>[0-9A-F]{2})(?P<travel>[0-9A-F]{4})(?P<pulses>[0-9A-F]{8})"
)
_WORD = re.compile(r"[0-9A-F]{8}")
_BYTE = re.compile(r"[0-9A-F]{2}")


class RotatorStatus(IntEnum):
    """What a device says of itself; everything but OK and BUSY is a fault, latched until it is read."""

    OK = 0
    COMMUNICATION_TIMEOUT = 1
    MECHANICAL_TIMEOUT = 2
    COMMAND_ERROR = 3
    VALUE_OUT_OF_RANGE = 4
    ISOLATED = 5
    OUT_OF_ISOLATION = 6
    INITIALISATION_ERROR = 7
    THERMAL_ERROR = 8
    BUSY = 9
    SENSOR_ERROR = 10
    MOTOR_ERROR = 11
    OUT_OF_RANGE = 12
    OVERCURRENT = 13
    GENERAL_ERROR = 14
    UNKNOWN = 255

    @classmethod
    def _missing_(cls, value: object) -> RotatorStatus | None:
        return cls.UNKNOWN if isinstance(value, int) and 0 <= value < cls.UNKNOWN else None

    @property
    def is_fault(self) -> bool:
        """Return whether this is something that went wrong."""
        return self not in (RotatorStatus.OK, RotatorStatus.BUSY)

    @property
    def text(self) -> str:
        """Return the status in words."""
        return _TEXTS[self]

    @property
    def remedy(self) -> str:
        """Return what to do about it, empty where nothing is known."""
        return _REMEDIES.get(self, "")


_TEXTS = {
    RotatorStatus.OK: "no fault",
    RotatorStatus.COMMUNICATION_TIMEOUT: "a packet was not completed in time",
    RotatorStatus.MECHANICAL_TIMEOUT: "mechanical timeout, it stopped short of its target",
    RotatorStatus.COMMAND_ERROR: "it does not know the command",
    RotatorStatus.VALUE_OUT_OF_RANGE: "the value is out of range",
    RotatorStatus.ISOLATED: "it is isolated from the bus",
    RotatorStatus.OUT_OF_ISOLATION: "it came out of isolation",
    RotatorStatus.INITIALISATION_ERROR: "it did not start up properly",
    RotatorStatus.THERMAL_ERROR: "it is too hot",
    RotatorStatus.BUSY: "it is busy",
    RotatorStatus.SENSOR_ERROR: "its position sensor failed",
    RotatorStatus.MOTOR_ERROR: "its motor failed",
    RotatorStatus.OUT_OF_RANGE: "its position is out of range",
    RotatorStatus.OVERCURRENT: "its motor draws too much current",
    RotatorStatus.GENERAL_ERROR: "general error",
    RotatorStatus.UNKNOWN: "a fault that this driver does not know",
}
_REMEDIES = {
    RotatorStatus.COMMUNICATION_TIMEOUT: "Check the cable, then try again.",
    RotatorStatus.MECHANICAL_TIMEOUT: "Read its angle and move again; where it stays, check that it turns freely.",
    RotatorStatus.INITIALISATION_ERROR: "Switch it off and on, then home it.",
    RotatorStatus.THERMAL_ERROR: "Let it cool.",
    RotatorStatus.BUSY: "Wait until it stands.",
    RotatorStatus.SENSOR_ERROR: "Switch it off and on, then home it.",
    RotatorStatus.OUT_OF_RANGE: "Home it.",
    RotatorStatus.OVERCURRENT: "Check that the mount turns freely, and its supply.",
}


@dataclass(frozen=True)
class Reply:
    """One packet from a device."""

    address: int
    mnemonic: str
    payload: str

    @property
    def status(self) -> RotatorStatus:
        """Return the status in a GS packet; raises ValueError for any other."""
        if self.mnemonic != "GS":
            raise ValueError(f"{self.mnemonic} carries no status")
        return rotator_status(self.payload)

    def __str__(self) -> str:
        return f"{self.address:X}{self.mnemonic}{self.payload}"


@dataclass(frozen=True)
class RotatorInfo:
    """What a device says to `in`: its type (14 for an ELL14), serial number, year of make, firmware and hardware as
    printed, travel in degrees and pulses per revolution."""

    type_number: int
    serial: str
    year: int
    firmware: str
    hardware: str
    travel_deg: int
    pulses_per_revolution: int


def parse_reply(line: str) -> Reply | None:
    """Return the packet in one line without its end, or None where there is none, or one of the wrong length."""
    match = _REPLY.fullmatch(line)
    if match is None:
        return None
    digits = _DIGITS.get(match["mnemonic"])
    if digits is not None and len(match["payload"]) != digits:
        return None
    return Reply(int(match["address"], 16), match["mnemonic"], match["payload"])


def rotator_info(payload: str) -> RotatorInfo:
    """Return what the digits of an IN packet say; raises ValueError where they do not, or give no scale."""
    match = _INFO.fullmatch(payload)
    if match is None or int(match["pulses"], 16) == 0:
        raise ValueError(f"no device information: {payload!r}")
    return RotatorInfo(
        type_number=int(match["type"], 16),
        serial=match["serial"],
        year=int(match["year"]),
        firmware=match["firmware"],
        hardware=match["hardware"],
        travel_deg=int(match["travel"], 16),
        pulses_per_revolution=int(match["pulses"], 16),
    )


def rotator_status(digits: str) -> RotatorStatus:
    """Return the status behind two hex digits; raises ValueError where they are none."""
    return RotatorStatus(byte_value(digits))


def byte_value(digits: str) -> int:
    """Return the number behind two hex digits; raises ValueError where they are none."""
    if not _BYTE.fullmatch(digits):
        raise ValueError(f"{digits!r} is not two hex digits")
    return int(digits, 16)


def pulses(digits: str) -> int:
    """Return the signed count behind eight hex digits; raises ValueError where they are none."""
    if not _WORD.fullmatch(digits):
        raise ValueError(f"{digits!r} is not eight hex digits")
    word = int(digits, 16)
    return word - 2**32 if word >= 2**31 else word


def encode_pulses(count: int) -> str:
    """Return a count as eight hex digits (two's complement); raises ValueError where it does not fit."""
    if not INT32[0] <= count <= INT32[1]:
        raise ValueError(f"{count} pulses do not fit into 32 bits")
    return f"{count & 0xFFFFFFFF:08X}"


def pulses_for(angle_deg: float, pulses_per_revolution: int) -> int:
    """Return the whole number of pulses nearest to an angle."""
    return round(angle_deg / DEGREES_PER_REVOLUTION * pulses_per_revolution)


def degrees_for(count: int, pulses_per_revolution: int) -> float:
    """Return the angle in degrees of a count of pulses."""
    return count / pulses_per_revolution * DEGREES_PER_REVOLUTION
