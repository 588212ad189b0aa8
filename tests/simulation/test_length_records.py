"""Records of the length loop: it works against what the generator adds, and leaves its noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from ideal_table import locked_table, truth_of

from labctl.simulation.acoustics import FREQUENCY_HZ
from labctl.simulation.coloured_records import Sampling
from labctl.simulation.length_records import LengthRecords
from labctl.simulation.loop_shape import MIRROR_PIEZO
from labctl.simulation.ports import Waveform
from labctl.simulation.source_plant import LENGTH_RESIDUAL_M, PIEZO_M_PER_V
from labctl.simulation.table import LengthScan, SimulatedTable

RATE_HZ = 125e6 / 256
SAMPLES = 16384
ERROR, TRANSMISSION = 1, 2


@pytest.fixture
def table() -> SimulatedTable:
    return locked_table(truth_of("ideal", 1))


@pytest.fixture
def scan(table: SimulatedTable) -> LengthScan:
    return LengthScan(table.source, table.source._length_piezo, 1.0, ERROR, TRANSMISSION, 1)


def record(scan: LengthScan, at: float = 50.0, average: int = 256) -> np.ndarray:
    return scan.capture([ERROR, TRANSMISSION], at, RATE_HZ, SAMPLES, average)


def open_loop(table: SimulatedTable) -> None:
    servo = table.source.length_servo
    servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts()))


def test_a_closed_loop_leaves_the_residual_of_the_cavity(table: SimulatedTable, scan: LengthScan) -> None:
    noise = LengthRecords(table.source, table.source._length_piezo, 1.0, 1).noise()
    assert noise.rms_rad() * PIEZO_M_PER_V == pytest.approx(LENGTH_RESIDUAL_M, rel=0.1)  # at about 1 kHz
    errors = np.array([record(scan, 50.0 + k)[0] for k in range(20)])
    # A short record leaves out what is slower than it; lines carry most.
    assert errors.std() == pytest.approx(abs(noise.rms_rad() * noise.volts_per_rad), rel=0.1)
    assert record(scan)[1].mean() == pytest.approx(0.9, rel=0.02)


def test_more_gain_leaves_less(table: SimulatedTable, scan: LengthScan) -> None:
    before = np.std([record(scan, 50.0 + k)[0] for k in range(8)])
    servo = table.source.length_servo
    servo.apply(replace(servo.settings, integral_gain=3.0 * servo.settings.integral_gain))
    table.elapse(1.0)
    assert np.std([record(scan, 60.0 + k)[0] for k in range(8)]) < 0.6 * before


@pytest.mark.parametrize("frequency_hz", [450.0, 1e3, 5e3, 2e4])
def test_a_sine_is_left_by_what_the_loop_leaves(table: SimulatedTable, scan: LengthScan, frequency_hz: float) -> None:
    amplitude_v = 1e-3
    servo = table.source.length_servo
    slope = servo._slope(servo.output_volts())
    records = LengthRecords(table.source, table.source._length_piezo, 1.0, 1)
    f = np.array([frequency_hz])
    wanted = complex((slope * MIRROR_PIEZO.response(f) / (1.0 + records.loop().gain(f)))[0])
    time = np.arange(SAMPLES) / RATE_HZ
    found = []
    for k in range(6):
        at = 60.0 + k
        scan.generate(Waveform("SINE", frequency_hz, amplitude_v, 0.0, 0.0, True), at)
        error_v = record(scan, at)[0]
        window = np.hanning(SAMPLES)
        found.append(2j * np.sum(window * error_v * np.exp(-2j * np.pi * frequency_hz * time)) / window.sum())
    sigma = float(np.std(found)) / math.sqrt(len(found))
    assert sigma < 0.15 * abs(wanted) * amplitude_v
    assert abs(np.mean(found) - wanted * amplitude_v) < 4.5 * sigma + 0.02 * abs(wanted) * amplitude_v


def test_the_mean_of_a_drive_is_taken_over_by_the_loop(table: SimulatedTable, scan: LengthScan) -> None:
    scan.generate(Waveform("SINE", 500.0, 0.0, 0.5, 0.0, True), 49.0)  # far off resonance, were the loop not there
    assert record(scan)[1].mean() == pytest.approx(0.9, rel=0.02)


def test_an_open_loop_follows_the_generator_and_is_still_without_it(table: SimulatedTable, scan: LengthScan) -> None:
    open_loop(table)
    assert record(scan)[0].std() < 1e-3
    scan.generate(Waveform("TRIANGLE", 50.0, 0.1, 0.0, 0.0, True), 50.0)
    assert np.ptp(record(scan)[1]) > 0.8  # over the whole line


def test_an_unstable_loop_swings_in_the_record(table: SimulatedTable, scan: LengthScan) -> None:
    servo = table.source.length_servo
    servo.apply(replace(servo.settings, integral_gain=12.0 * servo.settings.integral_gain))
    table.elapse(0.5)
    assert servo.swing_v() > 0.0
    error_v = record(scan)[0]
    spectrum = np.abs(np.fft.rfft(error_v * np.hanning(SAMPLES)))
    peak_hz = np.argmax(spectrum) * RATE_HZ / SAMPLES
    assert 30e3 < peak_hz < 45e3


def test_records_depend_on_time_and_seed_alone(table: SimulatedTable) -> None:
    first, second = (LengthRecords(table.source, table.source._length_piezo, 1.0, 1) for _ in range(2))
    loop = first.loop()
    assert np.abs(loop.gain(FREQUENCY_HZ)).max() > 10.0
    sampling, time = Sampling(RATE_HZ, 1024, 1), np.arange(1024) / RATE_HZ
    second.draw(Waveform(), time, 3.0, sampling)
    ours, theirs = (one.draw(Waveform(), time, 8.0, sampling) for one in (first, second))
    assert np.array_equal(ours[0], theirs[0])
    assert np.array_equal(ours[1], theirs[1])
