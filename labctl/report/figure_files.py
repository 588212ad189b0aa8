"""The figures of a report as PNG files beside it, each with its caption, for screens that show no HTML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from labctl.report.drawing import as_png
from labctl.report.figures import Drawing
from labctl.store.durable import write_durably
from labctl.store.failures import reported

FIGURES_FOLDER: Final = "figures"


def write_figures(run: Path, drawings: Iterable[Drawing]) -> Path:
    """Write what was drawn into the folder `figures` of the run folder `run` and return it.

    Raises `StoreError` where it cannot be written.
    """
    folder = run / FIGURES_FOLDER
    with reported("write the figures", folder):
        folder.mkdir(exist_ok=True)
        for place, drawing in enumerate(drawings, start=1):
            if drawing.figure is None:
                continue
            name = f"{place:02d}-{drawing.key}"
            write_durably(folder / f"{name}.png", as_png(drawing.figure))
            caption = f"{drawing.title}. {drawing.caption}".strip()
            write_durably(folder / f"{name}.txt", caption.encode("utf-8", "backslashreplace"))
    return folder
