"""g0 / kappa from thermal motion and a phase tone of known depth in the same trace.

The tone, on the probe alone, turns the trace into phase: S_phi = (S / S_tone) (beta^2 / 2) / ENBW, one-sided. Then
<phi^2> = (pi/2) S_phi(f0) Gamma is the thermal phase variance and 4 g0 / kappa = sqrt(<phi^2> / (2 n_th)), whatever
the mass (M. Gorodetsky et al., Opt. Express 18, 23236 (2010)). Only the ratio can be measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.mechanical_mode import ModeFit, ModeGuess, fit_mode
from labctl.physics.constants import BOLTZMANN_J_PER_K, PLANCK_J_S
from labctl.spectra.acquisition import GAUSSIAN_SIGMA_PER_RBW, HANN_ENBW_BINS, Acquisition, FilterShape, FloatArray
from labctl.spectra.trace import Averaging, Band, Spectrum

TONE_REACH_RBW = 1.5
"""Points this close to the tone are read for it and left out of the mode; a Gaussian filter is 27 dB down there."""
FEWEST_LINEWIDTHS_AWAY = 2.0
CLEAR_TONE_SIGMAS = 5.0


@dataclass(frozen=True)
class CalibrationTone:
    """A phase modulation of the probe: its frequency in Hz and `depth_rad`, the peak phase beta in rad."""

    frequency_hz: float
    depth_rad: Estimate


@dataclass(frozen=True, eq=False)
class OptomechanicalCoupling:
    """`g0_over_kappa`; the thermal `phase_variance` (rad^2), the `tone`'s height and the mode (units of shot noise)."""

    g0_over_kappa: Estimate
    phase_variance: Estimate
    thermal_occupation: Estimate
    tone: Estimate
    mode: ModeFit
    reason: str = ""

    def g0_hz(self, kappa_hz: Estimate) -> Estimate:
        """g0 / 2 pi in Hz for a linewidth in Hz (FWHM), spot averaging and efficiency of the transduction included."""
        value = self.g0_over_kappa.value * kappa_hz.value
        sigma = value * math.hypot(self.g0_over_kappa.relative_sigma, kappa_hz.relative_sigma)
        return Estimate(value, sigma, "Hz", "g0 / 2 pi as probed")


def fit_coupling(
    spectrum: Spectrum,
    tone: CalibrationTone,
    temperature_k: Estimate,
    *,
    guess: ModeGuess | None = None,
    exclude: tuple[Band, ...] = (),
) -> OptomechanicalCoupling:
    """g0 / kappa from one power-averaged spectrum relative to shot noise that holds one mode and the tone.

    The mode is fitted without the points at the tone and in `exclude` (other tones, a doublet's second member), its
    filter taken out; the tone is read above the fitted floor and skirt, in the equivalent noise bandwidth.
    Raises AnalysisRefused for what `fit_mode` refuses, log averages (which lower noise by 2.51 dB and tones not at
    all), a tone outside the trace, on the mode or not clear of noise, and a depth or temperature that is not positive.
    """
    acquisition = spectrum.acquisition
    if acquisition.averaging in (Averaging.LOG, Averaging.VOLTAGE):
        raise AnalysisRefused(
            f"{spectrum.name} is a {acquisition.averaging} average: noise reads low in it and the tone does not.",
            remedy="Use power averaging; a log average cannot be corrected where there is a tone.",
        )
    if tone.depth_rad.value <= 0 or temperature_k.value <= 0:
        raise AnalysisRefused(f"Depth {tone.depth_rad} and temperature {temperature_k} must be positive.")
    reach = TONE_REACH_RBW * max(acquisition.rbw_hz, spectrum.spacing_hz)
    at = tone.frequency_hz
    f = spectrum.frequency_hz
    if not f[0] + reach < at < f[-1] - reach:
        raise AnalysisRefused(f"The tone at {at:g} Hz is not within {spectrum.name}.", remedy="Record a wider span.")
    around = (at - reach, at + reach)
    mode = fit_mode(spectrum.within((float(f[0]), float(f[-1])), (around, *exclude)), guess=guess)
    if abs(at - mode.f0_hz.value) < FEWEST_LINEWIDTHS_AWAY * math.hypot(mode.gamma_hz.value, reach):
        raise AnalysisRefused(
            f"The tone at {at:g} Hz lies on the mode at {mode.f0_hz.value:.7g} Hz.",
            remedy="Put the tone 200 to 500 Hz away.",
        )
    height = tone_height(spectrum, at, mode.model(f, acquisition))
    occupation = thermal_occupation(mode.f0_hz, temperature_k)
    variance = phase_variance(mode, height, tone.depth_rad, acquisition)
    ratio = math.sqrt(variance.value / (2 * occupation.value)) / 4
    sigma = ratio / 2 * math.hypot(variance.relative_sigma, occupation.relative_sigma)
    return OptomechanicalCoupling(
        Estimate(ratio, sigma, "", "g0 / kappa, both in the same unit, from a phase tone"),
        variance,
        occupation,
        height,
        mode,
        mode.reason,
    )


