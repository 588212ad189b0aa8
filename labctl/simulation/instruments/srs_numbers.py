"""How a SIM960 reads, keeps and spells numbers: gains of two digits (`+1.5E+3`), voltages in millivolts (`-0.123`).

After the SIM960 manual rev. 2.3, sections 3.4.3 and 3.4.4. A guess: numbers are rounded to what is kept, not cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Protocol

_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(E[+-]?[0-9]{1,5})?")


def decimal(text: str) -> Decimal | None:
    """Return the number that `text` spells (decimal or exponential, upper case), or None."""
    if not _FLOAT.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


class Scale(Protocol):
    """The numbers that one parameter can hold."""

    def value(self, text: str) -> Decimal | None:
        """Return the number that `text` spells, or None."""
        ...

    def holds(self, value: Decimal) -> bool:
        """Return whether `value` is in range."""
        ...

    def quantised(self, value: Decimal) -> float:
        """Return what the module keeps of `value`."""
        ...

    def spell(self, value: float) -> str:
        """Return `value` as a query answers it."""
        ...


@dataclass(frozen=True)
class TwoDigits:
    """Gains and rates: two digits, one digit below `two_digits_from`, where the spelled mantissa is below one."""

    lowest: Decimal
    two_digits_from: Decimal
    highest: Decimal
    signed: bool = False

    def value(self, text: str) -> Decimal | None:
        """Return the number that `text` spells, or None."""
        return decimal(text)

    def holds(self, value: Decimal) -> bool:
        """Return whether `value` is in range."""
        return self.lowest <= abs(value) <= self.highest and (self.signed or value > 0)

    def quantised(self, value: Decimal) -> float:
        """Return what the module keeps of `value`."""
        digits = 2 if abs(value) >= self.two_digits_from else 1
        return float(value.quantize(Decimal(1).scaleb(value.adjusted() - digits + 1), ROUND_HALF_EVEN))

    def spell(self, value: float) -> str:
        """Return `value` as a query answers it."""
        exact = Decimal(repr(value))
        exponent = max(exact.adjusted(), self.two_digits_from.adjusted())
        return f"{exact.scaleb(-exponent):+.1f}E{exponent:+d}"


@dataclass(frozen=True)
class FixedPoint:
    """Voltages from -10 to 10 V with `places` decimals."""

    places: int

    def value(self, text: str) -> Decimal | None:
        """Return the number that `text` spells, or None."""
        return decimal(text)

    def holds(self, value: Decimal) -> bool:
        """Return whether `value` is in range."""
        return abs(value) <= 10

    def quantised(self, value: Decimal) -> float:
        """Return what the module keeps of `value`."""
        return float(value.quantize(Decimal(1).scaleb(-self.places), ROUND_HALF_EVEN)) + 0.0

    def spell(self, value: float) -> str:
        """Return `value` as a query answers it."""
        return f"{value:+.{self.places}f}"


PROPORTIONAL = TwoDigits(Decimal("0.1"), Decimal(1), Decimal(1000), signed=True)
INTEGRAL = TwoDigits(Decimal("0.01"), Decimal("0.1"), Decimal(500000))
DERIVATIVE = TwoDigits(Decimal("1E-6"), Decimal("1E-5"), Decimal(10))
RATE = TwoDigits(Decimal("1E-3"), Decimal("1E-2"), Decimal(10000))
VOLTS = FixedPoint(3)
LIMIT = FixedPoint(2)
