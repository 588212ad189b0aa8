"""How figures look, and how a figure becomes text that a page can hold.

The only place that sets matplotlib's options.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import rcsetup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

from labctl.errors import LabError
from labctl.report.wording import MINUS
from labctl.spectra.acquisition import FloatArray

PAGE_WIDTH_IN = 10.0  # drawn at about 106 px an inch on a page of 1060 px, so 9 pt is 13 px
POINTS_PER_INCH = 72.0
LABEL_HEIGHT_PT = 12.0
PLACE_DIGITS = 5  # of the places of axes in a figure: a hundredth of a pixel
LONGEST_LABEL = 48
MOST_POINTS_DRAWN = 500  # of one line: a panel is less than that many pixels wide
PANEL_LETTERS = "abcdefghijklmnopqrstuvwxyz"
PER_MILLI, PER_KILO, PER_MEGA, PER_FEMTO = 1e3, 1e-3, 1e-6, 1e15
FORCE_UNIT = "fN/√Hz"

# Okabe and Ito's palette; each is used together with a dash style, a marker or a word.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#5A5A5A"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Pen:
    """Colour, dash and marker of one line, so that it is told apart without its colour too."""

    colour: str
    dash: Any
    marker: str


def pen(place: int) -> Pen:
    """The pen of line number `place`, from 0; colours come again with another dash and marker."""
    turn = place + place // len(COLOURS)
    return Pen(COLOURS[place % len(COLOURS)], DASHES[turn % len(DASHES)], MARKERS[turn % len(MARKERS)])


_OPTIONS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.prop_cycle": rcsetup.cycler(color=COLOURS),
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with dollar signs is a name
    "svg.fonttype": "path",  # looks the same without the font
    "svg.hashsalt": "labctl",  # the same figure gives the same bytes
    "path.simplify": True,
}


@dataclass(frozen=True, eq=False)
class Series:
    """What one line or set of points of a figure shows, every point of it: x, y and the standard uncertainty of y,
    each (n,), in the units of the axes; `sigma` is None where none is known."""

    panel: str
    name: str
    x: FloatArray
    y: FloatArray
    x_unit: str
    y_unit: str
    sigma: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Sketch:
    """A figure with its words: the caption for everybody, `alt` for who cannot see it; `data` is what is plotted."""

    figure: Figure
    caption: str
    alt: str
    data: tuple[Series, ...] = ()


class Plotted:
    """Gathers the series of a figure while it is drawn."""

    def __init__(self) -> None:
        self._series: list[Series] = []

    def add(
        self,
        panel: str,
        name: str,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        units: tuple[str, str],
        sigma: npt.ArrayLike | None = None,
    ) -> None:
        """Keep x and y, each (n,) or a number, with their units and the uncertainty of y."""
        across, up = (np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (x, y))
        spread = None if sigma is None else np.broadcast_to(np.asarray(sigma, dtype=np.float64), up.shape)
        self._series.append(Series(panel, name, across, up, units[0], units[1], spread))

    @property
    def data(self) -> tuple[Series, ...]:
        """All that was added, in that order."""
        return tuple(self._series)


@contextmanager
def house_style() -> Iterator[None]:
    """Figures made and saved inside the block look and read the same on every machine, whatever its own options."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for option, value in _OPTIONS.items():
            matplotlib.rcParams[option] = value
        yield


def new_figure(height_in: float) -> Figure:
    """A figure of the page's width."""
    return Figure(figsize=(PAGE_WIDTH_IN, height_in), layout="constrained")


