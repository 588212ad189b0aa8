"""Records drawn from a state: long ones, bursts, many detectors, tones, and the noise of the electronics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from detector_states import chi_square_interval, state_of, without_modes, without_signal
from numpy.typing import NDArray

from labctl.simulation import detector_electronics as electronics
from labctl.simulation import detector_spectra
from labctl.simulation.detector_state import DetectorState
from labctl.simulation.probe_tone import Modulation, ProbeTone
from labctl.simulation.records import Recorder

CONFIDENCE = 0.999


def recorder(state: DetectorState, seed: int = 1) -> Recorder:
    return Recorder(seed, state.electronics, state.modes.gamma_hz)


def frequencies(samples: int, rate_hz: float) -> NDArray[np.float64]:
    return np.arange(samples // 2 + 1) * rate_hz / samples


def expected_psd(state: DetectorState, f: NDArray[np.float64], rate_hz: float, average: int) -> NDArray[np.float64]:
    """Return the PSD of the first detector behind its filters, without lines."""
    seen = detector_spectra.output_psd(without_modes(state), 0, f, 0.0)
    chain = (electronics.low_pass(f) * electronics.boxcar(f, average)) ** 2
    return np.asarray(seen * chain + 1.5e-15 * 125e6 / (rate_hz * average))


def psd_of(volts: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    transform = np.fft.rfft(volts.astype(float), axis=-1)
    return np.asarray(2.0 * np.abs(transform) ** 2 / (rate_hz * volts.shape[-1]))


def check_bands(
    ratio: NDArray[np.float64], f: NDArray[np.float64], edges: list[tuple[float, float]], each: int
) -> None:
    """Hold the mean of `ratio` (F,), of `each` periodograms, in every band against 1."""
    for low, high in edges:
        inside = (f >= low) & (f < high)
        limits = chi_square_interval(each * np.count_nonzero(inside), 1.0 - (1.0 - CONFIDENCE) / len(edges))
        assert limits[0] < ratio[inside].mean() < limits[1], f"{low:g} to {high:g} Hz"


def test_a_long_record_has_the_shape_of_its_line() -> None:
    """A quarter of a second at once, many times the memory of the mode."""
    state, rate_hz, samples, count = state_of(1, f0_hz=1.0e6), 4e6, 1 << 20, 6
    source = recorder(state, 5)
    power = np.mean(
        [psd_of(source.volts(state, 10.0 * n, rate_hz, samples, 1)[0], rate_hz) for n in range(count)], axis=0
    )
    f = frequencies(samples, rate_hz)
    # The periodogram of a cut record: the transform of the memory times the triangle that the cut leaves of it.
    x = np.pi * 41.0 * samples / rate_hz
    z = x * (1.0 + 2j * (f - 1.0e6) / 41.0)
    line = 5.0 * (x / z * (1.0 - (1.0 - np.exp(-z)) / z)).real
    passed = (electronics.low_pass(f) * np.abs(electronics.detector_response(f))) ** 2
    expected = expected_psd(state, f, rate_hz, 1) + state.shot_v2_per_hz[0] * passed * line
    away = np.abs(f - 1.0e6)
    check_bands(power / expected, away, [(0, 10), (10, 60), (60, 300), (300, 2e3), (2e3, 1e5), (2e5, 6e5)], count)


def test_envelopes_go_on_from_record_to_record() -> None:
    """Two halves taken one after the other hold together like one record."""
    state = state_of(1, f0_hz=1.0e6)
    loud = replace(state, modes=replace(state.modes, peak_to_shot=np.array([5e5]), gamma_hz=np.array([100.0])))
    source = recorder(loud, 3)
    rate_hz, samples = 4e6, 1 << 12
    carrier = np.exp(-2j * np.pi * 1.0e6 * np.arange(samples) / rate_hz)
    ends = []
    for n in range(300):
        parts = [source.volts(loud, n + k * samples / rate_hz, rate_hz, samples, 1)[0] @ carrier for k in range(2)]
        ends.append(parts)
    a, b = np.array(ends).T
    turned = np.exp(2j * np.pi * ((1.0e6 * samples / rate_hz) % 1.0))
    correlation = np.mean(a.conj() * b * turned) / np.sqrt(np.mean(np.abs(a) ** 2) * np.mean(np.abs(b) ** 2))
    x = np.pi * 100.0 * samples / rate_hz
    expected = (1.0 - np.exp(-x)) ** 2 / (2.0 * (x - 1.0 + np.exp(-x)))
    assert correlation == pytest.approx(expected, abs=4.0 * np.sqrt((1.0 - expected**2) / 300))


def test_a_drifting_resonance_keeps_the_phase_of_its_carrier() -> None:
    state, f0_hz = state_of(1, f0_hz=1.0003e6), 1.0003e6
    loud = replace(state, modes=replace(state.modes, peak_to_shot=np.array([1e14]), gamma_hz=np.array([1e-3])))
    source = recorder(loud, 3)
    rate_hz, samples = 4e6, 1 << 12
    first = source.volts(loud, 0.0, rate_hz, samples, 1)[0]
    moved = replace(loud, modes=replace(loud.modes, f0_hz=np.array([f0_hz + 5e3])))
    second = source.volts(moved, samples / rate_hz, rate_hz, samples, 1)[0]
    t = np.arange(samples) / rate_hz
    before = np.mean(first * np.exp(-2j * np.pi * f0_hz * t))
    after = np.mean(second * np.exp(-2j * np.pi * (f0_hz + 5e3) * t))
    expected = before * np.exp(2j * np.pi * ((f0_hz * samples / rate_hz) % 1.0))
    assert after == pytest.approx(expected, rel=0.02)


def test_dark_noise_rises_below_100_khz_and_the_laser_leaks_where_it_is_loud() -> None:
    state = replace(without_signal(state_of(2, dark=0.05)), laser_leak=np.array([0.02, 0.0]))
    rate_hz, samples, count = 15.625e6, 1 << 16, 30
    f = frequencies(samples, rate_hz)
    bands = [(400, 2e3), (2e3, 2e4), (2e4, 2e5), (2e5, 1e6), (4e6, 5e6)]
    dark = replace(state, shot_v2_per_hz=np.zeros(2))
    for case in (state, dark):
        source = recorder(case, 2)
        volts = [source.volts(case, float(n), rate_hz, samples, 8)[0] for n in range(count)]
        power = np.mean([psd_of(v, rate_hz) for v in volts], axis=0)
        check_bands(power / expected_psd(case, f, rate_hz, 8), f, bands, count)
    low, high = expected_psd(dark, np.array([10e3, 4.3e6]), rate_hz, 8)
    assert low == pytest.approx(10.0 * high, rel=0.3)
    assert (
        expected_psd(state, np.array([10e3]), rate_hz, 8)[0] > 3.0 * expected_psd(state, np.array([1e6]), rate_hz, 8)[0]
    )


def test_the_laser_leaks_into_all_detectors_alike() -> None:
    state = replace(without_signal(state_of(3)), laser_leak=np.array([0.1, 0.1, -0.1]))
    volts = recorder(state).volts(state, 0.0, 15.625e6, 1 << 17, 8)
    transform = np.fft.rfft(volts, axis=1)[:, 100:800]  # 12 to 95 kHz
    found = transform.conj() @ transform.T
    coherence = found.real / np.sqrt(np.outer(np.diag(found).real, np.diag(found).real))
    assert coherence[0, 1] > 0.9
    assert coherence[0, 2] < -0.9


def test_samples_that_are_dropped_leave_their_noise() -> None:
    state = replace(without_signal(state_of(1, dark=0.0)), shot_v2_per_hz=np.zeros(1))
    for average, expected_v2 in ((8, 1.5e-15 * 62.5e6 / 8), (1, 1.5e-15 * 62.5e6)):
        volts = recorder(state).volts(state, 0.0, 15.625e6, 1 << 16, average)
        assert volts.var() == pytest.approx(expected_v2, rel=3.5 * np.sqrt(2.0 / volts.size))


@pytest.mark.parametrize(
    ("modulation", "angle_rad", "share"),
    [(Modulation.PHASE, 0.0, 1.0), (Modulation.PHASE, np.pi / 3, 0.5), (Modulation.AMPLITUDE, np.pi / 6, 0.25)],
)
def test_a_tone_in_a_record_has_its_size_its_phase_and_its_delay(
    modulation: Modulation, angle_rad: float, share: float
) -> None:
    tone = ProbeTone(modulation, 4.31e6, 1e-3, 0.4)
    late_s = 30e-9
    state = replace(without_modes(state_of(1, angle_rad=angle_rad, delay_s=late_s)), tones=(tone,))
    rate_hz, samples, started_at = 15.625e6, 1 << 14, 1234.5
    volts = recorder(state).volts(state, started_at, rate_hz, samples, 8)[0]
    t = np.arange(samples) / rate_hz
    turn = 2.0 * np.pi * ((4.31e6 * started_at) % 1.0 + 4.31e6 * (t - late_s)) + 0.4
    f = np.array([4.31e6])
    response = (electronics.detector_response(f) * electronics.low_pass(f) * electronics.boxcar(f, 8))[0]
    found = 2.0 * np.mean(volts * np.sin(turn)) + 2j * np.mean(volts * np.cos(turn))
    size = 1e-3 * share * state.fringe_v[0]
    bound = 4.0 * volts.std() * np.sqrt(2.0 / samples)
    assert abs(found - size * response) < bound
    assert size > 10.0 * bound
    line = detector_spectra.output_line(state, 0, tone)
    assert line.power_v2 == pytest.approx(0.5 * size**2 * abs(electronics.detector_response(f)[0]) ** 2)


@pytest.mark.parametrize("detectors", [1, 2, 64])
def test_any_number_of_detectors(detectors: int) -> None:
    state = state_of(detectors)
    volts = recorder(state).volts(state, 0.0, 15.625e6, 1 << 14, 8)
    assert volts.shape == (detectors, 1 << 14)
    f = frequencies(1 << 14, 15.625e6)
    inside = (f > 4.4e6) & (f < 4.8e6)
    ratio = psd_of(volts.sum(axis=0), 15.625e6)[inside] / detectors
    seen = detector_spectra.summed_psd(state, f[inside], 0.0)
    expected = seen * (electronics.low_pass(f[inside]) * electronics.boxcar(f[inside], 8)) ** 2 + 1.5e-15
    low, high = chi_square_interval(np.count_nonzero(inside), CONFIDENCE)
    assert low < np.mean(ratio / expected) < high


@pytest.mark.parametrize(("rate_hz", "samples"), [(15.625e6, 1 << 18), (125e6, 1 << 18), (125e6, 100_000)])
def test_a_burst_is_a_record_in_codes(rate_hz: float, samples: int) -> None:
    state = state_of(4)
    burst = recorder(state).burst(state, 5.0, rate_hz, samples, 0.5)
    assert burst.codes.dtype == np.int16
    assert burst.codes.shape == (4, samples)
    assert burst.volts_per_code == 0.5 / 32768
    average = round(125e6 / rate_hz)
    exact = recorder(state).volts(state, 5.0, rate_hz, samples, average)
    assert np.abs(burst.codes * burst.volts_per_code - exact).max() <= 0.501 * burst.volts_per_code
    f = frequencies(samples, rate_hz)
    power = psd_of(burst.codes[0] * np.float32(burst.volts_per_code), rate_hz)
    check_bands(power / expected_psd(state, f, rate_hz, average), f, [(5e5, 4.1e6), (4.5e6, 5.5e6)], 1)


def test_a_burst_that_is_too_loud_clips() -> None:
    state = state_of(1)
    codes = recorder(state).burst(state, 0.0, 125e6, 4096, 1e-4).codes
    assert codes.max() == 32767
    assert codes.min() == -32768


def test_phases_move_within_a_long_record() -> None:
    """A millisecond has several phases of a loop: the noise of the sum of one record is not that of another phase."""
    state = without_modes(state_of(2, common_jitter_rad=0.6))
    source = recorder(state, 4)
    volts = source.volts(state, 0.0, 15.625e6, 1 << 19, 8)  # 34 ms
    pieces = psd_of(volts.sum(axis=0).reshape(-1, 2048), 15.625e6)[:, 100:700].mean(axis=1)
    assert pieces.std() / pieces.mean() > 5.0 / np.sqrt(600)
    near = np.corrcoef(pieces[:-1], pieces[1:])[0, 1]
    far = np.corrcoef(pieces[:-40], pieces[40:])[0, 1]
    assert near > 0.6
    assert abs(far) < 0.4


def test_a_very_long_record_is_drawn_in_pieces_and_its_modes_go_on() -> None:
    state = state_of(1, f0_hz=1.0e6)
    loud = replace(state, modes=replace(state.modes, peak_to_shot=np.array([1e13]), gamma_hz=np.array([1e-3])))
    rate_hz, samples = 4e6, (1 << 20) + 5000
    volts = recorder(loud).volts(loud, 3.0, rate_hz, samples, 1)[0]
    assert volts.shape == (samples,)
    turned = volts * np.exp(-2j * np.pi * ((1.0e6 / rate_hz * np.arange(samples)) % 1.0))
    envelope = turned[: samples // 1000 * 1000].reshape(-1, 1000).mean(axis=1)
    steps = np.abs(np.diff(envelope))
    assert steps.max() < 0.02 * np.abs(envelope).mean()  # a seam would be as large as the envelope
