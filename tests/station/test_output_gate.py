"""The law of the gate, one output at a time: where it may be, how fast it goes there, and what is counted as done."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.moves import Move, MoveKind
from labctl.errors import ConnectionLost, LimitError
from labctl.station.asking import asking
from labctl.station.gate import SWITCH, HourlyBudget, OutputGate, Rule, Slew
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

VOLTS = Limit("piezo a", 0.0, 150.0, "V", "[piezo_limits] maximum")
SIGNED = Limit("servo a", -10.0, 10.0, "V", "[loops.a] output_limit")
STEPS = Limit("mirror a", -100.0, 100.0, "steps", "[picomotor_limits] step")
SLEW = Slew(rate=2.0, free=1.0, unit="V", key="[piezo_limits] slew")
DOWN, STEP = MoveKind.LEVEL, MoveKind.STEP


class Hand:
    """A clock that somebody moves by hand."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def now(self) -> float:
        return self.time_s


class Gated:
    """A gate with one or two outputs, asked in short."""

    def __init__(self, **rules: Rule) -> None:
        self.clock, self.way = Hand(), RightOfWay()
        self.gate = OutputGate(self.clock, self.way)  # type: ignore[arg-type]
        self.gate.add({("box", name): rule for name, rule in rules.items()})
        self.here: dict[str, float] = {}

    def go(self, value: float, output: str = "a", kind: MoveKind = DOWN, after_s: float = 0.0) -> None:
        """Ask for a move so many seconds from now."""
        self.clock.time_s += after_s
        self.gate.permit("box", f"{output}={value}", [Move(output, value, kind)])
        self.here[output] = value if kind is DOWN else self.here.get(output, 0.0) + value

    def refuses(self, value: float, output: str = "a", kind: MoveKind = DOWN, after_s: float = 0.0) -> str:
        """Return why such a move is refused."""
        with pytest.raises(LimitError) as refusal:
            self.go(value, output, kind, after_s)
        return str(refusal.value)


def at(value: float, rule: Rule | None = None) -> Gated:
    """Return a gate whose output `a` has stood at `value` for ever; who asks is told where it was sent."""
    here = {"a": value}
    gated = Gated(a=replace(rule or Rule(VOLTS, SLEW), present=lambda: here["a"]))
    gated.here = here
    gated.go(value)
    return gated


# ---- where it may be ------------------------------------------------------------------------------------------------


def test_what_has_no_rule_is_not_moved_and_nobody_can_move_what_is_not_known() -> None:
    gated, told = Gated(a=Rule(VOLTS)), []
    gated.gate.on_refusal = told.append
    with asking("step lock_lo1"):
        refusal = gated.refuses(1.0, "b")
    assert refusal.startswith("No limit is known for b of box; nothing was sent.")
    assert "Asked for by step lock_lo1, with 'b=1.0' to box." in refusal
    assert "Only what the station file gives a role may be moved." in refusal
    assert "No limit is known for a of box" in gated.refuses(1.0, kind=MoveKind.UNKNOWN)
    assert len(told) == 2 and "Asked for by step lock_lo1" in told[0]
    gated.go(1.0)
    assert len(told) == 2


def test_the_limit_holds_and_of_several_moves_all_or_none_are_done() -> None:
    gated = Gated(a=Rule(VOLTS), b=Rule(VOLTS, present=lambda: 3.0))
    with pytest.raises(LimitError, match="151 V is outside 0 to 150 V") as refusal:
        gated.go(151.0)
    assert refusal.value.remedy == "The limit is [piezo_limits] maximum of the station file."
    with pytest.raises(LimitError):
        gated.gate.permit("box", "both", [Move("b", 140.0), Move("a", -1.0)])
    assert "is outside 0 to 150 V" in gated.refuses(147.5, "b", STEP)  # from 3 V, where it still is
    gated.go(146.5, "b", STEP)


def test_a_rule_is_given_once() -> None:
    gated = Gated(a=Rule(VOLTS))
    with pytest.raises(ValueError, match=r"rules already for \[\('box', 'a'\)\]"):
        gated.gate.add({("box", "a"): Rule(VOLTS)})
    assert SWITCH == (0.0, 1.0)
    gated.gate.add({("box", "b"): Rule(VOLTS)})
    gated.go(1.0, "b")


