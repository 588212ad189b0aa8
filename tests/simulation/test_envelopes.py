"""Exponential memory: exact at every step, over every gap, however time is cut."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.simulation.envelopes import Envelopes, PhaseNoise, samples_within

RATE_PER_S = np.pi * np.array([41.0, 41.0, 10.0])


def envelopes(seed: int = 1, rate_per_s: np.ndarray = RATE_PER_S) -> Envelopes:
    return Envelopes(np.random.default_rng(seed), rate_per_s)


def check_memory(first: np.ndarray, second: np.ndarray, memory: float) -> None:
    """Many independent pairs: power 1 each, and the correlation `memory`."""
    bound = 3.5 / np.sqrt(first.size)
    assert np.mean(np.abs(first) ** 2) == pytest.approx(1.0, abs=bound)
    assert np.mean(np.abs(second) ** 2) == pytest.approx(1.0, abs=bound)
    assert np.mean(first.conj() * second).real == pytest.approx(memory, abs=bound)
    assert np.mean(first.conj() * second).imag == pytest.approx(0.0, abs=bound)


@pytest.mark.parametrize("gap_s", [1e-4, 3e-3, 0.1])
def test_the_memory_over_a_gap_is_exponential(gap_s: float) -> None:
    many = envelopes(rate_per_s=np.full(20_000, np.pi * 41.0))
    first = many.move_to(5.0)
    check_memory(first, many.move_to(5.0 + gap_s), np.exp(-np.pi * 41.0 * gap_s))


def test_a_path_has_the_memory_of_a_gap_at_both_ends_and_between() -> None:
    many = envelopes(rate_per_s=np.full(5_000, np.pi * 41.0))
    before = many.move_to(1.0)
    path = many.path(1.002, 1e-3, 8)
    after = many.move_to(1.013)
    assert path.shape == (5_000, 9)
    kept = np.exp(-np.pi * 41.0 * 1e-3)
    check_memory(before, path[:, 0], kept**2)
    check_memory(path[:, 0], path[:, 8], kept**8)
    check_memory(path[:, 3], path[:, 4], kept)
    check_memory(path[:, 8], after, kept**3)


def test_each_envelope_has_a_rate_of_its_own_and_knows_nothing_of_the_others() -> None:
    path = envelopes().path(0.0, 2e-4, 200_000)
    for k, rate in enumerate(RATE_PER_S):
        rho = np.exp(-rate * 2e-4)
        found = np.mean(path[k, 1:] * path[k, :-1].conj()).real / np.mean(np.abs(path[k]) ** 2)
        assert found == pytest.approx(rho, abs=4.0 * np.sqrt((1 - rho**2) / path.shape[1]))
    spread = np.sqrt(1.0 / (RATE_PER_S[0] * 2e-4) / path.shape[1])
    assert abs(np.mean(path[0] * path[1].conj())) < 3.5 * spread


def test_time_does_not_run_backwards() -> None:
    some = envelopes()
    now = some.move_to(3.0).copy()
    assert (some.move_to(2.0) == now).all()
    assert some.at_s == 3.0
    assert (some.path(2.5, 1e-3, 4)[:, 0] == now).all()


def test_no_envelopes_are_fine() -> None:
    assert envelopes(rate_per_s=np.zeros(0)).path(0.0, 1e-3, 4).shape == (0, 5)


def test_phases_have_unit_rms_their_corner_and_are_independent() -> None:
    step_s, corner_hz = 2.5e-4, PhaseNoise.CORNER_HZ
    common, private = PhaseNoise(np.random.default_rng(3), 2).path(0.0, step_s, 400_000)
    rho = np.exp(-2 * np.pi * corner_hz * step_s)
    independent = common.size * (1 - rho**2) / (1 + rho**2)
    for phase in (common, private[:, 0], private[:, 1]):
        assert phase.var() == pytest.approx(1.0, rel=3.5 * np.sqrt(2 / independent))
        assert np.mean(phase[1:] * phase[:-1]) / phase.var() == pytest.approx(rho, abs=0.01)
    for one, other in ((common, private[:, 0]), (private[:, 0], private[:, 1])):
        assert abs(np.mean(one * other)) < 3.5 / np.sqrt(independent)


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "samples"), [(256e-6, 250e3, 64), (256e-6, 15.625e6, 2048), (4e-6, 125e6, 256), (1e-6, 1, 1)]
)
def test_stretches_are_powers_of_two(seconds: float, rate_hz: float, samples: int) -> None:
    assert samples_within(seconds, rate_hz) == samples
