"""A line that wanders while it is averaged keeps its width."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.drifting_mode import average, fit_drifting_mode
from labctl.estimation.mechanical_mode import fit_mode
from labctl.physics.line_shape import filtered_lorentzian
from labctl.spectra.acquisition import Acquisition
from labctl.spectra.trace import Spectrum, Unit

GAMMA_HZ, PEAK, FLOOR, RBW_HZ = 41.0, 5.0, 0.84, 10.0
AXIS_HZ = 4.3e6 + np.linspace(-1000.0, 1000.0, 201)  # as far apart as the filter: independent points
SIGMAS = 4.0


def parts_at(centres_hz: np.ndarray, averages: int, seed: int) -> list[Spectrum]:
    """Return one spectrum for each centre."""
    rng = np.random.default_rng(seed)
    acquisition = Acquisition.of_analyzer(RBW_HZ, 10 * RBW_HZ, averages)
    k = acquisition.effective_k
    return [
        Spectrum(
            AXIS_HZ,
            (FLOOR + PEAK * filtered_lorentzian(AXIS_HZ, float(f0), GAMMA_HZ, RBW_HZ))
            * rng.gamma(k, 1.0 / k, AXIS_HZ.shape),
            Unit.RATIO_TO_SHOT,
            acquisition,
            name="part",
        )
        for f0 in centres_hz
    ]


def test_a_wandering_line_keeps_its_width() -> None:
    centres = 4.3e6 + np.cumsum(np.random.default_rng(2).normal(0.0, 6.0, 16))
    parts = parts_at(centres, 2000, seed=4)
    smeared, found = fit_mode(average(parts)), fit_drifting_mode(parts)
    assert smeared.gamma_hz.value - GAMMA_HZ > SIGMAS * smeared.gamma_hz.sigma
    assert abs(found.mode.gamma_hz.value - GAMMA_HZ) < SIGMAS * found.mode.gamma_hz.sigma
    assert abs(found.mode.peak_to_floor.value - PEAK) < SIGMAS * found.mode.peak_to_floor.sigma
    assert abs(found.mode.floor.value - FLOOR) < SIGMAS * found.mode.floor.sigma
    assert np.abs(found.centres_hz - centres).max() < 2.5
    assert found.spectrum.acquisition.averages == 16 * 2000


def test_one_part_is_fitted_as_it_is() -> None:
    part = parts_at(np.array([4.3e6]), 4000, seed=6)
    assert fit_drifting_mode(part).mode.gamma_hz == fit_mode(part[0]).gamma_hz


def test_parts_of_other_axes_are_refused() -> None:
    part = parts_at(np.array([4.3e6]), 4000, seed=6)[0]
    other = Spectrum(part.frequency_hz + 1.0, part.values, part.unit, part.acquisition)
    with pytest.raises(AnalysisRefused, match="one axis"):
        average([part, other])
