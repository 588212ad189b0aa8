"""Mechanical modes and the shared noise between them, fitted jointly to a cross-spectral matrix.

C(f) = N + sum_j L_j(f) g_j g_j^H: a constant Hermitian floor N (M, M), and lines that push one channel (g_j along it)
or several (g_j any complex vector). K-averaged matrices follow the complex Wishart distribution; minimises
K sum_f [ln det C + tr(C^-1 P)] by Fisher scoring. It uses what the channels know of each other's noise: at the paper's
squeezing the linewidth is known better than from any one channel or from their sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.line_slopes import line_and_slopes
from labctl.estimation.mechanical_mode import (
    FEWEST_INDEPENDENT_POINTS,
    FEWEST_POINTS,
    LARGEST_GAMMA_PER_SPAN,
    LARGEST_RELATIVE_SIGMA_GAMMA,
    POOR_FIT_PROBABILITY,
    ModeGuess,
)
from labctl.spectra.acquisition import Acquisition, FloatArray

ComplexArray = npt.NDArray[np.complex128]

MOST_CHANNELS = 16
"""The floor of M channels has M^2 free numbers."""
SCORING_STEPS = 60
CONVERGED_STEP = 1e-4
LARGEST_WIDTH_STEP = 0.5
SMALLEST_CURVATURE = 1e-300


@dataclass(frozen=True)
class CoupledMode:
    """Where to start for one mode, and the channel (from 0) that it alone pushes; None: any or all channels."""

    guess: ModeGuess
    channel: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossSpectralFit(Fit):
    """Modes fitted to a cross-spectral matrix, in its units (shot noise = 1 if it was divided by it).

    `names`: f0_hz_1, gamma_hz_1, peak_1, f0_hz_2, ...; peak_j = |g_j|^2, the height of the line summed over channels.
    coupling (J, M): g_j up to a phase; floor (M, M): N, Hermitian.
    """

    coupling: ComplexArray
    floor: ComplexArray

    def mode(self, number: int) -> tuple[Estimate, Estimate, Estimate]:
        """f0, Gamma and peak of one mode, counted from 1 in the order in which they were given."""
        return tuple(self.parameters[f"{name}_{number}"] for name in ("f0_hz", "gamma_hz", "peak"))  # type: ignore[return-value]


def fit_cross_spectral_modes(
    cross: CrossSpectrum,
    modes: Sequence[CoupledMode],
    *,
    shot: FloatArray | None = None,
    acquisition: Acquisition | None = None,
) -> CrossSpectralFit:
    """Fit modes jointly to an averaged cross-spectral matrix of M channels.

    shot (M,): shot-noise level of each channel, V^2/Hz, by which the matrix is divided, sqrt(shot_i shot_j) for C_ij.
    acquisition: conventions of a bin where they are not those of `cross` (Hann segments). Uncertainties from the Fisher
    information, corrected for neighbouring bins that the window correlates.
    Raises AnalysisRefused for no modes, too few bins or too many channels, a fit that leaves the band or does not
    converge, a line too broad for it, and a Gamma known to no better than 25 %.
    """
    problem = _Problem(cross, modes, shot, acquisition or cross.acquisition)
    theta = problem.maximise(problem.start())
    return problem.report(theta)


class _Problem:
    """theta = the floor's M^2 real numbers (diagonal, then real and imaginary parts above it), then for each mode f0,
    ln Gamma and the free parts of g: its logarithm for one channel; real parts, then imaginary ones but the
    reference channel's, for several."""

    def __init__(
        self, cross: CrossSpectrum, modes: Sequence[CoupledMode], shot: FloatArray | None, acquisition: Acquisition
    ) -> None:
        self.f, self.k, self.acquisition, self.modes = cross.frequency_hz, cross.averages, acquisition, list(modes)
        self.p = cross.csd if shot is None else cross.csd / np.sqrt(np.outer(shot, shot))
        self.m = self.p.shape[1]
        self._require_enough()
        self.span = float(self.f[-1] - self.f[0])
        upper = [(i, j) for i in range(self.m) for j in range(i + 1, self.m)]
        self.basis = np.zeros((self.m**2, self.m, self.m), np.complex128)
        for i in range(self.m):
            self.basis[i, i, i] = 1.0
        for at, (i, j) in enumerate(upper):
            self.basis[self.m + 2 * at, i, j] = self.basis[self.m + 2 * at, j, i] = 1.0
            self.basis[self.m + 2 * at + 1, i, j], self.basis[self.m + 2 * at + 1, j, i] = 1j, -1j
        self.reference = [self._strongest(mode) for mode in modes]
        self.at = [self.m**2]
        for mode in modes:
            self.at.append(self.at[-1] + 2 + (1 if mode.channel is not None else 2 * self.m - 1))

    def _require_enough(self) -> None:
        bins, independent = len(self.f), self.acquisition.independent_points(self.f)
        if not self.modes:
            raise AnalysisRefused("No modes to fit.", remedy="Say where at least one is.")
        if self.m > MOST_CHANNELS:
            raise AnalysisRefused(
                f"A floor of {self.m} channels has {self.m**2} numbers, too many to fit.",
                remedy=f"Fit {MOST_CHANNELS} channels at a time.",
            )
        if bins < FEWEST_POINTS or independent < FEWEST_INDEPENDENT_POINTS or independent * self.k < 2 * self.m**2:
            raise AnalysisRefused(
                f"{bins} bins, {independent:.1f} of them independent, of {self.k:.3g} averages are too few for "
                f"{self.m} channels.",
                remedy="Record longer or take a wider band.",
            )
        if not (np.isfinite(self.p).all() and (np.diagonal(self.p, axis1=1, axis2=2).real.mean(axis=0) > 0).all()):
            raise AnalysisRefused("The cross-spectral matrix is not positive definite.", remedy="Check the channels.")
        for number, mode in enumerate(self.modes, start=1):
            inside = self.f[0] <= mode.guess.f0_hz <= self.f[-1] and mode.guess.gamma_hz > 0
            if not inside or not (mode.channel is None or 0 <= mode.channel < self.m):
                raise AnalysisRefused(f"Mode {number} starts outside the band or the {self.m} channels: {mode}.")

    def _strongest(self, mode: CoupledMode) -> int:
        if mode.channel is not None:
            return mode.channel
        near = np.abs(self.f - mode.guess.f0_hz) < max(mode.guess.gamma_hz, 2 * self.span / len(self.f))
        power = np.diagonal(self.p, axis1=1, axis2=2).real
        return int(np.argmax(power[near].mean(axis=0) / np.median(power, axis=0)))

    def start(self) -> FloatArray:
        """Floor from the bins away from the lines, couplings from the excess at the lines."""
        clear = np.ones(len(self.f), bool)
        for mode in self.modes:
            clear &= np.abs(self.f - mode.guess.f0_hz) > 3 * mode.guess.gamma_hz
        floor = (self.p[clear] if clear.sum() > self.m else self.p).mean(axis=0)
        floor = (floor + floor.conj().T) / 2
        theta = [float(floor[i, i].real) for i in range(self.m)]
        for i in range(self.m):
            for j in range(i + 1, self.m):
                theta += [float(floor[i, j].real), float(floor[i, j].imag)]
        for mode, reference in zip(self.modes, self.reference, strict=True):
            line = line_and_slopes(self.f, *mode.guess, self.acquisition)[0]
            excess = np.einsum("f,fij->ij", line, self.p - floor) / float((line**2).sum())
            height = max(float(excess[reference, reference].real), 0.05 * float(floor[reference, reference].real))
            theta += [mode.guess.f0_hz, math.log(mode.guess.gamma_hz)]
            if mode.channel is not None:
                theta.append(math.log(height))
                continue
            g = excess[:, reference] / math.sqrt(height)
            g[reference] = math.sqrt(height)
            theta += [float(x) for x in g.real]
            theta += [float(x) for i, x in enumerate(g.imag) if i != reference]
        return np.array(theta)

    def coupling(self, theta: FloatArray, j: int) -> tuple[ComplexArray, ComplexArray]:
        """g (M,) of mode j and its derivatives (parts, M)."""
        mode, reference, parts = self.modes[j], self.reference[j], theta[self.at[j] + 2 : self.at[j + 1]]
        g = np.zeros(self.m, np.complex128)
        if mode.channel is not None:
            g[mode.channel] = math.exp(parts[0] / 2)
            return g, g[None] / 2
        others = [i for i in range(self.m) if i != reference]
        g += parts[: self.m]
        g[others] += 1j * parts[self.m :]
        return g, np.concatenate([np.eye(self.m), 1j * np.eye(self.m)[others]])

    def model(self, theta: FloatArray) -> ComplexArray:
        """C (F, M, M)."""
        c = np.broadcast_to(np.tensordot(theta[: self.m**2], self.basis, 1), self.p.shape).copy()
        for j in range(len(self.modes)):
            at = self.at[j]
            line = line_and_slopes(self.f, float(theta[at]), math.exp(theta[at + 1]), self.acquisition)[0]
            g = self.coupling(theta, j)[0]
            c += line[:, None, None] * np.outer(g, g.conj())
        return c

    def cost(self, theta: FloatArray) -> float:
        """Infinite where C is not positive definite or a mode has left the band."""
        for at in self.at[:-1]:
            if not (self.f[0] < theta[at] < self.f[-1] and math.exp(theta[at + 1]) < self.span):
                return math.inf
        try:
            factor = np.linalg.cholesky(self.model(theta))
        except np.linalg.LinAlgError:
            return math.inf
        log_det = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2).real).sum()
        whitened = np.linalg.solve(factor, self.p)
        trace = np.trace(np.linalg.solve(factor, whitened.conj().transpose(0, 2, 1)), axis1=1, axis2=2).real.sum()
        return self.k * float(log_det + trace)

    def slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Whitened derivatives B^-1 dC B^-H as real columns (F, 2 M^2, p), C = B B^H, and the whitened residual (F,
        2 M^2): scalar products of such columns are traces tr(C^-1 dC C^-1 dC')."""
        f, m = len(self.f), self.m
        inverse = np.linalg.inv(np.linalg.cholesky(self.model(theta)))
        adjoint = inverse.conj().transpose(0, 2, 1)
        columns = np.empty((f, len(theta), m, m), np.complex128)
        columns[:, : m**2] = inverse[:, None] @ self.basis @ adjoint[:, None]
        for j in range(len(self.modes)):
            at = self.at[j]
            shape = line_and_slopes(self.f, float(theta[at]), math.exp(theta[at + 1]), self.acquisition)
            g, parts = self.coupling(theta, j)
            v = inverse @ g
            push = v[:, :, None] * v[:, None, :].conj()
            columns[:, at] = shape[1][:, None, None] * push
            columns[:, at + 1] = shape[2][:, None, None] * push
            for i, part in enumerate(parts):
                w = inverse @ part
                cross = w[:, :, None] * v[:, None, :].conj()
                columns[:, at + 2 + i] = shape[0][:, None, None] * (cross + cross.conj().transpose(0, 2, 1))
        residual = inverse @ self.p @ adjoint - np.eye(m)
        flat = columns.reshape(f, len(theta), m * m).transpose(0, 2, 1)
        rest = residual.reshape(f, m * m)
        return np.concatenate([flat.real, flat.imag], axis=1), np.concatenate([rest.real, rest.imag], axis=1)

    def maximise(self, theta: FloatArray) -> FloatArray:
        cost, damping = self.cost(theta), 1e-3
        if not math.isfinite(cost):
            raise AnalysisRefused("The cross-spectral matrix is not positive definite.", remedy="Record longer.")
        for _ in range(SCORING_STEPS):
            columns, residual = self.slopes(theta)
            stacked = columns.reshape(-1, len(theta))
            information = self.k * stacked.T @ stacked
            scale = np.sqrt(np.diag(information)) + SMALLEST_CURVATURE
            score = self.k * stacked.T @ residual.ravel()
            while damping < 1e12:
                step = np.linalg.solve(
                    information / np.outer(scale, scale) + damping * np.eye(len(scale)), score / scale
                )
                trial = theta + step / scale
                for at in self.at[:-1]:
                    trial[at + 1] = np.clip(
                        trial[at + 1], theta[at + 1] - LARGEST_WIDTH_STEP, theta[at + 1] + LARGEST_WIDTH_STEP
                    )
                trial_cost = self.cost(trial)
                if trial_cost <= cost:
                    break
                damping *= 10
            else:
                return theta
            moved = float(np.abs((trial - theta) * scale).max())
            theta, cost, damping = trial, trial_cost, max(damping / 10, 1e-12)
            if moved < CONVERGED_STEP:
                return theta
        raise AnalysisRefused("The fit of the cross-spectral matrix does not settle.", remedy="Start nearer the modes.")

    def report(self, theta: FloatArray) -> CrossSpectralFit:
        columns, residual = self.slopes(theta)
        stacked = columns.reshape(-1, len(theta))
        try:
            inverse = np.linalg.inv(self.k * stacked.T @ stacked)
        except np.linalg.LinAlgError:
            raise AnalysisRefused("The cross-spectral matrix does not determine the modes.") from None
        f = len(self.f)
        neighbours = self.acquisition.correlated_sum(self.f, columns.reshape(f, -1)).reshape(-1, len(theta))
        covariance = inverse @ (self.k * stacked.T @ neighbours) @ inverse
        rows, values, names = [], [], []
        by_theta = np.zeros((3 * len(self.modes), len(theta)))
        couplings = []
        for j in range(len(self.modes)):
            at = self.at[j]
            g, parts = self.coupling(theta, j)
            gamma = math.exp(theta[at + 1])
            by_theta[3 * j, at], by_theta[3 * j + 1, at + 1] = 1.0, gamma
            by_theta[3 * j + 2, at + 2 : self.at[j + 1]] = 2 * (parts.conj() @ g).real
            values += [float(theta[at]), gamma, float(np.vdot(g, g).real)]
            names += [f"{name}_{j + 1}" for name in ("f0_hz", "gamma_hz", "peak")]
            couplings.append(g)
            rows.append(gamma)
        covariance = by_theta @ covariance @ by_theta.T
        sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        for j, gamma in enumerate(rows):
            if gamma > LARGEST_GAMMA_PER_SPAN * self.span:
                raise AnalysisRefused(f"A line of {gamma:.4g} Hz is too broad for {self.span:.4g} Hz.")
            if not sigma[3 * j + 1] <= LARGEST_RELATIVE_SIGMA_GAMMA * gamma:
                raise AnalysisRefused(
                    f"Gamma of mode {j + 1} would be {gamma:.3g} +- {sigma[3 * j + 1]:.2g} Hz, too uncertain.",
                    remedy="Record longer.",
                )
        units = ("Hz", "Hz", "") * len(self.modes)
        freedom = self.acquisition.independent_points(self.f) * self.m**2 - len(theta)
        pearson = self.k * float((residual**2).sum()) / len(self.f) * self.acquisition.independent_points(self.f)
        normal = freedom / (1 + 3 / self.k)  # squares of Wishart residuals spread wider than those of Gaussian ones
        p_value = float(chi2.sf(pearson * normal / freedom, normal))
        return CrossSpectralFit(
            parameters={
                n: Estimate(v, float(e), u, "FWHM" if n.startswith("gamma") else "")
                for n, v, e, u in zip(names, values, sigma, units, strict=True)
            },
            covariance=covariance,
            names=tuple(names),
            chi2_per_dof=pearson / freedom,
            p_value=p_value,
            reason=""
            if p_value > POOR_FIT_PROBABILITY
            else f"the modes and floor do not describe the bins (chi2 per degree of freedom {pearson / freedom:.2f})",
            coupling=np.array(couplings),
            floor=np.asarray(np.tensordot(theta[: self.m**2], self.basis, 1), np.complex128),
        )
