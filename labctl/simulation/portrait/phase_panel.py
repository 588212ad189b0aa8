"""What the phase of a local oscillator does: to the DC fringe, and to the noise of detectors and of their sum."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from labctl.physics.squeezing import at_angle
from labctl.simulation.portrait.style import (
    BEST_SUM,
    COHERENT,
    DASH_DOT,
    DASHED,
    DOTTED,
    GREY,
    ONE,
    SOLID,
    decibels,
    signed,
    title,
)
from labctl.simulation.working_point import WorkingPoint

PHASE_DEG = np.linspace(-180.0, 180.0, 721)
SLIP_DEG = 5.0


def draw_fringe(axes: Axes, point: WorkingPoint, width_in: float) -> None:
    """Draw the DC fringe of every detector over the phase of its local oscillator, and where it is locked."""
    offset_v = np.array([sensor.dc_offset_v for sensor in point.sensors])
    amplitude_v = point.fringe_v()
    volts = offset_v + np.multiply.outer(np.cos(np.radians(PHASE_DEG)), amplitude_v)
    many = len(point.sensors) > 4
    axes.plot(PHASE_DEG, volts, color=ONE, linewidth=0.7 if many else 1.1, alpha=0.3 if many else 0.9)
    locked_deg = 90.0 * np.array(point.design.quadratures)
    axes.plot(locked_deg, offset_v, "o", color=COHERENT, markersize=5, zorder=3)
    _phase_axis(axes, locked_deg)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("fringe (V)")
    title(axes, _lesson(point), width_in)


def draw_quadratures(axes: Axes, point: WorkingPoint) -> None:
    """Draw the noise over the phase of the local oscillators: of the source's light, one detector, and the best sum."""
    locked_deg = 90.0 * np.array(point.design.quadratures)
    turned_rad = np.radians(PHASE_DEG - locked_deg[0])
    source = 10.0 * np.log10(at_angle(*point.source(), turned_rad))
    best, alone = np.array([point.turned(float(angle)) for angle in turned_rad]).T
    axes.plot(PHASE_DEG, source, color=GREY, linestyle=DASH_DOT, label="light of the source")
    if len(point.sensors) > 1:
        axes.plot(
            PHASE_DEG, 10.0 * np.log10(best), color=BEST_SUM, linestyle=SOLID, linewidth=1.8, label="re-phased sum"
        )
    axes.plot(PHASE_DEG, 10.0 * np.log10(alone), color=ONE, linestyle=DASHED, label="detector 1 alone")
    axes.axhline(0.0, color=COHERENT, linestyle=DOTTED, label="shot noise")
    _phase_axis(axes, locked_deg)
    axes.set_ylim(-9.0, 22.0)
    axes.set_yticks([-8, -4, 0, 4, 8])
    axes.set_xlabel("phase between local oscillator and probe (°)")
    axes.set_ylabel("noise (dB)")
    axes.legend(loc="upper center", ncols=2, columnspacing=1.2, handlelength=2.4, borderaxespad=0.2)


def _phase_axis(axes: Axes, locked_deg: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    for locked in np.unique(locked_deg):
        axes.axvline(float(locked), color=GREY, linewidth=0.8)
    axes.set_xlim(-180.0, 180.0)
    axes.set_xticks([-180, -90, 0, 90, 180])


def _lesson(point: WorkingPoint) -> str:
    locked, slipped = (10.0 * np.log10(point.turned(angle)[0]) for angle in (0.0, np.radians(SLIP_DEG)))
    whole = "the sum" if len(point.sensors) > 1 else "it"
    return (
        f"At mid-fringe (dots) a detector reads the squeezed quadrature; {SLIP_DEG:.0f}° off, {whole} has "
        f"{signed(slipped, 1)} instead of {decibels(locked)}"
    )
