"""How fast a digitizer's stream becomes a cross-spectral matrix, against a bare pass over the data and nested csd.

Run: pytest tests/benchmarks/bench_streaming.py --benchmark-only

Four channels of int16 in memory, two threads, a band of 200 kHz at 4.32 MHz, 10 Hz, stop band 90 dB. MS/s count all
channels. The floors are for two free cores: a machine that copies less than `FREE_PASS_MS_S` is busy with something
else, and less is asked of it in proportion.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from scipy.signal import csd

from labctl.estimation.phase_slope import fit_phase_slope
from labctl.estimation.reductions import conditional_spectra, sum_spectrum
from labctl.spectra.cross_spectral_matrix import CrossSpectrum
from labctl.spectra.decimator import Decimator
from labctl.spectra.down_conversion import design_down_conversion
from labctl.spectra.streaming import StreamingCrossSpectrum

CHANNELS, SAMPLES = 4, 1 << 25
BAND, RESOLUTION_HZ = (4.22e6, 4.42e6), 10.0
BOARD_RATE_HZ = 125e6
FULL_SCALE_CODE = 8191
LEAST_MS_S, AIM_MS_S = 250.0, 500.0
LEAST_OVER_NESTED_CSD = 200.0
FREE_PASS_MS_S = 4000.0
LONGEST_REDUCTION_S = 0.020
MOST_MEMORY_MB = 500.0
NESTED_SAMPLES = 1 << 21
DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Gaussian noise of a 14-bit board; four stretches of one draw, so that it is made soon."""
    draw = np.round(1000 * np.random.default_rng(1).standard_normal(SAMPLES + CHANNELS, dtype=np.float32))
    draw = np.clip(draw, 1 - FULL_SCALE_CODE, FULL_SCALE_CODE - 1).astype(np.int16)
    return np.stack([draw[i : i + SAMPLES] for i in range(CHANNELS)])


@numba.njit(nogil=True)
def to_single(samples: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(samples)):
        out[i] = samples[i]


def best_of(run: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)


@pytest.fixture(scope="module")
def bare_pass_ms_s(codes: np.ndarray) -> float:
    """Mega-samples a second that two threads turn from int16 into float32, block by block into the same place."""
    block = 1 << 20
    out = np.empty((2, block), dtype=np.float32)
    to_single(codes[0, :10], out[0])

    def half(which: int) -> None:
        for channel, at in product((2 * which, 2 * which + 1), range(0, SAMPLES, block)):
            to_single(codes[channel, at : at + block], out[which])

    with ThreadPoolExecutor(2) as pool:
        return codes.size / 1e6 / best_of(lambda: list(pool.map(half, range(2))))


