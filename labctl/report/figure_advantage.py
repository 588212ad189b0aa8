"""Error of the network's estimate and the advantage of entanglement against the number of sensors: fig. 4."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.physics import sensing
from labctl.physics.squeezing import before_loss, photon_number
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLUE,
    DASHES,
    PURPLE,
    VERMILLION,
    Plotted,
    Sketch,
    new_figure,
)
from labctl.report.figure_design import CHANNEL_EFFICIENCY
from labctl.report.origins import why_missing
from labctl.report.published import Comparison, Quantity, rows_by_result
from labctl.report.wording import plain_number, value_with_sigma
from labctl.spectra.acquisition import FloatArray

HEIGHT_IN = 3.7
POINTS = 121
LEAST_SENSORS = 4  # to the right end of the axis at least
_NAME = re.compile(r"advantage\.m([0-9]+)_(rmse_entangled|rmse_separable|percent)$")
_PUBLISHED_OFFSET = 0.06  # of one sensor, to the right, so that open and filled markers stand side by side
PUBLISHED_PHOTONS, PUBLISHED_EFFICIENCY = 2.3, 0.82
SOURCE_EFFICIENCY = "source.total_efficiency"


@dataclass(frozen=True)
class Model:
    """A pure source shared by all: photons N_s, and the efficiency behind it; `basis` says where they are from."""

    photons: float
    efficiency: float
    basis: str


def draw_advantage(run: RunContents, quantities: Sequence[Quantity]) -> Sketch:
    """Raises AnalysisRefused when the run has neither points nor what the curves need."""
    points = _points(run)
    model = model_of(run, points)
    if model is None and not points:
        raise AnalysisRefused(f"The run has no advantage of entanglement: {why_missing('advantage.m2_percent', run)}.")
    published = rows_by_result(quantities)
    most = max([LEAST_SENSORS, len(run.sensors), *(m for m, _ in points)])
    figure = new_figure(HEIGHT_IN)
    left, right = figure.subplots(1, 2)
    plotted = Plotted()
    words = _draw_errors(left, points, published, model, most, plotted)
    words += _draw_percent(right, points, published, model, most, plotted)
    for axes in (left, right):
        axes.set_xlabel("number of sensors M")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(0.8, most + 0.35)
        axes.legend(loc="best", fontsize=8.0)
    if model is not None:
        words.append(_model_in_words(model, most))
    return Sketch(figure, _caption(run, points, model), " ".join(words), plotted.data)


def model_of(run: RunContents, points: Mapping[tuple[int, str], Estimate]) -> Model | None:
    """The pure source that the night's joint noise and channel efficiency imply, or None where one is missing.

    The joint noise is that of the most sensors whose error was measured, V = 4 M sigma^2, or of the re-phased sum.
    """
    channel, source_share = run.results.get(CHANNEL_EFFICIENCY), run.results.get(SOURCE_EFFICIENCY)
    if channel is None:
        return None
    efficiency = channel.value * (1.0 if source_share is None else source_share.value)
    if not 0.0 < efficiency <= 1.0:
        return None
    measured = [m for m, kind in points if kind == "rmse_entangled"]
    if measured:
        m = max(measured)
        variance, which = 4.0 * m * points[m, "rmse_entangled"].value ** 2, f"the joint noise of {m} sensors"
    elif (best := run.results.get("joint.rephased_db")) is not None:
        variance, which = 10.0 ** (best.value / 10.0), "the re-phased sum"
    else:
        return None
    source = float(before_loss(variance, efficiency))
    if not 0.0 < source < 1.0:
        return None
    return Model(float(photon_number(source, 1.0 / source)), efficiency, which)


def _points(run: RunContents) -> dict[tuple[int, str], Estimate]:
    """What was measured, by number of sensors and kind."""
    found = {}
    for name, result in run.results.items():
        if match := _NAME.match(name):
            found[int(match[1]), match[2]] = Estimate(result.value, result.sigma)
    return found


def _draw_errors(
    axes: Axes,
    points: Mapping[tuple[int, str], Estimate],
    published: Mapping[str, Comparison],
    model: Model | None,
    most: int,
    plotted: Plotted,
) -> list[str]:
    words = []
    m = np.linspace(1.0, most, POINTS)
    for kind, colour, marker in (("separable", BLUE, "D"), ("entangled", VERMILLION, "o")):
        if model is not None:
            for efficiency, dash in ((model.efficiency, DASHES[0]), (1.0, DASHES[2])):
                curve = _error(kind, model.photons, m, efficiency)
                axes.plot(m, curve, color=colour, linestyle=dash, linewidth=1.2)
                plotted.add("a", f"{kind}, model, efficiency {efficiency:.3g}", m, curve, ("sensors", "1"))
        words += _draw_points(axes, points, f"rmse_{kind}", kind, colour, marker, "a", plotted)
        _draw_published(axes, published, f"rmse_{kind}", kind, colour, marker, most, "a", plotted)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("rms error of the estimate, √(V/4M)")
    axes.set_title("(a) error of the estimate")
    return words


def _draw_percent(
    axes: Axes,
    points: Mapping[tuple[int, str], Estimate],
    published: Mapping[str, Comparison],
    model: Model | None,
    most: int,
    plotted: Plotted,
) -> list[str]:
    m = np.linspace(1.0, most, POINTS)
    if model is not None:
        for efficiency, dash in ((model.efficiency, DASHES[0]), (1.0, DASHES[2])):
            curve = np.asarray(100.0 * (sensing.advantage(model.photons, m, efficiency) - 1.0))
            label = f"model, efficiency {100 * efficiency:.1f} %"
            axes.plot(m, curve, color=PURPLE, linestyle=dash, label=label)
            plotted.add("b", label, m, curve, ("sensors", "%"))
            if dash == DASHES[0]:
                axes.fill_between(m, 0.0, curve, color=PURPLE, alpha=0.13, linewidth=0.0)
    words = _draw_points(axes, points, "percent", "measured in this run", PURPLE, "s", "b", plotted)
    _draw_published(axes, published, "percent", "published", PURPLE, "s", most, "b", plotted)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_ylabel("advantage σ separable / σ entangled − 1 (%)")
    axes.set_title("(b) advantage of sharing one squeezed beam")
    return words


def _draw_points(
    axes: Axes,
    points: Mapping[tuple[int, str], Estimate],
    kind: str,
    label: str,
    colour: str,
    marker: str,
    panel: str,
    plotted: Plotted,
) -> list[str]:
    found = sorted((m, estimate) for (m, of), estimate in points.items() if of == kind)
    if not found:
        return []
    m, y, sigma = (np.array(part, dtype=float) for part in zip(*((m, e.value, e.sigma) for m, e in found), strict=True))
    style: dict[str, Any] = {"marker": marker, "color": colour, "linestyle": "none", "markersize": 5.5, "capsize": 2.5}
    axes.errorbar(m, y, sigma, label=label if panel == "b" else f"{label}, measured", zorder=3, **style)
    plotted.add(panel, f"{label}, measured" if panel == "a" else label, m, y, ("sensors", _unit(panel)), sigma)
    said = ", ".join(f"{value_with_sigma(e.value, e.sigma)} for {number}" for number, e in found)
    return [f"Measured {kind.replace('_', ' ')}: {said}."]


def _draw_published(
    axes: Axes,
    published: Mapping[str, Comparison],
    kind: str,
    label: str,
    colour: str,
    marker: str,
    most: int,
    panel: str,
    plotted: Plotted,
) -> None:
    rows = [(m, published.get(f"advantage.m{m}_{kind}")) for m in range(1, most + 1)]
    found = [(m, row.published) for m, row in rows if row is not None and row.published is not None]
    if not found:
        return
    m = np.array([number for number, _ in found], dtype=float)
    y, sigma = np.array([one.value for _, one in found]), np.array([one.sigma for _, one in found])
    words = label if label == "published" else f"{label}, published"
    style: dict[str, Any] = {"marker": marker, "color": colour, "linestyle": "none", "markersize": 7.0}
    style |= {"markerfacecolor": "none", "markeredgewidth": 1.4, "elinewidth": 1.0}
    axes.errorbar(m + _PUBLISHED_OFFSET, y, np.where(sigma > 0.0, sigma, np.nan), label=words, **style)
    plotted.add(panel, words, m, y, ("sensors", _unit(panel)), np.where(sigma > 0.0, sigma, np.nan))


def _model_in_words(model: Model, most: int) -> str:
    gains = [100.0 * (float(sensing.advantage(model.photons, most, eta)) - 1.0) for eta in (model.efficiency, 1.0)]
    return (
        f"The curves of the model rise to an advantage of {gains[0]:.1f} % for {most} sensors at an efficiency of "
        f"{100 * model.efficiency:.1f} %, and to {gains[1]:.1f} % without loss."
    )


def _unit(panel: str) -> str:
    return "1" if panel == "a" else "%"


def _error(kind: str, photons: float, sensors: FloatArray, efficiency: float) -> FloatArray:
    if kind == "entangled":
        return sensing.rmse(sensing.entangled_variance(photons, efficiency), sensors)
    return sensing.rmse(sensing.separable_variance(photons, sensors, efficiency), sensors)


def _caption(run: RunContents, points: Mapping[tuple[int, str], Estimate], model: Model | None) -> str:
    parts = [
        "Filled: measured in this run, ± 1 σ. Open, set a little to the right: published, no measurement of this run."
    ]
    if model is not None:
        parts.append(
            f"Lines: the model of a pure source of N_s = {plain_number(round(model.photons, 3))} photons, which "
            f"follows from {model.basis} and the efficiency of channel and source, {100 * model.efficiency:.1f} %; "
            "solid at that efficiency, dotted at 100 %. Separable: a squeezed beam for each sensor with N_s/M photons. "
            f"The publication takes N_s = {PUBLISHED_PHOTONS} and {100 * PUBLISHED_EFFICIENCY:.0f} %."
        )
    else:
        parts.append(f"Without curves: {CHANNEL_EFFICIENCY} or the noise of the sum is missing, or they contradict.")
    if not points:
        parts.append(f"Without points of this run: {why_missing('advantage.m2_percent', run)}.")
    conventions = {result.convention for name, result in run.results.items() if name.endswith("_rmse_separable")}
    if len(conventions) == 1:
        parts.append(f"Measured separable error: {conventions.pop()}.")
    return " ".join(parts)
