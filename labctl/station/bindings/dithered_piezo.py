"""A piezo that a loop of this program steps over the wire: small steps without a wait, and a start that is
remembered."""

from __future__ import annotations

from drivers.thorlabs.mdt693b import PiezoChannel
from labctl.errors import LimitError
from labctl.station.bindings.piezo import MEASURED_WITHIN_V, RAMP_STEP_S, BoundPiezo
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

_REACH = 1e-6  # relative, of voltages that were computed


class DitheredPiezo(BoundPiezo):
    """The `PiezoDriver` role on a channel without an external input, which may also be stepped."""

    def __init__(
        self,
        name: str,
        channel: PiezoChannel,
        limit: Limit,
        slew_v_per_s: float,
        clock: Clock,
        way: RightOfWay | None = None,
    ) -> None:
        super().__init__(name, channel, limit, slew_v_per_s, clock, way=way)
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
        """Return the largest step, in V."""
        return self._slew_v_per_s * RAMP_STEP_S

    def step_to(self, volts: float) -> None:
        """Go to `volts` in one step; where the slew does not let it follow the step before, wait, a tenth of a second
        at most.

        Raises `LimitError` outside the limits, for more than the largest step, and while nobody knows where the piezo
        is; nothing was sent then.
        """
        begun = self._way.begin()
        start = self.commanded_v
        self._limit.check(volts)
        if start is None:
            raise LimitError(
                f"piezo {self.name}: nobody knows where it is; nothing was sent.", remedy="Raise the piezos first."
            )
        step_v = abs(volts - start)
        if step_v > self.largest_step_v * (1.0 + _REACH):
            raise LimitError(
                f"piezo {self.name}: a step of {step_v:.3g} V is more than {self.largest_step_v:g} V; nothing was "
                "sent.",
                remedy="Ramp it.",
            )
        wait_out(self._clock, self._rested_at - self._clock.now())
        self._put_out(volts, begun)
        self._rested_at = self._clock.now() + step_v / self._slew_v_per_s

    def ramp_to(self, volts: float) -> None:
        """Go to `volts` in steps, see `BoundPiezo.ramp_to`, once the slew lets the first follow the step before."""
        wait_out(self._clock, self._rested_at - self._clock.now())
        super().ramp_to(volts)

    def resume(self, volts: float) -> bool:
        """Take `volts` for what another run of this program left at the output, and return whether it is.

        The set point cannot be read back: where the measured output agrees, the same set point is sent again, which
        moves nothing. What this run asked for itself counts more.
        """
        if self.commanded_v is not None:
            return abs(self.commanded_v - volts) < MEASURED_WITHIN_V
        self._limit.check(volts)
        begun = self._way.begin()
        if abs(float(self._channel.measured_voltage) - volts) > MEASURED_WITHIN_V:
            return False
        self._put_out(volts, begun)
        return True
