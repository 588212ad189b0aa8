"""Stored traces as spectra with their conventions, ready for the estimators."""

from __future__ import annotations

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.spectra.acquisition import Acquisition, Averaging, Detector, FilterShape
from labctl.spectra.trace import Spectrum, Unit
from labctl.store.records import TraceRecord


def spectrum_of(trace: TraceRecord) -> Spectrum:
    """The spectrum (n,) of a stored trace; raises AnalysisRefused when it is no spectrum or lacks a convention."""
    found = trace.conventions
    try:
        acquisition = Acquisition(
            rbw_hz=float(found["rbw_hz"]),
            enbw_hz=float(found["enbw_hz"]),
            filter_shape=FilterShape(str(found["filter"])),
            averaging=Averaging(str(found["averaging"])),
            averages=int(found["averages"]),
            effective_k=float(found["effective_averages"]),
            vbw_hz=float(found["vbw_hz"]) if "vbw_hz" in found else None,
            detector=Detector(str(found["detector"])),
        )
        unit = Unit(trace.values_unit)
    except (KeyError, ValueError) as error:
        raise AnalysisRefused(f"Trace {trace.name} does not say how it was taken ({error}).") from error
    return Spectrum(trace.axis, trace.values, unit, acquisition, name=trace.name)


def cross_spectrum_of(trace: TraceRecord) -> CrossSpectrum:
    """The cross-spectral matrices (F, M, M), V^2/Hz, of a trace whose row j * M + k is C_jk.

    Raises AnalysisRefused when the rows are no square matrix or a convention is missing.
    """
    try:
        channels = int(trace.conventions["channels"])
        averages = float(trace.conventions["effective_averages"])
        enbw_hz = float(trace.conventions["enbw_hz"])
    except (KeyError, ValueError) as error:
        raise AnalysisRefused(f"Trace {trace.name} does not say how it was taken ({error}).") from error
    if trace.values.ndim != 2 or len(trace.values) != channels**2:
        raise AnalysisRefused(
            f"Trace {trace.name} of shape {trace.values.shape} holds no {channels} x {channels} matrices."
        )
    csd = np.asarray(trace.values.T.reshape(-1, channels, channels), dtype=np.complex128)
    return CrossSpectrum(np.asarray(trace.axis, dtype=np.float64), csd, averages, enbw_hz)
