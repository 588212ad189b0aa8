"""Two-mirror cavity: free spectral range, Airy line, linewidth, and the Pound-Drever-Hall error signal.

`survival` is the amplitude that is left after one round trip, |r1 r2| with losses, between 0 and 1. Detunings and
linewidths (FWHM) are in the unit of `fsr`: Hz, or m of cavity length where the free spectral range is lambda / 2.
References: Siegman, Lasers, ch. 11; Ismail et al., Opt. Express 24, 16366 (2016); Black, Am. J. Phys. 69, 79 (2001).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S, Real


def free_spectral_range_hz(optical_length_m: Real) -> NDArray[np.float64]:
    """Return c / 2L in Hz for a standing-wave cavity of one-way optical length L."""
    return np.asarray(SPEED_OF_LIGHT_M_PER_S / (2.0 * optical_length_m))


def airy_finesse(survival: Real) -> NDArray[np.float64]:
    """Return FSR over the FWHM of the Airy line, pi / (2 asin((1 - rho) / (2 sqrt rho))): exact at any finesse.

    A line with a half maximum exists for a survival above 3 - 2 sqrt 2 = 0.172.
    """
    return np.asarray(0.5 * np.pi / np.arcsin((1.0 - survival) / (2.0 * np.sqrt(survival))))


def peak_finesse(survival: Real) -> NDArray[np.float64]:
    """Return pi sqrt(rho) / (1 - rho): what `airy_transmission` takes; the Airy finesse where that is high."""
    return np.asarray(np.pi * np.sqrt(survival) / (1.0 - survival))


def airy_linewidth(survival: Real, fsr: Real) -> NDArray[np.float64]:
    """Return the FWHM of the Airy line: what a scan of laser or length shows."""
    return np.asarray(fsr / airy_finesse(survival))


def decay_linewidth(survival: Real, fsr: Real) -> NDArray[np.float64]:
    """Return -FSR ln(rho) / pi: the decay rate of the stored energy over 2 pi."""
    return np.asarray(-fsr * np.log(survival) / np.pi)


def small_loss_linewidth(survival: Real, fsr: Real) -> NDArray[np.float64]:
    """Return FSR (1 - rho^2) / 2 pi, loss per round trip over 2 pi: the textbook form, for high finesse only."""
    return np.asarray(fsr * (1.0 - np.square(survival)) / (2.0 * np.pi))


def escape_efficiency(transmission: Real, loss: Real) -> NDArray[np.float64]:
    """Return T / (T + L): the share of the stored light that leaves through the coupler, powers per round trip."""
    return np.asarray(transmission / (transmission + loss))


def airy_transmission(detuning: ArrayLike, fsr: float, finesse: float) -> NDArray[np.float64]:
    """Return the power transmitted relative to its peak, 1 / (1 + (2 F / pi)^2 sin^2(pi d / FSR)), F `peak_finesse`."""
    phase = np.pi * np.asarray(detuning, dtype=float) / fsr
    return np.asarray(1.0 / (1.0 + (2.0 * finesse / np.pi * np.sin(phase)) ** 2))


def cavity_reflection(detuning_hz: ArrayLike, fsr_hz: float, r_in: float, r_rest: float) -> NDArray[np.complex128]:
    """Return the amplitude reflectivity (r1 - r2 e^{ip}) / (1 - r1 r2 e^{ip}), p = 2 pi d / FSR, of a two-mirror
    cavity."""
    turn = np.exp(2j * np.pi * np.asarray(detuning_hz, dtype=float) / fsr_hz)
    return np.asarray((r_in - r_rest * turn) / (1.0 - r_in * r_rest * turn))


def pound_drever_hall_error(
    detuning_hz: ArrayLike, modulation_hz: float, fsr_hz: float, r_in: float, r_rest: float
) -> NDArray[np.float64]:
    """Return the demodulated error -2 Im[F(d) F*(d + O) - F*(d) F(d - O)] for unit carrier-sideband power product.

    F is `cavity_reflection`, O = `modulation_hz`. Zero on resonance; further zeros of opposite slope at d = +-O.
    """
    d = np.asarray(detuning_hz, dtype=float)
    carrier = cavity_reflection(d, fsr_hz, r_in, r_rest)
    upper = cavity_reflection(d + modulation_hz, fsr_hz, r_in, r_rest)
    lower = cavity_reflection(d - modulation_hz, fsr_hz, r_in, r_rest)
    return np.asarray(-2.0 * np.imag(carrier * upper.conj() - carrier.conj() * lower))
