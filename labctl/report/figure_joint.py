"""The sum made in hardware: beside the resonances with shot and dark noise, and across each resonance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from labctl.errors import AnalysisRefused, LabError
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    VERMILLION,
    Sketch,
    label_right,
    megahertz_ticks,
    new_figure,
    note,
    shot_line,
    signed_ticks,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import spectrum_of
from labctl.report.wording import MINUS, shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.noise_reduction import shot_level, subtract_dark
from labctl.spectra.trace import Spectrum, Unit

HZ_PER_MHZ = 1e6
PANELS_PER_ROW = 4
WIDE_HEIGHT_IN, PANEL_HEIGHT_IN = 2.9, 2.3
_LINES = (
    ("signal", "signal", BLUE, DASHES[0]),
    ("shot", "shot noise", BLACK, DASHES[2]),
    ("dark", "dark noise", GREY, DASHES[1]),
)


@dataclass(frozen=True, eq=False)
class Crossing:
    """The sum across one resonance: offset from it in Hz (n,) and level over shot noise in dB (n,)."""

    number: int
    offset_hz: FloatArray
    level_db: FloatArray


def draw_hardware_sum(run: RunContents) -> Sketch:
    """Raises LabError when there is no usable spectrum of the sum at all."""
    levels, crossings, reasons = _usable(run)
    if not levels and not crossings:
        why = (
            " ".join(reasons) or f"No spectrum of the sum was taken; {why_unmeasured('joint_spectrum_analyzer', run)}."
        )
        raise AnalysisRefused(why)
    rows = -(-len(crossings) // PANELS_PER_ROW)
    figure = new_figure(WIDE_HEIGHT_IN + PANEL_HEIGHT_IN * rows)
    grid = figure.add_gridspec(1 + rows, 1, height_ratios=[WIDE_HEIGHT_IN, *[PANEL_HEIGHT_IN] * rows])
    words = [_draw_levels(figure.add_subplot(grid[0]), run, levels)]
    for row in range(rows):
        part = crossings[row * PANELS_PER_ROW : (row + 1) * PANELS_PER_ROW]
        words.append(_draw_crossings(figure, grid[row + 1], part))
    caption = (
        "Above: power of the sum within the noise bandwidth, as the analyzer showed it, between the resonances. Below: "
        "the same sum across the resonance of each sensor, dark noise subtracted, over the shot level of the upper "
        "panel. A force on one sensor shows here with 1/M of its power."
    )
    return Sketch(figure, " ".join([caption, *reasons]), " ".join(words))


def _usable(run: RunContents) -> tuple[dict[str, Spectrum], list[Crossing], list[str]]:
    """Levels by kind, crossings of the resonances, and in sentences why a trace that was taken is not among them."""
    levels, crossings, reasons = dict[str, Spectrum](), list[Crossing](), list[str]()
    for kind, *_ in _LINES:
        if run.has_trace(f"joint.{kind}"):
            try:
                levels[kind] = spectrum_of(run.trace(f"joint.{kind}")).in_unit(Unit.DBM)
            except LabError as error:
                reasons.append(str(error))
    for number in run.sensors:
        if run.has_trace(f"joint.signal_at_sensor{number}"):
            try:
                crossings.append(_crossing(run, number, levels))
            except LabError as error:
                reasons.append(str(error))
    return levels, crossings, reasons


def _draw_levels(axes: Axes, run: RunContents, spectra: Mapping[str, Spectrum]) -> str:
    levels, texts, colours = [], [], []
    for kind, label, colour, dash in _LINES:
        if kind not in spectra:
            continue
        spectrum = spectra[kind]
        axes.plot(spectrum.frequency_hz / HZ_PER_MHZ, spectrum.values, color=colour, linestyle=dash, linewidth=1.0)
        levels.append(10.0 * math.log10(float(np.mean(10.0 ** (spectrum.values / 10.0)))))
        texts.append(f"{label}\n{levels[-1]:.1f} dBm".replace("-", MINUS))
        colours.append(colour)
        axes.set_ylabel(f"power in {spectrum.acquisition.enbw_hz:.0f} Hz (dBm)")
    axes.margins(x=0.0, y=0.08)
    axes.set_xlabel("frequency (MHz)")
    megahertz_ticks(axes)
    raw = run.results.get("joint.raw_db")
    found = f"{with_unit(*shown_result(raw))} relative to shot noise" if raw else "no noise reduction in this run"
    axes.set_title(f"Sum of all detectors beside the resonances: {found}")
    label_right(axes, levels, texts, colours)
    said = ", ".join(text.replace("\n", " at ") for text in texts)
    return f"Levels of the sum between the resonances: {said}; {found}."


def _draw_crossings(figure: Figure, place: SubplotSpec, crossings: Sequence[Crossing]) -> str:
    grid = place.subgridspec(1, PANELS_PER_ROW)
    first: Axes | None = None
    tops = []
    for column, crossing in enumerate(crossings):
        axes = figure.add_subplot(grid[column], sharey=first)
        axes.set_title(f"at sensor {crossing.number}")
        axes.plot(crossing.offset_hz, crossing.level_db, color=BLUE, linewidth=0.9)
        axes.margins(y=0.16)
        shot_line(axes)
        axes.set_xlim(float(crossing.offset_hz[0]), float(crossing.offset_hz[-1]))
        axes.set_xlabel("frequency − f₀ (Hz)")
        signed_ticks(axes)
        if first is None:
            first = axes
            axes.set_ylabel("sum / shot (dB)")
            note(axes, "shot noise", 0.02, 0.1, va="bottom")
        else:
            axes.tick_params(labelleft=False)
        floor = float(np.nanmedian(crossing.level_db))
        axes.axhline(floor, color=VERMILLION, linestyle=DASHES[1], linewidth=1.0)
        words = f"median {floor:.2f} dB".replace("-", MINUS)
        axes.text(0.98, 0.02, words, ha="right", va="bottom", color=VERMILLION, transform=axes.transAxes)
        tops.append(f"{float(np.nanmax(crossing.level_db)):.1f} dB at sensor {crossing.number}")
    return f"Peaks of the sum relative to shot noise: {', '.join(tops)}."


def _crossing(run: RunContents, number: int, levels: Mapping[str, Spectrum]) -> Crossing:
    name = f"joint.signal_at_sensor{number}"
    if "shot" not in levels or "dark" not in levels:
        raise AnalysisRefused(f"Trace {name} is not drawn: the run has no usable shot and dark noise of the sum.")
    shot, dark = (levels[kind].in_unit(Unit.V2_PER_HZ) for kind in ("shot", "dark"))
    band = (float(shot.frequency_hz[0]), float(shot.frequency_hz[-1]))
    signal = spectrum_of(run.trace(name)).in_unit(Unit.V2_PER_HZ)
    ratio = (signal.values - float(dark.values.mean())) / shot_level(subtract_dark(shot, dark), band).value
    known = run.results.get(f"sensor{number}.f0_hz")
    centre = known.value if known else float(signal.frequency_hz[int(np.argmax(ratio))])
    level_db = np.asarray(10.0 * np.log10(np.where(ratio > 0.0, ratio, np.nan)))
    return Crossing(number, signal.frequency_hz - centre, level_db)
