"""The detectors: records and closed-form spectra are the same light, and both are the formulae.

Every band-averaged periodogram is compared by chi-square at 99.9 % confidence (two-sided), with a fixed seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from ideal_table import LIGHT, NOMINAL_F0_HZ, locked_table, nominal_sensor, truth_of
from numpy.typing import NDArray
from scipy import stats

from labctl.physics import homodyne
from labctl.physics.line_shape import filtered_lorentzian
from labctl.simulation import detectors as plant
from labctl.simulation.table import AnalyzerInput, DetectorInputs, SimulatedTable
from labctl.simulation.truth import Scenario, Truth

DECIMATION = 8
RATE_HZ = plant.RAW_RATE_HZ / DECIMATION
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
        """Power response of the chain in front of the digitizer, (bins,)."""
        f = self.frequency_hz
        low_pass = 1.0 / (1.0 + (f / plant.ANTI_ALIAS_HZ) ** (2 * plant.ANTI_ALIAS_ORDER))
        raw_step_s = 1.0 / plant.RAW_RATE_HZ
        boxcar = np.sin(np.pi * f * DECIMATION * raw_step_s) / np.sin(np.pi * f * raw_step_s) / DECIMATION
        return np.asarray(low_pass * boxcar**2)

    def mean_over_expected(self, power: NDArray[np.float64], psd_v2_per_hz: NDArray[np.float64]) -> float:
        """Return the mean of |X|^2 over what a one-sided PSD promises."""
        return float(np.mean(power / (0.5 * RATE_HZ * SAMPLES * psd_v2_per_hz)))


def bounds(independent: int) -> tuple[float, float]:
    """Return the central interval of the mean of `independent` unit exponentials: chi2 with twice as many degrees."""
    tail = (1.0 - CONFIDENCE) / 2.0
    degrees = 2 * independent
    return tuple(stats.chi2.ppf([tail, 1.0 - tail], degrees) / degrees)


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
    dark = run.table.detectors._dark_v2_per_hz[sensor]
    # Behind the detector: the chain filters all of it, dark noise of detector and digitizer are added white.
    expected = run.response * (seen + plant.DIGITIZER_NOISE_V2_PER_HZ)
    power = np.abs(run.transform[:, sensor]) ** 2
    low, high = bounds(power.size)
    assert low < run.mean_over_expected(power, expected) < high
    assert dark > 10 * plant.DIGITIZER_NOISE_V2_PER_HZ


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


def test_cross_spectra_have_the_size_of_the_shared_light_and_the_phase_of_the_delays() -> None:
    run = recorded()
    detectors = run.table.detectors
    covariance = detectors._covariance(detectors._optics())
    shot = detectors._shot_v2_per_hz
    total = shot * np.diag(covariance) + detectors._dark_v2_per_hz + plant.DIGITIZER_NOISE_V2_PER_HZ
    scale = 0.5 * RATE_HZ * SAMPLES * run.response
    for j in range(4):
        for k in range(j + 1, 4):
            late_s = DELAYS_S[k] - DELAYS_S[j]  # k hears the same light later than j
            undone = np.exp(2j * np.pi * run.frequency_hz * late_s)
            cross = np.mean(run.transform[:, j].conj() * run.transform[:, k] * undone / scale)
            expected = np.sqrt(shot[j] * shot[k]) * covariance[j, k]
            sigma = np.sqrt(total[j] * total[k] / (2.0 * RECORDS * run.frequency_hz.size))  # of each part
            assert abs(cross.real - expected) < 3.5 * sigma * np.sqrt(1 + (expected**2 / (total[j] * total[k])))
            assert abs(cross.imag) < 3.5 * sigma
            assert abs(expected) > 20 * sigma  # so the phase is known to 50 mrad


@pytest.mark.parametrize("beams", [(True, True), (False, True), (False, False)], ids=["signal", "shot", "dark"])
def test_the_sum_of_the_records_is_the_analogue_sum(beams: tuple[bool, bool]) -> None:
    run = recorded(*beams)
    seen = run.table.detectors.summed_psd(run.frequency_hz, 1e3)
    expected = run.response * (seen + plant.DIGITIZER_NOISE_V2_PER_HZ)
    power = np.abs(run.transform.sum(axis=1)) ** 2 / 4.0
    low, high = bounds(power.size)
    assert low < run.mean_over_expected(power, expected) < high


def test_shot_noise_is_two_e_i_through_the_gain() -> None:
    run = recorded(signal=False)
    detectors = run.table.detectors
    current = homodyne.shot_noise_a2_per_hz(LIGHT.responsivity_a_per_w, LIGHT.local_oscillator_w)
    for number, sensor in enumerate(run.table.truth.sensors):
        volts = current * (plant.RF_VOLTS_PER_AMPERE * sensor.detector_gain) ** 2
        assert detectors.output_psd(number, run.frequency_hz, 100.0) == pytest.approx(volts * 1.01)  # -20 dB dark


def test_the_spectrum_of_a_locked_detector_is_that_of_the_formula() -> None:
    table = locked_table(strong_truth())
    detectors = table.detectors
    optics = detectors._optics()
    f = np.linspace(-1000.0, 1000.0, 401)
    for number, sensor in enumerate(table.truth.sensors):
        efficiency = 0.92 * 0.99 * 0.95**2
        marginal = 1.0 + 0.25 * efficiency * (optics.squeezed - 1.0)
        line = 5.0 * filtered_lorentzian(f, 0.0, 41.0, 10.0)
        shot = detectors._shot_v2_per_hz[number]
        seen = detectors.output_psd(number, sensor.f0_hz + f, 10.0) / shot
        assert seen == pytest.approx(marginal + line + 0.01, rel=2e-3)  # jitter and the oven's noise are small


def test_a_mode_in_the_records_has_the_area_of_its_line() -> None:
    table = locked_table(strong_truth())
    detectors = table.detectors
    sensor, f0_hz, gamma_hz = 1, NOMINAL_F0_HZ[1], 41.0
    count = 200
    t = np.arange(SAMPLES) / RATE_HZ
    line = np.exp(-2j * np.pi * f0_hz * t)
    beside = np.exp(-2j * np.pi * (f0_hz + 20 * RATE_HZ / SAMPLES) * t)
    on, off = [], []
    for n in range(count):
        volts = detectors.records([sensor], 10.0 + 0.1 * n, RATE_HZ, SAMPLES, DECIMATION)[0]
        on.append(abs(line @ volts) ** 2)
        off.append(abs(beside @ volts) ** 2)
    per_volt_squared = 2.0 / SAMPLES**2 / _chain_power(f0_hz)
    mean_square = (np.mean(on) - np.mean(off)) * per_volt_squared
    shot = detectors._shot_v2_per_hz[sensor]
    area = 5.0 * shot * 0.5 * np.pi * gamma_hz
    x = np.pi * gamma_hz * SAMPLES / RATE_HZ  # a record of this length does not see all of an exponential memory
    within = 2.0 * (x - 1.0 + np.exp(-x)) / x**2
    sigma = np.mean(on) * per_volt_squared / np.sqrt(count)
    assert abs(mean_square - area * within) < 3.3 * sigma + 0.03 * area  # 3 %: the envelope is a straight line


def _chain_power(frequency_hz: float) -> float:
    step_s = 1.0 / plant.RAW_RATE_HZ
    boxcar = np.sin(np.pi * frequency_hz * DECIMATION * step_s) / np.sin(np.pi * frequency_hz * step_s) / DECIMATION
    return float(boxcar**2 / (1.0 + (frequency_hz / plant.ANTI_ALIAS_HZ) ** (2 * plant.ANTI_ALIAS_ORDER)))


def test_the_memory_of_a_mode_is_its_linewidth() -> None:
    detectors = locked_table(strong_truth()).detectors
    step_s = 5e-3
    states = np.array([detectors._advance_modes(1.0 + step_s * n) for n in range(4000)])
    rho = np.exp(-np.pi * 41.0 * step_s)
    sigma = 1.0 / np.sqrt(states.size)
    assert abs(np.mean(np.abs(states) ** 2) - 1.0) < 3.3 * sigma * np.sqrt((1 + rho**2) / (1 - rho**2))
    assert abs(np.mean(states[1:].conj() * states[:-1]) - rho) < 4.0 * sigma * np.sqrt((1 + rho**2) / (1 - rho**2))


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


def test_an_input_without_a_detector_carries_nothing() -> None:
    inputs = DetectorInputs(locked_table(strong_truth()).detectors, {1: 2, 3: 0})
    volts = inputs.capture([1, 2, 3], 5.0, RATE_HZ, SAMPLES, DECIMATION)
    assert volts.shape == (3, SAMPLES)
    assert not volts[1].any()
    assert volts[0].std() > 0.0
    assert volts[2].std() > 0.0
