"""All noise reductions of the run in one chart, published and model values beside them as open markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused
from labctl.report.contents import RunContents
from labctl.report.drawing import BLACK, BLUE, GREY, VERMILLION, Plotted, Series, Sketch, new_figure, note, shot_line
from labctl.report.published import Comparison, Quantity, Reference, rows_by_result
from labctl.report.wording import PLUS_MINUS, shown_result, value_with_sigma, with_unit
from labctl.store.records import NamedResult

ROW_HEIGHT_IN, FRAME_IN = 0.42, 1.0
SPREAD = 0.5  # of a row, over which the sensors of one row are laid out
ROOM_DB = 0.6
LARGEST_SIGMA_DB = 3.0
"""A bar longer than this would squeeze the rest of the chart; it is cut and its text tells the whole."""


@dataclass(frozen=True)
class Line:
    """One row of the chart: the results that stand in it, and the references beside them."""

    label: str
    results: tuple[NamedResult, ...]
    published: Reference | None
    model: Reference | None


_ROWS = (
    ("one sensor alone, analyzer", "sensor{n}.individual_db", "individual.mean_db"),
    ("one sensor alone, records\n(marginal)", "sensor{n}.marginal_db", "sensor{n}.marginal_db"),
    ("one sensor, given the others\n(conditional)", "sensor{n}.conditional_db", "sensor{n}.conditional_db"),
    ("hardware sum (raw)", "joint.raw_db", "joint.raw_db"),
    ("sum of records (digital)", "joint.digital_db", "joint.digital_db"),
    ("re-phased sum", "joint.rephased_db", "joint.rephased_db"),
    ("source before losses", "source.squeezing_db", "source.squeezing_db"),
)


def draw_reductions(run: RunContents, quantities: Sequence[Quantity]) -> Sketch:
    """Raises AnalysisRefused when the run has none of these results."""
    lines = _lines(run, rows_by_result(quantities))
    if not any(line.results for line in lines):
        raise AnalysisRefused("The run has no noise reduction among its results.")
    figure = new_figure(FRAME_IN + ROW_HEIGHT_IN * len(lines))
    axes = figure.add_subplot()
    for row, line in enumerate(lines):
        _draw_line(axes, row, line)
    shot_line(axes, vertical=True)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_ylim(len(lines) - 0.4, -0.75)
    axes.set_xlim(*_limits(lines))
    axes.set_xlabel("noise power relative to shot noise (dB): further left is quieter")
    axes.annotate(
        "shot noise",
        (0.0, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -9),
        textcoords="offset points",
        ha="right",
    )
    _draw_key(axes)
    return Sketch(figure, _caption(), _alt(lines), _plotted(lines))


def _plotted(lines: Sequence[Line]) -> tuple[Series, ...]:
    plotted = Plotted()
    units = ("sensor", "dB")
    for line in lines:
        label = line.label.replace("\n", " ")
        if line.results:
            values, sigmas = ([getattr(one, name) for one in line.results] for name in ("value", "sigma"))
            plotted.add(label, "measured", np.arange(1, len(values) + 1), values, units, sigmas)
        for name, reference in (("published", line.published), ("model", line.model)):
            if reference is not None:
                plotted.add(label, name, 1, reference.value, units, reference.sigma or np.nan)
    return plotted.data


def _lines(run: RunContents, references: dict[str, Comparison]) -> list[Line]:
    lines = []
    for label, pattern, reference_pattern in _ROWS:
        numbers = run.sensors if "{n}" in pattern else (0,)
        names = [pattern.replace("{n}", str(n)) for n in numbers]
        results = tuple(run.results[name] for name in names if name in run.results and run.results[name].unit == "dB")
        first = reference_pattern.replace("{n}", str(numbers[0] if numbers else 1))
        reference = references.get(first)
        lines.append(
            Line(label, results, reference.published if reference else None, reference.model if reference else None)
        )
    return lines


def _draw_line(axes: Axes, row: int, line: Line) -> None:
    count = len(line.results)
    for place, result in enumerate(line.results):
        y = row + (SPREAD * (place / (count - 1) - 0.5) if count > 1 else 0.0)
        error = min(result.sigma, LARGEST_SIGMA_DB)
        axes.errorbar(
            result.value,
            y,
            xerr=error,
            marker="o",
            markersize=4.5 if count > 1 else 7.0,
            color=BLUE,
            elinewidth=1.6,
            capsize=2.5,
        )
    if line.model is not None:
        axes.plot(
            line.model.value,
            row,
            marker="|",
            markersize=24,
            markeredgewidth=1.6,
            color=BLACK,
            linestyle="none",
            zorder=3,
        )
    if line.published is not None:
        axes.plot(
            line.published.value,
            row,
            marker="D",
            markersize=9,
            markerfacecolor="none",
            markeredgewidth=1.5,
            color=VERMILLION,
            linestyle="none",
        )
    note(axes, _text(line), 1.012, row, va="center", color=BLACK if count else GREY, annotation_clip=False)


def _text(line: Line) -> str:
    if not line.results:
        return "not measured"
    if len(line.results) == 1:
        return with_unit(*shown_result(line.results[0]))
    values = np.array([result.value for result in line.results])
    low, high = float(values.min()), float(values.max())
    typical = max(result.sigma for result in line.results)
    shown_low, shown_high = (value_with_sigma(value, typical).split(PLUS_MINUS)[0] for value in (low, high))
    return f"{shown_low} to {shown_high} dB"


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    ends = [0.0]
    for line in lines:
        for result in line.results:
            reach = min(result.sigma, LARGEST_SIGMA_DB)
            ends += [result.value - reach, result.value + reach]
        ends += [reference.value for reference in (line.published, line.model) if reference is not None]
    return min(ends) - ROOM_DB, max(ends) + ROOM_DB


def _draw_key(axes: Axes) -> None:
    axes.plot([], [], marker="o", markersize=6, color=BLUE, label="measured in this run, ± 1 σ")
    axes.plot(
        [],
        [],
        marker="D",
        markersize=8,
        markerfacecolor="none",
        markeredgewidth=1.5,
        color=VERMILLION,
        linestyle="none",
        label="published",
    )
    axes.plot([], [], marker="|", markersize=13, markeredgewidth=1.6, color=BLACK, linestyle="none", label="model")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _caption() -> str:
    return (
        "Filled dots with bars are this run's results with one standard deviation; where a row "
        "holds several, there is one for each sensor, the first at the top. "
        "Open diamonds are published, black strokes the model; neither is a measurement of this run."
    )


def _alt(lines: Sequence[Line]) -> str:
    parts = []
    for line in lines:
        label = line.label.replace("\n", " ")
        published = f", published {line.published.text}" if line.published else ""
        model = f", model {line.model.text}" if line.model else ""
        parts.append(f"{label}: {_text(line)}{published}{model}")
    return "Dot chart of noise relative to shot noise. " + "; ".join(parts) + "."
