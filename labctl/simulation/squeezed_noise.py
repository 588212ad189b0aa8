"""White noise of M detectors made into that of one squeezed beam, in place and without an M x M matrix.

In the frame of each draw, where the phases are known, the covariance is C = 1 + B D B^T: B (M, 2) has the shares of
each detector in the squeezed and the antisqueezed quadrature, D = diag(V- - 1, V+ - 1). Its symmetric root is
1 + B K B^T with a 2 x 2 matrix K, so M white numbers make one draw, where drawing both quadratures would take 2 M.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
SampleArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SqueezedBeam:
    """One squeezed beam on M detectors: variances at the source, and what share of its power each detects, (M,)."""

    squeezed: float
    antisqueezed: float
    share: FloatArray

    def colour(self, white: SampleArray, angle_rad: FloatArray) -> None:
        """Give `white` (M, H w), rows of standard normals, the covariance of the beam.

        `angle_rad` (H, M) holds for w numbers each: the angle of the measured from the squeezed quadrature. Complex
        samples are pairs of numbers.
        """
        if not self.share.any():
            return
        holds, detectors = angle_rad.shape
        amplitude = np.sqrt(self.share)
        vectors = np.stack([amplitude * np.cos(angle_rad), amplitude * np.sin(angle_rad)], axis=1)  # B^T, (H, 2, M)
        root = self._root(vectors).astype(np.float32)
        rows = white.reshape(detectors, holds, -1).transpose(1, 0, 2)
        across = vectors.astype(np.float32)
        rows += across.transpose(0, 2, 1) @ (root @ (across @ rows))

    def _root(self, vectors: FloatArray) -> FloatArray:
        """Return K = D g(G D) of each hold, (H, 2, 2), with the Gram matrix G = B^T B and g(X) = 1 / (1 + (1 + X)^1/2):
        (1 + x)^1/2 - 1 = x g(x). Of 2 x 2 matrices Y^1/2 = (Y + s) / (tr Y + 2 s)^1/2, s = (det Y)^1/2."""
        a, b = vectors[:, 0], vectors[:, 1]
        below, above = self.squeezed - 1.0, self.antisqueezed - 1.0
        cross = np.sum(a * b, axis=1)
        y11, y12 = 1.0 + below * np.sum(a * a, axis=1), above * cross
        y21, y22 = below * cross, 1.0 + above * np.sum(b * b, axis=1)
        s = np.sqrt(y11 * y22 - y12 * y21)
        t = np.sqrt(y11 + y22 + 2.0 * s)
        r11, r12, r21, r22 = 1.0 + (y11 + s) / t, y12 / t, y21 / t, 1.0 + (y22 + s) / t
        inverse = np.array([[below * r22, -below * r12], [-above * r21, above * r11]]) / (r11 * r22 - r12 * r21)
        return np.asarray(inverse.transpose(2, 0, 1))
