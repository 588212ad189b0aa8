"""Noise of each sensor and of the sum of all, over shot noise: the arrangement of fig. 3 of the publication."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D

from labctl.errors import AnalysisRefused, LabError
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    PER_MEGA,
    VERMILLION,
    Plotted,
    Sketch,
    key_above,
    lettered,
    new_figure,
    thinned,
)
from labctl.report.figure_joint import Crossing, crossings, draw_crossing
from labctl.report.figure_records import HOW_DRAWN, Records, around_resonances, draw_sums, finish_records, read_records
from labctl.report.figure_sensors import SensorSpectrum, draw_sensor, sensor_spectra
from labctl.report.origins import why_unmeasured

PANELS_PER_ROW = 4
SENSORS_PER_FIGURE = 8
SENSOR_HEIGHT_IN, JOINT_HEIGHT_IN, CROSSING_HEIGHT_IN = 2.9, 2.8, 1.9
RESIDUAL_SHARE = 0.3  # of the height of the panel above it
MOST_POINTS_OF_A_CROSSING = 60
ROOM_ABOVE_DB = 0.6
_INDIVIDUAL = (
    "Panels of single sensors: signal over shot noise, dark noise subtracted from both. Dashed: the fitted mode, "
    "redrawn from f₀, Γ, A and the floor in the tables with the analyzer's resolution filter; black: shot noise over "
    "its mean. Below each: measured minus fitted in standard deviations of one point; neighbouring points are "
    "correlated by the filter."
)


def sensor_groups(spectra: Sequence[SensorSpectrum]) -> list[Sequence[SensorSpectrum]]:
    """So many sensors as one figure holds; one empty group for no sensor at all."""
    return [spectra[i : i + SENSORS_PER_FIGURE] for i in range(0, len(spectra), SENSORS_PER_FIGURE)] or [()]


def draw_noise(run: RunContents, spectra: Sequence[SensorSpectrum], reasons: str, *, joint: bool) -> Sketch:
    """Spectra of these sensors, and below them with `joint` the sum of all.

    `reasons`: in sentences, what is said of the sensors whose spectrum is missing. Raises AnalysisRefused when there is
    nothing to draw.
    """
    sums = crossings(run) if joint else ([], [])
    records, why_no_records = _records(run) if joint else (None, "")
    has_records = records is not None
    said = [*([reasons] if reasons else []), *sums[1], *([why_no_records] if why_no_records else [])]
    if not spectra and not has_records and not sums[0]:
        raise AnalysisRefused(" ".join(said) or f"No sensor is known; {why_unmeasured('individual_spectrum', run)}.")
    columns = _columns(len(spectra)), _columns(len(sums[0]))
    rows = [-(-len(part) // width) for part, width in zip((spectra, sums[0]), columns, strict=True)]
    heights = [SENSOR_HEIGHT_IN] * rows[0] + [JOINT_HEIGHT_IN] * has_records + [CROSSING_HEIGHT_IN] * rows[1]
    figure = new_figure(sum(heights))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    plotted, words, caption = Plotted(), list[str](), list[str]()
    for row in range(rows[0]):
        first = row * columns[0]
        words += _draw_sensors(figure, grid[row], run, spectra[first : first + columns[0]], first, columns[0], plotted)
    if spectra:
        caption.append(_INDIVIDUAL)
        _draw_key(figure)
    place = len(spectra)
    if records is not None:
        words.append(_draw_joint(figure.add_subplot(grid[rows[0]]), run, records, sums[0], place, plotted))
        caption.append(_joint_caption(records, place, bool(sums[0])))
        place += 1
    for row in range(rows[1]):
        part = sums[0][row * columns[1] : (row + 1) * columns[1]]
        words += _draw_crossings(figure, grid[rows[0] + has_records + row], part, place, columns[1], plotted)
        place += len(part)
    if sums[0]:
        caption.append(
            "Last panels: the hardware sum on the analyzer across each resonance, dark noise subtracted, over the shot "
            "level of the sum. A force on one sensor shows in the sum with 1/M of its power."
        )
    return Sketch(figure, " ".join([*caption, *said]), " ".join(words), plotted.data)


def sensors_of(run: RunContents) -> tuple[list[SensorSpectrum], str]:
    """Every sensor's spectrum that can be drawn, and why the others cannot."""
    spectra, reasons = sensor_spectra(run)
    if not spectra and not reasons:
        reasons = f"The run mentions no sensor; {why_unmeasured('individual_spectrum', run)}."
    return spectra, reasons


