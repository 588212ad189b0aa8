"""The scale of a recording's values, and the linear power they stand for."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray


class PowerScale(StrEnum):
    """Scale of the values of a recording; AUTO: decibels if any value is negative, else linear power."""

    AUTO = "auto"
    POWER = "power"
    AMPLITUDE = "amplitude"
    DB = "dB"


def power_of(values: FloatArray, scale: PowerScale | str, name: str) -> FloatArray:
    """Linear power (n,) of the values of a recording; decibels become power relative to the largest.

    Raises AnalysisRefused for values that are not finite, and negative ones that the scale cannot have.
    """
    try:
        kind = PowerScale(scale)
    except ValueError:
        raise AnalysisRefused(f"{scale!r} is none of {', '.join(PowerScale)}.") from None
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise AnalysisRefused(f"{name}: some values are not finite numbers.")
    if kind is PowerScale.AUTO:
        kind = PowerScale.DB if (x < 0).any() else PowerScale.POWER
    if kind is PowerScale.DB:
        return np.asarray(10 ** ((x - x.max(initial=-math.inf)) / 10))
    if (x < 0).any():
        raise AnalysisRefused(f"{name} holds negative values, which {kind} cannot have.", remedy="Is the scale dB?")
    return x**2 if kind is PowerScale.AMPLITUDE else x
