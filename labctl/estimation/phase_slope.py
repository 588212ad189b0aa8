"""Delays and gains of the channels of a network, from the phases of their shared squeezed noise across a band.

Channels x_j in units of their own shot noise share one squeezed state: x_j has the delay tau_j, so that
C_ij = d_i delta_ij - conj(u_i) u_j with u_j = a_j exp(-i (theta_j + 2 pi f tau_j)). A sum with weights
w_j ~ g_j exp(i (theta_j + 2 pi f tau_j)) puts the channels in step. Fitted by maximum likelihood: the matrices are
complex Wishart, ln L = -sum_g K_g (ln det C + tr C^-1 S_g), g being groups of neighbouring bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.cross_spectral_matrix import ComplexArray, CrossSpectrum
from labctl.spectra.trace import Band

GROUPS = 32
DENSE_BINS = 1024
FEWEST_AVERAGES_PER_CHANNEL = 10.0
MOST_STEPS = 50
CONVERGED_SIGMA = 1e-4
"""Length of the last step in units of the standard uncertainties."""
LEAST_SHARE = 0.01
CLEAR_SIGMAS = 3.0


@dataclass(frozen=True, eq=False)
class Rephasing:
    """Delays against channel 1 and gains of M channels, and the weights that follow.

    fit: `delay_2` ... in s (positive: later than channel 1), `amplitude_1` ... a_j and `level_1` ... d_j in units of
    shot noise, and `phase_2` ... theta_j in rad at zero frequency where they were fitted. Two channels have one common
    amplitude: their matrix does not tell two apart. gains (M,): moduli of the weights with the least noise, sum of
    squares 1, on channels in units of their own shot noise; shot_power (M,): that unit, V^2/Hz.
    """

    fit: Fit
    gains: FloatArray
    delays_s: FloatArray
    phases_rad: FloatArray
    shot_power: FloatArray

    def weights(self, frequency_hz: FloatArray) -> ComplexArray:
        """Weights (F, M) on the channels' volts, for `sum_spectrum`."""
        turn = 2 * math.pi * frequency_hz[:, None] * self.delays_s + self.phases_rad
        return np.asarray(self.gains / np.sqrt(self.shot_power) * np.exp(1j * turn))


@dataclass(frozen=True, eq=False)
class _Groups:
    """Averaged matrices (G, M, M) relative to shot, their frequencies (G,) and averages (G,)."""

    frequency_hz: FloatArray
    matrices: ComplexArray
    averages: FloatArray


