"""Traces and markers of Keysight X-series spectrum analyzers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from drivers.scpi_properties import choice, count, number, switch
from drivers.spectrum_analyzer import AnalyzerMarker, AnalyzerTrace, marker_number

DETECTORS: Final = ["NORM", "AVER", "POS", "SAMP", "NEG"]
TRACE_TYPES: Final = ["WRIT", "AVER", "MAXH", "MINH"]

_LARGEST_X: Final = 1e12


class XSeriesTrace(AnalyzerTrace):
    """One of six traces. Setting its type or its detector clears it and makes it live, the same again too."""

    trace_type = choice(
        ":TRAC{ch}:TYPE", "Control what the trace does with new sweeps (str: WRIT, AVER, MAXH or MINH).", TRACE_TYPES
    )
    detector = choice(
        ":DET:TRAC{ch}", "Control the detector of the trace (str: NORM, AVER, POS, SAMP or NEG).", DETECTORS
    )
    detector_auto = switch(
        ":DET:TRAC{ch}:AUTO", "Control whether the detector follows the type of the trace and the markers (bool)."
    )
    update = switch(":TRAC{ch}:UPD", "Control whether new sweeps change the trace (bool; off: it is only viewed).")
    display = switch(":TRAC{ch}:DISP", "Control whether the trace is on the screen (bool; it can be read anyway).")


class XSeriesMarker(AnalyzerMarker):
    """One of twelve markers. It keeps its x when that goes off the screen, and measures nothing there.

    The x and y of a delta marker are relative to its reference; y is then in dB, or a ratio where the unit of traces is
    linear.
    """

    mode = choice(
        ":CALC:MARK{ch}:MODE",
        "Control what the marker is (str: POS on its trace, DELT relative to another, FIX at a level, or OFF).",
        ["POS", "DELT", "FIX", "OFF"],
    )
    x_position = marker_number(
        ":CALC:MARK{ch}:X:POS",
        "Control where the marker is in points of its trace, from 0 on (float strictly from -1e9 to 1e9, no unit; NaN "
        "while off).",
        [-1e9, 1e9],
    )
    y = marker_number(
        ":CALC:MARK{ch}:Y",
        "Control the level at the marker in dBm, or in the unit of traces (float strictly from -500 to 500; NaN where "
        "there is nothing).\n\n"
        "Only that of a fixed marker can be set. With a function on, it is the result of the function.",
        [-500.0, 500.0],
    )
    reference = count(
        ":CALC:MARK{ch}:REF",
        "Control the marker that a delta marker is relative to (int strictly from 1 to 12); setting it makes it one.",
        [1, 12],
    )
    function = choice(
        ":CALC:MARK{ch}:FUNC",
        "Control what y is (str: NOIS the noise in 1 Hz, BPOW the power in a band, BDEN that in 1 Hz, or OFF the level "
        "of the trace); on an automatic detector and average type it selects power averages.",
        ["NOIS", "BPOW", "BDEN", "OFF"],
    )
    band_width = number(
        ":CALC:MARK{ch}:FUNC:BAND:SPAN",
        "Control the width of the band of the function in Hz, at zero span in s (float strictly from 0 to 1e12).",
        [0.0, _LARGEST_X],
    )


@dataclass(frozen=True)
class MarkerRow:
    """One row of the marker table: x in Hz (at zero span s), levels in dBm or the unit of traces.

    `band_width` and `function_result` are NaN where no function is on; any number is where the marker is off its trace.
    """

    COLUMNS: ClassVar[int] = 6

    marker: int
    trace: int
    x: float
    y: float
    band_width: float
    function_result: float

    @classmethod
    def of(cls, marker: float, trace: float, *numbers: float) -> Self:
        """Return the row that six numbers spell."""
        return cls(int(marker), int(trace), *numbers)
