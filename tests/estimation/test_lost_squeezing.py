"""Delays, phase noise and loss are told apart, each by its own mark, on records drawn from one covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.estimate import Estimate
from labctl.estimation.lost_squeezing import Lost, Promise, channel_delays, lost_squeezing
from labctl.estimation.noise_fluctuations import PIECES, PieceMatrices, fluctuation
from labctl.physics.opa import quadrature_variances
from labctl.physics.shared_state import shared_state

SENSORS, BINS, RECORDS = 4, 96, 400
FREQUENCY_HZ = np.linspace(4.12e6, 4.52e6, BINS)
SIDEBAND, PUMP, EFFICIENCY = 0.084, 0.5385, 0.885 * 0.82
DELAYS_S = np.array([-18e-9, -6e-9, 6e-9, 18e-9])
KEPT = 0.5  # of the square of a phase, from one piece of a record to the next
SIGMAS = 4.5


@dataclass(frozen=True)
class Fault:
    """What is wrong with a table."""

    delays_s: np.ndarray
    common_rad: float = 0.0
    private_rad: float = 0.0
    transmission: float = 1.0
    turned_rad: tuple[float, ...] = (0.0,) * SENSORS


FAULTS = {
    "ideal": Fault(np.zeros(SENSORS)),
    "delays": Fault(DELAYS_S),
    "jitter": Fault(np.zeros(SENSORS), common_rad=0.1, private_rad=0.06),
    "loss": Fault(np.zeros(SENSORS), transmission=0.868),
}


def drawn(rng: np.random.Generator, covariance: np.ndarray, delays_s: np.ndarray) -> np.ndarray:
    """Return the matrices of one draw, (BINS, M, M), of channels with this covariance."""
    white = rng.standard_normal((BINS, SENSORS, 2)) @ np.array([1.0, 1j]) / np.sqrt(2.0)
    late = np.exp(-2j * np.pi * np.multiply.outer(FREQUENCY_HZ, delays_s))
    x = white @ np.linalg.cholesky(covariance).T * late
    return np.asarray(x.conj()[:, :, None] * x[:, None, :])


def phases(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return normal deviates (RECORDS, PIECES, count) whose squares hang together by `KEPT`."""
    keep = np.sqrt(KEPT)
    path = [rng.standard_normal((RECORDS, count))]
    for _ in range(PIECES - 1):
        path.append(keep * path[-1] + np.sqrt(1.0 - keep**2) * rng.standard_normal((RECORDS, count)))
    return np.stack(path, axis=1)


def diagnosed(fault: Fault, seed: int) -> tuple[Lost, np.ndarray]:
    """Return the split of a table, and its delays."""
    rng = np.random.default_rng(seed)
    low, high = (float(v) for v in quadrature_variances(PUMP, SIDEBAND, EFFICIENCY * fault.transmission))
    share = np.full(SENSORS, 1.0 / SENSORS)  # the efficiency is in the variances
    common, private = fault.common_rad * phases(rng, 1), fault.private_rad * phases(rng, SENSORS)
    total = np.zeros((BINS, SENSORS, SENSORS), dtype=complex)
    pieces = np.empty((RECORDS, PIECES, SENSORS, SENSORS), dtype=complex)
    for record in range(RECORDS):
        for piece in range(PIECES):
            state = shared_state(low, high, share, common[record, piece, 0] + private[record, piece] + fault.turned_rad)
            found = drawn(rng, state.matrix(), fault.delays_s)
            pieces[record, piece] = found.mean(axis=0)
            total += found
    count = RECORDS * PIECES
    dark = np.broadcast_to(0.01 * np.eye(SENSORS), total.shape).astype(complex)
    signal = CrossSpectrum(FREQUENCY_HZ, total / count + dark, float(count), 4e3)
    white = np.broadcast_to(np.eye(SENSORS), total.shape).astype(complex)
    shot = CrossSpectrum(FREQUENCY_HZ, white + dark, 10.0 * count, 4e3)
    background = CrossSpectrum(FREQUENCY_HZ, dark, 10.0 * count, 4e3)
    clean = [CrossSpectrum(s.frequency_hz, s.csd - dark, s.averages, s.enbw_hz) for s in (signal, shot)]
    delays = channel_delays(clean[0], clean[1], [])
    promise = Promise(Estimate(PUMP, 0.003), Estimate(EFFICIENCY, 0.012), SIDEBAND)
    return lost_squeezing(signal, shot, background, pieces, delays, promise, []), delays.delays_s


@pytest.mark.parametrize("scenario", FAULTS)
def test_the_cause_is_named(scenario: str) -> None:
    fault = FAULTS[scenario]
    lost, delays_s = diagnosed(fault, seed=3)
    assert lost.causes() == (() if scenario == "ideal" else (scenario,))
    assert np.abs(delays_s - fault.delays_s).max() < 0.5e-9
    assert abs(lost.common_jitter.value - fault.common_rad) < max(SIGMAS * lost.common_jitter.sigma, 0.01)
    if scenario == "jitter":
        assert abs(lost.private_jitter.value - fault.private_rad) < SIGMAS * lost.private_jitter.sigma
        assert lost.jitter.sigma < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("scenario", FAULTS)
def test_the_cause_is_named_for_every_seed(scenario: str, seed: int) -> None:
    assert diagnosed(FAULTS[scenario], seed)[0].causes() == (() if scenario == "ideal" else (scenario,))


def test_a_detector_that_is_locked_to_the_wrong_phase_is_named() -> None:
    with pytest.raises(AnalysisRefused, match=r"Alone, sensor 3 is the noisiest with [12]\.\d+ of its shot"):
        diagnosed(Fault(np.zeros(SENSORS), turned_rad=(0.0, 0.0, 1.2, 0.0)), seed=4)


def test_chance_alone_is_no_fluctuation() -> None:
    rng = np.random.default_rng(5)
    steady = fluctuation(rng.gamma(80.0, 1.0 / 80.0, (300, PIECES)))
    assert not steady.clear and steady.added.value == 0.0
    shaken = fluctuation((1.0 + 0.3 * phases(rng, 1)[..., 0] ** 2) * rng.gamma(80.0, 1.0 / 80.0, (RECORDS, PIECES)))
    assert shaken.clear
    assert abs(shaken.added.value - 0.3 / 1.3) < SIGMAS * shaken.added.sigma < 0.2
    with pytest.raises(AnalysisRefused, match="10 records"):
        fluctuation(np.ones((3, PIECES)))


def test_pieces_leave_resonances_out() -> None:
    rate_hz, samples = 1e6, 4096
    time_s = np.arange(samples) / rate_hz
    line = np.sin(2.0 * np.pi * 100e3 * time_s)
    noise = np.random.default_rng(7).standard_normal((2, samples))
    kept = PieceMatrices(rate_hz, (50e3, 150e3), [(95e3, 105e3)], samples)
    kept.add(noise + 30.0 * line)
    seen = PieceMatrices(rate_hz, (50e3, 150e3), [], samples)
    seen.add(noise + 30.0 * line)
    assert kept.result().shape == (1, PIECES, 2, 2)
    assert seen.result()[0, 0, 0, 0].real > 20.0 * kept.result()[0, 0, 0, 0].real
