"""The gate between a station and its instruments: every command that moves something passes it or is not sent.

It stands below the drivers, at their links, and reads what is about to go out. So it does not matter who asks, by which
role, driver or raw command: a procedure, a loop, a script, a screen, a client of the bus.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.moves import Move, MoveKind
from labctl.errors import LimitError
from labctl.station.asking import who_asks
from labctl.station.clock import Clock
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

HOUR_S: Final = 3600.0
SHORTEST_START_S: Final = 1.75  # no instrument is there again sooner after its power was cut
SWITCH: Final = (0.0, 1.0)
"""The range of what is off or on."""


@dataclass(frozen=True)
class Span:
    """Where an output may be at some time, after all that it did before."""

    lowest: float = -math.inf
    highest: float = math.inf

    def holds(self, value: float, resolution: float) -> bool:
        """Return whether `value` lies within, as far as the instrument can tell."""
        return self.lowest - resolution <= value <= self.highest + resolution


@dataclass(frozen=True)
class Slew:
    """How fast an output may go: it is never further than free + rate * t from where it was t s before, for any t.

    `rate_to_safe` is that towards 0 while the table is made safe, `resolution` what the instrument rounds to.
    """

    rate: float
    free: float
    resolution: float = 0.0
    rate_to_safe: float = 0.0
    unit: str = "V"
    key: str = ""

    def span(self, known: Known, now: float, *, to_safe: bool) -> Span:
        """Return where an output may be sent at lab time `now`."""
        faster = max(1.0, self.rate_to_safe / self.rate) if to_safe else 1.0
        reach, free = faster * self.rate * (now - known.at), faster * self.free
        # It stayed where it was until now: from there it may take one free step, however long it rested.
        return Span(
            max(known.span.lowest - reach, known.value - free), min(known.span.highest + reach, known.value + free)
        )


@dataclass(frozen=True)
class Known:
    """Where an output was sent last, when, within what, and whether on the way to rest."""

    value: float
    at: float
    span: Span = Span()
    to_safe: bool = False


@dataclass(frozen=True)
class HourlyBudget:
    """At most so much in any hour."""

    most: float
    key: str


@dataclass(frozen=True)
class Rule:
    """What one output may do.

    `limit` is where it may be, or how far it may go at once if it is moved `by_steps` from wherever it is. `present`
    asks where it is when nobody knows; `unless` is given a value and says why it may not be had now, "" where it may;
    while `may_jump` says so its slew does not count, if it is moved alone. Once it is on, nobody knows where those in
    `releases` are. `confirm` raises where its instrument was switched off since it was last sent somewhere; it is asked
    where that is so long ago that it could have been.
    """

    limit: Limit
    slew: Slew | None = None
    by_steps: bool = False
    hourly: HourlyBudget | None = None
    present: Callable[[], float] | None = None
    unless: Callable[[float], str] | None = None
    may_jump: Callable[[], bool] | None = None
    releases: tuple[str, ...] = ()
    confirm: Callable[[], None] | None = None


@dataclass
class _History:
    known: Known | None = None
    spent: deque[tuple[float, float]] = field(default_factory=deque)  # lab time and size of each step of the last hour


Rules = Iterator[tuple[tuple[str, str], Rule]]
"""Rules by instrument and output."""


class OutputGate:
    """The `Gate` of the drivers of one station: `rules` by instrument and output; what has no rule is not moved.

    What an instrument was sent is remembered, and forgotten by `doubt`, after an exchange that failed: whether the
    output moved is then asked of the instrument, before it is moved again.
    """

    def __init__(self, clock: Clock, way: RightOfWay) -> None:
        self._clock = clock
        self._way = way
        self._rules: dict[tuple[str, str], Rule] = {}
        self._histories: dict[tuple[str, str], _History] = {}
        self.on_refusal: Callable[[str], None] = lambda sentence: None

    def add(self, rules: Mapping[tuple[str, str], Rule]) -> None:
        """Let the outputs (instrument, name) of `rules` be moved as these say.

        Raises ValueError where there is a rule already: limits do not change while the table is in use.
        """
        if twice := self._rules.keys() & rules.keys():
            raise ValueError(f"there are rules already for {sorted(twice)}")
        self._rules.update(rules)
        self._histories.update({key: _History() for key in rules})

    def permit(self, instrument: str, command: str, moves: Sequence[Move]) -> None:
        """Return where all of `moves` may be done now, and count them as done.

        Raises `LimitError` that names limit, value and who asked, before anything is sent.
        """
        after: dict[tuple[str, str], Known] = {}
        steps: list[tuple[tuple[str, str], float]] = []
        alone = len({move.output for move in moves}) == 1
        try:
            for move in moves:
                key = (instrument, move.output)
                rule = self._rule_for(key, move)
                if rule.by_steps:
                    self._check_step(key, rule, move, steps)
                else:
                    after[key] = self._level(key, rule, move, after, alone=alone)
        except LimitError as refusal:
            told = LimitError(f"{refusal} Asked for by {who_asks()}, with {command.strip()[:60]!r} to {instrument}.")
            told.remedy = refusal.remedy
            self.on_refusal(str(told))
            raise told from None
        for key, known in after.items():
            self._histories[key].known = known
            for released in self._rules[key].releases if known.value else ():
                self._histories[instrument, released].known = None
        for key, size in steps:
            self._histories[key].spent.append((self._clock.now(), size))

    def doubt(self, instrument: str) -> None:
        """Forget where the outputs of an instrument are: an exchange with it failed, or it was away."""
        for (owner, _), history in self._histories.items():
            if owner == instrument:
                history.known = None

    def _rule_for(self, key: tuple[str, str], move: Move) -> Rule:
        rule = self._rules.get(key)
        if move.kind is MoveKind.UNKNOWN or rule is None:
            raise LimitError(
                f"No limit is known for {move.output} of {key[0]}; nothing was sent.",
                remedy="Only what the station file gives a role may be moved.",
            )
        return rule

    # ---- outputs that are sent somewhere ----------------------------------------------------------------------------

    def _level(
        self,
        key: tuple[str, str],
        rule: Rule,
        move: Move,
        after: Mapping[tuple[str, str], Known],
        *,
        alone: bool,
    ) -> Known:
        known = after.get(key) or self._histories[key].known
        if rule.confirm is not None and known is not None and self._clock.now() - known.at >= SHORTEST_START_S:
            rule.confirm()
        value = move.value
        if move.kind is MoveKind.STEP:
            value += self._where(rule, known)
        beyond_on_the_way_to_rest = self._way.is_taken and not rule.limit.allows(value)
        if not (beyond_on_the_way_to_rest and self._comes_back(rule, known, value)):
            rule.limit.check(value)
        if rule.unless is not None and (why := rule.unless(value)):
            raise LimitError(
                f"{rule.limit.what}: {why}; nothing was sent.", remedy=f"See {rule.limit.key} of the station file."
            )
        now = self._clock.now()
        # A command that moves something else too may switch this on before it jumps, or after.
        if rule.slew is None or (alone and rule.may_jump is not None and rule.may_jump()):
            return Known(value, now)
        return self._slewed(rule, rule.slew, known, value, now)

    def _comes_back(self, rule: Rule, known: Known | None, value: float) -> bool:
        """Return whether an output that somebody brought beyond its limits only comes nearer to rest."""
        here = self._where(rule, known)
        return math.copysign(1.0, value) == math.copysign(1.0, here) and abs(value) < abs(here)

    def _slewed(self, rule: Rule, slew: Slew, known: Known | None, value: float, now: float) -> Known:
        to_safe = self._way.is_taken
        if known is None:
            if to_safe:
                return Known(value, now)  # the way to rest is never closed for want of knowledge
            known = Known(self._where(rule, None), now)
        elif to_safe and not known.to_safe:
            known = Known(known.value, known.at)  # what the slower law let it do does not count on the way to rest
        span = slew.span(known, now, to_safe=to_safe)
        if not span.holds(value, slew.resolution) and (moved := self._moved_by_others(rule, slew, known)) is not None:
            known = Known(moved, now)
            span = slew.span(known, now, to_safe=to_safe)
        if not span.holds(value, slew.resolution):
            raise LimitError(
                f"{rule.limit.what}: from {known.value:.6g} {slew.unit} it may go to {span.lowest:.6g} to "
                f"{span.highest:.6g} {slew.unit} now, at {slew.rate:g} {slew.unit}/s, and not to {value:.6g} "
                f"{slew.unit}; nothing was sent.",
                remedy=f"Ramp it. The limit is {slew.key} of the station file.",
            )
        return Known(value, now, span, to_safe)

    @staticmethod
    def _moved_by_others(rule: Rule, slew: Slew, known: Known) -> float | None:
        """Return where an output is that others moved by more than a step; None where nobody did."""
        if rule.present is None:
            return None
        present = rule.present()
        return present if abs(present - known.value) > slew.free + slew.resolution else None

    @staticmethod
    def _where(rule: Rule, known: Known | None) -> float:
        if known is not None:
            return known.value
        if rule.present is None:
            raise LimitError(
                f"{rule.limit.what}: nobody knows where it is; nothing was sent.",
                remedy="Set it to a value before it is moved by a step.",
            )
        return rule.present()

    # ---- outputs that are moved by steps ----------------------------------------------------------------------------

    def _check_step(
        self, key: tuple[str, str], rule: Rule, move: Move, earlier: list[tuple[tuple[str, str], float]]
    ) -> None:
        if move.kind is not MoveKind.STEP:
            raise LimitError(
                f"{rule.limit.what}: nobody knows how far it is to {move.value:g} {rule.limit.unit}; nothing was sent.",
                remedy="Move it by steps.",
            )
        rule.limit.check(move.value)
        size = abs(move.value)
        if rule.hourly is not None:
            spent = self._histories[key].spent
            while spent and spent[0][0] <= self._clock.now() - HOUR_S:
                spent.popleft()
            before = math.fsum(size for _, size in spent) + math.fsum(size for other, size in earlier if other == key)
            if before + size > rule.hourly.most:
                raise LimitError(
                    f"{rule.limit.what}: {size:g} more after {before:g} in the last hour is above {rule.hourly.most:g} "
                    f"{rule.limit.unit}; nothing was sent.",
                    remedy=f"Wait, or raise {rule.hourly.key} of the station file.",
                )
        earlier.append((key, size))
