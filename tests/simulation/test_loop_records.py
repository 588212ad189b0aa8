"""Records of error signals: the noise that their loop leaves, on the fringe, the same for everybody who looks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from ideal_table import locked_table, truth_of
from scipy.signal import welch

from labctl.simulation.acoustics import FREE_PATH_RAD, LINES_HZ_RAD
from labctl.simulation.coloured_records import Sampling, draw_bins, draw_folded, folded, samples_of
from labctl.simulation.converters import FAST_INPUT_NOISE_V
from labctl.simulation.loop_records import LoopRecords
from labctl.simulation.sensor_plant import ELECTRONIC_NOISE_V, SensorPlant
from labctl.simulation.table import SimulatedTable

RATE_HZ = 125e6 / 1024
SAMPLES = 16384
SIGMAS = 4.5


@pytest.fixture
def table() -> SimulatedTable:
    return locked_table(truth_of("ideal", 1))


@pytest.fixture
def records(table: SimulatedTable) -> LoopRecords:
    return LoopRecords(dict(enumerate(table.sensors, start=1)), 1)


def fringe_v(sensor: SensorPlant) -> tuple[float, float]:
    """Return offset and amplitude of a fringe."""
    return sensor._level(0.0), sensor._level(1.0) - sensor._level(0.0)


def taken(records: LoopRecords, count: int = 12, rate_hz: float = RATE_HZ, average: int = 1024) -> np.ndarray:
    """Return records of input 1 at different times, in V."""
    return np.array([records.capture([1], 100.0 + 10.0 * k, rate_hz, SAMPLES, average)[0] for k in range(count)])


def open_loop(sensor: SensorPlant) -> None:
    servo = sensor.servo
    servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts()))


def set_gain(sensor: SensorPlant, factor: float) -> None:
    servo = sensor.servo
    servo.apply(replace(servo.settings, integral_gain=factor * servo.settings.integral_gain))
    servo.advance(0.1)


def test_a_locked_fringe_shakes_by_what_its_loop_leaves(table: SimulatedTable, records: LoopRecords) -> None:
    sensor = table.sensors[0]
    offset_v, amplitude_v = fringe_v(sensor)
    u = (taken(records) - offset_v) / amplitude_v
    wanted = records.phase_of(1).rms_rad()
    assert wanted == pytest.approx(sensor.residual_rad(), rel=0.02)
    # Five lines carry most of it and do not fluctuate; the recorder averages away what is faster than it samples.
    assert u.std() == pytest.approx(wanted, rel=0.05)
    assert abs(u.mean()) < 2e-3


def test_the_spectrum_is_that_of_path_and_detector_under_the_loop(records: LoopRecords) -> None:
    phase = records.phase_of(1)
    f, psd = welch(taken(records, 24, 125e6 / 128, 1), 125e6 / 128, nperseg=4096, axis=1)
    mean = psd.mean(axis=0)[2:400]
    f = f[2:400]
    clear = np.min(np.abs(f[:, None] - np.array([line for line, _ in LINES_HZ_RAD])), axis=1) > 600.0
    left = np.abs(1.0 / (1.0 + phase.open_loop.gain(f))) ** 2
    noise = ELECTRONIC_NOISE_V**2 / 100e3 / (1.0 + (f / phase.detector_pole_hz) ** 2)
    of_input = 2.0 * FAST_INPUT_NOISE_V**2 / (125e6 / 128)
    wanted = left * (phase.volts_per_rad**2 * phase.path_psd(f) + noise) + of_input
    ratio = (mean / wanted)[clear]
    assert ratio.mean() == pytest.approx(1.0, abs=0.02)
    assert ratio.std() < 0.12  # 24 x 7 segments


@pytest.mark.parametrize("average", [1, 65536])
def test_slow_records_fold_what_is_fast_unless_they_average(
    table: SimulatedTable, records: LoopRecords, average: int
) -> None:
    offset_v, amplitude_v = fringe_v(table.sensors[0])
    u = (taken(records, 12, 125e6 / 65536, average) - offset_v) / amplitude_v
    all_of_it = math.hypot(records.phase_of(1).rms_rad(), (FAST_INPUT_NOISE_V / math.sqrt(average)) / amplitude_v)
    if average == 1:
        assert u.std() == pytest.approx(all_of_it, rel=0.06)
    else:
        assert u.std() < 0.9 * all_of_it


def test_an_open_path_shakes_freely(table: SimulatedTable, records: LoopRecords) -> None:
    open_loop(table.sensors[0])
    phase = records.phase_of(1)
    assert phase.rms_rad() == pytest.approx(FREE_PATH_RAD, rel=1e-6)
    offset_v, amplitude_v = fringe_v(table.sensors[0])
    u = (taken(records, 24, 125e6 / 8192, 8192) - offset_v) / amplitude_v
    slope = abs(phase.volts_per_rad) / amplitude_v
    assert u.std() == pytest.approx(slope * FREE_PATH_RAD, rel=0.12)


def test_the_fringe_bends_a_large_phase(table: SimulatedTable, records: LoopRecords) -> None:
    open_loop(table.sensors[0])
    table.room.loudness = 30.0
    offset_v, amplitude_v = fringe_v(table.sensors[0])
    u = (taken(records) - offset_v) / amplitude_v
    assert np.abs(u).max() < 1.02
    assert u.std() == pytest.approx(math.sqrt(0.5), rel=0.1)  # a free fringe


def test_an_open_path_drifts_within_a_record(table: SimulatedTable, records: LoopRecords) -> None:
    open_loop(table.sensors[0])
    table.room.loudness = 0.0
    table.attach(records)
    started_at = table.now()
    phases = []
    for _ in range(80):
        table.elapse(0.1)
        phases.append(table.sensors[0].phase_rad(table.sensors[0].servo.output_volts()))
    u = records.capture([1], started_at, SAMPLES / 8.0, SAMPLES, 60000)[0]
    offset_v, amplitude_v = fringe_v(table.sensors[0])
    at_ticks = (u[204::205][:79] - offset_v) / amplitude_v
    assert np.ptp(np.cos(phases)) > 0.3
    assert at_ticks == pytest.approx(np.cos(phases)[: at_ticks.size], abs=0.03)


def test_a_loop_that_swings_shows_a_line(table: SimulatedTable, records: LoopRecords) -> None:
    set_gain(table.sensors[0], 4.0)
    phase = records.phase_of(1)
    assert phase.swing_rad > 0.05
    oscillates_hz = phase.open_loop.oscillation_hz()
    assert 30e3 < oscillates_hz < 45e3  # just below the resonance of the piezo
    f, psd = welch(taken(records, 4, 125e6 / 256, 1), 125e6 / 256, nperseg=8192, axis=1)
    assert f[np.argmax(psd.mean(axis=0))] == pytest.approx(oscillates_hz, abs=125e6 / 256 / 8192)


def test_lines_keep_their_phase_from_record_to_record(records: LoopRecords) -> None:
    line_hz = 640.0
    time = np.arange(SAMPLES) / RATE_HZ
    phasors = []
    for k in range(6):
        at = 50.0 + 1.2345 * k
        volts = records.capture([1], at, RATE_HZ, SAMPLES, 1024)[0]
        window = np.hanning(SAMPLES)
        phasors.append(np.mean(window * volts * np.exp(-2j * np.pi * line_hz * (at + time))))
    spread = np.std(np.array(phasors) / np.mean(phasors))
    assert spread < 0.1


def test_what_is_recorded_does_not_depend_on_who_looks(table: SimulatedTable) -> None:
    sensors = dict(enumerate(table.sensors, start=1))
    one, other = LoopRecords(sensors, 1), LoopRecords(sensors, 1)
    for _ in range(3):
        other.capture([1, 2, 3], 7.0, RATE_HZ, 512, 1)
    late = one.capture([2], 9.0, RATE_HZ, 512, 1)
    assert np.array_equal(other.capture([4, 2], 9.0, RATE_HZ, 512, 1)[1], late[0])
    assert not np.array_equal(one.capture([2], 9.1, RATE_HZ, 512, 1), late)
    assert not np.array_equal(LoopRecords(sensors, 2).capture([2], 9.0, RATE_HZ, 512, 1), late)
    before = table.sensors[1].phase_rad(0.0), table.sensors[1].dc_volts()
    twin = locked_table(truth_of("ideal", 1))
    assert before == (twin.sensors[1].phase_rad(0.0), twin.sensors[1].dc_volts())


def test_an_input_with_nothing_connected_has_the_noise_of_the_input(records: LoopRecords) -> None:
    volts = records.capture([9], 1.0, RATE_HZ, SAMPLES, 16)[0]
    assert volts.std() == pytest.approx(FAST_INPUT_NOISE_V / 4.0, rel=0.03)
    assert abs(volts.mean()) < SIGMAS * FAST_INPUT_NOISE_V / 4.0 / math.sqrt(SAMPLES)


def test_without_light_there_is_the_detector_alone(table: SimulatedTable, records: LoopRecords) -> None:
    table.set_shutter("signal", False)
    volts = records.capture([1], 1.0, RATE_HZ, SAMPLES, 1024)[0]
    own = ELECTRONIC_NOISE_V**2 / 100e3 * RATE_HZ / 2.0  # white up to half the sample rate, nearly
    assert volts.mean() == pytest.approx(table.sensors[0]._level(0.0), abs=1e-4)
    assert volts.var() == pytest.approx(own + FAST_INPUT_NOISE_V**2 / 1024, rel=0.35)


def test_a_noisy_detector_is_written_onto_the_path(table: SimulatedTable) -> None:
    set_gain(table.sensors[0], 0.1)  # far from the resonance of the piezo
    sensors = {1: table.sensors[0]}
    quiet, noisy = LoopRecords(sensors, 1).phase_of(1), LoopRecords(sensors, 1, detector_v_per_rthz=1e-4).phase_of(1)
    # |T|^2 of an integrator over all frequencies has the area pi f_u / 2.
    written = noisy.rms_rad() ** 2 - quiet.rms_rad() ** 2
    area = 0.5 * math.pi * quiet.open_loop.unity_gain_hz()
    assert written == pytest.approx((1e-4 / quiet.volts_per_rad) ** 2 * area, rel=0.05)


def test_coloured_noise_has_its_density_one_sided() -> None:
    rng = np.random.default_rng(2)
    sampling = Sampling(1e5, 8192, 1)
    psd = 1e-6 / (1.0 + (sampling.frequency_hz() / 5e3) ** 2)
    drawn = np.array([samples_of(draw_bins(rng, psd, sampling), sampling) for _ in range(40)])
    assert drawn.shape == (40, 8192)
    assert drawn.var() == pytest.approx(float(psd.sum() * sampling.bin_hz), rel=0.03)


def test_what_folds_is_what_was_above() -> None:
    sampling = Sampling(2e4, 4096, 1)

    def spectrum(f: np.ndarray) -> np.ndarray:
        return np.where(f < 5e4, 1e-6, 0.0)

    # Five times half the sample rate: one fifth is not folded.
    assert folded(spectrum, sampling).mean() == pytest.approx(4e-6, rel=0.05)
    assert draw_folded(np.random.default_rng(1), spectrum, sampling).var() == pytest.approx(4e-2, rel=0.1)
    assert not folded(spectrum, Sampling(1e6, 4096, 1)).any()
