"""Numbers and times as the screens write them: one place for all pages.

What is not known (nan) is "–". Numbers and their units are kept on one line by no-break spaces.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

UNKNOWN_TEXT: Final = "–"
NO_BREAK: Final = "\u00a0"
MINUS: Final = "−"
PLUS_MINUS: Final = f"{NO_BREAK}±{NO_BREAK}"

_PREFIXES: Final = {
    -21: "z", -18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T",
}  # fmt: skip
_PREFIXED: Final = frozenset({"Hz", "V", "A", "W", "Pa", "s", "m", "N", "J", "K", "rad", "Ω", "F", "B"})
_SHOWN_UNITS: Final = {"degC": "°C", "deg": "°", "1": "", "ohm": "Ω", "Ohm": "Ω", "percent": "%"}
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FIXED_FROM, _FIXED_BELOW = -3, 5  # powers of ten between which a number without a prefix is written out
_DIGITS_WITHOUT_SIGMA: Final = 5
_MOST_DECIMALS: Final = 12
_ZEROS_FROM: Final = 6  # decimals, from which sigma has a prefix of its own
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_ESTIMATE: Final = re.compile(
    r"(?P<value>[+-]?\d[\d.]*(?:e[+-]?\d+)?) \+- (?P<sigma>\d[\d.]*(?:e[+-]?\d+)?)(?: (?P<unit>\S+))?"
)
_WRITTEN_DIGITS: Final = 1e-5  # sigma over value, from which the digits of an estimate as text suffice
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class NumberText:
    """A number in parts, for who sets them apart: `value` and `sigma` in the same `unit`; no sigma is "".

    `own_sigma` is the sigma with a prefix of its own, where it would be a row of zeros in that of the value: "12 Hz";
    else "".
    """

    value: str
    sigma: str
    unit: str
    own_sigma: str = ""

    @property
    def text(self) -> str:
        """The parts on one line."""
        if self.own_sigma:
            return f"{self.value}{NO_BREAK}{self.unit}{PLUS_MINUS}{self.own_sigma}"
        number = f"{self.value}{PLUS_MINUS}{self.sigma}" if self.sigma else self.value
        if self.sigma and self.unit.startswith("×"):
            number = f"({number})"
        gap = "" if self.unit in ("", "°") else NO_BREAK
        return f"{number}{gap}{self.unit}"


# ---- numbers --------------------------------------------------------------------------------------------------------


def value_text(value: float, sigma: float, unit: str) -> str:
    """Return "4.3010 ± 0.0002 MHz": the digits that sigma leaves (two up to 354, else one, by the rule of the Particle
    Data Group), and the prefix that suits the larger of both. A sigma that is nan, zero or negative is left out, and
    the value has up to five digits. A sigma of very many decimals has a prefix of its own: "4.301021 MHz ± 12 Hz"."""
    return number_parts(value, sigma, unit).text


def number_text(value: float, unit: str, digits: int = _DIGITS_WITHOUT_SIGMA) -> str:
    """Return a reading with a fixed number of digits, zeros at its end too, so that it does not jump: "35.010 °C"."""
    return _without_sigma(value, unit, digits, keep_zeros=True).text


def tidied(line: str) -> str:
    """Return a line of text with its estimates as this screen writes them: "V_pi = 0.948028 +- 0.007 V" becomes
    "V_pi = 0.948 ± 0.007 V"."""

    def tidy(found: re.Match[str]) -> str:
        value, sigma = float(found["value"]), float(found["sigma"])
        unit = found["unit"] or ""
        if not sigma >= _WRITTEN_DIGITS * abs(value):
            digits = sum(letter.isdigit() for letter in found["value"].partition("e")[0])
            return f"{number_text(value, unit, digits)}{PLUS_MINUS}{number_text(sigma, unit, 2)}"
        return value_text(value, sigma, unit)

    return _ESTIMATE.sub(tidy, line)


def number_parts(value: float, sigma: float, unit: str, power: int | None = None, *, short: bool = False) -> NumberText:
    """Return the parts of `value_text`, with the prefix for 10^`power` where one is given (`common_power`); `short`
    leaves sigma one digit only."""
    if not math.isfinite(value) or not (math.isfinite(sigma) and sigma > 0.0):
        return _without_sigma(value, unit, _DIGITS_WITHOUT_SIGMA, keep_zeros=False, power=power)
    last = math.floor(math.log10(1.05 * sigma)) if short else _last_power(sigma)
    if power is None:
        power = _prefix_power(max(abs(_rounded(value, last)), _rounded(sigma, last)), unit)
        if power < last and _takes_prefix(unit):  # no zeros that sigma does not bear: "0.4 ± 0.4 kHz", not "400 ± 400"
            power += 3
    if power - last > _MOST_DECIMALS:
        return _without_sigma(value, unit, _MOST_DECIMALS, keep_zeros=False)
    shown = [_fixed(_rounded(number, last), power, max(power - last, 0)) for number in (value, sigma)]
    is_row_of_zeros = power - last >= _ZEROS_FROM and _takes_prefix(unit)
    digits = math.floor(math.log10(1.0001 * _rounded(sigma, last))) - last + 1
    own = _without_sigma(_rounded(sigma, last), unit, digits, keep_zeros=True).text if is_row_of_zeros else ""
    return NumberText(shown[0], shown[1], _unit_with(power, unit), own)


def common_power(values: Iterable[float], unit: str) -> int:
    """Return the power of ten whose prefix suits the largest of some values of one unit: for a row of a table."""
    return _prefix_power(max((abs(value) for value in values if math.isfinite(value)), default=0.0), unit)


def unit_text(unit: str, power: int = 0) -> str:
    """Return a unit as it is shown, with the prefix for 10^`power`: "MHz", "°C", "× 10⁻⁶ mbar", and "" for a number."""
    return _unit_with(power, unit)


def _without_sigma(value: float, unit: str, digits: int, *, keep_zeros: bool, power: int | None = None) -> NumberText:
    if math.isnan(value):
        return NumberText(UNKNOWN_TEXT, "", "")
    if math.isinf(value):
        return NumberText("∞" if value > 0 else f"{MINUS}∞", "", _unit_with(0, unit))
    last = (math.floor(math.log10(abs(value))) if value else 0) - digits + 1
    rounded = _rounded(value, last)
    power = _prefix_power(abs(rounded), unit) if power is None else power
    text = _fixed(rounded, power, max(power - last, 0))
    if "." in text and not keep_zeros:
        text = text.rstrip("0").rstrip(".")
    return NumberText(text, "", _unit_with(power, unit))


def _last_power(sigma: float) -> int:
    """Return the power of ten of the last digit that `sigma` leaves."""
    power = math.floor(math.log10(sigma))
    lead = round(sigma / 10.0 ** (power - 2))
    return power - 1 if lead <= 354 else power + (lead >= 950 and lead > 999)


def _rounded(number: float, power: int) -> float:
    return round(number, -power) if power < 0 else float(round(number / 10**power) * 10**power)


def _fixed(number: float, power: int, decimals: int) -> str:
    scaled = number / 10.0**power
    return f"{scaled + 0.0:.{decimals}f}".replace("-", MINUS) if round(scaled, decimals) else f"{0.0:.{decimals}f}"


def _prefix_power(largest: float, unit: str) -> int:
    """Return the power of ten that the prefix stands for, or that is written out behind a unit that takes none."""
    if largest == 0.0:
        return 0
    exact = math.floor(math.log10(largest) + 1e-12)
    if _takes_prefix(unit):
        return min(max(3 * (exact // 3), min(_PREFIXES)), max(_PREFIXES))
    return 0 if _FIXED_FROM <= exact < _FIXED_BELOW or unit in ("dB", "%") else exact


def _takes_prefix(unit: str) -> bool:
    return unit.split("/")[0] in _PREFIXED


def _unit_with(power: int, unit: str) -> str:
    shown = _SHOWN_UNITS.get(unit, unit)
    if _takes_prefix(unit):
        return f"{_PREFIXES[power]}{shown}"
    if power == 0:
        return shown
    factor = f"×{NO_BREAK}10{str(power).translate(_SUPERSCRIPTS)}"
    return f"{factor}{NO_BREAK}{shown}" if shown else factor


# ---- times ----------------------------------------------------------------------------------------------------------


def duration_text(seconds: float) -> str:
    """Return a length of time in its two largest units: "4.8 s", "31 s", "21 min 31 s", "1 h 43 min", "2 d 3 h"."""
    if not math.isfinite(seconds):
        return UNKNOWN_TEXT
    if seconds < 0:
        return f"{MINUS}{duration_text(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole}{NO_BREAK}s"
    if whole < _HOUR_S:
        return _two_units(whole, _MINUTE_S, "min", 1, "s")
    whole = _MINUTE_S * round(seconds / _MINUTE_S)
    if whole < _DAY_S:
        return _two_units(whole, _HOUR_S, "h", _MINUTE_S, "min")
    return _two_units(_HOUR_S * round(seconds / _HOUR_S), _DAY_S, "d", _HOUR_S, "h")


def _two_units(whole: int, large_s: int, large: str, small_s: int, small: str) -> str:
    rest = whole % large_s // small_s
    first = f"{whole // large_s}{NO_BREAK}{large}"
    return f"{first}{NO_BREAK}{rest}{NO_BREAK}{small}" if rest else first


def short_duration_text(seconds: float) -> str:
    """Return a length of time in its largest unit, for narrow columns: "31 s", "22 min", "12 h", "3 d"."""
    if not math.isfinite(seconds):
        return UNKNOWN_TEXT
    if seconds < 0:
        return f"{MINUS}{short_duration_text(-seconds)}"
    # A unit begins where the smaller one would be rounded up to it.
    for unit_s, name, smaller_s in ((_DAY_S, "d", _HOUR_S), (_HOUR_S, "h", _MINUTE_S), (_MINUTE_S, "min", 1)):
        if seconds >= max(unit_s * (2 if unit_s == _DAY_S else 1) - smaller_s / 2, unit_s / 2):
            return f"{round(seconds / unit_s)}{NO_BREAK}{name}"
    return f"{round(seconds)}{NO_BREAK}s"


def age_text(seconds: float) -> str:
    """Return how old something is: "12 h old"; less than a second, or the future of another clock, is "now"."""
    if not math.isfinite(seconds):
        return UNKNOWN_TEXT
    return "now" if seconds < 1.0 else f"{short_duration_text(seconds)}{NO_BREAK}old"


def countdown_text(seconds: float) -> str:
    """Return the time that is left, for places that count down: "04:12 h", and below an hour "21:31 min"."""
    if not math.isfinite(seconds):
        return UNKNOWN_TEXT
    whole = round(max(seconds, 0.0))
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}:{whole % _MINUTE_S:02d}{NO_BREAK}min"
    return f"{whole // _HOUR_S:02d}:{whole % _HOUR_S // _MINUTE_S:02d}{NO_BREAK}h"


def clock_text(epoch_s: float, *, seconds: bool = True) -> str:
    """Return a wall time of this machine's zone: "14:02:33", or without seconds "14:02"."""
    if not math.isfinite(epoch_s):
        return UNKNOWN_TEXT
    return time.strftime("%H:%M:%S" if seconds else "%H:%M", time.localtime(epoch_s))


def moment_text(epoch_s: float, now: float) -> str:
    """Return a wall time that may be of another day: "14:02:33" today, "Mon 14:02" within six days, else
    "2025-11-03"."""
    if not math.isfinite(epoch_s) or not math.isfinite(now):
        return UNKNOWN_TEXT
    then, today = time.localtime(epoch_s), time.localtime(now)
    if then[:3] == today[:3]:
        return clock_text(epoch_s)
    if abs(now - epoch_s) < 6 * _DAY_S:
        return f"{_WEEKDAYS[then.tm_wday]}{NO_BREAK}{clock_text(epoch_s, seconds=False)}"
    return time.strftime("%Y-%m-%d", then)
