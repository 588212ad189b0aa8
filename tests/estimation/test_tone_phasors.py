"""A tone in records that begin at any moment: its phases between channels, its noise, and the clocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.estimation.tone_phasors import CLOCK_TOLERANCE, TonePhasors, measure_tone

RATE_HZ, SAMPLES, TONE_HZ = 15.625e6, 4096, 4.2e6
SIGMAS = 4.0


def records_of(
    phasors: NDArray[np.complex128],
    seed: int,
    *,
    records: int = 4,
    samples: int = SAMPLES,
    frequency_hz: float = TONE_HZ,
    noise_v: float = 1.0,
) -> NDArray[np.float64]:
    """Return white noise and a tone that every record catches at another moment, (R, M, N)."""
    rng = np.random.default_rng(seed)
    volts = noise_v * rng.standard_normal((records, len(phasors), samples))
    time_s = np.arange(samples) / RATE_HZ
    for record, turn in zip(volts, rng.uniform(size=records), strict=True):
        record += np.real(phasors[:, None] * np.exp(2j * math.pi * (frequency_hz * time_s + turn)))
    return volts


def test_phases_between_channels_survive_records_that_begin_anywhere() -> None:
    """Errors over their own standard uncertainties, 60 seeds of 3 phases and 4 sizes, are standard normal."""
    true = np.array([0.3, -0.3, 0.2 * np.exp(-0.5j), 0.4 * np.exp(2.5j)])
    pulls, sizes = [], []
    for seed in range(60):
        found = measure_tone(records_of(true, seed), RATE_HZ, TONE_HZ)
        relative = found.sigma_v / np.abs(found.phasors)
        error = np.angle(found.phasors[1:] / found.phasors[0] / (true[1:] / true[0]))
        pulls += (error / np.hypot(relative[1:], relative[0])).tolist()
        sizes += ((np.abs(found.phasors) - np.abs(true)) / found.sigma_v).tolist()
    for values in (pulls, sizes):
        count = len(values)
        assert abs(np.mean(values)) < SIGMAS / math.sqrt(count) + 0.1
        assert np.std(values) == pytest.approx(1.0, abs=SIGMAS / math.sqrt(2 * count) + 0.05)


def test_noise_is_read_beside_the_tone() -> None:
    found = measure_tone(records_of(np.array([5.0, 0.0 + 0j]), 1, records=20, noise_v=0.1), RATE_HZ, TONE_HZ)
    expected = 2.0 * 0.1**2 / RATE_HZ
    # 320 nearly independent bins, of which neighbours two apart share some power
    assert found.noise_v2_per_hz == pytest.approx(np.full(2, expected), rel=SIGMAS * 1.1 / math.sqrt(320))
    power = 5.0**2 / (2.0 * 1.5 * RATE_HZ / SAMPLES * expected)
    assert found.snr[0] == pytest.approx(power, rel=SIGMAS * 1.1 / math.sqrt(320))
    assert found.coherence > 0.999


def test_noise_alone_is_no_tone_as_often_as_it_says() -> None:
    chances = [
        chance
        for seed in range(100)
        for chance in measure_tone(records_of(np.zeros(3, complex), seed), RATE_HZ, TONE_HZ).false_alarm
    ]
    assert 1e-4 < min(chances) < 0.05
    assert np.mean(np.array(chances) < 0.1) < 0.1 + SIGMAS * math.sqrt(0.09 / 300)


@pytest.mark.parametrize("offset", [-15e-6, 8e-6])
def test_clocks_that_differ_cost_nothing_and_are_told(offset: float) -> None:
    """In records of 17 ms, where the tone may be more than a bin away."""
    true = np.array([0.05, -0.05])
    found = measure_tone(
        records_of(true, 3, records=2, samples=1 << 18, frequency_hz=TONE_HZ * (1.0 + offset)), RATE_HZ, TONE_HZ
    )
    assert found.clock_offset.sigma < 0.4e-6
    assert abs(found.clock_offset.value - offset) < SIGMAS * found.clock_offset.sigma
    assert np.abs(found.phasors) == pytest.approx(np.abs(true), abs=SIGMAS * found.sigma_v.max())
    apart = SIGMAS * math.hypot(*(found.sigma_v / np.abs(true)))
    assert apart < 0.3
    assert abs(np.angle(-found.phasors[1] / found.phasors[0])) < apart


def test_the_uncertainty_of_the_clocks_is_what_repetitions_scatter_by() -> None:
    found = [measure_tone(records_of(np.array([3.0, 3.0j]), seed), RATE_HZ, TONE_HZ).clock_offset for seed in range(50)]
    assert np.std([one.value for one in found]) == pytest.approx(found[0].sigma, rel=SIGMAS / math.sqrt(100) + 0.1)
    assert found[0].sigma < 0.3 * CLOCK_TOLERANCE


def test_phases_that_change_from_record_to_record_are_not_coherent() -> None:
    apart = [
        records_of(np.array([0.5, 0.5 * np.exp(1j * turn)]), k, records=1) for k, turn in enumerate((0.0, 1.6, 3.1))
    ]
    found = measure_tone(np.concatenate(apart), RATE_HZ, TONE_HZ)
    assert found.coherence < 0.8


def test_depth_follows_from_the_noise_beside_it() -> None:
    found: TonePhasors = measure_tone(records_of(np.array([0.5, 0.5 + 0j]), 5), RATE_HZ, TONE_HZ)
    depth = found.depth_rad(0, 1.4e-14)
    assert depth.value == pytest.approx(0.5 * math.sqrt(1.4e-14 / (2.0 / RATE_HZ)), abs=SIGMAS * depth.sigma)
    assert 0.05 * depth.value < depth.sigma < 0.12 * depth.value


@pytest.mark.parametrize(
    ("samples", "frequency_hz"),
    [(128, TONE_HZ), (SAMPLES, 1e5), (SAMPLES, 7.75e6), (SAMPLES, 9e6), (SAMPLES, -1.0), (SAMPLES, math.nan)],
)
def test_too_short_or_too_slow_a_record_is_refused(samples: int, frequency_hz: float) -> None:
    with pytest.raises(AnalysisRefused, match="too short"):
        measure_tone(records_of(np.ones(2, complex), 1, samples=samples), RATE_HZ, frequency_hz)


@pytest.mark.parametrize("bad", [np.zeros((4, SAMPLES)), np.zeros((0, 4, SAMPLES)), np.full((1, 2, SAMPLES), np.nan)])
def test_what_is_no_record_is_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(AnalysisRefused, match="are not R records"):
        measure_tone(bad, RATE_HZ, TONE_HZ)


def test_an_input_that_is_not_connected_is_named() -> None:
    volts = records_of(np.ones(3, complex), 1)
    volts[:, 1] = 0.0
    with pytest.raises(AnalysisRefused, match="no noise at all in channel 2"):
        measure_tone(volts, RATE_HZ, TONE_HZ)
