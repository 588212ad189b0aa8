"""What the tables of every file have in common: strictness, names, short texts, and a constant with its uncertainty."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from labctl.configuration.faults import Allowed, refusal


class Table(BaseModel):
    """A table of a file: every key is known, nothing is converted silently, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"),
    Allowed("a name of at most 32 letters, digits, _ and -, of which the first is a letter"),
]

Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=64), Allowed("a list of at most 64 names")]

ShortText = Annotated[
    str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$"), Allowed("text of one line, 1 to 200 characters, in quotes")
]

SensorNumber = Annotated[int, Field(ge=1, le=64), Allowed("a whole number from 1 to 64")]

PositiveNumber = Annotated[float, Field(gt=0), Allowed("a number above 0")]


def _is_not_zero(value: float) -> float:
    if value == 0:
        raise refusal("0 would divide by zero")
    return value


NonzeroNumber = Annotated[float, AfterValidator(_is_not_zero), Allowed("a number other than 0")]


class MeasuredConstant(Table):
    """A number that was measured once: its value and the standard uncertainty of it, in the same unit."""

    value: Annotated[float, Allowed("a number")]
    sigma: Annotated[float, Field(ge=0), Allowed("a number of 0 or more")]


def _is_positive(constant: MeasuredConstant) -> MeasuredConstant:
    if not constant.value > 0:
        raise refusal(f"the value {constant.value:g} is not above 0")
    return constant


PositiveConstant = Annotated[
    MeasuredConstant, AfterValidator(_is_positive), Allowed("{ value = ..., sigma = ... } with a value above 0")
]
"""A measured number above 0."""


def _is_efficiency(constant: MeasuredConstant) -> MeasuredConstant:
    if not 0 < constant.value <= 1:
        raise refusal(f"the value {constant.value:g} is not an efficiency")
    return constant


Efficiency = Annotated[
    MeasuredConstant,
    AfterValidator(_is_efficiency),
    Allowed("{ value = ..., sigma = ... } with a value above 0 and up to 1"),
]
"""A transmission or quantum efficiency: part of the power, so above 0 and at most 1."""
