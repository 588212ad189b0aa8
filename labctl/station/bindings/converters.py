"""What a software servo reads and drives: inputs that give volts, and outputs that take them."""

from __future__ import annotations

import threading
from typing import Final

from drivers.errors import InstrumentError
from drivers.redpitaya.stemlab import RedPitaya
from drivers.thorlabs.mdt693b import PiezoChannel
from labctl.configuration.instrument_kinds import SLOW_OUTPUT_V
from labctl.errors import BadReply
from labctl.station.bindings.piezo import RAMP_STEP_S, BoundPiezo
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay
from labctl.station.roles import PowerMeter

SLOW_OUT_STEP_V: Final = (SLOW_OUTPUT_V[1] - SLOW_OUTPUT_V[0]) / (2**8 - 1)
SLOW_IN_FULL_SCALE_V: Final = 3.3
MEAN_DECIMATION: Final = 8
MEAN_SAMPLES: Final = 1024  # of 64 ns: 65 us
FILL_POLLS: Final = 50  # of a record that is complete within a millisecond
FAST_FULL_SCALE_V: Final = {"LV": 1.0, "HV": 20.0}
CLIPPED_FROM: Final = 0.99  # of full scale: the last code of a converter is below it


def slow_full_scale_v(offset_v: float, gain: float) -> float:
    """Return the largest magnitude in V at the detector that a slow input can show."""
    return max(abs(pin_v - offset_v) for pin_v in (0.0, SLOW_IN_FULL_SCALE_V)) / abs(gain)


class SlowDac:
    """A slow analog output and the amplifier behind it: volts of the servo = (volts at the pin - offset) * gain.

    What is put out is one of the steps of the DAC, so that it reads back as what was asked for.
    """

    def __init__(self, board: RedPitaya, pin: str, offset_v: float, gain: float) -> None:
        self._pin = board.slow_outputs[pin]
        self._offset_v = offset_v
        self._gain = gain

    def put(self, volts: float) -> None:
        """Put out the step nearest to `volts`, which has to be within what the pin reaches."""
        self._pin.voltage = SLOW_OUT_STEP_V * round((self._offset_v + volts / self._gain) / SLOW_OUT_STEP_V)

    def volts(self) -> float:
        """Return what the board says that it puts out, in V of the servo."""
        return (float(self._pin.voltage) - self._offset_v) * self._gain


class FastMean:
    """The mean of a fast input over 65 us, in V at the detector = (volts at the input - offset) / gain.

    Every reading is an acquisition of its own, so nobody else may use the fast inputs of the board.
    """

    def __init__(self, board: RedPitaya, number: int, input_range: str, offset_v: float, gain: float) -> None:
        self._board = board
        self._number = number
        self._range = input_range
        self._offset_v = offset_v
        self._gain = gain
        self._prepared = False

    @property
    def full_scale_v(self) -> float:
        """Return the largest magnitude in V at the detector that surely fits the input."""
        return (CLIPPED_FROM * FAST_FULL_SCALE_V[self._range] - abs(self._offset_v)) / abs(self._gain)

    def volts(self) -> float:
        """Return one mean in V.

        Raises `BadReply` where the board never completes a record.
        """
        with self._board.transaction():
            if not self._prepared:
                self._board.inputs[self._number].gain = self._range
                self._board.averaging = True
                self._prepared = True
            self._board.arm(MEAN_DECIMATION)
            for _ in range(FILL_POLLS):
                if self._board.is_filled():
                    break
            else:
                raise BadReply(
                    self._board.name, "never completed a record", command="ACQ:TRig:FILL?", remedy="Restart its server."
                )
            record = self._board.read_records([self._number], MEAN_SAMPLES)
        return (float(record.mean()) - self._offset_v) / self._gain


class PowerInVolts:
    """The reading of a power meter as volts, at the wavelength of the light."""

    def __init__(self, meter: PowerMeter, wavelength_m: float, volts_per_watt: float) -> None:
        self._meter = meter
        self._wavelength_m = wavelength_m
        self._volts_per_watt = volts_per_watt
        self._told = False

    def volts(self) -> float:
        """Return one reading in V; the meter is told the wavelength before the first."""
        if not self._told:
            self._meter.set_wavelength(self._wavelength_m)
            self._told = True
        return self._volts_per_watt * self._meter.power_w()


class SteeredPiezo(BoundPiezo):
    """The `PiezoDriver` role on a channel that a software servo sets over the wire, on top of where it rests.

    `commanded_v` and `ramp_to` are of the rest alone; rest and servo together stay within the limit.
    """

    def __init__(
        self,
        name: str,
        channel: PiezoChannel,
        limit: Limit,
        slew_v_per_s: float,
        clock: Clock,
        servo_gain: float,
        way: RightOfWay | None = None,
    ) -> None:
        super().__init__(name, channel, limit, slew_v_per_s, clock, way=way)
        self._servo_gain = servo_gain
        self._rest_v: float | None = None
        self._steering_v = 0.0
        self._ramping = False
        self._lock = threading.RLock()

    @property
    def commanded_v(self) -> float | None:
        """Return where the piezo was last asked to rest, in V; None when nobody knows."""
        return None if self._channel.commanded_voltage is None else self._rest_v

    def ramp_to(self, volts: float) -> None:
        """Rest at `volts`; what the servo adds stays, and does not change meanwhile."""
        with self._lock:
            self._ramping = True
        try:
            wait_out(self._clock, RAMP_STEP_S)  # the slew of the servo's last step is over then
            super().ramp_to(volts + self._steering_v)
        finally:
            self._note_rest()
            self._ramping = False

    def come_to_rest(self, volts: float) -> None:
        """Take the last step, to `volts` in all, see `BoundPiezo`."""
        with self._lock:
            super().come_to_rest(volts)
            self._note_rest()

    def _note_rest(self) -> None:
        reached_v = self._channel.commanded_voltage
        self._rest_v = None if reached_v is None else reached_v - self._steering_v

    def forget(self) -> None:
        """Forget what was asked for: the output is somewhere else."""
        super().forget()
        self._steering_v = 0.0

    def steer(self, servo_v: float) -> None:
        """Add `servo_v` times the servo gain to the rest.

        Raises `LimitError` outside the limits, `InstrumentError` while the piezo is ramped and before it was raised.
        """
        with self._lock:
            steering_v, rest_v = self._servo_gain * servo_v, self.commanded_v
            if steering_v == self._steering_v:
                return
            if self._ramping or rest_v is None:
                raise InstrumentError(
                    f"piezo {self.name}",
                    "cannot be steered while it is ramped" if self._ramping else "cannot be steered: it rests nowhere",
                    remedy="Raise the piezos, then close the loop.",
                )
            self._channel.voltage = self._limit.check(rest_v + steering_v)
            self._steering_v = steering_v
