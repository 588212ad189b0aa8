"""RMSE and advantage, inconsistency, weights for unequal efficiencies, attribution, and thousands of sensors."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.force_attribution import Line, attribute_force
from labctl.estimation.large_network import StreamingSum, shared_mode
from labctl.estimation.network_advantage import (
    Separable,
    best_possible_advantage,
    expected_points,
    measured_point,
    measured_rmse,
)
from labctl.estimation.network_weights import (
    best_amplitudes,
    best_weights,
    digital_weights,
    next_weights,
    variance_of_sum,
)
from labctl.estimation.sensor_consistency import (
    Design,
    Parameter,
    allowed_window,
    sensor_inconsistencies,
)
from labctl.physics import sensing
from labctl.physics.noise_budget import Oscillator, Readout, force_noise_budget
from labctl.physics.shared_state import shared_state

PHOTONS, EFFICIENCY = 2.3, 0.82


# ---- RMSE and advantage ----------------------------------------------------------------------------------------------


def test_expected_points_meet_the_closed_forms_of_figure_4() -> None:
    joint = Estimate(float(sensing.entangled_variance(PHOTONS, EFFICIENCY)), 0.004)
    points = expected_points(joint, Estimate(EFFICIENCY, 0.01), [2, 3, 4, 10_000])
    for point, percent in zip(points, (10.0, 17.2, 22.7), strict=False):
        assert point.advantage_percent == pytest.approx(percent, abs=0.06)
    four = points[2]
    assert four.entangled.value == pytest.approx(0.1259, abs=5e-5)
    assert four.separable.value == pytest.approx(0.1546, abs=5e-5)
    assert "pure source" in four.convention and str(Separable.INDEPENDENT) in four.convention
    assert points[3].advantage.value < best_possible_advantage(joint, Estimate(EFFICIENCY, 0.01)).value


def test_uncertainty_of_expected_points_is_that_of_a_monte_carlo() -> None:
    v, eta = Estimate(0.25, 0.004), Estimate(0.82, 0.004)
    (point,) = expected_points(v, eta, [4])
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(3000):
        (one,) = expected_points(Estimate(rng.normal(0.25, 0.004), 0.0), Estimate(rng.normal(0.82, 0.004), 0.0), [4])
        drawn.append((one.entangled.value, one.separable.value, one.advantage.value))
    spread = np.std(drawn, axis=0)
    for found, true in zip((point.entangled, point.separable, point.advantage), spread, strict=True):
        assert found.sigma == pytest.approx(true, rel=0.12)


def test_measured_rmse_and_advantage() -> None:
    """-3.7 dB of the sum against -0.8 dB of one output: sigma = sqrt(V / 4M) and their ratio."""
    joint, alone = Estimate(10**-0.37, 0.004), Estimate(10**-0.08, 0.006)
    point = measured_point(joint, alone, 4, separable_is=Separable.MARGINAL)
    assert point.entangled.value == pytest.approx(math.sqrt(10**-0.37) / 4)
    assert point.advantage.value == pytest.approx(10**0.145)
    assert point.advantage.relative_sigma == pytest.approx(math.hypot(joint.relative_sigma, alone.relative_sigma) / 2)
    assert str(Separable.MARGINAL) in point.advantage.convention
    shared = measured_point(joint, alone, 4, separable_is=Separable.MARGINAL, correlation=0.9)
    assert shared.advantage.sigma < point.advantage.sigma


def test_rmse_refusals() -> None:
    with pytest.raises(AnalysisRefused, match="no root"):
        measured_rmse(Estimate(-0.1, 0.1), 4)
    with pytest.raises(AnalysisRefused, match="0 sensors"):
        measured_rmse(Estimate(0.5, 0.1), 0)
    with pytest.raises(AnalysisRefused, match="would need a source"):
        expected_points(Estimate(0.1, 0.01), Estimate(0.82, 0.01), [4])
    with pytest.raises(AnalysisRefused, match="efficiency"):
        expected_points(Estimate(0.3, 0.01), Estimate(1.2, 0.01), [4])
    with pytest.raises(AnalysisRefused, match="correlation"):
        measured_point(Estimate(0.5, 0.1), Estimate(0.5, 0.1), 4, separable_is=Separable.MARGINAL, correlation=2.0)
    with pytest.raises(AnalysisRefused, match="no root"):
        best_possible_advantage(Estimate(0.0, 0.1), Estimate(0.8, 0.1))


# ---- eq. (2) ---------------------------------------------------------------------------------------------------------

DESIGN = Design(
    Oscillator(4.3e6, 41.0, 1.69e-11, 300.0, 4.15e6), Readout(5e-6, 1550e-9, 0.82, 0.4266), g0_hz=27.5, kappa_hz=58e9
)


def test_windows_are_six_percent_of_gamma_and_three_of_the_couplings() -> None:
    """Thermal noise goes as sqrt(Gamma), imprecision far away as 1 / g0 and kappa."""
    low, high = allowed_window(replace_squeezed(1e-9), Parameter.GAMMA)
    assert (low / 41.0, high / 41.0) == pytest.approx((0.97**2, 1.03**2), rel=1e-6)
    far = 500e3
    low, high = allowed_window(DESIGN, Parameter.G0, detuning_hz=far)
    assert (low / 27.5, high / 27.5) == pytest.approx((1 / 1.03, 1 / 0.97), rel=1e-2)
    low, high = allowed_window(DESIGN, Parameter.KAPPA, detuning_hz=far)
    assert (low / 58e9, high / 58e9) == pytest.approx((0.97, 1.03), rel=1e-2)


def replace_squeezed(variance: float) -> Design:
    readout = Readout(5e-6, 1550e-9, 0.82, variance, 0.0)
    return Design(DESIGN.oscillator, readout, DESIGN.g0_hz, DESIGN.kappa_hz)


def test_inconsistency_of_each_parameter_and_sensor() -> None:
    measured = {
        1: {Parameter.GAMMA: Estimate(43.0, 0.5), Parameter.G0: Estimate(28.0, 0.3)},
        2: {Parameter.KAPPA: Estimate(60e9, 1e9)},
    }
    found = sensor_inconsistencies(DESIGN, measured)
    assert [(one.sensor, one.parameter) for one in found] == [
        (1, "gamma_hz"),
        (1, "g0_hz"),
        (1, "all"),
        (2, "kappa_hz"),
    ]
    o = DESIGN.oscillator
    wider = Oscillator(o.f0_hz, 43.0, o.mass_kg, o.temperature_k, o.phase_slope_rad_per_m)
    ratio = math.sqrt(
        float(force_noise_budget(o.f0_hz, wider, DESIGN.readout).total)
        / float(force_noise_budget(o.f0_hz, o, DESIGN.readout).total)
    )
    assert found[0].signed.value == pytest.approx(ratio - 1)
    assert found[0].signed.sigma == pytest.approx(0.5 * 0.5 / 42.0, rel=0.15)  # half the relative sigma of Gamma
    assert found[0].within() and not found[0].within(0.01)
    assert found[0].value.value == abs(found[0].signed.value)
    with pytest.raises(AnalysisRefused, match="not positive"):
        sensor_inconsistencies(DESIGN, {1: {Parameter.GAMMA: Estimate(-1.0, 0.5)}})
    with pytest.raises(AnalysisRefused, match="no measured parameter"):
        sensor_inconsistencies(DESIGN, {3: {}})


# ---- weights ---------------------------------------------------------------------------------------------------------


def information(eta: np.ndarray, v: float, s: np.ndarray, h: np.ndarray) -> float:
    """a^T C^-1 a with the matrix itself, from the physics room's model."""
    c = shared_state(v, 1.0, eta * s**2, np.where(s < 0, np.pi, 0.0)).matrix()
    a = np.sqrt(eta) * h
    return float(a @ np.linalg.solve(c, a))


