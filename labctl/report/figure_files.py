"""The figures of a report as PNG files beside it, each with its caption and with what it plots as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from labctl.report.drawing import Series, as_png, house_style
from labctl.report.figures import Drawing
from labctl.store.durable import write_durably
from labctl.store.failures import reported

FIGURES_FOLDER: Final = "figures"
PNG_DOTS_PER_INCH: Final = 110.0  # a figure of the page is then 1100 wide
CSV_COLUMNS: Final = ("panel", "series", "x", "y", "y_sigma", "x_unit", "y_unit")


def write_figures(run: Path, drawings: Iterable[Drawing]) -> Path:
    """Write what was drawn into the folder `figures` of the run folder `run` and return it.

    Each figure gives a PNG, its caption as text, and a CSV with every point of every series; an uncertainty or a value
    that is not there is an empty cell. Raises `StoreError` where they cannot be written.
    """
    folder = run / FIGURES_FOLDER
    with reported("write the figures", folder), house_style():
        folder.mkdir(exist_ok=True)
        for place, drawing in enumerate(drawings, start=1):
            if drawing.figure is None:
                continue
            name = f"{place:02d}-{drawing.key}"
            write_durably(folder / f"{name}.png", as_png(drawing.figure, PNG_DOTS_PER_INCH))
            caption = f"{drawing.title}. {drawing.caption}".strip()
            write_durably(folder / f"{name}.txt", caption.encode("utf-8", "backslashreplace"))
            if drawing.data:
                write_durably(folder / f"{name}.csv", csv_text(drawing.data).encode("utf-8", "backslashreplace"))
    return folder


def csv_text(data: Sequence[Series]) -> str:
    """The series one below the other, one point a line, under a line of column names."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for one in data:
        sigmas = [math.nan] * len(one.x) if one.sigma is None else one.sigma.tolist()
        writer.writerows(
            (one.panel, one.name, f"{x:.12g}", _cell(y), _cell(sigma), one.x_unit, one.y_unit)
            for x, y, sigma in zip(one.x.tolist(), one.y.tolist(), sigmas, strict=True)
        )
    return text.getvalue()


def _cell(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
