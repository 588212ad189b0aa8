"""Noise budget of force resolution, and what it owes to damping, coupling and linewidth: fig. 1 b-e."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from labctl.estimation.estimate import Estimate
from labctl.estimation.fitted_budget import FittedBudget, NightCalibration, fit_budget
from labctl.estimation.sensor_consistency import ALLOWED, Design, Parameter, allowed_window
from labctl.physics.force_noise import thermal_force_psd, two_sided
from labctl.physics.noise_budget import Oscillator, Readout, force_noise_budget
from labctl.report.contents import RunContents
from labctl.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    FORCE_UNIT,
    GREEN,
    ORANGE,
    PER_FEMTO,
    PER_KILO,
    PURPLE,
    SKY,
    VERMILLION,
    Plotted,
    Sketch,
    new_figure,
    plain_log_ticks,
)
from labctl.report.figure_design import StatedSensors, design_of, stated_sensors
from labctl.report.origins import why_missing
from labctl.report.wording import MINUS
from labctl.spectra.acquisition import FloatArray

HEIGHT_IN = 5.6
USUAL_DETUNING_HZ = 1600.0
"""Where the design resolves the published 197 fN/rtHz; used when the run names no detuning of its own."""
COLD_K = 0.06
WIDEST_DETUNINGS = 1.6  # of the detuning: how far panel b reaches
POINTS = 401
MARGIN = 0.02  # of the design value, beyond what is drawn
LOWEST_SHARE, HIGHEST_SHARE = 0.75, 1.25  # of the design value: how far panels c to e reach


@dataclass(frozen=True)
class Dependence:
    """One of the panels c to e: the parameter, the result that measures it, how it is written, and whether its window
    is that off resonance."""

    letter: str
    parameter: Parameter
    result: str
    label: str
    unit: str
    factor: float
    off_resonance: bool


_DEPENDENCES = (
    Dependence("c", Parameter.GAMMA, "gamma_hz", "damping rate Γ", "Hz", 1.0, off_resonance=False),
    Dependence("d", Parameter.G0, "g0_hz", "coupling of one photon g₀", "Hz", 1.0, off_resonance=True),
    Dependence("e", Parameter.KAPPA, "kappa_hz", "cavity linewidth κ", "GHz", 1e-9, off_resonance=True),
)


@dataclass(frozen=True)
class MeasuredSensor:
    """A sensor of the night: its parameters, and its force resolution on and off resonance, N/rtHz, two-sided."""

    number: int
    calibration: NightCalibration
    budget: FittedBudget

    def resolution(self, run: RunContents, detuning_hz: float) -> Estimate:
        """With coherent light: the night's own where it has one, else from peak, damping and mass."""
        named = run.results.get(f"sensor{self.number}.force_coherent_{'off' if detuning_hz else 'on'}")
        if named is not None:
            return Estimate(named.value, named.sigma)
        total = self.budget.resolution(self.calibration.f0_hz.value + detuning_hz)["total"]
        return Estimate(total.value / math.sqrt(2.0), total.sigma / math.sqrt(2.0))


def draw_budget(run: RunContents) -> Sketch:
    """Raises AnalysisRefused when the station file of the run does not state the design of its sensors."""
    stated = stated_sensors(run)
    design = design_of(stated)
    sensors = measured_sensors(run, stated)
    detuning = detuning_hz(run)
    figure = new_figure(HEIGHT_IN)
    grid = figure.add_gridspec(2, 6, height_ratios=[1.15, 1.0])
    plotted = Plotted()
    said = _draw_budget(figure.add_subplot(grid[0, :]), design, sensors, detuning, plotted)
    first: Axes | None = None
    for column, entry in enumerate(_DEPENDENCES):
        axes = figure.add_subplot(grid[1, 2 * column : 2 * column + 2], sharey=first)
        _draw_dependence(axes, run, design, sensors, detuning, entry, plotted)
        if first is None:
            first = axes
            axes.set_ylabel(f"force resolution ({FORCE_UNIT})")
        else:
            axes.tick_params(labelleft=False)
    return Sketch(figure, _caption(run, sensors, detuning), _alt(said, design, detuning), plotted.data)


def measured_sensors(run: RunContents, stated: StatedSensors) -> list[MeasuredSensor]:
    """The sensors of which the run has resonance, damping and peak over shot noise."""
    found = []
    for number in run.sensors:
        names = [f"sensor{number}.{suffix}" for suffix in ("f0_hz", "gamma_hz", "peak_to_shot")]
        if all(name in run.results for name in names):
            found.append(_measured(number, [_estimate(run, name) for name in names], stated))
    return found


def detuning_hz(run: RunContents) -> float:
    """The detuning of the night's numbers off resonance, or the usual one."""
    named = run.results.get("force.detuning_hz")
    return abs(named.value) if named is not None and named.value else USUAL_DETUNING_HZ


