"""What all loops on a `Servo` share: closing without a bump and with a gain that rises, holding, taking over."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from labctl.errors import AnalysisRefused, LabError, LockError
from labctl.locks.loop import ActuatorState, Capabilities, Reading, Tolerance, Verdict
from labctl.locks.quality import judge
from labctl.locks.scan_look import ScanLook
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.station.clock import Clock, wait_out
from labctl.station.roles import Servo, ServoSetting

SETTLE_S: Final = 0.3
GAIN_RAMP: Final = (0.2, 0.35, 0.6, 1.0)  # of the final gain: bumpless, and each step is looked at
RAMP_S: Final = 0.1
LOOK_READINGS: Final = 25
LOOK_PERIOD_S: Final = 0.05
SAME_SETPOINT_V: Final = 3e-3
SAME_GAIN: Final = 3.0  # factor; gains follow slopes, and slopes follow the light
OPENED: Final = "The loop was opened."


class ServoLoop(ABC):
    """A loop on a servo that integrates towards a set point; `calibration` is what its gain and set point come from."""

    unit = "rad"
    tolerance: Tolerance

    def __init__(self, name: str, servo: Servo, clock: Clock, unity_gain_hz: float, capabilities: Capabilities) -> None:
        self.name = name
        self.servo = servo
        self.capabilities = capabilities
        self.scan_look: ScanLook | None = None
        self._clock = clock
        self._unity_gain_hz = unity_gain_hz

    # ---- what each kind of loop says ------------------------------------------------------------------------------

    @abstractmethod
    def read(self) -> Reading:
        """Look at the signals once."""

    @abstractmethod
    def _acquiring(self, reach: Reach) -> Acquisition:
        """Yield the steps of an acquisition; `acquisition` opens the loop where they fail."""

    @abstractmethod
    def _lock_point(self) -> ServoSetting | None:
        """Return set point and full gain by the calibration; None before there is one."""

    @abstractmethod
    def remembered(self) -> Mapping[str, float]:
        """Return the calibration."""

    @abstractmethod
    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""

    @property
    def period_v(self) -> float:
        """Return inf: no other lock point is as good."""
        return math.inf

    # ---- what they share --------------------------------------------------------------------------------------------

    def acquisition(self, reach: Reach = Reach.EVERYWHERE) -> Acquisition:
        """Return the steps to a closed loop; one that fails everywhere leaves it open, its output 0, and one that
        fails near the last place leaves it open there."""
        try:
            self.servo.hold()  # whatever it does now, and whoever changed it
            yield from self._acquiring(reach)
        except AnalysisRefused as refusal:
            self._let_go(reach)
            finding = str(refusal).removesuffix(refusal.remedy).rstrip()
            raise LockError(f"{self.name}: {finding}", remedy=refusal.remedy) from refusal
        except LockError:
            self._let_go(reach)
            raise

    def acquire(self, reach: Reach = Reach.EVERYWHERE) -> Verdict:
        """Lock, waiting for every step, and return the verdict of the look afterwards. Raises `LockError`."""
        for step in self.acquisition(reach):
            wait_out(self._clock, step.wait_s)
        verdict = self.verify()
        if not verdict.locked:
            self._let_go(reach)
            raise LockError(verdict.reason, remedy=OPENED)
        return verdict

    def verify(self) -> Verdict:
        """Judge the loop from a window of readings taken now."""
        if not self.remembered():
            return Verdict(False, f"{self.name}: never calibrated.")
        readings = []
        for _ in range(LOOK_READINGS):
            readings.append(self.read())
            self._clock.sleep(LOOK_PERIOD_S)
        return judge(self.name, self.unit, self.tolerance, readings, self._closer_look())

    def confirm(self) -> Verdict:
        """Look closer at a loop whose readings are bad: locked where only the light has changed."""
        self.servo.forget_conditions()  # a rail that it touched long ago is no news
        return judge(self.name, self.unit, self.tolerance, [self.read()], self._closer_look())

    def actuator(self) -> ActuatorState:
        """Look at the output: one question, so the servo is taken for closed as it was told to be."""
        limit_v = self.servo.output_limit_v
        return ActuatorState(self._clock.now(), True, self.servo.output_v(), -limit_v, limit_v)

    def _closer_look(self) -> ActuatorState:
        state, limit_v = self.servo.state(), self.servo.output_limit_v
        return ActuatorState(
            self._clock.now(), state.closed, state.output_v, -limit_v, limit_v, state.at_limit, state.overloaded
        )

    def step(self) -> None:
        """Nothing: the servo keeps the loop."""
        return

    def hold(self) -> None:
        """Open the loop where it is."""
        self.servo.hold()

    def coast(self, output_v: float) -> None:
        """Move the output of a loop that is held, within its limits."""
        limit_v = self.servo.output_limit_v
        self.servo.set_output(min(max(output_v, -limit_v), limit_v))

    def release(self) -> None:
        """Open the loop, its output 0."""
        self.servo.set_output(0.0)

    def unwinding(self, output_v: float) -> Acquisition:
        """Refuse: the next lock point is not as good, or out of reach. Raises `LockError`."""
        raise LockError(
            f"{self.name}: has no other lock point in reach.", remedy="Move its range: bias or temperature."
        )

    def adopt(self) -> bool:
        """Take over a servo that is closed with our set point and sign, without opening it."""
        if self.not_as_left():
            return False
        self.servo.adopt()
        return True

    def not_as_left(self) -> str:
        """Return in a sentence why the servo is not closed as this program closes it, "" where it is; changes
        nothing."""
        expected, found = self._lock_point(), self.servo.setting()
        if found is None:
            return "Its servo is closed, but not set up as labctl does." if self.servo.state().closed else "It is open."
        if expected is None:
            return "Its servo is closed, but labctl remembers no calibration of it."
        if abs(found.setpoint_v - expected.setpoint_v) > SAME_SETPOINT_V:
            return f"Its set point is {found.setpoint_v:+.3f} V; its calibration says {expected.setpoint_v:+.3f} V."
        gain = found.integral_gain_per_s / expected.integral_gain_per_s
        if not 1.0 / SAME_GAIN < gain < SAME_GAIN:
            return f"Its gain is {gain:.3g} times what its calibration says."
        return ""

    def _close(self, point: ServoSetting, *, at_once: bool = False) -> Iterator[Step]:
        """Close at low gain from the present output on, and raise the gain step by step while the loop holds; or `at
        once` at full gain, where it held with it a moment ago."""
        self.servo.forget_conditions()  # those of earlier are not of this lock
        if at_once:
            self.servo.close_loop(point.setpoint_v, point.integral_gain_per_s)
            yield Step(LockState.ENGAGE, SETTLE_S)
            self._require_engaged()
            return
        for share in GAIN_RAMP:
            self.servo.close_loop(point.setpoint_v, share * point.integral_gain_per_s)
            if share == GAIN_RAMP[0]:
                yield Step(LockState.ENGAGE, SETTLE_S)
                self._require_engaged()
                yield Step(LockState.VERIFY)
            else:
                yield Step(LockState.TIGHTEN, RAMP_S)
        yield Step(LockState.TIGHTEN, SETTLE_S)

    def _require_engaged(self) -> None:
        """Raise `LockError` where the loop did not take hold at low gain; nothing to see by default."""
        return

    def _gain_for(self, slope_v_per_v: float) -> float:
        """Return the integral gain for the wanted unity gain at this slope, V of signal per V of output."""
        return 2.0 * math.pi * self._unity_gain_hz / slope_v_per_v

    def _let_go(self, reach: Reach) -> None:
        with suppress(LabError):  # the error that brought us here is the one to tell
            if reach is Reach.EVERYWHERE:
                self.servo.set_output(0.0)
            else:
                self.servo.hold()
