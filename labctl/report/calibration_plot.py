"""The calibrations of a sensor over the dates of its runs, one panel a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from labctl.report.drawing import BLUE, as_png, house_style
from labctl.report.wording import shown_unit
from labctl.store.durable import write_durably
from labctl.store.failures import reported
from labctl.store.history import HistoryPoint

COLUMNS = 3
PANEL_IN = (3.6, 2.1)


def draw_history(sensor: int, history: Mapping[str, Sequence[HistoryPoint]], place: Path) -> Path:
    """Draw every quantity of `history` with its uncertainties into the PNG file `place` and return it.

    Raises `StoreError` where it cannot be written.
    """
    with house_style():
        rows = -(-len(history) // COLUMNS)
        figure = Figure(figsize=(COLUMNS * PANEL_IN[0], rows * PANEL_IN[1]), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"Calibrations of sensor {sensor}")
        panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for panel, (quantity, points) in zip(panels, history.items(), strict=False):
            _draw_quantity(panel, quantity, points)
        for panel in list(figure.axes)[len(history) :]:
            panel.set_visible(False)
        picture = as_png(figure)
    with reported("write the plot", place.absolute().parent):
        write_durably(place, picture)
    return place


def _draw_quantity(panel: Axes, quantity: str, points: Sequence[HistoryPoint]) -> None:
    largest = max(abs(point.result.value) for point in points)
    unit, factor = shown_unit(points[-1].result.unit, largest)
    same = [point for point in points if point.result.unit == points[-1].result.unit]
    dates = np.array([point.created.replace(tzinfo=None) for point in same], dtype="datetime64[s]")
    values = factor * np.array([point.result.value for point in same])
    sigmas = factor * np.array([point.result.sigma for point in same])
    panel.errorbar(dates, values, sigmas, fmt="o", markersize=4, capsize=2, color=BLUE)
    panel.set_title(f"{quantity}{'' if unit == '1' else f' ({unit})'}")
    locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    panel.margins(0.1, 0.15)
