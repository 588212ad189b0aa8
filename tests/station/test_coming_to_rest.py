"""The turns of a servo and of a piezo on their way to rest: what is asked, sent and waited for, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from labctl.station.bindings.coming_to_rest import largest_servo_step_v, piezo_to_rest, servo_to_rest
from labctl.station.bindings.piezo import RAMP_STEP_S
from labctl.station.taking_turns import Reply, Turns


@dataclass
class Instrument:
    """Notes what a turn does, and whether somebody else could talk in between."""

    done: list[Any] = field(default_factory=list)
    is_held: bool = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.is_held = True
        yield
        self.is_held = False

    def did(self, *what: Any) -> None:
        assert self.is_held
        self.done.append(what if len(what) > 1 else what[0])


@dataclass
class Servo:
    """A servo at 5 V."""

    mainframe: Instrument

    def ask_output(self) -> None:
        self.mainframe.did("asked")

    def told_output(self) -> float:
        self.mainframe.did("told")
        return 5.0

    def step_to_rest(self, from_v: float, largest_step_v: float) -> float:
        self.mainframe.did("step", from_v, largest_step_v)
        return max(0.0, from_v - largest_step_v)

    def told_taken(self) -> None:
        self.mainframe.did("taken")


@dataclass
class Piezo:
    """A piezo whose way to rest starts at `start_v`, and the clock of its table."""

    amplifier: Instrument
    start_v: float
    set_point_is_known: bool = True
    time_s: float = 100.0
    on_the_wire_s: float = 0.01

    def now(self) -> float:
        return self.time_s

    def start_to_rest(self, volts: float, *, external_is_known: bool) -> float:
        self.amplifier.did("start", volts, external_is_known)
        return self.start_v

    def send_step(self, volts: float) -> None:
        self.amplifier.did("sent", pytest.approx(volts))

    def told_taken(self) -> None:
        self.time_s += self.on_the_wire_s
        self.amplifier.did("taken")

    def come_to_rest(self, volts: float) -> None:
        self.amplifier.did("rest", volts)


def turned(turns: Turns, instrument: Instrument) -> list[Any]:
    """Return what was done and, in between, what was waited for."""
    for wait in turns:
        instrument.did(wait)
    assert not instrument.is_held
    return instrument.done


def test_a_servo_is_asked_waits_for_the_dark_and_comes_down_in_steps() -> None:
    servo, said = Servo(Instrument()), []

    def until_dark() -> Turns:
        servo.mainframe.did("light off")
        yield 0.3

    turns = servo_to_rest(servo, 2.0, until_dark, lambda: said.append(list(servo.mainframe.done)))  # type: ignore[arg-type]
    done = turned(turns, servo.mainframe)
    before = ["asked", Reply(15e-3), "told", "light off", 0.3, ("step", 5.0, 2.0)]
    assert done == [
        *before,
        *(2.0 / 20.0, ("step", 3.0, 2.0)),
        *(2.0 / 20.0, ("step", 1.0, 2.0)),
        *(Reply(15e-3), "taken"),
    ]
    assert said == [before]  # told once, after the loop was opened by the first step and before the next


def way_to_rest(piezo: Piezo, *, external_is_known: bool = True) -> list[Any]:
    """Return what a piezo does whose ramps go 4 V a step."""
    turns = piezo_to_rest(piezo, 4.0 / RAMP_STEP_S, piezo, external_is_known=external_is_known)  # type: ignore[arg-type]
    return turned(turns, piezo.amplifier)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_piezo_comes_down_in_equal_steps_none_larger_than_a_ramp_makes(sign: float) -> None:
    done = way_to_rest(Piezo(Instrument(), sign * 10.0))
    waits = [Reply(7e-3, alone=True), "taken", pytest.approx(RAMP_STEP_S - 0.01)]
    assert done == [
        ("start", 0.0, True),
        *(("sent", sign * 20.0 / 3.0), *waits),
        *(("sent", sign * 10.0 / 3.0), *waits),
        ("rest", 0.0),
    ]


def test_where_a_start_was_measured_it_is_put_out_first() -> None:
    done = way_to_rest(Piezo(Instrument(), 8.0, set_point_is_known=False), external_is_known=False)
    assert done[0] == ("start", 0.0, False)
    assert [what for what in done if isinstance(what, tuple)][1:] == [("sent", 8.0), ("sent", 4.0), ("rest", 0.0)]


def test_where_rest_was_measured_it_is_put_out_too() -> None:
    done = way_to_rest(Piezo(Instrument(), 0.0, set_point_is_known=False))
    assert [what for what in done if isinstance(what, tuple)][1:] == [("sent", 0.0), ("rest", 0.0)]


@pytest.mark.parametrize("start_v", [0.0, 3.9, 4.0])
def test_a_piezo_that_is_near_rest_needs_one_step(start_v: float) -> None:
    assert way_to_rest(Piezo(Instrument(), start_v)) == [("start", 0.0, True), ("rest", 0.0)]


def test_a_slow_wire_is_not_waited_for_once_more() -> None:
    done = way_to_rest(Piezo(Instrument(), 5.0, on_the_wire_s=2.0 * RAMP_STEP_S))
    assert done == [("start", 0.0, True), ("sent", 2.5), Reply(7e-3, alone=True), "taken", 0.0, ("rest", 0.0)]


def test_the_largest_step_of_a_servo_is_that_of_a_ramp_of_its_piezo_or_a_jump() -> None:
    assert largest_servo_step_v(200.0, 2.0) == pytest.approx(200.0 * RAMP_STEP_S / 2.0)
    assert largest_servo_step_v(1e-3, 15.0) == 0.5
    assert math.isfinite(largest_servo_step_v(0.0, 1.0))