def test_a_value_that_may_not_be_had_now_is_refused_in_its_own_words() -> None:
    gated = Gated(a=Rule(VOLTS, unless=lambda value: "the oven is hot" if value > 5.0 else ""))
    gated.go(5.0)
    refusal = gated.refuses(5.1)
    assert refusal.startswith("piezo a: the oven is hot; nothing was sent.")
    assert "See [piezo_limits] maximum of the station file." in refusal


# ---- how fast -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_free_step_however_long_it_rested(sign: float) -> None:
    for after_s in (0.0, 0.5, 3.0):
        assert "Ramp it." in at(50.0).refuses(50.0 + sign * (1.0 + 1e-6), after_s=after_s)
        at(50.0).go(50.0 + sign, after_s=after_s)


def test_the_refusal_says_from_where_to_where_and_how_fast() -> None:
    assert (
        at(50.0)
        .refuses(55.0)
        .startswith("piezo a: from 50 V it may go to 49 to 51 V now, at 2 V/s, and not to 55 V; nothing was sent.")
    )


def test_many_small_steps_are_not_faster_than_one() -> None:
    gated = at(50.0)
    gated.go(51.0)
    assert "may go to 50 to 51 V now" in gated.refuses(51.1)
    gated.go(50.0)
    assert "may go to 50 to 51 V now" in gated.refuses(49.9)
    gated.go(51.0)
    assert "may go to 50 to 51.5 V now" in gated.refuses(51.6, after_s=0.25)
    gated.go(51.5)
    gated.go(50.5)
    assert "may go to 49.5 to 51.5 V now" in gated.refuses(49.4, after_s=0.5)


@given(st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(0.0, 0.5)), max_size=40))
def test_it_is_never_further_than_free_and_rate_allow_from_where_it_was_at_any_time(
    tries: list[tuple[float, float]],
) -> None:
    gated = at(75.0)
    left: list[tuple[float, float]] = []  # when it left each value, and the value
    here = 75.0
    for by, after_s in tries:
        gated.clock.time_s += after_s
        now, wanted = gated.clock.now(), here + by
        spare = min(SLEW.free + SLEW.rate * (now - at_s) - abs(wanted - was) for at_s, was in [*left, (now, here)])
        if abs(spare) < 1e-9:
            continue  # either answer is right
        if spare < 0.0:
            gated.refuses(wanted)
        else:
            gated.go(wanted)
            left.append((now, here))
            here = wanted


def test_what_the_instrument_rounds_does_not_count() -> None:
    rule = Rule(VOLTS, Slew(rate=2.0, free=1.0, resolution=0.01))
    for sign in (1.0, -1.0):
        at(50.0, rule).go(50.0 + sign * 1.00999)
        at(50.0, rule).refuses(50.0 + sign * 1.0101)


def test_where_it_is_is_asked_when_nobody_knows_and_after_every_doubt() -> None:
    gated = Gated(a=Rule(VOLTS, SLEW, present=lambda: 20.0), b=Rule(VOLTS, SLEW), c=Rule(VOLTS))
    gated.refuses(22.0)
    gated.go(21.0)
    assert "nobody knows where it is; nothing was sent. Set it" in gated.refuses(1.0, "b")
    gated.gate.doubt("another")
    assert "from 21 V" in gated.refuses(25.0)
    gated.gate.doubt("box")
    assert "from 20 V" in gated.refuses(25.0)
    gated.go(140.0, "c")  # without a slew it goes from anywhere


@pytest.mark.parametrize(("by_v", "counts"), [(1.009, False), (1.011, True), (-1.011, True)])
def test_an_output_that_others_moved_goes_on_from_there(by_v: float, counts: bool) -> None:
    gated = at(50.0, Rule(VOLTS, Slew(rate=2.0, free=1.0, resolution=0.01, unit="V")))
    gated.here["a"] += by_v
    told = gated.refuses(60.0)
    assert (f"from {50.0 + by_v:g} V" in told) == counts and ("from 50 V" in told) != counts
    if counts:
        gated.go(50.0 + 1.9 * by_v)


