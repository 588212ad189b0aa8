"""The down-converted stream: its cross-spectral matrix, its lines and its bytes.

Means of periodograms are held against closed forms by chi-square at 99.9 % confidence, with fixed seeds.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from detector_states import check_matrix, chi_square_interval, state_of, without_modes, without_signal
from numpy.typing import NDArray

from labctl.physics.line_shape import lorentzian
from labctl.simulation.baseband import BLOCK_SAMPLES, Baseband
from labctl.simulation.detector_state import DetectorState
from labctl.simulation.probe_tone import Modulation, ProbeTone

DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9
CENTER_HZ, WIDE_HZ, NARROW_HZ = 4.3205e6, 250e3, 4e3
CONFIDENCE = 0.999
DARK = 0.01 + 3e-4  # of the detectors and of the digitizer, over shot noise


def spectra(stream: Baseband, blocks: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Return offsets from the centre in Hz and transforms (blocks, M, bins) whose mean square is the PSD over shot."""
    drawn = np.array([np.fft.fft(block.astype(complex), axis=1) for block in stream.blocks(blocks)])
    return np.fft.fftfreq(BLOCK_SAMPLES, 1.0 / stream.sample_rate_hz), drawn / np.sqrt(BLOCK_SAMPLES)


def matrix_of(transforms: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], int]:
    """Return <conj(X_j) X_k> over blocks and bins, and of how many."""
    blocks, _, bins = transforms.shape
    product = np.einsum("bjf,bkf->jk", transforms.conj(), transforms, optimize=True)
    return product / (blocks * bins), blocks * bins


def expected_matrix(state: DetectorState, frequency_hz: float = CENTER_HZ) -> NDArray[np.complex128]:
    late = np.exp(-2j * np.pi * frequency_hz * state.electronics.delay_s)
    gain = np.sqrt(state.shot_v2_per_hz / state.electronics.usual_shot_v2_per_hz)
    own = state.electronics.dark_v2_per_hz / state.electronics.usual_shot_v2_per_hz + 3e-4
    shared = state.light().matrix() * np.outer(gain, gain)
    return np.asarray((shared + np.diag(own)) * np.outer(late.conj(), late))


def quiet(offset_hz: NDArray[np.float64], state: DetectorState) -> NDArray[np.bool_]:
    away = np.abs(offset_hz[:, None] + CENTER_HZ - state.modes.f0_hz).min(axis=1)
    return np.asarray(away > 3e3)


@pytest.mark.parametrize(
    "state",
    [
        state_of(delay_s=DELAYS_S),
        state_of(angle_rad=np.array([0.1, -0.2, 0.4, np.pi])),
        replace(state_of(2), shot_v2_per_hz=state_of(2).shot_v2_per_hz * np.array([0.5, 1.0])),
        state_of(1),
        without_signal(state_of(3)),
    ],
    ids=["delays", "angles", "weak local oscillator", "one detector", "shot noise"],
)
def test_every_element_of_the_cross_spectral_matrix_is_the_closed_form(state: DetectorState) -> None:
    offset, transforms = spectra(Baseband(state, 7, CENTER_HZ, WIDE_HZ), 8)
    found, averages = matrix_of(transforms[:, :, quiet(offset, state)])
    check_matrix(found, expected_matrix(state), averages, CONFIDENCE)


def test_every_element_on_a_resonance_is_the_closed_form() -> None:
    state = state_of(delay_s=DELAYS_S)
    stream = Baseband(state, 3).around(1, NARROW_HZ)
    offset, transforms = spectra(stream, 12)
    for low, high in ((-4.0, 4.0), (-60.0, -50.0), (200.0, 400.0)):
        inside = (offset >= low) & (offset < high)
        expected = expected_matrix(state, stream.center_hz)
        expected[1, 1] += 5.0 * np.mean(lorentzian(offset[inside], 0.0, 41.0))
        found, averages = matrix_of(transforms[:, :, inside])
        check_matrix(found, expected, averages, CONFIDENCE)


@pytest.mark.parametrize("rate_hz", [NARROW_HZ, 10e3])
def test_a_line_keeps_its_shape_at_low_rates(rate_hz: float) -> None:
    state, blocks = state_of(1), 50
    stream = replace(Baseband(state, 5), center_hz=float(state.modes.f0_hz[0]) + 300.0, sample_rate_hz=rate_hz)
    offset, transforms = spectra(stream, blocks)
    expected = state.light().marginal()[0] + DARK + 5.0 * lorentzian(offset, -300.0, 41.0)
    ratio = np.mean(np.abs(transforms[:, 0]) ** 2, axis=0) / expected
    edges = [-1600.0, -600.0, -360.0, -325.0, -310.0, -290.0, -275.0, -240.0, 0.0, 1600.0]
    for low, high in itertools.pairwise(edges):
        inside = (offset >= low) & (offset < high)
        bounds = chi_square_interval(blocks * np.count_nonzero(inside), 1.0 - (1.0 - CONFIDENCE) / len(edges))
        assert bounds[0] < ratio[inside].mean() < bounds[1], f"{low} to {high} Hz"


