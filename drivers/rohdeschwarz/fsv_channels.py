"""Traces and markers of Rohde & Schwarz FSV, FSV3000 and FSW spectrum analyzers."""

from __future__ import annotations

from typing import Final

from drivers.scpi_properties import choice, switch
from drivers.spectrum_analyzer import AnalyzerMarker, AnalyzerTrace, marker_reading

DETECTORS: Final = ["APE", "POS", "NEG", "SAMP", "RMS", "AVER"]
TRACE_MODES: Final = ["WRIT", "AVER", "MAXH", "MINH", "VIEW", "BLAN"]


class FsvTrace(AnalyzerTrace):
    """One of six traces. Setting its mode clears it, but for VIEW."""

    trace_mode = choice(
        "DISP:TRAC{ch}:MODE",
        "Control what the trace does with new sweeps (str: WRIT, AVER, MAXH, MINH, VIEW or BLAN).",
        TRACE_MODES,
    )
    detector = choice(
        "DET{ch}", "Control the detector of the trace (str: APE, POS, NEG, SAMP, RMS power or AVER voltage).", DETECTORS
    )
    detector_auto = switch(
        "DET{ch}:AUTO", "Control whether the detector follows the mode of the trace and the markers (bool)."
    )


class FsvMarker(AnalyzerMarker):
    """One of sixteen markers. Asking a marker that is off for its x, y or trace switches it on."""

    enabled = switch("CALC:MARK{ch}:STAT", "Control whether the marker is on (bool).")
    noise_enabled = switch(
        "CALC:MARK{ch}:FUNC:NOIS", "Control whether the marker measures the noise in 1 Hz (bool); switches it on."
    )
    noise_density = marker_reading(
        "CALC:MARK{ch}:FUNC:NOIS:RES?",
        "Measure the noise in 1 Hz in dBm, or in the unit of traces, over 17 points around the marker (float; NaN "
        "where there is nothing). It takes the bias of averages off for the sample detector.",
    )
