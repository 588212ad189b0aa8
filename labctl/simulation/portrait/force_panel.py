"""What limits the force that one sensor can tell, over the distance from its resonance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from labctl.physics.force_noise import detuning_of_imprecision_hz, phase_noise_psd, thermal_force_psd
from labctl.physics.membrane import effective_mass_kg, susceptibility_m_per_n
from labctl.physics.noise_budget import ForceNoiseBudget, Oscillator, Readout, force_noise_budget
from labctl.simulation.portrait.style import (
    BEST_SUM,
    BLACK,
    COHERENT,
    DASH_DOT,
    DASHED,
    DOTTED,
    GREY,
    ONE,
    PURPLE,
    SOLID,
    THERMAL,
    decibels,
    logarithmic,
    title,
)
from labctl.simulation.sensor_cavity import MEMBRANE_M
from labctl.simulation.working_point import WorkingPoint

DENSITY_KG_PER_M3 = 2700.0
SIDE_M = 500e-6
ROOM_K = 300.0
DETUNING_HZ = np.geomspace(1.0, 3e3, 400)
FEMTO = 1e-15


def oscillator(point: WorkingPoint, index: int) -> Oscillator:
    """Return the mode of sensor `index` (from 0), its transduction such that its peak stands as high over shot noise as
    the truth says."""
    sensor = point.sensors[index]
    mass_kg = float(effective_mass_kg(DENSITY_KG_PER_M3, SIDE_M, MEMBRANE_M))
    chi = susceptibility_m_per_n(sensor.f0_hz, sensor.f0_hz, sensor.gamma_hz, mass_kg)
    shot = phase_noise_psd(point.design.probe_power_w, point.design.wavelength_m, _efficiency(point, index))
    thermal = thermal_force_psd(sensor.gamma_hz, mass_kg, ROOM_K)
    slope = np.sqrt(sensor.peak_to_shot * shot / (thermal * np.abs(chi) ** 2))
    return Oscillator(sensor.f0_hz, sensor.gamma_hz, mass_kg, ROOM_K, float(slope))


def budgets(point: WorkingPoint, index: int) -> dict[str, ForceNoiseBudget]:
    """Return the budgets of sensor `index` over `DETUNING_HZ`: with coherent light, squeezed and read alone, and
    squeezed and read with all others known."""
    mode = oscillator(point, index)
    _, antisqueezed = point.source()
    weight = point.sensors[index].weight
    coherent = Readout(point.design.probe_power_w, point.design.wavelength_m, _efficiency(point, index))
    shared = replace(coherent, antisqueezed=1.0 + weight * (antisqueezed - 1.0))
    light = point.light()
    alone, given = float(light.marginal()[index]), float(light.conditional()[index])
    readouts = {
        "coherent": coherent,
        "alone": replace(shared, squeezed=alone),
        "given the others": replace(shared, squeezed=given),
    }
    return {name: force_noise_budget(mode.f0_hz + DETUNING_HZ, mode, readout) for name, readout in readouts.items()}


def draw_force_noise(axes: Axes, strip: Axes, point: WorkingPoint, width_in: float, index: int = 0) -> None:
    """Draw the budget, and far below it, in a `strip` of its own, the back-action."""
    found = budgets(point, index)
    light = point.light()
    alone_db, given_db = (10.0 * np.log10(v[index]) for v in (light.marginal(), light.conditional()))
    coherent, alone, given = (found[name] for name in ("coherent", "alone", "given the others"))

    def line(psd: np.ndarray[tuple[int], np.dtype[np.float64]], on: Axes, **style: object) -> None:
        on.plot(DETUNING_HZ, np.sqrt(psd) / FEMTO, **style)  # type: ignore[arg-type]

    line(alone.total, axes, color=BLACK, linestyle=SOLID, linewidth=2.2, label="total, detector alone")
    line(alone.thermal, axes, color=THERMAL, linestyle=DASHED, linewidth=1.8, label=f"thermal force at {ROOM_K:.0f} K")
    line(coherent.imprecision, axes, color=COHERENT, linestyle=DOTTED, label="shot noise, coherent light")
    line(alone.imprecision, axes, color=ONE, linestyle=DASHED, label=f"squeezed, alone: {decibels(alone_db)}")
    if len(point.sensors) > 1:
        label = f"squeezed, others known: {decibels(given_db)}"
        line(given.imprecision, axes, color=BEST_SUM, linestyle=SOLID, label=label)
    line(alone.back_action, strip, color=PURPLE, linestyle=DASH_DOT, linewidth=1.8)
    for each in (axes, strip):
        logarithmic(each, "x")
        logarithmic(each, "y")
        each.set_xlim(DETUNING_HZ[0], DETUNING_HZ[-1])
    axes.set_ylim(2.0, 1.2e3)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("force noise, one-sided\n(fN/√Hz)")
    axes.legend(loc="upper left", handlelength=2.4, borderaxespad=0.2)
    level = float(np.sqrt(alone.back_action[0])) / FEMTO
    strip.set_ylim(level / 10.0**0.6, level * 10.0**1.3)
    strip.text(0.98, 0.86, "back-action of the probe", color=PURPLE, transform=strip.transAxes, ha="right", va="top")
    strip.set_xlabel(f"distance from the resonance of sensor {index + 1} (Hz)")
    _broken(axes, strip)
    title(axes, _lesson(point, index, alone), width_in)


def _broken(above: Axes, below: Axes) -> None:
    """Mark that the vertical axis leaves out what lies between two panels."""
    mark = {"marker": [(-1, -0.5), (1, 0.5)], "markersize": 8, "linestyle": "none", "color": GREY, "clip_on": False}
    above.plot([0], [0], transform=above.transAxes, **mark)  # type: ignore[arg-type]
    below.plot([0], [1], transform=below.transAxes, **mark)  # type: ignore[arg-type]
    above.spines["bottom"].set_visible(False)
    above.tick_params(bottom=False)


def _lesson(point: WorkingPoint, index: int, alone: ForceNoiseBudget) -> str:
    sensor = point.sensors[index]
    variance = float(point.light().marginal()[index])
    equal_hz = float(detuning_of_imprecision_hz(np.sqrt(sensor.peak_to_shot / variance), sensor.gamma_hz))
    best = float(np.sqrt(alone.total[0])) / FEMTO
    return (
        f"Thermal motion limits sensor {index + 1} at resonance, to {best:.1f}\u00a0fN/√Hz; light beyond "
        f"±{equal_hz:.0f}\u00a0Hz, where squeezing helps"
    )


def _efficiency(point: WorkingPoint, index: int) -> float:
    return float(point.efficiency()[index])
