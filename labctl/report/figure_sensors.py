"""Spectrum of one sensor relative to shot noise, with the mode redrawn from the results, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    PER_MEGA,
    VERMILLION,
    Plotted,
    lettered,
    signed_ticks,
    thinned,
    why_not,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import spectrum_of
from labctl.report.wording import PLUS_MINUS, shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER
from labctl.spectra.noise_reduction import shot_level, shot_normalise, subtract_dark
from labctl.spectra.trace import Spectrum, Unit

RESIDUAL_LIMIT = 5.0  # standard deviations
ROOM_DB = 1.2
_SMALL: dict[str, Any] = {"fontsize": 7.5, "fontweight": "normal"}
_KINDS = ("signal", "shot", "dark")
_FIT = ("f0_hz", "gamma_hz", "peak_to_shot", "individual_db")


@dataclass(frozen=True, eq=False)
class SensorSpectrum:
    """Measured ratio to shot noise, shot noise over its own mean (n,) on `shot_hz` (n,), and the fitted ratio (n,)
    where the run has all four parameters."""

    number: int
    ratio: Spectrum
    shot_hz: FloatArray
    shot: FloatArray
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
    light = subtract_dark(shot.in_unit(Unit.V2_PER_HZ), dark)
    level = shot_level(light, band)
    ratio = shot_normalise(signal, level, dark)
    alone = (light.frequency_hz, np.asarray(light.values / level.value))
    names = [f"{prefix}.{suffix}" for suffix in _FIT]
    if not all(name in run.results for name in names):
        return SensorSpectrum(number, ratio, *alone, None, float(signal.frequency_hz[int(np.argmax(ratio.values))]))
    f0, gamma, peak, floor_db = (run.results[name].value for name in names)
    line = broadened_lorentzian(ratio.frequency_hz, f0, gamma, ratio.acquisition)
    return SensorSpectrum(number, ratio, *alone, np.asarray(10.0 ** (floor_db / 10.0) + peak * line), f0)


def draw_sensor(
    upper: Axes, lower: Axes, run: RunContents, spectrum: SensorSpectrum, place: int, plotted: Plotted
) -> str:
    """Draw panel number `place` of a figure, the spectrum above, its residuals below; returns it in words."""
    title = lettered(place, f"sensor {spectrum.number}")
    prefix = f"sensor{spectrum.number}"
    offset = spectrum.ratio.frequency_hz - spectrum.centre_hz
    measured_db, shot_db = decibels(spectrum.ratio.values), decibels(spectrum.shot)
    shot_offset = spectrum.shot_hz - spectrum.centre_hz
    upper.plot(*thinned(shot_offset, shot_db), linewidth=0.7, color=BLACK)
    upper.plot(*thinned(offset, measured_db), linewidth=1.4, color=BLUE)
    units = ("Hz from the mode", "dB")
    plotted.add(title, "shot noise", shot_offset, shot_db, units)
    sigma_db = DB_PER_NEPER / np.sqrt(spectrum.ratio.acquisition.effective_k)
    plotted.add(title, "measured", offset, measured_db, units, np.full(len(offset), sigma_db))
    top = float(np.nanmax(measured_db))
    floor = float(np.nanmedian(measured_db))
    upper.set_ylim(min(floor, 0.0) - ROOM_DB, top + ROOM_DB)
    upper.set_xlim(float(offset[0]), float(offset[-1]))
    signed_ticks(lower)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("frequency − f₀ (Hz)" if spectrum.fitted is not None else "frequency − highest point (Hz)")
    if spectrum.fitted is None:
        upper.set_title(title)
        lower.text(0.5, 0.5, "no fit in this run", ha="center", va="center", transform=lower.transAxes, color=GREY)
        lower.set_yticks([])
        return f"Sensor {spectrum.number}: measured spectrum without a fit, highest point {top:.1f} dB."
    upper.set_title(title)
    upper.set_title(f"{PER_MEGA * spectrum.centre_hz:.6f} MHz", loc="right", **_SMALL)
    fitted_db = decibels(spectrum.fitted)
    upper.plot(*thinned(offset, fitted_db), linestyle=DASHES[1], linewidth=1.2, color=VERMILLION)
    plotted.add(title, "fitted mode", offset, fitted_db, units)
    facts = "\n".join((f"Γ = {_shown(run, prefix, 'gamma_hz')}", f"A = {_shown(run, prefix, 'peak_to_shot')}"))
    upper.text(0.02, 0.97, facts, va="top", linespacing=1.35, transform=upper.transAxes, **_SMALL)
    words = "floor\n" + _shown(run, prefix, "individual_db").replace(PLUS_MINUS, "\n± ")
    upper.text(0.99, 0.97, words, va="top", ha="right", color=BLUE, transform=upper.transAxes, **_SMALL)
    _draw_residuals(lower, offset, spectrum, plotted, title)
    return (
        f"Sensor {spectrum.number}: a peak {top:.1f} dB above shot noise at {_shown(run, prefix, 'f0_hz')}, with a "
        f"floor of {_shown(run, prefix, 'individual_db')} beside it; the fitted curve lies on the points."
    )


def _draw_residuals(axes: Axes, offset: FloatArray, spectrum: SensorSpectrum, plotted: Plotted, title: str) -> None:
    assert spectrum.fitted is not None
    sigmas = (spectrum.ratio.values / spectrum.fitted - 1.0) * np.sqrt(spectrum.ratio.acquisition.effective_k)
    plotted.add(title, "residual", offset, sigmas, ("Hz from the mode", "standard deviations"))
    axes.axhline(0.0, color=VERMILLION, linestyle=DASHES[1], linewidth=1.0)
    axes.plot(*thinned(offset, np.clip(sigmas, -RESIDUAL_LIMIT, RESIDUAL_LIMIT)), linewidth=0.7, color=BLUE)
    axes.set_ylim(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    axes.set_yticks([-3, 0, 3])


def _shown(run: RunContents, prefix: str, suffix: str) -> str:
    return with_unit(*shown_result(run.results[f"{prefix}.{suffix}"]))


def decibels(ratio: FloatArray) -> FloatArray:
    """Decibels, NaN where noise made the difference to dark negative."""
    return np.asarray(10.0 * np.log10(np.where(ratio > 0.0, ratio, np.nan)))
