"""From the waveform of a generator to the modulation of the probe."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from detector_states import state_of
from hypothesis import given
from hypothesis import strategies as st

from labctl.estimation.tone_phasors import measure_tone
from labctl.simulation.detector_spectra import output_line, summed_line
from labctl.simulation.ports import Waveform
from labctl.simulation.probe_tone import Modulation, ProbeTone, probe_tones
from labctl.simulation.records import Recorder
from labctl.simulation.surroundings import TonePort

SINE = Waveform("SINE", 4.3e6, 0.1, on=True)


def driven(name: str, waveform: Waveform, started_at: float = 0.0) -> tuple[ProbeTone, ...]:
    port = TonePort()
    port.generate(waveform, started_at)
    return probe_tones({name: port}, 5.0)


@pytest.mark.parametrize(("name", "modulation"), [(m.value, m) for m in Modulation])
def test_outputs_of_these_names_modulate_the_probe(name: str, modulation: Modulation) -> None:
    (tone,) = driven(name, SINE)
    assert tone.modulation is modulation
    assert tone.frequency_hz == 4.3e6
    assert tone.index == pytest.approx(math.pi * 0.05e-3 / 5.0)


@pytest.mark.parametrize("waveform", [replace(SINE, on=False), replace(SINE, shape="SQUARE"), Waveform()])
def test_what_is_off_or_no_sine_does_not(waveform: Waveform) -> None:
    assert driven("phase_calibration", waveform) == ()


def test_other_outputs_do_nothing_to_the_light() -> None:
    assert driven("drive", SINE) == ()


@given(st.floats(0.0, 1e4), st.floats(0.0, 360.0), st.floats(1e3, 1e7))
def test_the_phase_is_that_of_the_generator_when_it_starts(started_at: float, phase_deg: float, hz: float) -> None:
    (tone,) = driven("phase_calibration", replace(SINE, frequency_hz=hz, phase_deg=phase_deg), started_at)
    there = tone.phase_rad + 2.0 * math.pi * ((hz * started_at) % 1.0)
    assert math.sin(there) == pytest.approx(math.sin(math.radians(phase_deg)), abs=1e-4)
    assert math.cos(there) == pytest.approx(math.cos(math.radians(phase_deg)), abs=1e-4)


@pytest.mark.parametrize(
    ("modulation", "angle_rad", "relative"),
    [
        (Modulation.PHASE, 0.0, 1.0),
        (Modulation.PHASE, 0.4, math.cos(0.4) ** 2),
        (Modulation.PHASE, math.pi / 2, 0.0),
        (Modulation.AMPLITUDE, 0.0, 0.0),
        (Modulation.AMPLITUDE, 0.03, 0.25 * math.sin(0.03) ** 2),
    ],
)
def test_phase_goes_with_the_cosine_and_amplitude_with_the_sine(
    modulation: Modulation, angle_rad: float, relative: float
) -> None:
    state = state_of(1, angle_rad=angle_rad)
    line = output_line(state, 0, ProbeTone(modulation, 1.0, 1e-4))
    assert line.power_v2 == pytest.approx(0.5 * (1e-4 * state.fringe_v[0]) ** 2 * relative, rel=1e-9, abs=1e-15)


def test_jitter_takes_power_out_of_the_line() -> None:
    state, tone = state_of(1, private_jitter_rad=0.2), ProbeTone(Modulation.PHASE, 4.3e6, 1e-4)
    still = output_line(state_of(1), 0, tone).power_v2
    assert output_line(state, 0, tone).power_v2 == pytest.approx(still * math.exp(-0.04))


def test_in_the_sum_amplitudes_add_with_their_signs_and_delays() -> None:
    tone = ProbeTone(Modulation.PHASE, 4.3e6, 1e-4)
    one = output_line(state_of(1), 0, tone).power_v2
    assert summed_line(state_of(4), tone).power_v2 == pytest.approx(4.0 * one)
    opposed = state_of(4, angle_rad=[0.0, math.pi, 0.0, math.pi])
    assert summed_line(opposed, tone).power_v2 == pytest.approx(0.0, abs=1e-9 * one)
    half_a_turn = state_of(2, delay_s=np.array([0.0, 0.5 / 4.3e6]))
    assert summed_line(half_a_turn, tone).power_v2 == pytest.approx(0.0, abs=1e-9 * one)


def test_a_microradian_is_above_shot_noise_as_the_model_says() -> None:
    """1e-5 rad in 10 Hz: some 370 times the shot noise of 0.11 urad / sqrt(Hz)."""
    state = state_of(1, dark=0.0)
    line = output_line(state, 0, ProbeTone(Modulation.PHASE, 4.3e6, 1e-5)).power_v2
    shot = state.shot_v2_per_hz[0] / (1.0 + (4.3 / 20.0) ** 2)
    assert line / (shot * 10.645) == pytest.approx(370.0, rel=0.15)


def test_records_carry_the_sign_of_each_quadrature_behind_its_cable() -> None:
    """Phases between detectors in records that begin anywhere: 0 or pi for the quadrature, less 2 pi f tau."""
    angle_rad = np.array([0.0, math.pi, 0.0, math.pi])
    delay_s = 13.3e-9 * np.array([-1.35, -0.45, 0.45, 1.35])
    for frequency_hz in (1.05e6, 4.2e6):
        tone = ProbeTone(Modulation.PHASE, frequency_hz, 2e-4, 0.7)
        state = replace(state_of(4, angle_rad=angle_rad, delay_s=delay_s, private_jitter_rad=0.06), tones=(tone,))
        recorder = Recorder(1, state.electronics, state.modes.gamma_hz)
        records = [recorder.volts(state, at, 15.625e6, 1 << 14, 8) for at in (10.0, 1234.5, 50000.25)]
        found = measure_tone(np.array(records, dtype=float), 15.625e6, frequency_hz)
        expected = np.exp(1j * (angle_rad - 2.0 * math.pi * frequency_hz * delay_s))
        error = np.angle(found.phasors / found.phasors[0] / (expected / expected[0]))
        sigma = np.hypot(found.sigma_v / np.abs(found.phasors), found.sigma_v[0] / abs(found.phasors[0]))
        assert (np.abs(error) < 4.0 * sigma + 1e-9).all()
        assert sigma.max() < 0.03


def test_a_detector_between_its_quadratures_has_the_cosine_of_its_angle_and_beyond_them_the_other_sign() -> None:
    angle_rad = np.array([0.0, math.pi / 3, 2.0 * math.pi / 3, math.pi / 2])
    state = replace(state_of(4, angle_rad=angle_rad), tones=(ProbeTone(Modulation.PHASE, 4.2e6, 5e-4),))
    volts = Recorder(2, state.electronics, state.modes.gamma_hz).volts(state, 3.0, 15.625e6, 1 << 14, 8)
    found = measure_tone(volts[None].astype(float), 15.625e6, 4.2e6)
    share = (found.phasors / found.phasors[0]).real
    # A single record with the antisqueezed noise of what is off its quadrature.
    assert share == pytest.approx(np.cos(angle_rad), abs=4.0 * float(found.sigma_v.max() / abs(found.phasors[0])))
    assert found.sigma_v.max() < 0.08 * abs(found.phasors[0])
    assert found.snr[3] < 0.02 * found.snr[0]
