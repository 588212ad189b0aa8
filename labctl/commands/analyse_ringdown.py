"""`labctl analyse ringdown`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.fft import fft, fftfreq, ifft

from labctl.commands.analyse_output import Curves, Fact, Findings
from labctl.commands.analyse_sources import chosen_unit, open_source
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.power_scale import PowerScale
from labctl.estimation.ringdown import RingdownFit, fit_ringdown
from labctl.estimation.ringdown_power import fit_ringdown_of_power
from labctl.estimation.squeezing_file import FileUnit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.column_units import Quantity
from labctl.spectra.recording import Recording

SCALES = {
    FileUnit.VOLT: PowerScale.AMPLITUDE,
    FileUnit.WATT: PowerScale.POWER,
    FileUnit.V2_PER_HZ: PowerScale.POWER,
    FileUnit.DBM: PowerScale.DB,
    FileUnit.DB: PowerScale.DB,
}
FEWEST_CROSSINGS = 20
OSCILLATION_SHARE = 0.3
"""A record of which both signs take this share is the oscillation itself, not its envelope."""
KEPT_BANDWIDTH = 0.5
"""Of the carrier, each side, when an oscillation is demodulated."""
FILTER_WIDTH = 0.4
"""Standard deviation of the Gaussian filter, of the kept bandwidth."""
FILTER_EDGE = 1.5
"""Length of the filter's response, over one of the kept bandwidth."""
SMALLEST_FALL_DB = -60.0


def ringdown_findings(path: Path, f0_hz: float | None, unit: str | None, columns: str) -> Findings:
    """Fit the decay; the oscillation itself is demodulated first. Raises LabError in one sentence."""
    if f0_hz is not None and not (math.isfinite(f0_hz) and f0_hz > 0):
        raise ConfigurationError(f"--f0 {f0_hz:g} makes no sense.", remedy="Give the frequency of the mode in Hz.")
    recording = open_source(path, columns, axis=(Quantity.TIME,)).recording
    if recording.x_unit not in ("s", ""):
        raise AnalysisRefused(f"{path} has an axis in {recording.x_unit}, not in s.", remedy="Choose --columns X,Y.")
    notes: list[str] = []
    if recording.x_unit == "":
        notes.append("the file does not say the unit of its axis; seconds were assumed.")
    if unit in (None, FileUnit.VOLT) and _oscillates(recording):
        return _of_oscillation(recording, f0_hz, notes)
    file_unit, recording = _unit_of_envelope(recording, unit)
    values = recording.y
    if file_unit not in (FileUnit.DBM, FileUnit.DB) and (values < 0).any():
        # an amplitude enters squared; a power may have any floor, which is fitted
        values = np.abs(values) if file_unit is FileUnit.VOLT else values - values.min()
    fit = fit_ringdown_of_power(recording.x, values, scale=SCALES[file_unit], f0_hz=f0_hz, name=path.name)
    if f0_hz is None:
        notes.append("the frequency of the mode is not known, so q is not given; --f0 gives it.")
    power_db = _power_db(values, file_unit)
    model = fit.parameters["floor"].value + fit.parameters["start"].value * np.exp(
        -2 * math.pi * fit.gamma_hz.value * (recording.x - fit.interval_s[0])
    )
    curves = _curves(recording.x, power_db, model, fit)
    return _findings(fit, recording, notes, curves)


def _unit_of_envelope(recording: Recording, unit: str | None) -> tuple[FileUnit, Recording]:
    """As for any recording, but volts need not be positive: the offset of a detector leaves noise about zero."""
    if unit is None and recording.y_unit == "" and 0 < (recording.y < 0).mean() <= OSCILLATION_SHARE:
        note = "the file does not say the unit of its values; volts were assumed, --unit says otherwise."
        return FileUnit.VOLT, replace(recording, notes=(*recording.notes, note))
    file_unit, found = chosen_unit(unit, recording)
    if unit is None and file_unit is FileUnit.VOLT:
        found = replace(found, notes=(*found.notes, "volts were taken as amplitude; --unit W takes them as power."))
    return file_unit, found


