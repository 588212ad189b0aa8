"""A thin dielectric membrane as the moving front mirror of a cavity, from the exact transfer matrix.

Light comes in through the membrane; a mirror of amplitude reflectivity `r_mirror` stands `gap_m` behind its back face.
Exact for any finesse, as long as the beam is a plane wave and nothing absorbs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import Real

Amplitude = complex | NDArray[np.complex128]
"""An amplitude reflectivity or transmissivity, or an array of them."""


def slab_amplitudes(
    refractive_index: Real, thickness_m: Real, wavelength_m: Real
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return (r, t) of a slab in vacuum, face to face: reflection as seen at a face, transmission between the faces.

    From the characteristic matrix [[cos d, -i sin(d)/n], [-i n sin d, cos d]], d = 2 pi n h / lambda (Born & Wolf,
    Principles of Optics, 1.6).
    """
    n = refractive_index
    d = 2.0 * np.pi * n * thickness_m / wavelength_m
    both = 2.0 * np.cos(d) - 1j * (n + 1.0 / n) * np.sin(d)
    return np.asarray(1j * (n - 1.0 / n) * np.sin(d) / both), np.asarray(2.0 / both)


def reflected_amplitude(
    r: Amplitude, t: Amplitude, r_mirror: Real, gap_m: Real, wavelength_m: Real
) -> NDArray[np.complex128]:
    """Return r + t^2 r2 e^{2ikl} / (1 - r r2 e^{2ikl}): membrane and mirror, as seen at the membrane's front face."""
    turn = _turn(gap_m, wavelength_m)
    return np.asarray(r + t**2 * r_mirror * turn / (1.0 - r * r_mirror * turn))


def transmitted_amplitude(
    r: Amplitude, t: Amplitude, r_mirror: Real, gap_m: Real, wavelength_m: Real
) -> NDArray[np.complex128]:
    """Return t t2 e^{ikl} / (1 - r r2 e^{2ikl}) behind a lossless mirror, t2 = sqrt(1 - r2^2)."""
    turn = _turn(gap_m, wavelength_m)
    single = np.exp(2j * np.pi * np.asarray(gap_m) / wavelength_m)
    return np.asarray(t * np.sqrt(1.0 - np.square(r_mirror)) * single / (1.0 - r * r_mirror * turn))


def front_mirror_phase_slope(
    r: Amplitude, t: Amplitude, r_mirror: Real, gap_m: Real, wavelength_m: Real
) -> NDArray[np.float64]:
    """Return d(phase of the reflected light)/dx in rad/m, x the membrane's displacement towards the mirror.

    The membrane moves and the mirror stays: r_tot = e^{2ikx} g(L - x), so the slope is 2k - Im(g'/g). On resonance with
    a perfect mirror it is -2k 2r/(1 - r), where the high-finesse form 4G/kappa (`adiabatic_phase_slope`) counts 30 %
    too much at r^2 = 0.3. It depends on the wavelength and r, not on the length of the cavity.
    """
    k = 2.0 * np.pi / wavelength_m
    back = r_mirror * _turn(gap_m, wavelength_m)
    g = r + t**2 * back / (1.0 - r * back)
    return np.asarray(2.0 * k * (1.0 - np.real(t**2 * back / ((1.0 - r * back) ** 2 * g))))


def adiabatic_phase_slope(frequency_hz: Real, length_m: Real, kappa_hz: Real) -> NDArray[np.float64]:
    """Return 4 G / kappa in rad/m, G = frequency / length: the high-finesse, bad-cavity transduction behind eq. (1)."""
    return np.asarray(4.0 * frequency_hz / (length_m * kappa_hz))


def resonant_gap_m(r: Amplitude, near_m: Real, wavelength_m: Real) -> NDArray[np.float64]:
    """Return the gap nearest to `near_m` at which the light adds up, 2 k l + arg(r) = 2 pi m, in front of a mirror with
    real r_mirror > 0."""
    half = 0.5 * wavelength_m
    offset = np.angle(r) / (2.0 * np.pi)
    return np.asarray((np.round(near_m / half + offset) - offset) * half)


def _turn(gap_m: Real, wavelength_m: Real) -> NDArray[np.complex128]:
    return np.asarray(np.exp(4j * np.pi * np.asarray(gap_m) / wavelength_m))
