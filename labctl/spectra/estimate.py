"""One estimated number: value, standard uncertainty, unit and convention, and its way into decibels and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labctl.errors import AnalysisRefused

DB_PER_NEPER = 10.0 / math.log(10.0)
"""Decibels (power) per unit of relative change: 4.343 dB."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard uncertainty (1 sigma), both in `unit`; `convention` says how the number is meant.

    Raises AnalysisRefused when value or sigma is not finite or sigma is negative.
    """

    value: float
    sigma: float
    unit: str = ""
    convention: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.sigma) and self.sigma >= 0):
            raise AnalysisRefused(f"No estimate can be {self.value!r} +- {self.sigma!r} {self.unit}".rstrip() + ".")

    @property
    def relative_sigma(self) -> float:
        """sigma / |value|; infinite for a value of zero."""
        return self.sigma / abs(self.value) if self.value else math.inf

    def to_json(self) -> dict[str, float | str]:
        """`{"value", "sigma", "unit"}`, ready for `json.dumps`."""
        return {"value": self.value, "sigma": self.sigma, "unit": self.unit}

    def __str__(self) -> str:
        return f"{self.value:.6g} +- {self.sigma:.2g} {self.unit}".rstrip()


def in_decibels(ratio: Estimate) -> Estimate:
    """10 log10 of a power ratio, sigma to first order; refuses a ratio that is not positive."""
    if ratio.value <= 0:
        raise AnalysisRefused(f"A power ratio of {ratio.value:.4g} has no decibels.", remedy="Average longer.")
    return Estimate(
        value=10 * math.log10(ratio.value),
        sigma=DB_PER_NEPER * ratio.relative_sigma,
        unit="dB",
        convention=ratio.convention,
    )


def from_decibels(level_db: Estimate) -> Estimate:
    """Power ratio 10^(dB/10), sigma to first order."""
    ratio = 10 ** (level_db.value / 10)
    return Estimate(ratio, ratio * level_db.sigma / DB_PER_NEPER, unit="", convention=level_db.convention)
