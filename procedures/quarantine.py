"""What was measured while a lock was not as good as it seemed: taken out of the data, back to when the lock was last
proven good, and done again."""

from __future__ import annotations

from typing import Protocol

from labctl.errors import LockError
from labctl.locks.losses import Loss
from labctl.store.records import DoubtfulTrace
from procedures.bench import Bench


class QuarantineRecord(Protocol):
    """Where traces are kept; a run on disk is one."""

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them."""
        ...


class Quarantine:
    """Follows the losses of a run and marks the data that they put in doubt."""

    def __init__(self, bench: Bench, record: QuarantineRecord) -> None:
        self._bench = bench
        self._record = record
        self._seen: list[Loss] = []
        self._doubtful: dict[str, dict[float, str]] = {}  # step -> when a trace was begun -> why it is in doubt

    def sweep(self) -> list[str]:
        """Return the steps whose data have come into doubt since the last call, and mark these data."""
        self._follow()
        steps, self._doubtful = list(self._doubtful), {}
        return steps

    def refuse(self, step: str, began_at: float) -> None:
        """Raise `LockError` where data that `step` has taken since lab time `began_at` (s) are in doubt; what an
        earlier try of it had taken is replaced already."""
        self._follow()
        for started_at, why in self._doubtful.pop(step, {}).items():
            if started_at >= began_at:
                raise LockError(f"{step}: {why}", remedy="It is done again.")

    def _follow(self) -> None:
        """Mark what the losses since the last look put in doubt."""
        losses = self._bench.supervisor.losses
        for loss in losses:
            if loss in self._seen:
                continue
            reason = (
                f"{loss.loop} was lost at {loss.at:.1f} s of lab time and last proven good at "
                f"{loss.doubtful_since:.1f} s: {loss.reason}"
            )
            for trace in self._record.quarantine(loss.loop, loss.doubtful_since, loss.detected_at, reason):
                why = f"{trace.name} is in doubt, for {reason}"
                self._doubtful.setdefault(trace.step, {})[trace.started_at] = why
            self._seen.append(loss)  # now, not before: a full disk may have kept the marks from being made
