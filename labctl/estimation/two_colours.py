"""Free spectral range from scans of one piezo with the light at two frequencies, fitted together.

The fringes move by step / FSR of one between the colours. A quadratic phase does not follow a piezo with hysteresis,
which bends where its domains begin to move, and what it leaves moves with the fringes: a bias of a percent. So all
scans share one motion of the piezo, a parabola with kinks at even distances, and each has a phase and a rate of its own
beside it: creep moves and stretches a scan, the colour moves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.airy_model import airy_and_slopes
from labctl.estimation.cavity_scan import CavityScanFit
from labctl.estimation.estimate import Estimate
from labctl.estimation.free_spectral_range import CLEAR_SHIFT_SIGMAS
from labctl.estimation.likelihood import Curve, fit_white
from labctl.spectra.acquisition import FloatArray

KINKS = 10
"""Of the shared motion, within the scan."""
REPEATABILITY_FRINGES = 0.0003
"""How well one more scan after others like it gives the same length at the same voltage, rms, drift removed; and what
bends between the kinks leave."""
FEWEST_SCANS = 5
_MOTION = 2 + KINKS
_COMMON = 3  # background, height, logarithm of F


def fsr_of_two_colours(
    drive_v: npt.ArrayLike,
    light: npt.ArrayLike,
    fits: Sequence[CavityScanFit],
    frequencies_hz: Sequence[float],
    *,
    repeatability_fringes: float = REPEATABILITY_FRINGES,
) -> Estimate:
    """Free spectral range in Hz from scans (k, n) over the same volts (n,), upwards, in which more volts make the
    cavity longer; `fits` of each alone, `frequencies_hz` of the light in each, two different ones.

    What the length drifts by from scan to scan, ever slower, is fitted. Refuses fewer than five scans or no step, and a
    shift that could be a whole fringe more or less: the step must be less than a free spectral range.
    """
    volts, y = np.asarray(drive_v, dtype=np.float64), np.asarray(light, dtype=np.float64)
    colours = np.asarray(frequencies_hz, dtype=np.float64)
    if y.shape != (len(colours), len(volts)) or len(fits) != len(colours) or len(colours) < FEWEST_SCANS:
        raise AnalysisRefused(f"Five scans or more over the same volts are needed, not {y.shape}.")
    low, high = float(colours.min()), float(colours.max())
    if not high > low:
        raise AnalysisRefused("The laser frequency must change between the scans.")
    is_high = colours > 0.5 * (low + high)
    middle, half = 0.5 * float(volts[0] + volts[-1]), 0.5 * float(np.ptp(volts))
    x = (volts - middle) / half
    start = _start(fits, is_high, middle, half)
    solution = fit_white(_scans_together(x, len(colours)), y.ravel(), start)
    at = slice(_COMMON + _MOTION, _COMMON + _MOTION + len(colours))
    phases, covariance = solution.theta[at] / math.pi, solution.covariance[at, at] / math.pi**2
    shift, sigma = _step_of(phases, covariance + repeatability_fringes**2 * np.eye(len(colours)), is_high)
    if not CLEAR_SHIFT_SIGMAS * sigma < shift < 1 - CLEAR_SHIFT_SIGMAS * sigma:
        raise AnalysisRefused(
            f"The fringes moved by {shift:.3f} +- {sigma:.2g} of a fringe, which may be a whole one or none.",
            remedy="Choose another frequency step.",
        )
    fsr = (high - low) / shift
    return Estimate(fsr, fsr * sigma / shift, "Hz", f"laser step of {high - low:.4g} Hz over {shift:.4f} fringes")


def _start(fits: Sequence[CavityScanFit], is_high: npt.NDArray[np.bool_], middle: float, half: float) -> FloatArray:
    """All parameters from the fits alone: common (3,), motion (x, x^2 and the kinks), phases (k,), rates (k,) but the
    first; phases unwrapped so that the first colour stays near and the higher one is up to a fringe ahead."""
    first = fits[0]
    f = 4 * first.survival.value / (1 - first.survival.value) ** 2
    levels = [float(np.mean([fit.parameters[name].value for fit in fits])) for name in ("background", "height")]
    motion = np.zeros(_MOTION)
    motion[0] = half * float(np.mean([math.pi / fit.spacing_at(middle).value for fit in fits]))
    motion[1] = half**2 * float(np.mean([fit.parameters["bow"].value for fit in fits]))
    phases = np.array([fit.phase_at(middle).value for fit in fits])
    moved = (phases - phases[0]) / math.pi
    same = is_high == is_high[0]
    ahead = 1.0 if is_high[~same].all() else -1.0
    moved = np.where(same, moved - np.round(moved), ahead * ((ahead * moved) % 1.0))
    phases = phases[0] + math.pi * moved
    return np.concatenate((levels, [math.log(f)], motion, phases, np.zeros(len(fits) - 1)))


def _scans_together(x: FloatArray, count: int) -> Curve:
    """The curve of all scans one after the other, (k n,), and its Jacobian."""
    kinks = np.linspace(-1.0, 1.0, KINKS + 2)[1:-1]
    shapes = np.column_stack([x, x**2, *(np.maximum(0.0, x - kink) for kink in kinks)])
    n = len(x)

    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        background, height, log_f = theta[:_COMMON]
        motion = shapes @ theta[_COMMON : _COMMON + _MOTION]
        phases = theta[_COMMON + _MOTION : _COMMON + _MOTION + count]
        rates = np.concatenate(([0.0], theta[_COMMON + _MOTION + count :]))
        phi = motion + phases[:, None] + rates[:, None] * x
        a, by_phi, by_f = airy_and_slopes(phi, math.exp(min(log_f, 50.0)))
        jacobian = np.zeros((count, n, len(theta)))
        jacobian[:, :, 0], jacobian[:, :, 1], jacobian[:, :, 2] = 1.0, a, height * by_f
        slope = height * by_phi
        jacobian[:, :, _COMMON : _COMMON + _MOTION] = slope[:, :, None] * shapes
        for scan in range(count):
            jacobian[scan, :, _COMMON + _MOTION + scan] = slope[scan]
            if scan:
                jacobian[scan, :, _COMMON + _MOTION + count + scan - 1] = slope[scan] * x
        return (background + height * a).ravel(), jacobian.reshape(count * n, len(theta))

    return curve


def _step_of(phases: FloatArray, covariance: FloatArray, is_high: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Fringes between the colours and its sigma: phases (k,) = a drift, quadratic in the scan's number, + step where
    the colour is the higher one, weighted by their covariance."""
    number = np.arange(len(phases)) - 0.5 * (len(phases) - 1)
    design = np.column_stack([np.ones(len(phases)), number, number**2, is_high])
    weights = np.linalg.inv(covariance)
    spread = np.linalg.inv(design.T @ weights @ design)
    return float((spread @ design.T @ weights @ phases)[3]), math.sqrt(float(spread[3, 3]))
