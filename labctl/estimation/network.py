"""Squeezing of a network of detectors from the cross-spectral matrix of their signals.

C is the covariance of the M channels in units of each channel's shot noise, shot = 1. A weighted sum
y = sum w_j x_j has the variance w^H C w / w^H N w relative to its own shot noise, N being the shot-noise matrix in
the same units. Labels: marginal (one channel), conditional (one channel, given all others), joint (a sum).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import BandMatrix, ComplexArray
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import FloatArray

FEWEST_AVERAGES_PER_CHANNEL = 10.0
CLEAR_GAP_SIGMAS = 3.0
"""The smallest eigenvalue's bias can be taken out when it lies this far below the next one."""


@dataclass(frozen=True, eq=False)
class NetworkCovariance:
    """`covariance` and `shot` (M, M) complex Hermitian in units of each channel's shot noise, and their averages K.

    The diagonal of `shot` is 1. Made by `relative_to_shot`.
    """

    covariance: ComplexArray
    shot: ComplexArray
    averages: float
    shot_averages: float

    @property
    def channels(self) -> int:
        """M."""
        return len(self.covariance)


@dataclass(frozen=True, eq=False)
class Combination:
    """A weighted sum of channels: `weights` (M,) complex with sum |w|^2 = 1, and its variance relative to shot."""

    weights: ComplexArray
    variance: Estimate


def relative_to_shot(signal: BandMatrix, shot: BandMatrix, dark: BandMatrix | None = None) -> NetworkCovariance:
    """Divide (signal - dark) by the channels' shot-noise powers (shot - dark).

    Refuses matrices of different size or band, a channel whose shot noise is not above dark noise, and K below 10 M.
    """
    parts = [signal, shot] if dark is None else [signal, shot, dark]
    if len({part.matrix.shape for part in parts}) > 1 or len({part.band for part in parts}) > 1:
        raise AnalysisRefused("Signal, shot and dark noise must come from the same channels and the same band.")
    m = len(signal.matrix)
    for name, part in zip(("signal", "shot noise"), parts[:2], strict=True):
        if part.averages < FEWEST_AVERAGES_PER_CHANNEL * m:
            raise AnalysisRefused(
                f"K = {part.averages:.3g} averages of the {name} are too few for {m} channels.",
                remedy=f"Record at least K = {FEWEST_AVERAGES_PER_CHANNEL * m:.0f}; 1e4 keeps the bias negligible.",
            )
    background = np.zeros_like(signal.matrix) if dark is None else dark.matrix
    s, n = signal.matrix - background, shot.matrix - background
    power = n.diagonal().real
    for channel in np.flatnonzero(power <= 0):
        raise AnalysisRefused(f"Channel {channel + 1}: shot noise does not stand above dark noise.")
    unit = 1 / np.sqrt(power)
    scale = np.outer(unit, unit)
    return NetworkCovariance(np.asarray(s * scale), np.asarray(n * scale), signal.averages, shot.averages)


def weighted_sum(network: NetworkCovariance, weights: npt.ArrayLike | None = None) -> Combination:
    """Joint variance of sum_j w_j x_j relative to its shot noise; equal weights if none are given.

    Channels are in units of their own shot noise, so w_j includes the gain. w^H C w of K averages ~ Gamma(K), and so
    is the shot noise: sigma/V = sqrt(1/K + 1/K_shot).
    """
    w = np.ones(network.channels) if weights is None else np.asarray(weights)
    if w.shape != (network.channels,) or not np.isfinite(w).all() or not np.any(w):
        raise AnalysisRefused(f"{network.channels} finite weights are needed, not all zero.")
    unit = np.asarray(w / np.linalg.norm(w), dtype=np.complex128)
    variance = _quadratic(network.covariance, unit) / _quadratic(network.shot, unit)
    return Combination(unit, _gamma_estimate(network, variance, "joint: weighted sum over its shot noise"))


def marginal_variances(network: NetworkCovariance) -> list[Estimate]:
    """Variance of each channel alone relative to shot noise, M of them."""
    values = network.covariance.diagonal().real / network.shot.diagonal().real
    return [_gamma_estimate(network, float(v), "marginal: one channel alone") for v in values]