def test_steps_of_a_level_begin_where_it_was_sent() -> None:
    gated = at(50.0)
    gated.go(0.5, kind=STEP)
    assert "from 50.5 V" in gated.refuses(0.6, kind=STEP)
    gated.gate.permit("box", "to and on", [Move("a", 51.0), Move("a", -0.5, STEP)])
    assert "from 50.5 V" in gated.refuses(5.0, kind=STEP)


def test_while_it_may_jump_its_slew_does_not_count() -> None:
    free = [True]
    gated = Gated(a=Rule(VOLTS, SLEW, may_jump=lambda: free[0]))
    gated.go(150.0)
    gated.go(0.0)
    free.clear()
    free.append(False)
    assert "from 0 V it may go to -1 to 1 V" in gated.refuses(2.0)


def test_once_one_is_on_nobody_knows_where_the_other_is() -> None:
    closed = Rule(Limit("loop", 0.0, 1.0, "", ""), releases=("a",))
    gated = Gated(a=Rule(SIGNED, SLEW, present=lambda: 7.0), closed=closed)
    gated.go(7.5)
    gated.go(0.0, "closed")
    assert "from 7.5 V" in gated.refuses(0.0)
    gated.go(1.0, "closed")
    assert "from 7 V" in gated.refuses(0.0)


# ---- on the way to safe ---------------------------------------------------------------------------------------------

TO_SAFE = Slew(rate=2.0, free=1.0, rate_to_safe=20.0, unit="V")


def test_on_the_way_to_safe_it_may_be_faster_and_its_jumps_larger() -> None:
    gated = at(50.0, Rule(VOLTS, TO_SAFE))
    with gated.way.taken():
        assert "may go to 40 to 60 V now" in gated.refuses(39.9)
        gated.go(40.0)
        assert "may go to 38 to 50 V now" in gated.refuses(37.9, after_s=0.1)
        gated.go(38.0)
    gated.refuses(30.0)


def test_what_the_slower_law_allowed_before_does_not_hold_up_the_way_to_safe() -> None:
    gated = at(50.0, Rule(VOLTS, TO_SAFE))
    gated.go(51.0)
    with gated.way.taken():
        gated.go(41.0)
        assert "may go to 41 to" in gated.refuses(40.9)  # but what it did on this way holds


@pytest.mark.parametrize("rate_to_safe", [0.0, 1.0, 2.0])
def test_a_rate_to_safe_that_is_no_faster_changes_nothing(rate_to_safe: float) -> None:
    gated = at(50.0, Rule(VOLTS, Slew(2.0, 1.0, rate_to_safe=rate_to_safe, unit="V")))
    with gated.way.taken():
        assert "may go to 49 to 51 V now" in gated.refuses(48.9)


def test_without_a_rate_to_safe_it_is_that_of_other_ramps() -> None:
    gated = at(50.0, Rule(VOLTS, Slew(rate=0.5, free=1.0)))
    with gated.way.taken():
        assert "may go to 49 to 51 V now" in gated.refuses(48.9)


