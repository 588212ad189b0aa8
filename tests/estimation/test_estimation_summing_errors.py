"""What a sum loses: delays and gains from marginals against the joint trace."""

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, from_decibels, in_decibels
from labctl.estimation.summing_errors import expected_joint, summing_errors
from labctl.physics.shared_state import shared_state

SUM_HZ = 4.32e6
DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9
STATE = shared_state(0.195, 9.94, 0.82 / 4 * np.ones(4))


def marginals(sigma=0.002):
    return [Estimate(float(v), sigma) for v in STATE.marginal()]


def test_four_marginals_promise_the_joint_variance():
    assert expected_joint(marginals()).value == pytest.approx(float(STATE.weighted_sum(np.ones(4))))
    near = [from_decibels(Estimate(-0.8, 0.05, "dB"))] * 4
    promised = in_decibels(expected_joint(near))
    assert promised.value == pytest.approx(-4.84, abs=0.02)
    assert promised.sigma == pytest.approx(0.28, abs=0.05)


def test_delays_of_13_ns():
    raw = float(STATE.summed(1.0, DELAYS_S, SUM_HZ))
    found = summing_errors(marginals(1e-3), Estimate(raw, 1e-3), SUM_HZ)
    assert in_decibels(found.joint).value == pytest.approx(-3.76, abs=0.03)
    assert found.rms_delay_s.value == pytest.approx(float(DELAYS_S.std()), rel=0.02)
    assert found.coherence.value == pytest.approx(0.875, abs=0.003)


def test_gains_that_differ():
    gains = np.array([0.5, 0.9, 1.2, 1.4])
    raw = float(STATE.summed(gains, 0.0, SUM_HZ))
    found = summing_errors(marginals(1e-3), Estimate(raw, 1e-3), SUM_HZ)
    assert found.gain_spread.value == pytest.approx(float(gains.std() / gains.mean()), rel=1e-3)


def test_a_good_sum_has_no_delay():
    found = summing_errors(marginals(), Estimate(float(STATE.weighted_sum(np.ones(4))), 0.002), SUM_HZ)
    assert found.coherence.value == pytest.approx(1.0)
    for name in ("rms_delay_s", "gain_spread"):
        with pytest.raises(AnalysisRefused, match="loses nothing"):
            getattr(found, name)


def test_refusals():
    joint = Estimate(0.42, 0.002)
    for singles, total, frequency, words in (
        (marginals()[:1], joint, SUM_HZ, "no sum"),
        (marginals(), joint, 0.0, "frequency"),
        ([Estimate(0.99, 0.02)] * 4, joint, SUM_HZ, "no clear squeezing"),
        ([Estimate(0.7, 0.002)] * 4, joint, SUM_HZ, "do not share"),
        (marginals(), Estimate(0.2, 0.002), SUM_HZ, "quieter than"),
        (marginals(), Estimate(1.1, 0.002), SUM_HZ, "not below shot noise"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            summing_errors(singles, total, frequency)
