"""The state behind the network: O(M) forms against matrices, averages and bounds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.hermite_e import hermegauss

from labctl.physics import homodyne, network, sensing, squeezing
from labctl.physics.shared_state import SharedState, shared_state

FAST = settings(deadline=None, max_examples=60)
SEED = st.integers(0, 2**32 - 1)


def random_state(seed: int, jitter: float = 1.0) -> tuple[SharedState, SharedState, np.ndarray]:
    """A state of 1 to 6 detectors, the same with every angle turned by a right angle, and the efficiencies."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 7))
    r, eta = rng.uniform(0.0, 1.5), rng.uniform(0.0, 1.0, m)
    variances = np.exp(-2.0 * r), np.exp(2.0 * r) * rng.uniform(1.0, 3.0)
    share, angle = eta * rng.dirichlet(np.ones(m)), rng.uniform(-3.0, 3.0, m)
    common, private = jitter * rng.uniform(0.0, 0.5), jitter * rng.uniform(0.0, 0.5, m)
    turned = (shared_state(*variances, share, angle + extra, common, private) for extra in (0.0, 0.5 * np.pi))
    return (*turned, eta)


def averaged_covariance(
    v: tuple[float, float], share: np.ndarray, angle: np.ndarray, common: float, private: np.ndarray
) -> np.ndarray:
    """The definition: two detectors, averaged over the three Gaussian phases."""
    node, weight = hermegauss(24)
    c, p, q = np.meshgrid(common * node, private[0] * node, private[1] * node, indexing="ij")
    w = np.einsum("i,j,k->ijk", weight, weight, weight) / np.sum(weight) ** 3
    phase = [angle[0] + c + p, angle[1] + c + q]
    result = np.eye(2)
    for j in range(2):
        for k in range(2):
            shared = (v[0] - 1) * np.cos(phase[j]) * np.cos(phase[k]) + (v[1] - 1) * np.sin(phase[j]) * np.sin(phase[k])
            result[j, k] += np.sqrt(share[j] * share[k]) * np.sum(w * shared)
    return result


@FAST
@given(SEED)
def test_jitter_forms_are_the_average_over_the_phases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    v = (rng.uniform(0.05, 1.0), rng.uniform(1.0, 20.0))
    share, angle, private = rng.uniform(0.0, 0.5, 2), rng.uniform(-3.0, 3.0, 2), rng.uniform(0.0, 0.6, 2)
    common = rng.uniform(0.0, 0.6)
    expected = averaged_covariance(v, share, angle, common, private)
    assert shared_state(*v, share, angle, common, private).matrix() == pytest.approx(expected, abs=1e-9)
    assert homodyne.shared_covariance(*v, share, angle, common, private) == pytest.approx(expected, abs=1e-9)


@FAST
@given(SEED)
def test_forms_without_the_matrix_agree_with_those_with_it(seed: int) -> None:
    state, _, _ = random_state(seed)
    rng = np.random.default_rng(seed + 1)
    c = state.matrix()
    m = len(c)
    gain, delay_s, f = rng.uniform(0.5, 1.5, m), rng.uniform(-2e-8, 2e-8, m), rng.uniform(0.0, 5e6, 3)
    assert state.marginal() == pytest.approx(np.diag(c), rel=1e-9)
    assert state.conditional() == pytest.approx(1.0 / np.diag(np.linalg.inv(c)), rel=1e-7)
    assert state.summed(gain, delay_s, f) == pytest.approx(homodyne.summed_variance(c, gain, delay_s, f), rel=1e-9)


@FAST
@given(SEED)
def test_no_sum_beats_the_loss_or_the_uncertainty_principle(seed: int) -> None:
    state, turned, eta = random_state(seed)
    weights = np.random.default_rng(seed + 2).normal(size=(20, len(eta)))
    v, conjugate = state.weighted_sum(weights), turned.weighted_sum(weights)
    assert (v >= 1.0 - eta.max() - 1e-9).all()
    assert (v * conjugate >= 1.0 - 1e-9).all()
    assert (np.linalg.eigvalsh(state.matrix()) > 0.0).all()
    assert (state.conditional() <= state.marginal() + 1e-9).all()


def test_four_equal_outputs() -> None:
    v = float(squeezing.after_loss(10**-0.71, 0.82))
    state = shared_state(10**-0.71, 10**0.998, np.full(4, 0.25 * 0.82))
    assert state.marginal() == pytest.approx(np.full(4, 1.0 - (1.0 - v) / 4.0), rel=1e-12)
    assert state.conditional() == pytest.approx(np.full(4, 1.0 / (1.0 + (1.0 - v) / (4.0 * v))), rel=1e-12)
    assert state.summed(1.0, 0.0, 4.3e6) == pytest.approx(v, rel=1e-12)
    assert 4.0 * state.summed(1.0, 0.0, 4.3e6) > 1.0  # a force on one sensor: worse in the sum than read alone


