"""Free spectral range, length and linewidth of a cavity.

A piezo scan gives half wavelengths and finesse, never a length: that needs light of another frequency. Either the laser
is tuned over fringes c / 2L apart (`fit_cavity_scan` on a wavelength or frequency axis gives fsr_hz and kappa_hz), or
two piezo scans are taken at laser frequencies a known step apart, and the fringes move by step / FSR between them.
"""

from __future__ import annotations

import math

from labctl.errors import AnalysisRefused
from labctl.estimation.cavity_scan import CavityScanFit
from labctl.estimation.estimate import Estimate
from labctl.physics.cavity import airy_finesse, airy_linewidth
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S

PIEZO_REPEATABILITY_FRINGES = 0.005
"""How well the same voltage gives the same length on two scans in the same direction."""
CLEAR_SHIFT_SIGMAS = 5.0


def linewidth_hz(survival: Estimate, fsr_hz: Estimate) -> Estimate:
    """Kappa in Hz (FWHM), FSR (2/pi) asin((1 - rho) / (2 sqrt rho)), rho = |r1 r2|, from independent estimates.

    Exact at any finesse, unlike the loss per round trip over 2 pi. Refuses rho without a half maximum (below 0.172).
    """
    rho = survival.value
    if not 3 - 2 * math.sqrt(2) < rho < 1:
        raise AnalysisRefused(f"An amplitude of {survival} left after a round trip gives no Airy linewidth.")
    width = 0.5 * math.pi / float(airy_finesse(rho))
    by_rho = (1 + rho) / (4 * rho**1.5 * math.cos(width) * width)
    kappa = float(airy_linewidth(rho, fsr_hz.value))
    sigma = kappa * math.hypot(by_rho * survival.sigma, fsr_hz.relative_sigma)
    return Estimate(kappa, sigma, "Hz", "FWHM of the Airy line, from the fitted reflectivity")


def cavity_length_m(fsr_hz: Estimate) -> Estimate:
    """Optical length c / 2 FSR in m."""
    if fsr_hz.value <= 0:
        raise AnalysisRefused(f"A free spectral range of {fsr_hz} has no length.")
    length = SPEED_OF_LIGHT_M_PER_S / (2 * fsr_hz.value)
    return Estimate(length, length * fsr_hz.relative_sigma, "m", "one way, optical, c / 2 FSR")


def fsr_from_piezo_scans(
    first: CavityScanFit,
    second: CavityScanFit,
    step_hz: Estimate,
    *,
    whole_fringes: int = 0,
    lengthens: bool = True,
    repeatability_fringes: float = PIEZO_REPEATABILITY_FRINGES,
) -> Estimate:
    """Free spectral range in Hz from two piezo scans in the same direction, the second with the laser `step_hz` higher.

    FSR = step / (shift + whole_fringes), the shift in fringes from 0 to 1 at the middle of what both scans cover;
    `lengthens`: the axis makes the cavity longer, so that a higher frequency resonates earlier. Refuses scans on
    different axes or ranges, a step of zero, and a shift that could be a whole fringe more or less.
    """
    if first.axis_unit != second.axis_unit or first.axis_unit == "Hz":
        raise AnalysisRefused(f"Two scans of one piezo are needed, not in {first.axis_unit} and {second.axis_unit}.")
    low, high = max(first.first, second.first), min(first.last, second.last)
    if not low < high:
        raise AnalysisRefused("The two scans have no voltage in common.", remedy="Scan the same range twice.")
    if step_hz.value == 0 or whole_fringes < 0:
        raise AnalysisRefused("The laser frequency must change between the scans, by fringes that are not negative.")
    at = (low + high) / 2
    before, after = first.phase_at(at), second.phase_at(at)
    sign = math.copysign(1.0, step_hz.value) * (1 if lengthens else -1)
    shift = sign * (after.value - before.value) / math.pi % 1.0
    sigma = math.hypot(before.sigma / math.pi, after.sigma / math.pi, repeatability_fringes)
    if not CLEAR_SHIFT_SIGMAS * sigma < shift < 1 - CLEAR_SHIFT_SIGMAS * sigma:
        raise AnalysisRefused(
            f"The fringes moved by {shift:.3f} +- {sigma:.2g} of a fringe, which may be a whole one or none.",
            remedy="Choose another frequency step.",
        )
    fringes = shift + whole_fringes
    fsr = abs(step_hz.value) / fringes
    relative = math.hypot(sigma / fringes, step_hz.relative_sigma)
    return Estimate(fsr, fsr * relative, "Hz", f"laser step over a shift of {fringes:.4f} fringes at {at:g}")
