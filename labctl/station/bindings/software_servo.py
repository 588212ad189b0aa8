"""A slow loop closed in software, through any DAC and ADC, behind the same role as a hardware servo."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import BadReply, LabError, LimitError
from labctl.station.bindings.biquad import Law, Memory, OutputLimits, advance, integrator
from labctl.station.clock import Clock, Registration, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay
from labctl.station.roles import ServoSetting, ServoState

DEADLINE_PERIODS: Final = 2.0  # where no deadline was given
MOST_LOST_STEPS: Final = 3
_ROUNDING: Final = 1e-9  # of times and voltages that were added up

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServoTiming:
    """How a loop was kept since it was closed: steps taken, steps that came later after the last one than the deadline,
    steps lost to a converter that did not answer, and the longest time between two steps, in s."""

    steps: int = 0
    late_steps: int = 0
    lost_steps: int = 0
    longest_gap_s: float = 0.0


class SoftwareServo:
    """The `Servo` role on any pair of converters: every `period_s` of the clock, one input becomes one output.

    `set_output` puts out volts, `read_input` returns volts; both may raise `LabError`. `present_v` is where the output
    is before this put anything out, or how to ask the converter for it. The output stays within +-`output_limit_v`, or
    comes back from beyond it, and changes by no more than `slew_v_per_s`, also while the loop is closed. `law` makes
    the controller from the integral gain.

    Closing goes on from the present output; opening leaves the output where it is. A late step integrates over one
    period, never over the gap. A step whose converter fails is left out, and after three in a row the loop opens:
    `problem` then says why. `state().overloaded` says that since the last look a step was late or lost, or that the
    input was beyond `input_limit_v`. `tell` is given a sentence when a step is late for the first time after the loop
    was closed, how many were when it is opened, and why it was where it opened itself. What moves the output or closes
    the loop raises `Stopped` once the table is made safe, see `way`.
    """

    def __init__(
        self,
        name: str,
        set_output: Callable[[float], None],
        read_input: Callable[[], float],
        clock: Clock,
        *,
        period_s: float,
        output_limit_v: float,
        slew_v_per_s: float,
        input_limit_v: float = math.inf,
        present_v: float | Callable[[], float] = 0.0,
        deadline_s: float | None = None,
        law: Law = integrator,
        key: str = "",
        tell: Callable[[str], None] = log.warning,
        way: RightOfWay | None = None,
    ) -> None:
        self.name = name
        self.problem = ""
        self._set_output = set_output
        self._read_input = read_input
        self._clock = clock
        self._period_s = period_s
        self._deadline_s = DEADLINE_PERIODS * period_s if deadline_s is None else deadline_s
        self._slew_v_per_s = slew_v_per_s
        self._tell = tell
        self._way = way or RightOfWay()
        self._limit = Limit(
            f"{name} servo output", -output_limit_v, output_limit_v, "V", key or f"[loops.{name}] output_limit"
        )
        self._limits = OutputLimits(-output_limit_v, output_limit_v, slew_v_per_s * period_s)
        self._input_limit_v = input_limit_v
        self._read_output = present_v if callable(present_v) else None
        self._output_v = None if callable(present_v) else self._limit.check(present_v)  # None: nobody looked yet
        self._put_at = -math.inf
        self._law = law
        self._lock = threading.RLock()
        self._closed = False
        self._registration: Registration | None = None
        self._section = law(0.0, period_s)
        self._memory = Memory.at_rest(0.0)
        self._setpoint_v = self._gain_per_s = 0.0
        self._last_step_at = clock.now()
        self._timing = ServoTiming()
        self._lost_in_a_row = 0
        self._was_overloaded = False
        self._was_at_limit = False
        if not self._section.integrates:
            raise ValueError("a law that does not integrate cannot be closed without a jump")

    @property
    def output_limit_v(self) -> float:
        """Return the largest magnitude of the output, in V."""
        return self._limit.high

    @property
    def timing(self) -> ServoTiming:
        """Return how the loop was kept since it was closed last."""
        return self._timing

    @property
    def closed(self) -> bool:
        """Return whether the loop is closed; nothing is asked of the converters."""
        return self._closed

    def output_v(self) -> float:
        """Return the output in V: as the converter says, or as it was put out last where it cannot be asked."""
        return self._present_v() if self._read_output is None else float(self._read_output())

    def asked_output_v(self) -> tuple[float, float]:
        """Return the output in V, see `output_v`, and 0: it is as old as that."""
        return self.output_v(), 0.0

    # ---- the loop is open -------------------------------------------------------------------------------------------

    def set_output(self, volts: float) -> None:
        """Open the loop and go to `volts`, no faster than the slew.

        Raises `LimitError` before anything moves.
        """
        self._limit.check(volts)
        begun = self._way.begin()
        self.hold()
        self._ramp_to(volts, begun)

    def end_soon(self) -> None:
        """Let no further step begin; waits for none that is under way, as `hold` does, which has to follow."""
        if (registration := self._registration) is not None:
            registration.cancel()

    def to_rest(self) -> Iterator[float]:
        """Open the loop and go to 0 V, no faster than the slew; yield how long the next step has to wait, in s."""
        self.hold()
        self.forget_output()  # nothing is trusted that this program did last
        yield from self._ramping(0.0, lambda: None)

    def forget_output(self) -> None:
        """Ask the converter before the next step, where it can be asked: somebody else has put something out."""
        with self._lock:
            if self._read_output is not None:
                self._output_v = None

    def sweep(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> NDArray[np.float64]:
        """Open the loop, put out each voltage and read at each; what is further than one step of the slew is ramped.

        Raises `LimitError` before anything moves.
        """
        return np.array(list(self.sweeping(outputs_v, read)))

    def sweeping(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> Iterator[float]:
        """Do what `sweep` does one voltage at a time."""
        for volts in (float(np.min(outputs_v)), float(np.max(outputs_v))):
            self._limit.check(volts)
        begun = self._way.begin()
        self.hold()
        for volts in outputs_v:
            self._ramp_to(float(volts), begun)
            yield read()

    def hold(self) -> None:
        """Open the loop where it is; nothing is put out once this has returned."""
        with self._lock:
            was_closed, self._closed = self._closed, False
            if self._registration is not None:
                self._registration.cancel()
                self._registration = None
            if was_closed and self._timing.late_steps > 1:
                timing = self._timing
                self._say(
                    f"{self.name}: {timing.late_steps} of {timing.steps} steps of its servo were late; the longest gap "
                    f"was {timing.longest_gap_s:.3g} s."
                )

    def _ramp_to(self, volts: float, begun: int) -> None:
        for wait_s in self._ramping(volts, lambda: self._way.check(begun)):
            wait_out(self._clock, wait_s)

    def _ramping(self, volts: float, check: Callable[[], None]) -> Iterator[float]:
        """Go to `volts`; yield how long the slew makes the next step wait, and `check` before each."""
        step, here = self._limits.step, self._present_v()
        while abs(volts - here) > step * (1 + _ROUNDING):
            here += math.copysign(step, volts - here)
            yield from self._putting_when_due(here, check)
        yield from self._putting_when_due(volts, check)

    def _putting_when_due(self, volts: float, check: Callable[[], None]) -> Iterator[float]:
        due = self._put_at + abs(volts - self._present_v()) / self._slew_v_per_s
        if due > self._clock.now():
            yield due - self._clock.now()
        with self._lock:
            check()
            self._put(volts)

    def _put(self, volts: float) -> None:
        with self._lock:
            self.forget_output()  # so that it is asked where it does not say that it took it
            self._set_output(volts)
            self._output_v = float(volts)
            self._put_at = self._clock.now()

    def _present_v(self) -> float:
        if self._output_v is None:
            assert self._read_output is not None
            self._output_v = float(self._read_output())
        return self._output_v

    # ---- the loop is closed -----------------------------------------------------------------------------------------

    def close_loop(self, setpoint_v: float, integral_gain_per_s: float) -> None:
        """Integrate (set point - measured) with this signed gain in 1/s, from the present output on.

        A loop that is closed already goes on with the new gain and set point, without a jump. Raises `LimitError` for
        what is no number, and what the input raises; the loop is then as it was.
        """
        if not (math.isfinite(setpoint_v) and math.isfinite(integral_gain_per_s)):
            raise LimitError(
                f"{self.name}: a set point of {setpoint_v:g} V and a gain of {integral_gain_per_s:g} 1/s make no loop.",
                remedy="Look at the signal that they were taken from.",
            )
        self._close_loop(setpoint_v, integral_gain_per_s, self._way.begin())

    def _close_loop(self, setpoint_v: float, integral_gain_per_s: float, begun: int) -> None:
        with self._lock:
            if (within := min(max(self._present_v(), self._limit.low), self._limit.high)) != self._present_v():
                self._ramp_to(within, begun)
            measured_v = self._measure()
            self._way.check(begun)
            self.hold()
            self._setpoint_v, self._gain_per_s = setpoint_v, integral_gain_per_s
            self._section = self._law(integral_gain_per_s, self._period_s)
            self._memory = Memory.at_rest(self._present_v(), setpoint_v - measured_v)
            self._timing = ServoTiming()
            self._lost_in_a_row = 0
            self._was_overloaded, self._was_at_limit = abs(measured_v) >= self._input_limit_v, False
            self.problem = ""
            self._last_step_at = self._clock.now()
            self._closed = True
            self._registration = self._clock.every(self._period_s, self._step, f"{self.name} servo")

    def hop(self, volts: float) -> None:
        """Open the loop, ramp to `volts` and close it as it was. Raises `LimitError` before anything moves."""
        self._limit.check(volts)
        begun = self._way.begin()
        self.hold()
        self._ramp_to(volts, begun)
        self._close_loop(self._setpoint_v, self._gain_per_s, begun)

    def forget_conditions(self) -> None:
        """Forget what happened to the input and at the limits."""
        with self._lock:
            self._was_overloaded = self._was_at_limit = False

    def setting(self) -> ServoSetting | None:
        """Return None: a loop of this program does not outlive it, so there is none to take over."""
        return None

    def adopt(self) -> None:
        """Nothing: see `setting`."""

    def state(self) -> ServoState:
        """Return the state, with a fresh reading of the input; raises what the input raises."""
        with self._lock:
            if self._registration is not None and self._registration.cancelled:
                self._give_up(f"its step failed ({self._registration.error})")
            error_v = self._setpoint_v - self._measure()
            stalled = self._closed and self._is_late(self._clock.now() - self._last_step_at)
            overloaded, at_limit = self._was_overloaded or stalled, self._was_at_limit or self._is_at_limit()
            self._was_overloaded = self._was_at_limit = False
            return ServoState(self._closed, self._present_v(), error_v, overloaded, at_limit)

    def _step(self) -> None:
        with self._lock:
            if not self._closed:
                return  # opened while this step waited for the lock
            self._watch_the_clock()
            try:
                error_v = self._setpoint_v - self._measure()
                memory = advance(self._section, self._limits_now(), self._memory, error_v)
                self._put(memory.y1)
            except LabError as error:
                self._lose_step(error)
                return
            self._memory = memory
            self._lost_in_a_row = 0
            self._was_at_limit |= self._is_at_limit()

    def _limits_now(self) -> OutputLimits:
        """Return what the output may do in this step: one that comes soon after a late one goes no further than the
        slew lets it since then."""
        since_s = self._clock.now() - self._put_at
        if since_s >= self._period_s:
            return self._limits
        return replace(self._limits, step=self._slew_v_per_s * since_s)

    def _watch_the_clock(self) -> None:
        now = self._clock.now()
        gap_s = now - self._last_step_at
        late = self._is_late(gap_s)
        before = self._timing
        self._timing = ServoTiming(
            before.steps + 1, before.late_steps + late, before.lost_steps, max(before.longest_gap_s, float(gap_s))
        )
        self._was_overloaded |= late
        self._last_step_at = now
        if late and not before.late_steps:
            self._say(
                f"{self.name}: a step of its servo came {gap_s:.3g} s after the last one; the deadline is "
                f"{self._deadline_s:.3g} s."
            )

    def _is_late(self, gap_s: float) -> bool:
        return bool(gap_s > self._deadline_s * (1 + _ROUNDING))

    def _lose_step(self, error: LabError) -> None:
        before = self._timing
        self._timing = ServoTiming(before.steps, before.late_steps, before.lost_steps + 1, before.longest_gap_s)
        self._was_overloaded = True
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= MOST_LOST_STEPS:
            self._give_up(str(error))

    def _give_up(self, reason: str) -> None:
        self.hold()
        self.problem = f"{self.name}: the loop was opened: {reason}"
        self._was_overloaded = True
        self._say(self.problem)

    def _say(self, sentence: str) -> None:
        with suppress(LabError):  # a record that cannot be written is told elsewhere, and must not open a loop
            self._tell(sentence)

    def _measure(self) -> float:
        volts = float(self._read_input())
        if not math.isfinite(volts):
            raise BadReply(self.name, f"its input reads {volts}", remedy="Check the converter and its cable.")
        if abs(volts) >= self._input_limit_v:
            self._was_overloaded = True
        return volts

    def _is_at_limit(self) -> bool:
        return abs(self._present_v()) >= self._limit.high
