"""What the spectrum plot is to show, in words and numbers, before it becomes pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.dashboard.trace_lines import reference_line, trace_line
from labctl.dashboard.trace_store import Trace
from labctl.dashboard.trace_style import TraceStyle

FloatArray = NDArray[np.float64]
DOTS = (2, 4)
DARK_DASHES = (8, 3, 2, 3)


@dataclass(frozen=True, eq=False)
class Line:
    """One line in view: x in Hz, y in dB; `hatched` (n,) marks the points that must not be read as squeezing."""

    style: TraceStyle
    x_hz: FloatArray
    y_db: FloatArray
    label: tuple[str, ...]  # the lines of text at its right end; () none
    dim: bool
    bold: bool
    hatched: NDArray[np.bool_] | None


@dataclass(frozen=True)
class ShownMarker:
    """A marker in the plot."""

    number: int
    letter: str
    frequency_hz: float
    level_db: float
    colour: str
    selected: bool


@dataclass(frozen=True, eq=False)
class Picture:
    """All that the plot shows; `lines` makes the lines of the part that is in view."""

    traces: tuple[tuple[Trace, TraceStyle, tuple[str, ...], bool], ...] = ()  # trace, style, label, dim
    selected: str = ""
    relative: bool = True
    shot_style: TraceStyle | None = None  # None: not shown
    dark_style: TraceStyle | None = None
    notes: tuple[str, ...] = ()
    markers: tuple[ShownMarker, ...] = ()
    empty: str = ""  # said in the middle when there is nothing to show

    @property
    def selected_trace(self) -> Trace | None:
        """Return the trace whose references are shown: the selected one."""
        return next((trace for trace, *_ in self.traces if trace.channel == self.selected), None)

    def lines(self, low_hz: float, high_hz: float, most: int) -> list[Line]:
        """Return the lines from `low_hz` to `high_hz`, the joint sum last and so on top, at most `most` bins each."""
        found = self._references(low_hz, high_hz, most)
        for trace, style, label, dim in sorted(self.traces, key=lambda item: item[0].channel == "joint"):
            x, y = trace_line(trace, self.relative, low_hz, high_hz, most)
            hatched = _hatched(trace, x, self.relative)
            found.append(Line(style, x, y, label, dim, trace.channel == self.selected, hatched))
        return found

    def _references(self, low_hz: float, high_hz: float, most: int) -> list[Line]:
        trace, found = self.selected_trace, []
        if trace is None:
            return []
        reference = trace.shot if self.relative else None
        if trace.dark is not None and self.dark_style is not None:
            x, y = reference_line(trace.dark, reference, low_hz, high_hz, most)
            found.append(Line(self.dark_style, x, y, (self.dark_style.name,), False, False, None))
        if trace.shot is not None and self.shot_style is not None:
            if self.relative:
                x = np.array([low_hz, high_hz])
                y = np.zeros(2)
            else:
                x, y = reference_line(trace.shot, None, low_hz, high_hz, most)
            found.append(Line(self.shot_style, x, y, (self.shot_style.name,), False, False, None))
        return found


def _hatched(trace: Trace, x_hz: FloatArray, relative: bool) -> NDArray[np.bool_] | None:
    if not trace.valid:
        return np.ones(len(x_hz), dtype=np.bool_)
    if not trace.low_clearance or not (relative or trace.dark is not None):
        return None
    mask = np.zeros(len(x_hz), dtype=np.bool_)
    for span in trace.low_clearance:
        mask |= (x_hz >= span.low_hz) & (x_hz <= span.high_hz)
    return mask
