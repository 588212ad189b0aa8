"""Slope of a Pound-Drever-Hall error signal from a scan over one resonance, with its sidebands as ruler.

Model for a line narrow against the free spectral range, with L(d) = 1 / (1 - i d/g), g the half width and O the
modulation: error = e0 + 2 a Im[e^{i psi} (L(d) + L*(d + O) - L*(d) - L(d - O))]. Reflection F = 1 - c L of any coupling
c gives just this from F(d) F*(d + O) - F*(d) F(d - O) (E. Black, Am. J. Phys. 69, 79 (2001)), because the products of
two L's are sums of them: a e^{i psi} = c - c^2 / (2 + i O/g) times the demodulator's own amplitude and phase.
All of the scan bears on the slope at d = 0, where a straight line through a part of it reads low.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.likelihood import SECOND_DIFFERENCE_VARIANCE, Solution, fit_white
from labctl.estimation.scan_axis import Axis, Scan, ordered_scan
from labctl.spectra.acquisition import FloatArray

FEWEST_SAMPLES = 50
FEWEST_SAMPLES_IN_LINE = 4.0
SIGNAL_PER_NOISE = 10.0
"""Peak to peak over noise below which there is no error signal to speak of."""
LARGEST_RELATIVE_SIGMA = 0.1
LARGEST_DEMODULATION_ERROR_RAD = 1.0
SIDEBANDS_PER_HALF_WIDTH = np.geomspace(1.5, 60.0, 60)
HALF_WIDTH_FACTORS = (0.6, 1.0, 1.6)
RELATIVE_STEP = 1e-5
NAMES = ("offset", "amplitude", "centre", "half_width", "sideband", "demodulation")


@dataclass(frozen=True, eq=False)
class PdhFit(Fit):
    """Fit of one scan; centre, half_width (HWHM) and sideband are in `axis_unit`, offset and amplitude in V.

    Derived: slope (V per axis unit, at the centre of the line); with a modulation frequency also slope_v_per_hz,
    linewidth_hz (FWHM) and hz_per_unit.
    """

    axis_unit: str = "V"

    @property
    def slope(self) -> Estimate:
        """V per axis unit at the centre of the line."""
        return self.parameters["slope"]

    @property
    def slope_v_per_hz(self) -> Estimate:
        """V per Hz of detuning; refuses a fit without a known modulation frequency."""
        return self._ruled("slope_v_per_hz")

    @property
    def linewidth_hz(self) -> Estimate:
        """FWHM in Hz; refuses a fit without a known modulation frequency."""
        return self._ruled("linewidth_hz")

    def model(self, position: FloatArray) -> FloatArray:
        """Fitted error signal (n,), V, at `position` (n,) in axis units."""
        theta = np.array([self.parameters[name].value for name in NAMES])
        theta[3:5] = np.log(theta[3:5])
        return _error(np.asarray(position, dtype=np.float64), theta)

    def _ruled(self, name: str) -> Estimate:
        if name not in self.parameters:
            raise AnalysisRefused("The scan has no scale in Hz.", remedy="Give the modulation frequency.")
        return self.parameters[name]


def fit_pdh(
    position: npt.ArrayLike,
    error_v: npt.ArrayLike,
    *,
    axis: Axis = Axis.VOLT,
    modulation_hz: float | None = None,
    saturation: tuple[float, float] | None = None,
) -> PdhFit:
    """Fit the error signal (n,) in V of a scan in one direction over one resonance and both its sidebands.

    `modulation_hz`: the known distance of the sidebands, a ruler for the axis, which must be even over the scan.
    Raises AnalysisRefused for malformed, turning or saturated scans, no error signal, fewer than 4 samples in the
    line, sidebands outside the scan, a demodulation phase off by more than 1 rad, or a slope known to no better
    than 10 %.
    """
    scan = ordered_scan(position, error_v, fewest=FEWEST_SAMPLES, what="An error-signal scan", axis=axis)
    y = scan.signal
    if saturation is not None and bool(((y <= saturation[0]) | (y >= saturation[1])).any()):
        raise AnalysisRefused("The error signal is saturated.", remedy="Lower the gain or widen the range.")
    noise = float(np.sqrt((np.diff(y, n=2) ** 2).mean() / SECOND_DIFFERENCE_VARIANCE))
    if not float(np.ptp(y)) > SIGNAL_PER_NOISE * noise:
        raise AnalysisRefused(
            f"No error signal stands out: {np.ptp(y):.3g} V peak to peak, noise {noise:.3g} V.",
            remedy="Check the modulation and that the scan crosses a resonance.",
        )
    refusal = AnalysisRefused("No error signal fits the scan.")
    best: Solution | None = None
    for start in _starts(scan.x, y):
        try:
            found = fit_white(lambda t: _curve(scan.x, t), y, start)
        except AnalysisRefused as refused:
            refusal = refused
            continue
        if best is None or found.noise < best.noise:
            best = found
    if best is None:
        raise refusal
    return _report(scan, best, modulation_hz)


def _error(x: FloatArray, theta: FloatArray) -> FloatArray:
    """Error signal at x for (offset, amplitude, centre, ln half width, ln sideband, demodulation)."""
    return np.asarray(theta[0] + theta[1] * _shape(x, theta))


def _shape(x: FloatArray, theta: FloatArray) -> FloatArray:
    d = (x - theta[2]) / math.exp(theta[3])
    o = math.exp(theta[4] - theta[3])
    carrier, upper, lower = (1 / (1 - 1j * at) for at in (d, d + o, d - o))
    both = carrier + upper.conj() - carrier.conj() - lower
    return np.asarray(2 * np.imag(cmath.exp(1j * theta[5]) * both))


def _curve(x: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    shape = _shape(x, theta)
    columns = [np.ones_like(x), shape]
    for i in range(2, len(theta)):
        h = np.zeros_like(theta)
        h[i] = RELATIVE_STEP * (math.exp(theta[3]) if i == 2 else 1.0)
        columns.append(theta[1] * (_shape(x, theta + h) - _shape(x, theta - h)) / (2 * h[i]))
    return theta[0] + theta[1] * shape, np.column_stack(columns)


def _starts(x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """From the highest and lowest points, a half width to either side of the centre, and a grid over the sidebands;
    offset, amplitude and demodulation phase by linear least squares."""
    top, bottom = float(x[np.argmax(y)]), float(x[np.argmin(y)])
    centre, half = (top + bottom) / 2, abs(top - bottom) / 2
    found: list[tuple[float, FloatArray]] = []
    for factor in HALF_WIDTH_FACTORS:
        for ratio in SIDEBANDS_PER_HALF_WIDTH:
            width = max(factor * half, 1e-6)
            theta = np.array([0.0, 1.0, centre, math.log(width), math.log(width * float(ratio)), 0.0])
            turned = theta + np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.5 * math.pi])
            design = np.column_stack([np.ones_like(x), _shape(x, theta), _shape(x, turned)])
            levels = np.linalg.lstsq(design, y, rcond=None)[0]
            theta[0], theta[1], theta[5] = levels[0], math.hypot(*levels[1:]), math.atan2(levels[2], levels[1])
            found.append((float(((y - design @ levels) ** 2).sum()), theta))
    found.sort(key=lambda pair: pair[0])
    return [found[0][1], found[1][1]]


def _slope(theta: FloatArray) -> float:
    """Slope at the centre of the line, V per unit of x."""
    h = RELATIVE_STEP * math.exp(theta[3])
    ends = _shape(np.array([theta[2] - h, theta[2] + h]), theta)
    return float(theta[1] * (ends[1] - ends[0]) / (2 * h))


def _report(scan: Scan, solution: Solution, modulation_hz: float | None) -> PdhFit:
    theta = _canonical(solution.theta)
    half, unit = scan.half, scan.unit
    width, sideband = math.exp(theta[3]), math.exp(theta[4])
    _require_line(scan, theta, width, sideband, modulation_hz is not None)
    scale = np.array([1.0, 1.0, half, half * width, half * sideband, 1.0])
    covariance = np.asarray(solution.covariance * np.outer(scale, scale))
    sigma = np.sqrt(np.diag(covariance))
    values = [theta[0], theta[1], scan.middle + half * theta[2], half * width, half * sideband, theta[5]]
    units = ("V", "V", unit, unit, unit, "rad")
    parameters = {n: Estimate(float(v), float(s), u) for n, v, s, u in zip(NAMES, values, sigma, units, strict=True)}
    slope = _slope(theta)
    relative = np.zeros(len(theta))  # d ln(slope) / d theta
    for i in range(len(theta)):
        h = np.zeros(len(theta))
        h[i] = RELATIVE_STEP * max(abs(float(theta[i])), 1.0)
        relative[i] = (_slope(theta + h) - _slope(theta - h)) / (2 * h[i]) / slope
    by_sideband, by_width = np.eye(len(theta))[4], np.eye(len(theta))[3]

    def derived(value: float, log_slope: FloatArray, of_unit: str, convention: str) -> Estimate:
        variance = float(log_slope @ solution.covariance @ log_slope)
        return Estimate(value, abs(value) * math.sqrt(max(variance, 0.0)), of_unit, convention)

    parameters["slope"] = derived(slope / half, relative, f"V/{unit}", "at the centre of the line")
    if modulation_hz is not None:
        per_unit = modulation_hz / (half * sideband)
        how = f"sidebands at {modulation_hz:g} Hz as ruler"
        parameters["hz_per_unit"] = derived(per_unit, -by_sideband, f"Hz/{unit}", how)
        parameters["slope_v_per_hz"] = derived(slope / half / per_unit, relative + by_sideband, "V/Hz", how)
        parameters["linewidth_hz"] = derived(2 * half * width * per_unit, by_width - by_sideband, "Hz", f"FWHM, {how}")
    for name in ("slope", "slope_v_per_hz"):
        if name in parameters and parameters[name].relative_sigma > LARGEST_RELATIVE_SIGMA:
            raise AnalysisRefused(f"The slope would be {parameters[name]}, too uncertain.", remedy="Average scans.")
    return PdhFit(
        parameters=parameters,
        covariance=covariance,
        names=NAMES,
        chi2_per_dof=solution.chi2_per_dof,
        p_value=solution.p_value,
        reason=f"the model leaves structure (chi2 per degree of freedom {solution.chi2_per_dof:.2f}): an uneven scan, "
        "amplitude modulation or another mode?"
        if solution.poor
        else "",
        axis_unit=unit,
    )


def _canonical(theta: FloatArray) -> FloatArray:
    """Demodulation phase within half a turn of 0; the amplitude takes the sign."""
    theta = theta.copy()
    turns = round(theta[5] / math.pi)
    theta[5] -= math.pi * turns
    if turns % 2:
        theta[1] = -theta[1]
    return theta


def _require_line(scan: Scan, theta: FloatArray, width: float, sideband: float, ruled: bool) -> None:
    samples = width * len(scan.signal)  # the full width over a scan of length 2
    if samples < FEWEST_SAMPLES_IN_LINE:
        raise AnalysisRefused(
            f"The line has {samples:.1f} samples; it needs {FEWEST_SAMPLES_IN_LINE:.0f}.", remedy="Scan less far."
        )
    if abs(theta[2]) + (sideband if ruled else width) > 1:
        raise AnalysisRefused(
            "The resonance and its sidebands are not within the scan.", remedy="Centre the scan, or scan further."
        )
    if abs(theta[5]) > LARGEST_DEMODULATION_ERROR_RAD:
        raise AnalysisRefused(
            f"The demodulation phase is off by {theta[5]:+.2f} rad: the slope is not the one to lock on.",
            remedy="Turn the phase of the local oscillator.",
        )
