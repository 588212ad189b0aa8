"""Force resolution of a sensor from its noise spectrum, with its own thermal motion as the ruler.

The thermal force of 4 k T m Gamma shows as A L(f) in the spectrum, so noise S(f) is the force noise
S_F(f) = 4 k T m Gamma S(f) / (A L(f)): on resonance the thermal force itself and what imprecision adds, off resonance
imprecision. Neither power nor phase slope need be known. Every result names its convention: the publication's numbers
are two-sided, 1/sqrt(2) of the one-sided ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.mechanical_mode import ModeFit
from labctl.physics.force_noise import thermal_force_psd, two_sided
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.trace import Band, Spectrum, Unit

DERIVATIVE_STEP = 1e-3
"""In standard deviations."""
ON_RESONANCE_LINEWIDTHS = 0.25
"""Half width of the band that counts as on resonance."""


class Sidedness(StrEnum):
    """Which spectral density the square is of."""

    ONE_SIDED = "one-sided, N/rtHz"
    TWO_SIDED = "two-sided, N/rtHz"


class Reading(StrEnum):
    """Which record the spectrum is of."""

    MARGINAL = "marginal: one sensor alone"
    CONDITIONAL = "conditional: one sensor given all others"
    JOINT = "joint: sum of all sensors"


@dataclass(frozen=True)
class Calibration:
    """The ruler: effective mass and temperature of the mode."""

    mass_kg: Estimate
    temperature_k: Estimate


@dataclass(frozen=True, eq=False)
class ForceResolution:
    """`resolution` (n,), the square root of the force noise density at `frequency_hz` (n,), in N/rtHz.

    point_sigma (n,): from the averages of each point; scale_sigma (n,): from the calibration and the fit of the mode,
    common to all points; `sidedness` and `reading` are the convention.
    """

    frequency_hz: FloatArray
    resolution: FloatArray
    point_sigma: FloatArray
    scale_sigma: FloatArray
    f0_hz: float
    gamma_hz: float
    sidedness: Sidedness
    reading: Reading
    independent_spacing_hz: float

    @property
    def convention(self) -> str:
        """In words."""
        return f"{self.sidedness}; {self.reading}"

    def on_resonance(self) -> Estimate:
        """Mean within a quarter linewidth of the resonance."""
        half = max(ON_RESONANCE_LINEWIDTHS * self.gamma_hz, self._spacing())
        return self._mean(np.abs(self.frequency_hz - self.f0_hz) <= half, "on resonance")

    def off_resonance(self, detuning_hz: float, width_hz: float) -> Estimate:
        """Mean over a band of `width_hz` about f0 + `detuning_hz`; the detuning is part of the convention."""
        inside = np.abs(self.frequency_hz - self.f0_hz - detuning_hz) <= width_hz / 2
        return self._mean(inside, f"{detuning_hz:+.6g} Hz off resonance")

    def best(self, band: Band) -> Estimate:
        """Mean over a band of the axis, Hz."""
        inside = (self.frequency_hz >= band[0]) & (self.frequency_hz <= band[1])
        return self._mean(inside, f"{band[0]:.8g} to {band[1]:.8g} Hz")

    def _spacing(self) -> float:
        return float(np.diff(self.frequency_hz).mean())

    def _mean(self, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], where: str) -> Estimate:
        count = int(inside.sum())
        if count == 0:
            raise AnalysisRefused(f"No point of the spectrum lies {where}.", remedy="Record a wider span.")
        power = self.resolution[inside] ** 2
        value = math.sqrt(float(power.mean()))
        independent = min(float(count), max(1.0, count * self._spacing() / self.independent_spacing_hz))
        point = float((2 * self.resolution[inside] * self.point_sigma[inside]).mean()) / math.sqrt(independent)
        common = float((2 * self.resolution[inside] * self.scale_sigma[inside]).mean())
        return Estimate(value, math.hypot(point, common) / (2 * value), "N/rtHz", f"{self.convention}; {where}")


def force_resolution(
    spectrum: Spectrum,
    mode: ModeFit,
    calibration: Calibration,
    *,
    sidedness: Sidedness = Sidedness.ONE_SIDED,
    reading: Reading = Reading.MARGINAL,
    moved_together: int = 1,
) -> ForceResolution:
    """Force noise of a spectrum relative to shot noise, in which `mode` was fitted.

    `moved_together`: sensors that the force moves equally and in phase; in a sum of their records amplitudes add, so
    that a force on all is resolved that much better than one on a single sensor, which 1 stands for. Only off
    resonance do several sensors respond alike. Refuses spectra in other units, a mode outside the span, and mass or
    temperature that are not positive.
    """
    if spectrum.unit is not Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(f"{spectrum.name} is in {spectrum.unit}, not relative to shot noise.")
    if calibration.mass_kg.value <= 0 or calibration.temperature_k.value <= 0:
        raise AnalysisRefused("A ruler needs positive mass and temperature.", remedy="Check the station file.")
    if moved_together < 1:
        raise AnalysisRefused(f"A force on {moved_together} sensors moves none.")
    f = spectrum.frequency_hz
    if not f[0] <= mode.f0_hz.value <= f[-1]:
        raise AnalysisRefused(
            f"{spectrum.name} spans {f[0]:.10g} to {f[-1]:.10g} Hz; the mode lies at {mode.f0_hz.value:.10g} Hz."
        )
    if (spectrum.values <= 0).any():
        raise AnalysisRefused(f"{spectrum.name} is not positive at every point.", remedy="Average longer.")
    theta = np.array([mode.parameters[name].value for name in mode.names])
    psd = _force_psd(spectrum, theta, mode.names, calibration, sidedness) / moved_together**2
    resolution = np.sqrt(psd)
    fit_variance = _relative_fit_variance(spectrum, theta, mode, calibration, sidedness)
    ruler = calibration.mass_kg.relative_sigma**2 + calibration.temperature_k.relative_sigma**2
    return ForceResolution(
        frequency_hz=f,
        resolution=resolution,
        point_sigma=np.asarray(resolution / (2 * math.sqrt(spectrum.acquisition.effective_k))),
        scale_sigma=np.asarray(resolution / 2 * np.sqrt(fit_variance + ruler)),
        f0_hz=mode.f0_hz.value,
        gamma_hz=mode.gamma_hz.value,
        sidedness=sidedness,
        reading=reading,
        independent_spacing_hz=float(f[-1] - f[0]) / max(spectrum.acquisition.independent_points(f), 1.0),
    )


def resolution_with(
    mode: ModeFit,
    calibration: Calibration,
    detuning_hz: float,
    variance: Estimate | None = None,
    *,
    sidedness: Sidedness = Sidedness.ONE_SIDED,
) -> Estimate:
    """Force resolution of a mode `detuning_hz` beside its centre, were the noise beside it `variance` over shot noise:
    1 for coherent light, the joint or conditional one; that of the fit if None. Returns N/rtHz.

    From the fitted line, S_F = 4 k T m Gamma (1 + V (1 + (2 delta / Gamma)^2) / A), so it reaches beyond the span of
    the spectrum, where white noise goes on. Refuses masses, temperatures and variances that are not positive.
    """
    mass, temperature = calibration.mass_kg, calibration.temperature_k
    level = mode.floor if variance is None else variance
    if not (mass.value > 0 and temperature.value > 0 and level.value > 0):
        raise AnalysisRefused("A ruler needs positive mass and temperature, and a positive noise beside the line.")
    theta = np.array([mode.parameters[name].value for name in mode.names])

    def log_psd(p: FloatArray, v: float) -> float:
        by_name = dict(zip(mode.names, p, strict=True))
        floor = by_name["floor"] if variance is None else v
        gamma, peak = by_name["gamma_hz"], by_name["peak_to_floor"]
        shape = 1.0 + (2.0 * detuning_hz / gamma) ** 2
        return math.log(float(thermal_force_psd(gamma, mass.value, temperature.value)) * (1.0 + floor * shape / peak))

    def slope(p: FloatArray, v: float, back: FloatArray, v_back: float) -> float:
        return (log_psd(p, v) - log_psd(back, v_back)) / (2 * DERIVATIVE_STEP)

    v = level.value
    steps = np.diag(np.sqrt(np.diag(mode.covariance))) * DERIVATIVE_STEP
    per_sigma = np.array([slope(theta + step, v, theta - step, v) for step in steps])
    correlation = mode.covariance / np.sqrt(np.outer(np.diag(mode.covariance), np.diag(mode.covariance)))
    step = DERIVATIVE_STEP * level.sigma
    by_level = slope(theta, v + step, theta, v - step) if variance is not None else 0.0
    relative2 = float(per_sigma @ correlation @ per_sigma) + by_level**2
    relative2 += mass.relative_sigma**2 + temperature.relative_sigma**2
    half = 0.5 if sidedness is Sidedness.TWO_SIDED else 1.0
    value = math.sqrt(half * math.exp(log_psd(theta, v)))
    return Estimate(value, value * math.sqrt(max(relative2, 0.0)) / 2, "N/rtHz", str(sidedness))


def _force_psd(
    spectrum: Spectrum, theta: FloatArray, names: tuple[str, ...], calibration: Calibration, sidedness: Sidedness
) -> FloatArray:
    """4 k T m Gamma S / (A L), N^2/Hz."""
    p = dict(zip(names, theta, strict=True))
    line = broadened_lorentzian(spectrum.frequency_hz, p["f0_hz"], p["gamma_hz"], spectrum.acquisition)
    thermal = thermal_force_psd(p["gamma_hz"], calibration.mass_kg.value, calibration.temperature_k.value)
    one_sided = thermal * spectrum.values / (p["peak_to_floor"] * line)
    return np.asarray(two_sided(one_sided) if sidedness is Sidedness.TWO_SIDED else one_sided)


def _relative_fit_variance(
    spectrum: Spectrum, theta: FloatArray, mode: ModeFit, calibration: Calibration, sidedness: Sidedness
) -> FloatArray:
    """Relative variance (n,) of the force density from the covariance of f0, Gamma and A."""
    steps = np.sqrt(np.diag(mode.covariance)) * DERIVATIVE_STEP
    slopes = []
    for i, step in enumerate(steps):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        above = _force_psd(spectrum, up, mode.names, calibration, sidedness)
        below = _force_psd(spectrum, down, mode.names, calibration, sidedness)
        slopes.append((np.log(above) - np.log(below)) / (2 * step) if step > 0 else np.zeros_like(above))
    gradient = np.stack(slopes)
    return np.asarray(np.maximum(np.einsum("in,ij,jn->n", gradient, mode.covariance, gradient), 0.0))