def loud(f0_hz: float, gamma_hz: float) -> DetectorState:
    """Return one detector whose mode is all that one sees of it."""
    state = state_of(1, f0_hz=f0_hz)
    peak = 1e10 / gamma_hz
    return replace(state, modes=replace(state.modes, gamma_hz=np.array([gamma_hz]), peak_to_shot=np.array([peak])))


def test_the_memory_of_a_mode_is_its_linewidth() -> None:
    """From sample to sample and over several, across the ends of blocks too."""
    stream = Baseband(loud(CENTER_HZ + 100.0, 400.0), 3, CENTER_HZ, NARROW_HZ)
    samples = np.concatenate(list(stream.blocks(40)), axis=1)[0].astype(complex)
    for lag in (1, 4, 12):
        expected = np.exp((2j * np.pi * 100.0 - np.pi * 400.0) * lag / NARROW_HZ)
        found = np.mean(samples[lag:] * samples[:-lag].conj()) / np.mean(np.abs(samples) ** 2)
        assert abs(found - expected) < 4.0 * np.sqrt(NARROW_HZ / (np.pi * 400.0) / samples.size)


def test_a_mode_does_not_know_where_blocks_end() -> None:
    stream = Baseband(loud(CENTER_HZ + 2.7, 1e-3), 3, CENTER_HZ, NARROW_HZ)
    samples = np.concatenate(list(stream.blocks(3)), axis=1)[0]
    turned = samples * np.exp(-2j * np.pi * 2.7 / NARROW_HZ * np.arange(samples.size))
    assert np.abs(np.diff(turned)).max() < 0.01 * np.abs(turned).mean()


def test_a_pair_of_modes_is_two_lines() -> None:
    state = state_of(1, f0_hz=CENTER_HZ)
    modes = state.modes
    pair = replace(
        state,
        modes=replace(
            modes,
            sensor=np.zeros(2, dtype=np.intp),
            f0_hz=np.array([CENTER_HZ, CENTER_HZ + 400.0]),
            gamma_hz=np.full(2, 41.0),
            peak_to_shot=np.array([5.0, 0.75]),
        ),
    )
    offset, transforms = spectra(Baseband(pair, 4, CENTER_HZ, NARROW_HZ), 20)
    power = np.mean(np.abs(transforms[:, 0]) ** 2, axis=0)
    for place, height in ((0.0, 5.0), (400.0, 0.75)):
        inside = np.abs(offset - place) < 20.0
        expected = pair.light().marginal()[0] + DARK + height * lorentzian(offset[inside], place, 41.0)
        low, high = chi_square_interval(20 * np.count_nonzero(inside), CONFIDENCE)
        assert low < np.mean(power[inside] / expected) < high


def test_phase_noise_is_that_of_the_closed_form_and_slow() -> None:
    """Common phase noise raises the sum, private noise lowers what detectors share; a block shows one phase of many."""
    for common, private in ((0.15, 0.0), (0.0, 0.3)):
        state = without_modes(state_of(4, common_jitter_rad=common, private_jitter_rad=private))
        stream = Baseband(state, 9, CENTER_HZ, 2e3)
        power = np.array([np.abs(block.sum(axis=0)) ** 2 / 4.0 for block in stream.blocks(30)])
        found = power.mean()
        # Samples are independent but for the phase, which 1 / (2 pi 200 Hz) makes anew.
        spread = power.reshape(30 * 64, -1).mean(axis=1).std() / np.sqrt(30 * 64)
        expected = float(state.light().weighted_sum(np.ones(4))) + DARK
        assert found == pytest.approx(expected, abs=3.5 * spread)
        assert expected > 1.15 * (float(state_of(4).light().weighted_sum(np.ones(4))) + DARK)


def test_a_private_phase_lowers_the_line_of_its_sensor() -> None:
    state = state_of(1, private_jitter_rad=0.5, f0_hz=CENTER_HZ)
    assert state.mode_peaks()[0] == pytest.approx(5.0 * 0.5 * (1.0 + np.exp(-0.5)))
    _, transforms = spectra(Baseband(state, 2, CENTER_HZ, NARROW_HZ), 40)
    _, still = spectra(Baseband(without_modes(state), 2, CENTER_HZ, NARROW_HZ), 40)
    area = np.mean(np.abs(transforms) ** 2) - np.mean(np.abs(still) ** 2)
    expected = state.mode_peaks()[0] * 0.5 * np.pi * 41.0 / NARROW_HZ
    seconds = 40 * BLOCK_SAMPLES / NARROW_HZ
    # Both have the same light, sample by sample; the area of a line is known to 1 / sqrt(pi Gamma T).
    assert area == pytest.approx(expected, rel=3.5 * (1.0 / np.sqrt(np.pi * 41.0 * seconds) + 0.01))


