"""What the piezo behind a sensor's mirror does: light through the cavity, and how strongly it turns motion into
phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from labctl.physics.membrane_cavity import (
    front_mirror_phase_slope,
    resonant_gap_m,
    slab_amplitudes,
    transmitted_amplitude,
)
from labctl.simulation.piezo import CAVITY_STACK, HIGHEST_V, LOWEST_V, PiezoChannel
from labctl.simulation.portrait.style import DASHED, FAINT, GREY, ONE, PURPLE, SOLID, title
from labctl.simulation.room import Room
from labctl.simulation.sensor_cavity import DESIGN_BIAS_V, MEMBRANE_INDEX, MEMBRANE_M, MIRROR_AMPLITUDE, SensorCavity
from labctl.simulation.truth import generator
from labctl.simulation.working_point import WorkingPoint

FloatArray = NDArray[np.float64]

UP_V = np.linspace(LOWEST_V, HIGHEST_V, 301)
MOST_OTHERS = 3  # sensors that are drawn faintly beside the first
SETTLED_S = 1e4


@dataclass(frozen=True, eq=False)
class CavityScan:
    """Transmission relative to resonance and transduction relative to the best, over `UP_V` upwards and back."""

    transmission_up: FloatArray
    transmission_down: FloatArray
    transduction_up: FloatArray
    transduction_down: FloatArray


def scan_cavity(point: WorkingPoint, index: int) -> CavityScan:
    """Return a slow scan of sensor `index` (from 0) from a discharged piezo to its highest voltage and back."""
    wavelength_m = point.design.wavelength_m
    piezo = PiezoChannel(0.0, CAVITY_STACK)
    cavity = SensorCavity(
        point.sensors[index],
        piezo,
        lambda: wavelength_m,
        Room(1.0, len(point.sensors)),
        index,
        generator(point.truth.seed, "portrait"),
    )
    gap_m = np.array([_gap_m(cavity, piezo, float(volts)) for volts in (*UP_V, *UP_V[::-1])])
    r, t = (complex(amplitude) for amplitude in slab_amplitudes(MEMBRANE_INDEX, MEMBRANE_M, wavelength_m))
    best_m = resonant_gap_m(r, point.sensors[index].cavity_length_m, wavelength_m)

    def seen(gap: FloatArray) -> FloatArray:
        return np.asarray(np.abs(transmitted_amplitude(r, t, MIRROR_AMPLITUDE, gap, wavelength_m)) ** 2)

    def slope(gap: FloatArray) -> FloatArray:
        return front_mirror_phase_slope(r, t, MIRROR_AMPLITUDE, gap, wavelength_m)

    transmission, transduction = seen(gap_m) / seen(best_m), slope(gap_m) / slope(best_m)
    half = len(UP_V)
    return CavityScan(transmission[:half], transmission[half:][::-1], transduction[:half], transduction[half:][::-1])


def draw_cavity(transmission: Axes, transduction: Axes, point: WorkingPoint, width_in: float) -> None:
    """Draw the first sensor's cavity, and a few others' faintly."""
    first = scan_cavity(point, 0)
    for index in range(1, min(len(point.sensors), 1 + MOST_OTHERS)):
        other = scan_cavity(point, index)
        transmission.plot(UP_V, other.transmission_up, color=FAINT, linewidth=0.8)
        transduction.plot(UP_V, other.transduction_up, color=FAINT, linewidth=0.8)
    transmission.plot(UP_V, first.transmission_up, color=ONE, linestyle=SOLID, label="voltage rising")
    transmission.plot(UP_V, first.transmission_down, color=ONE, linestyle=DASHED, label="and falling")
    transduction.plot(UP_V, first.transduction_up, color=PURPLE, linestyle=SOLID)
    transduction.plot(UP_V, first.transduction_down, color=PURPLE, linestyle=DASHED)
    transduction.axhline(0.0, color=GREY, linewidth=0.8)
    for axes in (transmission, transduction):
        axes.axvline(DESIGN_BIAS_V, color=GREY, linewidth=0.8)
        axes.set_xlim(LOWEST_V, HIGHEST_V)
    transmission.set_ylim(0.0, 1.45)
    transmission.set_yticks([0.0, 0.5, 1.0])
    transmission.tick_params(labelbottom=False)
    transmission.set_ylabel("transmission")
    transmission.legend(loc="upper right", ncols=2, handlelength=2.4, borderaxespad=0.2)
    transduction.set_ylabel("rad per m, rel.")
    transduction.set_xlabel("piezo (V)")
    title(transmission, _lesson(point, first), width_in)


def _gap_m(cavity: SensorCavity, piezo: PiezoChannel, volts: float) -> float:
    piezo.drive(volts)
    piezo.advance(SETTLED_S)
    return cavity.gap_m()


def _lesson(point: WorkingPoint, scan: CavityScan) -> str:
    up = scan.transmission_up
    inside = up[1:-1]
    peaks = int(np.sum((inside > up[:-2]) & (inside > up[2:]) & (inside > 0.9)))
    at_bias = float(np.interp(DESIGN_BIAS_V, UP_V, scan.transduction_up))
    return (
        f"Cavity 1 is resonant {peaks} times; at {DESIGN_BIAS_V:.0f}\u00a0V, come from below, it turns motion into "
        f"phase at {100.0 * at_bias:.1f}\u00a0% of the best"
    )
