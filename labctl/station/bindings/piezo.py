"""A piezo on one channel of a high-voltage amplifier: ramps, and its way to rest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from drivers.thorlabs.mdt693b import PiezoChannel, ThorlabsMDT69xB
from labctl.errors import LabError, LockError, Refused
from labctl.station.bindings.servo_at_piezo import ServoAtPiezo
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

RAMP_STEP_S = 0.1
MEASURED_WITHIN_V = 2.0  # of the measured output of a piezo amplifier
LOOKS_AT_A_SERVO = 4  # that is closed, for it to stand still between two


def set_point_behind(channel: PiezoChannel, measured_v: float, external_v: float) -> float:
    """Return the set point in V that the measured output of a channel tells, less what its external input adds.

    At an end of its range the amplifier clips: any set point from there on gives the same output. The end itself is
    returned then, for to be set there moves the piezo least, and it is where the amplifier wakes up.
    """
    low_v, high_v = channel.voltage_range
    clips_low = external_v < 0.0 and measured_v < low_v + MEASURED_WITHIN_V
    clips_high = external_v > 0.0 and measured_v > high_v - MEASURED_WITHIN_V
    return measured_v if clips_low or clips_high else measured_v - external_v


class BoundPiezo:
    """The `PiezoDriver` role: one channel, within its limits, never faster than its slew.

    `servo` is what drives the external input of the channel, if anything does. What moves the output raises `Stopped`
    once the table is made safe.
    """

    def __init__(
        self,
        name: str,
        channel: PiezoChannel,
        limit: Limit,
        slew_v_per_s: float,
        clock: Clock,
        servo: ServoAtPiezo | None = None,
        way: RightOfWay | None = None,
    ) -> None:
        self.name = name
        self._way = way or RightOfWay()
        self._channel = channel
        self._limit = limit
        self._slew_v_per_s = slew_v_per_s
        self._clock = clock
        self._servo = servo
        self._sent = ""

    @property
    def commanded_v(self) -> float | None:
        """Return what was last asked for, in V; None when nobody knows."""
        return self._channel.commanded_voltage

    @property
    def set_point_is_known(self) -> bool:
        """Return whether the channel was told a set point that it took, by this program."""
        return self._channel.commanded_voltage is not None

    def missing_v(self) -> float:
        """Return measured output less what it should be, in V, good to a volt or two; 0 where nothing was asked for."""
        commanded = self._channel.commanded_voltage
        if commanded is None:
            return 0.0
        return self._measured_v() - self._added_v() - commanded

    def _measured_v(self) -> float:
        return float(self._channel.measured_voltage)

    def _added_v(self) -> float:
        return 0.0 if self._servo is None else self._servo.told_v()

    def forget(self) -> None:
        """Forget what was asked for: the output is somewhere else."""
        self._channel.forget_command()

    def ramp_to(self, volts: float) -> None:
        """Go to `volts` in steps.

        The set point cannot be read back, so an unknown start is taken from the measured output, less what the
        servo adds to it, and is put out first, for a measurement is only good to a volt. Where it says that the piezo
        is there already it is told so in one step: the same set point again moves nothing, and a loop that holds goes
        on holding. Raises `LockError` where the servo moves so much that no start can be told.
        """
        self._limit.check(volts)
        begun = self._way.begin()
        is_known = self.set_point_is_known
        start = self._start_towards(volts, lambda: self._looked_at_v(begun))
        steps = max(1, math.ceil(abs(volts - start) / (self._slew_v_per_s * RAMP_STEP_S)))
        for value in np.linspace(start, volts, steps + 1)[1 if is_known or start == volts else 0 :]:
            self._put_out(float(value), begun)
            wait_out(self._clock, RAMP_STEP_S)

    def _start_towards(self, volts: float, look: Callable[[], float]) -> float:
        start = self._channel.commanded_voltage
        if start is None:
            start = min(max(look(), self._limit.low), self._limit.high)
            if abs(start - volts) < MEASURED_WITHIN_V:
                start = volts
            self._channel.take_for_set_point(start)
        return float(start)

    def _looked_at_v(self, begun: int) -> float:
        """Return the set point that output and servo tell; of a servo that is closed only once it stands still, for it
        is known as it was a while ago."""
        measured_v, (added_v, lag_s) = self._measured_v(), self._asked_v()
        for _ in range(LOOKS_AT_A_SERVO):
            if not lag_s:
                return set_point_behind(self._channel, measured_v, added_v)
            before_v = (measured_v, added_v)
            wait_out(self._clock, lag_s)
            self._way.check(begun)
            measured_v, (added_v, lag_s) = self._measured_v(), self._asked_v()
            if np.allclose(before_v, (measured_v, added_v), rtol=0.0, atol=MEASURED_WITHIN_V):
                return set_point_behind(self._channel, measured_v, added_v)
        raise LockError(
            f"piezo {self.name}: its set point is not known, and its servo moves it (last from {before_v[0]:.1f} V to "
            f"{measured_v:.1f} V); nothing was sent.",
            remedy="Hold or release the loop, then try again.",
        )

    def _asked_v(self) -> tuple[float, float]:
        return (0.0, 0.0) if self._servo is None else self._servo.asked_v()

    def _put_out(self, volts: float, begun: int) -> None:
        with self._channel.parent.transaction():
            try:
                self._way.check(begun)
                self._channel.voltage = volts
            finally:
                self._channel.take_for_set_point(None)  # a step that was not taken leaves no belief behind

    # ---- on the way to rest: half exchanges, so that all amplifiers are at work at once -----------------------------

    @property
    def amplifier(self) -> ThorlabsMDT69xB:
        """Return the driver whose channel this is."""
        amplifier: ThorlabsMDT69xB = self._channel.parent
        return amplifier

    def start_to_rest(self, volts: float, *, external_is_known: bool) -> float:
        """Return the set point in V from which the way to `volts` starts, see `ramp_to`.

        Where nobody knows it and `external_is_known` is false, any set point could turn the output up by all that its
        servo adds: raises `LabError`. Raises `LimitError` where `volts` is outside the limits.
        """
        self._limit.check(volts)
        if not (self.set_point_is_known or external_is_known):
            raise LabError(
                f"piezo {self.name}: its set point is not known, and neither is what its servo adds to it; it stays at "
                f"{float(self._channel.measured_voltage):.1f} V.",
                remedy="Bring its servo back, or turn both down by hand.",
            )
        return self._start_towards(volts, lambda: set_point_behind(self._channel, self._measured_v(), self._added_v()))

    def send_step(self, volts: float) -> None:
        """Send a set point; `told_taken` has to follow in the same transaction. Until `come_to_rest` nobody knows it.

        Raises `LimitError` before anything is sent.
        """
        low, high = self._channel.voltage_range
        volts = min(max(self._limit.check(volts), low), high)
        self._channel.forget_command()
        self._sent = str(self._channel.insert_id(f"{{ch}}voltage={volts:.3f}"))
        self.amplifier.write(self._sent)

    def told_taken(self) -> None:
        """Make sure that the set point was accepted. Raises `Refused`."""
        amplifier = self.amplifier
        with amplifier.transaction():
            reply = str(amplifier.read())
        lines = {line.strip() for line in reply.splitlines()} - {
            "",
            self._sent,
        }  # its echo, which a power cut brings back
        if lines:
            raise Refused(amplifier.name, "did not accept a set point", command=self._sent, reply=reply.strip())

    def come_to_rest(self, volts: float) -> None:
        """Take the last step, to `volts`; it is the set point then. Raises `LimitError`, `Refused`."""
        self._channel.voltage = self._limit.check(volts)