def thermal_occupation(f0_hz: Estimate, temperature_k: Estimate) -> Estimate:
    """n_th = kB T / (h f0), far above 1."""
    value = BOLTZMANN_J_PER_K * temperature_k.value / (PLANCK_J_S * f0_hz.value)
    return Estimate(value, value * math.hypot(temperature_k.relative_sigma, f0_hz.relative_sigma), "", "kB T / h f0")


def phase_variance(mode: ModeFit, tone_height: Estimate, depth_rad: Estimate, acquisition: Acquisition) -> Estimate:
    """Thermal phase variance in rad^2: (pi/2) A Gamma / height (beta^2 / 2) / ENBW, A and height in the same unit.

    A and Gamma vary against each other; their covariance is used, so the area is known better than either.
    """
    a, gamma = mode.peak_to_floor, mode.gamma_hz
    i, j = mode.names.index("peak_to_floor"), mode.names.index("gamma_hz")
    together = 2 * float(mode.covariance[i, j]) / (a.value * gamma.value)
    area = max(a.relative_sigma**2 + gamma.relative_sigma**2 + together, 0.0)
    value = math.pi / 4 * a.value * gamma.value * depth_rad.value**2 / (tone_height.value * acquisition.enbw_hz)
    relative = math.hypot(math.sqrt(area), tone_height.relative_sigma, 2 * depth_rad.relative_sigma)
    return Estimate(value, value * relative, "rad^2", "thermal phase variance of the mode")


def tone_height(spectrum: Spectrum, frequency_hz: float, noise: FloatArray) -> Estimate:
    """Displayed height of a steady tone above the `noise` (n,) expected at each point, in the spectrum's own unit.

    Points within the filter, weighted by their information: the power of tone T plus noise S, averaged over K, varies
    by (S^2 + 2 S T) / K. Refuses a tone that is not 5 sigma clear of noise.
    """
    acquisition = spectrum.acquisition
    reach = TONE_REACH_RBW * max(acquisition.rbw_hz, spectrum.spacing_hz)
    near = np.abs(spectrum.frequency_hz - frequency_hz) <= reach
    f, excess, s = spectrum.frequency_hz[near], spectrum.values[near] - noise[near], noise[near]
    shape = _filter_response(f - frequency_hz, acquisition)
    height = float(excess[np.argmax(shape)])
    sigma = math.inf
    for _ in range(3):  # the weights depend on the height
        deviation = np.sqrt((s**2 + 2 * s * max(height, 0.0) * shape) / acquisition.effective_k)
        weighted = shape / deviation**2
        information = float(weighted @ shape)
        height = float(weighted @ excess) / information
        pull = shape / deviation
        sigma = math.sqrt(float(pull @ acquisition.correlated_sum(f, pull))) / information
    if not height > CLEAR_TONE_SIGMAS * sigma:
        raise AnalysisRefused(
            f"The tone at {frequency_hz:g} Hz is not clear of noise: {height:.3g} +- {sigma:.2g}.",
            remedy="Modulate deeper, or check its frequency.",
        )
    return Estimate(height, sigma, str(spectrum.unit), "steady tone above noise")


def _filter_response(offset_hz: FloatArray, acquisition: Acquisition) -> FloatArray:
    """Displayed power of a tone `offset_hz` away relative to that on it."""
    if acquisition.filter_shape is FilterShape.GAUSSIAN:
        sigma = GAUSSIAN_SIGMA_PER_RBW * acquisition.rbw_hz
        return np.asarray(np.exp(-0.5 * (offset_hz / sigma) ** 2))
    if acquisition.filter_shape is FilterShape.BOXCAR:
        return np.asarray(np.sinc(offset_hz / acquisition.enbw_hz) ** 2)
    bins = offset_hz * HANN_ENBW_BINS / acquisition.enbw_hz
    return np.asarray((np.sinc(bins) + 0.5 * (np.sinc(bins - 1) + np.sinc(bins + 1))) ** 2)
