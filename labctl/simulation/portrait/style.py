"""What the panels of a portrait share: colours by what they stand for, and words on axes.

Colours are entries of the style that the caller has set, so that they are told apart by everybody.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK = (f"C{entry}" for entry in range(6))
ONE, PLAIN_SUM, BEST_SUM, THERMAL, COHERENT = BLUE, VERMILLION, GREEN, ORANGE, BLACK
GREY, FAINT = "0.35", "0.72"
SOLID: Any = "-"
DASHED: Any = (0, (5, 2))
DOTTED: Any = (0, (1, 1.5))
DASH_DOT: Any = (0, (5, 1.5, 1, 1.5))
CHARACTERS_PER_INCH = 12.7  # of a bold title, so that it wraps within its panel
LINE_HEIGHT_PX = 15.0
SMALL_DB = 0.095
MINUS = "−"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def title(axes: Axes, text: str, width_in: float) -> None:
    """Say above a panel of `width_in` what it teaches, in as many lines as it needs."""
    axes.set_title(textwrap.fill(text, round(CHARACTERS_PER_INCH * width_in)), loc="left")


def decibels(level_db: float, digits: int | None = None) -> str:
    """Return a level such as "−3.7 dB", with two digits where one would leave nothing of it."""
    if digits is None:
        digits = 1 if abs(level_db) >= SMALL_DB else 2
    return f"{signed(level_db, digits)}\u00a0dB"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, as it is typeset."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}".replace("-", MINUS) if rounded else f"{0.0:.{digits}f}"


def logarithmic(axes: Axes, which: str) -> None:
    """Give the axis `which`, "x" or "y", decades written as powers of ten."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(10.0))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, position=None: power_of_ten(value)))


def power_of_ten(value: float) -> str:
    """Return a decade as it is read: "0.1", "1", "10", "100", beyond them "10⁴"."""
    exponent = round(math.log10(value)) if value > 0 else 0
    return f"{10.0**exponent:g}" if -1 <= exponent <= 2 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def label_lines(axes: Axes, entries: Sequence[tuple[float, str, str]]) -> None:
    """Write (level, text, colour) beside the right end of lines, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    height_px = axes.get_window_extent().height
    gap = LINE_HEIGHT_PX / max(height_px, 1.0)
    at: list[float] = []
    placed = sorted(entries)
    for level, _, _ in placed:
        wanted = (min(max(level, low), high) - low) / (high - low)
        at.append(max(wanted, at[-1] + gap) if at else wanted)
    excess = max(0.0, at[-1] - 1.0) if at else 0.0
    for place, (_, text, colour) in zip(at, placed, strict=True):
        axes.annotate(
            text,
            xy=(1.0, place - excess),
            xytext=(6.0, 0.0),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )
