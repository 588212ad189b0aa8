"""How the squeezed light is shared: the chain of taps, drawn, with what each detector gets of it.

Places are in inches from the lower left corner of the panel, so that letters and shapes fit each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from labctl.physics.network import half_wave_plate_angles_deg, tap_reflectivities
from labctl.simulation.portrait.style import BEST_SUM, GREY, ONE, PLAIN_SUM, decibels, signed, title
from labctl.simulation.working_point import WorkingPoint

MOST_DRAWN = 6  # stages; of more, the first and the last
FIRST_DRAWN, LAST_DRAWN = 3, 2
SOURCE_IN, SUM_IN = 1.35, 1.3  # widths to the left and to the right of the stages
BEAM_IN, DETECTOR_IN, SUM_AT_IN = 1.36, 0.86, 0.1  # heights above the lower edge
CUBE_IN, BOWL_IN, PLATE_IN = 0.24, 0.16, 0.34


@dataclass(frozen=True)
class Stage:
    """One output of the network as it is written beside it; the last sensor has no tap."""

    number: int
    tap: str
    numbers: str
    is_last: bool
    is_summed: bool


def draw_network(axes: Axes, point: WorkingPoint, width_in: float, height_in: float) -> None:
    """Draw source, taps, detectors and their sum."""
    axes.set_xlim(0.0, width_in)
    axes.set_ylim(0.0, height_in)
    axes.axis("off")
    stages = _stages(point)
    skipped = len(stages) - FIRST_DRAWN - LAST_DRAWN
    drawn = stages if len(stages) <= MOST_DRAWN else [*stages[:FIRST_DRAWN], None, *stages[-LAST_DRAWN:]]
    places = SOURCE_IN + (width_in - SOURCE_IN - SUM_IN) * (np.arange(len(drawn)) + 0.25) / len(drawn)
    _source(axes, point)
    axes.plot([SOURCE_IN - 0.25, places[-1]], [BEAM_IN] * 2, color=BEST_SUM, linewidth=3.0, zorder=1)
    for place, stage in zip(places.tolist(), drawn, strict=True):
        if stage is None:
            axes.text(place, BEAM_IN + 0.22, f"… {skipped} more …", ha="center", va="center", color=GREY)
            axes.text(place, DETECTOR_IN, "…", ha="center", va="center", color=GREY)
        else:
            _stage(axes, place, stage)
    if len(stages) > 1:
        _sum(axes, point, float(places[0]), width_in - 0.5 * SUM_IN)
    title(axes, _lesson(point), width_in)


def _lesson(point: WorkingPoint) -> str:
    count = len(point.sensors)
    mean = 100.0 * float(np.mean(point.efficiency()))
    if count == 1:
        return f"One sensor takes the whole squeezed beam, of which {mean:.0f}\u00a0% reaches its photocurrent"
    return (
        f"A chain of taps gives each of {count} sensors 1/{count} of one squeezed beam; {mean:.0f}\u00a0% of it "
        "reaches the photocurrents"
    )


def _stages(point: WorkingPoint) -> list[Stage]:
    taps = tap_reflectivities(point.weights())
    plates = half_wave_plate_angles_deg(point.weights())
    efficiency = point.efficiency()
    found = []
    for index, sensor in enumerate(point.sensors):
        numbers = (
            f"η {100.0 * efficiency[index]:.1f} %\n"
            f"gain {sensor.detector_gain:.3f}\n"
            f"delay {signed(1e9 * sensor.delay_s, 1)} ns"
        )
        is_last = index == len(point.sensors) - 1
        rest = "all that is left" if index else "all of it"
        tap = rest if is_last else f"tap {100.0 * taps[index]:.1f} %\nλ/2 at {plates[index]:.2f}°"
        found.append(Stage(index + 1, tap, numbers, is_last, len(point.sensors) > 1))
    return found


def _source(axes: Axes, point: WorkingPoint) -> None:
    squeezed, antisqueezed = (float(10.0 * np.log10(variance)) for variance in point.source())
    corner, height = (0.0, BEAM_IN - 0.42), 0.84
    box = FancyBboxPatch(
        corner, SOURCE_IN - 0.25, height, boxstyle="round,pad=0,rounding_size=0.08", fc="0.94", ec=GREY
    )
    axes.add_patch(box)
    text = f"source\nx = {point.truth.pump:.3f}\n{decibels(squeezed)}\n{decibels(antisqueezed)}"
    axes.text(0.5 * (SOURCE_IN - 0.25), BEAM_IN, text, ha="center", va="center")


def _stage(axes: Axes, place: float, stage: Stage) -> None:
    half = 0.5 * CUBE_IN
    if stage.is_last:
        axes.plot([place - half, place + half], [BEAM_IN + half, BEAM_IN - half], color=GREY, linewidth=3.0, zorder=3)
    else:
        axes.add_patch(Rectangle((place - half, BEAM_IN - half), CUBE_IN, CUBE_IN, fc="white", ec=GREY, zorder=2))
        axes.plot([place - half, place + half], [BEAM_IN + half, BEAM_IN - half], color=GREY, zorder=3)
        plate = (place - half - 0.22, BEAM_IN - 0.5 * PLATE_IN)
        axes.add_patch(Rectangle(plate, 0.06, PLATE_IN, fc="white", ec=GREY, zorder=2))
    axes.text(place, BEAM_IN + 0.26, stage.tap, ha="center", va="bottom", linespacing=1.1)
    top = DETECTOR_IN + BOWL_IN
    axes.plot([place] * 2, [BEAM_IN, top], color=BEST_SUM, linewidth=1.6, zorder=1)
    bowl = [(place - 1.3 * BOWL_IN, top), (place + 1.3 * BOWL_IN, top), (place, DETECTOR_IN - 0.13)]
    axes.add_patch(Polygon(bowl, closed=True, fc="white", ec=ONE, linewidth=1.6, zorder=2))
    axes.text(place, DETECTOR_IN + 0.06, f"{stage.number}", ha="center", va="center", color=ONE, weight="bold")
    axes.text(place + 0.1, DETECTOR_IN - 0.16, stage.numbers, ha="left", va="top", linespacing=1.1)
    if stage.is_summed:
        axes.plot([place] * 2, [DETECTOR_IN - 0.13, SUM_AT_IN], color=PLAIN_SUM, linewidth=1.2, zorder=1)


def _sum(axes: Axes, point: WorkingPoint, begin: float, place: float) -> None:
    axes.plot([begin, place], [SUM_AT_IN] * 2, color=PLAIN_SUM, linewidth=1.6, zorder=1)
    ring = {"boxstyle": "circle,pad=0.2", "fc": "white", "ec": PLAIN_SUM}
    axes.text(place, SUM_AT_IN, "Σ", ha="center", va="center", fontsize=13, bbox=ring, zorder=3)
    middle_hz = point.middle_hz()
    for lift, name, variance, colour in (
        (0.26, "plain sum", point.plain_sum(middle_hz), PLAIN_SUM),
        (0.74, "re-phased", point.best_sum(middle_hz), BEST_SUM),
    ):
        text = f"{name}\n{decibels(float(10.0 * np.log10(variance)), 2)}"
        axes.text(place, SUM_AT_IN + lift, text, ha="center", va="bottom", color=colour, weight="bold", linespacing=1.1)
