"""Decay rate of a mechanical mode from the power or amplitude of its ringdown: zero-span traces, envelopes, decibels.

P(t) = S exp(-2 pi Gamma t) + N. The mean is exact whatever the averaging, so the estimate is not biased by the floor
as a straight line through decibels is. How the points scatter (steadily, with the root of the signal, in proportion to
it) is read from neighbours, and the points are weighted by it; noise that stays alike from point to point, as thermal
motion does, is whitened as a first-order autoregression plus white noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, nnls

from labctl.errors import AnalysisRefused
from labctl.estimation.coloured_noise import whiten
from labctl.estimation.decay_interval import FEWEST_SAMPLES, even_step_s, find_decay
from labctl.estimation.decay_shape import curves, shape_fault
from labctl.estimation.estimate import Estimate
from labctl.estimation.power_scale import PowerScale, power_of
from labctl.estimation.ringdown import LARGEST_RELATIVE_SIGMA_GAMMA, RingdownFit, require_unclipped, whiteness
from labctl.spectra.acquisition import FloatArray

SAMPLES_PER_DECAY = 40.0
"""Points per power decay time beyond which the trace is averaged down."""
ROUNDS = 5
SMALLEST_START_SIGMAS = 6.0
SMALLEST_START_PER_FLOOR = 3.0
"""Below these a lull of the noise would pass for a decay."""
MOST_THERMAL = 6.0
"""Slow scatter that is this many times what thermal motion as large as the floor makes is no thermal motion: the decay
is then looked at as if the noise were white."""
LEAST_SHARE_OF_TAIL = 0.1
"""Part of the scatter of the last quarter that is steady at the least."""
GAUSS_NEWTON_STEPS = 30
LARGEST_RATE_STEP = 0.3
SMALLEST_STEP = 1e-3
SMALLEST_SLOPE = 1e-300
CONVERGED_STEP = 1e-4
"""In standard deviations of the parameters."""
SMALLEST_RELATIVE_SCATTER = 1e-6
SIGNIFICANT_COLOUR = 6.0
"""Gain in 2 ln L at which neighbours are believed to scatter together."""


def fit_ringdown_of_power(
    time_s: FloatArray,
    values: FloatArray,
    *,
    scale: PowerScale | str = PowerScale.AUTO,
    f0_hz: float | None = None,
    name: str = "ringdown",
) -> RingdownFit:
    """Fit the decay in a trace (n,) of power, amplitude or decibels at evenly spaced times (n,).

    AUTO takes values of which any is negative for decibels, else for power. `f0_hz` only serves Q. The interval is
    chosen, as for `fit_ringdown`. Parameters: gamma_hz, start (power at the start), floor, the last two in the unit of
    the data's power, relative to the largest for decibels.
    Raises AnalysisRefused for uneven or too few points, saturated ones, no decay clear of noise, a floor that is not
    reached by a decay too short to do without, and a Gamma known to no better than 25 %.
    """
    power = power_of(values, scale, name)
    step = even_step_s(time_s, len(power), name)
    interval = find_decay(time_s, power, name)
    if not interval.plateau:  # a flat top is left out as if the drive were still on
        require_unclipped(power, name)
    p = power[interval.first : interval.last]
    start_s = float(time_s[interval.first])
    factor = int(1 / (2 * math.pi * interval.rate_hz * step * SAMPLES_PER_DECAY))
    factor = max(1, min(factor, len(p) // FEWEST_SAMPLES))
    blocks = len(p) // factor
    p, step = p[: blocks * factor].reshape(blocks, factor).mean(axis=1), step * factor
    fit = _fitted(p, step, 2 * math.pi * interval.rate_hz, max(interval.floor, 0.0), name)
    return _report(fit, f0_hz, (start_s, start_s + step * blocks), name)


@dataclass(frozen=True, eq=False)
class _Decay:
    """P = S exp(-rate t) + N fitted to `p` (n,); theta = (rate 1/s, S, N)."""

    p: FloatArray
    theta: FloatArray
    covariance: FloatArray
    residual: FloatArray
    fault: str


def _model(theta: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P (n,) and dP/dtheta (n, 3)."""
    decay: FloatArray = np.exp(-theta[0] * t).astype(np.float64)
    return np.asarray(theta[1] * decay + theta[2]), np.column_stack([-theta[1] * t * decay, decay, np.ones_like(t)])