def test_limits() -> None:
    alone = shared_state(0.2, 6.0, [1.0])
    assert alone.marginal()[0] == alone.conditional()[0] == pytest.approx(0.2)
    for state in (shared_state(0.2, 6.0, np.zeros(3)), shared_state(1.0, 1.0, np.full(3, 0.3), 0.4, 0.1, 0.2)):
        assert state.matrix() == pytest.approx(np.eye(3), abs=1e-12)
    dark = shared_state(0.2, 6.0, np.full(2, 0.5), dark=np.array([0.1, 0.0]))
    assert np.diag(dark.matrix()) == pytest.approx([0.7, 0.6])


def test_phase_noise_of_the_sum_is_common_and_a_share_of_private() -> None:
    v = 0.05, 20.0
    for m in (1, 4, 25):
        state = shared_state(*v, np.full(m, 1.0 / m), 0.0, 0.02, 0.04)
        joint = float(sensing.joint_phase_noise_rad(0.02, 0.04, m))
        expected = v[0] + (v[1] - v[0]) * joint**2 + (1.0 - v[0]) * 0.04**2 * (1.0 - 1.0 / m)  # the last: not shared
        assert float(state.summed(1.0, 0.0, 0.0)) == pytest.approx(expected, rel=0.01)


def test_ten_thousand_sensors_need_no_matrix() -> None:
    m = 10_000
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.5, 1.5, m)
    weights /= weights.sum()
    tracemalloc.start()
    taps = network.tap_reflectivities(weights)
    state = shared_state(0.05, 20.0, 0.9 * network.chain_weights(taps), rng.normal(0.0, 0.01, m), 0.01, 0.03, 0.01)
    joint = state.summed(1.0 + rng.normal(0.0, 0.02, m), rng.normal(0.0, 1e-9, m), np.array([1e6, 4.3e6]))
    conditional, marginal = state.conditional(), state.marginal()
    network.half_wave_plate_angles_deg(weights)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 100 * 8 * m  # the matrix would take 10 000 such numbers a sensor
    assert 0.1 < joint.min() <= joint.max() < 0.4
    assert (conditional < marginal).all() and marginal == pytest.approx(1.01 * np.ones(m), abs=3e-3)


@FAST
@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=40))
def test_taps_hand_out_the_weights(raw: list[float]) -> None:
    weights = np.array(raw) / np.sum(raw)
    taps = network.tap_reflectivities(weights)
    assert taps[-1] == 1.0
    assert network.chain_weights(taps) == pytest.approx(weights, rel=1e-9)
    assert network.chain_weights(taps, 0.99).sum() <= 0.99 + 1e-12
    angles = network.half_wave_plate_angles_deg(weights)
    assert network.tap_of_angle(angles) == pytest.approx(taps[:-1], rel=1e-9)


def test_leaking_splitters_need_other_angles_and_still_give_the_weights() -> None:
    leak = {"p_reflected": 0.005, "s_transmitted": 0.001}
    angles = network.half_wave_plate_angles_deg([0.25] * 4, **leak)
    assert network.tap_of_angle(angles, **leak) == pytest.approx([0.25, 1 / 3, 0.5], rel=1e-12)
    assert abs(angles - network.half_wave_plate_angles_deg([0.25] * 4)).max() > 0.05
    out_of_reach = network.half_wave_plate_angles_deg([0.001, 0.999], **leak)
    assert np.isnan(out_of_reach).all()


def test_a_tenth_of_a_degree_moves_the_first_weight_by_1_2_percent() -> None:
    assert network.tap_of_angle(15.1) / network.tap_of_angle(15.0) - 1.0 == pytest.approx(0.012, abs=2e-4)


def test_a_tree_is_deep_as_log2_and_a_chain_as_m() -> None:
    assert network.tree_stages([1, 2, 3, 4, 5, 10_000]) == pytest.approx([0, 1, 2, 2, 3, 14])
    assert 0.82 * 0.99 ** int(network.tree_stages(10_000)) == pytest.approx(0.712, abs=1e-3)
    equal = network.chain_weights(network.tap_reflectivities(np.full(100, 0.01)), 0.99)
    assert equal[-1] / equal[0] == pytest.approx(0.99**99)
