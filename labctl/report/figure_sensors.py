"""Spectrum of each sensor relative to shot noise, with the mode redrawn from the results, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    VERMILLION,
    Sketch,
    new_figure,
    note,
    shot_line,
    signed_ticks,
    why_not,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import spectrum_of
from labctl.report.wording import shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.noise_reduction import shot_level, shot_normalise, subtract_dark
from labctl.spectra.trace import Spectrum, Unit

SENSORS_PER_FIGURE = 4
COLUMNS = 2
ROW_HEIGHT_IN = 3.3
RESIDUAL_LIMIT = 5.0  # standard deviations
ROOM_DB = 1.2
_KINDS = ("signal", "shot", "dark")
_FIT = ("f0_hz", "gamma_hz", "peak_to_shot", "individual_db")


@dataclass(frozen=True, eq=False)
class SensorSpectrum:
    """Measured ratio to shot noise, and the fitted one (n,) where the run has all four parameters."""

    number: int
    ratio: Spectrum
    fitted: FloatArray | None
    centre_hz: float


def sensor_spectra(run: RunContents) -> tuple[list[SensorSpectrum], str]:
    """Every sensor's spectrum that can be drawn, and in sentences why the others cannot."""
    spectra, reasons = [], []
    for number in run.sensors:
        try:
            spectra.append(sensor_spectrum(run, number))
        except Exception as error:  # whatever is wrong with one sensor's data must not cost the reader the others
            reasons.append(f"Sensor {number}: {why_not(error).removesuffix('.')}.")
    return spectra, " ".join(reasons)


def draw_sensors(run: RunContents, spectra: Sequence[SensorSpectrum]) -> Sketch:
    """One panel a sensor."""
    rows = -(-len(spectra) // COLUMNS)
    columns = min(COLUMNS, len(spectra))
    figure = new_figure(ROW_HEIGHT_IN * rows)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3.2, 1.0] * rows)
    words = []
    for place, spectrum in enumerate(spectra):
        row, column = divmod(place, columns)
        upper = figure.add_subplot(grid[2 * row, column])
        lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
        words.append(_draw_panel(upper, lower, run, spectrum))
        if column == 0:
            upper.set_ylabel("noise / shot (dB)")
            lower.set_ylabel("residual (σ)")
    caption = (
        "Signal over shot noise, dark noise subtracted from both. Solid: measured; dashed: the fitted mode, redrawn "
        "from f₀, Γ, A and the floor in the tables with the analyzer's resolution filter; dotted: shot noise, 0 dB. "
        "Below: measured minus fitted in standard deviations of one point; neighbouring points are correlated by the "
        "filter."
    )
    return Sketch(figure, caption, " ".join(words))


def sensor_spectrum(run: RunContents, number: int) -> SensorSpectrum:
    """Signal over the level of shot noise, as the mode was fitted.

    Raises LabError where a trace is missing or unlike.
    """
    prefix = f"sensor{number}"
    missing = [kind for kind in _KINDS if not run.has_trace(f"{prefix}.{kind}")]
    if missing:
        why = why_unmeasured("individual_spectrum", run, number)
        if len(missing) == len(_KINDS):
            raise AnalysisRefused(f"no spectrum was taken; {why}")
        raise AnalysisRefused(f"there is no {', no '.join(missing)} trace; {why}")
    signal, shot, dark = (spectrum_of(run.trace(f"{prefix}.{kind}")) for kind in _KINDS)
    band = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
    ratio = shot_normalise(signal, shot_level(subtract_dark(shot.in_unit(Unit.V2_PER_HZ), dark), band), dark)
    names = [f"{prefix}.{suffix}" for suffix in _FIT]
    if not all(name in run.results for name in names):
        return SensorSpectrum(number, ratio, None, float(signal.frequency_hz[int(np.argmax(ratio.values))]))
    f0, gamma, peak, floor_db = (run.results[name].value for name in names)
    line = broadened_lorentzian(ratio.frequency_hz, f0, gamma, ratio.acquisition)
    return SensorSpectrum(number, ratio, np.asarray(10.0 ** (floor_db / 10.0) + peak * line), f0)


def _draw_panel(upper: Axes, lower: Axes, run: RunContents, spectrum: SensorSpectrum) -> str:
    prefix = f"sensor{spectrum.number}"
    offset = spectrum.ratio.frequency_hz - spectrum.centre_hz
    measured_db = _decibels(spectrum.ratio.values)
    upper.plot(offset, measured_db, linewidth=1.6, color=BLUE)
    shot_line(upper)
    top = float(np.nanmax(measured_db))
    floor = float(np.nanmedian(measured_db))
    upper.set_ylim(min(floor, 0.0) - ROOM_DB, top + ROOM_DB)
    upper.set_xlim(float(offset[0]), float(offset[-1]))
    upper.text(0.985, 0.93, "— measured", color=BLUE, ha="right", va="top", transform=upper.transAxes)
    note(upper, "shot noise", 0.012, 0.12, va="bottom", color=BLACK)
    title = f"Sensor {spectrum.number}"
    signed_ticks(lower)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("frequency − f₀ (Hz)" if spectrum.fitted is not None else "frequency − highest point (Hz)")
    if spectrum.fitted is None:
        upper.set_title(title)
        lower.text(0.5, 0.5, "no fit in this run", ha="center", va="center", transform=lower.transAxes, color=GREY)
        lower.set_yticks([])
        return f"{title}: measured spectrum without a fit, highest point {top:.1f} dB."
    upper.set_title(f"{title}   f₀ = {_shown(run, prefix, 'f0_hz')}")
    upper.plot(offset, _decibels(spectrum.fitted), linestyle=DASHES[1], linewidth=1.3, color=VERMILLION)
    upper.text(0.985, 0.82, "- - fitted mode", color=VERMILLION, ha="right", va="top", transform=upper.transAxes)
    lines = (("Γ = ", "gamma_hz"), ("A = ", "peak_to_shot"), ("floor ", "individual_db"))
    facts = "\n".join(symbol + _shown(run, prefix, suffix) for symbol, suffix in lines)
    upper.text(0.012, 0.93, facts, va="top", linespacing=1.35, transform=upper.transAxes)
    _draw_residuals(lower, offset, spectrum)
    return (
        f"{title}: a peak {top:.1f} dB above shot noise at {_shown(run, prefix, 'f0_hz')}, with a floor of "
        f"{_shown(run, prefix, 'individual_db')} beside it; the fitted curve lies on the points."
    )


def _draw_residuals(axes: Axes, offset: FloatArray, spectrum: SensorSpectrum) -> None:
    assert spectrum.fitted is not None
    sigmas = (spectrum.ratio.values / spectrum.fitted - 1.0) * np.sqrt(spectrum.ratio.acquisition.effective_k)
    axes.axhline(0.0, color=VERMILLION, linestyle=DASHES[1], linewidth=1.0)
    axes.plot(offset, np.clip(sigmas, -RESIDUAL_LIMIT, RESIDUAL_LIMIT), linewidth=0.8, color=BLUE)
    axes.set_ylim(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    axes.set_yticks([-3, 0, 3])


def _shown(run: RunContents, prefix: str, suffix: str) -> str:
    return with_unit(*shown_result(run.results[f"{prefix}.{suffix}"]))


def _decibels(ratio: FloatArray) -> FloatArray:
    """Decibels, NaN where noise made the difference to dark negative."""
    return np.asarray(10.0 * np.log10(np.where(ratio > 0.0, ratio, np.nan)))