@pytest.mark.parametrize(
    ("modulation", "angle_rad", "share"),
    [
        (Modulation.PHASE, 0.0, 1.0),
        (Modulation.PHASE, 0.5 * np.pi, 0.0),
        (Modulation.PHASE, np.pi, -1.0),
        (Modulation.AMPLITUDE, 0.0, 0.0),
        (Modulation.AMPLITUDE, 0.1, 0.5 * np.sin(0.1)),
    ],
)
def test_a_tone_is_coherent_and_turns_with_the_angle(modulation: Modulation, angle_rad: float, share: float) -> None:
    tone = ProbeTone(modulation, CENTER_HZ + 250.0, 1e-4, 0.3)
    state = replace(
        without_modes(state_of(2, angle_rad=np.array([angle_rad, 0.0]), delay_s=[0.0, 20e-9])), tones=(tone,)
    )
    stream = Baseband(state, 6, CENTER_HZ, NARROW_HZ)
    samples = np.concatenate(list(stream.blocks(2)), axis=1)
    reference = np.exp(2j * np.pi * 250.0 / NARROW_HZ * np.arange(samples.shape[1]))
    volts = (
        np.sqrt(2.0 * state.electronics.usual_shot_v2_per_hz * NARROW_HZ)
        * (samples @ reference.conj())
        / len(reference)
    )
    rms = np.sqrt(np.mean(np.abs(samples) ** 2, axis=1) * state.electronics.usual_shot_v2_per_hz * NARROW_HZ * 2)
    bound = 4.0 * rms.max() / np.sqrt(len(reference))
    sine = -1j * np.exp(0.3j)  # sin(w t + 0.3) as the real part of a turning number
    per_rad = state.fringe_v[0]
    assert abs(volts[0] - share * 1e-4 * per_rad * sine) < bound
    assert abs(share) < 0.04 or abs(share) * 1e-4 * per_rad > 5.0 * bound
    if modulation is Modulation.PHASE:
        late = np.exp(-2j * np.pi * tone.frequency_hz * 20e-9)
        assert abs(volts[1] - 1e-4 * per_rad * sine * late) < bound


def test_units_are_shot_noise_and_can_be_made_volts() -> None:
    state = without_signal(state_of(2, gain=[1.0, 2.0], dark=0.1))
    stream = Baseband(state, 1)
    samples = np.concatenate(list(stream.blocks(10)), axis=1)
    low, high = chi_square_interval(samples.shape[1], CONFIDENCE)
    power = np.mean(np.abs(samples) ** 2, axis=1) / (1.1 + 3e-4 / np.array([1.0, 4.0]))
    assert ((low < power) & (power < high)).all()
    at_center = 1.0 / np.sqrt(1.0 + (CENTER_HZ / 20e6) ** 2)
    shot_v = at_center * np.sqrt(state.electronics.usual_shot_v2_per_hz * WIDE_HZ)
    assert stream.volts_per_unit() == pytest.approx(shot_v)


def test_a_dark_detector_has_its_dark_noise_alone() -> None:
    state = without_signal(state_of(2, dark=0.02))
    state = replace(state, shot_v2_per_hz=np.zeros(2))
    samples = np.concatenate(list(Baseband(state, 1).blocks(10)), axis=1)
    low, high = chi_square_interval(samples.shape[1], CONFIDENCE)
    power = np.mean(np.abs(samples) ** 2, axis=1) / (0.02 + 3e-4)
    assert ((low < power) & (power < high)).all()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads() -> None:
    state = state_of(3, common_jitter_rad=0.1, private_jitter_rad=0.05)
    one, two, three = ([block.tobytes() for block in Baseband(state, 8).blocks(5, workers)] for workers in (1, 2, 3))
    assert one == two == three
    assert len(set(one)) == 5
    assert one[0] != next(Baseband(state, 9).blocks(1)).tobytes()


def test_more_blocks_begin_as_fewer_do() -> None:
    stream = Baseband(state_of(2), 8)
    few = [block.copy() for block in stream.blocks(2)]
    more = list(itertools.islice(stream.blocks(), 4))
    assert all((a == b).all() for a, b in zip(few, more, strict=False))


def test_a_stream_that_is_left_leaves_no_thread() -> None:
    endless = Baseband(state_of(2), 8).blocks()
    assert next(endless).dtype == np.complex64
    assert any(thread.name.startswith("baseband") for thread in threading.enumerate())
    endless.close()
    assert not any(thread.name.startswith("baseband") for thread in threading.enumerate())


@pytest.mark.parametrize("detectors", [1, 2, 64])
def test_any_number_of_detectors(detectors: int) -> None:
    state = without_modes(state_of(detectors))
    block = next(Baseband(state, 1).blocks(1))
    assert block.shape == (detectors, BLOCK_SAMPLES)
    low, high = chi_square_interval(BLOCK_SAMPLES, CONFIDENCE)
    joint = np.mean(np.abs(block.sum(axis=0)) ** 2) / detectors
    assert low < joint / (float(state.light().weighted_sum(np.ones(detectors))) + DARK) < high


def test_a_phase_holds_for_64_samples_and_for_less_at_low_rates() -> None:
    state = state_of(1)
    assert [Baseband(state, 1, CENTER_HZ, rate).hold for rate in (250e3, 10e3, 5e3)] == [64, 2, 1]
