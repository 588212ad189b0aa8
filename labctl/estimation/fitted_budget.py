"""The noise budget of a sensor as a night's calibration has it, and whether the night's spectrum agrees.

The peak over shot noise tells the transduction: A = S_thermal / S_imprecision of coherent light on resonance, so the
phase slope follows from A, Gamma, mass, temperature, power and efficiency, and the budget has no free number left. The
spectrum is then compared with it, contribution by contribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.physics.force_noise import imprecision_force_psd, phase_noise_psd, thermal_force_psd
from labctl.physics.membrane import susceptibility_m_per_n
from labctl.physics.noise_budget import ForceNoiseBudget, Oscillator, Readout, force_noise_budget
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.trace import Spectrum, Unit

DERIVATIVE_STEP = 1e-3
"""In standard deviations."""
POOR_PROBABILITY = 1e-4
FEWEST_POINTS = 10
NO_DARK = Estimate(0.0, 0.0)


@dataclass(frozen=True)
class NightCalibration:
    """What a night measured of one sensor.

    peak_to_shot: A, height of the line over shot noise, filter taken out; squeezed: V beside the line, 1 is shot
    noise; dark: dark over shot noise, 0 where it was subtracted; efficiency: from membrane to photocurrent.
    """

    f0_hz: Estimate
    gamma_hz: Estimate
    peak_to_shot: Estimate
    squeezed: Estimate
    efficiency: Estimate
    power_w: Estimate
    mass_kg: Estimate
    temperature_k: Estimate
    dark: Estimate = NO_DARK


@dataclass(frozen=True, eq=False)
class FittedBudget:
    """The budget's parameters, and the uncertainty of each contribution from the calibration."""

    oscillator: Oscillator
    readout: Readout
    phase_slope_rad_per_m: Estimate
    calibration: NightCalibration

    def at(self, frequency_hz: FloatArray) -> ForceNoiseBudget:
        """Contributions (n,) at `frequency_hz` (n,), one-sided N^2/Hz."""
        return force_noise_budget(frequency_hz, self.oscillator, self.readout)

    def resolution(self, frequency_hz: float) -> dict[str, Estimate]:
        """Square root of each contribution and of the total at one frequency, N/rtHz one-sided, by name."""
        return {
            name: Estimate(value, _spread_of(self.calibration, frequency_hz, name), "N/rtHz", "one-sided")
            for name, value in _contributions(self.calibration, frequency_hz).items()
        }


@dataclass(frozen=True)
class BudgetComparison:
    """Measured noise over the budget's, by region of the spectrum, and as a whole.

    on_resonance: within a linewidth; beside: more than ten linewidths away, where there is any; both 1 for a budget
    that holds, uncertainties those of the points; reason: empty, or where the spectrum has noise that the budget lacks.
    """

    on_resonance: Estimate
    beside: Estimate | None
    chi2_per_dof: float
    p_value: float
    reason: str


def fit_budget(calibration: NightCalibration, wavelength_m: float, antisqueezed: float = 1.0) -> FittedBudget:
    """Budget of a sensor from its calibration; `antisqueezed`: amplitude variance at the membrane, for back-action.

    Refuses numbers that are not positive, and an efficiency above 1.
    """
    values = _values(calibration)
    for name, value in values.items():
        if not value > 0 and name != "dark":
            raise AnalysisRefused(f"A budget needs {name} above 0, not {getattr(calibration, name)}.")
    if values["efficiency"] > 1 or values["dark"] < 0:
        raise AnalysisRefused(f"Efficiency {calibration.efficiency} and dark noise {calibration.dark} make no sense.")
    oscillator, readout = _model(values, wavelength_m, antisqueezed)
    slope = oscillator.phase_slope_rad_per_m
    # s^2 ~ A Gamma m / (T power efficiency): half of each relative uncertainty
    c = calibration
    shares = (c.peak_to_shot, c.gamma_hz, c.mass_kg, c.temperature_k, c.power_w, c.efficiency)
    relative = math.sqrt(sum(e.relative_sigma**2 for e in shares)) / 2
    return FittedBudget(
        oscillator,
        readout,
        Estimate(slope, slope * relative, "rad/m", "from the thermal peak over shot noise"),
        calibration,
    )


