"""What of a curve is drawn: columns with their uncertainties, brought down to what the pixels can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.bus.spectra import Curve

FIT: Final = "fit"
SIGMA_SUFFIX: Final = "_sigma"

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Abscissae and ordinates of equal length."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column (n,) of a curve and its standard uncertainty (n,), if it came with one."""

    name: str
    values: NDArray[np.float64]
    sigma: NDArray[np.float64] | None = None

    @property
    def is_fit(self) -> bool:
        """Return whether it is a fit and not measured."""
        return self.name == FIT


def columns_of(curve: Curve) -> list[Column]:
    """Return the columns that are as long as `curve.x`, the fit last: it is drawn above the others."""
    fitting = {name: values for name, values in curve.columns.items() if len(values) == len(curve.x)}
    found = []
    for name, values in fitting.items():
        if name.endswith(SIGMA_SUFFIX) and name.removesuffix(SIGMA_SUFFIX) in fitting:
            continue
        found.append(Column(name, values, fitting.get(name + SIGMA_SUFFIX)))
    return sorted(found, key=lambda column: column.is_fit)


def log10_or_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log10, nan for what has none."""
    logarithms = np.full(len(values), np.nan)
    np.log10(values, out=logarithms, where=np.isfinite(values) & (values > 0.0))
    return logarithms


def envelope(x: NDArray[np.float64], y: NDArray[np.float64], pixels: int) -> Points:
    """Return lowest and highest value of each pixel, or the points themselves where they are not more than that.

    An `x` that does not ascend is divided by number of points instead of by place.
    """
    starts = _bins(x, pixels)
    if starts is None:
        return x, y
    middles = np.repeat(x[starts], 2)
    ordinates = np.empty(2 * len(starts))
    ordinates[0::2] = np.fmin.reduceat(y, starts)
    ordinates[1::2] = np.fmax.reduceat(y, starts)
    return middles, ordinates


def bin_means(x: NDArray[np.float64], y: NDArray[np.float64], pixels: int) -> Points:
    """Return the mean of each pixel, which for a power spectrum is a power mean, or the points themselves."""
    starts = _bins(x, pixels)
    if starts is None:
        return x, y
    known = np.isfinite(y)
    sums = np.add.reduceat(np.where(known, y, 0.0), starts)
    counts = np.add.reduceat(known.astype(float), starts)
    means = np.full(len(starts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0.0)
    return x[starts], means


def _bins(x: NDArray[np.float64], pixels: int) -> NDArray[np.intp] | None:
    """Return where the points of each pixel begin; None where there are at most two a pixel."""
    if len(x) <= 2 * pixels:
        return None
    span = x[-1] - x[0]
    if np.isfinite(span) and span > 0.0 and bool(np.all(np.diff(x) >= 0.0)):
        edges = np.linspace(x[0], x[-1], pixels + 1)[:-1]
        return np.unique(np.searchsorted(x, edges))
    return np.unique(np.linspace(0, len(x), pixels, endpoint=False).astype(np.intp))