def as_data_uri(figure: Figure) -> str:
    """The figure as SVG inside a data URI, the same bytes every time."""
    buffer, canvas = io.BytesIO(), FigureCanvasSVG(figure)
    _lay_out(figure)
    # savefig would draw everything a second time only to find the layout.
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _lay_out(figure: Figure) -> None:
    """Place the axes of a figure for good: the layout does not find the last digits alike every time."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(float(edge), PLACE_DIGITS) for edge in axes.get_position(original=True).bounds)
        axes.set_position((x, y, width, height))


def as_png(figure: Figure, dots_per_inch: float | None = None) -> bytes:
    """The figure as PNG, at its own resolution if none is given, the same bytes every time."""
    buffer = io.BytesIO()
    if dots_per_inch is not None:
        figure.set_dpi(dots_per_inch)
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def label_text(text: str) -> str:
    """A name that came from outside, on one line, cut, and with letters that the font has not replaced."""
    shown = drawable(text)
    return shown if len(shown) <= LONGEST_LABEL else shown[: LONGEST_LABEL - 1] + "…"


def drawable(text: str) -> str:
    """Text that came from outside on one line, with letters that the font has not replaced."""
    font = get_font(findfont("DejaVu Sans"))
    return "".join(letter if letter >= " " and font.get_char_index(ord(letter)) else "\ufffd" for letter in text)


def label_right(axes: Axes, levels: Sequence[float], texts: Sequence[str], colours: Sequence[str]) -> None:
    """Write a label beside the right end of each line, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    height_pt = axes.get_position().height * figure.get_size_inches()[1] * POINTS_PER_INCH
    gap = LABEL_HEIGHT_PT / max(height_pt, 1.0) * (high - low)
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    placed: dict[int, float] = {}
    for i in order:
        below = max(placed.values(), default=-np.inf)
        placed[i] = max(min(max(levels[i], low), high), below + gap)
    shift = max(0.0, max(placed.values(), default=low) - high) / 2.0
    for i, level in placed.items():
        axes.annotate(
            texts[i],
            xy=(1.0, levels[i]),
            xytext=(1.012, level - shift),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            color=colours[i],
            va="center",
            annotation_clip=False,
        )


def note(axes: Axes, text: str, across: float, level: float, **style: Any) -> None:
    """Text inside the axes: `across` as a fraction of the width, `level` in the units of the vertical axis."""
    axes.annotate(text, xy=(across, level), xycoords=("axes fraction", "data"), **style)


def key_above(figure: Figure, handles: Sequence[Line2D], size: float = 9.0) -> None:
    """Name the lines of all panels above them."""
    figure.legend(
        handles=list(handles),
        loc="outside upper center",
        ncols=len(handles),
        fontsize=size,
    )


def thinned(x: FloatArray, y: FloatArray, most: int = MOST_POINTS_DRAWN) -> tuple[FloatArray, FloatArray]:
    """At most `most` points of a line, the lowest and the highest of each stretch, so that no peak is lost."""
    if len(x) <= most:
        return x, y
    kept = [0, len(x) - 1]
    for stretch in np.array_split(np.arange(len(x)), most // 2 - 1):
        part = np.where(np.isfinite(y[stretch]), y[stretch], np.nanmedian(y))
        kept += [int(stretch[part.argmin()]), int(stretch[part.argmax()])]
    chosen = np.unique(kept)
    return x[chosen], y[chosen]


def lettered(place: int, title: str) -> str:
    """The title of panel number `place` of a figure, from 0: "(a) title"."""
    return f"({PANEL_LETTERS[place]}) {title}" if place < len(PANEL_LETTERS) else title


def why_not(error: Exception) -> str:
    """Why something was not drawn: an error of ours in its own words, any other as a fault of the data."""
    if isinstance(error, LabError):
        return str(error)
    return f"The data cannot be drawn ({type(error).__name__}: {error})."


def shot_line(axes: Axes, *, vertical: bool = False) -> None:
    """The reference of all noise reductions: 0 dB, dotted."""
    draw = axes.axvline if vertical else axes.axhline
    draw(0.0, color=BLACK, linewidth=1.1, linestyle=DASHES[2], zorder=2.5)


def megahertz_ticks(axes: Axes) -> None:
    """Frequency axis in MHz without an offset."""
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    axes.xaxis.set_major_formatter(formatter)


def signed_ticks(axes: Axes) -> None:
    """Ticks of an axis of offsets: +500, 0, −500."""

    def written(value: float, position: int | None = None) -> str:
        return f"{value:+,.0f}".replace(",", "\u202f").replace("-", MINUS) if value else "0"

    axes.xaxis.set_major_formatter(FuncFormatter(written))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def plain_log_ticks(axes: Axes, *, vertical: bool = True) -> None:
    """Numbers at 1, 2, 5, 10 ... of a logarithmic axis, written out."""
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _position=None: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
