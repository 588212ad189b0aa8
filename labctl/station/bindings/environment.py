"""Oven, mirrors, shutters and slow monitors."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.errors import InstrumentError
from drivers.meerstetter.tec import DeviceStatus, MeerstetterTEC
from drivers.newport.picomotor_8742 import PicomotorAxis
from drivers.redpitaya.stemlab import RedPitaya
from labctl.errors import BadReply
from labctl.station.clock import Clock
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

MOTION_POLL_S = 0.05
MOTION_POLLS = 2400
SHUTTER_S = 0.05


class BoundOven:
    """The `TemperatureController` role on one channel of a Meerstetter controller; the target lives in RAM, never in
    flash."""

    def __init__(
        self, driver: MeerstetterTEC, channel: int, temperature: Limit, ramp: Limit, way: RightOfWay | None = None
    ) -> None:
        self._driver = driver
        self._way = way or RightOfWay()
        self._channel = driver.channels[channel]
        self._temperature = temperature
        self._ramp = ramp

    def set_target(self, target_c: float, ramp_k_per_s: float) -> None:
        """Regulate to `target_c`, getting there at `ramp_k_per_s`.

        Raises `LimitError`, and `InterlockOpen` or `Stopped` while nothing may be moved.
        """
        self._temperature.check(target_c)
        self._ramp.check(ramp_k_per_s)
        self._way.begin()
        self._channel.lower_temperature_limit_c = self._temperature.low - 5.0
        self._channel.upper_temperature_limit_c = self._temperature.high + 5.0
        self._channel.coarse_ramp_k_per_s = ramp_k_per_s
        self._channel.target_temperature_c = target_c
        if not self._channel.output_enabled:
            self._channel.output_enabled = True

    def temperature_c(self) -> float:
        """Return the object temperature in degC."""
        return float(self._channel.object_temperature_c)

    def regulating(self) -> bool:
        """Return True while the output is on and the controller reports no error."""
        return bool(self._driver.status == DeviceStatus.RUNNING and self._channel.output_enabled)

    def switch_off(self) -> None:
        """Switch the output off."""
        self._channel.output_enabled = False


class BoundPicomotor:
    """The `Picomotor` role: two axes of one mirror, a bounded number of steps a move, waiting for the end of the
    motion."""

    def __init__(
        self,
        name: str,
        pitch: PicomotorAxis,
        yaw: PicomotorAxis,
        most_steps: int,
        clock: Clock,
        way: RightOfWay | None = None,
    ) -> None:
        self.name = name
        self._way = way or RightOfWay()
        self._axes = {"pitch": pitch, "yaw": yaw}
        self._limit = Limit(f"{name} steps", -most_steps, most_steps, "steps", "[mirror_limits] steps_per_move")
        self._clock = clock

    def move(self, axis: str, steps: int) -> None:
        """Turn `axis` by `steps`.

        Raises `LimitError` before, `BadReply` if the motion never ends.
        """
        self._limit.check(steps)
        self._way.begin()
        motor = self._axes[axis]
        motor.move_by(steps)
        for _ in range(MOTION_POLLS):
            if not motor.is_moving:
                return
            self._clock.sleep(MOTION_POLL_S)
        motor.stop()
        raise BadReply(
            self.name,
            f"the {axis} motor never reported the end of its motion",
            command="MD?",
            reply="0",
            remedy="Check the motor and its cable.",
        )


class PinShutter:
    """The `Shutter` role on a digital pin; opening it raises `Stopped` while the table is made safe."""

    def __init__(
        self, name: str, board: RedPitaya, pin: str, open_level: int, clock: Clock, way: RightOfWay | None = None
    ) -> None:
        self.name = name
        self._way = way or RightOfWay()
        self._pin = board.pins[pin]
        self._open_level = open_level
        self._clock = clock
        self._driven = False

    def open(self) -> None:
        """Let light through."""
        begun = self._way.begin()
        with self._pin.parent.transaction():
            self._way.check(begun)
            self._drive(self._open_level)
        self._clock.sleep(SHUTTER_S)

    def close(self) -> None:
        """Block the light."""
        self._drive(1 - self._open_level)
        self._clock.sleep(SHUTTER_S)

    def begin_to_close(self) -> None:
        """Block the light, which takes `SHUTTER_S` from now; the pin is made an output whatever it is by now."""
        self._driven = False
        self._drive(1 - self._open_level)

    def is_open(self) -> bool:
        """Return the state of the drive line."""
        return bool(self._pin.level == self._open_level)

    def _drive(self, level: int) -> None:
        if not self._driven:
            self._pin.direction = "OUT"  # pins wake up as inputs
            self._driven = True
        self._pin.level = level
        if self._pin.level != level:
            raise InstrumentError(
                f"shutter {self.name}", "its drive line does not follow", remedy="Check the board's pin."
            )


class SlowMonitor:
    """The `Monitor` role on a slow analog input: volts at the detector from volts at the pin."""

    def __init__(self, board: RedPitaya, name: str, offset_v: float, gain: float) -> None:
        self.board = board
        self.pin = name
        self._input = board.slow_inputs[name]
        self._offset_v = offset_v
        self._gain = gain
        self._ahead_v: float | None = None

    def volts(self) -> float:
        """Return one reading in V at the detector."""
        pin_v, self._ahead_v = self._ahead_v, None
        return ((float(self._input.voltage) if pin_v is None else pin_v) - self._offset_v) / self._gain

    def give(self, pin_v: float) -> None:
        """Take a reading of the pin, made with others at once, for the next who asks."""
        self._ahead_v = pin_v


def read_ahead(monitors: Iterable[SlowMonitor]) -> None:
    """Read several monitors, those of one board at once, for who asks each of them next. Raises what a board raises."""
    by_board: dict[int, list[SlowMonitor]] = {}
    for monitor in monitors:
        by_board.setdefault(id(monitor.board), []).append(monitor)
    for together in by_board.values():
        if len(together) > 1:
            volts = together[0].board.slow_input_volts([monitor.pin for monitor in together])
            for monitor, pin_v in zip(together, volts, strict=True):
                monitor.give(pin_v)
