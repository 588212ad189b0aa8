"""The sum made in hardware: beside the resonances with shot and dark noise, and across each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused, LabError
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    VERMILLION,
    Plotted,
    Sketch,
    label_right,
    lettered,
    megahertz_ticks,
    new_figure,
    shot_line,
    signed_ticks,
    thinned,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import spectrum_of
from labctl.report.wording import MINUS, shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.noise_reduction import shot_level, subtract_dark
from labctl.spectra.trace import Spectrum, Unit

HZ_PER_MHZ = 1e6
HEIGHT_IN = 2.6
_LINES = (
    ("signal", "signal", BLUE, DASHES[0]),
    ("shot", "shot noise", BLACK, DASHES[2]),
    ("dark", "dark noise", GREY, DASHES[1]),
)


@dataclass(frozen=True, eq=False)
class Crossing:
    """The sum across one resonance: its frequency, offset from it in Hz (n,) and level over shot noise in dB (n,)."""

    number: int
    centre_hz: float
    offset_hz: FloatArray
    level_db: FloatArray


def draw_hardware_sum(run: RunContents) -> Sketch:
    """The levels beside the resonances. Raises LabError when there is no usable spectrum there."""
    levels, reasons = hardware_levels(run)
    if not levels:
        why = (
            " ".join(reasons) or f"No spectrum of the sum was taken; {why_unmeasured('joint_spectrum_analyzer', run)}."
        )
        raise AnalysisRefused(why)
    figure = new_figure(HEIGHT_IN)
    plotted = Plotted()
    words = _draw_levels(figure.add_subplot(), run, levels, plotted)
    caption = (
        "Power of the sum of all detectors in the noise bandwidth, as the analyzer showed it between the resonances."
    )
    return Sketch(figure, " ".join([caption, *reasons]), words, plotted.data)


def hardware_levels(run: RunContents) -> tuple[dict[str, Spectrum], list[str]]:
    """Signal, shot and dark noise of the sum in dBm, by kind, and in sentences why one that was taken is missing."""
    levels, reasons = dict[str, Spectrum](), list[str]()
    for kind, *_ in _LINES:
        if run.has_trace(f"joint.{kind}"):
            try:
                levels[kind] = spectrum_of(run.trace(f"joint.{kind}")).in_unit(Unit.DBM)
            except LabError as error:
                reasons.append(str(error))
    return levels, reasons


def crossings(run: RunContents) -> tuple[list[Crossing], list[str]]:
    """The sum across every resonance where it was taken, and in sentences why one that was taken is missing."""
    taken = [number for number in run.sensors if run.has_trace(f"joint.signal_at_sensor{number}")]
    levels, reasons = hardware_levels(run) if taken else ({}, [])
    found = list[Crossing]()
    for number in taken:
        try:
            found.append(_crossing(run, number, levels))
        except LabError as error:
            reasons.append(str(error))
    return found, reasons


def draw_crossing(axes: Axes, crossing: Crossing, place: int, plotted: Plotted) -> str:
    """Draw panel number `place` of a figure; returns what it shows in words."""
    title = lettered(place, f"sum at sensor {crossing.number}")
    axes.set_title(title)
    axes.plot(*thinned(crossing.offset_hz, crossing.level_db), color=BLUE, linewidth=0.9)
    plotted.add(title, "hardware sum", crossing.offset_hz, crossing.level_db, ("Hz from the mode", "dB"))
    axes.margins(y=0.16)
    shot_line(axes)
    axes.set_xlim(float(crossing.offset_hz[0]), float(crossing.offset_hz[-1]))
    axes.set_xlabel("frequency − f₀ (Hz)")
    signed_ticks(axes)
    floor = float(np.nanmedian(crossing.level_db))
    axes.axhline(floor, color=VERMILLION, linestyle=DASHES[1], linewidth=1.0)
    words = f"median {floor:.2f} dB".replace("-", MINUS)
    axes.text(0.98, 0.02, words, ha="right", va="bottom", color=VERMILLION, transform=axes.transAxes, fontsize=8.0)
    return f"{float(np.nanmax(crossing.level_db)):.1f} dB at sensor {crossing.number}"


def _draw_levels(axes: Axes, run: RunContents, spectra: Mapping[str, Spectrum], plotted: Plotted) -> str:
    levels, texts, colours = [], [], []
    for kind, label, colour, dash in _LINES:
        if kind not in spectra:
            continue
        spectrum = spectra[kind]
        frequency_mhz = np.asarray(spectrum.frequency_hz / HZ_PER_MHZ)
        axes.plot(*thinned(frequency_mhz, spectrum.values), color=colour, linestyle=dash, linewidth=1.0)
        plotted.add("levels", label, spectrum.frequency_hz, spectrum.values, ("Hz", "dBm"))
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
    return Crossing(number, centre, np.asarray(signal.frequency_hz - centre), level_db)