@pytest.mark.parametrize("response", [[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 0.5, 1.5]])
def test_weights_are_the_optimum_of_the_full_matrix(response: list[float]) -> None:
    eta, v, h = np.array([0.9, 0.6, 0.82, 0.4]), 0.2, np.array(response)
    best = best_amplitudes(eta, v, h)
    top = information(eta, v, best, h)

    def lost(x: np.ndarray) -> float:
        return -information(eta, v, x / np.linalg.norm(x), h)

    rng = np.random.default_rng(1)
    by_hand = max(
        -minimize(lost, rng.normal(size=4), method="Nelder-Mead", options={"maxiter": 4000}).fun for _ in "12"
    )
    assert top == pytest.approx(by_hand, rel=1e-4)
    g = digital_weights(eta, v, best, h)
    assert g @ (np.sqrt(eta) * h) == pytest.approx(1.0)
    assert variance_of_sum(g, eta, v, best) == pytest.approx(1 / top)


def test_unequal_efficiencies_are_worth_other_weights() -> None:
    eta = [Estimate(e, 0.005) for e in (0.95, 0.9, 0.5, 0.3)]
    choice = best_weights(eta, Estimate(0.1, 0.005))
    assert choice.network.sum() == pytest.approx(1.0) and (np.diff(choice.network) < 0).all()
    assert choice.gain.value > 1.02 and choice.worth_changing
    same = best_weights([Estimate(0.8, 0.02)] * 4, Estimate(0.2, 0.01))
    assert same.network == pytest.approx(0.25) and same.gain.value == pytest.approx(1.0)
    assert not same.worth_changing
    assert same.rmse.value == pytest.approx(float(2 * sensing.rmse(1 - 0.8 * 0.8, 4)) / math.sqrt(0.8))


