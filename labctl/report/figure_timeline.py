"""The steps of a run as bars against lab time, what failed in them, and warnings and errors as they came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    Plotted,
    Series,
    Sketch,
    label_text,
    new_figure,
    note,
)
from labctl.report.wording import STEP_MARKS, duration, lab_time
from labctl.store.records import EventRecord, StepRecord, StepState

ROW_HEIGHT_IN, FRAME_IN, TALLEST_IN = 0.26, 0.9, 60.0
SHORTEST_BAR = 0.003  # of the axis: a step of a second on a night's axis must be seen
MOST_EVENT_MARKS = 400

_FILLS = {
    StepState.DONE: (SKY, ""),
    StepState.FAILED: (VERMILLION, "xxx"),
    StepState.STOPPED: (ORANGE, "///"),
    StepState.RUNNING: ("#FFFFFF", "..."),
}


@dataclass(frozen=True)
class TimeUnit:
    """Unit of the axis, from the length of the run."""

    name: str
    seconds: float


def draw_timeline(run: RunContents) -> Sketch:
    """Raises AnalysisRefused when the journal is empty."""
    if not run.steps:
        raise AnalysisRefused("The run has no steps in its journal.")
    names = list(dict.fromkeys(step.name for step in run.steps))
    begin, end = _extent(run)
    unit = _unit(end - begin)
    told = [event for event in run.events if event.level in ("warning", "error")]
    figure = new_figure(min(FRAME_IN + ROW_HEIGHT_IN * (len(names) + 1), TALLEST_IN))
    axes = figure.add_subplot()
    width = max((end - begin) / unit.seconds, 1e-9)
    axes.set_xlim((begin / unit.seconds) - 0.005 * width, begin / unit.seconds + 1.14 * width)
    for row, name in enumerate(names):
        _draw_step(axes, row, [step for step in run.steps if step.name == name], end, unit, width)
    _draw_events(axes, len(names), told, unit)
    axes.set_yticks(range(len(names) + 1), [*(label_text(name) for name in names), "warnings, errors"])
    axes.set_ylim(len(names) + 0.7, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"lab time ({unit.name})")
    caption = (
        "Plain bars: done. Crossed bars with ✖: failed. Striped with ■: stopped. Dotted with ▶: "
        "unfinished, no end recorded. "
        "Each try has its own bar; the words are about the last. Lowest row: ▲ warning, ✖ error."
    )
    return Sketch(figure, caption, _alt(run, names, begin, end, told), _plotted(run.steps, end))


def _plotted(steps: Sequence[StepRecord], end: float) -> tuple[Series, ...]:
    """Beginning and length of every try in s of lab time."""
    plotted = Plotted()
    for step in steps:
        if step.started_at is not None:
            until = end if step.ended_at is None else step.ended_at
            plotted.add(step.name, str(step.state), step.started_at, until - step.started_at, ("s", "s"))
    return plotted.data


def _extent(run: RunContents) -> tuple[float, float]:
    begun = [step.started_at for step in run.steps if step.started_at is not None]
    ended = [step.ended_at for step in run.steps if step.ended_at is not None]
    begin = min(begun, default=0.0)
    return begin, max([*begun, *ended, run.end_of_data or begin])


def _unit(seconds: float) -> TimeUnit:
    if seconds >= 3 * 3600.0:
        return TimeUnit("h", 3600.0)
    return TimeUnit("min", 60.0) if seconds >= 180.0 else TimeUnit("s", 1.0)


def _draw_step(axes: Axes, row: int, tries: Sequence[StepRecord], end: float, unit: TimeUnit, width: float) -> None:
    right = axes.get_xlim()[0]
    words = ""
    for step in tries:
        if step.started_at is None:
            words = str(STEP_MARKS[step.state])
            continue
        until = end if step.ended_at is None else step.ended_at
        left = step.started_at / unit.seconds
        length = max((until - step.started_at) / unit.seconds, SHORTEST_BAR * width)
        fill, hatch = _FILLS.get(step.state, ("#FFFFFF", ""))
        axes.barh(row, length, left=left, height=0.64, color=fill, hatch=hatch, edgecolor=BLACK, linewidth=0.7)
        right = max(right, left + length)
        spent = duration(until - step.started_at)
        words = spent if step.state is StepState.DONE else f"{STEP_MARKS[step.state]} after {spent}"
    words = f"try {tries[-1].attempt}: {words}" if len(tries) > 1 else words
    axes.annotate(words, (right, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5)


def _draw_events(axes: Axes, row: int, events: Sequence[EventRecord], unit: TimeUnit) -> None:
    axes.axhline(row, color=GREY, linewidth=0.5)
    if not events:
        note(axes, "none", 0.01, row, va="center", color=GREY, backgroundcolor="white")
    for level, marker, colour in (("warning", "^", ORANGE), ("error", "X", VERMILLION)):
        times = [event.at / unit.seconds for event in events if event.level == level][:MOST_EVENT_MARKS]
        axes.plot(
            times,
            [row] * len(times),
            marker=marker,
            linestyle="none",
            markersize=8,
            color=colour,
            markeredgecolor=BLACK,
            markeredgewidth=0.6,
        )


def _alt(run: RunContents, names: Sequence[str], begin: float, end: float, told: Sequence[EventRecord]) -> str:
    last = {step.name: step for step in run.steps}
    troubled = [
        f"{name} {STEP_MARKS[last[name].state].word}" for name in names if last[name].state is not StepState.DONE
    ]
    length = duration(end - begin) if math.isfinite(end - begin) else "unknown"
    done = len(names) - len(troubled)
    trouble = f" Not done: {'; '.join(troubled)}." if troubled else ""
    return (
        f"Timeline of {len(names)} steps over {length} of lab time from {lab_time(begin)}. {done} done.{trouble} "
        f"{len(told)} warnings and errors."
    )