def _measured(number: int, mode: list[Estimate], stated: StatedSensors) -> MeasuredSensor:
    membranes = stated.membranes
    calibration = NightCalibration(
        f0_hz=mode[0],
        gamma_hz=mode[1],
        peak_to_shot=mode[2],
        squeezed=Estimate(1.0, 0.0),
        efficiency=stated.efficiency,
        power_w=Estimate(stated.light.probe_power, 0.0),
        mass_kg=Estimate(membranes.effective_mass.value, membranes.effective_mass.sigma),
        temperature_k=Estimate(membranes.temperature.value, membranes.temperature.sigma),
    )
    return MeasuredSensor(number, calibration, fit_budget(calibration, stated.light.wavelength))


def _draw_budget(
    axes: Axes, design: Design, sensors: Sequence[MeasuredSensor], detuning: float, plotted: Plotted
) -> dict[str, float]:
    """Draw panel b; returns the resolution of each contribution on resonance, fN/rtHz."""
    oscillator, readout, whose = _drawn_sensor(design, sensors)
    offset = np.linspace(-WIDEST_DETUNINGS * detuning, WIDEST_DETUNINGS * detuning, POINTS)
    offset = np.unique(np.concatenate([offset, np.linspace(-3.0, 3.0, 61) * oscillator.gamma_hz]))
    budget = force_noise_budget(oscillator.f0_hz + offset, oscillator, readout)
    cold = thermal_force_psd(oscillator.gamma_hz, oscillator.mass_kg, COLD_K)
    lines = (
        ("total", budget.total, GREEN, DASHES[0], 1.8),
        ("imprecision", budget.imprecision, PURPLE, DASHES[1], 1.3),
        (f"thermal at {oscillator.temperature_k:.0f} K", budget.thermal, BLACK, DASHES[1], 1.3),
        ("thermal at 60 mK", np.broadcast_to(cold, offset.shape), ORANGE, DASHES[1], 1.3),
    )
    on_resonance = {}
    for label, psd, colour, dash, width in lines:
        level = _in_femto(psd)
        on_resonance[label] = float(level[np.abs(offset).argmin()])
        text = f"{label}: {on_resonance[label]:.3g} {FORCE_UNIT} on resonance"
        axes.plot(offset * PER_KILO, level, color=colour, linestyle=dash, linewidth=width, label=text)
        plotted.add("b", label, offset, level, ("Hz from the mode", FORCE_UNIT))
    axes.set_yscale("log")
    plain_log_ticks(axes)
    axes.margins(x=0.0)
    axes.set_xlabel(f"frequency − f₀ (kHz), f₀ = {oscillator.f0_hz * 1e-6:.3f} MHz")
    axes.set_ylabel(f"force resolution ({FORCE_UNIT})")
    axes.set_title(f"(b) noise budget, {whose}")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1), labelspacing=0.6)
    return on_resonance


def _drawn_sensor(design: Design, sensors: Sequence[MeasuredSensor]) -> tuple[Oscillator, Readout, str]:
    """The mean of the night's sensors, or the design where none was measured, and in words which."""
    if not sensors:
        return design.oscillator, design.readout, "design (no sensor was measured)"
    calibrations = [sensor.calibration for sensor in sensors]
    mean = replace(
        calibrations[0],
        f0_hz=_mean([one.f0_hz for one in calibrations]),
        gamma_hz=_mean([one.gamma_hz for one in calibrations]),
        peak_to_shot=_mean([one.peak_to_shot for one in calibrations]),
    )
    budget = fit_budget(mean, design.readout.wavelength_m)
    return budget.oscillator, budget.readout, f"mean of {len(sensors)} sensors as measured, coherent light"


def _draw_dependence(
    axes: Axes,
    run: RunContents,
    design: Design,
    sensors: Sequence[MeasuredSensor],
    detuning: float,
    one: Dependence,
    plotted: Plotted,
) -> None:
    centre = _design_value(design, one.parameter)
    ratio = np.linspace(LOWEST_SHARE, HIGHEST_SHARE, POINTS)
    units = (one.unit, FORCE_UNIT)
    for at, name, colour, dash in ((0.0, "on", BLUE, DASHES[0]), (detuning, "off", VERMILLION, DASHES[1])):
        level = _in_femto(np.array([_force_psd(design, one.parameter, float(r), at) for r in ratio]))
        x = np.asarray(one.factor * centre * ratio)
        axes.plot(x, level, color=colour, linestyle=dash, label=f"{name} resonance")
        plotted.add(one.letter, f"design, {name} resonance", x, level, units)
        _draw_sensors(axes, run, sensors, at, one, colour, plotted)
    low, high = allowed_window(design, one.parameter, detuning_hz=detuning if one.off_resonance else 0.0)
    axes.axvspan(one.factor * low, one.factor * high, color=SKY, alpha=0.3, linewidth=0.0)
    window = (100.0 * (low / centre - 1.0), 100.0 * (high / centre - 1.0))
    axes.set_title(
        f"({one.letter}) {100 * ALLOWED:.0f} % window: {window[0]:+.1f} to {window[1]:+.1f} %".replace("-", MINUS)
    )
    axes.set_yscale("log")
    plain_log_ticks(axes)
    if one is _DEPENDENCES[0]:
        axes.legend(loc="center", fontsize=8.0)
    named = [run.results.get(f"sensor{sensor.number}.{one.result}") for sensor in sensors]
    found = [result.value for result in named if result is not None]
    ends = (min([centre * LOWEST_SHARE, *found]), max([centre * HIGHEST_SHARE, *found]))
    axes.set_xlim(one.factor * (ends[0] - MARGIN * centre), one.factor * (ends[1] + MARGIN * centre))
    axes.set_xlabel(f"{one.label} ({one.unit})")


