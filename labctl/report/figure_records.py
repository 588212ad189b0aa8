"""From simultaneous records: each detector, their plain sum and their re-phased sum against frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused, LabError
from labctl.estimation.cross_spectrum import ComplexArray, CrossSpectrum
from labctl.estimation.network import optimal_combination, relative_to_shot
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    DASHES,
    GREEN,
    GREY,
    VERMILLION,
    Pen,
    Plotted,
    Sketch,
    megahertz_ticks,
    new_figure,
    pen,
    shot_line,
    thinned,
)
from labctl.report.origins import why_unmeasured
from labctl.report.stored_spectra import cross_spectrum_of
from labctl.report.wording import shown_result, with_unit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER
from labctl.spectra.trace import Band

HZ_PER_MHZ = 1e6
KEEP_AWAY_HZ = 4000.0  # to either side of a resonance: a hundred linewidths, where the thermal peak is gone
SURROUNDINGS_HZ = 20e3  # to either side of all resonances: what the figure of the sum shows
GROUPS = 14  # bins are averaged in so many groups over the band
MOST_DETECTORS_NAMED = 6
MARKER_SPREAD = 0.7  # of a group, over which the detectors' markers are laid out
ROOM_DB = 0.7
BINS_PER_INDEPENDENT_BIN = 1.944  # of a Hann window
HEIGHT_IN = 2.7
HOW_DRAWN = (
    "Thin lines: every bin. Markers: means over groups of bins beside the resonances, with one standard deviation. "
    "Grey ticks: the resonances."
)


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
    """Each detector alone. Raises LabError when a matrix is missing or cannot be used."""
    records = read_records(run)
    channels = records.signal.shape[1]
    figure = new_figure(HEIGHT_IN)
    axes = figure.add_subplot()
    plotted = Plotted()
    for j in range(channels):
        label = f"detector {j + 1}\n{_shown(run, f'sensor{j + 1}.marginal_db')}"
        _draw_combination(axes, records, np.eye(channels)[j], pen(j), label, plotted, shift=(j + 0.5) / channels - 0.5)
    axes.set_title("Each detector's record alone, relative to its own shot noise")
    finish_records(axes, run, named=channels <= MOST_DETECTORS_NAMED)
    caption = f"{HOW_DRAWN} The levels beside the names are the results, over the band of the records."
    alt = f"Noise of {channels} detectors, each near the same level below shot noise."
    return Sketch(figure, caption, alt, plotted.data)


def read_records(run: RunContents) -> Records:
    """The simultaneous records of the run. Raises LabError when a matrix is missing or cannot be used."""
    kinds = ("signal", "shot", "dark")
    missing = [kind for kind in kinds if not run.has_trace(f"joint.matrix_{kind}")]
    if missing:
        why = why_unmeasured("joint_spectrum_digitizer", run)
        if len(missing) == len(kinds):
            raise AnalysisRefused(f"No records of all detectors were taken; {why}.")
        raise AnalysisRefused(f"The run has no {', no '.join(missing)} records of all detectors; {why}.")
    return _records(run, *(cross_spectrum_of(run.trace(f"joint.matrix_{kind}")) for kind in kinds))


def around_resonances(records: Records, run: RunContents) -> Records:
    """The bins from below the lowest to above the highest resonance; all where the run knows no resonance there."""
    known = _resonances_hz(run)
    f = records.frequency_hz
    inside = (f >= min(known, default=0.0) - SURROUNDINGS_HZ) & (f <= max(known, default=0.0) + SURROUNDINGS_HZ)
    if inside.sum() < GROUPS:
        return records
    return replace(
        records,
        frequency_hz=f[inside],
        signal=records.signal[inside],
        shot=records.shot[inside],
        beside=records.beside[inside],
    )


def draw_sums(axes: Axes, records: Records, run: RunContents, plotted: Plotted) -> str:
    """Draw the plain and the re-phased sum of the records over the shot noise of the sum; returns them in words."""
    everywhere = np.ones(records.signal.shape[1])
    shot = _quadratic(records.shot, everywhere)
    f = np.asarray(records.frequency_hz / HZ_PER_MHZ)
    level_db = _decibels(shot / shot.mean())
    axes.plot(*thinned(f, level_db), color=BLACK, linewidth=0.7)
    plotted.add("joint", "shot noise of the plain sum", records.frequency_hz, level_db, ("Hz", "dB"))
    plain = f"plain sum\n{_shown(run, 'joint.digital_db')}"
    words = [f"The {plain}."]
    _draw_combination(axes, records, everywhere, Pen(VERMILLION, DASHES[0], "o"), plain, plotted)
    if records.best is not None:
        best = f"re-phased sum\n{_shown(run, 'joint.rephased_db')}"
        words.append(f"The {best}.")
        _draw_combination(axes, records, records.best, Pen(GREEN, DASHES[1], "s"), best, plotted)
    return " ".join(words).replace("\n", ": ")


def finish_records(axes: Axes, run: RunContents, *, named: bool = True) -> None:
    """Axes, the line of shot noise, a tick at every resonance and the names of the lines."""
    shot_line(axes)
    axes.set_ylim(top=ROOM_DB)
    axes.margins(x=0.01)
    axes.set_ylabel("noise / shot (dB)")
    axes.set_xlabel("frequency (MHz)")
    megahertz_ticks(axes)
    for f in _resonances_hz(run):
        axes.axvline(f / HZ_PER_MHZ, ymax=0.05, color=GREY, linewidth=2.0)
    if named:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=0.9)


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


def _draw_combination(
    axes: Axes,
    records: Records,
    weights: npt.NDArray[np.generic],
    drawn: Pen,
    label: str,
    plotted: Plotted,
    shift: float = 0.0,
) -> None:
    """Draw w^H S w / w^H N w in dB, bin by bin and as means over groups; `shift` parts the markers, in group widths."""
    signal, shot = (_quadratic(part, weights) for part in (records.signal, records.shot))
    f = np.asarray(records.frequency_hz / HZ_PER_MHZ)
    level_db = _decibels(signal / shot)
    axes.plot(*thinned(f, level_db), color=drawn.colour, linestyle=drawn.dash, linewidth=0.6, alpha=0.5)
    name, units = label.split("\n")[0], ("Hz", "dB")
    panel = "joint" if name.endswith("sum") else "detectors"
    plotted.add(panel, name, records.frequency_hz, level_db, units)
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
    plotted.add(panel, f"{name}, means", centres * HZ_PER_MHZ, levels, units, errors)
    axes.errorbar(
        centres,
        levels,
        yerr=errors,
        marker=drawn.marker,
        markersize=4.0,
        color=drawn.colour,
        elinewidth=1.0,
        linestyle="none",
        label=label,
    )


def _quadratic(matrices: ComplexArray, weights: npt.NDArray[np.generic]) -> FloatArray:
    w = np.asarray(weights, dtype=np.complex128)
    return np.asarray(np.einsum("j,fjk,k->f", w.conj(), matrices, w).real)


def _decibels(ratio: FloatArray) -> FloatArray:
    return np.asarray(10.0 * np.log10(np.where(ratio > 0.0, ratio, np.nan)))


def _shown(run: RunContents, name: str) -> str:
    result = run.results.get(name)
    return with_unit(*shown_result(result)) if result else "no result in this run"
