"""Unity gain, delay, resonance and margin of loops that are known, from spectra and sines drawn with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.loop_gain import LoopGainFit, LoopModel, Resonance, gain_from_noise, propose_gain
from labctl.estimation.loop_noise import NoiseSpectrum
from labctl.estimation.swept_sine import gain_from_swept_sine, sine_response
from labctl.spectra.acquisition import Acquisition

BIN_HZ = 15.0
FREQUENCY_HZ = np.arange(2, 3800) * BIN_HZ
BAND = (30.0, 55e3)
SIGMAS = 4.5
PIEZO = Resonance(40e3, 5.0)


def drawn(psd: np.ndarray, k: int, seed: int) -> NoiseSpectrum:
    """Return a spectrum with K averages about `psd`; bins independent."""
    rng = np.random.default_rng(seed)
    measured = psd * rng.gamma(k, 1.0 / k, psd.size)
    acquisition = Acquisition.of_hann_records(BIN_HZ, k)
    return NoiseSpectrum(FREQUENCY_HZ, measured, measured / math.sqrt(k), acquisition, "rad")


def pair(model: LoopModel, share: float, k: int = 40, seed: int = 1) -> tuple[NoiseSpectrum, NoiseSpectrum]:
    """Return what a loop leaves of 1/f^2 noise with a line, at full gain and at `share` of it."""
    path = 0.02 / FREQUENCY_HZ**2
    path[40] += 2e-3 / BIN_HZ
    gain = model.gain(FREQUENCY_HZ)
    full, other = (path / np.abs(1.0 + part * gain) ** 2 for part in (1.0, share))
    return drawn(full, k, 2 * seed), drawn(other, k, 2 * seed + 1)


def within(found: Estimate, wanted: float) -> bool:
    return abs(found.value - wanted) < SIGMAS * found.sigma


@pytest.mark.parametrize("share", [0.0, 0.35])
@pytest.mark.parametrize("unity_gain_hz", [500.0, 3e3])
def test_a_loop_is_found_from_its_noise(unity_gain_hz: float, share: float) -> None:
    model = LoopModel(unity_gain_hz, 5e-6)
    fit = gain_from_noise(*pair(model, share), share, BAND)
    assert within(fit.unity_gain, unity_gain_hz)
    assert fit.unity_gain.relative_sigma < 0.07
    assert within(fit.delay, 5e-6)
    assert within(fit.phase_margin, 90.0 - 360.0 * unity_gain_hz * 5e-6)
    assert fit.reason == ""
    assert fit.model.resonance is None


def test_a_resonance_is_found_where_there_is_one() -> None:
    model = LoopModel(3e3, 2e-6, PIEZO)
    fit = gain_from_noise(*pair(model, 0.35), 0.35, BAND)
    assert fit.model.resonance is not None
    assert within(fit.parameters["resonance"], 40e3)
    assert within(fit.parameters["quality"], 5.0)
    assert within(fit.unity_gain, model.unity_gain_hz())
    assert within(fit.phase_margin, model.phase_margin_deg())


def test_uncertainties_are_those_of_the_scatter() -> None:
    fits = [gain_from_noise(*pair(LoopModel(2e3, 5e-6), 0.35, seed=s), 0.35, BAND) for s in range(12)]
    pulls = np.array([(fit.unity_gain.value - 2e3) / fit.unity_gain.sigma for fit in fits])
    assert abs(pulls.mean()) < SIGMAS / math.sqrt(12)
    assert 0.4 < pulls.std(ddof=1) < 1.8


def test_data_without_a_loop_are_refused() -> None:
    nothing = LoopModel(1e-3, 0.0)
    with pytest.raises(AnalysisRefused, match="unity gain"):
        gain_from_noise(*pair(nothing, 0.35), 0.35, BAND)
    with pytest.raises(AnalysisRefused, match="too alike"):
        gain_from_noise(*pair(LoopModel(3e3, 0.0), 0.9), 0.9, BAND)
    full, other = pair(LoopModel(3e3, 0.0), 0.35)
    with pytest.raises(AnalysisRefused, match="too short"):
        gain_from_noise(full.within((30.0, 150.0)), other.within((30.0, 150.0)), 0.35, (30.0, 150.0))
    coarse = Acquisition.of_hann_records(2.0 * BIN_HZ, 10)
    half = NoiseSpectrum(FREQUENCY_HZ[::2], other.psd[::2], other.point_sigma[::2], coarse, "rad")
    with pytest.raises(AnalysisRefused, match="different frequencies"):
        gain_from_noise(full, half, 0.35, BAND)


@given(st.floats(100.0, 2e4), st.floats(0.0, 1e-5))
@settings(max_examples=50, derandomize=True)
def test_margins_of_an_integrator_with_delay(unity_gain_hz: float, delay_s: float) -> None:
    model = LoopModel(unity_gain_hz, delay_s)
    assert model.unity_gain_hz() == pytest.approx(unity_gain_hz, rel=1e-6)
    assert model.phase_margin_deg() == pytest.approx(90.0 - 360.0 * unity_gain_hz * delay_s, abs=1e-4)


def fit_of(unity_gain_hz: float, delay_s: float, delay_sigma_s: float, resonance: Resonance | None) -> LoopGainFit:
    return LoopGainFit(
        parameters={
            "integrator": Estimate(unity_gain_hz, 10.0, "Hz"),
            "unity_gain": Estimate(unity_gain_hz, 10.0, "Hz"),
            "delay": Estimate(delay_s, delay_sigma_s, "s"),
            "phase_margin": Estimate(80.0, 1.0, "deg"),
        },
        covariance=np.eye(2),
        names=("ln integrator", "delay in us"),
        chi2_per_dof=1.0,
        p_value=0.5,
        model=LoopModel(unity_gain_hz, delay_s, resonance),
    )


def test_the_delay_bounds_the_gain_of_a_slow_loop() -> None:
    proposal = propose_gain(fit_of(500.0, 50e-6, 1e-6, None))
    assert proposal.unity_gain_hz == pytest.approx(45.0 / 360.0 / 52e-6)
    assert proposal.phase_margin_deg == pytest.approx(45.0, abs=0.1)
    assert proposal.factor == pytest.approx(proposal.unity_gain_hz / 500.0)
    assert "phase margin" in proposal.bound


def test_the_resonance_bounds_the_gain_of_a_fast_one() -> None:
    proposal = propose_gain(fit_of(4e3, 2e-6, 0.1e-6, PIEZO))
    assert proposal.unity_gain_hz == pytest.approx(40e3 / 15.0)
    assert proposal.factor < 1.0
    assert "resonance" in proposal.bound
    assert proposal.phase_margin_deg > 45.0
    # At the resonance itself the gain is a third, whatever the delay.
    limited = LoopModel(proposal.unity_gain_hz, 0.0, PIEZO)
    assert abs(complex(limited.gain(40e3))) == pytest.approx(1.0 / 3.0, rel=1e-6)


def test_a_loop_with_no_known_bound_gets_no_proposal() -> None:
    with pytest.raises(AnalysisRefused, match="bound no gain"):
        propose_gain(fit_of(1e3, 1e-6, 2e-6, None))
    assert propose_gain(fit_of(1e3, 1e-6, 2e-6, None), resonance=PIEZO).unity_gain_hz == pytest.approx(40e3 / 15.0)


RATE_HZ = 1e6


def answer(model: LoopModel, slope: float, frequency_hz: float, noise: float, seed: int) -> np.ndarray:
    """Return records of the error signal with a sine of 1 mV injected at the actuator."""
    gain = complex(model.gain(frequency_hz))
    response = slope * gain * (1j * frequency_hz / model.integrator_hz) / (1.0 + gain)
    time = np.arange(16384) / RATE_HZ
    clean = 1e-3 * np.imag(response * np.exp(2j * math.pi * frequency_hz * time))
    return clean + noise * np.random.default_rng(seed).standard_normal((3, 16384))


def test_a_sine_is_measured_with_its_uncertainty() -> None:
    pulls = []
    for seed in range(40):
        found = sine_response(answer(LoopModel(1e3, 0.0), 2.0, 1.5e3, 1e-3, seed), RATE_HZ, 1.5e3, 1e-3)
        wanted = 2.0 / (1.0 + 1e3 / 1.5e3 / 1j)
        pulls += [(found.response - wanted).real / found.sigma, (found.response - wanted).imag / found.sigma]
    assert abs(np.mean(pulls)) < SIGMAS / math.sqrt(80)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("slope", [2.0, -30.0])
@pytest.mark.parametrize("unity_gain_hz", [600.0, 1.5e3])
def test_a_swept_sine_shows_gain_and_margin(unity_gain_hz: float, slope: float) -> None:
    model = LoopModel(unity_gain_hz, 8e-6)
    frequency = 1e3 * np.geomspace(0.35, 4.0, 9)
    found = [
        sine_response(answer(model, slope, f, 1e-4 * abs(slope), k), RATE_HZ, f, 1e-3) for k, f in enumerate(frequency)
    ]
    fit = gain_from_swept_sine(frequency, np.array([r.response for r in found]), np.array([r.sigma for r in found]))
    assert within(fit.unity_gain, unity_gain_hz)
    assert fit.unity_gain.relative_sigma < 0.05
    assert within(fit.phase_margin, 90.0 - 360.0 * unity_gain_hz * 8e-6)


def test_a_clock_that_is_off_is_told_of_in_gain_and_delay() -> None:
    model = LoopModel(1e3, 8e-6)
    frequency = np.geomspace(350.0, 4e3, 9)
    late = np.exp(-2j * math.pi * frequency * 4e-6)
    gain = model.gain(frequency)
    response = late * gain * (1j * frequency / 1e3) / (1.0 + gain)
    fit = gain_from_swept_sine(frequency, response, np.full(9, 1e-3), clock_sigma_s=4e-6)
    assert abs(fit.unity_gain.value - 1e3) > 15.0  # it is wrong, and says so
    assert abs(fit.unity_gain.value - 1e3) < 2.0 * fit.unity_gain.sigma
    assert abs(fit.delay.value - 8e-6) < 2.0 * fit.delay.sigma


def test_sines_that_say_nothing_are_refused() -> None:
    with pytest.raises(AnalysisRefused, match="periods"):
        sine_response(np.zeros((1, 100)), 1e3, 10.0, 1.0)
    with pytest.raises(AnalysisRefused, match="6 frequencies"):
        gain_from_swept_sine(np.array([1.0, 2.0]), np.array([1j, 1j]), np.ones(2))
    frequency = np.geomspace(350.0, 4e3, 9)
    flat = np.ones(9, complex)
    with pytest.raises(AnalysisRefused, match="unity gain"):
        gain_from_swept_sine(frequency, flat, np.full(9, 0.1))
