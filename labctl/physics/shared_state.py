"""One squeezed beam shared by M homodyne detectors, for any M: a diagonal and two vectors instead of an M x M matrix.

C = diag(d) + (V- - 1) a a^T + (V+ - 1) b b^T in units of each detector's shot noise, with a_j = u_j cos(angle_j) and
b_j = u_j sin(angle_j), u_j^2 = efficiency times network weight. Common phase noise changes V-+, private phase noise
shrinks a and b and raises d. Everything but `matrix` costs O(M) in time and memory.

Marginal: one detector alone. Conditional: one detector, given the records of all others. Sum: a weighted sum, relative
to its own shot noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.squeezing import with_phase_noise


@dataclass(frozen=True, eq=False)
class SharedState:
    """Quadrature covariance of M detectors; see `shared_state`. All arrays (M,)."""

    own: NDArray[np.float64]
    """d: noise that no other detector shares; 1 without private phase noise and dark noise."""
    cosine: NDArray[np.float64]
    sine: NDArray[np.float64]
    squeezed: float
    antisqueezed: float

    def matrix(self) -> NDArray[np.float64]:
        """Return C, shape (M, M): for few detectors."""
        a, b = self.cosine, self.sine
        shared = (self.squeezed - 1.0) * np.outer(a, a) + (self.antisqueezed - 1.0) * np.outer(b, b)
        return np.asarray(np.diag(self.own) + shared)

    def marginal(self) -> NDArray[np.float64]:
        """Return the variance C_jj of each detector, shape (M,)."""
        return np.asarray(self.own + (self.squeezed - 1.0) * self.cosine**2 + (self.antisqueezed - 1.0) * self.sine**2)

    def conditional(self) -> NDArray[np.float64]:
        """Return 1 / (C^-1)_jj, shape (M,): the variance left in each record when the others are known.

        For M equal shares of a pure sum with variance V it is 1 / (1 + (1 - V) / (V M)).
        """
        u = np.stack([self.cosine, self.sine])  # Woodbury: C^-1 = D^-1 - D^-1 U (1 + K G)^-1 K U^T D^-1
        k = np.diag([self.squeezed - 1.0, self.antisqueezed - 1.0])
        g = (u / self.own) @ u.T
        correction = np.einsum("aj,ab,bj->j", u, np.linalg.solve(np.eye(2) + k @ g, k), u)
        return np.asarray(1.0 / (1.0 / self.own - correction / self.own**2))

    def weighted_sum(self, weights: NDArray[np.complex128] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variance of sum_j w_j y_j over sum_j |w_j|^2; `weights` (..., M), result (...)."""
        power = np.abs(weights) ** 2
        shared = (self.squeezed - 1.0) * np.abs(weights @ self.cosine) ** 2
        shared += (self.antisqueezed - 1.0) * np.abs(weights @ self.sine) ** 2
        return np.asarray((power @ self.own + shared) / np.sum(power, axis=-1))

    def summed(self, gain: ArrayLike, delay_s: ArrayLike, frequency_hz: ArrayLike) -> NDArray[np.float64]:
        """Return the variance of the analogue sum of the detectors with their gains and delays, each (M,) or one for
        all; shape of `frequency_hz`, 1 = shot noise of the sum."""
        turn = np.multiply.outer(np.asarray(frequency_hz, dtype=float), np.broadcast_to(delay_s, self.own.shape))
        return self.weighted_sum(np.asarray(gain) * np.exp(2j * np.pi * turn))


def shared_state(
    squeezed: float,
    antisqueezed: float,
    share: ArrayLike,
    angle_rad: ArrayLike = 0.0,
    common_jitter_rad: float = 0.0,
    private_jitter_rad: ArrayLike = 0.0,
    dark: ArrayLike = 0.0,
) -> SharedState:
    """Return the state of M detectors that share one squeezed beam of variances `squeezed` and `antisqueezed`.

    `share` (M,) is efficiency times network weight of each, `angle_rad` the angle of its measured quadrature from the
    squeezed one (pi flips the sign). The jitters are rms and Gaussian: common to all, or private to each. `dark` is
    dark noise over shot noise. All but the first two may be one for all or (M,).
    """
    s = np.asarray(share, dtype=float)
    angle, private = (np.broadcast_to(np.asarray(x, dtype=float), s.shape) for x in (angle_rad, private_jitter_rad))
    v_minus = float(with_phase_noise(squeezed, antisqueezed, common_jitter_rad))
    v_plus = float(with_phase_noise(antisqueezed, squeezed, common_jitter_rad))
    kept = np.exp(-0.5 * private**2)
    mean, swing = 0.5 * (v_minus + v_plus), 0.5 * (v_minus - v_plus)
    # What the other detectors do not see of the private phase: <y_j^2> less the part that the vectors carry.
    alone = s * ((mean - 1.0) * (1.0 - kept**2) + swing * np.cos(2.0 * angle) * (kept**4 - kept**2))
    amplitude = np.sqrt(s) * kept
    return SharedState(
        own=1.0 + alone + np.asarray(dark, dtype=float),
        cosine=amplitude * np.cos(angle),
        sine=amplitude * np.sin(angle),
        squeezed=v_minus,
        antisqueezed=v_plus,
    )