def conditional_variances(network: NetworkCovariance) -> list[Estimate]:
    """Variance of each channel given all others, 1/(C^-1)_jj, relative to its shot noise, M of them.

    For K averages it is distributed as Gamma(K - M + 1) / K times the true one; the factor is taken out.
    """
    m, k = network.channels, network.averages
    left = k - m + 1
    inverse = _inverse(network.covariance)
    values = 1 / inverse.diagonal().real * k / left
    return [
        Estimate(
            float(v),
            abs(float(v)) * math.sqrt(1 / left + 1 / network.shot_averages),
            "",
            "conditional: one channel given all others",
        )
        for v in values
    ]


def optimal_combination(network: NetworkCovariance) -> Combination:
    """The sum with the least noise: smallest generalised eigenvalue of (C, N) and its weights, first one real.

    Choosing the smallest of noisy eigenvalues reads low by (V/K) sum_j V_j / (V_j - V) to first order; that is taken
    out when the gap to the next is clear. Without a clear gap the value stays and 2 V sqrt(M (1/K + 1/K_shot)), how
    far choice alone can lower it, is its sigma.
    """
    try:
        values, vectors = eigh(network.covariance, network.shot)
    except np.linalg.LinAlgError:
        raise AnalysisRefused(
            "The shot-noise matrix is not positive definite.", remedy="Record shot noise again."
        ) from None
    v = np.asarray(values, dtype=np.float64)
    w = np.asarray(vectors[:, 0], dtype=np.complex128)
    first = w[int(np.argmax(np.abs(w)))] if w[0] == 0 else w[0]
    w = w * (abs(first) / first) / np.linalg.norm(w)
    label = "joint: combination of least noise"
    smallest = float(v[0])
    if smallest <= 0:
        raise AnalysisRefused("The covariance is not positive definite.", remedy="Average longer or check dark noise.")
    share = 1 / network.averages + 1 / network.shot_averages
    if len(v) > 1 and v[1] - v[0] < CLEAR_GAP_SIGMAS * math.sqrt(len(v) * share) * v[1]:
        return Combination(
            w, Estimate(smallest, 2 * smallest * math.sqrt(len(v) * share), "", label + ", gap not clear")
        )
    return Combination(w, _gamma_estimate(network, smallest + _choice_bias(v, network), label))


def remove_loss(variance: Estimate, efficiency: Estimate) -> Estimate:
    """Variance at the source, V_source = 1 - (1 - V)/eta, with both uncertainties.

    Refuses an efficiency outside (0, 1]. A value at or below zero says that the loss is overestimated.
    """
    eta = efficiency.value
    if not 0 < eta <= 1:
        raise AnalysisRefused(f"An efficiency of {efficiency} is not between 0 and 1.")
    sigma = math.hypot(variance.sigma / eta, (1 - variance.value) / eta**2 * efficiency.sigma)
    return Estimate(1 - (1 - variance.value) / eta, sigma, "", f"source before loss, eta = {eta:.4g}")


def _choice_bias(values: FloatArray, network: NetworkCovariance) -> float:
    """First-order shift of the smallest eigenvalue by finite averages of signal and shot, sign reversed."""
    smallest, others = float(values[0]), values[1:]
    signal = float((others / (others - smallest)).sum()) * smallest / network.averages
    shot = float((smallest / (others - smallest)).sum()) * smallest / network.shot_averages
    return signal + shot


def _gamma_estimate(network: NetworkCovariance, variance: float, convention: str) -> Estimate:
    sigma = abs(variance) * math.sqrt(1 / network.averages + 1 / network.shot_averages)
    return Estimate(variance, sigma, "", convention)


def _quadratic(matrix: ComplexArray, w: ComplexArray) -> float:
    return float((w.conj() @ matrix @ w).real)


def _inverse(matrix: ComplexArray) -> ComplexArray:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise AnalysisRefused(
            "The covariance is not positive definite.", remedy="Average longer or check dark noise."
        ) from None
    return np.asarray(np.linalg.inv(matrix))
