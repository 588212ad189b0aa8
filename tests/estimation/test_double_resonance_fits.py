"""Fits about double resonances: the dispersion, the seed's fringe taken apart, and the temperature of its resonance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.estimation.double_resonance import (
    LengthOffset,
    SeedLevel,
    fit_dispersion,
    lorentzian_line,
    mean_level,
    resonance_temperature,
    seed_level,
)
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import fit_fringe
from labctl.estimation.fringe_crests import fringe_crests
from labctl.physics.double_resonance import detuned_seed_power

EXPECTED = Estimate(0.26, 0.013, "rad/K")
SEED_V = 0.2
NOISE_V = 1e-3
HALF_WIDTH_K = 0.3365
OUTPUT_V = np.linspace(-2.25, 2.25, 80)


def look(temperature_c: float, phase_rad: float, sigma: float = 0.02) -> LengthOffset:
    return LengthOffset(temperature_c, Estimate(phase_rad, sigma, "rad"))


# ---- dispersion -----------------------------------------------------------------------------------------------------


@given(
    st.floats(-3.1, 3.1),
    st.floats(0.24, 0.28),
    st.sampled_from([1.0, -1.0]),
    st.lists(st.integers(-3, 3), min_size=3, max_size=3),
)
def test_half_turns_and_sign_of_the_dispersion_are_found(
    phase_rad: float, rate: float, sign: float, turns: list[int]
) -> None:
    temperatures = (25.0, 27.0, 37.0)
    looks = [
        look(t, phase_rad - sign * rate * (t - 25.0) + math.pi * n * (k > 0), 0.01)
        for k, (t, n) in enumerate(zip(temperatures, turns, strict=True))
    ]
    found = fit_dispersion(looks, EXPECTED)
    assert found.rate_rad_per_k == pytest.approx(sign * rate, abs=4.0 * found.rate.sigma + 1e-3)
    assert found.phase_at(37.0) == pytest.approx(phase_rad - sign * rate * 12.0, abs=0.03)


def test_one_look_forecasts_with_the_expected_dispersion() -> None:
    found = fit_dispersion([look(25.0, 0.52)], EXPECTED)
    places = found.temperatures(15.0, 45.0)
    assert sorted(places) == [-1, 0]
    assert places[0].value == pytest.approx(25.0 + 0.52 / 0.26)
    assert places[-1].value == pytest.approx(25.0 + (0.52 + math.pi) / 0.26)
    assert places[-1].sigma > 4.0 * places[0].sigma  # the further away, the less sure


def test_each_look_narrows_the_forecast_and_the_truth_is_in_it() -> None:
    rng = np.random.default_rng(5)
    pulls = []
    for _ in range(300):
        rate = rng.normal(EXPECTED.value, EXPECTED.sigma)
        looks = [look(t, 0.4 - rate * (t - 25.0) + rng.normal(0.0, 0.02)) for t in (25.0, 27.0, 31.0)]
        forecasts = [fit_dispersion(looks[:count], EXPECTED).temperature(-1) for count in (1, 2, 3)]
        assert forecasts[0].sigma > forecasts[1].sigma > forecasts[2].sigma
        pulls.append((forecasts[2].value - (25.0 + (0.4 + math.pi) / rate)) / forecasts[2].sigma)
    assert np.std(pulls) == pytest.approx(1.0, abs=4.0 / math.sqrt(2.0 * 300))  # 4 sigma of an rms of 300


def test_without_a_look_there_is_no_forecast() -> None:
    with pytest.raises(AnalysisRefused, match="Walk the length first"):
        fit_dispersion([], EXPECTED)


# ---- the seed's fringe ----------------------------------------------------------------------------------------------


def fringe(x: float, detuning: float, rng: np.random.Generator, drift_rad: float = 0.1) -> np.ndarray:
    """Return a scan of the pump phase through two fringes and a half, on a path that drifts."""
    theta = 0.7 + math.pi * OUTPUT_V + drift_rad * np.sin(2.0 * OUTPUT_V)
    return SEED_V * detuned_seed_power(x, detuning, theta) + rng.normal(0.0, NOISE_V, OUTPUT_V.size)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.1, 0.6), st.floats(-1.2, 1.2), st.integers(0, 1000))
def test_the_fringe_is_taken_apart_into_pump_and_light(x: float, detuning: float, seed: int) -> None:
    found = seed_level(OUTPUT_V, fringe(x, detuning, np.random.default_rng(seed)))
    one = 1.0 + detuning**2
    assert found.gain.x.value == pytest.approx(x / math.sqrt(one), abs=6.0 * found.gain.x.sigma + 3e-3)
    assert found.unpumped.value == pytest.approx(SEED_V / one, abs=6.0 * found.unpumped.sigma + 1.5e-3)
    assert found.merit.value == pytest.approx(x**2 / SEED_V, rel=0.08)


def test_detuning_drops_out_of_the_merit() -> None:
    rng = np.random.default_rng(2)
    merits = [seed_level(OUTPUT_V, fringe(0.4, detuning, rng)).merit.value for detuning in (0.0, 0.5, 1.0)]
    assert merits == pytest.approx([0.4**2 / SEED_V] * 3, rel=0.03)


def test_a_dark_level_is_taken_off() -> None:
    signal = fringe(0.5, 0.0, np.random.default_rng(3)) + 0.05
    assert seed_level(OUTPUT_V, signal, 0.05).gain.x.value == pytest.approx(0.5, abs=5e-3)


def test_crests_and_troughs_do_not_mind_a_path_that_drifts() -> None:
    rng = np.random.default_rng(8)
    crests, troughs = [], []
    for _ in range(100):
        signal = fringe(0.5385, 0.0, rng)
        crest, trough = fringe_crests(fit_fringe(OUTPUT_V, signal), OUTPUT_V, signal)
        assert max(crest.sigma, trough.sigma) < 3.0 * NOISE_V
        crests.append(crest.value)
        troughs.append(trough.value)
    for found, true in ((crests, SEED_V / (1.0 - 0.5385) ** 2), (troughs, SEED_V / (1.0 + 0.5385) ** 2)):
        assert float(np.std(found)) < NOISE_V
        assert float(np.mean(found)) == pytest.approx(true, abs=0.5 * NOISE_V)


def test_no_gain_is_refused() -> None:
    with pytest.raises(AnalysisRefused):
        seed_level(OUTPUT_V, SEED_V + np.random.default_rng(1).normal(0.0, NOISE_V, OUTPUT_V.size))


# ---- the temperature ------------------------------------------------------------------------------------------------


def levels(temperatures_c: np.ndarray, best_c: float, rng: np.random.Generator, relative: float) -> list[Estimate]:
    true = SEED_V / (1.0 + ((temperatures_c - best_c) / HALF_WIDTH_K) ** 2)
    return [Estimate(float(v * (1.0 + relative * rng.standard_normal())), float(relative * v), "V") for v in true]


def test_five_points_give_the_temperature_with_its_uncertainty() -> None:
    rng = np.random.default_rng(4)
    temperatures_c = 30.0 + HALF_WIDTH_K * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    pulls = []
    for _ in range(400):
        found = resonance_temperature(temperatures_c, levels(temperatures_c, 30.05, rng, 0.005))
        assert found.sigma < 1.5e-3
        pulls.append((found.value - 30.05) / found.sigma)
    assert abs(float(np.mean(pulls))) < 4.0 / math.sqrt(400)
    assert float(np.std(pulls)) == pytest.approx(1.0, abs=4.0 / math.sqrt(800))


def test_points_that_scatter_more_than_they_say_give_a_larger_uncertainty() -> None:
    temperatures_c = np.linspace(29.7, 30.3, 7)
    said = levels(temperatures_c, 30.0, np.random.default_rng(6), 0.02)
    brazen = [Estimate(level.value, 0.001 * level.value) for level in said]
    assert resonance_temperature(temperatures_c, brazen).sigma > 5.0 * 1e-4


def test_the_gain_alone_would_miss_the_resonance_and_the_light_does_not() -> None:
    """Phase matching tilts the gain across the line; the light without pump knows nothing of it."""
    temperatures_c = 30.0 + HALF_WIDTH_K * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    detuning = (temperatures_c - 30.0) / HALF_WIDTH_K
    tilt_per_k = 0.25
    x = 0.5385 * np.exp(0.5 * tilt_per_k * (temperatures_c - 30.0))
    rng = np.random.default_rng(9)
    found = [seed_level(OUTPUT_V, fringe(float(a), float(d), rng)) for a, d in zip(x, detuning, strict=True)]
    light = resonance_temperature(temperatures_c, [level.unpumped for level in found])
    squares = np.array([level.gain.x.value**2 for level in found])
    gain = lorentzian_line(temperatures_c, squares, 0.005 * squares)
    assert light.value == pytest.approx(30.0, abs=4e-3)
    assert gain.centre - 30.0 > 10e-3  # half of tilt times half width squared at least


@pytest.mark.parametrize(
    ("temperatures", "values", "why"),
    [
        ([1.0, 2.0], [0.1, 0.2], "needs 3 points"),
        ([1.0, 2.0, 3.0], [0.2, 0.1, 0.2], "no resonance"),
        ([1.0, 2.0, 3.0], [0.05, 0.07, 0.1], "not within|no resonance"),
        ([1.0, 2.0, 3.0], [0.1, 0.0, 0.1], "dark"),
    ],
)
def test_points_without_a_resonance_are_refused(temperatures: list[float], values: list[float], why: str) -> None:
    with pytest.raises(AnalysisRefused, match=why):
        resonance_temperature(np.array(temperatures), [Estimate(value, 1e-3) for value in values])


@given(st.floats(-5.0, 5.0), st.floats(0.1, 3.0), st.floats(0.01, 10.0))
def test_a_lorentzian_without_noise_is_found_exactly(centre: float, width: float, height: float) -> None:
    position = centre + width * np.array([-0.9, -0.3, 0.2, 0.7])
    level = height / (1.0 + ((position - centre) / width) ** 2)
    line = lorentzian_line(position, level, 0.01 * level)
    assert (line.centre, line.half_width, line.height) == pytest.approx((centre, width, height), rel=1e-6, abs=1e-6)


def test_the_mean_of_looks_is_surer_than_each() -> None:
    rng = np.random.default_rng(7)
    looks: list[SeedLevel] = [seed_level(OUTPUT_V, fringe(0.3, 0.2, rng)) for _ in range(4)]
    together = mean_level(looks)
    assert together.unpumped.value == pytest.approx(np.mean([one.unpumped.value for one in looks]))
    assert together.gain.x.sigma < max(one.gain.x.sigma for one in looks)
