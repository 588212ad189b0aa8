"""Servo and length scan: what a lock needs of the hardware, beside the piezo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from drivers.redpitaya.stemlab import BUFFER_SAMPLES, RedPitaya125_14
from drivers.srs.sim900 import SIM900
from drivers.srs.sim960 import SIM960
from drivers.srs.sim960_scales import FULL_RANGE_V, INTEGRAL_GAIN, PROPORTIONAL_GAIN, finite_number
from drivers.srs.sim960_status import ServoCondition, StandardEvent
from labctl.errors import LimitError, LockError, Refused
from labctl.station.clock import Clock, wait_out
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay
from labctl.station.roles import ScanRecord, ServoSetting, ServoState

LARGEST_FREE_JUMP_V = 0.5
SERVO_RAMP_V_PER_S = 20.0
SWEEP_STEP_S = 21 * 10 / 9600  # what a serial line of 9600 baud takes for the 21 bytes of one step
MANUAL_STEP_V = 1e-3  # what a SIM960 resolves
MONITOR_PERIOD_S = 0.5  # in which the monitors of a SIM960 are read once
MONITOR_WITHIN_V = 0.02  # of the output of a module that was not moved in the last half second
SETTING_FAILED = (
    StandardEvent.INPUT_LOST | StandardEvent.REPLY_LOST | StandardEvent.EXECUTION_ERROR | StandardEvent.COMMAND_ERROR
)
SCAN_DECIMATION = 1024
FILL_POLLS = 200


class BoundServo:
    """The `Servo` role on a SIM960 used as an integrator: output = g int (set point - measured) dt, within its limit.

    The limit is set in the hardware too, so that nothing that happens to this program lets the output leave it. What
    moves the output or closes the loop raises `Stopped` once the table is made safe.
    """

    def __init__(
        self, name: str, module: SIM960, output_limit_v: float, clock: Clock, way: RightOfWay | None = None
    ) -> None:
        self.name = name
        self._module = module
        self._limit = Limit(
            f"{name} servo output", -output_limit_v, output_limit_v, "V", f"[loops.{name}] output_limit"
        )
        self._clock = clock
        self._way = way or RightOfWay()
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

        Raises `LimitError`; `LockError` where somebody else closes the loop meanwhile.
        """
        self._limit.check(volts)
        begun = self._way.begin()
        if not self._prepared:
            self.prepare()
        if self._manual_v is None:
            self.hold()
        while abs(volts - (here_v := self._open_output_v())) > LARGEST_FREE_JUMP_V:
            with self._step(begun):
                self._manual_v = here_v + math.copysign(LARGEST_FREE_JUMP_V, volts - here_v)
                self._module.manual_output = round(self._manual_v, 3)
            wait_out(self._clock, LARGEST_FREE_JUMP_V / SERVO_RAMP_V_PER_S)
        with self._step(begun):
            self._module.manual_output = round(volts, 3)
            self._manual_v = volts

    def _open_output_v(self) -> float:
        if self._manual_v is None:
            raise LockError(
                f"{self.name}: its loop was closed while its output was being moved.", remedy="Release the loop first."
            )
        return self._manual_v

    @contextmanager
    def _step(self, begun: int) -> Iterator[None]:
        """Have the module for one step of a motion. Raises `Stopped`."""
        with self.mainframe.transaction():
            self._way.check(begun)
            yield

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
        begun = self._way.begin()
        self.set_output(float(outputs_v[0]))
        for volts in outputs_v:
            sent_at = self._clock.now()
            with self._step(begun):
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
        begun = self._way.begin()
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
        with self._step(begun):
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
            and self._limits_itself()
        )
        if not as_we_do:
            return None
        return ServoSetting(module.setpoint, module.proportional_gain * module.integral_gain)

    def _limits_itself(self) -> bool:
        lower_v, upper_v = self._module.limits_v(ask=True)
        return self._limit.low <= lower_v and upper_v <= self._limit.high

    def adopt(self) -> None:
        """Go on from the loop as it is."""
        self._prepared, self._manual_v, self._told = True, None, None

    def hop(self, volts: float) -> None:
        """Open the loop, ramp to `volts`, and close it with the set point and gain that the module has.

        Steps go out unchecked, for a loop that is open loses its phase meanwhile; one check comes before it is closed.
        Raises `LimitError` before anything moves, `Refused` with the loop left open.
        """
        self._limit.check(volts)
        begun = self._way.begin()
        self.hold()
        assert self._manual_v is not None
        while self._manual_v != volts:
            with self._step(begun):
                left_v = volts - self._manual_v
                self._manual_v += math.copysign(min(abs(left_v), LARGEST_FREE_JUMP_V), left_v)
                if abs(volts - self._manual_v) < MANUAL_STEP_V:
                    self._manual_v = volts
                self._module.put_out_unchecked(self._manual_v)
            wait_out(self._clock, LARGEST_FREE_JUMP_V / SERVO_RAMP_V_PER_S)
        errors = self._module.check_errors()
        if errors:
            raise Refused(self.name, f"a step of the hop was refused ({', '.join(map(str, errors))})", command="MOUT")
        with self._step(begun):
            self._module.close_loop()
            self._manual_v = None

    # ---- on the way to rest: half exchanges, so that all modules of a mainframe are at work at once -----------------

    @property
    def mainframe(self) -> SIM900:
        """Return the driver whose module this is."""
        mainframe: SIM900 = self._module.parent
        return mainframe

    def ask_output(self) -> None:
        """Ask the module for its output; `told_output` has to follow in the same transaction."""
        self._module.write("OMON?")

    def told_output(self) -> float:
        """Return the output in V, from the reply to `ask_output`: of a loop that moves, as it was half a second ago.

        Of a closed loop it is within the limits, whatever its monitor says: it is where the way to rest begins, and
        nothing is put out beyond them.
        """
        told_v, known_v, limit_v = finite_number(self._module.read()), self._manual_v, self._limit.high
        if abs(told_v) <= limit_v if known_v is None else abs(told_v - known_v) <= MONITOR_WITHIN_V:
            return told_v
        # It moved in the last half second, or somebody was at its front panel.
        if not self._module.closed:
            return float(self._module.manual_output)
        return min(max(told_v, -limit_v), limit_v)

    def step_to_rest(self, from_v: float, largest_step_v: float) -> float:
        """Open the loop, whatever it is now, and go one step from `from_v` towards 0 V, in one line; return where the
        output is then.

        The step that reaches 0 V asks for its errors: `told_taken` has to follow it in the same
        transaction.
        """
        volts = 0.0 if abs(from_v) <= largest_step_v else round(from_v - math.copysign(largest_step_v, from_v), 3)
        self._module.write(f"MOUT {volts:g};AMAN 0" + ("" if volts else ";*ESR?"))
        self._manual_v = volts
        return volts

    def told_taken(self) -> None:
        """Make sure that the loop is open at 0 V: by the reply to the question of the last step, or else by telling the
        module once more, one setting after the other. Raises `Refused`."""
        module = self._module
        if module.note_events(module.read(), "*ESR?") & SETTING_FAILED:
            module.check_errors()  # forget their codes, which may be those of somebody's earlier command
            module.manual_output, module.closed = 0.0, False
        module.note_setting("manual_output", 0.0)
        module.note_setting("closed", False)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def output_v(self) -> float:
        """Return the output in V: that of a closed loop read from the module, whose monitor is up to half a second
        old."""
        return float(self._module.output) if self._manual_v is None else self._manual_v

    def asked_output_v(self) -> tuple[float, float]:
        """Return the output in V as the module tells it, whoever moved it, and how old that may be, in s: 0 where the
        loop is open."""
        if self._module.closed:
            return float(self._module.output), MONITOR_PERIOD_S
        return float(self._module.manual_output), 0.0

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