def compare_with_spectrum(budget: FittedBudget, spectrum: Spectrum) -> BudgetComparison:
    """Compare a spectrum relative to shot noise with what the calibration says it should show, S = V + dark + A L.

    Refuses other units, and too few points for a comparison.
    """
    if spectrum.unit is not Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(f"{spectrum.name} is in {spectrum.unit}, not relative to shot noise.")
    if len(spectrum.frequency_hz) < FEWEST_POINTS:
        raise AnalysisRefused(f"{spectrum.name} has {len(spectrum.frequency_hz)} points, too few to compare.")
    c, f = budget.calibration, spectrum.frequency_hz
    line = broadened_lorentzian(f, c.f0_hz.value, c.gamma_hz.value, spectrum.acquisition)
    expected = c.squeezed.value + c.dark.value + c.peak_to_shot.value * line
    ratio, k = spectrum.values / expected, spectrum.acquisition.effective_k
    away = np.abs(f - c.f0_hz.value)
    on = _mean_ratio(spectrum, ratio, away <= max(c.gamma_hz.value, spectrum.spacing_hz))
    if on is None:
        raise AnalysisRefused(f"{spectrum.name} has no point on the resonance at {c.f0_hz.value:.10g} Hz.")
    beside = _mean_ratio(spectrum, ratio, away > 10 * c.gamma_hz.value)
    independent = spectrum.acquisition.independent_points(f)
    pearson = k * float(((ratio - 1) ** 2).mean())
    dof = independent / (1 + 3 / k)  # squares of Gamma(K) deviates spread wider than those of a Gaussian
    p_value = float(chi2.sf(pearson * dof, dof))
    return BudgetComparison(on, beside, pearson, p_value, _reason(p_value, on, beside))


def _mean_ratio(
    spectrum: Spectrum, ratio: FloatArray, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Estimate | None:
    if not inside.any():
        return None
    independent = spectrum.acquisition.independent_points(spectrum.frequency_hz[inside])
    value = float(ratio[inside].mean())
    sigma = value / math.sqrt(spectrum.acquisition.effective_k * max(independent, 1.0))
    return Estimate(value, abs(sigma), "", "measured over budget, power")


def _reason(p_value: float, on: Estimate, beside: Estimate | None) -> str:
    if p_value > POOR_PROBABILITY:
        return ""
    where = [("on resonance", on)] + ([("beside the line", beside)] if beside is not None else [])
    name, worst = max(where, key=lambda pair: abs(pair[1].value - 1) / max(pair[1].sigma, 1e-12))
    verb = "more" if worst.value > 1 else "less"
    return f"the spectrum shows {verb} noise than the calibration accounts for, {worst} of it {name}"


def _values(calibration: NightCalibration) -> dict[str, float]:
    return {field.name: getattr(calibration, field.name).value for field in fields(calibration)}


def _model(values: Mapping[str, float], wavelength_m: float, antisqueezed: float) -> tuple[Oscillator, Readout]:
    """Oscillator with the phase slope that gives the measured A, and readout."""
    f0, gamma, mass, temperature = (values[n] for n in ("f0_hz", "gamma_hz", "mass_kg", "temperature_k"))
    chi = susceptibility_m_per_n(f0, f0, gamma, mass)
    shot = phase_noise_psd(values["power_w"], wavelength_m, values["efficiency"])
    imprecision_of_unit_slope = float(imprecision_force_psd(shot, 1.0, chi))
    slope = math.sqrt(values["peak_to_shot"] * imprecision_of_unit_slope / thermal_force_psd(gamma, mass, temperature))
    readout = Readout(
        values["power_w"], wavelength_m, values["efficiency"], values["squeezed"], antisqueezed, values["dark"]
    )
    return Oscillator(f0, gamma, mass, temperature, slope), readout


def _contributions(calibration: NightCalibration, frequency_hz: float) -> dict[str, float]:
    """Square roots of thermal, imprecision, dark and their total; they depend on neither power nor wavelength."""
    v = _values(calibration)
    thermal = float(thermal_force_psd(v["gamma_hz"], v["mass_kg"], v["temperature_k"]))
    on = abs(complex(susceptibility_m_per_n(v["f0_hz"], v["f0_hz"], v["gamma_hz"], v["mass_kg"]))) ** 2
    here = abs(complex(susceptibility_m_per_n(frequency_hz, v["f0_hz"], v["gamma_hz"], v["mass_kg"]))) ** 2
    shot = thermal / v["peak_to_shot"] * on / here
    squares = {"thermal": thermal, "imprecision": v["squeezed"] * shot, "dark": v["dark"] * shot}
    squares["total"] = sum(squares.values())
    return {name: math.sqrt(value) for name, value in squares.items()}


def _spread_of(calibration: NightCalibration, frequency_hz: float, name: str) -> float:
    variance = 0.0
    for field in fields(calibration):
        estimate: Estimate = getattr(calibration, field.name)
        step = DERIVATIVE_STEP * estimate.sigma
        if step > 0 and field.name not in ("efficiency", "power_w"):
            up = replace(calibration, **{field.name: replace(estimate, value=estimate.value + step)})
            down = replace(calibration, **{field.name: replace(estimate, value=max(estimate.value - step, 0.0))})
            difference = _contributions(up, frequency_hz)[name] - _contributions(down, frequency_hz)[name]
            variance += (difference / (2 * DERIVATIVE_STEP)) ** 2
    return math.sqrt(variance)
