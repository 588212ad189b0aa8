"""Scans of one piezo at two colours: one that bends and creeps leaves no bias, and what cannot be told is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.estimation.cavity_scan import CavityScanFit, fit_cavity_scan
from labctl.estimation.free_spectral_range import fsr_from_piezo_scans
from labctl.estimation.two_colours import fsr_of_two_colours
from labctl.spectra.estimate import Estimate

FSR_HZ = 3e11
LOW_HZ, STEP_HZ = 1.934e14, 1e11
COLOURS = (0, 1, 0, 1, 0)
VOLTS = np.linspace(34.0, 115.0, 116)


def scans(rng: np.random.Generator, step_hz: float = STEP_HZ) -> tuple[NDArray[np.float64], list[CavityScanFit]]:
    """Return what a piezo with hysteresis and creep shows: kinks where its domains move, a drift that slows down."""
    motion_v = VOLTS + 7e-4 * VOLTS**2 + 0.10 * np.maximum(0.0, VOLTS - 64.0) + 0.07 * np.maximum(0.0, VOLTS - 94.0)
    light = []
    for number, colour in enumerate(COLOURS):
        drift = 0.01 * np.exp(-number / 3.0)
        fringes = motion_v / 32.0 + drift + colour * step_hz / FSR_HZ
        light.append(0.5 / (1.0 + 10.8 * np.sin(np.pi * fringes) ** 2) + 1e-3 * rng.standard_normal(len(VOLTS)))
    return np.array(light), [fit_cavity_scan(VOLTS, one) for one in light]


def colours_hz(step_hz: float = STEP_HZ) -> list[float]:
    return [LOW_HZ + colour * step_hz for colour in COLOURS]


def test_kinks_of_the_piezo_leave_no_bias_where_a_parabola_alone_has_one() -> None:
    rng = np.random.default_rng(1)
    pulls, of_parabola = [], []
    for _ in range(6):
        light, fits = scans(rng)
        found = fsr_of_two_colours(VOLTS, light, fits, colours_hz())
        pulls.append((found.value - FSR_HZ) / found.sigma)
        of_parabola.append(fsr_from_piezo_scans(fits[0], fits[1], Estimate(STEP_HZ, 0.0)).value / FSR_HZ - 1.0)
    assert abs(np.mean(pulls)) < 2.0  # kinks that lie between those of the model cost one sigma or so
    assert found.relative_sigma < 2e-3
    assert abs(np.mean(of_parabola)) > 3.0 * found.relative_sigma


def test_a_shift_that_may_be_a_whole_fringe_is_refused() -> None:
    light, fits = scans(np.random.default_rng(2), FSR_HZ)
    with pytest.raises(AnalysisRefused, match="a whole one or none"):
        fsr_of_two_colours(VOLTS, light, fits, colours_hz(FSR_HZ))


def test_too_few_scans_and_no_step_are_refused() -> None:
    light, fits = scans(np.random.default_rng(3))
    with pytest.raises(AnalysisRefused, match="Five scans"):
        fsr_of_two_colours(VOLTS, light[:4], fits[:4], colours_hz()[:4])
    with pytest.raises(AnalysisRefused, match="must change"):
        fsr_of_two_colours(VOLTS, light, fits, [LOW_HZ] * 5)
