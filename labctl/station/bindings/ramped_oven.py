"""An oven whose controller has no ramp of its own: the target is moved in small steps."""

from __future__ import annotations

import math
from typing import Final

from drivers.thorlabs.ted4015 import ThorlabsTED4015
from labctl.station.clock import Clock, Registration
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

STEP_S: Final = 1.0


class BoundRampedOven:
    """The `TemperatureController` role on a Thorlabs TED4015, within its limits (degC and K/s).

    A ramp starts from the present target, or from the present temperature where the output is off, and goes on while
    others use the clock. If this process ends, the target stays where the ramp had got to.
    """

    def __init__(
        self,
        driver: ThorlabsTED4015,
        temperature: Limit,
        ramp: Limit,
        clock: Clock,
        way: RightOfWay | None = None,
    ) -> None:
        self._driver = driver
        self._way = way or RightOfWay()
        self._temperature = temperature
        self._ramp = ramp
        self._clock = clock
        self._ramping: Registration | None = None
        self._stepped_at = -math.inf

    def set_target(self, target_c: float, ramp_k_per_s: float) -> None:
        """Regulate to `target_c`, getting there at `ramp_k_per_s`.

        Raises `LimitError` before anything is sent, and `InterlockOpen` or `Stopped` while nothing may be moved;
        `Refused` where the output does not come on.
        """
        self._temperature.check(target_c)
        self._ramp.check(ramp_k_per_s)
        self._way.begin()
        with self._driver.transaction():
            self.stop_ramp()
            is_on = self._driver.output_enabled
            start_c = self._driver.target_temperature_c if is_on else self._driver.object_temperature_c
            # Limits that exclude a target move it: they make room for where the ramp starts.
            self._driver.lower_target_limit_c = math.floor(min(self._temperature.low, start_c))
            self._driver.upper_target_limit_c = math.ceil(max(self._temperature.high, start_c))
            if not is_on:
                self._driver.target_temperature_c = start_c
                self._driver.output_enabled = True
            self._stepped_at = self._clock.now()
            self._ramping = self._clock.every(STEP_S, lambda: self._step(target_c, ramp_k_per_s), "oven ramp")

    def temperature_c(self) -> float:
        """Return the object temperature in degC."""
        return float(self._driver.object_temperature_c)

    def regulating(self) -> bool:
        """Return True while the output is on, nothing keeps it off, and no step of a ramp has failed."""
        failed = self._ramping is not None and self._ramping.error is not None
        return not failed and self._driver.is_regulating()

    def switch_off(self) -> None:
        """Switch the output off."""
        self.stop_ramp()
        self._driver.output_enabled = False

    def stop_ramp(self) -> None:
        """Leave the target where it is."""
        if self._ramping is not None:
            self._ramping.cancel()

    def _step(self, target_c: float, ramp_k_per_s: float) -> None:
        with self._driver.transaction():
            ramping = self._ramping
            if ramping is None or ramping.cancelled:  # stopped while this step waited for the wire
                return
            now_c, now = float(self._driver.target_temperature_c), self._clock.now()
            # One that comes soon after a late one goes no further than the ramp may since then.
            step_k = ramp_k_per_s * min(now - self._stepped_at, STEP_S)
            self._stepped_at = now
            if abs(target_c - now_c) > step_k:
                self._driver.target_temperature_c = now_c + math.copysign(step_k, target_c - now_c)
                return
            self._driver.target_temperature_c = target_c
            ramping.cancel()
