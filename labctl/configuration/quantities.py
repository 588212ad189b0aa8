"""Quantities: pydantic types for a number in SI units or a text with a unit, such as `10.0` or `"10 Hz"`.

Units come from the small table below and not from pint: to import pint and build its registry takes about half a
second, while a station file with its hundred quantities opens in a few milliseconds. The tests hold the table against
pint.

A text is a decimal number and a unit, or a quotient of two units: "4.276 MHz", "75 V", "20 min", "0.02 K/s".
Temperatures are in degC, as a number, in "degC", or in unprefixed "K"; a temperature difference is in K and never in
degC. Decimal prefixes run from f to T.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from labctl.configuration.faults import choices, refusal, shown
from labctl.errors import ConfigurationError

_LONGEST_TEXT = 64
_ZERO_CELSIUS = Decimal("273.15")  # K, by definition
_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S*)\s*", re.ASCII)

_Powers = tuple[int, int, int, int, int]
"""Exponents of second, metre, kelvin, volt and ampere."""

_PREFIXES = {
    "f": Decimal("1e-15"), "p": Decimal("1e-12"), "n": Decimal("1e-9"), "u": Decimal("1e-6"),
    "\N{MICRO SIGN}": Decimal("1e-6"), "\N{GREEK SMALL LETTER MU}": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"),
}  # fmt: skip

_PREFIXED_UNITS: dict[str, _Powers] = {
    "Hz": (-1, 0, 0, 0, 0), "s": (1, 0, 0, 0, 0), "m": (0, 1, 0, 0, 0), "K": (0, 0, 1, 0, 0),
    "V": (0, 0, 0, 1, 0), "A": (0, 0, 0, 0, 1), "W": (0, 0, 0, 1, 1), "Pa": (1, -3, 0, 1, 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Unit:
    factor: Decimal
    powers: _Powers


_UNITS: dict[str, _Unit] = {
    **{name: _Unit(Decimal(1), powers) for name, powers in _PREFIXED_UNITS.items()},
    **{
        prefix + name: _Unit(factor, powers)
        for name, powers in _PREFIXED_UNITS.items()
        for prefix, factor in _PREFIXES.items()
    },
    "min": _Unit(Decimal(60), (1, 0, 0, 0, 0)),
    "h": _Unit(Decimal(3600), (1, 0, 0, 0, 0)),
    "mbar": _Unit(Decimal(100), (1, -3, 0, 1, 1)),
}
_CELSIUS = frozenset({"degC", "\N{DEGREE SIGN}C"})


@dataclass(frozen=True, slots=True)
class QuantityKind:
    """A kind of quantity: its name, SI unit, an example, and the lowest value that makes sense (None: any).

    `lowest_included` False makes the range open, as for a bandwidth that must be more than zero. A kind is also the
    annotation of a field: `Annotated[float, FREQUENCY]`.
    """

    name: str
    unit: str
    example: str
    powers: _Powers
    lowest: float | None = None
    lowest_included: bool = True

    @property
    def allowed(self) -> str:
        """What may be given, as it ends the sentence "allowed: ..."."""
        return f'a {self.name}{self._bound()}, as a number in {self.unit} or as text such as "{self.example}"'

    def _bound(self) -> str:
        if self.lowest is None:
            return ""
        return (
            f" of {self.lowest:g} {self.unit} or more"
            if self.lowest_included
            else f" above {self.lowest:g} {self.unit}"
        )

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let `Annotated[float, kind]` be the type of a model's field."""
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.simple_ser_schema("float")
        )

    def read(self, value: object) -> float:
        """`value` as a float in `unit`; raises a pydantic error that says in plain words why not."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise refusal(f"{shown(value)} is not a {self.name}", self.allowed)
        number = self._from_text(value) if isinstance(value, str) else _as_float(value)
        if not math.isfinite(number):
            raise refusal(f"{shown(value)} is not a finite number", self.allowed)
        if self.lowest is not None and (number < self.lowest or (number == self.lowest and not self.lowest_included)):
            raise refusal(f"{shown(value)} is too low", self.allowed)
        return number

    def _from_text(self, text: str) -> float:
        match = _NUMBER_AND_UNIT.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
        if match is None:
            raise refusal(f"{shown(text)} is not a number and a unit", self.allowed)
        number, unit = Decimal(match[1]), match[2]
        if not unit:
            raise refusal(f"{shown(text)} has no unit", self.allowed)
        if self.powers == _ABSOLUTE_TEMPERATURE:
            return float(number - self._celsius_offset(text, unit))
        factor, powers = self._factor(text, unit)
        if powers != self.powers:
            raise self._wrong_kind(text, powers)
        return float(number * factor)

    def _factor(self, text: str, unit: str) -> tuple[Decimal, _Powers]:
        numerator, slash, denominator = unit.partition("/")
        if numerator in _CELSIUS and not slash:
            return Decimal(1), _ABSOLUTE_TEMPERATURE
        for name in [numerator, denominator] if slash else [numerator]:
            if name not in _UNITS:
                raise refusal(f"{shown(text)} has the unknown unit {shown(name)}{self._spelling(name)}", self.allowed)
        above = _UNITS[numerator]
        if not slash:
            return above.factor, above.powers
        below = _UNITS[denominator]
        return above.factor / below.factor, _quotient(above.powers, below.powers)

    def _celsius_offset(self, text: str, unit: str) -> Decimal:
        if unit in _CELSIUS:
            return Decimal(0)
        if unit == "K":
            return _ZERO_CELSIUS
        raise self._wrong_kind(text, self._factor(text, unit)[1])

    def _wrong_kind(self, text: str, powers: _Powers) -> PydanticCustomError:
        given = _NAMES_OF_POWERS.get(powers)
        what = f"is a {given}, not a {self.name}" if given and given != self.name else f"is not a {self.name}"
        return refusal(f"{shown(text)} {what}", self.allowed)

    def _spelling(self, name: str) -> str:
        if name in _CELSIUS:
            return ' (did you mean "K"?)'
        same = [f'"{unit}"' for unit in _UNITS if unit.casefold() == name.casefold()]
        return f" (did you mean {choices(same)}?)" if same else ""


def parse_quantity(value: object, kind: QuantityKind) -> float:
    """`value`, a number in `kind.unit` or a text with a unit, as a float in `kind.unit`.

    Raises ConfigurationError with what was given, what is expected and an example.
    """
    try:
        return kind.read(value)
    except PydanticCustomError as error:
        raise ConfigurationError(f"{error.message()}; allowed: {kind.allowed}.") from None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _quotient(above: _Powers, below: _Powers) -> _Powers:
    s, m, k, v, a = (x - y for x, y in zip(above, below, strict=True))
    return s, m, k, v, a


_ABSOLUTE_TEMPERATURE: _Powers = (0, 0, 99, 0, 0)  # no unit has it: degC is an offset scale, K a difference


def _positive(kind: QuantityKind) -> QuantityKind:
    return replace(kind, lowest=0.0, lowest_included=False)


FREQUENCY = QuantityKind("frequency", "Hz", "10 Hz", (-1, 0, 0, 0, 0), lowest=0.0)
VOLTAGE = QuantityKind("voltage", "V", "75 V", (0, 0, 0, 1, 0))
POWER = QuantityKind("power", "W", "5 mW", (0, 0, 0, 1, 1), lowest=0.0)
DURATION = QuantityKind("duration", "s", "20 min", (1, 0, 0, 0, 0), lowest=0.0)
TEMPERATURE = QuantityKind("temperature", "degC", "35 degC", _ABSOLUTE_TEMPERATURE, lowest=-float(_ZERO_CELSIUS))
TEMPERATURE_DIFFERENCE = QuantityKind("temperature difference", "K", "5 mK", (0, 0, 1, 0, 0))
TEMPERATURE_RATE = QuantityKind("temperature rate", "K/s", "0.02 K/s", (-1, 0, 1, 0, 0))
LENGTH = QuantityKind("length", "m", "1550 nm", (0, 1, 0, 0, 0), lowest=0.0)
SLEW_RATE = QuantityKind("slew rate", "V/s", "50 V/s", (-1, 0, 0, 1, 0), lowest=0.0)
RESPONSIVITY = QuantityKind("responsivity", "A/W", "1.24 A/W", (0, 0, 0, -1, 0), lowest=0.0)
PRESSURE = QuantityKind("pressure", "Pa", "1e-3 Pa", (1, -3, 0, 1, 1), lowest=0.0)

KINDS = (
    FREQUENCY,
    VOLTAGE,
    POWER,
    DURATION,
    TEMPERATURE,
    TEMPERATURE_DIFFERENCE,
    TEMPERATURE_RATE,
    LENGTH,
    SLEW_RATE,
    RESPONSIVITY,
    PRESSURE,
)
"""Every kind of quantity that a file can hold."""

_NAMES_OF_POWERS: dict[_Powers, str] = {kind.powers: kind.name for kind in KINDS} | {(0, 0, 0, 0, 1): "current"}

Frequency = Annotated[float, FREQUENCY]
PositiveFrequency = Annotated[float, _positive(FREQUENCY)]
Voltage = Annotated[float, VOLTAGE]
PositiveVoltage = Annotated[float, _positive(VOLTAGE)]
Power = Annotated[float, POWER]
PositivePower = Annotated[float, _positive(POWER)]
Duration = Annotated[float, DURATION]
PositiveDuration = Annotated[float, _positive(DURATION)]
Temperature = Annotated[float, TEMPERATURE]
TemperatureDifference = Annotated[float, TEMPERATURE_DIFFERENCE]
PositiveTemperatureDifference = Annotated[float, _positive(TEMPERATURE_DIFFERENCE)]
TemperatureRate = Annotated[float, TEMPERATURE_RATE]
PositiveTemperatureRate = Annotated[float, _positive(TEMPERATURE_RATE)]
Length = Annotated[float, LENGTH]
PositiveLength = Annotated[float, _positive(LENGTH)]
SlewRate = Annotated[float, SLEW_RATE]
PositiveSlewRate = Annotated[float, _positive(SLEW_RATE)]
Responsivity = Annotated[float, RESPONSIVITY]
PositiveResponsivity = Annotated[float, _positive(RESPONSIVITY)]
Pressure = Annotated[float, PRESSURE]
PositivePressure = Annotated[float, _positive(PRESSURE)]
