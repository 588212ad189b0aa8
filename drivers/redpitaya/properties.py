"""Settings of a Red Pitaya as properties, beside `number` of `drivers.scpi_properties`: its switches and choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymeasure.instruments.validators import strict_discrete_set

from drivers.base import Driver
from drivers.redpitaya.forms import decimation_factor, on_off, on_or_off, one_of, whole_number

DECIMATIONS = (1, 2, 4, 8, 16)
"""And every whole number up to 65536."""


def choice(command: str, docs: str, choices: Sequence[str], answers: Sequence[str] = ()) -> Any:
    """Return a property that is one of `choices`; the board may answer one of `answers`, where these are others."""
    return Driver.control(
        f"{command}?",
        f"{command} %s",
        docs,
        validator=strict_discrete_set,
        values=tuple(choices),
        cast=one_of(*(answers or choices)),
        maxsplit=0,
        check_set_errors=True,
    )


def switch(command: str, docs: str) -> Any:
    """Return a property that is on (True) or off (False)."""
    return Driver.control(
        f"{command}?",
        f"{command} %s",
        docs,
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )


def count(command: str, docs: str, limits: tuple[int, int]) -> Any:
    """Return a property for a whole number within `limits`."""
    return _whole(command, docs, whole_number, limits)


def decimation_of(command: str, docs: str) -> Any:
    """Return a property for a decimation of 125 MS/s."""
    return _whole(command, docs, decimation_factor, DECIMATIONS)


def _whole(command: str, docs: str, validator: Any, values: Sequence[int]) -> Any:
    return Driver.control(
        f"{command}?",
        f"{command} %d",
        docs,
        validator=validator,
        values=values,
        cast=int,
        maxsplit=0,
        check_set_errors=True,
    )