def _fitted(p: FloatArray, step: float, rate: float, floor: float, name: str) -> _Decay:
    """Weighted Gauss-Newton; the scatter is read from neighbours first, then from the residual."""
    t: FloatArray = step * np.arange(len(p), dtype=np.float64)
    start = max(float(p[: max(2, len(p) // 50)].mean()) - floor, float(p.max()) / 2)
    theta: FloatArray = np.array([rate, start, floor])
    bends = np.empty_like(p)
    bends[1:-1] = (p[2:] - 2 * p[1:-1] + p[:-2]) ** 2 / 6
    bends[0], bends[-1] = bends[1], bends[-2]
    noise = _noise_terms(theta, t, bends)
    for _ in range(ROUNDS):
        theta = _weighted(theta, p, t, _scatter(theta, t, noise), step, (0.0, 1.0))
        noise = _noise_terms(theta, t, (p - _model(theta, t)[0]) ** 2)
    sigma = _scatter(theta, t, noise)
    model, jacobian = _model(theta, t)
    colour = _colour((p - model) / sigma, math.exp(-theta[0] * step / 2))
    theta = _weighted(theta, p, t, sigma, step, colour)
    model, jacobian = _model(theta, t)
    decay: FloatArray = np.asarray(model - theta[2])
    tried = {kind: curve.real for kind, curve in curves(decay, t, 1 / theta[0], complex_valued=False).items()}
    stacked = np.column_stack([p - model, jacobian, *tried.values()]) / sigma[:, None]
    columns, _ = whiten(stacked, math.exp(-theta[0] * step / 2), *colour)
    steady = float(noise.sum()) * colour[0] > MOST_THERMAL * 2 * theta[1] * max(theta[2], 0.0)
    looked_at = stacked if steady else columns
    at, whitened = 4, {}
    for kind, curve in tried.items():
        whitened[kind] = looked_at[:, at : at + curve.shape[1]]
        at += curve.shape[1]
    residual, slopes = columns[:, 0], columns[:, 1:4]
    scale = np.sqrt((slopes**2).sum(axis=0)) + 1e-300
    scatter = float(residual @ residual) / max(len(p) - 3, 1)
    try:
        covariance = scatter * np.linalg.inv(slopes.T @ slopes / np.outer(scale, scale)) / np.outer(scale, scale)
    except np.linalg.LinAlgError:
        raise AnalysisRefused(f"{name} does not determine the decay.", remedy="Record longer.") from None
    fault = shape_fault(
        looked_at[:, 0], looked_at[:, 1:4], {kind: curve.astype(np.complex128) for kind, curve in whitened.items()}
    )
    words = f"the decay shows {fault.words}, not one exponential" if fault else ""
    return _Decay(p, theta, covariance, residual, words)


def _weighted(
    theta: FloatArray, p: FloatArray, t: FloatArray, sigma: FloatArray, step: float, colour: tuple[float, float]
) -> FloatArray:
    """Gauss-Newton with given scatter and colour, its steps halved until they help."""
    phi = math.exp(-theta[0] * step / 2)

    def whitened(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        model, jacobian = _model(x, t)
        columns, _ = whiten(np.column_stack([p - model, jacobian]) / sigma[:, None], phi, *colour)
        return columns[:, 0], columns[:, 1:]

    residual, jacobian = whitened(theta)
    for _ in range(GAUSS_NEWTON_STEPS):
        scale = np.sqrt((jacobian**2).sum(axis=0)) + SMALLEST_SLOPE
        change = np.linalg.lstsq(jacobian / scale, residual, rcond=None)[0] / scale
        factor = min(1.0, LARGEST_RATE_STEP * theta[0] / max(abs(float(change[0])), SMALLEST_SLOPE))
        while factor > SMALLEST_STEP:
            trial = theta + factor * change
            if trial[1] > 0:
                trial_residual, trial_jacobian = whitened(trial)
                if trial_residual @ trial_residual <= residual @ residual:
                    break
            factor /= 2
        else:
            break
        moved = float(np.abs(factor * change * scale).max())
        theta, residual, jacobian = trial, trial_residual, trial_jacobian
        if moved < CONVERGED_STEP:
            break
    return theta


def _noise_terms(theta: FloatArray, t: FloatArray, squares: FloatArray) -> FloatArray:
    """Variance of a point = c0 + c1 s + c2 s^2, s the signal over its start: non-negative least squares, relative."""
    s = np.exp(-theta[0] * t)
    design = np.column_stack([np.ones_like(s), s, s**2])
    early, late = slice(0, max(4, len(s) // 10)), slice(-max(4, len(s) // 4), None)
    least = (SMALLEST_RELATIVE_SCATTER * theta[1]) ** 2
    tail = float(squares[late].mean())
    terms = np.array([tail, 0.0, float(squares[early].mean() / (s[early] ** 2).mean())])
    for _ in range(ROUNDS):
        weight = 1 / (design @ terms + least)
        terms = nnls(design * weight[:, None], squares * weight)[0]
        late_signal = float((design[late, 1:] @ terms[1:]).mean())
        terms[0] = max(terms[0], tail - late_signal, LEAST_SHARE_OF_TAIL * tail)
    return np.asarray(terms + np.array([least, 0.0, 0.0]))


def _scatter(theta: FloatArray, t: FloatArray, terms: FloatArray) -> FloatArray:
    s = np.exp(-theta[0] * t)
    return np.asarray(np.sqrt(terms[0] + terms[1] * s + terms[2] * s**2))


def _colour(normalised: FloatArray, phi: float) -> tuple[float, float]:
    """Coloured and white part of the variance of the normalised residual; none coloured unless it is significant."""

    def cost(log_ratio: FloatArray) -> float:
        ratio = math.exp(float(log_ratio[0]))
        residual, log_det = whiten(normalised[:, None], phi, ratio / (1 + ratio), 1 / (1 + ratio))
        n = len(normalised)
        return n * math.log(float((residual**2).sum()) / n) + log_det

    white, _ = whiten(normalised[:, None], phi, 0.0, 1.0)
    none = len(normalised) * math.log(float((white**2).sum()) / len(normalised))
    best = min((np.array([x]) for x in np.linspace(-6.0, 10.0, 9)), key=cost)
    found = minimize(cost, best, method="Nelder-Mead", options={"xatol": 1e-2, "fatol": 1e-2}).x
    if none - cost(found) < SIGNIFICANT_COLOUR:
        return 0.0, 1.0
    ratio = math.exp(float(np.clip(found[0], -14.0, 14.0)))
    return ratio / (1 + ratio), 1 / (1 + ratio)


def _report(fit: _Decay, f0_hz: float | None, interval_s: tuple[float, float], name: str) -> RingdownFit:
    scale = np.array([1 / (2 * math.pi), 1.0, 1.0])
    gamma = float(fit.theta[0]) / (2 * math.pi)
    covariance = fit.covariance * np.outer(scale, scale)
    sigma = np.sqrt(np.diag(covariance))
    if not sigma[0] <= LARGEST_RELATIVE_SIGMA_GAMMA * gamma:
        raise AnalysisRefused(
            f"{name}: Gamma would be {gamma:.3g} +- {sigma[0]:.2g} Hz, too uncertain to mean anything"
            f"{'; ' + fit.fault if fit.fault else ''}.",
            remedy="Drive harder, record longer, or average several decays.",
        )
    if fit.theta[1] < SMALLEST_START_SIGMAS * sigma[1] or fit.theta[1] < SMALLEST_START_PER_FLOOR * fit.theta[2]:
        raise AnalysisRefused(
            f"{name} shows no decay clear of noise{'; ' + fit.fault if fit.fault else ''}.",
            remedy="Drive the mode harder.",
        )
    quality = None
    if f0_hz is not None:
        if not f0_hz > 0:
            raise AnalysisRefused(f"A mode at {f0_hz!r} Hz has no Q.")
        quality = Estimate(f0_hz / gamma, f0_hz / gamma * float(sigma[0]) / gamma, "", "f0 / Gamma")
    chi2_per_dof, p_value = whiteness(fit.residual)
    names = ("gamma_hz", "start", "floor")
    units = ("Hz", "", "")
    conventions = ("FWHM", "power at the start of the interval", "power that the decay ends in")
    values = (gamma, float(fit.theta[1]), float(fit.theta[2]))
    return RingdownFit(
        parameters={
            n: Estimate(v, float(e), u, c)
            for n, v, e, u, c in zip(names, values, sigma, units, conventions, strict=True)
        },
        covariance=covariance,
        names=names,
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason=fit.fault,
        interval_s=interval_s,
        quality=quality,
        samples=len(fit.p),
    )
