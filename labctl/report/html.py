"""The report of a run: one HTML file that needs nothing else, made from the run folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from labctl.errors import StoreError
from labctl.report.calibration import further_rows, sensor_blocks, table_rows, windows_summary
from labctl.report.contents import RunContents, read_run
from labctl.report.conventions import GENERAL, meanings, trace_lines
from labctl.report.headline import checks, readings
from labctl.report.incidents import incidents
from labctl.report.instruments import instrument_lines
from labctl.report.locks import locks
from labctl.report.overview import overview
from labctl.report.published import Quantity, published_quantities
from labctl.report.told_sections import told_sections
from labctl.report.truth_section import Revelation, truth_section
from labctl.report.wording import NOT_MEASURED, displayable
from labctl.store.archive_flag import refuse_archived
from labctl.store.durable import write_durably
from labctl.store.failures import reported

if TYPE_CHECKING:
    from labctl.report.figures import Drawing

REPORT_FILE = "report.html"
TEMPLATE = "report.html.j2"


def write_report(
    run: Path,
    destination: Path | None = None,
    revelation: Revelation | None = None,
    *,
    figures: bool = False,
    pdf: bool = False,
) -> Path:
    """Write the report of the run folder `run` and return where it is: `destination`, or report.html in the folder.

    With `figures` they are written as PNG, with their data as CSV, into the folder `figures` of the run too; with `pdf`
    as one PDF beside the report. With a `revelation` it has a section that sets what was true of a simulated table
    beside the estimates.
    The file is whole or absent: it is written aside and renamed. The same run gives the same bytes. Raises StoreError
    when the folder is no run, when it is archived and would be written, or when the file cannot be written; anything
    else that is missing is said in the report.
    """
    place = Path(run) / REPORT_FILE if destination is None else Path(destination)
    if place.is_dir():
        raise StoreError(f"{place} is a folder.", remedy="Give the name of a file for the report.")
    refuse_archived(Path(run) if figures else place)
    contents = read_run(Path(run))
    quantities = published_quantities(contents)
    drawings = _drawings(contents, quantities)
    page = _render(contents, quantities, drawings, revelation)
    with reported("write the report", place.parent):
        write_durably(place, page.encode("utf-8", "backslashreplace"))
    drawn = [drawing for section in drawings.values() for drawing in section]
    if figures:
        from labctl.report.figure_files import write_figures

        write_figures(Path(run), drawn)
    if pdf:
        from labctl.report.figure_pdf import write_pdf

        write_pdf(place.with_suffix(".pdf"), contents, drawn)
    return place


def render(run: RunContents, revelation: Revelation | None = None) -> str:
    """The page as text."""
    quantities = published_quantities(run)
    return _render(run, quantities, _drawings(run, quantities), revelation)


def _drawings(run: RunContents, quantities: Sequence[Quantity]) -> dict[str, list[Drawing]]:
    from labctl.report.figures import draw_all  # matplotlib takes a second to load: only who draws should wait

    return draw_all(run, quantities)


def _render(
    run: RunContents,
    quantities: Sequence[Quantity],
    drawings: dict[str, list[Drawing]],
    revelation: Revelation | None,
) -> str:
    blocks = sensor_blocks(run)
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            run=run,
            manifest=run.manifest,
            overview=overview(run),
            readings=readings(run),
            checks=checks(run),
            incidents=incidents(run),
            locks=locks(run),
            quantities=[quantity for quantity in quantities if quantity.is_measured],
            unmeasurable=[quantity for quantity in quantities if not quantity.is_measured],
            blocks=blocks,
            windows_summary=windows_summary(blocks),
            table_rows=table_rows(run),
            further_rows=further_rows(run),
            told=told_sections(run),
            drawings=drawings,
            general_conventions=GENERAL,
            meanings=meanings(run),
            traces=trace_lines(run),
            instruments=instrument_lines(run),
            revealed=None if revelation is None else truth_section(run, revelation),
            not_measured=NOT_MEASURED,
        )
    )


def _environment(loader: BaseLoader | None = None) -> Environment:
    """Escapes every string, and writes out control characters: what instruments answer is not to be trusted."""
    return Environment(
        loader=loader or PackageLoader("labctl.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: displayable(value) if type(value) is str else value,
    )
