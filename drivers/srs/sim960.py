"""SRS SIM960 analog PID controller: one servo module in a slot of a SIM900 mainframe.

Control law: output = P (e + I int e dt + D de/dt) + offset, with e = set point - measured; P multiplies all three terms
and carries the polarity in its sign. Wire protocol: SIM960 operation manual rev. 2.3, chapter 3.
"""

from __future__ import annotations

from typing import Any

from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import DriverChannel, Identity
from drivers.errors import BadReply, Refused, WrongInstrument
from drivers.srs.sim960_scales import (
    DERIVATIVE_GAIN,
    FULL_RANGE_V,
    INTEGRAL_GAIN,
    PROPORTIONAL_GAIN,
    RAMP_RATE,
    GainScale,
    finite_number,
    on_scale,
    register_bits,
    rounded_down,
    rounded_up,
    zero_or_one,
)
from drivers.srs.sim960_status import (
    COMMAND_ERRORS,
    EXECUTION_ERRORS,
    NO_CHANGE,
    Monitor,
    ServoCondition,
    StandardEvent,
    ramp_state_code,
)

_SWITCH = {True: 1, False: 0}


def _control(mnemonic: str, form: str, docs: str, **settings: Any) -> Any:
    settings.setdefault("cast", finite_number)
    return DriverChannel.control(f"{mnemonic}?", f"{mnemonic} {form}", docs, check_set_errors=True, **settings)


def _switch(mnemonic: str, docs: str, values: dict[bool, int] = _SWITCH) -> Any:
    return _control(
        mnemonic, "%d", docs, validator=strict_discrete_set, values=values, map_values=True, cast=zero_or_one
    )


def _gain(mnemonic: str, docs: str, scale: GainScale) -> Any:
    form = "%+.1E" if scale.signed else "%.1E"
    return _control(mnemonic, form, docs, validator=on_scale, values=scale)


def _volts(mnemonic: str, docs: str, form: str = "%+.3f", **settings: Any) -> Any:
    return _control(mnemonic, form, docs, validator=strict_range, values=FULL_RANGE_V, **settings)


