"""Weights of the network and of the digital sum that resolve a force best when the sensors' efficiencies differ.

Each sensor's record is y_j = sqrt(eta_j) h_j d + noise, h_j its known response to the wanted displacement d, and noise
of covariance C = 1 - (1 - V) u u^T with u_j = sqrt(eta_j w_j), w_j the network's share, V the variance of the squeezed
beam. The digital weights of least variance are g ~ C^-1 a, a_j = sqrt(eta_j) h_j (Gauss-Markov); the Fisher information
F = a^T C^-1 a of the best network is reached with sqrt(w_j) ~ eta_j |h_j| / (1 - (1 - V) eta_j), a Rayleigh quotient of
rank one. The sign of the amplitude follows that of h_j. Everything costs O(M).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import FloatArray

DERIVATIVE_STEP = 1e-3
"""In standard deviations."""
WORTHWHILE_SIGMAS = 2.0
LARGEST_WEIGHT_ERROR = 1e-9


@dataclass(frozen=True, eq=False)
class WeightChoice:
    """Weights for M sensors and what they are worth.

    network: w (M,), powers that add to 1; signs (M,): of the network's amplitudes, -1 where the phase of source and
    local oscillator is turned by pi; digital: g (M,), weights of the records with unit response to the displacement;
    rmse: standard deviation of d per independent sample in units of shot noise's; rmse_equal: the same with equal
    shares and the digital sum best for them; gain: rmse_equal / rmse.
    """

    network: FloatArray
    signs: FloatArray
    digital: FloatArray
    rmse: Estimate
    rmse_equal: Estimate
    gain: Estimate

    @property
    def worth_changing(self) -> bool:
        """Whether the gain over equal shares is more than twice its uncertainty."""
        return self.gain.value - 1 > WORTHWHILE_SIGMAS * self.gain.sigma


def best_weights(
    efficiencies: Sequence[Estimate], squeezed: Estimate, response: npt.ArrayLike | None = None
) -> WeightChoice:
    """Choose network and digital weights for measured efficiencies (M) and variance of the squeezed beam.

    `response` h (M,): 1 for all if None. Refuses efficiencies outside (0, 1], a variance not between 0 and 1 (light
    that is not squeezed needs no sharing), and a response of all zeros.
    """
    eta = np.array([e.value for e in efficiencies])
    h = np.ones_like(eta) if response is None else np.asarray(response, dtype=np.float64)
    _require(eta, h, squeezed)
    v = squeezed.value
    amplitude = best_amplitudes(eta, v, h)
    equal = np.where(h < 0, -1.0, 1.0) / math.sqrt(len(eta))
    rmse, plain = _rmse(eta, v, h, amplitude), _rmse(eta, v, h, equal)
    sigmas = np.array([*(e.sigma for e in efficiencies), squeezed.sigma])
    best_spread, plain_spread, gain_spread = _spreads(eta, v, h, equal, sigmas)
    convention = "of the displacement, per independent sample, shot noise = 1"
    return WeightChoice(
        network=amplitude**2,
        signs=np.where(amplitude < 0, -1.0, 1.0),
        digital=digital_weights(eta, v, amplitude, h),
        rmse=Estimate(rmse, best_spread, "", convention),
        rmse_equal=Estimate(plain, plain_spread, "", convention),
        gain=Estimate(plain / rmse, gain_spread, "", "equal shares over best shares, RMSE"),
    )


def best_amplitudes(efficiency: FloatArray, squeezed: float, response: FloatArray) -> FloatArray:
    """Network amplitudes (M,) of unit norm, with sign, that carry the most information of the displacement."""
    s = efficiency * response / (1 - (1 - squeezed) * efficiency)
    return np.asarray(s / np.linalg.norm(s))


def digital_weights(efficiency: FloatArray, squeezed: float, amplitude: FloatArray, response: FloatArray) -> FloatArray:
    """Weights g (M,) of the records of least variance with g . a = 1, for given network amplitudes."""
    a, u = np.sqrt(efficiency) * response, np.sqrt(efficiency) * amplitude
    solved = a + (1 - squeezed) * float(u @ a) / (1 - (1 - squeezed) * float(u @ u)) * u  # Sherman and Morrison
    return np.asarray(solved / float(a @ solved))


def variance_of_sum(digital: FloatArray, efficiency: FloatArray, squeezed: float, amplitude: FloatArray) -> float:
    """Variance of sum_j g_j y_j in units of one record's shot noise, g^T C g."""
    shared = float(digital @ (np.sqrt(efficiency) * amplitude))
    return float(digital @ digital) - (1 - squeezed) * shared**2


