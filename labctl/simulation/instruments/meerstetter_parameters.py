"""The parameters of a TEC controller: type, range, who may write them, what is saved to flash (TEC protocol 5136AL)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

WORD_DIGITS = 8
LONGEST_TIME_S = 86400.0
COLDEST_C, HOTTEST_C = -273.0, 1000.0

FLASH_SAVING_OFF = 108
INPUT_SELECTION, OUTPUT_ENABLE, CURRENT_LIMIT_A = 2000, 2010, 2030
ADDRESS, RESPONSE_DELAY_US, WATCHDOG_S = 2051, 2052, 2060
TARGET_C, PROXIMITY_WIDTH_K, COARSE_RAMP = 3000, 3002, 3003
LOWER_LIMIT_C, UPPER_LIMIT_C, FASTEST_CHANGE = 4010, 4011, 4012
STABILITY_DEVIATION_K, STABILITY_TIME_S, STABILITY_TIMEOUT_S = 4040, 4041, 4042
CONTROL_SPEED = 6301
LIVE_ENABLE, TARGET_SOURCE, RAM_TARGET_C = 50000, 50011, 50012

_LARGEST_INTEGER = 2**31 - 1
_RATINGS = {1091: (4.0, 21.0), 1092: (1.2, 9.6)}  # A, V
_OTHER_RATING = _RATINGS[1091]
_THRESHOLD_OVER_RATING = 1.4  # an error threshold may be set beyond the rating
_READ, _WRITE = 1, 2


class Kind(IntEnum):
    """Type of a parameter, by its code in replies."""

    FLOAT = 0
    INTEGER = 1


@dataclass(frozen=True)
class Parameter:
    """One parameter: its range, its value in a new device, where it lives."""

    number: int
    kind: Kind
    per_channel: bool
    lower: float
    upper: float
    default: float = 0.0
    writable: bool = False
    saved: bool = False  # a change goes to flash

    @property
    def flags(self) -> int:
        """Readable and writable, as bits."""
        return _READ | _WRITE if self.writable else _READ

    def encode(self, value: float) -> str:
        """Return a value as it goes over the wire."""
        if self.kind is Kind.INTEGER:
            return f"{int(value) & 0xFFFFFFFF:08X}"
        return struct.pack(">f", value).hex().upper()

    def decode(self, digits: str) -> float:
        """Return the value behind eight hex digits that are known to be some."""
        data = bytes.fromhex(digits)
        return float(struct.unpack(">i" if self.kind is Kind.INTEGER else ">f", data)[0])

    def accepts(self, value: float) -> bool:
        """Return whether a decoded value is within range, as single precision knows the range."""
        return self.decode(self.encode(self.lower)) <= value <= self.decode(self.encode(self.upper))


def parameter_table(device_type: int) -> dict[int, Parameter]:
    """Return the parameters by number, for a device of type 1089 to 1092."""
    amperes, volts = _RATINGS.get(device_type, _OTHER_RATING)
    table = [
        *(_integer(number, per_channel=False) for number in (100, 101, 102, 103, 104, 105, 106, 107)),
        _integer(FLASH_SAVING_OFF, 1, per_channel=False, writable=True),
        _integer(109, 2, per_channel=False),
        *(_reading(number) for number in (1000, 1001, 1010, 1011, 1020, 1021, 1030, 1031, 1032, 1042)),
        _reading(1063, per_channel=False),
        _integer(1200, 2),
        _integer(INPUT_SELECTION, 2, default=2, writable=True, saved=True),
        _integer(OUTPUT_ENABLE, 3, writable=True, saved=True),
        _setting(CURRENT_LIMIT_A, 0.0, amperes, default=amperes / 2),
        _setting(2031, 0.0, volts, default=volts / 2),
        _setting(2032, 0.0, amperes * _THRESHOLD_OVER_RATING, default=amperes),
        _setting(2033, 0.0, volts * _THRESHOLD_OVER_RATING, default=volts),
        _integer(ADDRESS, 254, lower=1, per_channel=False, default=1, writable=True, saved=True),
        _integer(RESPONSE_DELAY_US, 100_000, per_channel=False, writable=True, saved=True),
        _setting(WATCHDOG_S, 0.0, 600.0, default=0.0, per_channel=False),
        _setting(TARGET_C, COLDEST_C, HOTTEST_C, default=25.0),
        _setting(PROXIMITY_WIDTH_K, 0.0, 200.0, default=0.2),
        _setting(COARSE_RAMP, 1e-6, 50.0, default=1.0),
        _setting(3010, 0.0, 10_000.0, default=10.0),
        _setting(3011, 1e-4, 10_000.0, default=300.0),
        _setting(3012, 0.0, 10_000.0, default=0.0),
        _setting(3013, 0.0, 1.0, default=0.3),
        _setting(LOWER_LIMIT_C, COLDEST_C, HOTTEST_C, default=5.0),
        _setting(UPPER_LIMIT_C, COLDEST_C, HOTTEST_C, default=70.0),
        _setting(FASTEST_CHANGE, 1.0, 100_000.0, default=10.0),
        _setting(STABILITY_DEVIATION_K, 0.0, 50.0, default=0.1),
        _setting(STABILITY_TIME_S, 0.0, LONGEST_TIME_S, default=10.0),
        _setting(STABILITY_TIMEOUT_S, 0.0, LONGEST_TIME_S, default=0.0),
        _integer(CONTROL_SPEED, 2, writable=True, saved=True),
        _integer(LIVE_ENABLE, 1, writable=True),
        _integer(TARGET_SOURCE, 1, writable=True),
        Parameter(RAM_TARGET_C, Kind.FLOAT, True, COLDEST_C, HOTTEST_C, writable=True),
    ]
    return {parameter.number: parameter for parameter in table}


def _integer(
    number: int,
    upper: int = _LARGEST_INTEGER,
    *,
    lower: int = 0,
    default: int = 0,
    per_channel: bool = True,
    writable: bool = False,
    saved: bool = False,
) -> Parameter:
    return Parameter(number, Kind.INTEGER, per_channel, lower, upper, default, writable, saved)


def _reading(number: int, per_channel: bool = True) -> Parameter:
    return Parameter(number, Kind.FLOAT, per_channel, -math.inf, math.inf)


def _setting(number: int, lower: float, upper: float, *, default: float, per_channel: bool = True) -> Parameter:
    return Parameter(number, Kind.FLOAT, per_channel, lower, upper, default, writable=True, saved=True)
