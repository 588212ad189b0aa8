"""What the markers show in the plot and in the line below it."""

from __future__ import annotations

from collections.abc import Container, Mapping

from labctl.dashboard.look import Theme
from labctl.dashboard.markers import Marker, MarkerKind, MarkerSet, Reading, read
from labctl.dashboard.spectrum_text import readout
from labctl.dashboard.text_strip import Cell
from labctl.dashboard.trace_picture import ShownMarker
from labctl.dashboard.trace_store import Trace
from labctl.dashboard.trace_style import TraceStyle

NO_MARKERS = "no markers: M sets one, P finds the highest peak"


def reading_of(marker: Marker, traces: Mapping[str, Trace], relative: bool) -> Reading | None:
    """Return what a marker reads now; None where its trace is not there."""
    trace = traces.get(marker.channel)
    return None if trace is None else read(trace, marker.frequency_hz, relative, marker.kind is MarkerKind.NOISE)


def shown_markers(
    markers: MarkerSet, traces: Mapping[str, Trace], relative: bool, styles: Mapping[str, TraceStyle]
) -> tuple[ShownMarker, ...]:
    """Return the markers that have a place in the plot."""
    found = []
    for marker in markers.markers.values():
        reading = reading_of(marker, traces, relative)
        if reading is not None and marker.channel in styles:
            letter = {MarkerKind.DELTA: "Δ", MarkerKind.NOISE: "N"}.get(marker.kind, "M")
            place, colour = (reading.frequency_hz, reading.level_db), styles[marker.channel].colour
            found.append(ShownMarker(marker.number, letter, *place, colour, marker.number == markers.selected))
    return tuple(found)


def readout_cells(
    markers: MarkerSet,
    traces: Mapping[str, Trace],
    relative: bool,
    stale: Container[str],
    styles: Mapping[str, TraceStyle],
    theme: Theme,
) -> list[Cell]:
    """Return a line for each marker: no level where the trace is stale, and ▨ where it is not to be trusted."""
    cells = []
    several = len({marker.channel for marker in markers.markers.values()}) > 1
    unit = "dB" if relative else "dBm/Hz"
    for marker in markers.markers.values():
        reference = markers.markers.get(marker.reference)
        involved = [marker] if reference is None else [marker, reference]
        reading = reading_of(marker, traces, relative)
        other = None if reference is None else reading_of(reference, traces, relative)
        if any(each.channel in stale for each in involved):
            text = readout(marker, None, None, unit, several).removesuffix("–") + "STALE"
        else:
            text = readout(marker, reading, other, unit, several)
            text += " ▨" if any(_is_doubtful(each, traces, relative) for each in involved) else ""
        colour = styles[marker.channel].colour if marker.channel in styles else theme.dim
        cells.append(Cell(text, colour, bold=marker.number == markers.selected))
    return cells or [Cell(NO_MARKERS, theme.dim)]


def _is_doubtful(marker: Marker, traces: Mapping[str, Trace], relative: bool) -> bool:
    trace = traces.get(marker.channel)
    if trace is None or (trace.valid and not (relative or trace.dark is not None)):
        return False
    inside = any(span.low_hz <= marker.frequency_hz <= span.high_hz for span in trace.low_clearance)
    return inside or not trace.valid
