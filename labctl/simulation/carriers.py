"""Carriers with an envelope that runs straight from step to step, sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]
SampleArray = NDArray[np.float32]


def carrier_samples(begin: ComplexArray, change: ComplexArray, turns_per_sample: float, per_step: int) -> SampleArray:
    """Return Re[(begin + r change) e^{2 pi i turns k}] for samples k = 0 ... `per_step` - 1 of each step, r = k /
    `per_step`; `begin` and `change` (steps,) have the phase of the step, the result is (steps x per_step,).

    As a product of matrices (steps, 4) and (4, per step): no exponential for every sample.
    """
    count = np.arange(per_step)
    turn = np.exp(2j * np.pi * ((turns_per_sample * count) % 1.0))
    ramp = count / per_step
    basis = np.stack([turn.real, turn.imag, ramp * turn.real, ramp * turn.imag])
    nodes = np.stack([begin.real, -begin.imag, change.real, -change.imag], axis=1)
    return np.asarray((nodes.astype(np.float32) @ basis.astype(np.float32)).reshape(-1))
