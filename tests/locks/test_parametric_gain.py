"""The pump parameter from the fringe of the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.estimation.fringe import FringeFit, fit_fringe
from labctl.locks.source import parametric_gain
from labctl.physics import opa

VOLTS = np.linspace(-2.0, 2.0, 80)


def seed_fringe(x: float, noise: float = 0.0, seed: int = 1) -> FringeFit:
    """Return the fit of a scan of the pump phase, the seed monitor 1 at unit gain."""
    gain = opa.parametric_gain(x, 0.4 + np.pi * VOLTS)
    return fit_fringe(VOLTS, gain + noise * np.random.default_rng(seed).standard_normal(VOLTS.size))


@given(st.floats(0.05, 0.9))
@settings(max_examples=40, deadline=None)
def test_x_from_the_ratio_of_the_extremes(x: float) -> None:
    found, _ = parametric_gain(seed_fringe(x))
    highest, lowest = 1.0 / (1.0 - x) ** 2, 1.0 / (1.0 + x) ** 2
    r = np.sqrt(highest / lowest)
    assert (r - 1.0) / (r + 1.0) == pytest.approx(x)
    assert found == pytest.approx(x, abs=0.01)


@pytest.mark.parametrize("x", [0.3, 0.5385, 0.7])
def test_its_uncertainty_covers_the_scatter(x: float) -> None:
    found = np.array([parametric_gain(seed_fringe(x, noise=0.03, seed=n)) for n in range(40)])
    pulls = (found[:, 0] - x) / found[:, 1]
    assert (
        abs(pulls.mean()) < 3.3 / np.sqrt(40) + 0.5
    )  # the levels come from quantiles, whose bias is below half a sigma
    assert 0.2 < pulls.std(ddof=1) < 1.5


def test_a_fringe_deeper_than_its_level_is_refused() -> None:
    fit = fit_fringe(VOLTS, 1.0 + 1.5 * np.cos(np.pi * VOLTS))
    with pytest.raises(AnalysisRefused, match="not between 0 and 1"):
        parametric_gain(fit)