def _draw_sensors(
    axes: Axes,
    run: RunContents,
    sensors: Sequence[MeasuredSensor],
    detuning: float,
    one: Dependence,
    colour: str,
    plotted: Plotted,
) -> None:
    known = [sensor for sensor in sensors if f"sensor{sensor.number}.{one.result}" in run.results]
    if not known:
        return
    x = [_estimate(run, f"sensor{sensor.number}.{one.result}") for sensor in known]
    y = [sensor.resolution(run, detuning) for sensor in known]
    across = one.factor * np.array([e.value for e in x])
    level, sigma = (PER_FEMTO * np.array(part) for part in ([e.value for e in y], [e.sigma for e in y]))
    style: dict[str, Any] = {
        "marker": "o" if detuning == 0.0 else "s",
        "markersize": 4.0,
        "color": colour,
        "capsize": 2.0,
    }
    axes.errorbar(across, level, sigma, one.factor * np.array([e.sigma for e in x]), linestyle="none", **style)
    name = "off" if detuning else "on"
    plotted.add(one.letter, f"measured, {name} resonance", across, level, (one.unit, FORCE_UNIT), sigma)


def _force_psd(design: Design, parameter: Parameter, ratio: float, detuning: float) -> float:
    """One-sided force noise of the design with one parameter times `ratio`, N^2/Hz."""
    oscillator = design.oscillator
    match parameter:
        case Parameter.GAMMA:
            oscillator = replace(oscillator, gamma_hz=oscillator.gamma_hz * ratio)
        case Parameter.G0:
            oscillator = replace(oscillator, phase_slope_rad_per_m=oscillator.phase_slope_rad_per_m * ratio)
        case _:
            oscillator = replace(oscillator, phase_slope_rad_per_m=oscillator.phase_slope_rad_per_m / ratio)
    return float(force_noise_budget(oscillator.f0_hz + detuning, oscillator, design.readout).total)


def _design_value(design: Design, parameter: Parameter) -> float:
    match parameter:
        case Parameter.GAMMA:
            return design.oscillator.gamma_hz
        case Parameter.G0:
            return design.g0_hz
        case _:
            return design.kappa_hz


def _in_femto(one_sided_psd: FloatArray) -> FloatArray:
    """Square root of the two-sided density, fN/rtHz."""
    return np.asarray(PER_FEMTO * np.sqrt(two_sided(one_sided_psd)))


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    count = len(estimates)
    sigma = math.sqrt(math.fsum(one.sigma**2 for one in estimates)) / count
    return Estimate(math.fsum(one.value for one in estimates) / count, sigma)


def _estimate(run: RunContents, name: str) -> Estimate:
    found = run.results[name]
    return Estimate(found.value, found.sigma)


def _caption(run: RunContents, sensors: Sequence[MeasuredSensor], detuning: float) -> str:
    parts = [
        "Force resolution, two-sided as the publication prints it: one-sided divided by √2. (b) from resonance, "
        "damping and peak over shot noise of this run, mass and temperature of the station file. (c)–(e) lines: the "
        f"design of the station file, solid on resonance and dashed {detuning:.4g} Hz off it; shaded: where that "
        f"parameter alone keeps eq. (2) within {100 * ALLOWED:.0f} %, on resonance in (c), off it in (d) and (e)."
    ]
    if "force.detuning_hz" not in run.results:
        parts.append("The run names no detuning; this one is the usual.")
    if sensors:
        shown = [one for one in _DEPENDENCES if any(f"sensor{s.number}.{one.result}" in run.results for s in sensors)]
        letters = ", ".join(f"({one.letter})" for one in shown)
        parts.append(f"Points in {letters}: the sensors of this run with coherent light, ± 1 σ.")
    parts += [
        f"({one.letter}) has no points: {why_missing(f'sensor1.{one.result}', run)}."
        for one in _DEPENDENCES
        if not any(f"sensor{n}.{one.result}" in run.results for n in run.sensors)
    ]
    return " ".join(parts)


def _alt(on_resonance: dict[str, float], design: Design, detuning: float) -> str:
    said = ", ".join(f"{name} {level:.3g}" for name, level in on_resonance.items())
    off = float(_in_femto(np.array(_force_psd(design, Parameter.GAMMA, 1.0, detuning))))
    return (
        f"Noise budget on resonance in {FORCE_UNIT}: {said}. Design {detuning:.4g} Hz off resonance: {off:.4g} "
        f"{FORCE_UNIT}. Three panels of force resolution against damping, coupling and linewidth with shaded windows."
    )
