"""What the spectrum analyzer would show: each detector, their plain sum and their re-phased sum, over shot noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from labctl.physics.line_shape import lorentzian
from labctl.simulation.portrait.style import (
    BEST_SUM,
    COHERENT,
    DASHED,
    DOTTED,
    FAINT,
    ONE,
    PLAIN_SUM,
    SOLID,
    decibels,
    label_lines,
    signed,
    title,
)
from labctl.simulation.sensor_plant import RESONANCE_DRIFT_HZ
from labctl.simulation.working_point import WorkingPoint

FloatArray = NDArray[np.float64]

MARGIN_HZ = 6e3
MOST_NUMBERED = 12
WORTH_TELLING_DB = 0.05
NEAR_HZ = 200.0  # to either side of a resonance
COARSE_POINTS = 600
WIDTHS_FINE = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.2, 3.3, 5.0, 8.0, 13.0, 21.0, 34.0])


@dataclass(frozen=True, eq=False)
class Spectra:
    """Noise relative to shot noise (as a ratio) over `frequency_hz`: `each` (M, F), the sums (F)."""

    frequency_hz: FloatArray
    each: FloatArray
    plain: FloatArray
    best: FloatArray


def spectra(point: WorkingPoint, frequency_hz: FloatArray) -> Spectra:
    """Return what the detectors show without any resolution filter, dark noise subtracted."""
    lines = np.zeros((len(point.sensors), len(frequency_hz)))
    for row, sensor in zip(lines, point.sensors, strict=True):
        row += sensor.peak_to_shot * lorentzian(frequency_hz, sensor.f0_hz, sensor.gamma_hz)
        second_hz = sensor.f0_hz + sensor.doublet_split_hz
        row += sensor.peak_to_shot * sensor.doublet_share * lorentzian(frequency_hz, second_hz, sensor.gamma_hz)
    lines *= point.seen_of_motion()[:, None]
    gain, weights = point.gain() ** 2, point.best_weights() ** 2
    return Spectra(
        frequency_hz,
        point.light().marginal()[:, None] + lines,
        point.plain_sum(frequency_hz) + gain @ lines / np.sum(gain),
        point.best_sum(frequency_hz) + weights @ lines / np.sum(weights),
    )


def draw_spectra(axes: Axes, point: WorkingPoint, width_in: float) -> None:
    """Draw the whole band of the resonances."""
    found = spectra(point, _grid_hz(point))
    f = found.frequency_hz / 1e6
    many = len(point.sensors) > 4
    style = {"linewidth": 0.6 if many else 1.0, "alpha": 0.45 if many else 0.9}
    axes.plot(f, 10.0 * np.log10(found.each.T), color=ONE, **style)  # type: ignore[arg-type]
    if len(point.sensors) > 1:
        axes.plot(f, 10.0 * np.log10(found.plain), color=PLAIN_SUM, linewidth=1.4)
        axes.plot(f, 10.0 * np.log10(found.best), color=BEST_SUM, linewidth=1.4)
    axes.axhline(0.0, color=COHERENT, linestyle=DOTTED)
    axes.set_xlim(f[0], f[-1])
    axes.set_ylim(-6.0, 10.0)
    axes.set_xlabel("frequency (MHz)")
    axes.set_ylabel("noise relative to shot noise (dB)")
    axes.ticklabel_format(axis="x", useOffset=False)
    alone, plain, best = _floors_db(point)
    one = "one detector" if len(point.sensors) > 1 else "the detector"
    entries = [(0.0, "shot noise", COHERENT), (alone, f"{one} {decibels(alone)}", ONE)]
    if len(point.sensors) > 1:
        entries += [(plain, f"plain sum {decibels(plain)}", PLAIN_SUM), (best, f"re-phased {decibels(best)}", BEST_SUM)]
    label_lines(axes, entries)
    if len(point.sensors) <= MOST_NUMBERED:
        for number, (sensor, noise) in enumerate(zip(point.sensors, found.each, strict=True), start=1):
            peak = (sensor.f0_hz / 1e6, 10.0 * float(np.log10(noise.max())))
            axes.annotate(
                f"{number}", peak, (0.0, 3.0), textcoords="offset points", color=ONE, ha="center", weight="bold"
            )
    title(axes, _lesson(point), width_in)


def draw_resonance(axes: Axes, point: WorkingPoint, width_in: float, index: int = 0) -> None:
    """Draw the neighbourhood of one resonance."""
    sensor = point.sensors[index]
    offset_hz = np.linspace(-NEAR_HZ, NEAR_HZ, 801)
    found = spectra(point, sensor.f0_hz + offset_hz)
    own = 10.0 * np.log10(found.each[index])
    axes.axvspan(
        -RESONANCE_DRIFT_HZ, RESONANCE_DRIFT_HZ, color=FAINT, alpha=0.35, linewidth=0, label="drift of f₀, rms"
    )
    axes.plot(offset_hz, own, color=ONE, linestyle=SOLID, label=f"detector {index + 1}")
    if len(point.sensors) > 1:
        axes.plot(offset_hz, 10.0 * np.log10(found.plain), color=PLAIN_SUM, linestyle=DASHED, label="plain sum")
        axes.plot(offset_hz, 10.0 * np.log10(found.best), color=BEST_SUM, linestyle=SOLID, label="re-phased sum")
    axes.axhline(0.0, color=COHERENT, linestyle=DOTTED)
    axes.set_xlim(-NEAR_HZ, NEAR_HZ)
    axes.set_ylim(-6.0, 10.0)
    axes.set_xlabel(f"distance from f₀ = {sensor.f0_hz / 1e6:.6f} MHz (Hz)")
    axes.set_ylabel("noise (dB)")
    axes.legend(loc="upper right", handlelength=1.8, borderaxespad=0.2)
    text = f"Resonance {index + 1}, {sensor.gamma_hz:.1f}\u00a0Hz wide, stands {own.max():.1f}\u00a0dB over shot noise"
    if len(point.sensors) > 1:
        in_sum = 10.0 * float(np.log10(found.best.max()))
        text += f" in its own detector, {signed(in_sum, 1)}\u00a0dB in the sum of all"
    title(axes, text, width_in)


def _floors_db(point: WorkingPoint) -> tuple[float, float, float]:
    middle_hz = point.middle_hz()
    alone = float(np.mean(10.0 * np.log10(point.light().marginal())))
    return alone, 10.0 * float(np.log10(point.plain_sum(middle_hz))), 10.0 * float(np.log10(point.best_sum(middle_hz)))


def _lesson(point: WorkingPoint) -> str:
    alone, plain, best = _floors_db(point)
    if len(point.sensors) == 1:
        text = f"Beside its resonance the detector shows {decibels(best)}"
    else:
        text = f"Alone a detector shows {decibels(alone)}, the plain sum {decibels(plain)}"
    truth = point.truth
    spotless = WorkingPoint(
        replace(truth, common_jitter_rad=0.0, private_jitter_rad=0.0, extra_transmission=1.0), point.design
    )
    lost_db = best - _floors_db(spotless)[2]
    rms_ns = 1e9 * float(np.std(point.delay_s()))
    if plain - best > WORTH_TELLING_DB:
        text += f"; delays of {rms_ns:.0f}\u00a0ns rms cost it {plain - best:.1f}\u00a0dB, which re-phasing gets back"
    elif lost_db > WORTH_TELLING_DB and truth.extra_transmission < 1.0:
        text += f"; loss before the network costs {lost_db:.1f}\u00a0dB, which no weights get back"
    elif lost_db > WORTH_TELLING_DB:
        text += f"; phase noise costs {lost_db:.1f}\u00a0dB, which no weights get back"
    elif len(point.sensors) > 1:
        text += ", and no other weights have less noise"
    return text


def _grid_hz(point: WorkingPoint) -> FloatArray:
    """Return frequencies that are dense where a line is and coarse elsewhere."""
    found = np.array([sensor.f0_hz for sensor in point.sensors])
    widths = np.array([sensor.gamma_hz for sensor in point.sensors])
    second = found + np.array([sensor.doublet_split_hz for sensor in point.sensors])
    coarse = np.linspace(found.min() - MARGIN_HZ, found.max() + MARGIN_HZ, COARSE_POINTS)
    fine = np.concatenate([-WIDTHS_FINE[:0:-1], WIDTHS_FINE])
    near = [np.add.outer(centre, np.zeros(fine.size)) + np.outer(widths, fine) for centre in (found, second)]
    grid = np.unique(np.concatenate([coarse, *(part.ravel() for part in near)]))
    return np.asarray(grid[(grid >= coarse[0]) & (grid <= coarse[-1])])
