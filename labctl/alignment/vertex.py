"""The top of a line of readings that were all approached from one side: the vertex of the parabola of ln P."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import Estimate

FEWEST_POINTS = 5
NEAR_TOP = 0.5  # points with less power than this share of the largest do not belong to the parabola
BEND_SIGMAS = 3.0


@dataclass(frozen=True)
class Vertex:
    """ln P = ln top - ((x - position) / width)^2; position and width in steps forward, top in the unit of the power."""

    position: Estimate
    top: Estimate
    width: Estimate


def fit_vertex(position: Sequence[float] | FloatArray, power: Sequence[Estimate]) -> Vertex:
    """Fit positions (n,) in steps and powers (n,) by weighted least squares; sigmas grow with a poor fit.

    Raises `AnalysisRefused` for fewer than 5 points near the top, for a line that does not bend, or one whose top
    lies outside.
    """
    x, value, sigma = np.asarray(position, float), _values(power), np.array([p.sigma for p in power])
    near = (value > NEAR_TOP * value.max()) & (value > 0)
    if near.sum() < FEWEST_POINTS:
        raise AnalysisRefused(
            f"{near.sum()} points near the top do not give its place; it takes {FEWEST_POINTS}.",
            remedy="Take smaller steps.",
        )
    x, y, error = x[near], np.log(value[near]), np.maximum(sigma[near] / value[near], 1e-6)
    middle, half = float(x.mean()), max(float(np.ptp(x)) / 2, 1e-9)
    u = (x - middle) / half
    design = np.stack([np.ones_like(u), u, u**2], axis=1)
    covariance = np.linalg.pinv(design.T @ (design / error[:, None] ** 2))
    a, b, c = theta = covariance @ (design.T @ (y / error**2))
    chi2 = float((((y - design @ theta) / error) ** 2).sum()) / (len(x) - 3)
    covariance = covariance * max(1.0, chi2)
    if c >= -BEND_SIGMAS * math.sqrt(covariance[2, 2]):
        raise AnalysisRefused("The power does not bend along the line.", remedy="Take larger steps.")
    at = -b / (2 * c)
    if abs(at) > 1.0:
        raise AnalysisRefused("The top is not within the line.", remedy="Go further.")
    gradients = {
        "position": np.array([0.0, -1 / (2 * c), b / (2 * c**2)]) * half,
        "top": np.array([1.0, at, at**2]),
        "width": np.array([0.0, 0.0, 0.5 * (-c) ** -1.5]) * half,
    }
    errors = {name: math.sqrt(float(g @ covariance @ g)) for name, g in gradients.items()}
    top = math.exp(a + b * at + c * at**2)
    return Vertex(
        position=Estimate(middle + half * float(at), errors["position"], "steps"),
        top=Estimate(top, top * errors["top"], power[0].unit, power[0].convention),
        width=Estimate(half / math.sqrt(-c), errors["width"], "steps", "forward, from the top to 1/e of the power"),
    )


def _values(power: Sequence[Estimate]) -> FloatArray:
    return np.array([p.value for p in power])
