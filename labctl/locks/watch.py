"""Watch the loops that a measurement needs while it runs, and say which of its samples may be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from labctl.locks.loop import Verdict
from labctl.locks.losses import Loss
from labctl.station.clock import Clock

LEAST_VALID_SHARE: Final = 0.98  # of a trace: what a power average forgives


class Watched(Protocol):
    """What a watch sees of a loop."""

    @property
    def carries_data(self) -> bool:
        """Return whether data of this moment may be believed."""
        ...

    @property
    def why(self) -> str:
        """Return one sentence on its state."""
        ...


class LockWatch:
    """The validity of data from when it was made until it is closed; a context manager."""

    def __init__(
        self,
        names: Sequence[str],
        clock: Clock,
        on_close: Callable[[LockWatch], None],
        still_watched: Callable[[], None],
        quiet: bool,
    ) -> None:
        self.names = tuple(names)
        self.quiet = quiet
        self.lost: list[Loss] = []
        self._clock = clock
        self._on_close = on_close
        self._still_watched = still_watched
        self._began_at = self._last_at = clock.now()
        self._ended_at: float | None = None
        self._doubtful: list[list[float]] = []  # intervals [from, to) of lab time
        self._in_doubt = False
        self._doubtful_s = 0.0
        self._doubted = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Watch no more."""
        if self._ended_at is None:
            self._ended_at = self._clock.now()
            self._on_close(self)

    def note(self, now: float, loops: Mapping[str, Watched]) -> None:
        """Take the state of all loops at lab time `now`; it holds for the time since the last look."""
        doubtful = next((name for name in self.names if not loops[name].carries_data), None)
        if doubtful is not None:
            # What was good at the last look may have ended right after it.
            if self._in_doubt:
                self._doubtful[-1][1] = now
            else:
                self._doubtful.append([self._last_at, now])
                self._doubted = self._doubted or f"{doubtful}: {loops[doubtful].why}"
            self._doubtful_s += now - self._last_at
        self._in_doubt = doubtful is not None
        self._last_at = now

    def lose(self, loss: Loss) -> None:
        """A loop was lost."""
        if loss.loop in self.names:
            self.lost.append(loss)

    def still_good(self) -> bool:
        """Return False once a loop was lost. Raises what ended the watching, so that nobody waits for a blind watch."""
        self._require_watched()
        return not self.lost

    def _require_watched(self) -> None:
        if self._ended_at is None:
            self._still_watched()

    @property
    def invalid(self) -> tuple[tuple[float, float], ...]:
        """Return the intervals (lab time in s, from and to) in which data are not to be believed."""
        return tuple((start, end) for start, end in self._doubtful)

    @property
    def valid_share(self) -> float:
        """Return the share of the time watched in which all loops were locked."""
        return 1.0 - self._doubtful_s / max(self._last_at - self._began_at, 1e-9)

    def mask(self, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for each lab time whether data taken then may be believed; times outside the watch may not."""
        valid = np.asarray((times_s >= self._began_at) & (times_s <= self._last_at))
        for start, end in self._doubtful:
            valid &= (times_s < start) | (times_s >= end)
        return valid

    def verdict(self) -> Verdict:
        """Judge the whole time watched: nothing lost, and hardly a sample in doubt."""
        self._require_watched()
        if self.lost:
            first = min(self.lost, key=lambda loss: loss.at)
            return Verdict(False, f"{first.loop} was lost first, at lab time {first.at:.1f} s: {first.reason}")
        if self.valid_share < LEAST_VALID_SHARE:
            share = 100.0 * (1.0 - self.valid_share)
            return Verdict(False, f"In {share:.1f} % of the time a lock was in doubt, first {self._doubted}")
        return Verdict(True)
