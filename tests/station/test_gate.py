"""The gate: what may be moved, how far, how fast, how often, and what is said of what may not."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.moves import Move, MoveKind, unknown_move
from labctl.errors import LimitError
from labctl.station.asking import asking, who_asks
from labctl.station.gate import HOUR_S, HourlyBudget, OutputGate, Rule, Slew
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

RATE, FREE, TO_SAFE, RESOLUTION = 50.0, 5.0, 300.0, 1e-3
LOW, HIGH = -10.0, 150.0
ASKED = "xvoltage=?"


class HandClock:
    """A clock that goes on when it is told to."""

    concurrent = False

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


class Bench:
    """A gate with one output of each kind."""

    def __init__(self) -> None:
        self.clock, self.way = HandClock(), RightOfWay()
        self.gate = OutputGate(self.clock, self.way)  # type: ignore[arg-type]
        self.here, self.why, self.asked = 20.0, "", 0  # as if all outputs were one
        self.jumps = False
        limit = Limit("piezo lo1", LOW, HIGH, "V", "[piezo_limits] minimum and maximum")
        slew = Slew(RATE, FREE, RESOLUTION, TO_SAFE, "V", "[piezo_limits] slew")
        step = Limit("pitch of mirror sensor1", -2000, 2000, "steps", "[mirror_limits] steps_per_move")
        switch = Limit("lo1 servo", 0.0, 1.0, "", "[loops.lo1]")
        self.gate.add(
            {
                ("piezo", "x.voltage"): Rule(limit, slew, present=self.present),
                ("piezo", "y.voltage"): Rule(limit, slew, present=self.present, may_jump=lambda: self.jumps),
                ("piezo", "z.level"): Rule(limit),
                ("motors", "axis_1"): Rule(step, by_steps=True, hourly=HourlyBudget(5000.0, "[mirror_limits]")),
                ("motors", "axis_2"): Rule(step, by_steps=True, hourly=HourlyBudget(5000.0, "[mirror_limits]")),
                ("servos", "closed"): Rule(switch, unless=lambda value: self.why if value else "", releases=("out",)),
                ("servos", "out"): Rule(limit, slew, present=self.present),
            }
        )

    def present(self) -> float:
        self.asked += 1
        return self.here

    def send(self, output: str, value: float, kind: MoveKind = MoveKind.LEVEL, instrument: str = "piezo") -> None:
        self.gate.permit(instrument, ASKED, [Move(output, value, kind)])
        if instrument == "piezo":
            self.here = self.here + value if kind is MoveKind.STEP else value

    def refused(self, output: str, value: float, kind: MoveKind = MoveKind.LEVEL, instrument: str = "piezo") -> str:
        with pytest.raises(LimitError) as caught:
            self.send(output, value, kind, instrument)
        return str(caught.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- what is known, and who asks ------------------------------------------------------------------------------------


def test_what_has_no_rule_and_what_nobody_can_read_is_not_moved(bench: Bench) -> None:
    assert "No limit is known for w.voltage of piezo" in bench.refused("w.voltage", 0.0)
    assert "No limit is known for x.voltage of piezo_b" in bench.refused("x.voltage", 0.0, instrument="piezo_b")
    with pytest.raises(LimitError, match="No limit is known for what 'RST' moves"):
        bench.gate.permit("piezo", "RST", unknown_move("RST"))
    assert "nothing was sent" in bench.refused("x.voltage", 20.0, MoveKind.UNKNOWN)


def test_a_refusal_names_limit_value_command_and_who_asked(bench: Bench) -> None:
    told: list[str] = []
    bench.gate.on_refusal = told.append
    with asking("step lock_lo1"):
        said = bench.refused("x.voltage", 151.0)
        assert who_asks() == "step lock_lo1"
    for part in ("piezo lo1", "151 V", "-10 to 150 V", "[piezo_limits] minimum and maximum", "step lock_lo1", ASKED):
        assert part in said
    assert told == [said]
    assert "thread MainThread" in bench.refused("x.voltage", -10.001)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(bench: Bench, value: float) -> None:
    for output, kind in (("x.voltage", MoveKind.LEVEL), ("z.level", MoveKind.LEVEL), ("z.level", MoveKind.STEP)):
        assert bench.refused(output, value, kind)
    assert bench.refused("axis_1", value, MoveKind.STEP, "motors")


def test_limits_do_not_change(bench: Bench) -> None:
    with pytest.raises(ValueError, match=re.escape("('piezo', 'x.voltage')")):
        bench.gate.add({("piezo", "x.voltage"): Rule(Limit("any", -1e6, 1e6, "V", ""))})


def test_a_command_of_several_moves_is_done_whole_or_not_at_all(bench: Bench) -> None:
    bench.send("z.level", 1.0)
    with pytest.raises(LimitError):
        bench.gate.permit("piezo", ASKED, [Move("z.level", 2.0), Move("x.voltage", 151.0)])
    bench.here = 20.0
    with pytest.raises(LimitError):
        bench.gate.permit("piezo", ASKED, [Move("x.voltage", 24.0), Move("x.voltage", 29.1)])
    bench.send("x.voltage", 20.0)  # neither counts as done
    bench.gate.permit("piezo", ASKED, [Move("x.voltage", 23.0), Move("x.voltage", 25.0)])
    assert bench.refused("x.voltage", 26.0)


# ---- slew -----------------------------------------------------------------------------------------------------------


def test_an_output_that_nobody_knows_is_asked_for_once(bench: Bench) -> None:
    assert "from 20 V it may go to 15 to 25 V now" in bench.refused("x.voltage", 25.01)
    bench.send("x.voltage", 25.0)
    asked = bench.asked
    bench.clock.at = 0.1
    bench.send("x.voltage", 30.0)
    assert bench.asked == asked
    bench.gate.doubt("motors")
    bench.send("x.voltage", 30.0)
    assert bench.asked == asked
    bench.gate.doubt("piezo")
    bench.here = 100.0
    assert bench.refused("x.voltage", 30.0)
    bench.send("x.voltage", 96.0)


def test_a_ramp_goes_at_the_rate_and_no_faster(bench: Bench) -> None:
    for number in range(1, 20):
        bench.send("x.voltage", 20.0 + FREE * number)
        assert bench.refused("x.voltage", 20.0 + FREE * number + 2.0 * RESOLUTION)
        bench.clock.at += FREE / RATE


def test_a_long_rest_allows_no_larger_step(bench: Bench) -> None:
    bench.send("x.voltage", 20.0)
    bench.clock.at = HOUR_S
    assert bench.refused("x.voltage", 20.0 + FREE + 2.0 * RESOLUTION)
    bench.send("x.voltage", 20.0 + FREE)


def test_what_somebody_moved_at_the_front_panel_is_moved_from_there(bench: Bench) -> None:
    bench.send("x.voltage", 20.0)
    bench.here = 20.0 + FREE  # as far as it may be misjudged
    assert bench.refused("x.voltage", 27.0)
    bench.here = 100.0
    assert "from 100 V" in bench.refused("x.voltage", 30.0)
    bench.send("x.voltage", 104.0)


def test_there_and_back_at_once_is_not_further_than_once(bench: Bench) -> None:
    for value in (25.0, 20.0, 25.0, 20.0, 15.0):
        if value == 15.0:  # 10 V below where it was a moment ago
            assert bench.refused("x.voltage", value)
        else:
            bench.send("x.voltage", value)


def test_an_output_that_is_off_may_jump_and_then_may_not(bench: Bench) -> None:
    bench.jumps = True
    bench.send("y.voltage", 120.0)
    bench.jumps = False
    assert bench.refused("y.voltage", 126.0)
    bench.send("y.voltage", 125.0)


def test_on_the_way_to_rest_it_goes_faster_and_from_anywhere(bench: Bench) -> None:
    bench.send("x.voltage", 25.0)
    with bench.way.taken():
        bench.send("x.voltage", -5.0)  # 30 V at once, whatever it did a moment ago
        assert bench.refused("x.voltage", -5.0 + FREE * TO_SAFE / RATE + 0.1)
        bench.gate.doubt("piezo")
        asked, bench.here = bench.asked, 149.0
        bench.send("x.voltage", 0.0)  # nobody is asked on the way to rest
        assert bench.asked == asked
    bench.clock.at += 1.0
    assert bench.refused("x.voltage", 6.0)


@given(
    moves=st.lists(st.tuples(st.floats(0.0, 0.3), st.floats(-30.0, 170.0), st.booleans()), min_size=1, max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_let_through_is_within_range_and_slew(moves: Sequence[tuple[float, float, bool]]) -> None:
    bench = Bench()
    let_through = [(0.0, bench.here)]
    for wait_s, value, relative in moves:
        bench.clock.at += wait_s
        last = let_through[-1][1]
        target = last + value / 10.0 if relative else value
        try:
            bench.send(
                "x.voltage", target - last if relative else target, MoveKind.STEP if relative else MoveKind.LEVEL
            )
        except LimitError:
            continue
        let_through.append((bench.clock.at, target))
    for later, (at, value) in enumerate(let_through):
        assert LOW <= value <= HIGH
        for before, from_value in let_through[:later]:
            assert abs(value - from_value) <= FREE + RATE * (at - before) + RESOLUTION + 1e-9


# ---- steps of motors ------------------------------------------------------------------------------------------------


def test_steps_are_bounded_for_a_move_and_for_an_hour(bench: Bench) -> None:
    assert "2001 steps is outside" in bench.refused("axis_1", 2001, MoveKind.STEP, "motors")
    assert "nobody knows how far" in bench.refused("axis_1", 100, MoveKind.LEVEL, "motors")
    bench.send("axis_1", 2000, MoveKind.STEP, "motors")
    bench.clock.at = 10.0
    bench.send("axis_1", -2000, MoveKind.STEP, "motors")
    said = bench.refused("axis_1", 1001, MoveKind.STEP, "motors")
    assert "1001 more after 4000 in the last hour is above 5000 steps" in said
    bench.send("axis_1", -1000, MoveKind.STEP, "motors")
    bench.send("axis_2", 2000, MoveKind.STEP, "motors")  # each axis for itself
    bench.clock.at = HOUR_S - 1e-3
    assert bench.refused("axis_1", 1, MoveKind.STEP, "motors")
    bench.clock.at = HOUR_S
    bench.send("axis_1", 2000, MoveKind.STEP, "motors")
    assert bench.refused("axis_1", 1, MoveKind.STEP, "motors")


def test_two_steps_in_one_line_count_both(bench: Bench) -> None:
    bench.gate.permit("motors", "MC", [Move("axis_1", 2000, MoveKind.STEP), Move("axis_1", -2000, MoveKind.STEP)])
    with pytest.raises(LimitError, match="after 4600 in the last hour"):
        bench.gate.permit("motors", "2", [Move("axis_1", 600, MoveKind.STEP), Move("axis_1", 401, MoveKind.STEP)])
    bench.gate.permit("motors", "2", [Move("axis_1", 600, MoveKind.STEP), Move("axis_1", 400, MoveKind.STEP)])


# ---- switches -------------------------------------------------------------------------------------------------------


def test_what_may_not_be_switched_on_now_can_be_switched_off(bench: Bench) -> None:
    bench.why = "its module would let the output go from -10 V to 10 V"
    assert bench.why in bench.refused("closed", 1.0, instrument="servos")
    bench.send("closed", 0.0, instrument="servos")
    bench.why = ""
    bench.send("closed", 1.0, instrument="servos")


def test_a_loop_that_is_closed_has_its_output_anywhere(bench: Bench) -> None:
    bench.send("out", 24.0, instrument="servos")
    bench.send("closed", 0.0, instrument="servos")
    assert bench.refused("out", 60.0, instrument="servos")
    bench.send("closed", 1.0, instrument="servos")
    bench.here = 60.0
    bench.send("out", 60.0, instrument="servos")
