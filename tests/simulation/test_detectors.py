"""The detectors: records and closed-form spectra are the same light, and both are the formulae.

Every band-averaged periodogram is compared by chi-square at 99.9 % confidence (two-sided), with a fixed seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from detector_states import check_matrix, chi_square_interval
from ideal_table import LIGHT, NOMINAL_F0_HZ, locked_table, nominal_sensor, truth_of
from numpy.typing import NDArray
from scipy import stats

from labctl.physics import homodyne
from labctl.physics.line_shape import filtered_lorentzian
from labctl.simulation import detector_electronics as electronics
from labctl.simulation.ports import RfLines, Waveform
from labctl.simulation.surroundings import TonePort
from labctl.simulation.table import AnalyzerInput, DetectorInputs, SimulatedTable
from labctl.simulation.truth import Scenario, Truth

DECIMATION = 8
RATE_HZ = electronics.RAW_RATE_HZ / DECIMATION
SAMPLES = 16384
RECORDS = 100
QUIET_HZ = (4.40e6, 4.70e6)  # above every resonance
DELAYS_S = (0.0, 12e-9, -20e-9, 45e-9)
CONFIDENCE = 0.999


@dataclass(frozen=True)
class Recorded:
    """Transforms of many records in a quiet band: (records, M, bins); and the table they are of."""

    table: SimulatedTable
    frequency_hz: NDArray[np.float64]
    transform: NDArray[np.complex128]

    @property
    def response(self) -> NDArray[np.float64]:
        """Power response of the chain between detectors and digitizer, (bins,)."""
        return chain_power(self.frequency_hz)

    def mean_over_expected(self, power: NDArray[np.float64], psd_v2_per_hz: NDArray[np.float64]) -> float:
        """Return the mean of |X|^2 over what a one-sided PSD promises."""
        return float(np.mean(power / (0.5 * RATE_HZ * SAMPLES * psd_v2_per_hz)))


def chain_power(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    low_pass = 1.0 / (1.0 + (frequency_hz / electronics.ANTI_ALIAS_HZ) ** (2 * electronics.ANTI_ALIAS_ORDER))
    turn = np.pi * frequency_hz / electronics.RAW_RATE_HZ
    return np.asarray(low_pass * (np.sin(DECIMATION * turn) / np.sin(turn) / DECIMATION) ** 2)


def strong_truth() -> Truth:
    """Return four nominal sensors behind cables of known lengths, detectors of unlike gain."""
    sensors = tuple(
        nominal_sensor(f0, detector_gain=gain, delay_s=delay)
        for f0, gain, delay in zip(NOMINAL_F0_HZ, (1.0, 1.05, 0.9, 0.97), DELAYS_S, strict=True)
    )
    return replace(truth_of("ideal", seed=11), sensors=sensors, scenario=Scenario.DELAYS)


@cache
def recorded(signal: bool = True, local_oscillator: bool = True) -> Recorded:
    table = locked_table(strong_truth())
    table.set_shutter("signal", signal)
    table.set_shutter("local_oscillator", local_oscillator)
    frequency = np.fft.rfftfreq(SAMPLES, 1.0 / RATE_HZ)
    inside = (frequency >= QUIET_HZ[0]) & (frequency <= QUIET_HZ[1])
    inputs = DetectorInputs(table.detectors, {1: 0, 2: 1, 3: 2, 4: 3})
    transforms = []
    for n in range(RECORDS):
        volts = inputs.capture([1, 2, 3, 4], 10.0 + 0.05 * n, RATE_HZ, SAMPLES, DECIMATION)
        transforms.append(np.fft.rfft(volts, axis=1)[:, inside])
    return Recorded(table, frequency[inside], np.array(transforms))


@pytest.mark.parametrize("beams", [(True, True), (False, True), (False, False)], ids=["signal", "shot", "dark"])
@pytest.mark.parametrize("sensor", range(4))
def test_periodograms_are_the_spectrum_that_the_analyzer_sees(sensor: int, beams: tuple[bool, bool]) -> None:
    run = recorded(*beams)
    seen = run.table.detectors.output_psd(sensor, run.frequency_hz, 1e3)
    dark = run.table.detectors.state().electronics.dark_v2_per_hz[sensor]
    expected = run.response * seen + electronics.DIGITIZER_NOISE_V2_PER_HZ  # its own noise, whatever comes in
    power = np.abs(run.transform[:, sensor]) ** 2
    low, high = chi_square_interval(power.size, CONFIDENCE)
    assert low < run.mean_over_expected(power, expected) < high
    assert dark > 10 * electronics.DIGITIZER_NOISE_V2_PER_HZ


def test_bins_are_exponential_and_independent() -> None:
    run = recorded()
    power = np.abs(run.transform[:, 2]) ** 2
    power = power / power.mean(axis=0)
    assert stats.kstest(power[:, ::2].ravel()[:2000], "expon").pvalue > 1.0 - CONFIDENCE
    neighbours = np.corrcoef(power[:, :-1].ravel(), power[:, 1:].ravel())[0, 1]
    between_records = np.corrcoef(power[:-1].ravel(), power[1:].ravel())[0, 1]
    bound = 3.3 / np.sqrt(power.size)
    assert abs(neighbours) < bound
    assert abs(between_records) < bound


@pytest.mark.parametrize("beams", [(True, True), (False, True)], ids=["signal", "shot"])
def test_every_element_of_the_cross_spectral_matrix_is_the_closed_form(beams: tuple[bool, bool]) -> None:
    run = recorded(*beams)
    state = run.table.detectors.state()
    f = run.frequency_hz
    late = np.exp(-2j * np.pi * f[:, None] * np.array(DELAYS_S))  # k hears the same light later than j
    in_time = run.transform * late.conj().T / np.sqrt(0.5 * RATE_HZ * SAMPLES * run.response)
    found = np.einsum("rjf,rkf->jk", in_time.conj(), in_time) / (RECORDS * f.size)
    amplitude = np.sqrt(state.shot_v2_per_hz)
    passed = np.mean(1.0 / (1.0 + (f / electronics.BANDWIDTH_HZ) ** 2))
    expected = passed * (state.light().matrix() * np.outer(amplitude, amplitude))
    expected += np.diag(passed * state.electronics.dark_v2_per_hz)
    expected += np.eye(4) * electronics.DIGITIZER_NOISE_V2_PER_HZ * np.mean(1.0 / run.response)
    check_matrix(found, expected.astype(complex), RECORDS * f.size, CONFIDENCE)
    sigma = np.sqrt(expected[0, 0] * expected[1, 1] / (2 * RECORDS * f.size))
    assert not beams[0] or abs(expected[0, 1]) > 20 * sigma  # so the phase is known to 50 mrad


@pytest.mark.parametrize("beams", [(True, True), (False, True), (False, False)], ids=["signal", "shot", "dark"])
def test_the_sum_of_the_records_is_the_analogue_sum(beams: tuple[bool, bool]) -> None:
    run = recorded(*beams)
    seen = run.table.detectors.summed_psd(run.frequency_hz, 1e3)
    expected = run.response * seen + electronics.DIGITIZER_NOISE_V2_PER_HZ
    power = np.abs(run.transform.sum(axis=1)) ** 2 / 4.0
    low, high = chi_square_interval(power.size, CONFIDENCE)
    assert low < run.mean_over_expected(power, expected) < high


def test_shot_noise_is_two_e_i_through_the_gain() -> None:
    run = recorded(signal=False)
    detectors = run.table.detectors
    current = homodyne.shot_noise_a2_per_hz(LIGHT.responsivity_a_per_w, LIGHT.local_oscillator_w)
    passed = 1.0 / (1.0 + (run.frequency_hz / 20e6) ** 2)
    for number, sensor in enumerate(run.table.truth.sensors):
        volts = passed * current * (electronics.RF_VOLTS_PER_AMPERE * sensor.detector_gain) ** 2
        seen = detectors.output_psd(number, run.frequency_hz, 100.0)
        assert seen == pytest.approx(volts * 1.01, rel=1e-5)  # -20 dB dark


def test_the_spectrum_of_a_locked_detector_is_that_of_the_formula() -> None:
    table = locked_table(strong_truth())
    state = table.detectors.state()
    f = np.linspace(-1000.0, 1000.0, 401)
    for number, sensor in enumerate(table.sensors):
        efficiency = 0.92 * 0.99 * 0.95**2
        marginal = 1.0 + 0.25 * efficiency * (state.squeezed - 1.0)
        line = 5.0 * filtered_lorentzian(f, 0.0, 41.0, 10.0)
        frequency = sensor.resonance_hz() + f
        shot = state.shot_v2_per_hz[number] / (1.0 + (frequency / 20e6) ** 2)
        seen = table.detectors.output_psd(number, frequency, 10.0) / shot
        assert seen == pytest.approx(marginal + line + 0.01, rel=2e-3)  # jitter and the oven's noise are small


def test_a_mode_in_the_records_has_the_area_of_its_line() -> None:
    truth = strong_truth()
    table = locked_table(replace(truth, sensors=tuple(replace(s, peak_to_shot=200.0) for s in truth.sensors)))
    detectors = table.detectors
    sensor, gamma_hz, count = 1, 41.0, 150
    f0_hz = table.sensors[sensor].resonance_hz()
    t = np.arange(SAMPLES) / RATE_HZ
    line = np.exp(-2j * np.pi * f0_hz * t)
    beside = np.exp(-2j * np.pi * (f0_hz + 20 * RATE_HZ / SAMPLES) * t)
    on, off = [], []
    for n in range(count):
        volts = detectors.records([sensor], 10.0 + 0.1 * n, RATE_HZ, SAMPLES, DECIMATION)[0]
        on.append(abs(line @ volts) ** 2)
        off.append(abs(beside @ volts) ** 2)
    response = float(chain_power(np.array([f0_hz]))[0]) / (1.0 + (f0_hz / 20e6) ** 2)
    per_volt_squared = 2.0 / SAMPLES**2 / response
    mean_square = (np.mean(on) - np.mean(off)) * per_volt_squared
    state = detectors.state()
    area = state.mode_peaks()[sensor] * state.shot_v2_per_hz[sensor] * 0.5 * np.pi * gamma_hz
    x = np.pi * gamma_hz * SAMPLES / RATE_HZ  # a record of this length does not see all of an exponential memory
    within = 2.0 * (x - 1.0 + np.exp(-x)) / x**2
    sigma = np.mean(on) * per_volt_squared / np.sqrt(count)
    assert abs(mean_square - area * within) < 3.3 * sigma
    assert sigma < 0.1 * area


def test_records_may_overlap() -> None:
    detectors = locked_table(strong_truth()).detectors
    detectors.records([0], 20.0, RATE_HZ, SAMPLES, DECIMATION)
    assert np.isfinite(detectors.records([0], 20.0003, RATE_HZ, SAMPLES, DECIMATION)).all()


def test_the_analyzer_sees_what_the_switch_selects() -> None:
    detectors = locked_table(strong_truth()).detectors
    selected: list[str | None] = ["bhd3"]
    rf_input = AnalyzerInput(detectors, lambda: selected[0], floor_v2_per_hz=1e-18)
    f = np.linspace(4.33e6, 4.34e6, 51)
    assert (rf_input.power_spectral_density(f, 30.0) == detectors.output_psd(2, f, 30.0)).all()
    selected[0] = "sum"
    assert (rf_input.power_spectral_density(f, 30.0) == detectors.summed_psd(f, 30.0)).all()
    selected[0] = None
    assert (rf_input.power_spectral_density(f, 30.0) == 1e-18).all()
    assert rf_input.lines(4.33e6, 4.34e6) == []


# ---- what the plant does to the detectors ---------------------------------------------------------------------------


def test_a_tone_of_the_generator_reaches_analyzer_and_records() -> None:
    table = locked_table(strong_truth())
    table.tones["phase_calibration"] = TonePort()
    table.tones["drive"] = TonePort()
    for port in table.tones.values():
        port.generate(Waveform("SINE", 4.5e6, 0.2, on=True), 3.0)
    selected: list[str | None] = ["bhd2"]
    rf_input = AnalyzerInput(table.detectors, lambda: selected[0])
    assert isinstance(rf_input, RfLines)
    (line,) = rf_input.lines(4.4e6, 4.6e6)
    assert rf_input.lines(4.6e6, 4.7e6) == []
    index = np.pi * 0.5 * 0.2 * 1e-3 / table.truth.modulator_volts_per_pi  # half of it across 50 ohm, 60 dB less
    fringe_a = homodyne.fringe_amplitude_a(1.24, 5e-3, table.sensors[1].probe_power_w, 0.95)
    rms_v = index * fringe_a * electronics.RF_VOLTS_PER_AMPERE * 1.05 / np.sqrt(2.0 * (1.0 + (4.5 / 20.0) ** 2))
    assert line.power_v2 == pytest.approx(float(rms_v) ** 2, rel=3e-3)
    volts = table.detectors.records([1], 10.0, RATE_HZ, SAMPLES, DECIMATION)[0]
    f = np.array([4.5e6])
    found = 2.0 * abs(np.exp(-2j * np.pi * 4.5e6 * np.arange(SAMPLES) / RATE_HZ) @ volts / SAMPLES) ** 2
    noise = table.detectors.output_psd(1, f, 1e3)[0] * RATE_HZ / SAMPLES
    expected = line.power_v2 * chain_power(f)[0]
    assert found == pytest.approx(expected, abs=4.0 * np.sqrt(2.0 * noise * expected))
    assert expected > 50.0 * noise
    table.tones["phase_calibration"].generate(Waveform("SINE", 4.5e6, 0.2, on=False), 11.0)
    assert rf_input.lines(4.4e6, 4.6e6) == []


def test_the_sum_of_a_tone_is_coherent() -> None:
    table = locked_table(strong_truth())
    table.tones["phase_calibration"] = TonePort()
    table.tones["phase_calibration"].generate(Waveform("SINE", 4.5e6, 0.2, on=True), 0.0)
    selected: list[str | None] = ["sum"]
    rf_input = AnalyzerInput(table.detectors, lambda: selected[0])
    (joint,) = rf_input.lines(4.4e6, 4.6e6)
    amplitude = 0.0
    for number, late_s in enumerate(DELAYS_S, start=1):
        selected[0] = f"bhd{number}"
        amplitude += np.sqrt(rf_input.lines(4.4e6, 4.6e6)[0].power_v2) * np.exp(-2j * np.pi * 4.5e6 * late_s)
    assert joint.power_v2 == pytest.approx(abs(amplitude) ** 2 / 4.0, rel=1e-6)


def test_a_dying_photodiode_loses_shot_noise_squeezing_and_signal() -> None:
    table = locked_table(strong_truth())
    before = table.detectors.state()
    table.room.photodiode[2] = 0.6
    after = table.detectors.state()
    assert after.shot_v2_per_hz / before.shot_v2_per_hz == pytest.approx([1.0, 1.0, 0.8, 1.0])
    assert after.share / before.share == pytest.approx([1.0, 1.0, 0.8, 1.0])
    assert after.mode_peaks() / before.mode_peaks() == pytest.approx([1.0, 1.0, 0.8, 1.0], rel=1e-3)
    assert after.electronics.dark_v2_per_hz == pytest.approx(before.electronics.dark_v2_per_hz)
    f = np.array([50e3, 100e3, 4.5e6])
    leak = table.detectors.output_psd(2, f, 1e3) / table.detectors.output_psd(1, f, 1e3)
    assert leak[0] > 50.0  # what is out of balance lets the laser's excess noise through, below a megahertz
    assert leak[2] < 1.0


def test_a_resonance_goes_where_the_plant_puts_it() -> None:
    table = locked_table(strong_truth())
    sensor = table.sensors[0]
    before_hz = sensor.resonance_hz()
    sensor._detuning.value += 120.0
    f = before_hz + np.arange(-300.0, 301.0)
    assert f[np.argmax(table.detectors.output_psd(0, f, 10.0))] == pytest.approx(before_hz + 120.0, abs=1.0)


def test_a_cavity_off_resonance_turns_less_motion_into_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    table = locked_table(strong_truth())
    before = table.detectors.state().mode_peaks()
    monkeypatch.setattr(table.sensors[1].cavity, "transduction", 0.5)
    assert table.detectors.state().mode_peaks() / before == pytest.approx([1.0, 0.25, 1.0, 1.0], rel=1e-3)


def test_a_degenerate_pair_shows_where_the_truth_has_one() -> None:
    truth = strong_truth()
    pair = replace(truth.sensors[1], doublet_split_hz=400.0, doublet_share=0.2)
    table = locked_table(replace(truth, sensors=(truth.sensors[0], pair, *truth.sensors[2:])))
    state = table.detectors.state()
    assert state.modes.sensor.tolist() == [0, 1, 2, 3, 1]
    place = table.sensors[1].resonance_hz() + 400.0
    assert state.modes.f0_hz[4] == place
    peak = table.detectors.output_psd(1, np.array([place, place + 200.0]), 0.0) / state.shot_v2_per_hz[1]
    passed = 1.0 / (1.0 + (place / 20e6) ** 2)
    assert peak[0] - peak[1] == pytest.approx(passed * 0.2 * state.mode_peaks()[1], rel=0.02)
    table.detectors.records([1], 10.0, RATE_HZ, SAMPLES, DECIMATION)


def test_records_of_one_seed_are_the_same_bytes() -> None:
    one, again, other = (
        locked_table(replace(strong_truth(), seed=seed)).detectors.records(
            [0, 1, 2, 3], 10.0, RATE_HZ, 4096, DECIMATION
        )
        for seed in (11, 11, 12)
    )
    assert one.tobytes() == again.tobytes() != other.tobytes()


def test_a_stream_is_of_the_table_as_it_is() -> None:
    table = locked_table(strong_truth())
    state = table.detectors.state()
    stream = table.detectors.baseband(4.5e6, 50e3)
    samples = np.concatenate(list(stream.blocks(4)), axis=1)
    ratio = np.mean(np.abs(samples) ** 2, axis=1) / (state.light().marginal() + 0.01 + 3e-4)
    low, high = chi_square_interval(samples.shape[1], CONFIDENCE)
    assert ((low < ratio) & (ratio < high)).all()


def test_an_input_without_a_detector_carries_nothing() -> None:
    inputs = DetectorInputs(locked_table(strong_truth()).detectors, {1: 2, 3: 0})
    volts = inputs.capture([1, 2, 3], 5.0, RATE_HZ, SAMPLES, DECIMATION)
    assert volts.shape == (3, SAMPLES)
    assert not volts[1].any()
    assert volts[0].std() > 0.0
    assert volts[2].std() > 0.0