def next_weights(
    current: FloatArray, efficiencies: Sequence[Estimate], squeezed: Estimate, response: npt.ArrayLike | None = None
) -> tuple[FloatArray, bool]:
    """One step of adapting: shares (M,) for the next measurement, and whether they changed.

    The shares move only when the measured efficiencies say, by twice the uncertainty, that the best ones are better
    than `current` ones; so noise does not turn wave plates. Refuses shares that do not add to 1.
    """
    w = np.asarray(current, dtype=np.float64)
    if w.shape != (len(efficiencies),) or (w < 0).any() or abs(float(w.sum()) - 1) > LARGEST_WEIGHT_ERROR:
        raise AnalysisRefused(f"{len(efficiencies)} shares that add to 1 are needed.")
    eta = np.array([e.value for e in efficiencies])
    h = np.ones_like(eta) if response is None else np.asarray(response, dtype=np.float64)
    _require(eta, h, squeezed)
    here = np.sqrt(w) * np.where(h < 0, -1.0, 1.0)
    sigmas = np.array([*(e.sigma for e in efficiencies), squeezed.sigma])
    best = best_amplitudes(eta, squeezed.value, h)
    gain = _rmse(eta, squeezed.value, h, here) / _rmse(eta, squeezed.value, h, best)
    spread = _spreads(eta, squeezed.value, h, here, sigmas)[2]
    if gain - 1 > WORTHWHILE_SIGMAS * spread and gain > 1:
        return np.asarray(best**2), True
    return w, False


def _rmse(efficiency: FloatArray, squeezed: float, response: FloatArray, amplitude: FloatArray) -> float:
    g = digital_weights(efficiency, squeezed, amplitude, response)
    return math.sqrt(variance_of_sum(g, efficiency, squeezed, amplitude))


def _spreads(
    eta: FloatArray, v: float, h: FloatArray, other: FloatArray, sigmas: FloatArray
) -> tuple[float, float, float]:
    """Uncertainties of the best RMSE, of that with `other` amplitudes, and of their ratio; O(M) by closed slopes."""
    best = best_amplitudes(eta, v, h)
    # at the best amplitudes the information is stationary in them, so they need no slope of their own
    slopes = [_log_slopes(eta, v, h, amplitude) for amplitude in (best, other)]
    r, p = _rmse(eta, v, h, best), _rmse(eta, v, h, other)
    first = r * float(np.linalg.norm(slopes[0] * sigmas))
    second = p * float(np.linalg.norm(slopes[1] * sigmas))
    ratio = p / r * float(np.linalg.norm((slopes[1] - slopes[0]) * sigmas))
    return first, second, ratio


def _log_slopes(eta: FloatArray, v: float, h: FloatArray, s: FloatArray) -> FloatArray:
    """d ln RMSE / d (eta_1 ... eta_M, V), (M + 1,), of RMSE = F^-1/2, F = p + q t^2 / (1 - q n)."""
    q = 1 - v
    p, t, n = float(eta @ h**2), float(eta @ (h * s)), float(eta @ s**2)
    rest = 1 - q * n
    information = p + q * t**2 / rest
    by_eta = h**2 + 2 * q * t * h * s / rest + (q * t / rest) ** 2 * s**2
    by_v = -(t**2 / rest**2)
    return np.asarray(-np.append(by_eta, by_v) / (2 * information))


def _require(eta: FloatArray, h: FloatArray, squeezed: Estimate) -> None:
    if eta.shape != h.shape or eta.ndim != 1 or not len(eta):
        raise AnalysisRefused(f"Efficiencies {eta.shape} and responses {h.shape} do not go together.")
    if not ((eta > 0) & (eta <= 1)).all():
        worst = int(np.argmax(~((eta > 0) & (eta <= 1))))
        raise AnalysisRefused(f"Sensor {worst + 1}: an efficiency of {eta[worst]:.4g} is not between 0 and 1.")
    if not 0 < squeezed.value < 1:
        raise AnalysisRefused(
            f"A variance of {squeezed} is not squeezed; sharing such light gains nothing.",
            remedy="Check the source and the quadrature.",
        )
    if not (np.isfinite(h).all() and h.any()):
        raise AnalysisRefused("The force moves no sensor: every response is zero.")
