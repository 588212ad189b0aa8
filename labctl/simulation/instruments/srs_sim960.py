"""SRS SIM960 analog PID controller, simulated: the commands of one servo module, translated for its `ServoPort`.

After the SIM960 manual rev. 2.3, sections 3.4.3 to 3.4.5 and 3.5. Choices, where the manual is silent or the model is
coarse: a ramp of the set point reaches the port whenever the module is spoken to or read; `SETP?` answers where the
ramp leads; `STRT` without a ramp is "no change", a new `SETP` during a ramp "ramp in progress". For the monitors see
`srs_converter`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from labctl.simulation.instruments.srs_converter import Converter, Stream
from labctl.simulation.instruments.srs_module import (
    BAD_FLOAT,
    ILLEGAL_VALUE,
    LIMITS_CONFLICT,
    NO_CHANGE,
    OFF_ON,
    RAMP_IN_PROGRESS,
    Command,
    CommandError,
    ExecutionError,
    SimulatedModule,
    Tokens,
    integer,
    none,
    one,
    selected,
)
from labctl.simulation.instruments.srs_numbers import DERIVATIVE, INTEGRAL, LIMIT, PROPORTIONAL, RATE, VOLTS, Scale
from labctl.simulation.instruments.srs_ramp import RampState, SetpointRamp
from labctl.simulation.ports import ServoConditions, ServoPort, ServoSettings
from labctl.simulation.wire import Timebase

FULL_RANGE_V = 10.0
MONITORS = ("SMON", "MMON", "EMON", "OMON")

_RAMP_STOPPED = 16  # of the condition registers
_IDLE = 16  # of the status byte
_MAN_PID = Tokens({"MAN": 0, "PID": 1})
_INT_EXT = Tokens({"INT": 0, "EXT": 1})
_NEG_POS = Tokens({"NEG": 0, "POS": 1})
_STOP_START = Tokens({"STOP": 0, "START": 1})
_RAMP_STATES = Tokens({state.name: int(state) for state in RampState})


class SimulatedSIM960(SimulatedModule):
    """One SIM960 whose terminals are `servo`; what the port is set to is what the module remembers from the last time.

    `rng` is the noise of the converter (None: none). `external_setpoint_v` is the voltage at the external set point
    input, which counts until `INPT INT`.
    """

    model = "SIM960"

    def __init__(
        self,
        timebase: Timebase,
        servo: ServoPort,
        rng: np.random.Generator | None = None,
        serial: str = "011553",
        firmware: str = "2.17",
        external_setpoint_v: float = 0.0,
    ) -> None:
        super().__init__(timebase, serial, firmware)
        self.servo = servo
        self.external_setpoint_v = external_setpoint_v
        self._internal_setpoint = False
        self._ramp = SetpointRamp(servo.settings.setpoint_v, servo.settings.setpoint_v, self.now())
        self._converter = Converter(self.now, self._signal, rng)
        self._stream: Stream | None = None
        self._instrument_events = 0
        self._conditions_before = 0
        self._railed: ServoConditions | None = None
        self._line_frequency = 60
        self._display_on = True
        self.commands |= self._controller_commands() | self._setpoint_commands() | self._status_commands()
        self.commands |= {mnemonic: self._monitor(mnemonic) for mnemonic in MONITORS}

    def rail(self, upper: bool | None) -> None:
        """Let the output stand at its upper (True) or lower limit as far as monitor and conditions tell; None: no more.

        The terminals do not know of it.
        """
        self._railed = None if upper is None else ServoConditions(upper_limit=upper, lower_limit=not upper)

    def receive(self, data: bytes, delay: float = 0.0) -> None:
        """Take bytes of which the last arrives `delay` s from now."""
        self._advance()
        super().receive(data, delay)

    def transmit(self) -> bytes:
        """Return the bytes that have left since the last call."""
        self._advance()
        return super().transmit()

    def next_byte_at(self) -> float | None:
        """Return when the next byte has left, in s of lab time, or None where nothing is on its way."""
        self._advance()
        queued = super().next_byte_at()
        return self._stream.starts_at if queued is None and self._stream is not None else queued

    def device_clear(self, seconds: float = 0.0) -> None:
        """Reset the interface, which also ends a stream."""
        self._stream = None
        super().device_clear(seconds)

    def clear_events(self) -> None:
        """Clear the events of servo and converter."""
        self._note_conditions()
        self._instrument_events = self._converter.events = 0

    # ---- the controller: settings that the port holds

    def _controller_commands(self) -> dict[str, Command]:
        return {
            "PCTL": self._switch("proportional_on"),
            "ICTL": self._switch("integral_on"),
            "DCTL": self._switch("derivative_on"),
            "OCTL": self._switch("offset_on"),
            "AMAN": self._switch("closed", _MAN_PID),
            "GAIN": self._number("proportional_gain", PROPORTIONAL),
            "INTG": self._number("integral_gain", INTEGRAL),
            "DERV": self._number("derivative_gain", DERIVATIVE),
            "OFST": self._number("offset_v", VOLTS),
            "MOUT": self._number("manual_output_v", VOLTS),
            "ULIM": self._number("upper_limit_v", LIMIT),
            "LLIM": self._number("lower_limit_v", LIMIT),
            "APOL": Command(self._put_polarity, self._get_polarity),
            "*RST": Command(put=self._reset),
        }

    def _apply(self, **changes: Any) -> None:
        settings = dataclasses.replace(self.servo.settings, **changes)
        if settings.lower_limit_v > settings.upper_limit_v:
            raise ExecutionError(LIMITS_CONFLICT)
        self.servo.apply(settings)

    def _switch(self, field: str, tokens: Tokens = OFF_ON) -> Command:
        def put(parameters: list[str]) -> None:
            self._apply(**{field: bool(tokens.number(one(parameters)))})

        def get(parameters: list[str]) -> str:
            none(parameters)
            return self.spell(tokens, int(getattr(self.servo.settings, field)))

        return Command(put, get)

    def _number(self, field: str, scale: Scale) -> Command:
        def put(parameters: list[str]) -> None:
            self._apply(**{field: _quantised(one(parameters), scale)})

        def get(parameters: list[str]) -> str:
            none(parameters)
            return scale.spell(getattr(self.servo.settings, field))

        return Command(put, get)

    def _put_polarity(self, parameters: list[str]) -> None:
        sign = 1.0 if _NEG_POS.number(one(parameters)) else -1.0
        self._apply(proportional_gain=math.copysign(self.servo.settings.proportional_gain, sign))

    def _get_polarity(self, parameters: list[str]) -> str:
        none(parameters)
        return self.spell(_NEG_POS, int(self.servo.settings.proportional_gain > 0))

    def _reset(self, parameters: list[str]) -> None:
        none(parameters)
        self._internal_setpoint = False
        self._ramp = SetpointRamp(0.0, 0.0, self.now())
        self._stream = None
        self._apply(**dataclasses.asdict(ServoSettings(setpoint_v=self.external_setpoint_v)))  # closes the loop

    # ---- the set point

    def _setpoint_commands(self) -> dict[str, Command]:
        return {
            "INPT": Command(self._put_input, self._get_input),
            "SETP": Command(self._put_setpoint, self._get_setpoint),
            "RAMP": Command(self._put_ramp, self._get_ramp),
            "RATE": Command(self._put_rate, self._get_rate),
            "RMPS": Command(get=self._get_ramp_state),
            "STRT": Command(put=self._start_or_stop),
        }

    def _put_input(self, parameters: list[str]) -> None:
        self._internal_setpoint = not _INT_EXT.number(one(parameters))
        self._apply_setpoint()

    def _get_input(self, parameters: list[str]) -> str:
        none(parameters)
        return self.spell(_INT_EXT, int(not self._internal_setpoint))

    def _put_setpoint(self, parameters: list[str]) -> None:
        volts = _quantised(one(parameters), VOLTS)
        if self._ramp.state is not RampState.IDLE:
            raise ExecutionError(RAMP_IN_PROGRESS)
        self._ramp.start(volts, self.now())
        self._apply_setpoint()

    def _get_setpoint(self, parameters: list[str]) -> str:
        none(parameters)
        return VOLTS.spell(self._ramp.target)

    def _put_ramp(self, parameters: list[str]) -> None:
        self._ramp.on = bool(OFF_ON.number(one(parameters)))

    def _get_ramp(self, parameters: list[str]) -> str:
        none(parameters)
        return self.spell(OFF_ON, int(self._ramp.on))

    def _put_rate(self, parameters: list[str]) -> None:
        self._ramp.rate = _quantised(one(parameters), RATE)

    def _get_rate(self, parameters: list[str]) -> str:
        none(parameters)
        return RATE.spell(self._ramp.rate)

    def _get_ramp_state(self, parameters: list[str]) -> str:
        none(parameters)
        return self.spell(_RAMP_STATES, self._ramp.state)

    def _start_or_stop(self, parameters: list[str]) -> None:
        start = _STOP_START.number(one(parameters))
        if self._ramp.state is not (RampState.PAUSED if start else RampState.RAMPING):
            raise ExecutionError(NO_CHANGE)
        self._ramp.state = RampState.RAMPING if start else RampState.PAUSED

    def _setpoint_now(self) -> float:
        return self._ramp.volts if self._internal_setpoint else self.external_setpoint_v

    def _apply_setpoint(self) -> None:
        if self._setpoint_now() != self.servo.settings.setpoint_v:
            self._apply(setpoint_v=self._setpoint_now())

    def _advance(self) -> None:
        """Do what went on while nobody spoke."""
        moving = self._ramp.state is RampState.RAMPING
        if self._ramp.advance(self.now()):
            self._instrument_events |= _RAMP_STOPPED
        if moving:
            self._apply_setpoint()
        self._converter.advance()
        while self._stream is not None and self._stream.slot <= self._converter.slot():
            self._send_reading(self._stream)

    # ---- monitors and registers

    def _status_commands(self) -> dict[str, Command]:
        return {
            "SOUT": Command(put=self._stop_stream),
            "FPLC": self.token("_line_frequency", Tokens({"50": 50, "60": 60})),
            "DISX": self.token("_display_on", OFF_ON, bool),
            "INCR": Command(get=lambda bit: selected(self._note_conditions(), bit)[0]),
            "INSR": Command(get=self._get_instrument_events),
            "ADSR": Command(get=self._get_conversion_events),
            "*STB": Command(get=lambda bit: selected(_IDLE, bit)[0]),
        }

    def _signal(self, monitor: str) -> float:
        if monitor == "SMON":
            return self._setpoint_now()
        if monitor == "MMON":
            return self.servo.measured_volts()
        if monitor == "OMON" and self._railed is not None:
            limits = self.servo.settings
            return limits.upper_limit_v if self._railed.upper_limit else limits.lower_limit_v
        if monitor == "OMON":
            return self.servo.output_volts()
        amplified = self.servo.settings.proportional_gain * (self._setpoint_now() - self.servo.measured_volts())
        return min(max(amplified, -FULL_RANGE_V), FULL_RANGE_V)

    def _monitor(self, mnemonic: str) -> Command:
        def get(parameters: list[str]) -> str | None:
            if not parameters:
                return self._converter.reading(mnemonic)
            count = integer(one(parameters))
            if count < 0:
                raise ExecutionError(ILLEGAL_VALUE)
            self._stream = Stream(mnemonic, count or None, self._converter.slot())
            self._send_reading(self._stream)
            return None

        return Command(get=get)

    def _send_reading(self, stream: Stream) -> None:
        self.say(self._converter.reading(stream.signal), stream.starts_at)
        stream.step(self._converter.slot())
        if stream.left == 0:
            self._stream = None

    def _stop_stream(self, parameters: list[str]) -> None:
        none(parameters)
        self._stream = None

    def _note_conditions(self) -> int:
        """Latch what began since the last look; what merely goes on does not latch again. Return what is the case."""
        happened = _bits(self.servo.latched())
        present = _bits(self.servo.conditions()) | (0 if self._railed is None else _bits(self._railed))
        self._instrument_events |= (happened | present) & ~(self._conditions_before & present)
        self._conditions_before = present
        return present | (0 if self._ramp.state is RampState.RAMPING else _RAMP_STOPPED)

    def _get_instrument_events(self, parameters: list[str]) -> str:
        self._note_conditions()
        return self.read_register("_instrument_events", parameters)

    def _get_conversion_events(self, parameters: list[str]) -> str:
        answer, mask = selected(self._converter.events, parameters)
        self._converter.events &= ~mask
        return answer


def _quantised(text: str, scale: Scale) -> float:
    value = scale.value(text)
    if value is None:
        raise CommandError(BAD_FLOAT)
    if not scale.holds(value):
        raise ExecutionError(ILLEGAL_VALUE)
    return scale.quantised(value)


def _bits(is_the_case: ServoConditions) -> int:
    bits = (is_the_case.overload, is_the_case.upper_limit, is_the_case.lower_limit, is_the_case.anti_windup)
    return sum(1 << position for position, bit in enumerate(bits) if bit)
