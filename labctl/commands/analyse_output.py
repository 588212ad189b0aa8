"""How `labctl analyse` shows what it found: text, JSON, a picture of data, fit and residuals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import typer

from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import Estimate

Fact = float | int | str | bool | None | Sequence[float] | Sequence[str]
LABEL_WIDTH = 18
FIGURE_HEIGHT_IN = 5.4
MOST_DECIMALS = 6
LARGEST_WRITTEN_OUT = 1e12


@dataclass(frozen=True, eq=False)
class Curves:
    """What a picture shows: `x`, `data` and, where something was fitted, `fit` (all (n,)) and `sigma` of a point.

    Residuals are data minus fit over sigma; a sigma of None leaves them in the data's own unit. `marks`: places on
    the axis that are pointed out.
    """

    x: FloatArray
    data: FloatArray
    x_label: str
    data_label: str
    fit: FloatArray | None = None
    residuals: FloatArray | None = None
    residual_label: str = "residual"
    marks: tuple[float, ...] = ()
    fit_label: str = "fit"
    points: bool = False
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, eq=False)
class Findings:
    """Numbers with uncertainties by name, other facts, remarks in sentences, and what a picture would show."""

    numbers: Mapping[str, Estimate]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    curves: Curves | None = None

    def to_json(self) -> dict[str, object]:
        """Numbers as value, sigma and unit; facts as they are; "warnings" and "notes" as lists of sentences."""
        found: dict[str, object] = {name: number.to_json() for name, number in self.numbers.items()}
        found |= {name: fact if isinstance(fact, PLAIN_FACTS) else list(fact) for name, fact in self.facts.items()}
        return found | {"warnings": list(self.warnings), "notes": list(self.notes)}

    def text(self) -> str:
        """One line a number, then the remarks."""
        lines = [f"{name:<{LABEL_WIDTH}} {in_digits(number)}" for name, number in self.numbers.items()]
        lines += [f"{name:<{LABEL_WIDTH}} {_shown(fact)}" for name, fact in self.facts.items()]
        lines += [f"warning: {sentence}" for sentence in self.warnings]
        lines += [f"note: {sentence}" for sentence in self.notes]
        return "\n".join(lines)


PLAIN_FACTS = (float, int, str, bool, type(None))


def show(findings: Findings, *, as_json: bool, plot: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Draw the picture if asked, then print."""
    if plot is not None:
        write_plot(findings, plot, inputs)
    typer.echo(json.dumps(findings.to_json(), indent=1) if as_json else findings.text())


def check_plot_name(plot: Path | None) -> None:
    """Raise ConfigurationError for a picture that is no PNG, before anything is computed."""
    if plot is not None and plot.suffix.lower() != ".png":
        raise ConfigurationError(f"{plot} is no name for a picture.", remedy="End it in .png.")


def write_plot(findings: Findings, plot: Path, inputs: Sequence[Path] = ()) -> None:
    """Write data, fit and residuals as PNG; refuses to write over an input."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from labctl.report.drawing import BLUE, DASHES, GREY, VERMILLION, as_png, house_style, label_text, new_figure

    check_plot_name(plot)
    if any(path.resolve() == plot.resolve() for path in inputs):
        raise AnalysisRefused(f"{plot} is one of the recordings.", remedy="Choose another name for the picture.")
    curves = findings.curves
    if curves is None:
        raise AnalysisRefused("This analysis has nothing to draw.")
    with house_style():
        figure = new_figure(FIGURE_HEIGHT_IN)
        if curves.residuals is None:
            upper = figure.subplots()
            lowest = upper
        else:
            upper, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
            lowest.axhline(0.0, color=VERMILLION, linestyle=DASHES[1], linewidth=1.0)
            lowest.plot(curves.x, curves.residuals, "." if curves.points else "-", color=BLUE, linewidth=0.7)
            lowest.set_ylabel(curves.residual_label)
        upper.plot(
            curves.x, curves.data, "o" if curves.points else "-", color=BLUE, linewidth=0.9, markersize=4, label="data"
        )
        if curves.fit is not None:
            upper.plot(
                curves.x, curves.fit, color=VERMILLION, linestyle=DASHES[1], linewidth=1.4, label=curves.fit_label
            )
        for mark in curves.marks:
            upper.axvline(mark, color=GREY, linestyle=DASHES[2], linewidth=1.0)
        if curves.log_x and bool(np.all(curves.x > 0)):
            upper.set_xscale("log")
        if curves.log_y and bool(np.all(curves.data > 0)):
            upper.set_yscale("log")
        for axis in (upper.yaxis, upper.xaxis, lowest.xaxis):
            if axis.get_scale() == "log":
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                low, high = axis.get_view_interval()
                axis.set_minor_formatter(axis.get_major_formatter() if high < 10 * low else NullFormatter())
        upper.set_ylabel(label_text(curves.data_label))
        lowest.set_xlabel(label_text(curves.x_label))
        upper.legend(loc="best")
        picture = as_png(figure)
    try:
        plot.write_bytes(picture)
    except OSError as error:
        raise AnalysisRefused(f"{plot} cannot be written: {error}.", remedy="Choose another folder.") from error


def write_columns(path: Path, header: Sequence[str], columns: Mapping[str, FloatArray], inputs: Sequence[Path]) -> None:
    """Write columns as CSV below a head of comments; refuses to write over an input."""
    if any(recording.resolve() == path.resolve() for recording in inputs):
        raise AnalysisRefused(f"{path} is one of the recordings.", remedy="Choose another name for the result.")
    lines = [f"# {line}" for line in header] + [",".join(columns)]
    lines += [",".join(f"{value:.10g}" for value in row) for row in zip(*columns.values(), strict=True)]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise AnalysisRefused(f"{path} cannot be written: {error}.", remedy="Choose another folder.") from error


def in_digits(number: Estimate) -> str:
    """Value and uncertainty with two digits of the uncertainty: "4275662.35 +- 0.21 Hz"."""
    if not 0 < number.sigma < math.inf or number.value == 0:
        return str(number)
    digits = 1 - math.floor(math.log10(number.sigma))
    if not (abs(number.value) >= 1e-3 and 0 <= digits <= MOST_DECIMALS and abs(number.value) < LARGEST_WRITTEN_OUT):
        significant = max(2, 2 + math.floor(math.log10(abs(number.value))) - math.floor(math.log10(number.sigma)))
        return f"{number.value:.{significant}g} +- {number.sigma:.2g} {number.unit}".rstrip()
    return f"{number.value:.{digits}f} +- {number.sigma:.{digits}f} {number.unit}".rstrip()


def _shown(fact: Fact) -> str:
    if isinstance(fact, float):
        return f"{fact:.6g}"
    if isinstance(fact, Sequence) and not isinstance(fact, str):
        return ", ".join(_shown(item) for item in fact) or "none"
    return "not known" if fact is None else str(fact)