def _records(run: RunContents) -> tuple[Records | None, str]:
    try:
        return read_records(run), ""
    except LabError as error:
        return None, str(error)


def _columns(panels: int) -> int:
    """As many as a row holds, but rows of equal length: two rows of three for six."""
    rows = -(-panels // PANELS_PER_ROW)
    return -(-panels // rows) if rows else 1


def _draw_sensors(
    figure: Figure,
    where: SubplotSpec,
    run: RunContents,
    spectra: Sequence[SensorSpectrum],
    place: int,
    columns: int,
    plotted: Plotted,
) -> list[str]:
    grid = where.subgridspec(2, columns, height_ratios=[1.0, RESIDUAL_SHARE], hspace=0.02)
    words = []
    for column, spectrum in enumerate(spectra):
        upper = figure.add_subplot(grid[0, column])
        lower = figure.add_subplot(grid[1, column], sharex=upper)
        words.append(draw_sensor(upper, lower, run, spectrum, place + column, plotted))
        if column == 0:
            upper.set_ylabel("noise / shot (dB)")
            lower.set_ylabel("residual (σ)")
    return words


def _draw_key(figure: Figure) -> None:
    lines: tuple[tuple[str, str, Any], ...] = (
        ("measured", BLUE, DASHES[0]),
        ("shot noise", BLACK, DASHES[0]),
        ("fitted mode", VERMILLION, DASHES[1]),
    )
    handles = [Line2D([], [], color=colour, linestyle=dash, label=label) for label, colour, dash in lines]
    key_above(figure, handles)


def _draw_joint(
    axes: Axes, run: RunContents, records: Records, sums: Sequence[Crossing], place: int, plotted: Plotted
) -> str:
    words = draw_sums(axes, around_resonances(records, run), run, plotted)
    finish_records(axes, run, named=False)
    top = axes.get_ylim()[1]
    for i, crossing in enumerate(sums):
        f, level = thinned(
            np.asarray((crossing.centre_hz + crossing.offset_hz) * PER_MEGA),
            crossing.level_db,
            MOST_POINTS_OF_A_CROSSING,
        )
        axes.plot(f, level, color=BLUE, linewidth=0.9, zorder=2.2, label="hardware sum" if i == 0 else None)
        top = max(top, float(np.nanmax(level)) + ROOM_ABOVE_DB)
    axes.set_ylim(top=top)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] == "hardware sum")
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        labelspacing=0.9,
    )
    axes.set_title(lettered(place, "sum of all sensors, relative to the shot noise of the sum"))
    return words


def _joint_caption(records: Records, place: int, crossed: bool) -> str:
    why = records.why_no_best
    hardware = " Blue: the hardware sum on the analyzer, across the resonances." if crossed else ""
    unable = f" The re-phased sum cannot be redrawn: {why}" if why else ""
    return (
        f"{lettered(place, 'sums of the simultaneous records')}. Black: shot noise of the plain sum over its mean. "
        f"{HOW_DRAWN} The re-phased sum uses one set of complex weights, found from these records.{hardware}{unable}"
    )


def _draw_crossings(
    figure: Figure, where: SubplotSpec, sums: Sequence[Crossing], place: int, columns: int, plotted: Plotted
) -> list[str]:
    grid = where.subgridspec(1, columns)
    first: Axes | None = None
    tops = []
    for column, crossing in enumerate(sums):
        axes = figure.add_subplot(grid[column], sharey=first)
        tops.append(draw_crossing(axes, crossing, place + column, plotted))
        if first is None:
            first = axes
            axes.set_ylabel("sum / shot (dB)")
        else:
            axes.tick_params(labelleft=False)
    return [f"Peaks of the sum relative to shot noise: {', '.join(tops)}."] if tops else []
