"""`labctl analyse mode`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.commands.analyse_output import Curves, Fact, Findings
from labctl.commands.analyse_sources import Source, chosen_unit, companion, open_source
from labctl.errors import AnalysisRefused
from labctl.estimation.mechanical_mode import ModeFit, ModeGuess, fit_mode
from labctl.estimation.mode_of_arrays import ModeReading, fit_mode_of_arrays
from labctl.estimation.power_scale import PowerScale
from labctl.estimation.squeezing_file import FileUnit
from labctl.physics.line_shape import filtered_lorentzian
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.column_units import Quantity
from labctl.spectra.estimate import Estimate
from labctl.spectra.noise_reduction import power_relative_sigma, shot_level, shot_normalise, subtract_dark
from labctl.spectra.trace import Spectrum, Unit

SCALES = {
    FileUnit.VOLT: PowerScale.AMPLITUDE,
    FileUnit.WATT: PowerScale.POWER,
    FileUnit.V2_PER_HZ: PowerScale.POWER,
    FileUnit.DBM: PowerScale.DB,
    FileUnit.DB: PowerScale.DB,
}


def mode_findings(
    path: Path,
    near_hz: float | None,
    band: tuple[float, float] | None,
    rbw_hz: float | None,
    unit: str | None,
    columns: str,
) -> Findings:
    """Fit one mode; raises LabError in one sentence, AnalysisRefused where there is none."""
    source = open_source(path, columns, axis=(Quantity.FREQUENCY,))
    shot = companion(path, "shot") if source.spectrum is not None else None
    if source.spectrum is not None and shot is not None:
        return _of_run(source, path, open_source(shot), band, near_hz)
    file_unit, recording = chosen_unit(unit, source.recording)
    f, values = recording.x, recording.y
    notes = list(recording.notes)
    if recording.x_unit not in ("Hz", ""):
        raise AnalysisRefused(f"{path} has an axis in {recording.x_unit}, not in Hz.", remedy="Choose --columns X,Y.")
    if band is not None:
        inside = (f >= band[0]) & (f <= band[1])
        if not inside.any():
            raise AnalysisRefused(f"{path} spans {f[0]:.10g} to {f[-1]:.10g} Hz; the band lies outside.")
        f, values = f[inside], values[inside]
    rbw_hz = rbw_hz or recording.rbw_hz
    if source.spectrum is not None:
        rbw_hz = rbw_hz or source.spectrum.acquisition.rbw_hz
    reading = fit_mode_of_arrays(f, values, scale=SCALES[file_unit], near_hz=near_hz, rbw_hz=rbw_hz, name=path.name)
    if rbw_hz is None:
        notes.append("the resolution bandwidth is not known and was not taken out of the linewidth; --rbw gives it.")
    facts: dict[str, Fact] = {
        "band_hz": list(reading.band),
        "averages": reading.averages,
        "rbw_hz": rbw_hz,
        "other_lines_hz": list(reading.other_lines_hz),
    }
    if recording.x_unit == "":
        notes.append("the file does not say the unit of its axis; hertz were assumed.")
    numbers = {"f0_hz": reading.f0_hz, "gamma_hz": reading.gamma_hz, "q": reading.q}
    if reading.peak_to_floor is not None:
        numbers["peak_to_floor"] = reading.peak_to_floor
    warnings = (reading.reason,) if reading.reason else ()
    curves = _curves_of_reading(f, _decibels(values, file_unit), reading, rbw_hz)
    return Findings(numbers, facts, warnings, tuple(notes), curves)


def _of_run(
    source: Source, path: Path, shot: Source, band: tuple[float, float] | None, near_hz: float | None
) -> Findings:
    """A trace of a run, whose conventions, shot noise and dark noise are known."""
    signal, reference = source.spectrum, shot.spectrum
    assert signal is not None
    if reference is None:
        raise AnalysisRefused(f"{shot.recording.path} is no spectrum.")
    dark_path = companion(path, "dark")
    dark = open_source(dark_path).spectrum if dark_path is not None else None
    whole = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
    level_trace = reference.in_unit(Unit.V2_PER_HZ)
    level = shot_level(subtract_dark(level_trace, dark) if dark is not None else level_trace, whole)
    ratio = shot_normalise(signal, level, dark)
    if band is not None:
        ratio = ratio.within(band)
    guess = ModeGuess(near_hz, 4 * ratio.spacing_hz) if near_hz is not None else None
    fit = fit_mode(ratio, guess=guess, normalisation_relative_sigma=power_relative_sigma(level))
    facts: dict[str, Fact] = {
        "chi2_per_dof": fit.chi2_per_dof,
        "p_value": fit.p_value,
        "band_hz": [float(ratio.frequency_hz[0]), float(ratio.frequency_hz[-1])],
        "averages": ratio.acquisition.effective_k,
        "rbw_hz": ratio.acquisition.rbw_hz,
        "other_lines_hz": [],
    }
    return Findings(
        _numbers_of_fit(fit),
        facts,
        (fit.reason,) if fit.reason else (),
        source.recording.notes,
        _curves_of_fit(ratio, fit),
    )


def _numbers_of_fit(fit: ModeFit) -> dict[str, Estimate]:
    f0, gamma, peak, floor = fit.f0_hz, fit.gamma_hz, fit.peak_to_floor, fit.floor
    i, j = fit.names.index("peak_to_floor"), fit.names.index("floor")
    relative = (
        fit.covariance[i, i] / peak.value**2
        + fit.covariance[j, j] / floor.value**2
        - 2 * fit.covariance[i, j] / (peak.value * floor.value)
    )
    ratio = peak.value / floor.value
    q = f0.value / gamma.value
    return {
        "f0_hz": f0,
        "gamma_hz": gamma,
        "q": Estimate(q, q * math.hypot(gamma.relative_sigma, f0.relative_sigma), "", "f0 / Gamma"),
        "peak_to_floor": Estimate(ratio, ratio * math.sqrt(max(relative, 0.0)), "", "A / V"),
        "peak_to_shot": peak,
        "floor": floor,
    }


def _curves_of_fit(ratio: Spectrum, fit: ModeFit) -> Curves:
    model = fit.model(ratio.frequency_hz, ratio.acquisition)
    residuals = (ratio.values / model - 1) * math.sqrt(ratio.acquisition.effective_k)
    data = 10 * np.log10(np.maximum(ratio.values, np.finfo(float).tiny))
    return Curves(
        ratio.frequency_hz,
        data,
        "frequency (Hz)",
        "noise relative to shot noise (dB)",
        10 * np.log10(model),
        residuals,
        "residual (σ)",
        (fit.f0_hz.value,),
    )


def _curves_of_reading(f: FloatArray, data_db: FloatArray, reading: ModeReading, rbw_hz: float | None) -> Curves:
    """Data and line over their own floor, in decibels, in the band that was fitted."""
    inside = (f >= reading.band[0]) & (f <= reading.band[1])
    f, data_db = f[inside], data_db[inside]
    line = filtered_lorentzian(f, reading.f0_hz.value, reading.gamma_hz.value, rbw_hz or 0.0)
    height = reading.peak_to_floor
    shape_db = 10 * np.log10(line if height is None else 1 + height.value * line)
    fit_db = shape_db + float(np.median((data_db - shape_db)[_nearest(f, reading)]))
    fit_db = np.where(_nearest(f, reading), fit_db, np.nan)  # what belongs to another line is no residual of this one
    residuals = (10 ** ((data_db - fit_db) / 10) - 1) * math.sqrt(reading.averages)
    marks = (reading.f0_hz.value, *reading.other_lines_hz)
    return Curves(f, data_db, "frequency (Hz)", "level (dB)", fit_db, residuals, "residual (σ)", marks)


def _nearest(f: FloatArray, reading: ModeReading) -> npt.NDArray[np.bool_]:
    """Points (n,) nearer to the mode than to any other line."""
    away = np.abs(f - reading.f0_hz.value)
    others = [np.abs(f - other) for other in reading.other_lines_hz]
    return np.asarray(np.all([away <= other for other in others], axis=0) if others else np.ones(len(f), dtype=bool))


def _decibels(values: FloatArray, unit: FileUnit) -> FloatArray:
    if unit in (FileUnit.DBM, FileUnit.DB):
        return values
    power = values**2 if unit is FileUnit.VOLT else values
    return np.asarray(10 * np.log10(np.maximum(power, power[power > 0].min() if (power > 0).any() else 1.0)))
