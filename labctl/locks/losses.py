"""A lost lock: what is known of it at the moment, and the signals of all loops around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Loss:
    """One loop that was lost: lab time in s of its first bad reading and of the decision, one sentence, and when it was
    last proven good: data since then are not to be believed. nan where that is not known."""

    loop: str
    at: float
    detected_at: float
    reason: str
    proven_at: float = math.nan

    @property
    def doubtful_since(self) -> float:
        """The lab time in s from which on nothing that needed the loop is to be believed."""
        return self.at if math.isnan(self.proven_at) else min(self.at, self.proven_at)


@dataclass(frozen=True)
class Evidence:
    """The seconds around a loss.

    `time_s` has shape (ticks,), lab time; `error`, `witness` and `output_v` have shape (loops, ticks), nan where
    nothing was read, in the units of `Reading` and `ActuatorState`; `states` holds one name a tick for each loop.
    """

    loss: Loss
    loops: tuple[str, ...]
    time_s: NDArray[np.float64]
    error: NDArray[np.float64]
    witness: NDArray[np.float64]
    output_v: NDArray[np.float64]
    states: tuple[tuple[str, ...], ...]
