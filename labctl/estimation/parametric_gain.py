"""Pump parameter and gain of a parametric amplifier from the seed: x = sqrt(P / P_threshold).

The seed's power against pump phase is G(theta) = (1 + x^2 + 2 x cos theta) / (1 - x^2)^2, a fringe whose amplitude over
offset is 2x / (1 + x^2) and whose extremes are 1/(1-x)^2 and 1/(1+x)^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import FringeFit
from labctl.estimation.fringe_crests import fringe_crests
from labctl.spectra.acquisition import FloatArray

SMALLEST_CLEAR_GAIN_SIGMAS = 3.0


@dataclass(frozen=True)
class ParametricGain:
    """Pump parameter `x`, and the power gains of the seed at either phase."""

    x: Estimate

    @property
    def amplification(self) -> Estimate:
        """1 / (1 - x)^2."""
        gain = 1 / (1 - self.x.value) ** 2
        sigma = 2 * gain / (1 - self.x.value) * self.x.sigma
        return Estimate(gain, sigma, "", "amplification of the seed, power ratio")

    @property
    def deamplification(self) -> Estimate:
        """1 / (1 + x)^2."""
        gain = 1 / (1 + self.x.value) ** 2
        sigma = 2 * gain / (1 + self.x.value) * self.x.sigma
        return Estimate(gain, sigma, "", "de-amplification of the seed, power ratio")


def parametric_gain(fit: FringeFit) -> ParametricGain:
    """Pump parameter from the fringe of the seed against pump phase, dark level subtracted; needs no unpumped level.

    Refuses a fringe deeper than its level, which no gain below threshold makes.
    """
    ratio = fit.amplitude.value / fit.offset.value
    if not 0.0 < ratio < 1.0:
        raise AnalysisRefused(
            f"Amplitude over offset of the seed fringe is {ratio:.3f}, not between 0 and 1.",
            remedy="Subtract the detector's dark level, and check that the pump is below threshold.",
        )
    x = (1.0 - math.sqrt(1.0 - ratio**2)) / ratio
    together = fit.covariance[0, 1] / (fit.offset.value * fit.amplitude.value)
    relative = fit.amplitude.relative_sigma**2 + fit.offset.relative_sigma**2 - 2 * float(together)
    dx_dratio = (1.0 + x**2) ** 2 / (2.0 * (1.0 - x**2))
    sigma = dx_dratio * ratio * math.sqrt(max(relative, 0.0))
    return ParametricGain(Estimate(x, sigma, "", "x = sqrt(P / P_threshold), from the seed's fringe"))


def gain_of_scan(fit: FringeFit, volts: FloatArray, signal: FloatArray, dark_v: float = 0.0) -> ParametricGain:
    """Pump parameter from a scan of the pump phase, `volts` (n,) and `signal` (n,) in V, that `fit` describes.

    Taken from crests and troughs, one by one: the phase drifts while it is scanned, which bends offset and amplitude of
    a fringe with a steady phase, but not its extremes. `dark_v` is the reading without seed, in V. Refuses a scan with
    no whole crest and trough.
    """
    crest, trough = fringe_crests(fit, volts, signal)
    return gain_from_levels(
        Estimate(crest.value - dark_v, crest.sigma, "V"), Estimate(trough.value - dark_v, trough.sigma, "V")
    )


def gain_from_levels(amplified: Estimate, deamplified: Estimate) -> ParametricGain:
    """Pump parameter from the seed's power at its highest and lowest, dark level subtracted: x = (r - 1) / (r + 1),
    r = sqrt(G_max / G_min), whatever the unpumped power. Refuses levels that are not positive or not clearly apart."""
    if amplified.value <= 0 or deamplified.value <= 0:
        raise AnalysisRefused(f"The seed's levels must be positive, not {amplified} and {deamplified}.")
    apart = amplified.value - deamplified.value
    if apart <= SMALLEST_CLEAR_GAIN_SIGMAS * math.hypot(amplified.sigma, deamplified.sigma):
        raise AnalysisRefused(
            f"The seed at {amplified} and {deamplified} shows no gain.", remedy="Check oven temperature and pump power."
        )
    r = math.sqrt(amplified.value / deamplified.value)
    sigma_r = r / 2 * math.hypot(amplified.relative_sigma, deamplified.relative_sigma)
    x = Estimate((r - 1) / (r + 1), 2 * sigma_r / (r + 1) ** 2, "", "x = sqrt(P / P_threshold), from two levels")
    return ParametricGain(x)
