"""What one procedure leaves on the bench for another that works on the same data."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.estimation.cross_spectrum import ComplexArray, CrossSpectrum
from labctl.estimation.mechanical_mode import ModeFit
from labctl.spectra.trace import Spectrum


@dataclass(frozen=True, eq=False)
class JointRecords:
    """Cross-spectral matrices of all detectors, V^2/Hz, and those of the pieces of each signal record, (R, P, M, M) in
    a unit of their own."""

    signal: CrossSpectrum
    shot: CrossSpectrum
    dark: CrossSpectrum
    pieces: ComplexArray


@dataclass(frozen=True, eq=False)
class ModeSpectrum:
    """The spectrum of one sensor relative to shot noise, and the mode that was fitted to it."""

    spectrum: Spectrum
    mode: ModeFit
