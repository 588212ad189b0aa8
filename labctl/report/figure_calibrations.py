"""What the calibrations were read from: one small panel a kind, all sensors in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from labctl.report.contents import RunContents
from labctl.report.drawing import (
    DASHES,
    GREY,
    PER_MILLI,
    Plotted,
    Sketch,
    key_above,
    pen,
    plain_log_ticks,
    signed_ticks,
    thinned,
)
from labctl.report.figure_panels import Panel, draw_panels
from labctl.report.origins import why_missing
from labctl.report.stored_spectra import spectrum_of
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.trace import Unit
from labctl.store.records import TraceRecord

COLUMNS, HEIGHT_IN = 3, 2.5
MOST_NAMED, MOST_PLATES = 8, 3
MOST_POINTS, MOST_MARKED = 250, 60
HZ_PER_GHZ = 1e9
_CAPTION = (
    "One line or one set of points a sensor, in the colours of the key. Scans are over their own highest value. Grey, "
    "dashed: what a straight law would be, noise without dark noise in proportion to power, and the free decay with "
    "the fitted damping."
)
_Draw = Callable[[RunContents, Axes, Sequence[str], str, Plotted], str]


def draw_calibrations(run: RunContents) -> Sketch:
    """Raises AnalysisRefused when none of it was taken."""
    panels = _network_panels(run)
    kinds: tuple[tuple[str, str, str, _Draw], ...] = (
        ("extraction plates", "extraction_scan", "extraction_deg", _draw_extraction),
        ("cavities, laser tuned", "laser_scan", "fsr_hz", _draw_laser),
        ("cavities, length tuned", "piezo_scan", "finesse", _draw_piezo),
        ("shot noise and power", "shot_against_power", "shot_exponent", _draw_shot),
        ("free decay", "ringdown", "gamma_ringdown_hz", _draw_ringdown),
        ("phase tone", "tone", "g0_over_kappa", _draw_tone),
    )
    for title, trace, result, draw in kinds:
        names = tuple(f"sensor{n}.{trace}" for n in run.sensors)
        panels.append(Panel(title, names, why_missing(f"sensor1.{result}", run), partial(draw, run)))
    sketch = draw_panels(run, panels, _CAPTION, COLUMNS, HEIGHT_IN)
    if 0 < len(run.sensors) <= MOST_NAMED:
        handles = [Line2D([], [], label=f"sensor {n}", **_style(place)) for place, n in enumerate(run.sensors)]
        key_above(sketch.figure, handles)
    return sketch


def _network_panels(run: RunContents) -> list[Panel]:
    """A panel for each plate of the network; one for all where there are many."""
    names = tuple(f"network.stage{stage}_scan" for stage in range(1, max(len(run.sensors), 2)))
    missing = why_missing("network.stage1_tap", run)
    if sum(run.has_trace(name) for name in names) > MOST_PLATES:
        return [Panel("network, what each plate sends on", names, missing, partial(_draw_taps, run))]
    taken = [name for name in names if run.has_trace(name)]
    if not taken:
        return [Panel("network, plates", names, missing, partial(_draw_stage, run))]
    return [Panel(f"network, plate {_number(name)}", (name,), missing, partial(_draw_stage, run)) for name in taken]


def _draw_taps(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    """Of each plate the detector that it sends light to."""
    for name in names:
        trace = run.trace(name)
        tapped = _number(name) - 1
        order = np.argsort(trace.axis, kind="stable")
        angle, level = trace.axis[order], np.atleast_2d(np.asarray(trace.values, dtype=np.float64))[tapped, order]
        _line(axes, angle, level, tapped)
        plotted.add(title, f"plate {tapped + 1}", angle, level, ("deg", trace.values_unit))
    axes.set_xlabel("angle of the plate (°)")
    axes.set_ylabel("light (V)")
    return f"{len(names)} plates."


def _draw_stage(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    trace = run.trace(names[0])
    order = np.argsort(trace.axis, kind="stable")
    angle, values = trace.axis[order], np.atleast_2d(np.asarray(trace.values, dtype=np.float64))[:, order]
    for row, level in enumerate(values):
        _line(axes, angle, level, row)
        plotted.add(title, f"detector {row + 1}", angle, level, ("deg", trace.values_unit))
    axes.set_xlabel("angle of the plate (°)")
    axes.set_ylabel(f"light ({trace.values_unit})")
    return f"{len(values)} detectors over {np.ptp(trace.axis):.0f} degrees."


def _draw_extraction(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    return _draw_scans(run, axes, names, title, plotted, "angle of the plate (°)", "deg")


def _draw_piezo(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    return _draw_scans(run, axes, names, title, plotted, "piezo (V)", "V")


def _draw_laser(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    return _draw_scans(run, axes, names, title, plotted, "optical frequency − lowest (GHz)", "Hz", 1.0 / HZ_PER_GHZ)


def _draw_scans(
    run: RunContents,
    axes: Axes,
    names: Sequence[str],
    title: str,
    plotted: Plotted,
    across: str,
    unit: str,
    factor: float | None = None,
) -> str:
    """Scans over their highest value; where there are several passes, their mean. `factor`: from the lowest on."""
    for place, name in enumerate(names):
        trace = run.trace(name)
        level = np.atleast_2d(np.asarray(trace.values, dtype=np.float64)).mean(axis=0)
        order = np.argsort(trace.axis, kind="stable")
        x, level = trace.axis[order], level[order] / np.nanmax(np.abs(level))
        shown = x if factor is None else factor * (x - x[0])
        _line(axes, shown, level, place)
        plotted.add(title, _sensor(name), x, level, (unit, "of the highest"))
    axes.set_xlabel(across)
    axes.set_ylabel("light / highest")
    return f"scans of {len(names)} sensors."


def _draw_shot(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    for place, name in enumerate(names):
        trace = run.trace(name)
        values = np.atleast_2d(np.asarray(trace.values, dtype=np.float64))
        top = int(np.argmax(trace.axis))
        light = values[0] - float(trace.conventions.get("dark_v2_per_hz", 0.0))
        noise = light / light[top]
        sigma = values[1] / light[top] if len(values) > 1 else np.full(len(noise), np.nan)
        axes.errorbar(
            PER_MILLI * trace.axis,
            noise,
            sigma,
            **_style(place) | {"linestyle": "none", "markersize": 3.5},
        )
        plotted.add(title, _sensor(name), trace.axis, noise, ("W", "of the highest"), sigma)
        if place == 0:
            power = np.array([trace.axis.min(), trace.axis.max()])
            axes.plot(PER_MILLI * power, power / trace.axis[top], color=GREY, linestyle=DASHES[1], linewidth=1.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_log_ticks(axes)
    plain_log_ticks(axes, vertical=False)
    axes.set_xlabel("local oscillator (mW)")
    axes.set_ylabel("noise / highest")
    return f"noise of {len(names)} detectors against local-oscillator power."


def _draw_ringdown(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    for place, name in enumerate(names):
        trace = run.trace(name)
        level = _envelope_db(trace)
        _line(axes, np.asarray(PER_MILLI * trace.axis), level, place)
        plotted.add(title, _sensor(name), trace.axis, level, ("s", "dB of the highest"))
        fitted = run.results.get(f"{name.removesuffix('.ringdown')}.gamma_ringdown_hz")
        if place == 0 and fitted is not None:
            start = trace.axis[int(np.argmax(level))]
            time_s = np.linspace(start, trace.axis[-1], 50)
            decay = -20.0 / np.log(10.0) * np.pi * fitted.value * (time_s - start)
            seen = decay > float(np.nanmin(level))
            axes.plot(PER_MILLI * time_s[seen], decay[seen], color=GREY, linestyle=DASHES[1], linewidth=1.2)
            plotted.add(title, f"{_sensor(name)}, fitted damping", time_s, decay, ("s", "dB of the highest"))
    axes.set_xlabel("time (ms)")
    axes.set_ylabel("amplitude (dB of highest)")
    return f"free decay of {len(names)} sensors."


def _draw_tone(run: RunContents, axes: Axes, names: Sequence[str], title: str, plotted: Plotted) -> str:
    for place, name in enumerate(names):
        spectrum = spectrum_of(run.trace(name)).in_unit(Unit.DBM)
        known = run.results.get(f"{name.removesuffix('.tone')}.f0_hz")
        centre = known.value if known is not None else float(spectrum.frequency_hz.mean())
        offset, level = np.asarray(spectrum.frequency_hz - centre), spectrum.values - float(np.median(spectrum.values))
        _line(axes, offset, level, place)
        plotted.add(title, _sensor(name), offset, level, ("Hz from the mode", "dB over the median"))
    signed_ticks(axes)
    axes.set_xlabel("frequency − f₀ (Hz)")
    axes.set_ylabel("power / median (dB)")
    return f"spectra of {len(names)} sensors with the calibration tone."


def _envelope_db(trace: TraceRecord) -> FloatArray:
    """Level of a complex envelope, the first of several, relative to its highest point."""
    size = np.abs(np.atleast_2d(trace.values)[0])
    return np.asarray(20.0 * np.log10(np.where(size > 0.0, size, np.nan) / np.nanmax(size)))


def _line(axes: Axes, x: FloatArray, y: FloatArray, place: int) -> None:
    style = _style(place)
    if len(x) > MOST_MARKED:
        style["marker"] = ""
    axes.plot(*thinned(x, y, MOST_POINTS), linewidth=0.9, **style)


def _style(place: int) -> dict[str, Any]:
    """How the sensor at that place of the key is drawn."""
    drawn = pen(place)
    return {"color": drawn.colour, "linestyle": drawn.dash, "marker": drawn.marker, "markersize": 2.5}


def _number(name: str) -> int:
    """Number of the plate from the name of its scan."""
    return int(name.removeprefix("network.stage").removesuffix("_scan"))


def _sensor(name: str) -> str:
    return name.split(".")[0].replace("sensor", "sensor ")
