"""Figures of small panels of which any may be missing: what is there is drawn, of the rest the caption says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused
from labctl.report.contents import RunContents
from labctl.report.drawing import Plotted, Sketch, lettered, new_figure, why_not


@dataclass(frozen=True)
class Panel:
    """One small panel: its traces, the result that comes of them, and how it is drawn (axes, traces, panel's title).

    `draw` labels the axes and returns what it shows in words.
    """

    title: str
    traces: tuple[str, ...]
    missing: str  # in one clause, why there are none
    draw: Callable[[Axes, Sequence[str], str, Plotted], str]


def draw_panels(run: RunContents, panels: Sequence[Panel], caption: str, columns: int, height_in: float) -> Sketch:
    """Draw the panels that have a trace. Raises AnalysisRefused when none has."""
    there = [(panel, [name for name in panel.traces if run.has_trace(name)]) for panel in panels]
    absent = [f"{panel.title}: {panel.missing}" for panel, names in there if not names]
    there = [(panel, names) for panel, names in there if names]
    said = f"Not taken: {'; '.join(absent)}." if absent else ""
    if not there:
        raise AnalysisRefused(said)
    columns = min(columns, len(there))
    rows = -(-len(there) // columns)
    figure = new_figure(rows * height_in)
    grid = figure.subplots(rows, columns, squeeze=False)
    plotted, words = Plotted(), list[str]()
    for place in range(rows * columns):
        axes = grid[place // columns, place % columns]
        if place >= len(there):
            axes.set_visible(False)
            continue
        panel, names = there[place]
        title = lettered(place, panel.title)
        axes.set_title(title)
        words.append(_drawn(axes, panel, names, title, plotted))
    return Sketch(figure, " ".join(filter(None, [caption, said])), " ".join(words), plotted.data)


def _drawn(axes: Axes, panel: Panel, names: Sequence[str], title: str, plotted: Plotted) -> str:
    """One panel that cannot be drawn must not cost the reader the others."""
    try:
        return f"{title}: {panel.draw(axes, names, title, plotted)}"
    except Exception as error:
        axes.clear()
        axes.set_title(title)
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"not drawn:\n{why_not(error)}", ha="center", va="center", wrap=True, fontsize=8.0)
        return f"{title}: not drawn."
