"""A piezo that a loop of this program steps over the wire: small steps without a wait, and a start that is
remembered."""

from __future__ import annotations

from drivers.thorlabs.mdt693b import PiezoChannel
from labctl.errors import LimitError
from labctl.station.bindings.loops import MEASURED_WITHIN_V, RAMP_STEP_S, BoundPiezo
from labctl.station.clock import TIME_RESOLUTION_S, Clock
from labctl.station.limits import Limit


class DitheredPiezo(BoundPiezo):
    """The `PiezoDriver` role on a channel without an external input, which may also be stepped."""

    def __init__(self, name: str, channel: PiezoChannel, limit: Limit, slew_v_per_s: float, clock: Clock) -> None:
        super().__init__(name, channel, limit, slew_v_per_s, clock)
        self._rested_at = float("-inf")  # when the slew allows the next step, lab time in s

    @property
    def low_v(self) -> float:
        """Return the lowest voltage that may be asked for, in V."""
        return self._limit.low

    @property
    def high_v(self) -> float:
        """Return the highest voltage that may be asked for, in V."""
        return self._limit.high

    @property
    def largest_step_v(self) -> float:
        """Return the largest step in V; one of this size may follow after `step_s`."""
        return self._slew_v_per_s * RAMP_STEP_S

    @property
    def step_s(self) -> float:
        """Return how long a step of the largest size has to rest, in s."""
        return RAMP_STEP_S

    def step_to(self, volts: float) -> None:
        """Go to `volts` at once.

        Raises `LimitError` outside the limits, for more than the largest step, before the slew allows another one, and
        while nobody knows where the piezo is; nothing was sent then.
        """
        start, now = self.commanded_v, self._clock.now()
        self._limit.check(volts)
        if start is None:
            raise LimitError(
                f"piezo {self.name}: nobody knows where it is; nothing was sent.", remedy="Raise the piezos first."
            )
        step_v = abs(volts - start)
        if step_v > self.largest_step_v or now < self._rested_at - TIME_RESOLUTION_S:
            raise LimitError(
                f"piezo {self.name}: a step of {step_v:.3g} V now is faster than its slew; nothing was sent.",
                remedy="Ramp it.",
            )
        self._channel.voltage = volts
        self._rested_at = now + step_v / self._slew_v_per_s

    def resume(self, volts: float) -> bool:
        """Take `volts` for what another run of this program left at the output, and return whether it is.

        The set point cannot be read back: where the measured output agrees, the same set point is sent again, which
        moves nothing. What this run asked for itself counts more.
        """
        if self.commanded_v is not None:
            return abs(self.commanded_v - volts) < MEASURED_WITHIN_V
        self._limit.check(volts)
        if abs(float(self._channel.measured_voltage) - volts) > MEASURED_WITHIN_V:
            return False
        self._channel.voltage = volts
        return True
