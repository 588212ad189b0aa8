"""Several sequences of commands at once, in one thread: each goes on when its wait is over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from labctl.errors import LabError
from labctl.station.clock import Clock, wait_out


@dataclass(frozen=True)
class Reply:
    """A reply is under way and takes about `after_s`; with `alone` nobody else uses its wire meanwhile, see `Wire`."""

    after_s: float = 0.0
    alone: bool = False


Turns = Generator[float | Reply, None, None]
"""What is done in turns, all in one thread, for it may hold an instrument meanwhile. Between two turns it yields how
long it has to wait, in s, or the reply that it waits for: no periodic task of the clock runs then, for it might use the
same wire."""

LAST: Final = math.inf
"""Wait until none of the others has anything left to do, but those that wait for the last themselves."""


def take_turns(clock: Clock, lanes: Sequence[Iterable[Turns]]) -> None:
    """Run all of `lanes` to their ends. Of those whose waits are over the first lane goes first, and within a lane who
    waited longest: slow wires come last, so that the others use theirs in time."""
    numbers = itertools.count()
    began_at = clock.now()
    waiting = [_Waiting(began_at, rank, next(numbers), turns) for rank, lane in enumerate(lanes) for turns in lane]
    try:
        while waiting:
            following = _following(waiting, clock.now())
            if not following.for_reply and math.isfinite(following.until):
                wait_out(clock, following.until - clock.now())
            said = next(following.turns, None)
            waiting.remove(following)
            if said is not None:
                for_reply = isinstance(said, Reply)
                until = clock.now() + (said.after_s if isinstance(said, Reply) else said)
                waiting.append(_Waiting(until, following.rank, next(numbers), following.turns, for_reply))
    finally:
        for one in waiting:  # of an interrupt: what they hold is let go in the thread that holds it
            one.turns.close()


@dataclass(frozen=True, eq=False)
class _Waiting:
    until: float
    rank: int
    number: int
    turns: Turns
    for_reply: bool = False


def _following(waiting: Sequence[_Waiting], now: float) -> _Waiting:
    ready = [one for one in waiting if one.until <= now]
    if ready:
        return min(ready, key=lambda one: (one.rank, one.until, one.number))
    # While a reply is under way nobody else's wait lets time pass: a periodic task might use the same wire.
    return min(waiting, key=lambda one: (not one.for_reply, one.until, one.number))


def whole(action: Callable[[], object]) -> Turns:
    """Do `action` in the first turn, which is the only one."""
    action()
    yield from ()


class Wire:
    """The way to one instrument, which several sequences use in turns.

    While a reply is under way that has to be `alone`, none of the others talks to the instrument. Once the instrument
    was silent they wait for the last, so that it delays nobody behind another one; then it is asked once, by `answers`,
    whether it is there.
    """

    def __init__(self, answers: Callable[[], object]) -> None:
        self._answers = answers
        self._under_way: Reply | None = None
        self._was_silent = False
        self._away: LabError | None = None

    def doubt(self) -> None:
        """Note that the instrument was silent."""
        self._was_silent = True

    def guard(self, turns: Turns) -> Turns:
        """Return `turns` with this wire between them and the instrument. Raises what the instrument raised where it is
        away."""
        with closing(turns):
            while True:
                while self._under_way is not None:
                    yield self._under_way  # asked later, so it is waited for longer than by whom it is for
                yield from self._make_sure()
                said = next(turns, None)
                while isinstance(said, Reply) and said.alone:
                    self._under_way = Reply(said.after_s)
                    try:
                        yield said
                    finally:
                        self._under_way = None
                    said = next(turns, None)
                if said is None:
                    return
                yield said

    def _make_sure(self) -> Turns:
        if self._was_silent and self._away is None:
            yield LAST
        if self._was_silent and self._away is None:  # nobody else asked meanwhile
            self._was_silent = False
            try:
                self._answers()
            except LabError as error:
                self._away = error
        if self._away is not None:
            raise self._away
