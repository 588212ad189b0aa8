"""Servo, piezo and length scan: what a lock needs of the hardware."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from drivers.redpitaya.stemlab import BUFFER_SAMPLES, RedPitaya125_14
from drivers.srs.sim960 import SIM960
from drivers.srs.sim960_scales import FULL_RANGE_V, INTEGRAL_GAIN, PROPORTIONAL_GAIN
from drivers.srs.sim960_status import ServoCondition
from drivers.thorlabs.mdt693b import PiezoChannel
from labctl.errors import LimitError, Refused
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.roles import ScanRecord, ServoSetting, ServoState

RAMP_STEP_S = 0.1
LARGEST_FREE_JUMP_V = 0.5
SERVO_RAMP_V_PER_S = 20.0
SWEEP_STEP_S = 21 * 10 / 9600  # what a serial line of 9600 baud takes for the 21 bytes of one step
MEASURED_WITHIN_V = 2.0  # of the measured output of a piezo amplifier
MANUAL_STEP_V = 1e-3  # what a SIM960 resolves
SCAN_DECIMATION = 1024
FILL_POLLS = 200


class BoundServo:
    """The `Servo` role on a SIM960 used as an integrator: output = g int (set point - measured) dt, within its limit.

    The limit is set in the hardware too, so that nothing that happens to this program lets the output leave it.
    """

    def __init__(self, name: str, module: SIM960, output_limit_v: float, clock: Clock) -> None:
        self.name = name
        self._module = module
        self._limit = Limit(
            f"{name} servo output", -output_limit_v, output_limit_v, "V", f"[loops.{name}] output_limit"
        )
        self._clock = clock
        self._manual_v: float | None = None  # None: the loop is closed, or nobody knows
        self._told: tuple[float, float, float] | None = None  # set point and gains that the module has, where known
        self._prepared = False

    @property
    def output_limit_v(self) -> float:
        """Return the largest magnitude of the output, in V."""
        return self._limit.high

    def prepare(self) -> None:
        """Open the loop where it stands, set the hardware limits, and make the module an integrator with an internal
        set point."""
        self._manual_v, self._told = self._module.open_loop(), None
        self._module.limit_output(self._limit.low, self._limit.high)
        self._module.proportional_on = False
        self._module.derivative_on = False
        self._module.offset_on = False
        self._module.integral_on = True
        self._module.internal_setpoint = True
        self._prepared = True

    def set_output(self, volts: float) -> None:
        """Open the loop and put out `volts`; a large change is ramped.

        Raises `LimitError`.
        """
        self._limit.check(volts)
        if not self._prepared:
            self.prepare()
        if self._manual_v is None:
            self.hold()
            assert self._manual_v is not None
        while abs(volts - self._manual_v) > LARGEST_FREE_JUMP_V:
            self._manual_v += math.copysign(LARGEST_FREE_JUMP_V, volts - self._manual_v)
            self._module.manual_output = round(self._manual_v, 3)
            wait_out(self._clock, LARGEST_FREE_JUMP_V / SERVO_RAMP_V_PER_S)
        self._module.manual_output = round(volts, 3)
        self._manual_v = volts

    def sweep(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> NDArray[np.float64]:
        """Put out each voltage and read at each, as fast as the link takes set commands; checked once at the end.

        A check of every step would make the sweep four times slower, and the path drifts meanwhile. Raises
        `LimitError` before anything moves.
        """
        return np.array(list(self.sweeping(outputs_v, read)))

    def sweeping(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> Iterator[float]:
        """Do what `sweep` does one voltage at a time."""
        for volts in (float(outputs_v.min()), float(outputs_v.max())):
            self._limit.check(volts)
        self.set_output(float(outputs_v[0]))
        for volts in outputs_v:
            sent_at = self._clock.now()
            self._module.put_out_unchecked(float(volts))
            self._manual_v = float(volts)
            # A serial port takes a command at once and sends it later: what is read must come after it.
            wait_out(self._clock, sent_at + SWEEP_STEP_S - self._clock.now())
            yield read()
        errors = self._module.check_errors()
        if errors:
            raise Refused(self.name, f"a step of the sweep was refused ({', '.join(map(str, errors))})", command="MOUT")

    def hold(self) -> None:
        """Open the loop where it is."""
        # Asked of the module each time: somebody may have closed it at its front panel.
        self._manual_v = self._module.open_loop()

    def close_loop(self, setpoint_v: float, integral_gain_per_s: float) -> None:
        """Integrate with a signed gain in 1/s from the present output on.

        Raises `LimitError` where the module has no such gain or set point.
        """
        proportional, integral = split_gain(integral_gain_per_s)
        if not FULL_RANGE_V[0] <= setpoint_v <= FULL_RANGE_V[1]:
            raise LimitError(
                f"{self.name}: a SIM960 has no set point of {setpoint_v:g} V; nothing was sent.",
                remedy="Look at the signal that the set point was taken from.",
            )
        if not self._prepared:
            self.prepare()
        # On a serial line a setting costs 80 ms: what the module was told already is not sent again.
        told = self._told
        if told is None or told[0] != setpoint_v:
            self._module.setpoint = round(setpoint_v, 3)
        if told is None or told[1] != proportional:
            self._module.proportional_gain = proportional
        if told is None or told[2] != integral:
            self._module.integral_gain = integral
        if self._manual_v is not None:
            self._module.close_loop()
        self._manual_v, self._told = None, (setpoint_v, proportional, integral)

    def setting(self) -> ServoSetting | None:
        """Return set point and gain of a module that is closed as an integrator within our limits; None of another."""
        module = self._module
        as_we_do = (
            module.closed
            and module.integral_on
            and module.internal_setpoint
            and not (module.proportional_on or module.derivative_on or module.offset_on)
            and self._limit.low <= module.lower_limit
            and module.upper_limit <= self._limit.high
        )
        if not as_we_do:
            return None
        return ServoSetting(module.setpoint, module.proportional_gain * module.integral_gain)

    def adopt(self) -> None:
        """Go on from the loop as it is."""
        self._prepared, self._manual_v, self._told = True, None, None

    def hop(self, volts: float) -> None:
        """Open the loop, ramp to `volts`, and close it with the set point and gain that the module has.

        Steps go out unchecked, for a loop that is open loses its phase meanwhile; one check comes before it is closed.
        Raises `LimitError` before anything moves, `Refused` with the loop left open.
        """
        self._limit.check(volts)
        self.hold()
        assert self._manual_v is not None
        while self._manual_v != volts:
            left_v = volts - self._manual_v
            self._manual_v += math.copysign(min(abs(left_v), LARGEST_FREE_JUMP_V), left_v)
            if abs(volts - self._manual_v) < MANUAL_STEP_V:
                self._manual_v = volts
            self._module.put_out_unchecked(self._manual_v)
            wait_out(self._clock, LARGEST_FREE_JUMP_V / SERVO_RAMP_V_PER_S)
        errors = self._module.check_errors()
        if errors:
            raise Refused(self.name, f"a step of the hop was refused ({', '.join(map(str, errors))})", command="MOUT")
        self._module.close_loop()
        self._manual_v = None

    def output_v(self) -> float:
        """Return the output in V: that of a closed loop read from the module, whose monitor is up to half a second
        old."""
        return float(self._module.output) if self._manual_v is None else self._manual_v

    def forget_conditions(self) -> None:
        """Forget what the module latched, so that the next state tells what happened since."""
        self._module.latched_conditions  # noqa: B018

    def state(self) -> ServoState:
        """Return the state as the module reports it."""
        conditions = self._module.conditions_since_last_look()
        limits = ServoCondition.UPPER_LIMIT | ServoCondition.LOWER_LIMIT
        return ServoState(
            closed=self._module.closed,
            output_v=self._module.output,
            error_v=self._module.setpoint - self._module.measured,
            overloaded=bool(conditions & ServoCondition.OVERLOAD),
            at_limit=bool(conditions & limits),
        )


def split_gain(gain_per_s: float) -> tuple[float, float]:
    """Return (P, I) of a SIM960 whose product P I is nearest to a signed integral gain: P as small as the module has,
    then larger.

    Raises `LimitError` when no pair gives it.
    """
    magnitude = abs(gain_per_s)
    proportional = PROPORTIONAL_GAIN.lowest
    while magnitude / proportional > INTEGRAL_GAIN.highest:
        proportional *= 10.0
    integral = magnitude / proportional
    if not math.isfinite(gain_per_s) or proportional > PROPORTIONAL_GAIN.highest or integral < INTEGRAL_GAIN.lowest:
        raise LimitError(
            f"A SIM960 has no integral gain of {gain_per_s:g} 1/s.", remedy="Change the loop's unity_gain."
        )
    return math.copysign(proportional, gain_per_s), integral


class BoundPiezo:
    """The `PiezoDriver` role: one channel, within its limits, never faster than its slew.

    `external_v` returns what the external input of the channel adds to its output now, in V.
    """

    def __init__(
        self,
        name: str,
        channel: PiezoChannel,
        limit: Limit,
        slew_v_per_s: float,
        clock: Clock,
        external_v: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self._channel = channel
        self._limit = limit
        self._slew_v_per_s = slew_v_per_s
        self._clock = clock
        self._external_v = external_v

    @property
    def commanded_v(self) -> float | None:
        """Return what was last asked for, in V; None when nobody knows."""
        return self._channel.commanded_voltage

    def missing_v(self) -> float:
        """Return measured output less what it should be, in V, good to a volt or two; 0 where nothing was asked for."""
        commanded = self._channel.commanded_voltage
        if commanded is None:
            return 0.0
        return float(self._channel.measured_voltage) - self._external_v() - commanded

    def forget(self) -> None:
        """Forget what was asked for: the output is somewhere else."""
        self._channel.forget_command()

    def ramp_to(self, volts: float) -> None:
        """Go to `volts` in steps.

        The set point cannot be read back, so an unknown start is taken from the measured output, less what the
        servo adds to it. Where that says that the piezo is there already it is told so in one step: the same set point
        again moves nothing, and a loop that holds goes on holding.
        """
        self._limit.check(volts)
        start = self._channel.commanded_voltage
        if start is None:
            measured = self._channel.measured_voltage - self._external_v()
            start = min(max(measured, self._limit.low), self._limit.high)
            if abs(start - volts) < MEASURED_WITHIN_V:
                start = volts
        steps = max(1, math.ceil(abs(volts - start) / (self._slew_v_per_s * RAMP_STEP_S)))
        for value in np.linspace(start, volts, steps + 1)[1:]:
            self._channel.voltage = float(value)
            wait_out(self._clock, RAMP_STEP_S)


class BoundLengthScan:
    """The `LengthScan` role on a Red Pitaya: a triangle on one output, two inputs recorded over one period."""

    def __init__(
        self,
        driver: RedPitaya125_14,
        output: int,
        volts_per_volt: float,
        error_input: int,
        transmission_input: int,
        clock: Clock,
    ) -> None:
        self._driver = driver
        self._output = driver.outputs[output]
        self._volts_per_volt = volts_per_volt
        self._inputs = [error_input, transmission_input]
        self._clock = clock
        self._amplitude = Limit(
            "length scan", 0.0, abs(volts_per_volt), "V", "[scan] volts_per_volt (the DAC gives 1 V)"
        )

    def sweep(self, amplitude_v: float) -> ScanRecord:
        """Scan by +-`amplitude_v` and return the rising sweep: 8192 points from the lowest to the highest voltage."""
        self._amplitude.check(amplitude_v)
        seconds = BUFFER_SAMPLES * SCAN_DECIMATION / 125e6
        # Starting at a quarter turn below zero, the first half of the period rises from end to end.
        self._output.configure("TRIANGLE", 1.0 / seconds, amplitude_v / abs(self._volts_per_volt), 0.0, -90.0)
        self._output.on = True
        try:
            self._driver.averaging = True
            self._driver.arm(SCAN_DECIMATION, "AWG_PE")
            self._output.start()
            for _ in range(FILL_POLLS):
                self._clock.sleep(seconds)
                if self._driver.is_filled():
                    break
            error, transmission = self._driver.read_records(self._inputs, BUFFER_SAMPLES)
        finally:
            self._output.on = False
        half = BUFFER_SAMPLES // 2
        rising = np.linspace(-amplitude_v, amplitude_v, half, endpoint=False)
        if self._volts_per_volt < 0:
            return ScanRecord(rising, error[:half][::-1], transmission[:half][::-1])
        return ScanRecord(rising, error[:half], transmission[:half])
