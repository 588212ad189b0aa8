"""Made-up seconds around a loss, for tests of what is read from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labctl.locks.losses import Evidence, Loss

LOOPS = ("opa_length", "pump_phase", "lo1", "lo2", "lo3")
NEEDS = {
    "opa_length": (),
    "pump_phase": ("opa_length",),
    "lo1": ("pump_phase",),
    "lo2": ("pump_phase",),
    "lo3": ("pump_phase",),
}
WITNESSED = ("opa_length", "pump_phase")
LOOK_S = 0.1
LOST_AT = 100.0
ERROR_RMS = 0.01
WITNESS_RMS = 0.002


@dataclass
class SceneOfLoss:
    """Quiet loops for 5 s, and whatever a test does to them from then on; `lost` goes at `LOST_AT`."""

    lost: str
    after_s: float = 15.0
    reason: str = "its signal went."
    seed: int = 0
    time_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.time_s = LOST_AT + np.arange(-5.0, self.after_s, LOOK_S) - 0.01
        shape = (len(LOOPS), self.time_s.size)
        self.error = ERROR_RMS * rng.standard_normal(shape)
        self.witness = 1.0 + WITNESS_RMS * rng.standard_normal(shape)
        for index, loop in enumerate(LOOPS):
            (self.error if loop in WITNESSED else self.witness)[index] = np.nan
        self.output_v = np.tile(np.linspace(-0.4, 0.4, len(LOOPS))[:, None], (1, shape[1]))
        self.states = [["locked"] * shape[1] for _ in LOOPS]

    def signal(self, loop: str) -> NDArray[np.float64]:
        """Return the signal that judges a loop, to be changed."""
        index = LOOPS.index(loop)
        return (self.witness if loop in WITNESSED else self.error)[index]

    def at(self, seconds: float) -> NDArray[np.bool_]:
        """Return the looks from `seconds` after the loss on."""
        return self.time_s >= LOST_AT + seconds - 0.02

    def state(self, loop: str, name: str, start_s: float, end_s: float = np.inf) -> None:
        """Put a loop into a state for a while; open ones have no readings and no output, held ones keep theirs."""
        index = LOOPS.index(loop)
        during = self.at(start_s) & ~self.at(end_s)
        for tick in np.flatnonzero(during):
            self.states[index][tick] = name
        if name not in ("locked", "suspect", "hold"):
            # What opened the loop was read in the same tick.
            opened = np.flatnonzero(during)[1:]
            self.signal(loop)[opened] = np.nan
            self.output_v[index, opened] = np.nan

    def relocked(self, loop: str, after_s: float, jump_v: float, tries: int = 1) -> None:
        """Open a loop 0.1 s after the loss, and close it `after_s` later at another output."""
        index = LOOPS.index(loop)
        width = (after_s - 0.1) / tries
        for one in range(tries):
            start = 0.1 + one * width
            self.state(loop, "relock", start, start + 0.2)
            self.state(loop, "scan", start + 0.2, start + width)
        self.output_v[index, self.at(after_s)] += jump_v
        self.signal(loop)[self.at(after_s)] = 1.0 if loop in WITNESSED else 0.0

    def evidence(self) -> Evidence:
        """Return what the supervisor would give."""
        return Evidence(
            loss=Loss(self.lost, LOST_AT, LOST_AT + 0.1, f"{self.lost}: {self.reason}"),
            loops=LOOPS,
            time_s=self.time_s,
            error=self.error,
            witness=self.witness,
            output_v=self.output_v,
            states=tuple(tuple(states) for states in self.states),
        )
