"""The source against pump power and pump phase: gain of the seed, squeezing and antisqueezing, with fitted curves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from labctl.errors import AnalysisRefused
from labctl.physics.opa import parametric_gain, pump_parameter, quadrature_variances
from labctl.physics.squeezing import with_phase_noise
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLUE,
    DASHES,
    PER_MILLI,
    VERMILLION,
    Plotted,
    Sketch,
    plain_log_ticks,
    shot_line,
    thinned,
)
from labctl.report.figure_panels import Panel, draw_panels
from labctl.report.origins import why_missing
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER
from labctl.store.records import TraceRecord

COLUMNS, HEIGHT_IN = 3, 2.7
POINTS = 121
HIGHEST_X = 0.97  # curves end before threshold
GAIN_TRACE, PHASE_TRACE = "source.gain_against_pump", "source.gain_against_phase"
SQUEEZING_TRACE = "source.squeezing_against_pump"


def draw_source(run: RunContents) -> Sketch:
    """Raises AnalysisRefused when none of it was taken."""
    panels = [
        Panel("gain and pump power", (GAIN_TRACE,), why_missing("source.threshold_w", run), partial(_draw_gain, run)),
        Panel("gain and pump phase", (PHASE_TRACE,), why_missing("source.parametric_gain", run), partial(_phase, run)),
        Panel(
            "squeezing and pump power",
            (SQUEEZING_TRACE,),
            why_missing("source.antisqueezing_db", run),
            partial(_draw_squeezing, run),
        ),
    ]
    caption = (
        "Points: measured, ± 1 σ. Lines: redrawn from the results, gain 1/(1 ∓ x)² with x = √(P/threshold), variances "
        "with the total efficiency and the phase noise of the tables."
    )
    return draw_panels(run, panels, caption, COLUMNS, HEIGHT_IN)


def _draw_gain(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    trace = run.trace(names[0])
    rows = _rows(trace, 4)
    threshold = run.results.get("source.threshold_w")
    signs = ((0, "amplified", VERMILLION, "o", 0.0), (2, "de-amplified", BLUE, "s", np.pi))
    for first, label, colour, marker, phase in signs:
        _points(axes, trace.axis, rows[first], rows[first + 1], label, colour, marker)
        plotted.add(title, label, trace.axis, rows[first], ("W", "1"), rows[first + 1])
        if threshold is not None:
            power = _powers(trace, threshold.value)
            gain = parametric_gain(pump_parameter(power, threshold.value), phase)
            _curve(axes, power, gain, colour)
            plotted.add(title, f"{label}, model", power, gain, ("W", "1"))
    axes.set_yscale("log")
    plain_log_ticks(axes)
    axes.set_xlabel("pump power (mW)")
    axes.set_ylabel("power gain of the seed")
    axes.legend(fontsize=8.0)
    return f"gain of the seed up to {float(np.nanmax(rows[0])):.3g}."


def _phase(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    trace = run.trace(names[0])
    gain = _rows(trace, 1)[0]
    order = np.argsort(trace.axis)
    phase, gain = trace.axis[order], gain[order]
    axes.plot(*thinned(phase, gain), marker=".", markersize=3.0, linestyle="none", color=BLUE)
    plotted.add(title, "measured", phase, gain, ("rad", "1"))
    x = run.results.get("source.pump_parameter")
    if x is not None and 0.0 < x.value < 1.0:
        fine = np.linspace(phase[0], phase[-1], POINTS)
        model = parametric_gain(x.value, fine)
        axes.plot(fine, model, color=VERMILLION, linestyle=DASHES[1])
        plotted.add(title, "model", fine, model, ("rad", "1"))
    axes.set_xlabel("phase between seed and pump (rad)")
    axes.set_ylabel("power gain of the seed")
    return f"gain from {float(np.nanmin(gain)):.3g} to {float(np.nanmax(gain)):.3g}."


def _draw_squeezing(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    trace = run.trace(names[0])
    rows = _rows(trace, 4)
    curves = _model(run, trace)
    levels = []
    for first, label, colour, marker in ((0, "squeezed", BLUE, "s"), (2, "antisqueezed", VERMILLION, "o")):
        level, sigma = 10.0 * np.log10(rows[first]), DB_PER_NEPER * rows[first + 1] / rows[first]
        _points(axes, trace.axis, level, sigma, label, colour, marker)
        plotted.add(title, label, trace.axis, level, ("W", "dB"), sigma)
        levels.append(level)
        if curves is not None:
            power, variances = curves
            model = 10.0 * np.log10(variances[first // 2])
            _curve(axes, power, model, colour)
            plotted.add(title, f"{label}, model", power, model, ("W", "dB"))
    shot_line(axes)
    axes.set_xlabel("pump power (mW)")
    axes.set_ylabel("noise / shot (dB)")
    axes.legend(fontsize=8.0)
    lowest, highest = float(np.nanmin(levels[0])), float(np.nanmax(levels[1]))
    return f"squeezed down to {lowest:.2f} dB, antisqueezed up to {highest:.2f} dB."


def _model(run: RunContents, trace: TraceRecord) -> tuple[FloatArray, tuple[FloatArray, FloatArray]] | None:
    """Pump powers and the variances there, squeezed and antisqueezed, where the run has what they need."""
    needed = [run.results.get(f"source.{name}") for name in ("threshold_w", "total_efficiency")]
    if any(one is None for one in needed):
        return None
    threshold, efficiency = (one.value for one in needed if one is not None)
    noise = run.results.get("source.phase_noise_rad")
    rms = noise.value if noise is not None else 0.0
    power = _powers(trace, threshold)
    sideband = float(trace.conventions.get("sideband_over_hwhm", 0.0))
    low, high = quadrature_variances(pump_parameter(power, threshold), sideband, efficiency)
    return power, (with_phase_noise(low, high, rms), with_phase_noise(high, low, rms))


def _powers(trace: TraceRecord, threshold_w: float) -> FloatArray:
    highest = min(1.08 * float(trace.axis.max()), HIGHEST_X**2 * threshold_w)
    return np.linspace(1e-3 * highest, highest, POINTS)


def _points(axes: Axes, x: FloatArray, y: FloatArray, sigma: FloatArray, label: str, colour: str, marker: str) -> None:
    axes.errorbar(
        PER_MILLI * x, y, sigma, label=label, color=colour, marker=marker, markersize=4.0, linestyle="none", capsize=2.0
    )


def _curve(axes: Axes, power_w: FloatArray, y: FloatArray, colour: str) -> None:
    axes.plot(PER_MILLI * power_w, y, color=colour, linestyle=DASHES[1], linewidth=1.0)


def _rows(trace: TraceRecord, count: int) -> FloatArray:
    values = np.atleast_2d(np.asarray(trace.values, dtype=np.float64))
    if values.shape != (count, len(trace.axis)):
        raise AnalysisRefused(f"Trace {trace.name} of shape {values.shape} has not {count} rows over its axis.")
    return values
