"""The figures of a report as one PDF: a page of the numbers that matter, then each figure with its caption."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from labctl.report.contents import RunContents
from labctl.report.drawing import PAGE_WIDTH_IN, drawable, house_style, label_text
from labctl.report.figures import Drawing
from labctl.report.headline import readings
from labctl.report.overview import overview
from labctl.report.wording import NOT_MEASURED
from labctl.store.durable import write_durably
from labctl.store.failures import reported

MARGIN_IN, TITLE_IN, LINE_IN = 0.5, 0.4, 0.17
FIRST_PAGE_HEIGHT_IN = 7.1
CHARACTERS_PER_LINE = 150
TEXT_POINTS, TITLE_POINTS, HEAD_POINTS = 9.0, 11.0, 15.0


def write_pdf(place: Path, run: RunContents, drawings: Iterable[Drawing]) -> Path:
    """Write the PDF to `place` and return it; the same run gives the same bytes. Raises `StoreError` where it cannot be
    written."""
    drawn = list(drawings)
    buffer = io.BytesIO()
    with house_style(), PdfPages(buffer, metadata={"CreationDate": None, "Title": run.manifest.run_id}) as pages:
        pages.savefig(_first_page(run, drawn))
        for one in drawn:
            if one.figure is not None:
                _add_page(pages, one.figure, one)
    with reported("write the PDF", place.parent):
        write_durably(place, buffer.getvalue())
    return place


def _first_page(run: RunContents, drawings: Sequence[Drawing]) -> Figure:
    page = Figure(figsize=(PAGE_WIDTH_IN + 2 * MARGIN_IN, FIRST_PAGE_HEIGHT_IN))
    told = overview(run)
    lines = [(label_text(run.manifest.title or run.manifest.run_id), HEAD_POINTS, "bold")]
    state = f"Run {told.mark.word}" + (f": {told.reason}" if told.reason else "")
    lines += [(line, TITLE_POINTS, "normal") for line in _wrapped(state)]
    if told.is_simulated:
        lines.append(("Simulated table: no light was measured.", TITLE_POINTS, "bold"))
    lines += [(drawable(f"{name}: {value}"), TEXT_POINTS, "normal") for name, value in told.facts]
    lines.append(("Noise relative to shot noise", TITLE_POINTS, "bold"))
    for reading in readings(run):
        said = ", ".join(filter(None, [reading.number, reading.share])) or f"{NOT_MEASURED}: {reading.missing}"
        lines += [(line, TEXT_POINTS, "normal") for line in _wrapped(f"{reading.label} ({reading.how}): {said}")]
    missing = [one for one in drawings if one.missing]
    if missing:
        lines.append(("Not drawn", TITLE_POINTS, "bold"))
        for one in missing:
            lines += [(line, TEXT_POINTS, "normal") for line in _wrapped(f"{one.title}: {one.missing}")]
    y = 1.0 - MARGIN_IN / FIRST_PAGE_HEIGHT_IN
    for text, points, weight in lines:
        y -= 1.6 * points / 72.0 / FIRST_PAGE_HEIGHT_IN
        page.text(MARGIN_IN / (PAGE_WIDTH_IN + 2 * MARGIN_IN), y, text, fontsize=points, fontweight=weight, va="bottom")
    return page


def _add_page(pages: PdfPages, figure: Figure, one: Drawing) -> None:
    """Save the figure with its title above and its caption below, beyond its own edges, and leave it as it was."""
    height = float(figure.get_size_inches()[1])
    caption = _wrapped(one.caption)
    below = 0.2 + LINE_IN * len(caption)
    added = [
        figure.text(0.0, 1.0 + 0.12 / height, one.title, fontsize=TITLE_POINTS, fontweight="bold", va="bottom"),
        figure.text(0.0, -0.15 / height, "\n".join(caption), fontsize=TEXT_POINTS, va="top", linespacing=1.25),
    ]
    page = Bbox.from_extents(-MARGIN_IN, -below - MARGIN_IN, PAGE_WIDTH_IN + MARGIN_IN, height + TITLE_IN + MARGIN_IN)
    for legend in figure.legends:  # beside the figure, not the larger page
        legend.set_bbox_to_anchor((0.0, 0.0, 1.0, 1.0), transform=figure.transFigure)
    try:
        pages.savefig(figure, bbox_inches=page)  # type: ignore[no-untyped-call]
    finally:
        for text in added:
            text.remove()
        for legend in figure.legends:
            legend.set_bbox_to_anchor(None)


def _wrapped(text: str) -> list[str]:
    """Lines that fit the page; what holds a number and its unit together stays together."""
    return textwrap.wrap(drawable(text), CHARACTERS_PER_LINE, break_on_hyphens=False) or [""]
