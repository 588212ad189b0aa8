"""The mode of one sensor from its signal, shot and dark traces: as they were just taken, or as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from labctl.errors import MissingResult, StoreError
from labctl.estimation.drifting_mode import DriftingMode, fit_drifting_mode
from labctl.estimation.mechanical_mode import ModeFit
from labctl.report.stored_spectra import spectrum_of
from labctl.spectra.estimate import Estimate, from_decibels
from labctl.spectra.noise_reduction import shot_level, shot_normalise, subtract_dark
from labctl.spectra.trace import Spectrum, Unit
from procedures.bench import Bench, Findings
from procedures.kept_records import ModeSpectrum

KINDS = ("signal", "shot", "dark")
RESULTS = {"f0_hz": "f0_hz", "gamma_hz": "gamma_hz", "peak_to_floor": "peak_to_shot", "floor": "individual_db"}


def measured_mode(signals: Sequence[Spectrum], shot: Spectrum, dark: Spectrum) -> DriftingMode:
    """Fit the mode to (signal - dark) over the level of (shot - dark): shot noise is white over so small a span.

    `signals` are consecutive. Raises `AnalysisRefused` when there is no mode to fit.
    """
    psd = shot.in_unit(Unit.V2_PER_HZ)
    band = (float(psd.frequency_hz[0]), float(psd.frequency_hz[-1]))
    level = shot_level(subtract_dark(psd, dark), band)
    return fit_drifting_mode(
        [shot_normalise(signal, level, dark) for signal in signals],
        normalisation_relative_sigma=level.relative_sigma,
    )


def mode_spectrum(bench: Bench, sensor: int) -> ModeSpectrum:
    """Return the spectrum of a sensor and its mode: of this process, else from stored traces and results, which it
    then leaves on the bench.

    A signal that was taken in parts is stored as their average alone: the numbers are those of the results, which rest
    on the parts, and only how they are correlated is taken from the average. Raises `MissingResult` where no run has
    the traces.
    """
    if sensor not in bench.mode_spectra:
        bench.mode_spectra[sensor] = _stored(bench, sensor)
    return bench.mode_spectra[sensor]


def _stored(bench: Bench, sensor: int) -> ModeSpectrum:
    signal, shot, dark = _stored_traces(bench, sensor)
    found = measured_mode([signal], shot, dark)
    return ModeSpectrum(found.spectrum, _with_results(found.mode, bench, sensor))


def _stored_traces(bench: Bench, sensor: int) -> list[Spectrum]:
    """Return signal, shot and dark noise of one run: this one, or the earlier one that the results are of."""
    for run in _runs(bench, sensor):
        with suppress(StoreError):  # none there, or not readable
            return [spectrum_of(run.trace(f"sensor{sensor}.{kind}")) for kind in KINDS]
    raise MissingResult(
        f"No spectrum of sensor {sensor} is stored in this run, or in the earlier one that its results are of.",
        remedy="Run individual_spectrum of this sensor first.",
    )


def _runs(bench: Bench, sensor: int) -> Iterator[Findings]:
    yield bench.record
    name = f"sensor{sensor}.f0_hz"
    known = bench.results().get(name)
    if known is None:
        return
    for run in bench.earlier_runs():
        with suppress(StoreError):  # one that cannot be read is none
            found = run.results().get(name)
            if found is not None and found.value == known.value:
                yield run


def _with_results(mode: ModeFit, bench: Bench, sensor: int) -> ModeFit:
    """Return the mode with the values and uncertainties of the results, correlated as they are in `mode`."""
    parameters = {name: _result(bench, f"sensor{sensor}.{result}") for name, result in RESULTS.items()}
    ratio = np.array([parameters[name].sigma / mode.parameters[name].sigma for name in mode.names])
    return replace(mode, parameters=parameters, covariance=mode.covariance * np.outer(ratio, ratio))


def _result(bench: Bench, name: str) -> Estimate:
    found = bench.result(name)
    estimate = Estimate(found.value, found.sigma, found.unit, found.convention)
    return from_decibels(estimate) if found.unit == "dB" else estimate
