"""An interference fringe from one scan of a piezo: offset, amplitude, V_pi and phase, and the visibility.

Model: y(v) = y0 + a cos(phi0 + k1 v + k2 v^2); the quadratic term is the piezo's bow on one branch of its hysteresis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.fringe_levels import (
    EXTREME_QUANTILE,
    SMALLEST_NOISE_PER_AMPLITUDE,
    fit_if_white,
    levels_from_quantiles,
)
from labctl.estimation.fringe_phase import (
    GRID_STEP_FRINGES,
    MOST_FRINGES,
    SAMPLES_PER_FRINGE,
    correlation_time,
    fringe_signal,
    grid_search,
    robust_fit,
    spread,
)
from labctl.estimation.scan_axis import ordered_scan
from labctl.spectra.acquisition import FloatArray

FEWEST_SAMPLES = 30
FEWEST_FRINGES = 1.2
LARGEST_NOISE_PER_AMPLITUDE = 0.5

CLIPPED_SHARE_FACTOR = 3.0
FEWEST_CLIPPED_SAMPLES = 5
POOR_FIT_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class FringeFit(Fit):
    """Fit of one fringe scan; `names` are offset, amplitude (both in the signal's unit, V), phi0, k1, k2.

    Phase convention: phase grows with volts and lies in (-pi, pi] at the middle of the scan; amplitude is positive.
    """

    middle_v: float = 0.0
    fringes: float = 0.0

    @property
    def offset(self) -> Estimate:
        """Y0, the level at which the two beams are in quadrature."""
        return self.parameters["offset"]

    @property
    def amplitude(self) -> Estimate:
        """A, half of maximum minus minimum."""
        return self.parameters["amplitude"]

    @property
    def v_pi(self) -> Estimate:
        """Volts for pi of phase at the middle of the scan."""
        return self.parameters["v_pi"]

    @property
    def phase(self) -> Estimate:
        """Phase at the middle of the scan, rad."""
        return self.parameters["phase"]

    def phase_at(self, volts: float) -> Estimate:
        """Phase at `volts`, rad, not wrapped."""
        gradient = np.array([0.0, 0.0, 1.0, volts, volts**2])
        return Estimate(self._polynomial(volts), self._sigma(gradient), "rad", "phase grows with volts")

    def v_pi_at(self, volts: float) -> Estimate:
        """Pi / (k1 + 2 k2 v), V; refuses where the fitted phase turns back."""
        rate = self.parameters["k1"].value + 2 * self.parameters["k2"].value * volts
        if rate <= 0:
            raise AnalysisRefused(f"The fitted phase does not grow at {volts:g} V.", remedy="Stay within the scan.")
        gradient = -math.pi / rate**2 * np.array([0.0, 0.0, 0.0, 1.0, 2 * volts])
        return Estimate(math.pi / rate, self._sigma(gradient), "V", f"volts for pi at {volts:g} V")

    def model(self, volts: FloatArray) -> FloatArray:
        """Fitted signal (n,) at `volts` (n,)."""
        p = self.parameters
        phase = p["phi0"].value + p["k1"].value * volts + p["k2"].value * volts**2
        return np.asarray(p["offset"].value + p["amplitude"].value * np.cos(phase))

    def _polynomial(self, volts: float) -> float:
        p = self.parameters
        return p["phi0"].value + p["k1"].value * volts + p["k2"].value * volts**2

    def _sigma(self, gradient: FloatArray) -> float:
        return math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient)))


def fit_fringe(volts: FloatArray, signal: FloatArray, *, saturation: tuple[float, float] | None = None) -> FringeFit:
    """Fit a scan in one direction: `volts` (n,) monotonic, `signal` (n,) in V.

    A grid over fringe rate and bow and a robust (soft L1) fit come first. Where their residuals are white, without
    outliers and as strong on the slopes as at the turning points, least squares gives all five parameters; else, as
    on a path that shakes, offset and amplitude come from the 1 % and 99 % quantiles, compared with those that the
    fitted phases and the noise predict, so that neither noise nor an incomplete fringe biases them. `saturation`
    gives the limits of the input, if known; a flat top betrays clipping otherwise. Phase drift slow enough to pass
    for a bow is not in the uncertainties.
    Raises AnalysisRefused for too few samples, a scan that turns round, clipped samples, no fringe, fewer than
    1.2 fringes or 2 extrema, or a fitted phase that turns back.
    """
    scan = ordered_scan(volts, signal, fewest=FEWEST_SAMPLES, what="A fringe scan")
    v, y = scan.position, scan.signal
    _require_unclipped(y, saturation)
    middle, half = float(v[0] + v[-1]) / 2, float(v[-1] - v[0]) / 2
    x = (v - middle) / half
    start = grid_search(x, y)
    solution, jacobian, noise = robust_fit(x, y, start)
    _require_fringes(x, y, solution, noise)
    if white := fit_if_white(x, y, solution, noise):
        return _report(x, y, tuple(white.theta), white.covariance, noise, middle, half)
    offset, amplitude, level_covariance = levels_from_quantiles(x, y, solution, noise)
    try:
        covariance: FloatArray = np.asarray(noise**2 * np.linalg.inv(jacobian.T @ jacobian), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise AnalysisRefused("The scan does not determine the fringe.", remedy="Scan further.") from None
    covariance[:2, :] = covariance[:, :2] = 0.0  # levels come from the quantiles, not from this fit
    covariance[:2, :2] = level_covariance
    covariance *= correlation_time(y - fringe_signal(x, solution))
    return _report(x, y, (offset, amplitude, *solution[2:]), covariance, noise, middle, half)


def levels_of_turning_fringe(signal: FloatArray) -> tuple[float, float]:
    """Offset and amplitude of y = y0 + a cos(phi) from readings (n,) whose phase went round often, any way.

    Arcsine law: the quantile p of cos is -cos(pi p). Unlike `fit_fringe` it takes no account of noise on the
    signal, so use it where the phase is noisy and the signal is not: additive noise of r amplitudes rms reads as an
    amplitude about r^2 / 2 to r too large. Refuses fewer than 30 readings.
    """
    y = np.asarray(signal, dtype=np.float64)
    if y.ndim != 1 or len(y) < FEWEST_SAMPLES or not np.isfinite(y).all():
        raise AnalysisRefused(f"The levels of a fringe need {FEWEST_SAMPLES} finite readings, not {y.shape}.")
    # The k-th of n readings stands for the share (k - 1/2) / n: with another rule 64 readings read 0.2 % too little.
    low, high = (float(q) for q in np.quantile(y, [EXTREME_QUANTILE, 1 - EXTREME_QUANTILE], method="hazen"))
    return (high + low) / 2, (high - low) / (2 * math.cos(math.pi * EXTREME_QUANTILE))


def visibility(amplitude: Estimate, level_1: Estimate, level_2: Estimate) -> Estimate:
    """Fringe visibility a / (2 sqrt(I1 I2)), right for unequal powers.

    `amplitude` a of i = i0 + a cos(phi); `level_1`, `level_2`: the same detector's reading, dark subtracted, with one
    beam blocked in turn. Enters detection efficiency squared. Refuses levels that are not positive and a result
    more than 3 sigma above 1.
    """
    if level_1.value <= 0 or level_2.value <= 0:
        raise AnalysisRefused(f"Both beams need power; the levels are {level_1} and {level_2}.")
    value = amplitude.value / (2 * math.sqrt(level_1.value * level_2.value))
    relative = math.hypot(amplitude.relative_sigma, level_1.relative_sigma / 2, level_2.relative_sigma / 2)
    if value - 1 > 3 * value * relative + 1e-9:
        raise AnalysisRefused(
            f"A visibility of {value:.4f} +- {value * relative:.2g} is above 1.",
            remedy="Check the dark level and which beam was blocked.",
        )
    return Estimate(value, value * relative, "", "a / (2 sqrt(I1 I2))")


def _require_unclipped(y: FloatArray, saturation: tuple[float, float] | None) -> None:
    """Clipping: samples at the given limits, or far more at the extreme code than a turning point collects."""
    if saturation is not None:
        clipped = int(((y <= saturation[0]) | (y >= saturation[1])).sum())
        if clipped:
            raise AnalysisRefused(f"{clipped} samples are saturated.", remedy="Lower the gain or widen the range.")
    levels = np.unique(y)
    amplitude = float(levels[-1] - levels[0]) / 2
    if len(levels) < 2 or amplitude == 0:
        raise AnalysisRefused("The signal does not change during the scan.", remedy="Check that both beams are open.")
    step = float(np.diff(levels).min())
    expected = len(y) * math.sqrt(2 * min(step / amplitude, 1.0)) / math.pi
    most = max(int((y == levels[0]).sum()), int((y == levels[-1]).sum()))
    if most > max(FEWEST_CLIPPED_SAMPLES, CLIPPED_SHARE_FACTOR * expected):
        raise AnalysisRefused(
            f"{most} of {len(y)} samples sit at one extreme value: the signal is clipped.",
            remedy="Lower the gain or widen the range.",
        )


def _require_fringes(x: FloatArray, y: FloatArray, solution: FloatArray, noise: float) -> None:
    amplitude, phase, rate, bow = solution[1:]
    if noise > LARGEST_NOISE_PER_AMPLITUDE * amplitude:
        raise AnalysisRefused(
            f"No fringe stands out: amplitude {amplitude:.3g}, noise {noise:.3g}.",
            remedy="Check that both beams reach the detector, and the scan range.",
        )
    if rate <= 2 * abs(bow):
        raise AnalysisRefused("The fitted phase turns back within the scan.", remedy="Scan further or more slowly.")
    ends = phase - rate + bow, phase + rate + bow
    fringes = (ends[1] - ends[0]) / (2 * math.pi)
    extrema = math.floor(ends[1] / math.pi) - math.ceil(ends[0] / math.pi) + 1
    if fringes < FEWEST_FRINGES or extrema < 2:
        raise AnalysisRefused(
            f"The scan covers {fringes:.2f} fringes with {extrema} extrema; it needs {FEWEST_FRINGES} and 2.",
            remedy="Scan further.",
        )
    if len(x) < SAMPLES_PER_FRINGE * fringes or fringes > MOST_FRINGES - GRID_STEP_FRINGES:
        raise AnalysisRefused(
            f"{len(x)} samples over {fringes:.1f} fringes cannot be told from an alias.", remedy="Scan less far."
        )


def _report(
    x: FloatArray,
    y: FloatArray,
    solution: tuple[float, ...],
    covariance: FloatArray,
    noise: float,
    middle: float,
    half: float,
) -> FringeFit:
    offset, amplitude, phase, rate, bow = solution
    k2 = bow / half**2
    k1 = rate / half - 2 * k2 * middle
    phi0 = phase - rate * middle / half + k2 * middle**2
    to_volts = np.eye(5)
    to_volts[2:, 2:] = [
        [1.0, -middle / half, (middle / half) ** 2],
        [0.0, 1 / half, -2 * middle / half**2],
        [0.0, 0.0, 1 / half**2],
    ]
    in_volts = to_volts @ covariance @ to_volts.T
    sigma = np.sqrt(np.diag(in_volts))
    scaled = np.sqrt(np.diag(covariance))
    v_pi = math.pi * half / rate
    chi2_per_dof, p_value = _goodness(x, y, solution, noise)
    values = {"offset": offset, "amplitude": amplitude, "phi0": phi0, "k1": k1, "k2": k2}
    units = ("V", "V", "rad", "rad/V", "rad/V^2")
    parameters = {n: Estimate(float(v), float(s), u) for (n, v), s, u in zip(values.items(), sigma, units, strict=True)}
    parameters["phase"] = Estimate(float(phase), float(scaled[2]), "rad", f"at {middle:g} V, grows with volts")
    parameters["v_pi"] = Estimate(v_pi, v_pi * float(scaled[3]) / rate, "V", f"volts for pi at {middle:g} V")
    return FringeFit(
        parameters=parameters,
        covariance=in_volts,
        names=tuple(values),
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason=""
        if p_value > POOR_FIT_PROBABILITY
        else f"a cosine with a bow leaves structure (chi2 per degree of freedom {chi2_per_dof:.2f}): drift?",
        middle_v=middle,
        fringes=rate / math.pi,
    )


def _goodness(x: FloatArray, y: FloatArray, solution: tuple[float, ...], noise: float) -> tuple[float, float]:
    """Residual variance over that of white noise, the latter from second differences of the residuals."""
    residual = y - fringe_signal(x, solution)
    white = max(spread(np.diff(residual, n=2)) / math.sqrt(6), SMALLEST_NOISE_PER_AMPLITUDE * solution[1] / 10)
    dof = len(x) - 5
    ratio = (max(noise, white * 1e-6) / white) ** 2
    # both variances come from medians: about 0.37 of the information of sums of squares, and the differences overlap
    effective = 0.12 * dof
    return ratio, float(chi2.sf(ratio * effective, effective))
