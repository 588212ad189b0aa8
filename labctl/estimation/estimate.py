"""Estimates and fits: what every estimator hands back. `Estimate` itself lives in `labctl.spectra.estimate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER, Estimate, from_decibels, in_decibels

__all__ = ["DB_PER_NEPER", "Estimate", "Fit", "from_decibels", "in_decibels"]


@dataclass(frozen=True, eq=False)
class Fit:
    """Parameters fitted together.

    names: order of the rows of `covariance` (p, p), which is in the parameters' own units; parameters: at least
    those names; chi2_per_dof: mean squared normalised residual, 1 for a model that describes the data;
    p_value: chance of a worse one if it does; reason: empty, or why the fit should not be trusted blindly.
    """

    parameters: Mapping[str, Estimate]
    covariance: FloatArray
    names: tuple[str, ...]
    chi2_per_dof: float
    p_value: float
    reason: str = ""

    def __post_init__(self) -> None:
        if self.covariance.shape != (len(self.names), len(self.names)):
            raise AnalysisRefused(
                f"A covariance of shape {self.covariance.shape} does not go with {len(self.names)} parameters."
            )
        if not np.isfinite(self.covariance).all():
            raise AnalysisRefused("The covariance of a fit is not finite: its parameters are not determined.")

    def correlation(self, a: str, b: str) -> float:
        """Correlation coefficient of two fitted parameters."""
        i, j = self.names.index(a), self.names.index(b)
        return float(self.covariance[i, j] / math.sqrt(self.covariance[i, i] * self.covariance[j, j]))
