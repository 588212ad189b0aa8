"""One temperature control loop of a simulated TEC controller: its ramp, its limits and its idea of stable."""

from __future__ import annotations

import math
from collections.abc import Callable

from labctl.simulation.instruments.meerstetter_parameters import (
    COARSE_RAMP,
    CONTROL_SPEED,
    FASTEST_CHANGE,
    LOWER_LIMIT_C,
    PROXIMITY_WIDTH_K,
    RAM_TARGET_C,
    STABILITY_DEVIATION_K,
    STABILITY_TIME_S,
    STABILITY_TIMEOUT_S,
    TARGET_C,
    TARGET_SOURCE,
    UPPER_LIMIT_C,
)
from labctl.simulation.ports import ThermalPort

NOT_REGULATING, NOT_STABLE, STABLE = 0, 1, 2
NO_ERROR, TOO_COLD, TOO_HOT, TOO_FAST, NEVER_STABLE = 0, 137, 138, 139, 182
CONTROL_RATES_HZ = (10.0, 90.0, 1.0)  # by control speed
ARRIVED_K = 1e-4  # nearer than this the ramp is over


class TemperatureLoop:
    """The loop of one channel; `setting` returns a parameter of this channel by its number.

    The sensor is read at the control rate, so a reading repeats until the next one. The nominal temperature starts at
    the object temperature when the loop is switched on and ramps to the target.
    """

    def __init__(self, port: ThermalPort, setting: Callable[[int], float]) -> None:
        self._port = port
        self._setting = setting
        self._reading = -1  # which turn of the control loop read the sensor last
        self._read_at = 0.0
        self.object_c = math.nan
        self.switch_off()

    @property
    def target_c(self) -> float:
        """The target in force, in degC."""
        return self._setting(RAM_TARGET_C if self._setting(TARGET_SOURCE) else TARGET_C)

    @property
    def nominal_c(self) -> float:
        """The temperature that is regulated to now, in degC; that of the object where nothing regulates."""
        return self.object_c if self._nominal_c is None else self._nominal_c

    @property
    def stability(self) -> int:
        """Stability as parameter 1200 shows it."""
        if self._nominal_c is None:
            return NOT_REGULATING
        return STABLE if self._is_stable else NOT_STABLE

    def switch_off(self) -> None:
        """Forget the ramp and the stability."""
        self._nominal_c: float | None = None
        self._ramped_at = 0.0
        self._close_since: float | None = None
        self._unstable_since = 0.0
        self._is_stable = False

    def advance(self, now: float, on: bool) -> int:
        """Go on to lab time `now` (s) and return the number of the error that is found there, or `NO_ERROR`."""
        error = self._read_sensor(now)
        if not on:
            self.switch_off()
            self._port.regulate(None)
            return error
        if self._nominal_c is None:
            self._nominal_c, self._unstable_since = self.object_c, now
        else:
            self._nominal_c = ramp(
                self._nominal_c,
                self.target_c,
                rate=self._setting(COARSE_RAMP),
                proximity=self._setting(PROXIMITY_WIDTH_K),
                seconds=now - self._ramped_at,
            )
        self._ramped_at = now
        self._port.regulate(self._nominal_c)
        return error or self._judge_stability(now)

    def _read_sensor(self, now: float) -> int:
        rate = CONTROL_RATES_HZ[int(self._setting(CONTROL_SPEED))]
        reading = math.floor(now * rate)
        if reading == self._reading:
            return NO_ERROR
        before, self.object_c = self.object_c, self._port.object_temperature_c()
        seconds = max(now - self._read_at, 1 / rate)
        self._reading, self._read_at = reading, now
        if self.object_c < self._setting(LOWER_LIMIT_C):
            return TOO_COLD
        if self.object_c > self._setting(UPPER_LIMIT_C):
            return TOO_HOT
        if abs(self.object_c - before) / seconds > self._setting(FASTEST_CHANGE):  # never for the first reading
            return TOO_FAST
        return NO_ERROR

    def _judge_stability(self, now: float) -> int:
        close = abs(self.object_c - self.target_c) <= self._setting(STABILITY_DEVIATION_K)
        if not close:
            self._close_since = None
        elif self._close_since is None:
            self._close_since = now
        stable = self._close_since is not None and now - self._close_since >= self._setting(STABILITY_TIME_S)
        if self._is_stable and not stable:
            self._unstable_since = now
        self._is_stable = stable
        timeout = self._setting(STABILITY_TIMEOUT_S)
        return NEVER_STABLE if timeout and not stable and now - self._unstable_since > timeout else NO_ERROR


def ramp(start_c: float, target_c: float, *, rate: float, proximity: float, seconds: float) -> float:
    """Return the nominal temperature in degC that left `start_c` `seconds` ago, at `rate` (K/s) to `target_c`.

    Within `proximity` (K) of the target the speed falls in proportion to what is left: an assumption, since the maker
    does not say how the ramp slows down.
    """
    left = abs(target_c - start_c)
    far = max(left - proximity, 0.0)
    if rate * seconds <= far:
        left -= rate * seconds
    elif proximity > 0:
        left = min(left, proximity) * math.exp(-(rate * seconds - far) / proximity)
    else:
        left = 0.0
    return target_c if left < ARRIVED_K else target_c - math.copysign(left, target_c - start_c)
