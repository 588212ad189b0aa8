"""From simultaneous records: each detector, their plain sum and their re-phased sum against frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused, LabError
from labctl.estimation.cross_spectrum import ComplexArray, CrossSpectrum
from labctl.estimation.network import optimal_combination, relative_to_shot
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    COLOURS,
    DASHES,
    GREY,
    MARKERS,
    VERMILLION,
    Sketch,
    megahertz_ticks,
    new_figure,
    note,
    shot_line,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import cross_spectrum_of
from labctl.report.wording import shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER
from labctl.spectra.trace import Band

HZ_PER_MHZ = 1e6
KEEP_AWAY_HZ = 4000.0  # to either side of a resonance: a hundred linewidths, where the thermal peak is gone
GROUPS = 14  # bins are averaged in so many groups over the band
MOST_DETECTORS_NAMED = 6
MARKER_SPREAD = 0.7  # of a group, over which the detectors' markers are laid out
ROOM_DB = 0.7
BINS_PER_INDEPENDENT_BIN = 1.944  # of a Hann window
HEIGHT_IN = 5.4


@dataclass(frozen=True)
class Pen:
    """Colour, dash and marker of one line, so that it is told apart without its colour too."""

    colour: str
    dash: Any
    marker: str


@dataclass(frozen=True, eq=False)
class Records:
    """Cross-spectral matrices with dark noise taken out, and which bins lie beside the resonances."""

    frequency_hz: FloatArray  # (F,)
    signal: ComplexArray  # (F, M, M), V^2/Hz
    shot: ComplexArray  # (F, M, M), V^2/Hz
    averages: float
    shot_averages: float
    beside: npt.NDArray[np.bool_]  # (F,)
    best: ComplexArray | None  # weights (M,) on the channels' volts, None where none can be told
    why_no_best: str


def draw_records(run: RunContents) -> Sketch:
    """Raises LabError when a matrix is missing or cannot be used."""
    kinds = ("signal", "shot", "dark")
    missing = [kind for kind in kinds if not run.has_trace(f"joint.matrix_{kind}")]
    if missing:
        why = why_unmeasured("joint_spectrum_digitizer", run)
        if len(missing) == len(kinds):
            raise AnalysisRefused(f"No records of all detectors were taken; {why}.")
        raise AnalysisRefused(f"The run has no {', no '.join(missing)} records of all detectors; {why}.")
    records = _records(run, *(cross_spectrum_of(run.trace(f"joint.matrix_{kind}")) for kind in kinds))
    channels = records.signal.shape[1]
    figure = new_figure(HEIGHT_IN)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.25])
    _draw_detectors(upper, records, run)
    words = _draw_sums(lower, records, run)
    lower.set_ylim(top=ROOM_DB)
    for axes in (upper, lower):
        shot_line(axes)
        axes.margins(x=0.01)
        axes.set_ylabel("noise / shot (dB)")
        note(axes, "shot noise", 0.004, 0.06, va="bottom")
        _mark_resonances(axes, run)
        if channels <= MOST_DETECTORS_NAMED:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=0.9)
    lower.set_xlabel("frequency (MHz)")
    megahertz_ticks(lower)
    caption = (
        "Thin lines: every bin. Markers: means over groups of bins beside the resonances, with one standard deviation. "
        "Grey ticks: the resonances. The re-phased sum uses one set of complex weights, found from these records."
    )
    if records.best is None:
        caption += f" The re-phased sum cannot be redrawn: {records.why_no_best}"
    return Sketch(figure, caption, f"Noise of {channels} detectors, each near the same level below shot noise. {words}")


def _records(run: RunContents, signal: CrossSpectrum, shot: CrossSpectrum, dark: CrossSpectrum) -> Records:
    if not signal.csd.shape == shot.csd.shape == dark.csd.shape:
        raise AnalysisRefused("Signal, shot and dark records differ in their channels or bins.")
    skip = _resonance_bands(run, signal)
    beside = np.ones(len(signal.frequency_hz), dtype=bool)
    for low, high in skip:
        beside &= (signal.frequency_hz < low) | (signal.frequency_hz > high)
    try:
        best, why = _best_weights(signal, shot, dark, skip), ""
    except LabError as error:
        best, why = None, str(error)
    return Records(
        signal.frequency_hz,
        np.asarray(signal.csd - dark.csd),
        np.asarray(shot.csd - dark.csd),
        signal.averages,
        shot.averages,
        beside,
        best,
        why,
    )


def _best_weights(
    signal: CrossSpectrum, shot: CrossSpectrum, dark: CrossSpectrum, skip: Sequence[Band]
) -> ComplexArray:
    band = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
    means = [part.mean_over(band, skip) for part in (signal, shot, dark)]
    weights = optimal_combination(relative_to_shot(*means)).weights
    power = (means[1].matrix - means[2].matrix).diagonal().real
    return np.asarray(weights / np.sqrt(power))


def _resonance_bands(run: RunContents, signal: CrossSpectrum) -> list[Band]:
    low, high = float(signal.frequency_hz[0]), float(signal.frequency_hz[-1])
    bands = [(f - KEEP_AWAY_HZ, f + KEEP_AWAY_HZ) for f in _resonances_hz(run)]
    return [band for band in bands if band[1] > low and band[0] < high]


def _resonances_hz(run: RunContents) -> list[float]:
    names = [f"sensor{n}.f0_hz" for n in run.sensors]
    return [run.results[name].value for name in names if name in run.results]


def _draw_detectors(axes: Axes, records: Records, run: RunContents) -> None:
    channels = records.signal.shape[1]
    for j in range(channels):
        pen = Pen(COLOURS[j % len(COLOURS)], DASHES[j % len(DASHES)], MARKERS[j % len(MARKERS)])
        label = f"detector {j + 1}\n{_shown(run, f'sensor{j + 1}.marginal_db')}"
        _draw_combination(axes, records, np.eye(channels)[j], pen, label, shift=(j + 0.5) / channels - 0.5)
    axes.set_title("Each detector alone, relative to its own shot noise")


def _draw_sums(axes: Axes, records: Records, run: RunContents) -> str:
    plain = f"plain sum\n{_shown(run, 'joint.digital_db')}"
    words = [f"The {plain}."]
    _draw_combination(axes, records, np.ones(records.signal.shape[1]), Pen(BLACK, DASHES[0], "o"), plain)
    if records.best is not None:
        best = f"re-phased sum\n{_shown(run, 'joint.rephased_db')}"
        words.append(f"The {best}.")
        _draw_combination(axes, records, records.best, Pen(VERMILLION, DASHES[1], "s"), best)
    axes.set_title("Sums of the records, relative to the shot noise of the sum")
    return " ".join(words).replace("\n", ": ")


def _draw_combination(
    axes: Axes, records: Records, weights: npt.NDArray[np.generic], pen: Pen, label: str, shift: float = 0.0
) -> None:
    """Draw w^H S w / w^H N w in dB, bin by bin and as means over groups; `shift` parts the markers, in group widths."""
    signal, shot = (_quadratic(part, weights) for part in (records.signal, records.shot))
    f = records.frequency_hz / HZ_PER_MHZ
    axes.plot(f, _decibels(signal / shot), color=pen.colour, linestyle=pen.dash, linewidth=0.6, alpha=0.5)
    edges = np.linspace(f[0], f[-1], GROUPS + 1)
    group = np.clip(np.digitize(f, edges) - 1, 0, GROUPS - 1)
    chosen = [records.beside & (group == g) for g in range(GROUPS)]
    chosen = [bins for bins in chosen if bins.any() and signal[bins].mean() > 0.0 < shot[bins].mean()]
    if not chosen:
        return
    width = float(edges[1] - edges[0])
    centres = np.array([f[bins].mean() + MARKER_SPREAD * shift * width for bins in chosen])
    levels = _decibels(np.array([signal[bins].mean() / shot[bins].mean() for bins in chosen]))
    share = 1.0 / records.averages + 1.0 / records.shot_averages
    errors = [DB_PER_NEPER * np.sqrt(share * min(1.0, BINS_PER_INDEPENDENT_BIN / bins.sum())) for bins in chosen]
    axes.errorbar(
        centres,
        levels,
        yerr=errors,
        marker=pen.marker,
        markersize=4.0,
        color=pen.colour,
        elinewidth=1.0,
        linestyle="none",
        label=label,
    )


def _mark_resonances(axes: Axes, run: RunContents) -> None:
    for f in _resonances_hz(run):
        axes.axvline(f / HZ_PER_MHZ, ymax=0.05, color=GREY, linewidth=2.0)


def _quadratic(matrices: ComplexArray, weights: npt.NDArray[np.generic]) -> FloatArray:
    w = np.asarray(weights, dtype=np.complex128)
    return np.asarray(np.einsum("j,fjk,k->f", w.conj(), matrices, w).real)


def _decibels(ratio: FloatArray) -> FloatArray:
    return np.asarray(10.0 * np.log10(np.where(ratio > 0.0, ratio, np.nan)))


def _shown(run: RunContents, name: str) -> str:
    result = run.results.get(name)
    return with_unit(*shown_result(result)) if result else "no result in this run"
