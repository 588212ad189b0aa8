"""The last minutes of every loop: error, witness, output and state, ten times a second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.locks.losses import Evidence, Loss
from labctl.locks.machine import LoopMachine
from labctl.locks.states import LockState

KEPT_S: Final = 120.0
BEFORE_S: Final = 5.0
_NOTHING: Final = (math.nan, math.nan)


class LoopHistory:
    """A ring of rows, one a tick; `names` in the order of the machines."""

    def __init__(self, names: Sequence[str], period_s: float) -> None:
        self._names = tuple(names)
        rows = int(KEPT_S / period_s)
        self._times: deque[float] = deque(maxlen=rows)
        self._rows: deque[list[tuple[float, float, float, LockState]]] = deque(maxlen=rows)

    @property
    def last_at(self) -> float:
        """Return the lab time of the last row; nan before the first."""
        return self._times[-1] if self._times else math.nan

    def note(self, now: float, machines: Iterable[LoopMachine]) -> None:
        """Add what the machines saw and where they are."""
        row = []
        for machine in machines:
            last, actuator = machine.last, machine.actuator
            error, witness = _NOTHING if last is None else (last.error, last.witness)
            row.append((error, witness, math.nan if actuator is None else actuator.output_v, machine.state))
        self._times.append(now)
        self._rows.append(row)

    def of(self, name: str) -> NDArray[np.float64]:
        """Return time, error, witness and output of one loop as (4, n), for another thread too."""
        place = self._names.index(name)
        kept = [(at, *row[place][:3]) for at, row in zip(tuple(self._times), tuple(self._rows), strict=False)]
        return np.array(kept, dtype=float).reshape(len(kept), 4).T

    def evidence(self, loss: Loss) -> Evidence:
        """Return the seconds around a loss, from `BEFORE_S` before its first bad reading to now."""
        return self.since(loss.at - BEFORE_S, loss)

    def since(self, start: float, loss: Loss) -> Evidence:
        """Return all rows from lab time `start` on."""
        kept = [(at, row) for at, row in zip(self._times, self._rows, strict=True) if at >= start]
        signals = np.array([[cell[:3] for cell in row] for _, row in kept], dtype=float)
        signals = signals.reshape(len(kept), len(self._names), 3)
        return Evidence(
            loss=loss,
            loops=self._names,
            time_s=np.array([at for at, _ in kept]),
            error=signals[:, :, 0].T,
            witness=signals[:, :, 1].T,
            output_v=signals[:, :, 2].T,
            states=tuple(tuple(str(row[i][3]) for _, row in kept) for i in range(len(self._names))),
        )