class SIM960(DriverChannel):
    """SIM960 analog PID controller in one slot of a SIM900.

    Every setting is checked, since a module stays silent on a command that it does not take: one question for the event
    register (`*ESR?`) follows, and only where it names an error, those for the code (`LEXE?`, `LCME?`); then `Refused`
    is raised. At 9600 baud a setting takes 24 ms alone, 78 ms with this check, and would take 132 ms with both codes
    each time; setting and question in one line gain nothing, because the mainframe passes on whole lines.

    Values go out rounded to what the module can hold (gains to two digits, see `GainScale`; volts to 1 mV; limits to
    10 mV, always inwards), so compare a value read back with the rounded one.

    The set point works only with `internal_setpoint`; after a reset of the module the external input counts. The error
    input takes +-1 V: beyond, it overloads (`ServoCondition.OVERLOAD`).

    The latched conditions only catch the beginning of a condition: an output that stays at its limit shows up once, so
    judge a lock by `conditions_since_last_look`.
    """

    _last_line = ""
    _limits_v: tuple[float, float] | None = None  # of the output, lower and upper, as the module last said or took them
    _heard_output_v: float | None = None  # while the loop is opened: where it is then
    _noted_events = StandardEvent.NONE

    def insert_id(self, command: str) -> str:
        """Wrap a command into the mainframe's message for this slot."""
        return str(self.parent.message(self.id, command))

    def initialise(self) -> None:
        """Bring the interface into a known state: no streams, no echo, LF, numbers for tokens. The servo is left alone.

        Raises `WrongInstrument` where another model sits in the slot.
        """
        with self.parent.transaction("initialise"):
            for line in ("SOUT", "SOUT;CONS OFF", "TERM LF;TOKN OFF"):  # the first also ends a line that was left open
                self.write(line)
            identity = self.read_identity()
            if identity.model != "SIM960":
                raise WrongInstrument(
                    self.parent.name,
                    f"holds a {identity.model} in slot {self.id}, not a SIM960",
                    command="*IDN?",
                    reply=str(identity),
                    remedy="Correct the slots in the station file.",
                )

    def read_identity(self) -> Identity:
        """Return who sits in the slot."""
        identity: Identity = self.parent.module_identity(self.id)
        return identity

    proportional_gain = _gain(
        "GAIN",
        """Control the proportional gain P in V/V (float, magnitude from 0.1 to 1000, two digits; one below 1).

        The sign is the polarity of the loop. P multiplies the integral and derivative terms too.""",
        PROPORTIONAL_GAIN,
    )
    integral_gain = _gain(
        "INTG",
        "Control the integral gain I in 1/s (float from 0.01 to 5e5, two digits; one below 0.1).",
        INTEGRAL_GAIN,
    )
    derivative_gain = _gain(
        "DERV",
        "Control the derivative gain D in s (float from 1e-6 to 10, two digits; one below 1e-5).",
        DERIVATIVE_GAIN,
    )
    offset = _volts("OFST", "Control the output offset in V (float from -10 to 10, steps of 1 mV).")
    proportional_on = _switch("PCTL", "Control whether the proportional term acts (bool).")
    integral_on = _switch("ICTL", "Control whether the integral term acts (bool).")
    derivative_on = _switch("DCTL", "Control whether the derivative term acts (bool).")
    offset_on = _switch("OCTL", "Control whether the output offset acts (bool).")

    closed = _switch(
        "AMAN",
        """Control whether the loop is closed (bool); open, the output is `manual_output`.

        `open_loop` and `close_loop` say when the change has no bump.""",
    )
    internal_setpoint = _switch(
        "INPT",
        "Control whether the internal set point counts (bool), else the voltage at the external input.",
        {True: 0, False: 1},
    )
    setpoint = _volts(
        "SETP", "Control the internal set point in V (float from -10 to 10, steps of 1 mV); it ramps if `ramp`."
    )
    ramp = _switch("RAMP", "Control whether the internal set point ramps to a new value (bool) or jumps.")
    ramp_rate = _gain(
        "RATE",
        "Control the ramp of the internal set point in V/s (float from 1e-3 to 1e4, two digits; one below 0.01).",
        RAMP_RATE,
    )
    ramp_state = DriverChannel.measurement(
        "RMPS?",
        "Get what the ramp of the internal set point does (`RampState` from 0 to 3).",
        cast=ramp_state_code,
    )
    manual_output = _volts("MOUT", "Control the output of the open loop in V (float from -10 to 10, steps of 1 mV).")
    upper_limit = _volts(
        "ULIM",
        "Control the upper limit of the output in V (float from `lower_limit` to 10, rounded down to 10 mV).",
        form="%+.2f",
        set_process=rounded_down,
    )
    lower_limit = _volts(
        "LLIM",
        "Control the lower limit of the output in V (float from -10 to `upper_limit`, rounded up to 10 mV).",
        form="%+.2f",
        set_process=rounded_up,
    )

    setpoint_monitor = DriverChannel.measurement(
        "SMON?", "Measure the set point that counts now in V (float); two readings a second.", cast=finite_number
    )
    measured = DriverChannel.measurement(
        "MMON?", "Measure the measure input in V (float); two readings a second.", cast=finite_number
    )
    error_monitor = DriverChannel.measurement(
        "EMON?",
        "Measure the amplified error P (set point - measured) in V (float); two readings a second.",
        cast=finite_number,
    )
    output = DriverChannel.measurement(
        "OMON?", "Measure the output in V (float); two readings a second.", cast=finite_number
    )
    new_readings = DriverChannel.measurement(
        "ADSR?",
        "Get the monitors with a new reading since the last look (`Monitor`, eight bits), and forget them.",
        cast=register_bits,
        get_process=Monitor,
    )

    latched_conditions = DriverChannel.measurement(
        "INSR?",
        "Get the conditions that began since the last look (`ServoCondition`, eight bits), and forget them.",
        cast=register_bits,
        get_process=ServoCondition,
    )
    present_conditions = DriverChannel.measurement(
        "INCR?",
        "Get the conditions of now (`ServoCondition`, eight bits).",
        cast=register_bits,
        get_process=ServoCondition,
    )
    last_execution_error = DriverChannel.measurement(
        "LEXE?", "Get the code of the last execution error (int, see `EXECUTION_ERRORS`), and forget it.", cast=int
    )
    last_command_error = DriverChannel.measurement(
        "LCME?", "Get the code of the last command error (int, see `COMMAND_ERRORS`), and forget it.", cast=int
    )

    def conditions_since_last_look(self) -> ServoCondition:
        """Return every condition that began since the last look or is the case now, without the ramp's bit."""
        with self.parent.transaction("INSR?"):
            seen = self.latched_conditions | self.present_conditions
        return ServoCondition(seen & ~ServoCondition.RAMP_STOPPED)

    def events_since_last_look(self) -> StandardEvent:
        """Return the standard events since the last look, also those that the checks of settings came across.

        BUTTON_PRESSED tells that somebody turned a knob at the front panel, POWER_ON that the module lost its supply.
        """
        with self.parent.transaction("*ESR?"):
            self.note_events(self.ask("*ESR?"), "*ESR?")
            events, self._noted_events = self._noted_events, StandardEvent.NONE
            return events

    def open_loop(self) -> float:
        """Open the loop where it stands and return the voltage in V that the output holds from now on.

        Copies the output monitor into the manual output first. What bump remains is what the loop moved since the
        monitor's last reading, at most 0.5 s ago. An open loop is left as it is.
        """
        with self.parent.transaction("AMAN 0"):
            if not self.closed:
                self.note_setting("closed", False)
                return float(self.manual_output)
            held = round(min(max(float(self.output), FULL_RANGE_V[0]), FULL_RANGE_V[1]), 3)
            self._heard_output_v = held
            try:
                self.write(f"MOUT {held:+.3f};AMAN 0")  # one line: nothing drifts between the two
            finally:
                self._heard_output_v = None
            self.check_set_errors()
            self.note_setting("manual_output", held)
            self.note_setting("closed", False)
            return held

    def whereabouts_v(self) -> float:
        """Return where the output is, in V: of a closed loop as its monitor last said, else as it was told."""
        if self._heard_output_v is not None:
            return self._heard_output_v
        return float(self.output if self.closed else self.manual_output)

    def put_out_unchecked(self, volts: float) -> None:
        """Set the output of the open loop in V (from -10 to 10) without asking whether the module took it: for sweeps.

        Costs 24 ms of wire instead of 78 ms; ask `check_errors` once afterwards.
        """
        self.write(f"MOUT {strict_range(volts, FULL_RANGE_V):+.3f}")
        self.note_setting("manual_output", round(volts, 3))

    def close_loop(self) -> None:
        """Close the loop; no bump where the integral term is on: the integrator starts from the present output."""
        self.closed = True

    def limit_output(self, lower: float, upper: float) -> None:
        """Set both limits of the output in V, in an order without conflict; raises ValueError, `Refused`."""
        if not FULL_RANGE_V[0] <= lower < upper <= FULL_RANGE_V[1]:
            raise ValueError(f"limits {lower:g} V to {upper:g} V are not in order or not in -10 to 10 V")
        with self.parent.transaction("ULIM, LLIM"):
            self._limits_v = None  # not known until both are taken
            if lower > self.upper_limit:
                self.upper_limit, self.lower_limit = upper, lower
            else:
                self.lower_limit, self.upper_limit = lower, upper
            self._limits_v = (lower, upper)

    def limits_v(self, *, ask: bool = False) -> tuple[float, float]:
        """Return the lower and upper limit of the output in V; the module is asked where they are not known, or if told
        to."""
        if ask or self._limits_v is None:
            self._limits_v = (float(self.lower_limit), float(self.upper_limit))
        return self._limits_v

    def forget_limits(self) -> None:
        """Forget the limits of the output: the module was away."""
        self._limits_v = None

    def write(self, command: str, **kwargs: Any) -> None:
        """Send one line to the module."""
        with self.parent.transaction(command):
            self._last_line = command
            super().write(command, **kwargs)

    def read(self, **kwargs: Any) -> str:
        """Return what the module answers to the last line."""
        return str(self.parent.read_reply(self.id, self._last_line))

    def check_set_errors(self) -> list[Any]:
        """Ask for the errors of the last setting; raises `Refused` where there is one."""
        line = self._last_line
        reasons = self.check_errors()
        if reasons:
            raise Refused(
                self.parent.name,
                f"the SIM960 in slot {self.id} refused a setting ({', '.join(reasons)})",
                command=line,
                remedy="Read the setting back, then send a value that the module takes.",
            )
        return []

    def check_errors(self) -> list[Any]:
        """Return the module's errors since the last look, as text; empty where there is none."""
        with self.parent.transaction("*ESR?"):
            return self._reasons(self.note_events(self.ask("*ESR?"), "*ESR?"))

    def note_events(self, reply: str, command: str) -> StandardEvent:
        """Return the events in a reply to `*ESR?`, which clears them in the module, and keep them for the next look."""
        try:
            events = StandardEvent(register_bits(reply))
        except ValueError as error:
            raise BadReply(self.parent.name, "expected an event register", command=command, reply=reply) from error
        self._noted_events |= events
        return events

    def _reasons(self, events: StandardEvent) -> list[str]:
        reasons = []
        if events & StandardEvent.INPUT_LOST:
            reasons.append("its input buffer overflowed")
        if events & StandardEvent.REPLY_LOST:
            reasons.append("a reply was lost")
        if events & StandardEvent.EXECUTION_ERROR:
            code = self.last_execution_error
            if code != NO_CHANGE:  # it already has what was asked for
                reasons.append(EXECUTION_ERRORS.get(code, f"execution error {code}"))
        if events & StandardEvent.COMMAND_ERROR:
            code = self.last_command_error
            reasons.append(COMMAND_ERRORS.get(code, f"command error {code}"))
        return reasons
