"""The last scan of a loop and what was fitted to it, for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.estimation.cavity_scan import CavityScanFit
from labctl.estimation.fringe import FringeFit


@dataclass(frozen=True, eq=False)
class ScanLook:
    """Signals (n,) in V over an output (n,) in V, the fit to them, and the numbers that it gave.

    `at` is when the scan ended, lab time in s.
    """

    title: str
    x_label: str
    y_label: str
    x_v: NDArray[np.float64]
    measured_v: NDArray[np.float64]
    fit_v: NDArray[np.float64]  # nan where it says nothing
    numbers: tuple[str, ...]
    at: float


def fringe_look(
    title: str,
    signal_name: str,
    output_v: NDArray[np.float64],
    signal_v: NDArray[np.float64],
    fit: FringeFit,
    at: float,
) -> ScanLook:
    """Return the look of a fringe."""
    numbers = (f"V_pi = {fit.v_pi}", f"offset = {fit.offset}", f"amplitude = {fit.amplitude}")
    return ScanLook(title, "servo output", signal_name, output_v, signal_v, fit.model(output_v), numbers, at)


def cavity_look(drive_v: NDArray[np.float64], light_v: NDArray[np.float64], fit: CavityScanFit, at: float) -> ScanLook:
    """Return the look of a scan of a sensor cavity."""
    numbers = (f"finesse = {fit.finesse}", f"one fringe = {fit.spacing}", f"linewidth = {fit.linewidth}")
    return ScanLook("transmission of the cavity", "piezo", "light", drive_v, light_v, fit.model(drive_v), numbers, at)