def _oscillates(recording: Recording) -> bool:
    if recording.y_unit not in ("", "V", "A", "m"):
        return False
    y = recording.y - recording.y.mean()
    crossings = int((np.diff(np.signbit(y)) != 0).sum())
    share = min(float((recording.y > 0).mean()), float((recording.y < 0).mean()))
    return crossings >= FEWEST_CROSSINGS and share > OSCILLATION_SHARE


def _of_oscillation(recording: Recording, f0_hz: float | None, notes: list[str]) -> Findings:
    carrier, envelope, time = _demodulated(recording)
    fit = fit_ringdown(time, envelope, carrier_hz=carrier, name=recording.path.name)
    notes.append(f"the record oscillates and was demodulated at {carrier:.6g} Hz.")
    if f0_hz is not None:
        q = f0_hz / fit.gamma_hz.value
        fit = replace(fit, quality=replace(fit.q, value=q, sigma=q * fit.gamma_hz.relative_sigma))
    power = np.abs(envelope) ** 2
    start = fit.parameters["amplitude"].value ** 2
    model = start * np.exp(-2 * math.pi * fit.gamma_hz.value * (time - fit.interval_s[0]))
    model = model + float(np.quantile(power, 0.05))
    return _findings(fit, recording, notes, _curves(time, 10 * np.log10(np.maximum(power, 1e-300)), model, fit))


def _demodulated(recording: Recording) -> tuple[float, npt.NDArray[np.complex128], FloatArray]:
    """Carrier in Hz, complex envelope and its times: positive frequencies within half the carrier of it, decimated."""
    step = float(np.diff(recording.x).mean())
    y = recording.y - recording.y.mean()
    spectrum, f = fft(y), fftfreq(len(y), step)
    positive = f > 0
    carrier = float(f[positive][int(np.argmax(np.abs(spectrum[positive])))])
    band = KEPT_BANDWIDTH * carrier
    spectrum *= np.where(positive, np.exp(-(((f - carrier) / (FILTER_WIDTH * band)) ** 2) / 2), 0.0)
    envelope = 2 * ifft(spectrum) * np.exp(-2j * math.pi * carrier * step * np.arange(len(y)))
    factor = max(1, int(1 / (band * step)))
    ends = math.ceil(FILTER_EDGE / (band * step))  # the filter wraps the end of the record round to its beginning
    kept = slice(ends, len(y) - ends, factor)
    return carrier, np.asarray(envelope[kept], dtype=np.complex128), recording.x[kept]


def _findings(fit: RingdownFit, recording: Recording, notes: list[str], curves: Curves) -> Findings:
    numbers = {"gamma_hz": fit.gamma_hz, "amplitude_decay_time_s": fit.amplitude_decay_time_s}
    if fit.quality is not None:
        numbers["q"] = fit.quality
    if "f0_hz" in fit.parameters:
        numbers["f0_hz"] = fit.parameters["f0_hz"]
    facts: dict[str, Fact] = {"interval_s": list(fit.interval_s), "points_fitted": fit.samples}
    facts |= {"chi2_per_dof": fit.chi2_per_dof, "p_value": fit.p_value}
    return Findings(numbers, facts, (fit.reason,) if fit.reason else (), (*recording.notes, *notes), curves)


def _power_db(values: FloatArray, unit: FileUnit) -> FloatArray:
    if unit in (FileUnit.DBM, FileUnit.DB):
        return values - float(values.max())  # as the fit takes them
    power = values**2 if unit is FileUnit.VOLT else values
    return np.asarray(10 * np.log10(np.maximum(power, 1e-300)))


def _curves(time: FloatArray, power_db: FloatArray, model: FloatArray, fit: RingdownFit) -> Curves:
    """Decibels of data and fit; residuals within the interval, nothing outside."""
    lowest = float(power_db.max()) + SMALLEST_FALL_DB
    model_db = 10 * np.log10(np.maximum(model, 1e-300))
    inside = (time >= fit.interval_s[0]) & (time <= fit.interval_s[1])
    shown_db = np.maximum(power_db, lowest)
    fit_db = np.where(inside, np.maximum(model_db, lowest), np.nan)
    label = "power (dB)"
    return Curves(time, shown_db, "time (s)", label, fit_db, shown_db - fit_db, "data − fit (dB)", fit.interval_s)
