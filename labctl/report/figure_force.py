"""Force resolution of each sensor alone and with the sum of all: the arrangement of fig. 5 of the publication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labctl.errors import AnalysisRefused, LabError
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    FORCE_UNIT,
    GREEN,
    GREY,
    PER_FEMTO,
    PER_KILO,
    SKY,
    VERMILLION,
    Plotted,
    Sketch,
    key_above,
    lettered,
    new_figure,
    plain_log_ticks,
    thinned,
)
from labctl.report.figure_budget import detuning_hz
from labctl.report.origins import why_missing
from labctl.report.wording import value_with_sigma
from labctl.spectra.acquisition import FloatArray
from labctl.store.records import TraceRecord

PANELS_PER_ROW = 4
ROW_HEIGHT_IN = 2.7
SENSORS_PER_FIGURE = 8
KINDS = ("coherent", "separable", "entangled", "conditional")
"""Rows of the traces, where they do not name their own."""
_PENS = {
    "coherent": (BLACK, DASHES[0]),
    "separable": (BLUE, DASHES[0]),
    "entangled": (VERMILLION, DASHES[0]),
    "conditional": (GREEN, DASHES[1]),
}
_ALONE = ("coherent", "separable", "conditional")
_TOGETHER = ("coherent", "separable", "entangled")
MOST_POINTS = 300  # of a line
LOWEST_TEXT, TEXT_STEP = 0.06, 0.075  # of the height of a panel
REACH_DETUNINGS = 1.5  # of the detuning at which resolution off resonance is told


@dataclass(frozen=True, eq=False)
class SensorForce:
    """Force resolution of one sensor: offset from its mode in Hz (n,) and for each kind fN/rtHz (n,)."""

    number: int
    offset_hz: FloatArray
    resolution: dict[str, FloatArray]
    convention: str


def sensor_forces(run: RunContents) -> tuple[list[SensorForce], str]:
    """Every sensor's force resolution that can be drawn, and in sentences why the others cannot."""
    found, reasons = list[SensorForce](), list[str]()
    for number in run.sensors:
        try:
            found.append(_sensor_force(run, number))
        except LabError as error:
            reasons.append(f"Sensor {number}: {str(error).removesuffix('.')}.")
    if run.sensors and not found and not any(run.has_trace(f"sensor{n}.force") for n in run.sensors):
        reasons = [f"No force resolution was calculated: {why_missing('sensor1.force_separable_on', run)}."]
    return found, " ".join(reasons) or ("" if found else "The run mentions no sensor.")


def force_groups(forces: Sequence[SensorForce]) -> list[Sequence[SensorForce]]:
    """So many sensors as one figure holds; one empty group for no sensor at all."""
    return [forces[i : i + SENSORS_PER_FIGURE] for i in range(0, len(forces), SENSORS_PER_FIGURE)] or [()]