@pytest.fixture(scope="module")
def nested_csd_ms_s(codes: np.ndarray) -> float:
    """The same from scipy at the full rate, pair by pair, with segments an eighth as long, which favours it."""
    x = codes[:, :NESTED_SAMPLES]
    began = time.perf_counter()
    for a, b in product(x, x):
        csd(a, b, BOARD_RATE_HZ, nperseg=NESTED_SAMPLES // 2)
    return x.size / 1e6 / (time.perf_counter() - began)


def asked(floor_ms_s: float, bare_pass_ms_s: float) -> float:
    return floor_ms_s * min(1.0, bare_pass_ms_s / FREE_PASS_MS_S)


@pytest.mark.benchmark(group="stream")
@pytest.mark.parametrize("full_scale_code", [None, FULL_SCALE_CODE])
def test_from_codes_to_the_matrix(
    benchmark: Any,
    codes: np.ndarray,
    bare_pass_ms_s: float,
    nested_csd_ms_s: float,
    full_scale_code: int | None,
) -> None:
    conversion = design_down_conversion(BOARD_RATE_HZ, BAND)
    streaming = StreamingCrossSpectrum(conversion, CHANNELS, RESOLUTION_HZ, full_scale_code=full_scale_code)
    benchmark.pedantic(streaming.add, args=(codes,), rounds=7, warmup_rounds=1)
    speed = codes.size / 1e6 / benchmark.stats.stats.min
    benchmark.extra_info |= {
        "MS_per_s": speed,
        "of_the_board": speed / (CHANNELS * BOARD_RATE_HZ / 1e6),
        "of_a_bare_pass": speed / bare_pass_ms_s,
        "times_nested_csd": speed / nested_csd_ms_s,
    }
    result = streaming.result()
    assert result.csd.shape == (20_001, CHANNELS, CHANNELS)
    assert result.csd[:, 0, 0].real.mean() == pytest.approx(2 * 1000**2 / BOARD_RATE_HZ, rel=0.05)
    assert conversion.stop_band_db >= 80.0
    assert speed >= asked(AIM_MS_S, bare_pass_ms_s)
    assert speed >= LEAST_OVER_NESTED_CSD * nested_csd_ms_s


@pytest.mark.benchmark(group="stream")
@pytest.mark.parametrize("rate_hz", [15.625e6, 62.5e6])
def test_slower_boards(benchmark: Any, codes: np.ndarray, bare_pass_ms_s: float, rate_hz: float) -> None:
    streaming = StreamingCrossSpectrum(design_down_conversion(rate_hz, BAND), CHANNELS, RESOLUTION_HZ)
    benchmark.pedantic(streaming.add, args=(codes,), rounds=5, warmup_rounds=1)
    speed = codes.size / 1e6 / benchmark.stats.stats.min
    benchmark.extra_info |= {"MS_per_s": speed, "of_the_board": speed / (CHANNELS * rate_hz / 1e6)}
    assert speed >= asked(LEAST_MS_S, bare_pass_ms_s)


@pytest.mark.benchmark(group="stream")
def test_down_conversion_alone(benchmark: Any, codes: np.ndarray, bare_pass_ms_s: float) -> None:
    decimator = Decimator(design_down_conversion(BOARD_RATE_HZ, BAND), CHANNELS)
    benchmark.pedantic(decimator.push, args=(codes,), rounds=7, warmup_rounds=1)
    speed = codes.size / 1e6 / benchmark.stats.stats.min
    benchmark.extra_info |= {"MS_per_s": speed, "of_a_bare_pass": speed / bare_pass_ms_s}
    assert speed >= asked(AIM_MS_S, bare_pass_ms_s)


def matrices(averages: int = 30) -> tuple[CrossSpectrum, CrossSpectrum]:
    """Signal and shot noise of the four delayed detectors, 20 001 bins."""
    rng, f = np.random.default_rng(1), BAND[0] + RESOLUTION_HZ * np.arange(20_001)
    u = np.exp(-2j * np.pi * f[:, None] * DELAYS_S) / 2
    found = []
    for variance in (0.34, 1.0):
        z = rng.standard_normal((averages, len(f), CHANNELS, 2)).view(np.complex128)[..., 0] / np.sqrt(2)
        x = z + (np.sqrt(variance) - 1) * u * np.einsum("fj,kfj->kf", u.conj(), z)[..., None]
        found.append(CrossSpectrum(f, np.einsum("kfi,kfj->fij", x.conj(), x) / averages, averages, 1.5 * RESOLUTION_HZ))
    return found[0], found[1]


@pytest.mark.benchmark(group="reductions")
def test_conditional_joint_and_rephased_spectra(benchmark: Any) -> None:
    """The limit is on time of the core itself, which is the time taken where the core is free."""
    signal, shot = matrices()
    core_s = []

    def reduce() -> float:
        began = time.thread_time()
        rephased = spectra()
        core_s.append(time.thread_time() - began)
        return rephased

    def spectra() -> float:
        conditional_spectra(signal)
        sum_spectrum(signal)
        weights = fit_phase_slope(signal, shot).weights(signal.frequency_hz)
        return float(sum_spectrum(signal, weights).values.mean() / sum_spectrum(shot, weights).values.mean())

    rephased = benchmark.pedantic(reduce, rounds=15, warmup_rounds=2)
    assert rephased == pytest.approx(0.34, rel=0.02)
    benchmark.extra_info["core_ms"] = 1e3 * min(core_s)
    assert min(core_s) < LONGEST_REDUCTION_S


LONG_STREAM = f"""
from pathlib import Path
import numpy as np
from labctl.spectra.down_conversion import design_down_conversion
from labctl.spectra.streaming import StreamingCrossSpectrum
block = np.random.default_rng(1).integers(-3000, 3000, ({CHANNELS}, 1 << 21), dtype=np.int16)
streaming = StreamingCrossSpectrum(design_down_conversion({BOARD_RATE_HZ}, {BAND}), {CHANNELS}, {RESOLUTION_HZ})
for turn in range(300):
    streaming.add(block, valid=turn % 50 != 7)
    if turn in (49, 299):
        print(next(line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM")))
"""


@pytest.mark.benchmark(group="memory")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_memory_of_a_long_stream(benchmark: Any) -> None:
    """The whole process, interpreter and libraries included, over 20 s of the board."""

    def run() -> list[float]:
        ran = subprocess.run([sys.executable, "-c", LONG_STREAM], capture_output=True, text=True, check=True)
        return [float(line) / 1024 for line in ran.stdout.split()]

    early, late = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["MB"] = late
    assert late < MOST_MEMORY_MB
    assert late < 1.02 * early
