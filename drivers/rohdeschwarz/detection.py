"""Detectors and averages: what a `SweepSettings` asks for, and what Rohde & Schwarz call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The average detector of others averages on the scale of the average type. Here each detector has a scale of its own:
# RMS power, AVER voltage, and none averages decibels.
DETECTION: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("AVER", "RMS"): ("RMS", "POW"),
    ("AVER", "SCAL"): ("AVER", "LIN"),
    **{
        (detector, asked): (detector, average)
        for detector in ("SAMP", "POS", "NEG")
        for asked, average in (("RMS", "POW"), ("LOG", "VID"), ("SCAL", "LIN"))
    },
}
"""Detector and average type of the instrument, by detector and average type of a `SweepSettings`."""
AVERAGING_DETECTORS: Final = ("RMS", "AVER")
"""Detectors that average all that a sweep sees of a point, past the video filter; others show the video signal."""


def detection_of(detector: str, average_type: str) -> tuple[str, str]:
    """Return the instrument's detector and average type for those of a sweep.

    Raises ValueError for a pair that the instrument does not have.
    """
    asked = (detector, average_type)
    if asked not in DETECTION:
        pairs = ", ".join(" ".join(pair) for pair in DETECTION)
        raise ValueError(f"no detector here does {detector} with averages {average_type}; there are {pairs}")
    return DETECTION[asked]


def sweep_detection(detector: str, average_type: str) -> tuple[str, str] | None:
    """Return detector and average type of the sweep that the instrument's belong to, None where they belong to none."""
    found = (detector, average_type)
    return next((asked for asked, here in DETECTION.items() if here == found), None)