def draw_forces(run: RunContents, forces: Sequence[SensorForce], reasons: str) -> Sketch:
    """One panel a sensor alone, then one a sensor with the sum. Raises AnalysisRefused when there is none."""
    if not forces:
        raise AnalysisRefused(reasons)
    rows = -(-len(forces) // PANELS_PER_ROW)
    columns = -(-len(forces) // rows)
    figure = new_figure(2 * rows * ROW_HEIGHT_IN)
    grid = figure.subplots(2 * rows, columns, sharex=False, sharey=True, squeeze=False)
    plotted, words = Plotted(), list[str]()
    for half, kinds in enumerate((_ALONE, _TOGETHER)):
        for place, force in enumerate(forces):
            row, column = divmod(place, columns)
            axes = grid[half * rows + row, column]
            words.append(_draw_panel(axes, run, force, kinds, half * len(forces) + place, plotted))
        for unused in range(len(forces), rows * columns):
            grid[half * rows + unused // columns, unused % columns].set_visible(False)
    for row in grid:
        row[0].set_ylabel(f"force resolution ({FORCE_UNIT})")
    for axes in grid[-1]:
        axes.set_xlabel("frequency − f₀ (kHz)")
    _draw_key(figure, [kind for kind in KINDS if any(kind in force.resolution for force in forces)])
    return Sketch(figure, _caption(run, forces, reasons), " ".join(words), plotted.data)


def _sensor_force(run: RunContents, number: int) -> SensorForce:
    name = f"sensor{number}.force"
    if not run.has_trace(name):
        raise AnalysisRefused(f"there is no force resolution; {why_missing(f'{name}_separable_on', run)}")
    trace = run.trace(name)
    values = np.atleast_2d(np.asarray(trace.values, dtype=np.float64))
    kinds = [kind.strip() for kind in str(trace.conventions.get("rows", ", ".join(KINDS))).split(",")]
    if len(values) > len(kinds) or values.shape[1] != len(trace.axis):
        raise AnalysisRefused(f"trace {name} of shape {values.shape} is no force resolution of {', '.join(KINDS)}")
    known = run.results.get(f"sensor{number}.f0_hz")
    centre = known.value if known else float(trace.axis[int(np.nanargmin(values[0]))])
    levels = {
        kind: np.asarray(PER_FEMTO * np.where(row > 0.0, row, np.nan))
        for kind, row in zip(kinds, values, strict=False)
        if np.isfinite(row).any()
    }
    return SensorForce(number, np.asarray(trace.axis - centre), levels, _convention(trace))


def _convention(trace: TraceRecord) -> str:
    """What the trace says of its convention, in its own words."""
    told = [
        str(trace.conventions[key])
        for key in ("sidedness", "convention", "force", "reading")
        if key in trace.conventions
    ]
    return ", ".join(told)


def _draw_panel(
    axes: Axes, run: RunContents, force: SensorForce, kinds: Sequence[str], place: int, plotted: Plotted
) -> str:
    alone = kinds is _ALONE
    title = lettered(place, f"sensor {force.number}{'' if alone else ', with the sum'}")
    axes.set_title(title)
    detuning = detuning_hz(run)
    reach = min(REACH_DETUNINGS * detuning, float(np.abs(force.offset_hz).max()))
    inside = np.abs(force.offset_hz) <= reach
    x = np.asarray(force.offset_hz * PER_KILO)
    for kind in (kind for kind in kinds if kind in force.resolution):
        colour, dash = _PENS[kind]
        level = force.resolution[kind]
        axes.plot(*thinned(x[inside], level[inside], MOST_POINTS), color=colour, linestyle=dash, linewidth=1.0)
        plotted.add(title, kind, force.offset_hz, level, ("Hz from the mode", FORCE_UNIT))
    _shade(axes, x[inside], *_compared(force, inside, alone))
    axes.set_yscale("log")
    plain_log_ticks(axes)
    axes.set_xlim(-reach * PER_KILO, reach * PER_KILO)
    for side in (-detuning, detuning):
        axes.axvline(side * PER_KILO, ymax=0.04, color=GREY, linewidth=2.0)
    shown = [_level(run, force.number, kind, where) for kind in kinds for where in ("on", "off")]
    for place, text in enumerate(shown):
        line, side = divmod(place, 2)
        axes.text(
            0.99 if side else 0.01,
            LOWEST_TEXT + TEXT_STEP * (len(kinds) - 1 - line),
            text,
            color=_PENS[kinds[line]][0],
            fontsize=7.5,
            ha="right" if side else "left",
            va="bottom",
            transform=axes.transAxes,
        )
    said = "; ".join(f"{kind} {shown[2 * i]}, {shown[2 * i + 1]}" for i, kind in enumerate(kinds))
    return f"{title}: {said}."


def _compared(
    force: SensorForce, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], alone: bool
) -> list[FloatArray]:
    """The two curves between which the advantage lies: above and below."""
    above, below = ("coherent", "separable") if alone else ("separable", "entangled")
    if above not in force.resolution or below not in force.resolution:
        return []
    return [force.resolution[above][inside], force.resolution[below][inside]]


def _shade(axes: Axes, x: FloatArray, *curves: FloatArray) -> None:
    if len(curves) != 2:
        return
    above, below = curves
    thin = max(1, len(x) // MOST_POINTS)
    x, above, below = x[::thin], above[::thin], below[::thin]
    axes.fill_between(x, below, above, where=below < above, color=SKY, alpha=0.45, linewidth=0.0, interpolate=True)


def _level(run: RunContents, number: int, kind: str, where: str) -> str:
    """Resolution "on" or "off" resonance as the results have it, in fN/rtHz."""
    found = run.results.get(f"sensor{number}.force_{kind}_{where}")
    if found is None:
        return f"{where}: –"
    return f"{where} {value_with_sigma(PER_FEMTO * found.value, PER_FEMTO * found.sigma)}"


def _draw_key(figure: Figure, kinds: Sequence[str]) -> None:
    words = {
        "coherent": "coherent light",
        "separable": "separable: one sensor alone",
        "entangled": "entangled: sum of all",
        "conditional": "conditional: one given the others",
    }
    handles = [Line2D([], [], color=_PENS[kind][0], linestyle=_PENS[kind][1], label=words[kind]) for kind in kinds]
    key_above(figure, handles, size=8.5)


def _caption(run: RunContents, forces: Sequence[SensorForce], reasons: str) -> str:
    count = len(forces)
    upper = "–".join(dict.fromkeys(lettered(place, "").strip() for place in (0, count - 1)))
    lower = "–".join(dict.fromkeys(lettered(place, "").strip() for place in (count, 2 * count - 1)))
    told = list(dict.fromkeys(force.convention for force in forces if force.convention))
    named = run.results.get("force.detuning_hz")
    where = f"{detuning_hz(run):.4g} Hz off it" + (
        "" if named is not None else " (the usual detuning: the run names none)"
    )
    results = [result for name, result in run.results.items() if name.endswith("force_entangled_off")]
    words = results[0].convention if results else ""
    parts = [
        f"{upper}: each sensor alone; shaded between coherent and separable. {lower}: the sum of all sensors read as "
        "force; shaded where the entangled sum resolves better than the separable reading.",
        f"Two-sided as the publication prints it; one-sided is √2 more. Numbers: on resonance and {where}, where "
        "the ticks are.",
    ]
    if told or words:
        parts.append(f"Convention: {'; '.join(dict.fromkeys(filter(None, [*told, words])))}.")
    parts.append(
        "In the sum a force that moves one sensor alone shows with 1/M of its power, one that moves all with all."
    )
    return " ".join([*parts, *([reasons] if reasons else [])])
