"""The last 24 hours of loops and slow readings, for the strip at the foot of the screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from labctl.bus.spectra import Curve
from labctl.locks.states import ACQUIRING, LockState

SLOT_S: Final = 30.0
SLOTS: Final = 2880  # of a day

UNKNOWN, LOCKED, ON_ITS_WAY, HELD, LOST, OFF = range(6)

_BADNESS: Final = np.array([0, 1, 3, 4, 5, 2])  # of each code; what was locked for a part of a slot is known at least
_NONE: Final = -1
_CODES: Final[Mapping[str, int]] = {
    **dict.fromkeys(ACQUIRING, ON_ITS_WAY),
    LockState.UNWIND: ON_ITS_WAY,
    LockState.LOCKED: LOCKED,
    LockState.SUSPECT: LOCKED,
    LockState.HOLD: HELD,
    LockState.RELOCK: LOST,
    LockState.STALLED: LOST,
    LockState.FAULT: LOST,
    LockState.OFF: OFF,
}


def code_of(state: str) -> int:
    """Return the code of a word of `LockState`: 0 unknown, 1 locked, 2 on its way, 3 held, 4 lost, stalled or at
    fault, 5 off."""
    return _CODES.get(state, UNKNOWN)


class DayHistory:
    """A ring of slots of 30 s of wall time: for each loop the worst code, for each reading the mean.

    Raises ValueError where a loop and a reading go by one name. May be used by several threads.
    """

    def __init__(self, loops: Sequence[str], readings: Sequence[str]) -> None:
        names = [*loops, *readings]
        if len(set(names)) < len(names):
            raise ValueError("Loops and readings of a history must have names of their own.")
        self._loops = {name: index for index, name in enumerate(loops)}
        self._readings = {name: index for index, name in enumerate(readings)}
        self._slots = np.full(SLOTS, _NONE, dtype=np.int64)  # which slot of wall time each row holds
        self._codes = np.zeros((SLOTS, len(loops)), dtype=np.uint8)
        self._sums = np.zeros((SLOTS, len(readings)))
        self._counts = np.zeros((SLOTS, len(readings)), dtype=np.int64)
        self._last = _NONE
        self._guard = threading.Lock()

    def note(self, now: float, loop_codes: Mapping[str, int], readings: Mapping[str, float]) -> None:
        """Take what is at `now`; nan is no reading, and names of others are passed over."""
        slot = int(now // SLOT_S)
        with self._guard:
            row = slot % SLOTS
            if self._slots[row] != slot:
                self._slots[row] = slot
                self._codes[row], self._sums[row], self._counts[row] = UNKNOWN, 0.0, 0
            self._last = slot
            for name, code in loop_codes.items():
                column = self._loops.get(name)
                if column is None or not 0 <= code < len(_BADNESS):
                    continue
                if _BADNESS[code] > _BADNESS[self._codes[row, column]]:
                    self._codes[row, column] = code
            for name, value in readings.items():
                column = self._readings.get(name)
                if column is not None and np.isfinite(value):
                    self._sums[row, column] += value
                    self._counts[row, column] += 1

    def curve(self) -> Curve:
        """Return the day before the last note, in slots: x is the wall time at which each begins.

        Where the core did not run codes are 0 and readings nan; nothing at all before the first note.
        """
        with self._guard:
            first = self._last - SLOTS + 1
            slots = np.arange(first, self._last + 1) if self._last != _NONE else np.empty(0, dtype=np.int64)
            rows = slots % SLOTS
            is_known = (self._slots[rows] == slots)[:, np.newaxis]
            codes = np.where(is_known, self._codes[rows], UNKNOWN).astype(np.float64)
            counts = np.where(is_known, self._counts[rows], 0)
            means = np.where(counts > 0, self._sums[rows] / np.maximum(counts, 1), np.nan)
        columns = {name: np.ascontiguousarray(codes[:, column]) for name, column in self._loops.items()}
        columns |= {name: np.ascontiguousarray(means[:, column]) for name, column in self._readings.items()}
        return Curve(
            system="strip",
            name="day",
            title="24 h",
            x_label="time",
            x_unit="s",
            y_label="state",
            y_unit="",
            x=slots.astype(np.float64) * SLOT_S,
            columns=columns,
            taken_at=float(slots[-1] * SLOT_S) if slots.size else float("nan"),
        )
