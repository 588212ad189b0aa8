"""A simulated Thorlabs TED4015 temperature controller: SCPI of the 4000 series, LF both ways."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl.simulation import scpi_syntax as syntax
from labctl.simulation.ports import ThermalPort
from labctl.simulation.scpi import Answer, Call, ScpiInstrument, on
from labctl.simulation.scpi_syntax import NOT_A_NUMBER, ScpiError
from labctl.simulation.wire import Timebase

WINDOW_FAILURE, SENSOR_FAILURE, COMPLIANCE_VOLTAGE, CONNECTION_FAILURE = 1 << 9, 1 << 10, 1 << 11, 1 << 12
NEVER_RUN, RUNNING, CANCELLED, FAILED, DONE = range(5)

TARGET_RANGE_C = (-55.0, 150.0)
LARGEST_CURRENT_A = 15.0
LARGEST_VOLTAGE_V = 15.0
LARGEST_CONSTANT = 100.0
SHORTEST_PERIOD_S = 0.1
# The figures below are not published; they are of the order of what such a controller has.
CONTROL_RATE_HZ = 10.0
PROCESSING_S = 2e-3
WINDOW_K = 1.0
ELEMENT_OHM = 2.0
CURRENT_NOISE_A = 1e-3
AUTO_TUNE_PERIODS = 10

_TEMPERATURE = re.compile(r"([-+0-9.E\s]*[0-9.])\s*(C|CEL|F|FAR|K)?")
_READINGS = ("TEMPerature", "CURRent", "VOLTage", "POWer")


@dataclass
class LoopConstants:
    """Constants of the control loop in A/K, A/(K s), A s/K and s; the defaults are those of the factory."""

    gain: float = 1.0
    integral: float = 0.1
    derivative: float = 0.0
    period: float = 1.0


TUNED = LoopConstants(gain=2.0, integral=0.4, derivative=0.5)
"""What auto tuning finds; it leaves the period as it is."""


class SimulatedTED4015(ScpiInstrument):
    """One control loop on `thermal`. There is no ramp: a new target is regulated to at once.

    Constants of the loop and the current limit are kept and read back, but it is the port that regulates. A sensor that
    fails or an element that is not connected switches the output off, and keeps it off without an error in the queue;
    out of its window or at its compliance voltage it stays on. Limits that exclude the target move it. The state of
    power-up, all of it: output off, 25 degC, temperature control, degC.

    `sensor_connected` and `element_connected` are the cables, for whoever wants to pull them.
    """

    error_format = '{code},"{text}"'
    reply_delay_s = PROCESSING_S

    def __init__(
        self,
        timebase: Timebase,
        thermal: ThermalPort,
        rng: np.random.Generator,
        *,
        serial: str = "M00310001",
        firmware: str = "1.4.0/2.0.3/1.6.0",
    ) -> None:
        super().__init__(timebase)
        self.identity = f"THORLABS,TED4015,{serial},{firmware}"
        self.sensor_connected = True
        self.element_connected = True
        self._thermal = thermal
        self._rng = rng
        self._on = False
        self._target_c = 25.0
        self._limits_c = TARGET_RANGE_C
        self._current_limit_a = LARGEST_CURRENT_A
        self._function = "TEMP"
        self._unit = "C"
        self._constants = LoopConstants()
        self._tuning = NEVER_RUN
        self._tuning_since = 0.0
        self._object_c = math.nan
        self._reading = -1
        self._connection_failed = False
        self._events = 0
        self._conditions_before = 0
        self._register()
        self.advance(self.now())

    def _register(self) -> None:
        source = ":SOURce<n>"
        self.number(
            f"{source}:CURRent:LIMit[:AMPLitude]",
            lambda: self._current_limit_a,
            lambda value: setattr(self, "_current_limit_a", value),
            minimum=0.1,
            maximum=LARGEST_CURRENT_A,
            units={"A": 1.0, "MA": 1e-3},
            clip=False,
        )
        for node, least in (("GAIN", 0.0), ("INTegral", 0.0), ("DERivative", 0.0), ("PERiod", SHORTEST_PERIOD_S)):
            self._add_constant(f"{source}:TEMPerature:LCONstants:{node}", node.lower(), least)
        self.choice(f"{source}:FUNCtion[:MODE]", lambda: self._function, self._set_function, ("TEMPerature", "CURRent"))
        self.choice(":UNIT:TEMPerature", lambda: self._unit, lambda unit: setattr(self, "_unit", unit), ("C", "F", "K"))
        self.switch(":OUTPut<n>[:STATe]", lambda: self._on, self._switch)
        self._add_temperature(f"{source}:TEMPerature[:SPOint]", lambda: self._target_c, self._set_target, 25.0)
        low, high = TARGET_RANGE_C
        self._add_temperature(f"{source}:TEMPerature:LIMit:LOW", lambda: self._limits_c[0], self._set_low, low)
        self._add_temperature(f"{source}:TEMPerature:LIMit:HIGH", lambda: self._limits_c[1], self._set_high, high)
        readings = (self._shown_temperature, self._current_a, self._voltage_v, self._power_w)
        for node, read in zip(_READINGS, readings, strict=True):
            self._add_reading(node, read)

    def _add_constant(self, pattern: str, name: str, least: float) -> None:
        self.number(
            pattern,
            lambda: float(getattr(self._constants, name)),
            lambda value: setattr(self._constants, name, value),
            minimum=least,
            maximum=LARGEST_CONSTANT,
            form="{:.8E}".format,
            clip=False,
        )

    def _add_reading(self, node: str, read: Callable[[], float]) -> None:
        for root in (":MEASure[:SCALar]", ":FETCh"):
            self.register(f"{root}:{node}?", lambda call: f"{read():.8E}")
        self.register(f":CONFigure[:SCALar]:{node}", lambda call: None)

    def _add_temperature(
        self, pattern: str, get_c: Callable[[], float], set_c: Callable[[float], None], default_c: float
    ) -> None:
        def write(call: Call) -> None:
            set_c(self._read_temperature(call.arguments[0], default_c))
            self.advance(self.now())

        def query(call: Call) -> Answer:
            value = get_c() if not call.arguments else self._named_temperature(call.arguments[0], default_c)
            return f"{from_celsius(value, self._unit):.8E}"

        self.register(pattern, write, arguments=1)
        self.register(pattern + "?", query, arguments=(0, 1))

    def _read_temperature(self, text: str, default_c: float) -> float:
        match = _TEMPERATURE.fullmatch(text.strip().upper())
        if match is None:
            return self._named_temperature(text, default_c)
        value = to_celsius(syntax.read_number(match[1]), (match[2] or self._unit)[:1])
        if not TARGET_RANGE_C[0] <= value <= TARGET_RANGE_C[1]:
            raise ScpiError(-222)
        return value

    def _named_temperature(self, text: str, default_c: float) -> float:
        return syntax.read_number(text, minimum=TARGET_RANGE_C[0], maximum=TARGET_RANGE_C[1], default=default_c)

    # ---- settings ----------------------------------------------------------------------------------------------------

    def _set_target(self, target_c: float) -> None:
        if not self._limits_c[0] <= target_c <= self._limits_c[1]:
            raise ScpiError(-222)
        self._target_c = target_c

    def _set_low(self, low_c: float) -> None:
        self._set_limits(low_c, self._limits_c[1])

    def _set_high(self, high_c: float) -> None:
        self._set_limits(self._limits_c[0], high_c)

    def _set_limits(self, low_c: float, high_c: float) -> None:
        if low_c >= high_c:
            raise ScpiError(-221)
        self._limits_c = (low_c, high_c)
        self._target_c = min(max(self._target_c, low_c), high_c)

    def _set_function(self, function: str) -> None:
        if self._on and function != self._function:
            raise ScpiError(-221)
        self._function = function

    def _switch(self, on: bool) -> None:
        if on and self._function != "TEMP":
            raise ScpiError(-221)
        self._on = on
        self._connection_failed = False
        self.advance(self.now())

    def reset(self) -> None:
        """Switch the output off."""
        self._switch(False)

    # ---- what goes on by itself --------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Go on to lab time `now` (s): read the sensor, watch the cables, tune. The table calls this at every step."""
        turn = math.floor(now * CONTROL_RATE_HZ)
        if turn != self._reading:
            self._reading = turn
            self._object_c = self._thermal.object_temperature_c()
        if self._on and not self.element_connected:
            self._connection_failed = True
        failed = not self.sensor_connected or self._connection_failed
        self._on = self._on and not failed
        self._advance_tuning(now, failed)
        self._thermal.regulate(self._target_c if self._on else None)
        condition = self._condition()
        self._events |= condition & ~self._conditions_before
        self._conditions_before = condition

    def _advance_tuning(self, now: float, failed: bool) -> None:
        if self._tuning != RUNNING:
            return
        if not self._on:
            self._tuning = FAILED if failed else CANCELLED
        elif now - self._tuning_since >= AUTO_TUNE_PERIODS * self._constants.period:
            self._tuning = DONE
            self._constants = LoopConstants(TUNED.gain, TUNED.integral, TUNED.derivative, self._constants.period)

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; what went on until now went on before them."""
        self.advance(self.now())
        super().on_bytes(data)

    def _condition(self) -> int:
        condition = 0 if self.sensor_connected else SENSOR_FAILURE
        if self._connection_failed:
            condition |= CONNECTION_FAILURE
        if self._on and abs(self._object_c - self._target_c) > WINDOW_K:
            condition |= WINDOW_FAILURE
        if self._on and abs(self._thermal.output_current_a()) * ELEMENT_OHM >= LARGEST_VOLTAGE_V:
            condition |= COMPLIANCE_VOLTAGE
        return condition

    # ---- readings ----------------------------------------------------------------------------------------------------

    def _shown_temperature(self) -> float:
        return from_celsius(self._object_c, self._unit) if self.sensor_connected else NOT_A_NUMBER

    def _current_a(self) -> float:
        driven = self._thermal.output_current_a() if self._on else 0.0
        return driven + float(self._rng.normal(0.0, CURRENT_NOISE_A))

    def _voltage_v(self) -> float:
        return self._current_a() * ELEMENT_OHM

    def _power_w(self) -> float:
        return self._current_a() ** 2 * ELEMENT_OHM

    @on(":INITiate[:IMMediate]")
    @on(":ABORt")
    def _measure(self, call: Call) -> None:
        """Every reading is the newest: there is nothing to start and nothing to stop."""

    @on(":STATus:MEASurement:CONDition?")
    def _get_condition(self, call: Call) -> Answer:
        return str(self._condition())

    @on(":STATus:MEASurement[:EVENt]?")
    def _take_events(self, call: Call) -> Answer:
        events, self._events = self._events, 0
        return str(events)

    # ---- auto tuning -------------------------------------------------------------------------------------------------

    @on(":SOURce<n>:TEMPerature:ATUNe:INITiate")
    def _start_tuning(self, call: Call) -> None:
        if not self._on or self._tuning == RUNNING:
            raise ScpiError(-221)
        self._tuning, self._tuning_since = RUNNING, self.now()

    @on(":SOURce<n>:TEMPerature:ATUNe:CANCel")
    def _cancel_tuning(self, call: Call) -> None:
        if self._tuning == RUNNING:
            self._tuning = CANCELLED

    @on(":SOURce<n>:TEMPerature:ATUNe:STATe?")
    def _tuning_state(self, call: Call) -> Answer:
        running = self._tuning == RUNNING
        loop = math.floor((self.now() - self._tuning_since) / self._constants.period) if running else 0
        return f"{self._tuning},0,{loop}"


def to_celsius(value: float, unit: str) -> float:
    """Return a temperature given in "C", "F" or "K", in degC."""
    return {"C": value, "F": (value - 32.0) / 1.8, "K": value - 273.15}[unit]


def from_celsius(value_c: float, unit: str) -> float:
    """Return a temperature in degC in the unit "C", "F" or "K"."""
    return {"C": value_c, "F": value_c * 1.8 + 32.0, "K": value_c + 273.15}[unit]
