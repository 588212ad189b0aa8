"""A cavity scanned with a laser over nanometres, where mirrors and light are not the same from one end to the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labctl.estimation.airy_model import airy_and_slopes
from labctl.estimation.cavity_scan import CavityScanFit, fit_cavity_scan
from labctl.estimation.scan_axis import Axis
from labctl.spectra.acquisition import FloatArray


def fit_laser_scan(frequency_hz: npt.ArrayLike, transmission: npt.ArrayLike) -> CavityScanFit:
    """Fit a scan (n,) over optical frequencies (n,), ascending, as of the middle of the scan.

    Height and finesse may change evenly along it: the power of the laser does, and the reflectivity of a membrane. What
    such a change leaves of a first fit is taken out before a second; both have no share in spacing and mean finesse.
    Refusals as those of `fit_cavity_scan`.
    """
    frequency, light = np.asarray(frequency_hz, dtype=np.float64), np.asarray(transmission, dtype=np.float64)
    fit = fit_cavity_scan(frequency, light, axis=Axis.FREQUENCY_HZ)
    return fit_cavity_scan(frequency, light - _even_change(fit, frequency, light), axis=Axis.FREQUENCY_HZ)


def _even_change(fit: CavityScanFit, frequency: FloatArray, light: FloatArray) -> FloatArray:
    """What height and coefficient of finesse, each with a straight slope along the scan, add to the fit, (n,)."""
    p = {name: fit.parameters[name].value for name in fit.names}
    along = (frequency - fit.middle) / (0.5 * np.ptp(frequency))
    phi = p["phase"] + p["rate"] * (frequency - fit.middle)
    a, _, by_log_f = airy_and_slopes(phi, 4 * p["survival"] / (1 - p["survival"]) ** 2)
    shapes = along[:, None] * np.column_stack((a, p["height"] * by_log_f))
    slopes = np.linalg.lstsq(shapes, light - fit.model(frequency), rcond=None)[0]
    return np.asarray(shapes @ slopes)
