"""How fast the simulated table makes data, against real time and against a bare numpy generator.

Run: pytest tests/benchmarks/bench_table_data.py --benchmark-only
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from detector_states import state_of

from labctl.simulation.analyzer_noise import POWER, NoiseDraw, effective_averages, memory_in_frequency
from labctl.simulation.baseband import BLOCK_SAMPLES, Baseband
from labctl.simulation.detector_spectra import output_psd, summed_psd
from labctl.simulation.records import Recorder
from labctl.simulation.spectrum_draws import draw_periodograms, draw_summed_spectrum

DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9
REAL_TIME = 4.0  # times faster than a table, for four channels at 250 kS/s on two free cores
FREE_CORE_NORMALS_PER_S = 6e7  # one that draws fewer is busy with something else, and the less is asked of it
TRACES, POINTS, SPAN_HZ, RBW_HZ, VBW_HZ = 50, 1001, 2e3, 10.0, 1.0
LONGEST_S = 0.3
NORMALS = 1 << 22


def least_seconds(run: Callable[[], object], times: int = 5) -> float:
    """Return how long `run` takes when nothing disturbs it."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)


@pytest.fixture(scope="module")
def normals_per_s() -> float:
    """Float32 normals per second of one numpy generator, in this run."""
    rng, buffer = np.random.Generator(np.random.SFC64(1)), np.empty(NORMALS, dtype=np.float32)
    return NORMALS / least_seconds(lambda: rng.standard_normal(dtype=np.float32, out=buffer))


def jittery(detectors: int = 4) -> Any:
    delay_s = DELAYS_S if detectors == 4 else 0.0
    return state_of(detectors, delay_s=delay_s, common_jitter_rad=0.02, private_jitter_rad=0.02)


def stream(benchmark: Any, baseband: Baseband, blocks: int, normals_per_s: float) -> float:
    """Time a stream; return samples per second and channel over those of the real one."""

    def draw() -> int:
        return sum(block.shape[1] for block in baseband.blocks(blocks))

    assert benchmark.pedantic(draw, rounds=5, warmup_rounds=1) == blocks * BLOCK_SAMPLES
    samples_per_s = blocks * BLOCK_SAMPLES / benchmark.stats.stats.min
    benchmark.extra_info["times_real_time"] = samples_per_s / baseband.sample_rate_hz
    # Light and motion take two normals each, for every channel.
    benchmark.extra_info["of_bare_normals"] = 4 * baseband.state.count * samples_per_s / normals_per_s
    return float(samples_per_s / baseband.sample_rate_hz)


@pytest.mark.benchmark(group="stream")
def test_four_channels_of_250_ks(benchmark: Any, normals_per_s: float) -> None:
    asked = REAL_TIME * min(1.0, normals_per_s / FREE_CORE_NORMALS_PER_S)
    assert stream(benchmark, Baseband(jittery(), 1), 40, normals_per_s) >= asked


@pytest.mark.benchmark(group="stream")
def test_four_channels_of_250_ks_in_one_thread(benchmark: Any) -> None:
    baseband = Baseband(jittery(), 1)
    benchmark.pedantic(lambda: [len(block) for block in baseband.blocks(40, workers=1)], rounds=5, warmup_rounds=1)
    benchmark.extra_info["times_real_time"] = 40 * BLOCK_SAMPLES / 250e3 / benchmark.stats.stats.min


@pytest.mark.benchmark(group="stream")
def test_four_channels_of_8_ks_around_one_mode(benchmark: Any, normals_per_s: float) -> None:
    assert stream(benchmark, Baseband(jittery(), 1).around(0, 8e3), 8, normals_per_s) >= REAL_TIME


@pytest.mark.benchmark(group="stream")
def test_64_channels_of_250_ks(benchmark: Any, normals_per_s: float) -> None:
    assert stream(benchmark, Baseband(jittery(64), 1), 4, normals_per_s) > 0.0


@pytest.mark.benchmark(group="records")
@pytest.mark.parametrize(("rate_hz", "samples"), [(15.625e6, 1 << 14), (15.625e6, 1 << 20), (125e6, 1 << 20)])
def test_a_burst_of_four_channels(benchmark: Any, rate_hz: float, samples: int) -> None:
    state = jittery()
    recorder = Recorder(1, state.electronics, state.modes.gamma_hz)
    burst = benchmark.pedantic(lambda: recorder.burst(state, 1.0, rate_hz, samples, 1.0), rounds=4, warmup_rounds=1)
    assert burst.codes.shape == (4, samples)
    benchmark.extra_info["samples_per_s_and_channel"] = samples / benchmark.stats.stats.min


@pytest.mark.benchmark(group="spectra")
def test_fifty_traces_of_an_analyzer(benchmark: Any, normals_per_s: float) -> None:
    """2 kHz at RBW 10 Hz and VBW 1 Hz, each trace with a look at the table."""
    state = jittery()
    frequency = state.modes.f0_hz[0] + np.linspace(-0.5, 0.5, POINTS) * SPAN_HZ
    correlation = memory_in_frequency(RBW_HZ, np.arange(POINTS) * (SPAN_HZ / (POINTS - 1)))
    noise = NoiseDraw(np.random.default_rng(1), effective_averages(RBW_HZ, VBW_HZ), correlation)

    def traces() -> np.ndarray:
        return np.mean(
            [POWER.at_level(noise.mean(POWER), output_psd(state, 0, frequency, RBW_HZ)) for _ in range(TRACES)], axis=0
        )

    average = benchmark.pedantic(traces, rounds=5, warmup_rounds=1)
    assert average == pytest.approx(output_psd(state, 0, frequency, RBW_HZ), rel=6.0 / np.sqrt(5.45 * TRACES))
    assert benchmark.stats.stats.min < LONGEST_S * max(1.0, FREE_CORE_NORMALS_PER_S / normals_per_s)


@pytest.mark.benchmark(group="spectra")
def test_the_sum_of_ten_thousand_sensors(benchmark: Any) -> None:
    state, frequency = jittery(10_000), np.linspace(4.30e6, 4.302e6, POINTS)
    rng = np.random.default_rng(1)
    drawn = benchmark.pedantic(draw_summed_spectrum, args=(rng, state, frequency, RBW_HZ, 250.0), rounds=3)
    assert drawn == pytest.approx(summed_psd(state, frequency, RBW_HZ), rel=6.0 / np.sqrt(250.0))


@pytest.mark.benchmark(group="spectra")
def test_periodograms_of_ten_thousand_sensors(benchmark: Any) -> None:
    state, frequency = jittery(10_000), np.linspace(4.30e6, 4.302e6, 201)
    rng = np.random.default_rng(1)
    drawn = benchmark.pedantic(draw_periodograms, args=(rng, state, frequency, RBW_HZ, 1), rounds=3)
    assert drawn.shape == (10_000, 201)