@dataclass(frozen=True, eq=False)
class _Model:
    """Channels' phases are `phase_basis` (B, G) times B coefficients a channel, those of channel 1 being zero."""

    channels: int
    phase_basis: FloatArray

    @property
    def amplitudes(self) -> int:
        """Free amplitudes: one for each channel, but one in all for two, whose matrix has three moduli only."""
        return self.channels if self.channels > 2 else 1

    @property
    def shape_size(self) -> int:
        """Parameters in front of the phases."""
        return self.channels + self.amplitudes

    def parts(self, p: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Levels (M,), amplitudes (M,) and phase coefficients (B, M)."""
        m, b = self.channels, len(self.phase_basis)
        coefficients = np.zeros((b, m))
        coefficients[:, 1:] = p[self.shape_size :].reshape(b, m - 1)
        return p[:m], np.broadcast_to(p[m : self.shape_size], (m,)), coefficients

    def matrices(self, p: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """C (G, M, M) and u (G, M)."""
        level, amplitude, coefficients = self.parts(p)
        u = np.asarray(amplitude * np.exp(-1j * (self.phase_basis.T @ coefficients)))
        return np.asarray(np.diag(level) - u.conj()[:, :, None] * u[:, None, :]), u

    def slopes(self, p: FloatArray, u: ComplexArray) -> ComplexArray:
        """dC/dp (P, G, M, M)."""
        m, g = self.channels, len(u)
        level = np.zeros((m, g, m, m), dtype=np.complex128)
        level[range(m), :, range(m), range(m)] = 1
        changes = [u / p[m]]
        if self.amplitudes > 1:
            changes = [np.where(np.arange(m) == k, u / p[m + k], 0) for k in range(m)]
        for basis in self.phase_basis:
            changes += [np.where(np.arange(m) == k, -1j * basis[:, None] * u, 0) for k in range(1, m)]
        du = np.array(changes)
        cross = du.conj()[..., :, None] * u[:, None, :] + u.conj()[:, :, None] * du[..., None, :]
        return np.concatenate([level, -cross])


def fit_phase_slope(
    signal: CrossSpectrum, shot: CrossSpectrum, *, exclude: Sequence[Band] = (), phase_offsets: bool = False
) -> Rephasing:
    """Fit delays and gains to the bins outside `exclude` (the resonances); subtract dark noise before.

    Without `phase_offsets` phases are those of pure delays, known to 1 / f (232 ns at 4.3 MHz): the smallest ones are
    found. With them each channel has a phase of its own too (an inverted output, a filter), and the delay rests on the
    slope over the band alone, which is coarser by the centre frequency over about a third of the band.
    Refuses matrices of other bins or channels, fewer than two channels, K below 10 M over the band, and channels
    without shared squeezed noise.
    """
    groups, power = _grouped(signal, shot, exclude)
    m = signal.csd.shape[1]
    f = groups.frequency_hz
    centre, half = float(f.mean()), float(np.ptp(f)) / 2
    basis = np.array([np.ones(len(f)), (f - centre) / half]) if phase_offsets else np.array([f / centre])
    model = _Model(m, basis)
    p, covariance = _scored(model, groups, _start(model, groups))
    # From coefficients to delays at index B - 1, and to phases at zero frequency.
    to_delay = 1 / (2 * math.pi * (half if phase_offsets else centre))
    transform = np.eye(len(p))
    last = len(p) - (m - 1)
    transform[last:, last:] *= to_delay
    if phase_offsets:
        transform[last - (m - 1) : last, last:] = -np.eye(m - 1) * centre / half
    values, covariance = transform @ p, np.asarray(transform @ covariance @ transform.T)
    level, amplitude, _ = model.parts(p)
    gains = np.abs(np.linalg.eigh(np.diag(level) - np.outer(amplitude, amplitude))[1][:, 0])
    zero = np.zeros(1)
    return Rephasing(
        _as_fit(values, covariance, model, *_goodness(model, groups, p)),
        gains,
        np.concatenate([zero, values[last:]]),
        np.concatenate([zero, values[model.shape_size : last]]) if phase_offsets else np.zeros(m),
        power,
    )


def _grouped(signal: CrossSpectrum, shot: CrossSpectrum, exclude: Sequence[Band]) -> tuple[_Groups, FloatArray]:
    if signal.csd.shape != shot.csd.shape or not np.allclose(
        signal.frequency_hz, shot.frequency_hz, rtol=1e-12, atol=0.0
    ):
        raise AnalysisRefused("Signal and shot noise must come from the same channels and bins.")
    f, m = signal.frequency_hz, signal.csd.shape[1]
    if m < 2:
        raise AnalysisRefused("One channel has no delay against another.")
    keep = np.ones(len(f), dtype=bool)
    for low, high in exclude:
        keep &= (f < low) | (f > high)
    kept = np.flatnonzero(keep)
    if len(kept) < 2:
        raise AnalysisRefused("No bins are left outside the excluded bands.")
    some = f[kept[:DENSE_BINS]]  # bins follow each other alike throughout
    averages = signal.averages * signal.acquisition.independent_points(some) * len(kept) / len(some)
    if averages < FEWEST_AVERAGES_PER_CHANNEL * m:
        raise AnalysisRefused(
            f"K = {averages:.3g} averages over the band are too few for {m} channels.",
            remedy=f"Record at least {FEWEST_AVERAGES_PER_CHANNEL * m:.0f}.",
        )
    power = np.array([shot.csd[:, j, j].real[keep].mean() for j in range(m)])
    if not (power > 0).all():
        raise AnalysisRefused("A channel has no shot noise.")
    count = int(min(GROUPS, len(kept), max(2, averages / (FEWEST_AVERAGES_PER_CHANNEL * m))))
    edges = np.linspace(0, len(kept), count + 1).astype(int)
    sizes = np.diff(edges)
    unit = 1 / np.sqrt(power)
    sums = np.add.reduceat(signal.csd if keep.all() else signal.csd[keep], edges[:-1], axis=0)
    matrices = sums / sizes[:, None, None] * np.outer(unit, unit)
    mean_f = np.add.reduceat(f[kept], edges[:-1]) / sizes
    return _Groups(mean_f, np.asarray(matrices), averages * sizes / len(kept)), np.asarray(power)


def _start(model: _Model, groups: _Groups) -> FloatArray:
    """Levels, amplitudes and phases of the quietest combination of the mean matrix."""
    mean = np.average(groups.matrices, axis=0, weights=groups.averages)
    values, vectors = np.linalg.eigh(mean)
    w = vectors[:, 0]
    share = max(float(values[1:].mean() - values[0]), LEAST_SHARE)
    amplitude = math.sqrt(share) * np.maximum(np.abs(w), LEAST_SHARE)
    phases = np.zeros((len(model.phase_basis), len(w) - 1))
    phases[0] = np.angle(w[1:] * np.conj(w[0]))
    free = amplitude if model.amplitudes > 1 else amplitude.mean(keepdims=True)
    return np.concatenate([mean.diagonal().real + amplitude**2, free, phases.ravel()])


def _scored(model: _Model, groups: _Groups, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fisher scoring from `p`; the maximum and the inverse of the information there."""
    likelihood = _log_likelihood(model, groups, p)
    for _ in range(MOST_STEPS):
        c, u = model.matrices(p)
        inverse = np.linalg.inv(c)
        turned = inverse @ model.slopes(p, u)
        off = inverse @ (groups.matrices - c)
        score = np.einsum("g,pgij,gji->p", groups.averages, turned, off).real
        information = np.einsum("g,pgij,qgji->pq", groups.averages, turned, turned, optimize=True).real
        try:
            covariance = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            break
        step = covariance @ score
        if float(step @ information @ step) < CONVERGED_SIGMA**2:
            return p, np.asarray(covariance)
        for _ in range(MOST_STEPS):
            after = _log_likelihood(model, groups, p + step)
            if after >= likelihood - 1e-9 * abs(likelihood):
                break
            step = step / 2
        p, likelihood = p + step, after
    raise AnalysisRefused(
        "The channels' delays and gains are not determined by their shared noise.",
        remedy="Check that the squeezed light is on and record longer.",
    )


def _log_likelihood(model: _Model, groups: _Groups, p: FloatArray) -> float:
    c, _ = model.matrices(p)
    values = np.linalg.eigvalsh(c)
    if not (values > 0).all():
        return -math.inf
    trace = np.trace(np.linalg.inv(c) @ groups.matrices, axis1=1, axis2=2).real
    return -float(groups.averages @ (np.log(values).sum(axis=1) + trace))


def _goodness(model: _Model, groups: _Groups, p: FloatArray) -> tuple[float, float]:
    """chi^2 per degree of freedom and its p-value: twice the log-likelihood that free matrices would gain."""
    m = model.channels
    own = np.log(np.linalg.eigvalsh(groups.matrices)).sum(axis=1) + m
    gained = 2 * (-float(groups.averages @ own) - _log_likelihood(model, groups, p))
    freedom = len(groups.averages) * m**2 - len(p)
    return gained / freedom, float(chi2.sf(gained, freedom))


def _as_fit(values: FloatArray, covariance: FloatArray, model: _Model, chi2_per_dof: float, p_value: float) -> Fit:
    m = model.channels
    names = [f"level_{j + 1}" for j in range(m)] + [f"amplitude_{j + 1}" for j in range(model.amplitudes)]
    if len(model.phase_basis) > 1:
        names += [f"phase_{j + 1}" for j in range(1, m)]
    names += [f"delay_{j + 1}" for j in range(1, m)]
    units = {"delay": "s", "phase": "rad"}
    notes = {"delay": "later than channel 1", "phase": "at zero frequency, against channel 1"}
    sigmas = np.sqrt(covariance.diagonal())
    parameters = {}
    for name, value, sigma in zip(names, values, sigmas, strict=True):
        kind = name.split("_")[0]
        note = notes.get(kind, "in units of shot noise")
        parameters[name] = Estimate(float(value), float(sigma), units.get(kind, ""), note)
        if kind == "amplitude" and value < CLEAR_SIGMAS * sigma:
            raise AnalysisRefused(
                f"Channel {name.split('_')[1]} shares no squeezed noise with the others that stands out "
                f"({value:.3g} +- {sigma:.2g} of shot noise in amplitude).",
                remedy="Check that the squeezed light is on, or leave the channel out.",
            )
    reason = "" if p_value > 1e-3 else "the matrices differ from delayed copies of one state"
    return Fit(parameters, covariance, tuple(names), chi2_per_dof, p_value, reason)
