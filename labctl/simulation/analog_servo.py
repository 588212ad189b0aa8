"""One analog servo module closed around a static plant: the loop as it looks on time scales slower than itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from labctl.simulation.acoustics import FREE_PATH_RAD
from labctl.simulation.loop_shape import MIRROR_PIEZO, Actuator, LoopShape
from labctl.simulation.output_record import OutputTrack
from labctl.simulation.ports import ServoConditions, ServoSettings

DIFFERENTIAL_RANGE_V = 1.0  # set point minus measured beyond this overloads the module
_MOST_SUBSTEPS = 2000
_STEPS_PER_STRUCTURE = 4.0
_SETTLED_TIME_CONSTANTS = 6.0
_MOST_TRACKED_TICKS = 10  # a settled loop is looked at anew this often: its signal may have gone
_SWING_TICKS = 20  # how often the amplitude of a loop that goes on swinging is found anew
_SWING_SINES = np.sin(2.0 * np.pi * (np.arange(24) + 0.5) / 24.0)
_SWING_GROWTH = 1.25


class AnalogServo:
    """Electronics and loop of one module; implements `ServoPort`.

    `plant` maps the output voltage to the voltage at the measure input with the slow state of the table frozen;
    `structure_v` is the output change over which it bends; `moved` is told every output that the loop really took.
    Dynamics: the output follows du/dt = P I (set point - y(u)), taken in steps shorter than the structure until it
    sits on a stable point, then it tracks. A wrong sign runs away to a limit or to the next point of the other slope,
    as it does on glass. Beyond the gain margin that resonance and delay of the actuator leave, the loop swings about
    its point with the amplitude at which the bent plant has just the critical slope (describing function), or from
    limit to limit.
    """

    def __init__(
        self,
        plant: Callable[[float], float],
        structure_v: float,
        noise_v: float,
        rng: np.random.Generator,
        actuator: Actuator = MIRROR_PIEZO,
        moved: Callable[[float], None] = lambda output_v: None,
    ) -> None:
        self.settings = ServoSettings()
        self.output_track = OutputTrack("V")
        self.open_tracks = (OutputTrack("V"), OutputTrack("V"))  # of an open loop: what is above 0 V, and what is below
        self.opening_track = OutputTrack("V")  # by how much the output jumped as the loop was opened
        self._actuator = actuator
        self._moved = moved
        self._shape: LoopShape | None = None  # of the present settings, once somebody needs it
        self._swing_v = 0.0
        self._swinging_ticks = 0
        self._plant = plant
        self._structure_v = structure_v
        self._noise_v = noise_v
        self._rng = rng
        self._output_v = 0.0
        self._error_v: float | None = None
        self._latched = ServoConditions()
        self._tracked_slope = 0.0  # of a settled loop; 0 when it is not
        self._tracked_ticks = 0

    def measured_volts(self) -> float:
        """Return the voltage at the measure input, in V, with its noise."""
        return self._plant(self._output_v + self.swing(self._rng)) + self._noise_v * float(self._rng.standard_normal())

    def output_volts(self) -> float:
        """Return the output, in V."""
        return self._output_v

    def swing_v(self) -> float:
        """Return the amplitude in V with which an unstable loop swings about its output; 0 for a good one."""
        return self._swing_v

    def swing(self, rng: np.random.Generator) -> float:
        """Return where in its swing the output is at a moment that nobody chose, in V from its mean."""
        return self._swing_v * math.sin(rng.uniform(0.0, 2.0 * math.pi)) if self._swing_v else 0.0

    def residual_rad(self) -> float:
        """Return the rms phase that the loop leaves of the noise of its path, in rad, without the swing."""
        if not self.settings.closed:
            return FREE_PATH_RAD
        slope = self._slope(self._output_v) * math.copysign(1.0, self.settings.proportional_gain)
        return self._loop_shape().residual_rad(slope)

    def apply(self, settings: ServoSettings) -> None:
        """Take new settings over; the output goes on from where it is unless the loop is open."""
        if settings != self.settings:
            self._shape = None
            self._swing_v = 0.0
        was_closed, before_v = self.settings.closed, self._output_v
        self.settings = settings
        self._tracked_slope = 0.0
        if not settings.closed:
            self._output_v = settings.manual_output_v
            self._swing_v = 0.0
        self._output_v = self._clamped(self._output_v)
        self.output_track.at(self._output_v)
        self._track_open_loop(was_closed, before_v)
        self._moved(self._output_v)

    def _track_open_loop(self, was_closed: bool, before_v: float) -> None:
        """Note what somebody told an open loop; what a closed one does by itself is no change of theirs."""
        for track, sign in zip(self.open_tracks, (1.0, -1.0), strict=True):
            if was_closed or self.settings.closed:
                track.begin_anew()
            track.at(max(0.0, sign * self._output_v))
        if was_closed and not self.settings.closed:
            self.opening_track.seen(self._output_v - before_v)

    def conditions(self) -> ServoConditions:
        """Return what is the case now."""
        error = self.settings.setpoint_v - self._plant(self._output_v)
        upper = self._output_v >= self.settings.upper_limit_v
        lower = self._output_v <= self.settings.lower_limit_v
        winding = self.settings.closed and self.settings.integral_on and (upper or lower)
        return ServoConditions(
            overload=abs(error) > DIFFERENTIAL_RANGE_V, upper_limit=upper, lower_limit=lower, anti_windup=winding
        )

    def latched(self) -> ServoConditions:
        """Return what happened since the last call and clear it."""
        seen = _either(self._latched, self.conditions())
        self._latched = ServoConditions()
        return seen

    def unity_gain_hz(self) -> float:
        """Return the unity-gain frequency of the closed loop, 0 when it is open or does not hold."""
        if not (self.settings.closed and self.settings.integral_on):
            return 0.0
        loop = self._integral_rate() * self._slope(self._output_v)
        return max(0.0, loop / (2.0 * np.pi))

    def advance(self, seconds: float) -> None:
        """Let the loop run for `seconds`."""
        if self.settings.closed:
            self._run(seconds)
            self._swing_v = self._settled_swing()
            output_v, swing_v, track = self._output_v, self._swing_v, self.output_track
            track.last = output_v
            if output_v - swing_v < track.low or output_v + swing_v > track.high:
                track.seen(self._clamped(output_v - swing_v))  # the module clips a swing that is too wide
                track.seen(self._clamped(output_v + swing_v))
                track.last = output_v
        self._moved(self._output_v)

    def _run(self, seconds: float) -> None:
        if not self.settings.integral_on:
            self._settle_proportional()
        elif not self._track(seconds):
            self._integrate(seconds)
        if self._error_v is not None and abs(self._error_v) > DIFFERENTIAL_RANGE_V:
            self._latched = _either(self._latched, ServoConditions(overload=True))
        if not self.settings.lower_limit_v < self._output_v < self.settings.upper_limit_v:
            self._latched = _either(self._latched, self.conditions())

    def _loop_shape(self) -> LoopShape:
        if self._shape is None:
            self._shape = LoopShape(self.settings, self._actuator)
        return self._shape

    def _settled_swing(self) -> float:
        """Return the amplitude at which the plant, seen by a sine, has just the critical slope; 0 when the loop is
        stable, and what the limits leave when no amplitude is small enough."""
        sign = math.copysign(1.0, self.settings.proportional_gain)
        # A settled loop knows its slope: at its own point, with the gain's sign.
        slope = self._tracked_slope or self._slope(self._output_v)
        critical = self._loop_shape().critical_slope
        if sign * slope <= critical:
            return 0.0
        self._swinging_ticks += 1
        if self._swing_v and self._swinging_ticks % _SWING_TICKS:
            return self._swing_v
        room_v = max(self.settings.upper_limit_v - self._output_v, self._output_v - self.settings.lower_limit_v)
        amplitude_v = 0.1 * self._structure_v
        while amplitude_v < room_v and sign * self._slope_seen_by_a_swing(amplitude_v) > critical:
            amplitude_v *= _SWING_GROWTH
        if amplitude_v >= room_v:
            self._latched = _either(self._latched, ServoConditions(upper_limit=True, lower_limit=True))
        return min(amplitude_v, room_v)

    def _slope_seen_by_a_swing(self, amplitude_v: float) -> float:
        inputs = [self._plant(self._clamped(self._output_v + amplitude_v * float(sine))) for sine in _SWING_SINES]
        return 2.0 * float(np.mean(np.array(inputs) * _SWING_SINES)) / amplitude_v

    def _integral_rate(self) -> float:
        return self.settings.proportional_gain * self.settings.integral_gain

    def _slope(self, output_v: float) -> float:
        step = 1e-3 * self._structure_v
        return (self._plant(output_v + step) - self._plant(output_v - step)) / (2.0 * step)

    def _clamped(self, output_v: float) -> float:
        return min(max(output_v, self.settings.lower_limit_v), self.settings.upper_limit_v)

    def _track(self, seconds: float) -> bool:
        """Follow a slow drift with two Newton steps; False when the loop has to be integrated."""
        if self._tracked_ticks >= _MOST_TRACKED_TICKS:
            self._tracked_slope, self._tracked_ticks = self._slope(self._output_v), 0
        slope = self._tracked_slope
        if self._integral_rate() * slope * seconds <= _SETTLED_TIME_CONSTANTS:
            self._tracked_slope = 0.0
            return False
        output_v = self._output_v
        error = self.settings.setpoint_v - self._plant(output_v)
        first = error / slope
        if abs(first) > self._structure_v:
            self._tracked_slope = 0.0
            return False
        output_v += first
        if abs(first) > self._structure_v / _STEPS_PER_STRUCTURE:
            second = (self.settings.setpoint_v - self._plant(output_v)) / slope
            if abs(second) > self._structure_v / _STEPS_PER_STRUCTURE:
                self._tracked_slope = 0.0
                return False
            output_v += second
        self._error_v = error
        self._output_v = self._clamped(output_v)
        self._tracked_ticks += 1
        return True

    def _integrate(self, seconds: float) -> None:
        rate = self._integral_rate()
        left = seconds
        longest = self._structure_v / _STEPS_PER_STRUCTURE
        for _ in range(_MOST_SUBSTEPS):
            error = self._error_v = self.settings.setpoint_v - self._plant(self._output_v)
            slope = self._slope(self._output_v)
            pull = rate * slope
            if pull > 0.0 and abs(error) < abs(slope) * longest:
                grow = 1.0 - np.exp(-min(pull * left, 50.0))
                self._output_v = self._clamped(self._output_v + error / slope * grow)
                if pull * left > _SETTLED_TIME_CONSTANTS:
                    self._polish()
                    self._tracked_slope, self._tracked_ticks = slope, 0
                return
            speed = rate * error
            if speed == 0.0:
                return
            move = np.sign(speed) * min(abs(speed) * left, longest)
            before = self._output_v
            self._output_v = self._clamped(before + move)
            left -= abs(move / speed)
            if left <= 0.0 or self._output_v == before:
                return

    def _polish(self) -> None:
        for _ in range(3):
            slope = self._slope(self._output_v)
            if slope == 0.0:
                return
            step = (self.settings.setpoint_v - self._plant(self._output_v)) / slope
            if abs(step) > self._structure_v:
                return
            self._output_v = self._clamped(self._output_v + step)

    def _settle_proportional(self) -> None:
        gain = self.settings.proportional_gain if self.settings.proportional_on else 0.0
        offset = self.settings.offset_v if self.settings.offset_on else 0.0
        error = self.settings.setpoint_v - self._plant(self._output_v)
        self._output_v = self._clamped(0.5 * (self._output_v + gain * error + offset))


def _either(a: ServoConditions, b: ServoConditions) -> ServoConditions:
    return ServoConditions(
        overload=a.overload or b.overload,
        upper_limit=a.upper_limit or b.upper_limit,
        lower_limit=a.lower_limit or b.lower_limit,
        anti_windup=a.anti_windup or b.anti_windup,
    )
