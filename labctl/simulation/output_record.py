"""What every true output of the simulated table was: how far it went, and how fast, whoever told it to.

An output has an `OutputTrack`, which is told each value where it is set. Speed is held against a rate r by the largest
excess over it: the most that v(t) - v(s) - r (t - s), or the same downwards, came to for any s before t. A ramp in
steps of r T has an excess of r T; one that is twice as fast has an excess that grows with the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

REST = 0.01  # in the unit of an output: so near to 0 it is at rest
COMES_TO_REST_S = 1.0  # a fall that goes on for longer is not one to rest
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Output:
    """What one output did; times are lab time in s, the rest is in `unit`.

    `excess` is the largest over `rate` (unit/s) upwards, or downwards on a way that did not end at 0; on ways down to
    0, and on those that a fault of the wire cut off, it is `excess_to_rest`, over `rate_to_rest`. Both are 0 where no
    rate was stated. `most_per_hour` is what is counted of motors: steps in the worst hour of lab time.
    """

    unit: str
    lowest: float
    lowest_at: float
    highest: float
    highest_at: float
    jump: float
    jump_at: float
    rate: float | None = None
    excess: float = 0.0
    excess_at: float = 0.0
    rate_to_rest: float | None = None
    excess_to_rest: float = 0.0
    excess_to_rest_at: float = 0.0
    most_per_hour: float = 0.0


class OutputTrack:
    """Follows one output, in `unit`; `low`, `high` and `last` are of what was seen so far, inf, -inf and nan before.

    Plants keep their own; an `OutputRecord` gives it a clock, a name, and the rate that it may have.
    """

    __slots__ = (
        "_at",
        "_excess",
        "_excess_at",
        "_fall",
        "_fast_fall",
        "_fast_fall_at",
        "_high_at",
        "_jump_at",
        "_low_at",
        "_rest",
        "_rest_excess",
        "_rest_excess_at",
        "_rise",
        "changed",
        "high",
        "jump",
        "last",
        "low",
        "now",
        "rate",
        "rate_to_rest",
        "unit",
        "was_cut_off",
    )

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.now: Callable[[], float] = _before_there_is_a_table
        self.changed: Callable[[], None] = _nobody
        self.was_cut_off: Callable[[float, float], bool] = _never
        self.rate: float | None = None
        self.rate_to_rest: float | None = None
        self.low, self._low_at = math.inf, 0.0
        self.high, self._high_at = -math.inf, 0.0
        self.last = math.nan
        self.jump = self._jump_at = 0.0
        self._at = self._rise = self._fall = self._rest = 0.0
        self._excess = self._excess_at = 0.0
        self._fast_fall = self._fast_fall_at = 0.0  # not yet known whether it ends at rest
        self._rest_excess = self._rest_excess_at = 0.0

    def seen(self, value: float) -> None:
        """Note a value that nobody set at once, such as one that a closed loop took: how far, not how fast."""
        if value < self.low:
            self.low, self._low_at = value, self.now()
            self.changed()
        if value > self.high:
            self.high, self._high_at = value, self.now()
            self.changed()
        self.last = value

    def at(self, value: float) -> None:
        """Note that the output is at `value` from now on."""
        change = value - self.last
        if not self.low <= value <= self.high:
            self.seen(value)
        self.last = value
        if change > self.jump or -change > self.jump:
            self.jump, self._jump_at = abs(change), self.now()
            self.changed()
        if self.rate is not None:
            self._hold_against(self.rate, change, value)

    def begin_anew(self) -> None:
        """Count no change to the next value: what set the output lost its power, or was switched on."""
        self.last = math.nan
        self._rise = self._fall = self._rest = self._fast_fall = 0.0

    def _hold_against(self, rate: float, change: float, value: float) -> None:
        now = self.now()
        passed, self._at = now - self._at, now
        if math.isnan(change):
            return
        self._rise = max(0.0, max(0.0, self._rise - rate * passed) + change)
        self._fall = max(0.0, max(0.0, self._fall - rate * passed) - change)
        if self._rise > self._excess:
            self._excess, self._excess_at = self._rise, now
            self.changed()
        if self.rate_to_rest is not None:
            self._rest = max(0.0, max(0.0, self._rest - self.rate_to_rest * passed) - change)
            self._judge_fall(now, change, value)
        elif self._fall > self._excess:
            self._excess, self._excess_at = self._fall, now
            self.changed()

    def _judge_fall(self, now: float, change: float, value: float) -> None:
        """Count a fall for one to rest once it is there, and for another as soon as it turns round before."""
        if now - self._fast_fall_at > COMES_TO_REST_S and self._ended_for_a_fault():
            self._fast_fall = 0.0
        if self._fall > self._fast_fall:
            self._fast_fall, self._fast_fall_at = self._fall, now
        if self._rest > self._rest_excess:
            self._rest_excess, self._rest_excess_at = self._rest, now
            self.changed()
        if abs(value) < REST:
            self._fall = self._fast_fall = 0.0
        elif change > 0.0:
            if self._fast_fall > self._excess and not self._ended_for_a_fault():
                self._excess, self._excess_at = self._fast_fall, self._fast_fall_at
                self.changed()
            self._fast_fall = 0.0

    def _ended_for_a_fault(self) -> bool:
        """Return whether nobody could send the rest of the last fast fall: a fault came while it was on its way."""
        return self.was_cut_off(self._fast_fall_at, self._fast_fall_at + COMES_TO_REST_S)

    def output(self) -> Output:
        """Return what it did; a fall that should have come to rest by now counts as one that does not."""
        excess, excess_at = self._excess, self._excess_at
        is_late = self.now() - self._fast_fall_at > COMES_TO_REST_S
        if self._fast_fall > excess and is_late and not self._ended_for_a_fault():
            excess, excess_at = self._fast_fall, self._fast_fall_at
        return Output(
            self.unit,
            self.low,
            self._low_at,
            self.high,
            self._high_at,
            self.jump,
            self._jump_at,
            self.rate,
            excess,
            excess_at,
            self.rate_to_rest,
            self._rest_excess,
            self._rest_excess_at,
        )


class MoveTrack:
    """Follows the steps of one motor: those of each move, with their sign, and those of each hour of lab time."""

    def __init__(self) -> None:
        self.moves = OutputTrack("steps")
        self._of_move = 0
        self._hour = -1
        self._of_hour = 0
        self._most_per_hour = 0

    def begin(self) -> None:
        """Note that another move begins."""
        self._of_move = 0

    def step(self, steps: int) -> None:
        """Note `steps` more of this move; a move that turns round is another one."""
        if self._of_move * steps < 0:
            self._of_move = 0
        self._of_move += steps
        self.moves.seen(float(self._of_move))
        hour = int(self.moves.now() // SECONDS_PER_HOUR)
        self._of_hour = abs(steps) + (self._of_hour if hour == self._hour else 0)
        self._hour = hour
        self._most_per_hour = max(self._most_per_hour, self._of_hour)

    def output(self) -> Output:
        """Return the longest moves each way, and the steps of the busiest hour."""
        return Output(**(vars(self.moves.output()) | {"most_per_hour": float(self._most_per_hour)}))


class OutputRecord(Mapping[str, Output]):
    """The outputs of a table by name, those that were ever set. `watch`, if given, is told the name of each output that
    went further or faster than ever before; that happens seldom. `was_cut_off` says of an instrument whether a fault of
    its wire was there between two lab times."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.watch: Callable[[str], None] = _nobody_told
        self.was_cut_off: Callable[[str, float, float], bool] = _none_was
        self._now = now
        self._tracks: dict[str, OutputTrack | MoveTrack] = {}
        self._behind: dict[str, list[OutputTrack]] = {}

    def add(
        self,
        name: str,
        track: OutputTrack | MoveTrack,
        *,
        rate: float | None = None,
        rate_to_rest: float | None = None,
        instrument: str | None = None,
    ) -> None:
        """Follow an output, which an `instrument` sets, and hold it against a rate in its unit per s."""
        inner = track.moves if isinstance(track, MoveTrack) else track
        inner.now, inner.rate, inner.rate_to_rest = self._now, rate, rate_to_rest
        inner.changed = lambda: self.watch(name)
        self._tracks[name] = track
        if instrument is not None:
            inner.was_cut_off = lambda since, until: self.was_cut_off(instrument, since, until)
            self._behind.setdefault(instrument, []).append(inner)

    def kept(self, name: str, track: OutputTrack, *, instrument: str) -> OutputTrack:
        """Return what follows an output already, before its instrument woke up anew, or else `track`, added."""
        known = self._tracks.get(name)
        if isinstance(known, OutputTrack):
            return known
        self.add(name, track, instrument=instrument)
        return track

    def power_cycled(self, instrument: str) -> None:
        """Count no change of what this instrument drives as it wakes up: nobody asked for it."""
        for track in self._behind.get(instrument, ()):
            track.begin_anew()

    def __getitem__(self, name: str) -> Output:
        output = self._tracks[name].output()
        if math.isinf(output.lowest):
            raise KeyError(name)
        return output

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._tracks if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _before_there_is_a_table() -> float:
    return 0.0


def _nobody() -> None:
    return


def _never(since: float, until: float) -> bool:
    return False


def _none_was(instrument: str, since: float, until: float) -> bool:
    return False


def _nobody_told(name: str) -> None:
    return