def test_uncertainty_of_the_gain_is_that_of_a_monte_carlo() -> None:
    true, sigma = np.array([0.95, 0.9, 0.5, 0.3]), 0.01
    choice = best_weights([Estimate(e, sigma) for e in true], Estimate(0.15, 0.005))
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(2000):
        eta = np.clip(rng.normal(true, sigma), 0.01, 1.0)
        one = best_weights([Estimate(e, 0.0) for e in eta], Estimate(rng.normal(0.15, 0.005), 0.0))
        drawn.append((one.rmse.value, one.gain.value))
    assert choice.rmse.sigma == pytest.approx(np.std(drawn, axis=0)[0], rel=0.1)
    assert choice.gain.sigma == pytest.approx(np.std(drawn, axis=0)[1], rel=0.15)


def test_adapting_moves_once_and_then_rests() -> None:
    sure = [Estimate(e, 0.002) for e in (0.95, 0.9, 0.5, 0.3)]
    moved, changed = next_weights(np.full(4, 0.25), sure, Estimate(0.1, 0.002))
    assert changed
    rested, again = next_weights(moved, sure, Estimate(0.1, 0.002))
    assert not again and np.array_equal(rested, moved)
    vague = [Estimate(e, 0.2) for e in (0.82, 0.80, 0.81, 0.79)]
    kept, noise = next_weights(np.full(4, 0.25), vague, Estimate(0.2, 0.01))
    assert not noise and np.array_equal(kept, np.full(4, 0.25))


def test_weight_refusals() -> None:
    good = [Estimate(0.8, 0.01)] * 2
    with pytest.raises(AnalysisRefused, match="Sensor 2"):
        best_weights([Estimate(0.8, 0.01), Estimate(1.1, 0.01)], Estimate(0.2, 0.01))
    with pytest.raises(AnalysisRefused, match="not squeezed"):
        best_weights(good, Estimate(1.2, 0.01))
    with pytest.raises(AnalysisRefused, match="every response is zero"):
        best_weights(good, Estimate(0.2, 0.01), [0.0, 0.0])
    with pytest.raises(AnalysisRefused, match="do not go together"):
        best_weights(good, Estimate(0.2, 0.01), [1.0])
    with pytest.raises(AnalysisRefused, match="add to 1"):
        next_weights(np.array([0.5, 0.6]), good, Estimate(0.2, 0.01))


# ---- attribution -----------------------------------------------------------------------------------------------------

RESONANCES = {
    j: Line(Estimate(f, 0.3), Estimate(41.0, 0.6)) for j, f in enumerate((4.276e6, 4.301e6, 4.338e6, 4.365e6), start=1)
}


def test_a_force_is_attributed_to_the_sensor_on_whose_resonance_it_shows() -> None:
    found = attribute_force(Line(Estimate(4.338e6 + 12.0, 1.5), Estimate(42.0, 4.0)), RESONANCES)
    assert found.sensor == 3 and found.probability > 0.999999
    assert found.offset_hz.value == pytest.approx(12.0)
    assert found.offset_hz.sigma == pytest.approx(math.hypot(1.5, 0.3))
    assert sum(found.probabilities.values()) == pytest.approx(1.0)


def test_width_decides_between_close_resonances() -> None:
    close = {1: Line(Estimate(1000.0, 0.5), Estimate(5.0, 0.1)), 2: Line(Estimate(1001.0, 0.5), Estimate(50.0, 0.1))}
    found = attribute_force(Line(Estimate(1000.6, 0.5), Estimate(48.0, 4.0)), close, drift_hz=1.0)
    assert found.sensor == 2


def test_attribution_refusals() -> None:
    tone = Line(Estimate(4.31e6, 1.0), Estimate(41.0, 4.0))
    with pytest.raises(AnalysisRefused, match=r"no sensor.s resonance.*sensor 2"):
        attribute_force(tone, RESONANCES)
    twins = {1: Line(Estimate(1000.0, 1.0), Estimate(5.0, 0.1)), 2: Line(Estimate(1000.5, 1.0), Estimate(5.0, 0.1))}
    with pytest.raises(AnalysisRefused, match="may be of sensor"):
        attribute_force(Line(Estimate(1000.2, 1.0), Estimate(5.0, 0.5)), twins)
    with pytest.raises(AnalysisRefused, match="no calibrated"):
        attribute_force(tone, {})
    with pytest.raises(AnalysisRefused, match="without width"):
        attribute_force(Line(Estimate(1000.0, 1.0), Estimate(0.0, 0.5)), twins)
    exact = {1: Line(Estimate(1000.0, 0.0), Estimate(5.0, 0.0))}
    with pytest.raises(AnalysisRefused, match="Give a drift"):
        attribute_force(Line(Estimate(1000.0, 0.0), Estimate(5.0, 0.0)), exact, drift_hz=0.0)


