"""Common and private jitter from marginal, conditional and joint variances of the closed form."""

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.network import NetworkCovariance
from labctl.estimation.phase_jitter import Beside, SharedSource, jitter_of_variances, phase_jitter
from labctl.physics.shared_state import shared_state

SOURCE = SharedSource(Estimate(0.195, 0.0), Estimate(9.94, 0.0), Estimate(0.82, 0.0))
K = 1e5


def state(common, private, m=4):
    return shared_state(0.195, 9.94, 0.82 / m * np.ones(m), 0.0, common, private)


def solved(common, private, beside, m=4, source=SOURCE):
    s = state(common, private, m)
    other = s.conditional().mean() if beside is Beside.CONDITIONAL else float(s.weighted_sum(np.ones(m)))
    return jitter_of_variances(float(s.marginal().mean()), other, source, sensors=m, averages=K, beside=beside)


@pytest.mark.parametrize("beside", list(Beside))
@pytest.mark.parametrize("m", [2, 4, 9])
@pytest.mark.parametrize(("common", "private"), [(0.1003, 0.06), (0.0, 0.06), (0.1, 0.0), (0.3, 0.2)])
def test_closed_form_variances_give_back_the_jitter(common, private, m, beside):
    found = solved(common, private, beside, m)
    assert found.common_variance.value == pytest.approx(common**2, abs=1e-7)
    assert found.private_variance.value == pytest.approx(private**2, abs=1e-7)


def test_rms_values_and_what_is_not_resolved():
    found = solved(0.1003, 0.08, Beside.CONDITIONAL)
    assert found.common_rad.value == pytest.approx(0.1003, abs=1e-4)
    assert found.private_rad.value == pytest.approx(0.08, abs=1e-4)
    with pytest.raises(AnalysisRefused, match="Private jitter is not resolved"):
        _ = solved(0.1, 0.01, Beside.JOINT).private_rad
    with pytest.raises(AnalysisRefused, match="Common jitter is not resolved"):
        _ = solved(0.01, 0.1, Beside.JOINT).common_rad


def test_the_source_is_uncertain_too():
    vague = SharedSource(Estimate(0.195, 0.009), Estimate(9.94, 0.4), Estimate(0.82, 0.01))
    sharp, blunt = solved(0.1, 0.06, Beside.JOINT), solved(0.1, 0.06, Beside.JOINT, source=vague)
    assert blunt.common_variance.sigma > 2 * sharp.common_variance.sigma
    shifted = SharedSource(Estimate(0.195 + 0.009, 0.0), SOURCE.antisqueezed, SOURCE.efficiency)
    moved = solved(0.1, 0.06, Beside.JOINT, source=shifted).common_variance.value - sharp.common_variance.value
    assert abs(moved) < blunt.common_variance.sigma


def test_delays_leave_the_conditional_route_alone():
    """Phases of 13 ns turn the joint sum, which then reads as jitter; the conditionals do not move."""
    turn = np.exp(2j * np.pi * 4.32e6 * 13.3e-9 * np.array([-1.35, -0.45, 0.45, 1.35]))
    matrix = state(0.1, 0.06).matrix() * np.outer(turn.conj(), turn)
    network = NetworkCovariance(matrix, np.eye(4, dtype=complex), 1e7, 1e12)
    found = phase_jitter(network, SOURCE)
    assert found.common_variance.value == pytest.approx(0.01, abs=1e-5)
    assert found.private_variance.value == pytest.approx(0.0036, abs=2e-5)
    spoilt = phase_jitter(network, SOURCE, Beside.JOINT)
    assert abs(spoilt.private_variance.value - 0.0036) > 0.01


def test_refusals():
    for settings, words in (
        ({"sensors": 1}, "do not tell"),
        ({"averages": 1.0}, "do not tell"),
        ({"marginal": 0.0}, "not positive"),
        ({"other": 1.5}, "cannot go with"),
        ({"other": 3.9, "beside": Beside.JOINT}, "cannot go with"),
    ):
        given = {"marginal": 0.86, "other": 0.75, "source": SOURCE, "sensors": 4, "averages": K}
        given |= {"beside": Beside.CONDITIONAL} | settings
        with pytest.raises(AnalysisRefused, match=words):
            jitter_of_variances(**given)
    weak = SharedSource(Estimate(0.9, 0.0), Estimate(1.0, 0.0), Estimate(0.82, 0.0))
    with pytest.raises(AnalysisRefused, match="No jitter of this source"):
        solved(0.1, 0.06, Beside.JOINT, source=weak)
