"""Membranes that are shaken: their amplitude against the equation of motion, and where it appears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from detector_states import chi_square_interval, state_of, without_modes
from numpy.typing import NDArray

from labctl.simulation import detector_electronics as electronics
from labctl.simulation.detector_spectra import driven_lines, output_psd
from labctl.simulation.membrane_drive import FORGOTTEN_S, RMS_PER_VOLT, MembraneDrive, PiezoRing
from labctl.simulation.ports import Waveform
from labctl.simulation.records import Recorder
from labctl.simulation.surroundings import TonePort

F0_HZ, GAMMA_HZ = 4.301e6, 41.0
ON = Waveform("SINE", F0_HZ, 0.1, on=True)
OFF = replace(ON, on=False)
ONE = np.zeros(1, dtype=np.intp)


def amplitude(drive: MembraneDrive, at: NDArray[np.float64]) -> NDArray[np.complex128]:
    found = drive.amplitudes(ONE, np.array([F0_HZ]), np.array([GAMMA_HZ]), at)
    return np.asarray(found[0])


def driven(*changes: tuple[float, Waveform]) -> MembraneDrive:
    drive = PiezoRing(7, 4).drive([(since, waveform, since) for since, waveform in changes])
    assert drive is not None
    return drive


def test_a_ring_that_was_never_on_is_no_drive() -> None:
    port = TonePort()
    ring = PiezoRing(7, 4)
    assert ring.drive(port.changes) is None
    port.generate(OFF, 3.0)
    port.generate(replace(ON, shape="SQUARE"), 4.0)
    assert ring.drive(port.changes) is None


def test_on_resonance_it_moves_as_far_as_its_coupling_says_and_rings_down_at_its_own_frequency() -> None:
    drive = driven((10.0, ON), (11.0, OFF))
    at = np.array([10.999, 11.0, 11.01, 11.02])
    found = amplitude(drive, at)
    assert np.abs(found[:2]) == pytest.approx(np.abs(drive.answer[0]) * 0.05, rel=1e-6)
    assert 0.3 * RMS_PER_VOLT < np.abs(drive.answer[0]) < 3.0 * RMS_PER_VOLT
    decay = np.exp((2j * np.pi * F0_HZ - np.pi * GAMMA_HZ) * 0.01)
    assert found[2:] / found[1:-1] == pytest.approx(np.array([decay, decay]), rel=1e-4)
    assert drive.is_over(11.0 + 1.01 * FORGOTTEN_S) and not drive.is_over(11.1)


def test_any_switching_follows_the_equation_of_motion() -> None:
    """Turned on, off resonance, louder and off within a few decay times, against Runge and Kutta."""
    detuned = replace(ON, frequency_hz=F0_HZ + 60.0, phase_deg=40.0)
    changes = [(0.0, ON), (0.004, detuned), (0.009, replace(detuned, amplitude_v=0.3)), (0.013, OFF)]
    drive = driven(*changes)
    step_s, steps = 1e-5, 2000

    def force(t: float, since: float, waveform: Waveform) -> complex:
        """Return the force in the frame that turns with the mode."""
        if not waveform.on:
            return 0.0
        volts = 0.5 * waveform.amplitude_v
        turns = waveform.frequency_hz * (t - since) - F0_HZ * t
        turned = np.exp(2j * np.pi * turns + 1j * np.radians(waveform.phase_deg))
        return complex(-1j * np.pi * GAMMA_HZ * drive.answer[0] * volts * turned)

    b, path = 0.0 + 0.0j, [0.0 + 0.0j]
    for k in range(steps):
        t = k * step_s
        since, waveform = [change for change in changes if change[0] <= t + 1e-9][-1]
        slope = [0j] * 4
        for i, (part, before) in enumerate(((0.0, 0), (0.5, 0), (0.5, 1), (1.0, 2))):
            moved = b + part * step_s * slope[before] * (i > 0)
            slope[i] = -np.pi * GAMMA_HZ * moved + force(t + part * step_s, since, waveform)
        b += step_s * (slope[0] + 2 * slope[1] + 2 * slope[2] + slope[3]) / 6.0
        path.append(b)
    at = np.asarray(step_s * np.arange(steps + 1), dtype=np.float64)
    expected = np.array(path) * np.exp(2j * np.pi * ((F0_HZ * at) % 1.0))
    found = amplitude(drive, at)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_only_membranes_near_the_drive_move() -> None:
    state = replace(state_of(4), drive=driven((0.0, replace(ON, frequency_hz=4.276e6))))
    size = np.abs(state.driven_volts())
    assert size[0] > 0.0 and (size[1:] < 2e-3 * size[0]).all()


def test_records_and_analyzer_show_one_and_the_same_motion() -> None:
    state = replace(state_of(1, f0_hz=F0_HZ), drive=driven((0.0, ON)))
    (line,) = driven_lines(state, 0)
    assert line.frequency_hz == F0_HZ
    assert driven_lines(state, None)[0].power_v2 == pytest.approx(line.power_v2)
    volts = Recorder(1, state.electronics, state.modes.gamma_hz).volts(state, 5.0, 15.625e6, 1 << 14, 8)[0]
    turned = volts @ np.exp(-2j * np.pi * (F0_HZ / 15.625e6 * np.arange(volts.size) % 1.0)) / volts.size
    f = np.array([F0_HZ])
    passed = (electronics.low_pass(f) * electronics.boxcar(f, 8))[0] ** 2
    thermal = np.abs(state.drive.answer[0] * 0.05) if state.drive else 0.0
    assert 2.0 * abs(turned) ** 2 == pytest.approx(line.power_v2 * passed, rel=8.0 / thermal)
    over = replace(state, drive=driven((0.0, ON), (1.0, OFF)))
    assert driven_lines(over, 0) == []


def test_a_record_is_the_same_with_a_ring_that_is_silent() -> None:
    state = state_of(2)
    one, other = (Recorder(3, state.electronics, state.modes.gamma_hz) for _ in range(2))
    silent = replace(state, drive=driven((0.0, ON), (1.0, OFF)))
    same = [recorder.volts(s, 9.0, 15.625e6, 4096, 8) for recorder, s in ((one, state), (other, silent))]
    assert (same[0] == same[1]).all()


def test_what_is_undersampled_has_the_noise_of_all_its_folds() -> None:
    state, rate_hz, samples = without_modes(state_of(1, dark=1e-9)), 250e3, 1 << 15
    volts = Recorder(2, state.electronics, state.modes.gamma_hz).volts(state, 0.0, rate_hz, samples, 1)[0]
    f = np.arange(5e2, 20e6, 1e3)
    through = output_psd(state, 0, f, 0.0) * electronics.low_pass(f) ** 2
    own = electronics.digitizer_noise_v2_per_hz(rate_hz, 1) * 0.5 * rate_hz
    low, high = chi_square_interval(samples / 2, 0.999)
    quiet = volts.astype(float) - volts.mean()
    assert low < np.mean(quiet**2) / (np.sum(through) * 1e3 + own) < high
