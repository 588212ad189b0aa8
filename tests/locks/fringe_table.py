"""A small fringe on a table of its own: one path, one servo, one detector, no wire. Fast enough for many locks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labctl.locks.homodyne import HomodyneLock
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.ports import ServoSettings
from labctl.simulation.slow_noise import OrnsteinUhlenbeck
from labctl.station.clock import SimulatedClock
from labctl.station.roles import ServoSetting, ServoState

TICK_S = 0.05
READING_S = 0.02  # what one step of a sweep takes on the wire
PROPORTIONAL = 0.1


@dataclass
class FringeTable:
    """Timebase, `Servo` and `Monitor` in one. Light on or off, path and piezo as they are given."""

    volts_per_pi: float = 1.0
    amplitude_v: float = 0.37
    offset_v: float = 0.01
    path_rad: float = 0.0
    bow_per_v: float = 0.01
    wander_rad: float = 1.2
    wander_s: float = 16.0
    noise_v: float = 0.5e-3
    shake_rad: float = 0.01
    limit_v: float = 4.5
    seed: int = 1
    lit: bool = True

    def __post_init__(self) -> None:
        self._now = 0.0
        self._ticks = 0
        rng = np.random.default_rng(self.seed)
        self._rng = np.random.default_rng([self.seed, 1])
        self._wander = OrnsteinUhlenbeck(rng, self.wander_rad, self.wander_s, TICK_S)
        self.servo = AnalogServo(self._level, self.volts_per_pi / 6.0, self.noise_v, rng)
        self.servo.apply(ServoSettings(closed=False))
        self.commands: list[tuple[str, float]] = []

    # ---- plant ------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._now

    def elapse(self, seconds: float) -> None:
        end = self._now + seconds
        while (self._ticks + 1) * TICK_S <= end + 1e-9:
            self._ticks += 1
            self._wander.advance()
            self.servo.advance(TICK_S)
        self._now = end

    def phase_rad(self, output_v: float) -> float:
        bow = 1.0 + self.bow_per_v * output_v
        return self.path_rad + self._wander.value + math.pi * output_v * bow / self.volts_per_pi

    def from_quadrature_rad(self, quadrature: int) -> float:
        phase = self.phase_rad(self.servo.output_volts())
        return math.remainder(phase - quadrature * math.pi / 2.0, 2.0 * math.pi)

    def _level(self, output_v: float) -> float:
        return self.offset_v + self.lit * self.amplitude_v * math.cos(self.phase_rad(output_v))

    # ---- `Monitor` --------------------------------------------------------------------------------------------------

    def volts(self) -> float:
        shake = self.shake_rad * float(self._rng.standard_normal())
        phase = self.phase_rad(self.servo.output_volts()) + shake
        signal = self.offset_v + self.lit * self.amplitude_v * math.cos(phase)
        return signal + self.noise_v * float(self._rng.standard_normal())

    # ---- `Servo` ----------------------------------------------------------------------------------------------------

    @property
    def output_limit_v(self) -> float:
        return self.limit_v

    def set_output(self, volts: float) -> None:
        self.commands.append(("set_output", volts))
        self.servo.apply(self._settings(closed=False, manual_output_v=volts))
        self.elapse(READING_S)

    def sweep(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> NDArray[np.float64]:
        return np.array(list(self.sweeping(outputs_v, read)))

    def sweeping(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> Iterator[float]:
        for volts in outputs_v:
            self.set_output(float(volts))
            yield read()

    def hop(self, volts: float) -> None:
        settings = self.servo.settings
        self.set_output(volts)
        self.servo.apply(settings)

    def output_v(self) -> float:
        return self.servo.output_volts()

    def forget_conditions(self) -> None:
        self.servo.latched()

    def setting(self) -> ServoSetting | None:
        settings = self.servo.settings
        if not settings.closed:
            return None
        return ServoSetting(settings.setpoint_v, settings.proportional_gain * settings.integral_gain)

    def adopt(self) -> None:
        self.commands.append(("adopt", 0.0))

    def hold(self) -> None:
        self.servo.apply(self._settings(closed=False, manual_output_v=self.servo.output_volts()))

    def close_loop(self, setpoint_v: float, integral_gain_per_s: float) -> None:
        self.commands.append(("close_loop", integral_gain_per_s))
        self.servo.apply(
            self._settings(
                proportional_gain=math.copysign(PROPORTIONAL, integral_gain_per_s),
                integral_gain=abs(integral_gain_per_s) / PROPORTIONAL,
                integral_on=True,
                proportional_on=False,
                setpoint_v=setpoint_v,
            )
        )

    def state(self) -> ServoState:
        seen = self.servo.latched()
        return ServoState(
            closed=self.servo.settings.closed,
            output_v=self.servo.output_volts(),
            error_v=self.servo.settings.setpoint_v - self.servo.measured_volts(),
            overloaded=seen.overload,
            at_limit=seen.upper_limit or seen.lower_limit,
        )

    def _settings(self, **changes: object) -> ServoSettings:
        limits = ServoSettings(lower_limit_v=-self.limit_v, upper_limit_v=self.limit_v)
        return replace(limits, **changes)  # type: ignore[arg-type]


def lock_on(table: FringeTable, quadrature: int, unity_gain_hz: float = 3e3, name: str = "lo1") -> HomodyneLock:
    """Return the lock of a table, not yet acquired."""
    return HomodyneLock(name, table, table, SimulatedClock(table), quadrature=quadrature, unity_gain_hz=unity_gain_hz)
