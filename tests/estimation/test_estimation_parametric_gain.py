"""The pump parameter from the fringe of the seed, and from its levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import FringeFit, fit_fringe
from labctl.estimation.parametric_gain import gain_from_levels, parametric_gain
from labctl.physics import opa

VOLTS = np.linspace(-2.0, 2.0, 80)


def seed_fringe(x: float, noise: float = 0.0, seed: int = 1) -> FringeFit:
    """Return the fit of a scan of the pump phase, the seed monitor 1 at unit gain."""
    gain = opa.parametric_gain(x, 0.4 + np.pi * VOLTS)
    return fit_fringe(VOLTS, gain + noise * np.random.default_rng(seed).standard_normal(VOLTS.size))


@given(st.floats(0.05, 0.9))
@settings(max_examples=40, deadline=None)
def test_x_from_the_ratio_of_the_extremes(x: float) -> None:
    found = parametric_gain(seed_fringe(x)).x.value
    highest, lowest = 1.0 / (1.0 - x) ** 2, 1.0 / (1.0 + x) ** 2
    r = np.sqrt(highest / lowest)
    assert (r - 1.0) / (r + 1.0) == pytest.approx(x)
    assert found == pytest.approx(x, abs=0.01)
    assert gain_from_levels(Estimate(7 * highest, 0.0), Estimate(7 * lowest, 0.0)).x.value == pytest.approx(x)


@pytest.mark.parametrize("x", [0.3, 0.5385, 0.7])
def test_its_uncertainty_covers_the_scatter(x: float) -> None:
    """40 seeds: mean pull within 3.3 standard errors of half a sigma, scatter 0.6 to 1.5."""
    found = [parametric_gain(seed_fringe(x, noise=0.03, seed=n)).x for n in range(40)]
    pulls = np.array([(e.value - x) / e.sigma for e in found])
    assert abs(pulls.mean()) < 3.3 / np.sqrt(40) + 0.2
    assert 0.6 < pulls.std(ddof=1) < 1.5


def test_gains_of_the_publication() -> None:
    x = Estimate(0.5385, 0.002)
    gain = gain_from_levels(Estimate(4.695, 0.01), Estimate(0.4225, 0.001))
    assert gain.x.value == pytest.approx(x.value, abs=3e-4)
    assert gain.amplification.value == pytest.approx(4.69, abs=0.02)
    assert gain.deamplification.value == pytest.approx(0.4225, abs=1e-3)
    assert gain.amplification.sigma == pytest.approx(2 * 4.695 / (1 - 0.5385) * gain.x.sigma, rel=1e-2)


def test_a_fringe_deeper_than_its_level_is_refused() -> None:
    fit = fit_fringe(VOLTS, 1.0 + 1.5 * np.cos(np.pi * VOLTS))
    with pytest.raises(AnalysisRefused, match="not between 0 and 1"):
        parametric_gain(fit)


def test_levels_without_gain_are_refused() -> None:
    with pytest.raises(AnalysisRefused, match="no gain"):
        gain_from_levels(Estimate(1.0, 0.1), Estimate(0.9, 0.1))
    with pytest.raises(AnalysisRefused, match="positive"):
        gain_from_levels(Estimate(1.0, 0.1), Estimate(-0.1, 0.1))
