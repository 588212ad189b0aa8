"""A tone on the power of the local oscillators: what the balance of each detector leaves of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from ideal_table import NOMINAL_F0_HZ, build, truth_of, warm

from labctl.estimation.tone_phasors import measure_tone
from labctl.simulation.oscillator_tone import OSCILLATOR_POWER, OscillatorModulator
from labctl.simulation.pick_off import picked_off
from labctl.simulation.ports import Waveform
from labctl.simulation.surroundings import TonePort

SINE = Waveform("SINE", 4.2e6, 0.6, on=True)
RATE_HZ = 15.625e6
RF_VOLTS_PER_AMPERE = 5e4


def port(waveform: Waveform) -> TonePort:
    made = TonePort()
    made.generate(waveform, 0.0)
    return made


@pytest.mark.parametrize("waveform", [replace(SINE, on=False), replace(SINE, shape="SQUARE")])
def test_what_is_off_or_no_sine_gives_none(waveform: Waveform) -> None:
    modulator = OscillatorModulator(3)
    assert modulator.tone({OSCILLATOR_POWER: port(waveform)}, np.ones(2)) is None
    assert modulator.tone({"phase_calibration": port(SINE)}, np.ones(2)) is None


def test_modulators_differ_by_what_their_maker_states() -> None:
    found = np.array([OscillatorModulator(seed).volts_per_pi for seed in range(200)])
    assert found.mean() == pytest.approx(5.0, abs=4 * 0.15 / math.sqrt(200))
    assert found.std() == pytest.approx(0.15, rel=0.2)


def test_records_and_lines_show_the_same_leak() -> None:
    table = build(truth_of("delays", seed=2)).table
    warm(table)
    table.set_shutter("local_oscillator", True)
    detectors = table.detectors
    table.tones[OSCILLATOR_POWER] = port(SINE)
    index = math.pi * 0.5 * 0.6 * 0.1 / OscillatorModulator(2).volts_per_pi
    each = [table.truth.sensors[n] for n in range(len(NOMINAL_F0_HZ))]
    leak = np.array([10.0 ** (-sensor.common_mode_rejection_db / 20.0) for sensor in each])
    gain = np.array([sensor.detector_gain for sensor in each])
    expected_v = leak * index * 1.24 * table.local_oscillator_w() * RF_VOLTS_PER_AMPERE * gain
    through = 1.0 / math.hypot(1.0, SINE.frequency_hz / 20e6)
    for number, volts in enumerate(expected_v):
        (line,) = detectors.output_lines(number, 4.1e6, 4.3e6)
        assert math.sqrt(2.0 * line.power_v2) == pytest.approx(volts * through, rel=1e-6)
        assert detectors.output_lines(number, 4.21e6, 4.3e6) == []
    records = np.array([detectors.records(range(4), 1.0 + k, RATE_HZ, 16384, 8) for k in range(4)])
    tone = measure_tone(records, RATE_HZ, SINE.frequency_hz)
    chain = through / math.hypot(1.0, (SINE.frequency_hz / 6.5e6) ** 7)
    boxcar = np.sinc(8 * SINE.frequency_hz / 125e6) / np.sinc(SINE.frequency_hz / 125e6)
    assert np.abs(tone.phasors) / (expected_v * chain * boxcar) == pytest.approx(1.0, abs=0.04)
    (summed,) = detectors.summed_lines(4.1e6, 4.3e6)
    delay = np.exp(-2j * np.pi * SINE.frequency_hz * np.array([sensor.delay_s for sensor in each]))
    assert summed.power_v2 == pytest.approx(0.5 * abs(np.sum(expected_v * through * delay)) ** 2 / 4, rel=1e-6)


def test_meters_of_the_oscillators_differ_by_a_percent_and_stay_as_they_are() -> None:
    power_w = [5e-3]
    meters = [picked_off(lambda: power_w[0], seed) for seed in range(200)]
    shares = np.array([watts() for watts in meters]) / power_w[0]
    assert shares.std() == pytest.approx(0.01, rel=0.2)
    assert shares.mean() == pytest.approx(1.0, abs=4 * 0.01 / math.sqrt(200))
    power_w[0] = 1e-3
    assert np.array([watts() for watts in meters]) / power_w[0] == pytest.approx(shares)
