"""SCPI settings as properties: a set is followed by a look into the error queue, a reply is cast strictly."""

from __future__ import annotations

from typing import Any

from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import Driver


def number(command: str, docs: str, limits: list[float], form: str = "%.12g") -> Any:
    """Return a property for a number strictly within `limits`, sent with 12 digits."""
    return Driver.control(
        f"{command}?",
        f"{command} {form}",
        docs,
        validator=strict_range,
        values=limits,
        maxsplit=0,  # a stray comma is an error and not a list
        check_set_errors=True,
    )


def count(command: str, docs: str, limits: list[int]) -> Any:
    """Return a property for a whole number strictly within `limits`."""
    return Driver.control(
        f"{command}?",
        f"{command} %d",
        docs,
        validator=strict_count,
        values=limits,
        cast=whole_number,
        maxsplit=0,
        check_set_errors=True,
    )


def choice(command: str, docs: str, choices: list[str]) -> Any:
    """Return a property that is one of `choices`, the short forms that the instrument answers."""
    return Driver.control(
        f"{command}?",
        f"{command} %s",
        docs,
        validator=strict_discrete_set,
        values=choices,
        cast=str,
        separator="\n",
        check_set_errors=True,
    )


def switch(command: str, docs: str) -> Any:
    """Return a property that is on (True) or off (False)."""
    return Driver.control(
        f"{command}?",
        f"{command} %d",
        docs,
        validator=strict_discrete_set,
        values=[True, False],
        set_process=int,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )


def whole_number(text: str) -> int:
    """Return the whole number that a reply spells; raises ValueError for anything else."""
    value = float(text)
    if not value.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


def on_or_off(text: str) -> bool:
    """Return what a reply of 0 or 1 says; raises ValueError for anything else."""
    if text.strip() not in ("0", "1"):
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text.strip() == "1"


def strict_count(value: Any, values: list[int]) -> int:
    """Return `value` where it is a whole number within `values`; raises ValueError for anything else."""
    if not float(value).is_integer():
        raise ValueError(f"{value!r} is no whole number")
    return int(strict_range(int(value), values))