def test_the_way_to_rest_is_never_closed_for_want_of_knowledge() -> None:
    gated = Gated(a=Rule(VOLTS, TO_SAFE))
    gated.refuses(0.0)
    with gated.way.taken():
        gated.go(0.0)
        assert "is outside" in gated.refuses(-1.0)
        gated.go(10.0)
        assert "may go to 0 to 10 V" in gated.refuses(10.1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_was_found_beyond_its_limits_comes_back_on_the_way_to_rest_alone(sign: float) -> None:
    around = Limit("piezo a", -4.0, 4.0, "V", "[piezo_limits]")
    gated = Gated(a=Rule(around, Slew(1.0, 10.0, unit="V"), present=lambda: sign * 8.0))
    assert "is outside" in gated.refuses(sign * 7.5)
    with gated.way.taken():
        assert "is outside" in gated.refuses(sign * 8.0)
        assert "is outside" in gated.refuses(sign * 8.5)
        assert "is outside" in gated.refuses(sign * -4.5)
        gated.go(sign * 7.5)
        assert "is outside" in gated.refuses(sign * 7.5)
        gated.go(sign * 5.0)
        gated.go(0.0)
        assert "is outside" in gated.refuses(sign * 4.5)


def test_what_may_have_been_switched_off_since_is_asked_before_it_is_sent_on() -> None:
    asked: list[float] = []

    def confirm() -> None:
        asked.append(gated.clock.time_s)
        if len(asked) == 2:
            gated.gate.doubt("box")
            raise ConnectionLost("box", "was switched off")

    gated = Gated(a=Rule(VOLTS, SLEW, present=lambda: 0.0, confirm=confirm))
    gated.go(0.5)  # nobody knew where it was: that was asked
    assert asked == []
    gated.go(1.0, after_s=1.75)
    assert len(asked) == 1
    gated.go(1.5, after_s=1.5)
    assert len(asked) == 1
    with pytest.raises(ConnectionLost):
        gated.go(2.0, after_s=30.0)
    assert "from 0 V it may go to -1 to 1 V" in gated.refuses(2.0)


# ---- moved by steps -------------------------------------------------------------------------------------------------


def mirror(most: float = 150.0) -> Gated:
    return Gated(a=Rule(STEPS, by_steps=True, hourly=HourlyBudget(most, "[picomotor_limits] hourly")))


def test_steps_are_no_larger_than_one_may_be_and_have_no_place() -> None:
    gated = Gated(a=Rule(STEPS, by_steps=True))
    for _ in range(10):
        gated.go(100.0, kind=STEP)
        gated.go(-100.0, kind=STEP)
    assert "101 steps is outside -100 to 100 steps" in gated.refuses(101.0, kind=STEP)
    refusal = gated.refuses(5.0)
    assert refusal.startswith("mirror a: nobody knows how far it is to 5 steps; nothing was sent.")
    assert "Move it by steps." in refusal


def test_an_hour_has_its_budget_whichever_way_it_goes() -> None:
    gated = mirror()
    gated.go(-100.0, kind=STEP)
    gated.go(50.0, kind=STEP, after_s=600.0)
    refusal = gated.refuses(-1.0, kind=STEP)
    assert refusal.startswith("mirror a: 1 more after 150 in the last hour is above 150 steps; nothing was sent.")
    assert "raise [picomotor_limits] hourly of the station file" in refusal
    gated.refuses(1.0, kind=STEP, after_s=2999.0)
    gated.go(100.0, kind=STEP, after_s=1.0)  # an hour after the first
    gated.refuses(1.0, kind=STEP, after_s=599.0)
    gated.go(50.0, kind=STEP, after_s=1.0)
    gated.refuses(1.0, kind=STEP)


def test_steps_of_one_command_count_together_and_none_of_them_if_one_is_refused() -> None:
    gated = mirror()
    with pytest.raises(LimitError, match="60 more after 100"):
        gated.gate.permit("box", "two", [Move("a", 100.0, STEP), Move("a", 60.0, STEP)])
    gated.gate.permit("box", "two", [Move("a", 100.0, STEP), Move("a", -50.0, STEP)])
    gated.refuses(1.0, kind=STEP)


def test_every_output_has_a_budget_of_its_own() -> None:
    budget = HourlyBudget(150.0, "")
    gated = Gated(a=Rule(STEPS, by_steps=True, hourly=budget), b=Rule(STEPS, by_steps=True, hourly=budget))
    gated.gate.permit("box", "both", [Move("a", 100.0, STEP), Move("b", 100.0, STEP), Move("a", 50.0, STEP)])
    gated.refuses(1.0, kind=STEP)
    gated.go(50.0, "b", STEP)


def test_what_is_no_number_is_refused_everywhere() -> None:
    for gated, kind in ((at(50.0), DOWN), (at(50.0), STEP), (mirror(math.inf), STEP)):
        for value in (math.nan, math.inf, -math.inf):
            gated.refuses(value, kind=kind)