# ---- thousands of sensors --------------------------------------------------------------------------------------------


def records(sensors: int, samples: int, variance: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, M) of covariance 1 + (V - 1) u u^T and u, without the matrix."""
    rng = np.random.default_rng(seed)
    u = np.sqrt(rng.uniform(0.5, 1.5, sensors))
    u /= np.linalg.norm(u)
    y = rng.standard_normal((samples, sensors), dtype=np.float32)
    along = y @ u.astype(np.float32)
    y += np.float32(math.sqrt(variance) - 1) * along[:, None] * u.astype(np.float32)
    return y, u


def test_ten_thousand_sensors_are_summed_as_they_report() -> None:
    sensors, samples = 10_000, 600
    y, u = records(sensors, samples, 0.2, 3)
    left, right = StreamingSum(samples), StreamingSum(samples)
    for first in range(0, sensors, 1000):
        part = left if first < 5000 else right
        part.add(y[:, first : first + 1000].T, u[first : first + 1000])
    left.merge(right)
    found = left.variance()
    assert left.sensors == sensors
    assert abs(found.value - 0.2) < 4 * found.sigma
    assert found.value == pytest.approx(float(np.var(y.astype(np.float64) @ u, ddof=1)), rel=1e-6)


def test_the_shared_mode_of_ten_thousand_sensors_comes_from_a_power_iteration() -> None:
    y, u = records(10_000, 400, 30.0, 4)
    blocks = np.array_split(y, 6)
    found = shared_mode(lambda: blocks, 10_000)
    assert abs(found.variance.value - 30.0) < 4 * found.variance.sigma
    overlap = float(found.weights @ u) ** 2
    assert overlap == pytest.approx(found.overlap, abs=0.06)
    assert 0.4 < overlap < 0.65  # ten thousand weights from 400 samples: the theory, not hope


def test_a_squeezed_mode_is_found_with_more_samples_than_sensors() -> None:
    y, u = records(40, 4000, 0.2, 5)
    found = shared_mode(lambda: [y], 40, squeezed=True)
    assert abs(found.variance.value - 0.2) < 4 * found.variance.sigma
    assert float(found.weights @ u) ** 2 > 0.95


def test_sampling_bias_is_taken_out_of_the_eigenvalue() -> None:
    """Mean over 40 seeds within 3 standard errors of the truth, where the raw eigenvalue is 17 % high."""
    values = []
    for seed in range(40):
        y, _ = records(200, 400, 4.0, 100 + seed)
        values.append(shared_mode(lambda y=y: [y], 200).variance)
    mean = float(np.mean([v.value for v in values]))
    spread = float(np.std([v.value for v in values], ddof=1))
    assert abs(mean - 4.0) < 3 * spread / math.sqrt(40)
    assert float(np.mean([v.sigma for v in values])) == pytest.approx(spread, rel=0.35)


def test_large_network_refusals() -> None:
    quiet = np.random.default_rng(6).standard_normal((100, 200))
    with pytest.raises(AnalysisRefused, match="not told from sampling noise"):
        shared_mode(lambda: [quiet], 200)
    with pytest.raises(AnalysisRefused, match="do not show a squeezed mode"):
        shared_mode(lambda: [quiet], 200, squeezed=True)
    with pytest.raises(AnalysisRefused, match="does not hold 10 sensors"):
        shared_mode(lambda: [quiet], 10)
    with pytest.raises(AnalysisRefused, match="too few"):
        shared_mode(lambda: [quiet[:5]], 200)
    with pytest.raises(AnalysisRefused, match="1 sensors"):
        shared_mode(lambda: [quiet], 1)
    with pytest.raises(AnalysisRefused, match="too few"):
        StreamingSum(3)
    total = StreamingSum(100)
    with pytest.raises(AnalysisRefused, match="No sensor"):
        total.variance()
    with pytest.raises(AnalysisRefused, match="does not go with"):
        total.add(np.zeros((2, 50)))
    with pytest.raises(AnalysisRefused, match="not finite"):
        total.add(np.full(100, np.nan))
    with pytest.raises(AnalysisRefused, match="do not go together"):
        total.merge(StreamingSum(50))
