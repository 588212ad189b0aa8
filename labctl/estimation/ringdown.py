"""Decay rate of a mechanical mode from the complex envelope of its free ringdown, by maximum likelihood.

y(t) = a exp((2 pi i (f0 - f_c) - pi Gamma) t) + motion + noise: the coherent amplitude left by a drive, the mode's own
thermal motion (a stationary first-order autoregression with the same Gamma and f0) and white detection noise. All of
them are in the likelihood, so the tail in the floor does no harm and thermal motion is not taken for a fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.coloured_noise import whiten
from labctl.estimation.decay_interval import FEWEST_SAMPLES, DecayInterval, even_step_s, find_decay
from labctl.estimation.decay_shape import curves, shape_fault
from labctl.estimation.estimate import Estimate, Fit
from labctl.spectra.acquisition import FloatArray

ComplexArray = npt.NDArray[np.complex128]

LARGEST_RELATIVE_SIGMA_GAMMA = 0.25
SAMPLES_PER_DECAY = 30.0
"""Samples per amplitude decay time beyond which the envelope is averaged down."""
MOST_TURN_PER_SAMPLE = 0.4
"""Largest offset from the carrier, in cycles per sample, that is believed to be no alias."""
SMALLEST_LOG_RATIO, LARGEST_LOG_RATIO = -14.0, 14.0
STARTING_LOG_RATIOS = (-10.0, -5.0, -2.0, 1.0, 5.0, 12.0)
"""ln of thermal over white variance of a sample, from which the fit may start."""
DERIVATIVE_STEP = 0.02
"""In standard deviations."""
CURVATURE_STEP = 0.3
SATURATED_PART = 0.02
FITTED_NUMBERS = 2.0
"""Complex numbers fitted to the data, amplitude and rate: the variance of a motion of which only some decay times are
seen comes out too small by their share."""
SMALLEST_GAIN = 50.0
"""2 ln of the likelihood ratio that makes a decay of what might be a lull of the noise."""
LAGS_TESTED = 10
"""Correlations of the whitened residual that goodness of fit looks at."""


@dataclass(frozen=True, eq=False)
class RingdownFit(Fit):
    """A free decay.

    `names` begin with gamma_hz (FWHM, power decay rate / 2 pi), then f0_hz of a complex envelope, floor of a power.
    interval_s: times used, on the clock of the data; quality: Q, None where f0 is unknown; samples: how many points,
    after averaging down, were fitted. `reason` says where the decay is not one exponential.
    """

    interval_s: tuple[float, float] = (0.0, 0.0)
    quality: Estimate | None = None
    samples: int = 0

    @property
    def gamma_hz(self) -> Estimate:
        """Energy decay rate as FWHM in Hz: energy falls as exp(-2 pi Gamma t), amplitude as exp(-pi Gamma t)."""
        return self.parameters["gamma_hz"]

    @property
    def q(self) -> Estimate:
        """f0 / Gamma; refuses where f0 is not known."""
        if self.quality is None:
            raise AnalysisRefused("The frequency of the mode is not known, so it has no Q.", remedy="Give f0.")
        return self.quality

    @property
    def amplitude_decay_time_s(self) -> Estimate:
        """1 / (pi Gamma), the 1/e time of the amplitude."""
        tau = 1 / (math.pi * self.gamma_hz.value)
        return Estimate(tau, tau * self.gamma_hz.relative_sigma, "s", "1/e of amplitude")

    def to_json(self) -> dict[str, dict[str, float | str]]:
        """Value, sigma and unit of each number, under its own name."""
        found = {"gamma_hz": self.gamma_hz, "amplitude_decay_time_s": self.amplitude_decay_time_s}
        if "f0_hz" in self.parameters:
            found["f0_hz"] = self.parameters["f0_hz"]
        if self.quality is not None:
            found["q"] = self.quality
        return {name: estimate.to_json() for name, estimate in found.items()}


def fit_ringdown(
    time_s: FloatArray, envelope: ComplexArray, *, carrier_hz: float = 0.0, name: str = "ringdown"
) -> RingdownFit:
    """Fit the decay in a demodulated complex envelope (n,) at evenly spaced times (n,).

    `carrier_hz`: frequency of the demodulation, to which the offset found is added. The interval is chosen: from where
    the drive goes off to where nothing is left. Parameters: gamma_hz, f0_hz; uncertainties from the curvature of the
    likelihood with all else fitted. Raises AnalysisRefused for uneven or too few samples, clipped samples, no decay
    clear of noise, and a Gamma known to no better than 25 %.
    """
    y = np.asarray(envelope, dtype=np.complex128)
    step = even_step_s(time_s, len(y), name)
    if not np.isfinite(y).all():
        raise AnalysisRefused(f"{name}: some samples are not finite numbers.")
    require_unclipped(np.maximum(np.abs(y.real), np.abs(y.imag)), name)
    interval = find_decay(time_s, np.abs(y) ** 2, name)
    y = y[interval.first : interval.last]
    start_s = float(time_s[interval.first])
    offset = _offset(y, step, interval)
    y, step, offset = _averaged_down(y, step, offset, interval.rate_hz)
    likelihood = _Likelihood(y, step, offset)
    found = likelihood.maximise(np.array([0.0, math.pi * interval.rate_hz]))
    if likelihood.gain(found) < SMALLEST_GAIN:
        raise AnalysisRefused(
            f"{name} shows no decay that thermal motion and noise would not make.", remedy="Drive the mode harder."
        )
    covariance = likelihood.covariance(found, name)
    return _report(likelihood, found, covariance, carrier_hz, (start_s, start_s + step * len(y)), name)


def require_unclipped(magnitude: FloatArray, name: str) -> None:
    """Refuse samples (n,) of which many stand at exactly the largest value."""
    top = float(magnitude.max(initial=0.0))
    at_top = int((magnitude == top).sum())
    if top > 0 and at_top > max(3, SATURATED_PART * len(magnitude)):
        raise AnalysisRefused(
            f"{name}: {at_top} samples stand at the same largest value {top:.6g}; the input is saturated.",
            remedy="Lower the drive or the gain.",
        )


def _offset(y: ComplexArray, step: float, interval: DecayInterval) -> float:
    """Offset from the carrier in Hz: phase advance over 1, 2, 4... samples, each unwrapped by the one before."""
    strong = max(8, min(len(y), math.ceil(0.5 / (interval.rate_hz * step))))
    z = y[:strong]
    offset, lag = 0.0, 1
    while lag <= len(z) // 2:
        turned = np.vdot(z[:-lag], z[lag:]) * np.exp(-2j * math.pi * offset * step * lag)
        offset += float(np.angle(turned)) / (2 * math.pi * step * lag)
        lag *= 2
    return offset


def _averaged_down(y: ComplexArray, step: float, offset: float, rate_hz: float) -> tuple[ComplexArray, float, float]:
    """The envelope turned back by its offset and averaged to some 30 samples per decay time."""
    turned = y * np.exp(-2j * math.pi * offset * step * np.arange(len(y)))
    factor = min(int(1 / (math.pi * rate_hz * step * SAMPLES_PER_DECAY)), len(y) // FEWEST_SAMPLES)
    if factor < 2:
        return turned, step, offset
    blocks = len(turned) // factor
    return turned[: blocks * factor].reshape(blocks, factor).mean(axis=1), step * factor, offset


def whiteness(residual: npt.NDArray[np.inexact]) -> tuple[float, float]:
    """Ljung and Box's statistic of a whitened residual (n,) per degree of freedom, and the chance of a larger one."""
    n, lags = len(residual), min(LAGS_TESTED, len(residual) // 4)
    power = float(np.vdot(residual, residual).real)
    each = 2.0 if np.iscomplexobj(residual) else 1.0
    rho2 = [abs(np.vdot(residual[:-lag], residual[lag:]) / power) ** 2 / (n - lag) for lag in range(1, lags + 1)]
    statistic = each * n * (n + 2) * float(sum(rho2))
    return statistic / (each * lags), float(chi2.sf(statistic, each * lags))


class _Likelihood:
    """Profile likelihood of theta = (offset left, Hz; mu = pi Gamma, 1/s; ln thermal/white variance).

    The complex amplitude and the scale of the noise are fitted at every theta.
    """

    def __init__(self, y: ComplexArray, step: float, offset: float) -> None:
        self.y, self.step, self.offset = y, step, offset
        self.t: FloatArray = step * np.arange(len(y), dtype=np.float64)

    def whitened(self, theta: FloatArray, extra: ComplexArray | None = None) -> tuple[ComplexArray, float]:
        """Whitened columns: data, decay, then `extra`, all turned back by the offset; and ln det."""
        turn = np.exp(-2j * math.pi * theta[0] * self.t)
        columns = [self.y * turn, np.exp(-theta[1] * self.t).astype(np.complex128)]
        stacked = np.column_stack(columns if extra is None else [*columns, extra])
        ratio = math.exp(theta[2])
        return whiten(stacked, math.exp(-theta[1] * self.step), ratio / (1 + ratio), 1 / (1 + ratio))

    def cost(self, theta: FloatArray) -> float:
        columns, log_det = self.whitened(theta)
        data, decay = columns[:, 0], columns[:, 1]
        power = float(np.vdot(data, data).real - abs(np.vdot(decay, data)) ** 2 / np.vdot(decay, decay).real)
        n = len(data)
        return n * math.log(max(power, 1e-300) / n) + log_det

    def amplitude(self, theta: FloatArray) -> complex:
        columns, _ = self.whitened(theta)
        return complex(np.vdot(columns[:, 1], columns[:, 0]) / np.vdot(columns[:, 1], columns[:, 1]).real)

    def noise_variance(self, theta: FloatArray) -> float:
        """Thermal plus white variance of a sample."""
        columns, _ = self.whitened(theta)
        rest = columns[:, 0] - columns[:, 1] * self.amplitude(theta)
        return float((np.abs(rest) ** 2).mean())

    def gain(self, theta: FloatArray) -> float:
        """2 ln of the likelihood with the coherent decay over the best of some without it."""
        without = math.inf
        for ratio in STARTING_LOG_RATIOS:
            for rate in (0.3, 1.0, 3.0):
                columns, log_det = self.whitened(np.array([theta[0], rate * theta[1], ratio]))
                n, power = len(columns), float(np.vdot(columns[:, 0], columns[:, 0]).real)
                without = min(without, n * math.log(power / n) + log_det)
        return 2 * (without - self.cost(theta))

    def residual(self, theta: FloatArray) -> ComplexArray:
        """Whitened residual (n,)."""
        columns, _ = self.whitened(theta)
        return np.asarray(columns[:, 0] - columns[:, 1] * self.amplitude(theta))

    def units(self, theta: FloatArray) -> FloatArray:
        """Rough standard deviations of theta, to step by."""
        slope, _ = self.whitened(theta, (self.t * np.exp(-theta[1] * self.t)).astype(np.complex128)[:, None])
        information = float((np.abs(slope[:, 2]) ** 2).sum()) * abs(self.amplitude(theta)) ** 2
        sigma_mu = math.sqrt(self.noise_variance(theta) / (2 * information))
        return np.array([sigma_mu / (2 * math.pi), min(sigma_mu, 0.3 * theta[1]), 0.3])

    def maximise(self, start: FloatArray) -> FloatArray:
        """Quasi-Newton in units of the standard deviations, from the best ratio of a few."""
        candidates = [np.array([*start, ratio]) for ratio in STARTING_LOG_RATIOS]
        theta = min(candidates, key=self.cost)
        units = self.units(theta)
        lowest = [-math.inf, (0.02 * start[1] - theta[1]) / units[1], (SMALLEST_LOG_RATIO - theta[2]) / units[2]]
        highest = [math.inf, math.inf, (LARGEST_LOG_RATIO - theta[2]) / units[2]]
        origin = theta

        def cost(x: FloatArray) -> float:
            return self.cost(origin + units * x)

        def slope(x: FloatArray) -> FloatArray:
            steps = DERIVATIVE_STEP * np.eye(3)
            return np.array([(cost(x + h) - cost(x - h)) / (2 * DERIVATIVE_STEP) for h in steps])

        options = {"maxiter": 100, "ftol": 1e-12, "gtol": 1e-4}
        bounds = list(zip(lowest, highest, strict=True))
        result = minimize(cost, np.zeros(3), jac=slope, method="L-BFGS-B", bounds=bounds, options=options)
        return np.asarray(origin + units * result.x)

    def covariance(self, theta: FloatArray, name: str) -> FloatArray:
        """Inverse curvature for (offset, mu), the rest fitted, for a small sample; a ratio left open is held."""
        units = self.units(theta)
        for count in (3, 2):
            hessian = self._curvature(theta, units, count)
            if (np.linalg.eigvalsh(hessian) > 1e-3).all():
                inverse = np.linalg.inv(hessian)[:2, :2]
                looks = self.step * len(self.y) * 2 * theta[1]
                small_sample = looks / max(looks - FITTED_NUMBERS, 1.0)
                return np.asarray(small_sample * inverse * np.outer(units[:2], units[:2]))
        raise AnalysisRefused(f"{name} does not determine the decay.", remedy="Drive harder or record longer.")

    def _curvature(self, theta: FloatArray, units: FloatArray, count: int) -> FloatArray:
        h = CURVATURE_STEP * np.diag(units)[:count]
        here = self.cost(theta)
        hessian = np.empty((count, count))
        for i in range(count):
            hessian[i, i] = self.cost(theta + h[i]) + self.cost(theta - h[i]) - 2 * here
            for j in range(i):
                pairs = self.cost(theta + h[i] + h[j]) + self.cost(theta - h[i] - h[j])
                crossed = self.cost(theta + h[i] - h[j]) + self.cost(theta - h[i] + h[j])
                hessian[i, j] = hessian[j, i] = (pairs - crossed) / 4
        return hessian / CURVATURE_STEP**2

    def shape(self, theta: FloatArray) -> str:
        """What the decay shows besides one exponential, in words, or nothing."""
        decay: FloatArray = np.asarray(np.exp(-float(theta[1]) * self.t), np.float64)
        tried = curves(decay, self.t, 1 / float(theta[1]), complex_valued=True)
        slope = (self.t * decay).astype(np.complex128)[:, None]
        columns, _ = self.whitened(theta, np.column_stack([slope, *tried.values()]))
        at, whitened_curves = 3, {}
        for kind, curve in tried.items():
            whitened_curves[kind] = columns[:, at : at + curve.shape[1]]
            at += curve.shape[1]
        fault = shape_fault(columns[:, 0], columns[:, 1:3], whitened_curves)
        return f"the decay shows {fault.words}, not one exponential" if fault else ""


def _report(
    likelihood: _Likelihood,
    theta: FloatArray,
    covariance: FloatArray,
    carrier_hz: float,
    interval_s: tuple[float, float],
    name: str,
) -> RingdownFit:
    gamma, sigma_gamma = theta[1] / math.pi, math.sqrt(covariance[1, 1]) / math.pi
    if sigma_gamma > LARGEST_RELATIVE_SIGMA_GAMMA * gamma:
        raise AnalysisRefused(
            f"{name}: Gamma would be {gamma:.3g} +- {sigma_gamma:.2g} Hz, too uncertain to mean anything.",
            remedy="Drive harder, record longer, or average several decays.",
        )
    offset = likelihood.offset + float(theta[0])
    if abs(offset) * likelihood.step > MOST_TURN_PER_SAMPLE and likelihood.step > 0:
        reason_alias = "the mode turns almost half a cycle a sample: its frequency may be an alias"
    else:
        reason_alias = ""
    f0, sigma_f0 = carrier_hz + offset, math.sqrt(covariance[0, 0])
    order = np.array([1, 0])
    scale = np.array([1 / math.pi, 1.0])
    quality = None
    if carrier_hz > 0 and f0 > 0:
        quality = Estimate(f0 / gamma, f0 / gamma * math.hypot(sigma_gamma / gamma, sigma_f0 / f0), "", "f0 / Gamma")
    chi2_per_dof, p_value = whiteness(likelihood.residual(theta))
    return RingdownFit(
        parameters={
            "gamma_hz": Estimate(gamma, sigma_gamma, "Hz", "FWHM"),
            "f0_hz": Estimate(f0, sigma_f0, "Hz"),
            "amplitude": Estimate(
                abs(likelihood.amplitude(theta)),
                math.sqrt(likelihood.noise_variance(theta) / 2),
                "",
                "envelope at the start of the interval, unit of the data",
            ),
        },
        covariance=covariance[np.ix_(order, order)] * np.outer(scale, scale),
        names=("gamma_hz", "f0_hz"),
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason="; ".join(words for words in (likelihood.shape(theta), reason_alias) if words),
        interval_s=interval_s,
        quality=quality,
        samples=len(likelihood.y),
    )
