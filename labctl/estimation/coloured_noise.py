"""Exact whitening of stationary noise that is a first-order autoregression plus white noise, in linear time.

Covariance v phi^|n-m| + s delta_nm: the motion of a damped mode sampled at even times, seen with detection noise.
Taking phi times the sample before from each sample leaves a tridiagonal covariance, whose Cholesky factor is banded.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky_banded, solve_banded

from labctl.spectra.acquisition import FloatArray

Column = TypeVar("Column", npt.NDArray[np.float64], npt.NDArray[np.complex128])


def whiten(columns: Column, phi: float, coloured: float, white: float) -> tuple[Column, float]:
    """L^-1 columns (n, m), with L L^T the covariance of n samples, and ln det of that covariance.

    phi: correlation of neighbours (0 <= phi < 1) of the part of variance `coloured`; `white` > 0 or `coloured` > 0.
    """
    n = len(columns)
    banded: FloatArray = np.empty((2, n))
    banded[0, 1:] = -phi * white
    banded[0, 0] = 0.0
    banded[1] = coloured * (1 - phi**2) + white * (1 + phi**2)
    banded[1, 0] = coloured + white
    upper = cholesky_banded(banded, check_finite=False)
    lower = np.zeros((2, n))
    lower[0], lower[1, :-1] = upper[1], upper[0, 1:]
    differenced = columns.copy()
    differenced[1:] -= phi * columns[:-1]
    whitened = solve_banded((1, 0), lower, differenced, check_finite=False)
    return whitened, 2 * float(np.log(upper[1]).sum())
