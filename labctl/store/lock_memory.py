"""What the loops of a table remember, on disk: a program that starts anew takes over what the servos still hold."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from labctl.errors import StoreError
from labctl.locks.supervisor import Supervisor
from labctl.station.clock import Clock, Registration
from labctl.store import json_codec
from labctl.store.durable import write_durably
from labctl.store.failures import reported

FORMAT: Final = 1
LOOK_S: Final = 1.0  # between two looks at which loops are locked
KEEP_S: Final = 60.0  # at the latest, while a loop is locked
COUNTS_LAST_S: Final = 3600.0  # losses are counted by the hour
FOUND_AT: Final = "at"  # the number of a loop that is a lab time

_UNSAFE_IN_NAMES = re.compile(r"[^a-z0-9_-]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopCounts:
    """How often a loop hopped back from a rail since it was watched, and how many losses the hour still allows."""

    unwinds: int
    relocks_left: int


@dataclass(frozen=True)
class RememberedLocks:
    """Loop -> name -> number, as `Loop.remembered` gives it, and the counts of each loop; lab time and time since the
    epoch in s when they were kept, nan and 0 where nothing is."""

    loops: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: Mapping[str, LoopCounts] = field(default_factory=dict)
    kept_at: float = 0.0
    kept_at_epoch_s: float = 0.0

    def as_of(self, now: float, epoch_s: float, speed: float = 1.0) -> RememberedLocks:
        """Return the same with lab times of a clock that shows `now` at `epoch_s`; `speed` is lab seconds per second.

        Lab time begins anew with every process where it is faster than the time of day. Counts of more than an hour
        ago are left out.
        """
        passed_s = epoch_s - self.kept_at_epoch_s
        shift_s = now - speed * passed_s - self.kept_at
        loops = {
            name: {key: value + shift_s if key == FOUND_AT else value for key, value in numbers.items()}
            for name, numbers in self.loops.items()
        }
        counts = self.counts if speed * passed_s < COUNTS_LAST_S else {}
        return RememberedLocks(loops, counts, self.kept_at + shift_s, self.kept_at_epoch_s)


class LockMemory:
    """The file of one station. Writing replaces it as a whole; reading what cannot be used gives nothing and one
    warning."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, runs: Path, station_name: str) -> LockMemory:
        """Return the memory of a station, beside its runs."""
        plain = _UNSAFE_IN_NAMES.sub("-", station_name.lower())
        if plain != station_name:  # two names must not share a file
            plain = f"{plain}-{hashlib.sha256(json_codec.as_bytes(station_name)).hexdigest()[:8]}"
        return cls(runs / f"locks-{plain}.json")

    def load(self) -> RememberedLocks:
        """Return what was kept last; nothing where there is no file, and nothing with a warning where it is no use."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return RememberedLocks()
        except OSError as error:
            log.warning("%s cannot be read (%s), so no lock is taken over.", self.path, error.strerror)
            return RememberedLocks()
        try:
            return _decoded(text, str(self.path))
        except (StoreError, KeyError, TypeError, ValueError, OverflowError):
            log.warning("%s is damaged or of another version of labctl, so no lock is taken over.", self.path)
            return RememberedLocks()

    def keep(self, locks: RememberedLocks) -> None:
        """Replace the file; whole on disk when this returns. Raises `StoreError`."""
        content = {"format": FORMAT, "kept": _utc(locks.kept_at_epoch_s), **json_codec.entries(locks)}
        text = json_codec.encode(content, "what the locks remember", indent=1) + "\n"
        with reported("keep what the locks remember", self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.path, json_codec.as_bytes(text))


class LockKeeper:
    """Keeps what the locked loops remember, as soon as one is locked and once a minute after that.

    Loops that are open stay as they were remembered last. A disk that fails costs no lock: it is told once.
    """

    def __init__(
        self,
        memory: LockMemory,
        clock: Clock,
        supervisor: Callable[[], Supervisor],
        known: RememberedLocks | None = None,
        *,
        epoch_s: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._supervisor = supervisor
        self._locks = known or RememberedLocks()
        self._epoch_s = epoch_s
        self._found: dict[str, float] = {}  # lab time of the calibration of each locked loop, as kept
        self._kept_at = clock.now()
        self._registration: Registration | None = None
        self._failed = False

    def start(self) -> None:
        """Begin to look."""
        if self._registration is None:
            self._registration = self._clock.every(LOOK_S, self._look, "lock memory")

    def stop(self) -> None:
        """Look no more, after keeping what is locked now."""
        if self._registration is not None:
            self._registration.cancel()
            self._registration = None
        self.keep()

    def keep(self) -> None:
        """Keep what is locked now."""
        self._keep(self._supervisor().remembered())

    def _look(self) -> None:
        remembered = self._supervisor().remembered()
        found = {name: numbers.get(FOUND_AT, 0.0) for name, numbers in remembered.items()}
        is_new = not found.items() <= self._found.items()
        if is_new or (found and self._clock.now() - self._kept_at >= KEEP_S):
            self._keep(remembered)
        self._found = found

    def _keep(self, remembered: Mapping[str, Mapping[str, float]]) -> None:
        if not remembered:
            return
        self._kept_at = self._clock.now()
        self._locks = replace(
            self._locks,
            loops={**self._locks.loops, **remembered},
            counts={**self._locks.counts, **self._counts()},
            kept_at=self._kept_at,
            kept_at_epoch_s=self._epoch_s(),
        )
        try:
            self._memory.keep(self._locks)
            self._failed = False
        except StoreError as error:
            if not self._failed:
                log.warning("%s", error)
            self._failed = True

    def _counts(self) -> dict[str, LoopCounts]:
        now = self._clock.now()
        machines = self._supervisor().machines.values()
        return {machine.name: LoopCounts(machine.unwinds, machine.budget.left(now)) for machine in machines}


def _decoded(text: bytes, where: str) -> RememberedLocks:
    content = json_codec.decode_mapping(text, where)
    if content["format"] != FORMAT:
        raise ValueError
    return RememberedLocks(
        loops={
            str(name): {str(key): _number(value) for key, value in numbers.items()}
            for name, numbers in _items(content["loops"])
        },
        counts={
            str(name): LoopCounts(int(one["unwinds"]), int(one["relocks_left"]))
            for name, one in _items(content["counts"])
        },
        kept_at=_number(content["kept_at"]),
        kept_at_epoch_s=_number(content["kept_at_epoch_s"]),
    )


def _items(value: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        raise TypeError
    return list(value.items())


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")
