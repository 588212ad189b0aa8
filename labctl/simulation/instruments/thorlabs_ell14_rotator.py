"""One simulated ELL14 rotation mount: its commands, its motion in lab time, and what goes wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from labctl.simulation.ports import RotatorPort

DEGREES_PER_REVOLUTION = 360.0
TYPE = 14
TRAVEL_DEG = 360
YEAR = 2021
HARDWARE = 1

COMMUNICATION_TIMEOUT, MECHANICAL_TIMEOUT, UNKNOWN_COMMAND, VALUE_OUT_OF_RANGE, BUSY = 1, 2, 3, 4, 9

# The times below are of the order of what the mount does: a full turn takes a little less than a second.
FASTEST_DEG_PER_S = 430.0
START_S = 0.05
GIVE_UP_S = 1.5  # how long it pushes before it reports a mechanical timeout
FREQUENCY_SEARCH_S = 2.0
OPTIMISATION_S = 60.0

ENCODER_ERROR_PULSES = 2  # it stops within this much of its target
ONE_SIDED_SPREAD = 0.1  # rms of arrivals from one side, as a part of the bidirectional repeatability
HOME_OFFSET_DEG = 0.0
JOG_STEP_DEG = 5.0
MOTOR_FREQUENCY_HZ = 80_000.0
TIMER_HZ = 14.74e6
MOTOR_CURRENT_A = 0.4
CURRENT_DIGITS_PER_A = 1866


@dataclass(frozen=True)
class Imperfections:
    """How far a mount is from ideal.

    Probabilities are per motion to a position: to stop short with a mechanical timeout, and to stop short without a
    word. `repeatability_deg` is by how much arrivals from both sides differ. A motion that is asked for less than
    `hasty_s` after the one before goes to 0.
    """

    timeout_probability: float = 0.0
    shortfall_probability: float = 0.0
    repeatability_deg: float = 0.1
    hasty_s: float = 0.0


@dataclass(frozen=True)
class Turn:
    """A motion from one true angle to another between two lab times, and what is the case at its end."""

    from_deg: float
    to_deg: float
    starts_at: float
    ends_at: float
    count: int
    origin_deg: float
    reply: Callable[[], str]
    fault: int = 0

    def angle_at(self, now: float) -> float:
        """Return the true angle at lab time `now` (s)."""
        part = (now - self.starts_at) / (self.ends_at - self.starts_at)
        return self.from_deg + min(max(part, 0.0), 1.0) * (self.to_deg - self.from_deg)


class Fault(Exception):
    """A command that is answered with a status code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class RotatorUnit:
    """One mount at `address`. It wakes up where it is, at a random angle if nobody left it anywhere, and calls that 0;
    home it to know where it is."""

    def __init__(
        self,
        address: int,
        port: RotatorPort,
        rng: np.random.Generator,
        pulses_per_revolution: int,
        serial: str,
        imperfections: Imperfections,
    ) -> None:
        self.address = address
        self._port = port
        self._rng = rng
        self._pulses = pulses_per_revolution
        self._serial = serial
        self._imperfections = imperfections
        self.stuck = False
        self.busy = False
        anywhere_deg = float(rng.uniform(0.0, DEGREES_PER_REVOLUTION))
        left_at_deg = port.left_at_deg()
        self._origin_deg = anywhere_deg if left_at_deg is None else left_at_deg
        self._angle_deg = self._origin_deg
        self._count = 0
        self._turn: Turn | None = None
        self._ended_at = -math.inf
        self._advanced_to = -math.inf
        self._latched = 0
        self._velocity_percent = 100
        self._jog_step = self._pulses_in(JOG_STEP_DEG)
        self._home_offset = self._pulses_in(HOME_OFFSET_DEG)
        self._periods = dict.fromkeys(("f1", "b1", "f2", "b2"), round(TIMER_HZ / MOTOR_FREQUENCY_HZ))
        self._commands: dict[str, Callable[[str], str | None]] = {
            "in": self._information,
            "gp": lambda _: self.position(),
            "ma": lambda digits: self._move_to(_signed(digits)),
            "mr": lambda digits: self._move_by(_signed(digits)),
            "fw": lambda _: self._move_by(self._jog_step),
            "bw": lambda _: self._move_by(-self._jog_step),
            "ho": self._home,
            "gj": lambda _: f"GJ{_word(self._jog_step)}",
            "sj": self._set_jog_step,
            "go": lambda _: f"HO{_word(self._home_offset)}",
            "so": self._set_home_offset,
            "gv": lambda _: f"GV{self._velocity_percent:02X}",
            "sv": self._set_velocity,
            "i1": lambda _: f"I1{self._motor('1')}",
            "i2": lambda _: f"I2{self._motor('2')}",
            **{name: partial(self._set_period, name) for name in self._periods},
            "s1": lambda _: self._occupy(FREQUENCY_SEARCH_S),
            "s2": lambda _: self._occupy(FREQUENCY_SEARCH_S),
            "om": lambda _: self._occupy(OPTIMISATION_S),
            "cm": lambda _: self._occupy(OPTIMISATION_S),
            "us": lambda _: "GS00",
            "ca": self._set_address,
            "st": lambda _: "GS00",
        }
        port.set_angle(self._angle_deg)

    @property
    def ends_at(self) -> float | None:
        """When the present motion ends, in s of lab time; None where it stands."""
        return self._turn.ends_at if self._turn else None

    def position(self) -> str:
        """Return the message that tells the position."""
        return f"PO{_word(self._count)}"

    def execute(self, name: str, digits: str) -> str | None:
        """Execute a command at the lab time last advanced to, and return its reply; None where that comes later."""
        if self.busy:
            return f"GS{BUSY:02X}"
        if self._turn is not None and name == "st":
            self._halt(self._turn)
        elif self._turn is not None:
            return f"GS{BUSY:02X}"
        if name == "gs":
            code, self._latched = self._latched, 0
            return f"GS{code:02X}"
        try:
            if name not in self._commands:
                raise Fault(UNKNOWN_COMMAND)
            return self._commands[name](digits)
        except Fault as fault:
            self._latched = fault.code
            return f"GS{fault.code:02X}"

    def latch(self, code: int) -> None:
        """Latch a fault until it is read."""
        self._latched = code

    def press_button(self) -> str | None:
        """Jog forwards as if somebody pressed the button; return the message that says so, None while it moves."""
        if self._turn is not None:
            return None
        self._begin(self._count + self._jog_step, self.button_message)
        return "BS00"

    def button_message(self) -> str:
        """Return the message that follows a move by the buttons."""
        return f"BO{_word(self._count)}"

    def advance(self, now: float) -> str | None:
        """Turn the mount to where it is at `now` (s); return the answer of a motion that has ended."""
        self._advanced_to = now = max(now, self._advanced_to)
        turn = self._turn
        if turn is None:
            return None
        self._show(turn.angle_at(now))
        if now < turn.ends_at:
            return None
        self._turn = None
        self._ended_at = turn.ends_at
        self._count, self._origin_deg = turn.count, turn.origin_deg
        self._latched = turn.fault or self._latched
        return turn.reply()

    def _halt(self, turn: Turn) -> None:
        moved_deg = self._angle_deg - turn.from_deg
        self._count += self._pulses_in(moved_deg)
        self._turn, self._ended_at = None, self._advanced_to

    # ---- motion ------------------------------------------------------------------------------------------------------

    def _move_to(self, target: int) -> None:
        if not 0 <= target <= self._pulses:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._begin(target, self.position)

    def _move_by(self, steps: int) -> None:
        if abs(steps) > self._pulses:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._begin(self._count + steps, self.position)

    def _begin(self, target: int, reply: Callable[[], str]) -> None:
        if self._advanced_to - self._ended_at < self._imperfections.hasty_s:
            target = 0
        chance, part = self._rng.random(), float(self._rng.uniform(0.2, 0.9))
        jams = chance < self._imperfections.timeout_probability
        is_short = jams or chance < self._imperfections.timeout_probability + self._imperfections.shortfall_probability
        reached = self._count + round((target - self._count) * (part if is_short else 1.0))
        reached += int(self._rng.integers(-ENCODER_ERROR_PULSES, ENCODER_ERROR_PULSES + 1))
        to_deg = self._origin_deg + self._degrees(reached) + self._play(reached - self._count)
        self._turn_to(
            to_deg,
            reached,
            self._origin_deg,
            self._mechanical_timeout if jams else reply,
            extra_s=GIVE_UP_S if jams else 0.0,
            fault=MECHANICAL_TIMEOUT if jams else 0,
        )

    def _home(self, direction: str) -> None:
        if direction not in "01":
            raise Fault(VALUE_OUT_OF_RANGE)
        sign = 1 if direction == "0" else -1
        home_deg = self._degrees(self._home_offset)
        way_deg = sign * ((sign * (home_deg - self._angle_deg)) % DEGREES_PER_REVOLUTION)
        error = int(self._rng.integers(-ENCODER_ERROR_PULSES, ENCODER_ERROR_PULSES + 1))
        # The origin is counted on from where the mount is, so that the way there is the way that it turns.
        origin_deg = self._angle_deg + way_deg
        to_deg = origin_deg + self._degrees(error) + self._play(sign)
        self._turn_to(to_deg, error, origin_deg, self.position)

    def _occupy(self, seconds: float) -> None:
        now = self._advanced_to
        self._turn = Turn(
            self._angle_deg,
            self._angle_deg,
            now,
            now + seconds,
            self._count,
            self._origin_deg,
            lambda: "GS00",
        )

    def _turn_to(
        self,
        to_deg: float,
        count: int,
        origin_deg: float,
        reply: Callable[[], str],
        extra_s: float = 0.0,
        fault: int = 0,
    ) -> None:
        now = self._advanced_to
        if self.stuck:
            to_deg, count, origin_deg = self._angle_deg, self._count, self._origin_deg
            reply, extra_s, fault = self._mechanical_timeout, GIVE_UP_S, MECHANICAL_TIMEOUT
        rate = FASTEST_DEG_PER_S * self._velocity_percent / 100
        ends_at = now + START_S + abs(to_deg - self._angle_deg) / rate + extra_s
        self._turn = Turn(self._angle_deg, to_deg, now, ends_at, count, origin_deg, reply, fault)

    @staticmethod
    def _mechanical_timeout() -> str:
        return f"GS{MECHANICAL_TIMEOUT:02X}"

    def _play(self, direction: int) -> float:
        """Return how far in degrees an arrival from `direction` lies beside what the encoder says."""
        repeatability = self._imperfections.repeatability_deg
        spread = float(self._rng.normal(0.0, ONE_SIDED_SPREAD))
        return repeatability * (math.copysign(0.5, direction) + spread)

    def _show(self, angle_deg: float) -> None:
        if angle_deg != self._angle_deg:
            self._angle_deg = angle_deg
            self._port.set_angle(angle_deg)

    def _degrees(self, count: int) -> float:
        return count / self._pulses * DEGREES_PER_REVOLUTION

    def _pulses_in(self, angle_deg: float) -> int:
        return round(angle_deg / DEGREES_PER_REVOLUTION * self._pulses)

    # ---- settings ----------------------------------------------------------------------------------------------------

    def _information(self, _: str) -> str:
        return f"IN{TYPE:02X}{self._serial}{YEAR:04d}17{HARDWARE:02X}{TRAVEL_DEG:04X}{_word(self._pulses)}"

    def _set_jog_step(self, digits: str) -> str:
        step = _signed(digits)
        if not 0 <= step <= self._pulses:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._jog_step = step
        return "GS00"

    def _set_home_offset(self, digits: str) -> str:
        offset = _signed(digits)
        if not 0 <= offset <= self._pulses:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._home_offset = offset
        return "GS00"

    def _set_velocity(self, digits: str) -> str:
        if not 1 <= int(digits, 16) <= 100:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._velocity_percent = int(digits, 16)
        return "GS00"

    def _set_period(self, name: str, digits: str) -> str:
        if int(digits, 16) == 0:
            raise Fault(VALUE_OUT_OF_RANGE)
        self._periods[name] = int(digits, 16)
        return "GS00"

    def _set_address(self, digit: str) -> str:
        self.address = int(digit, 16)
        return "GS00"

    def _motor(self, number: str) -> str:
        current = round(MOTOR_CURRENT_A * CURRENT_DIGITS_PER_A)
        return f"11{current:04X}FFFFFFFF{self._periods['f' + number]:04X}{self._periods['b' + number]:04X}"


def _signed(digits: str) -> int:
    word = int(digits, 16)
    return word - 2**32 if word >= 2**31 else word


def _word(count: int) -> str:
    return f"{count & 0xFFFFFFFF:08X}"
