"""Quantities as an operator types them into a form: "10 kHz", "20 mK/s", "35 °C", "1e4".

Nothing is rounded: a quantity that is shown and read again is the same. A number without a unit is in the unit of its
field.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Final

MINUS: Final = "−"
_PREFIXES: Final = {
    "z": -21, "a": -18, "f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12,
}  # fmt: skip
_TAKES_PREFIX: Final = frozenset({"Hz", "s", "m", "V", "A", "W", "K", "rad", "ohm", "Ω", "N", "J", "g", "Pa", "F", "H"})
_SPOKEN: Final = {"degC": "°C", "ohm": "Ω", "percent": "%", "degrees": "°"}
_LIKE_SECONDS: Final = {"min": 60, "h": 3600}
_NUMBER: Final = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*", re.ASCII)
_GROUPED: Final = str.maketrans({"\u202f": "", "\u2009": "", MINUS: "-", "\u00a0": " ", "μ": "µ"})


class QuantityRefused(ValueError):
    """A text that is no quantity of that unit; the message says what is."""


def unit_text(unit: str) -> str:
    """Return a unit as it is shown: "°C" for "degC"."""
    return _SPOKEN.get(unit, unit)


def quantity_text(value: float, unit: str) -> str:
    """Return `value`, in `unit`, with the prefix that leaves 1 to 999 before the point, where the unit takes one."""
    if not math.isfinite(value):
        return "–"
    exact = Decimal(repr(float(value)))
    prefix = ""
    if value and _first(unit) in _TAKES_PREFIX:
        thousands = 3 * (exact.adjusted() // 3)
        prefix = next((p for p, power in _PREFIXES.items() if power == thousands), "")
    number = _plain(exact.scaleb(-_PREFIXES[prefix]))
    return f"{number} {prefix}{unit_text(unit)}".replace("-", MINUS).strip()


def read_quantity(text: str, unit: str) -> float:
    """Return what `text` says, in `unit`; raises `QuantityRefused`."""
    found = _NUMBER.fullmatch(text.translate(_GROUPED))
    if found is None:
        raise QuantityRefused("not a number" if text.strip() else "a number is needed")
    power_factor = _factor(found[2], unit)
    try:
        value = float(Decimal(found[1]) * power_factor)
    except (InvalidOperation, OverflowError):  # pragma: no cover - three digits of exponent stay within
        raise QuantityRefused("not a number") from None
    if not math.isfinite(value):
        raise QuantityRefused("too large")
    return value


def read_whole(text: str, unit: str) -> int:
    """Return the whole number that `text` says, in `unit`; raises `QuantityRefused`."""
    value = read_quantity(text, unit)
    if value != int(value):
        raise QuantityRefused("a whole number is needed")
    return int(value)


def _first(unit: str) -> str:
    return unit.partition("/")[0]


def _plain(number: Decimal) -> str:
    """Return the digits without an exponent where that is short."""
    shown = format(number.normalize(), "f")
    return shown if len(shown) <= 16 else f"{number.normalize():E}".replace("E+", "e").replace("E", "e")


def _factor(given: str, unit: str) -> Decimal:
    if given in ("", unit, unit_text(unit)):
        return Decimal(1)
    if unit == "s" and given in _LIKE_SECONDS:
        return Decimal(_LIKE_SECONDS[given])
    if _first(unit) in _TAKES_PREFIX:
        for prefix, power in _PREFIXES.items():
            if given in (prefix + unit, prefix + unit_text(unit), prefix.replace("µ", "u") + unit):
                return Decimal(1).scaleb(power)
    raise QuantityRefused(f"the unit is {unit_text(unit)}" if unit else "it has no unit")
