"""How far apart the sensors of a network are: eq. (2) for each parameter and each sensor.

Inconsistency |sqrt(S_j) - sqrt(S)| / sqrt(S), S the force noise of the design and S_j the same with one measured
parameter of sensor j in its place, at the same detuning from resonance. The publication allows 3 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.physics.force_noise import inconsistency
from labctl.physics.noise_budget import Oscillator, Readout, force_noise_budget

ALLOWED = 0.03
DERIVATIVE_STEP = 1e-3
"""In standard deviations."""
ALL_PARAMETERS = "all"


class Parameter(StrEnum):
    """What may differ between sensors. G0 and KAPPA act through the phase slope, which goes as g0 over kappa."""

    GAMMA = "gamma_hz"
    G0 = "g0_hz"
    KAPPA = "kappa_hz"
    PHASE_SLOPE = "phase_slope_rad_per_m"
    MASS = "mass_kg"
    TEMPERATURE = "temperature_k"
    EFFICIENCY = "efficiency"
    VARIANCE = "squeezed"


@dataclass(frozen=True, eq=False)
class Design:
    """What every sensor should be; `g0_hz` and `kappa_hz` are those behind the oscillator's phase slope."""

    oscillator: Oscillator
    readout: Readout
    g0_hz: float
    kappa_hz: float


@dataclass(frozen=True)
class Inconsistency:
    """Eq. (2) as a fraction for one sensor (counted from 1) and one parameter, or "all" of its measured ones.

    signed: sqrt(S_j) / sqrt(S) - 1, whose uncertainty is that of the measurement; value: its magnitude.
    """

    sensor: int
    parameter: str
    signed: Estimate
    detuning_hz: float

    @property
    def value(self) -> Estimate:
        """Magnitude; where it is less than its sigma it says no more than that."""
        return Estimate(abs(self.signed.value), self.signed.sigma, "", "eq. (2), fraction")

    def within(self, allowed: float = ALLOWED, sigmas: float = 0.0) -> bool:
        """Whether it is allowed, with `sigmas` of uncertainty to spare."""
        return abs(self.signed.value) + sigmas * self.signed.sigma <= allowed


def sensor_inconsistencies(
    design: Design, measured: Mapping[int, Mapping[Parameter, Estimate]], *, detuning_hz: float = 0.0
) -> list[Inconsistency]:
    """Eq. (2) for every measured parameter of every sensor alone, then for all of a sensor's together.

    `detuning_hz` from resonance: 0 is thermal noise above all, far from it imprecision. Refuses parameters that are
    not positive and sensors without any.
    """
    found: list[Inconsistency] = []
    for sensor, parameters in sorted(measured.items()):
        if not parameters:
            raise AnalysisRefused(f"Sensor {sensor} has no measured parameter.", remedy="Calibrate it first.")
        for name, value in parameters.items():
            if value.value <= 0:
                raise AnalysisRefused(f"Sensor {sensor}: {name} = {value} is not positive.")
            found.append(Inconsistency(sensor, str(name), _signed(design, {name: value}, detuning_hz), detuning_hz))
        if len(parameters) > 1:
            found.append(Inconsistency(sensor, ALL_PARAMETERS, _signed(design, parameters, detuning_hz), detuning_hz))
    return found


def allowed_window(
    design: Design, parameter: Parameter, *, detuning_hz: float = 0.0, allowed: float = ALLOWED
) -> tuple[float, float]:
    """Values of one parameter between which eq. (2) stays within `allowed`: section 2's 6 % for Gamma, 3 % for g0."""
    centre = _design_value(design, parameter)

    def excess(ratio: float) -> float:
        return _at(design, {parameter: centre * ratio}, detuning_hz) - allowed

    return centre * _edge(excess, -1), centre * _edge(excess, 1)


def _edge(excess: Callable[[float], float], direction: int) -> float:
    """The ratio nearest 1 at which `excess` becomes positive; 0 or infinity where it never does within a factor 10."""
    steps = np.exp(direction * np.linspace(0.0, math.log(10.0), 201))
    over = np.flatnonzero([excess(float(ratio)) > 0 for ratio in steps])
    if not len(over):
        return math.inf if direction > 0 else 0.0
    inside, outside = float(steps[max(0, over[0] - 1)]), float(steps[over[0]])
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if excess(middle) > 0 else (middle, outside)
    return inside


def _signed(design: Design, parameters: Mapping[Parameter, Estimate], detuning_hz: float) -> Estimate:
    values = {name: estimate.value for name, estimate in parameters.items()}
    variance = 0.0
    for name, estimate in parameters.items():
        step = DERIVATIVE_STEP * estimate.sigma
        if step > 0:
            up = _ratio(design, values | {name: estimate.value + step}, detuning_hz)
            down = _ratio(design, values | {name: estimate.value - step}, detuning_hz)
            variance += ((up - down) / (2 * DERIVATIVE_STEP)) ** 2
    where = "on resonance" if detuning_hz == 0 else f"{detuning_hz:+g} Hz off resonance"
    return Estimate(_ratio(design, values, detuning_hz) - 1, math.sqrt(variance), "", f"eq. (2), signed, {where}")


def _at(design: Design, values: Mapping[Parameter, float], detuning_hz: float) -> float:
    """Eq. (2) itself."""
    return float(inconsistency(_force_psd(design, values, detuning_hz), _force_psd(design, {}, detuning_hz)))


def _ratio(design: Design, values: Mapping[Parameter, float], detuning_hz: float) -> float:
    return math.sqrt(_force_psd(design, values, detuning_hz) / _force_psd(design, {}, detuning_hz))


def _force_psd(design: Design, values: Mapping[Parameter, float], detuning_hz: float) -> float:
    """Force noise of the design with some parameters replaced, N^2/Hz."""
    slope = design.oscillator.phase_slope_rad_per_m
    slope = values.get(Parameter.PHASE_SLOPE, slope) * values.get(Parameter.G0, design.g0_hz) / design.g0_hz
    slope *= design.kappa_hz / values.get(Parameter.KAPPA, design.kappa_hz)
    oscillator = replace(
        design.oscillator,
        gamma_hz=values.get(Parameter.GAMMA, design.oscillator.gamma_hz),
        mass_kg=values.get(Parameter.MASS, design.oscillator.mass_kg),
        temperature_k=values.get(Parameter.TEMPERATURE, design.oscillator.temperature_k),
        phase_slope_rad_per_m=slope,
    )
    readout = replace(
        design.readout,
        efficiency=values.get(Parameter.EFFICIENCY, design.readout.efficiency),
        squeezed=values.get(Parameter.VARIANCE, design.readout.squeezed),
    )
    return float(force_noise_budget(oscillator.f0_hz + detuning_hz, oscillator, readout).total)


def _design_value(design: Design, parameter: Parameter) -> float:
    match parameter:
        case Parameter.G0 | Parameter.KAPPA:
            return float(getattr(design, parameter))
        case Parameter.EFFICIENCY | Parameter.VARIANCE:
            return float(getattr(design.readout, parameter))
        case _:
            return float(getattr(design.oscillator, parameter))
