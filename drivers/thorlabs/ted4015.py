"""Thorlabs TED4015 thermoelectric temperature controller, over USBTMC (a simulated one: over a TCP socket).

Wire protocol: Series 4000 SCPI Programmers Reference 3.3; the tuning commands and the limits of the set point after
public drivers for the same series.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Any, Final

from pymeasure.instruments.validators import strict_discrete_set

from drivers.errors import BadReply, InstrumentError, Refused
from drivers.moves import Move
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import choice, number, on_or_off, whole_number
from drivers.thorlabs.ted4015_moves import moves_of

TEMPERATURE_RANGE_C: Final = [-55.0, 150.0]
LARGEST_CURRENT_A: Final = 15.0
LARGEST_CONSTANT: Final = 1000.0  # of the control loop; the instrument's own limits are narrower
LARGEST_READING_C: Final = 1000.0  # beyond is SCPI's not-a-number


class Condition(IntFlag):
    """Bits of the measurement condition register, as far as a TED4015 has them."""

    KEYLOCK = 1 << 0
    TEMPERATURE_PROTECTION = 1 << 8
    TEMPERATURE_WINDOW = 1 << 9
    SENSOR_FAILURE = 1 << 10
    COMPLIANCE_VOLTAGE = 1 << 11
    CONNECTION_FAILURE = 1 << 12
    OVER_TEMPERATURE = 1 << 14


FAULTS: Final = {
    Condition.TEMPERATURE_PROTECTION: "the temperature protection has tripped",
    Condition.SENSOR_FAILURE: "the temperature sensor is open, short or of the wrong type",
    Condition.CONNECTION_FAILURE: "the thermoelectric element is not connected",
    Condition.OVER_TEMPERATURE: "the controller itself is too hot",
}
"""What keeps the output off. Outside its window or at its compliance voltage the controller regulates on."""


class AutoTuneState(IntEnum):
    """What auto tuning does, or how it ended."""

    NEVER_RUN = 0
    RUNNING = 1
    CANCELLED = 2
    FAILED = 3
    DONE = 4


def condition_bits(text: str) -> Condition:
    """Return the conditions that a register value spells; raises ValueError for anything else."""
    return Condition(whole_number(text))


def _target(command: str, docs: str) -> Any:
    """Return a property for a set point or a limit of it; the unit is sent along."""
    return number(command, docs, TEMPERATURE_RANGE_C, form="%.12gC")


def _loop_constant(node: str, docs: str) -> Any:
    """Return a property for a constant of the control loop."""
    return number(f"SOUR:TEMP:LCON:{node}", docs, [0.0, LARGEST_CONSTANT])


class ThorlabsTED4015(ScpiDriver):
    """One control loop, at `USB0::0x1313::...::INSTR`. Call `initialise` before anything is read.

    The instrument has no ramp: a new target is regulated to at once, with all the current that the limit allows. Who
    wants a crystal to follow gently moves the target in steps. `*RST` switches the output off and is never sent.
    """

    moving_settings = frozenset({"target_temperature_c", "output_enabled"})

    def __init__(self, adapter: Any, name: str = "Thorlabs TED4015", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    # ---- regulation -------------------------------------------------------------------------------------------------

    target_temperature_c = _target(
        "SOUR:TEMP",
        "Control the target temperature in degC (float strictly from -55 to 150, and within its two limits).",
    )
    lower_target_limit_c = _target(
        "SOUR:TEMP:LIM:LOW", "Control the lowest target that is taken, in degC (float strictly from -55 to 150)."
    )
    upper_target_limit_c = _target(
        "SOUR:TEMP:LIM:HIGH", "Control the highest target that is taken, in degC (float strictly from -55 to 150)."
    )
    current_limit_a = number(
        "SOUR:CURR:LIM",
        "Control the largest current through the element in A, of either sign (float strictly from 0 to 15).",
        [0.0, LARGEST_CURRENT_A],
    )
    source_function = choice(
        "SOUR:FUNC", "Control what is regulated (str: TEMP temperature or CURR current).", ["TEMP", "CURR"]
    )

    @property
    def output_enabled(self) -> bool:
        """Control whether the output is switched on (bool).

        Setting it raises `Refused` with the reason where the output does not come on.
        """
        return bool(self.values("OUTP?", cast=on_or_off)[0])

    @output_enabled.setter
    def output_enabled(self, enabled: bool) -> None:
        on = strict_discrete_set(enabled, (True, False))
        command = f"OUTP {'ON' if on else 'OFF'}"
        with self.transaction(command):
            self.write(command)
            self.check_errors()
            if on:
                self.check_protection()
            if self.output_enabled != on:
                raise Refused(
                    self.name,
                    f"did not switch its output {'on' if on else 'off'}",
                    command=command,
                    remedy="Look at its front panel.",
                )

    # ---- readings ---------------------------------------------------------------------------------------------------

    temperature_unit = choice(
        "UNIT:TEMP",
        "Control the unit of temperatures that are read (str: C or F for degrees, K to be absolute).",
        ["C", "F", "K"],
    )

    @property
    def object_temperature_c(self) -> float:
        """Measure the temperature of the object in degC (float).

        Raises `BadReply` where its sensor gives none.
        """
        command = "MEAS:TEMP?"
        celsius = float(self.values(command, maxsplit=0)[0])
        if abs(celsius) >= LARGEST_READING_C:
            raise BadReply(
                self.name,
                "gives no temperature: its sensor is open, short or of the wrong type",
                command=command,
                reply=f"{celsius:g}",
                remedy="Check the sensor and its cable.",
            )
        return celsius

    output_current_a = ScpiDriver.measurement(
        "MEAS:CURR?", "Measure the current through the element in A (float), signed.", maxsplit=0
    )
    output_voltage_v = ScpiDriver.measurement(
        "MEAS:VOLT?", "Measure the voltage across the element in V (float), signed.", maxsplit=0
    )
    output_power_w = ScpiDriver.measurement("MEAS:POW?", "Measure the power into the element in W (float).", maxsplit=0)
    conditions = ScpiDriver.measurement(
        "STAT:MEAS:COND?", "Get what is the case now (`Condition`, no unit).", cast=condition_bits, maxsplit=0
    )

    # ---- control loop -----------------------------------------------------------------------------------------------

    proportional_gain_a_per_k = _loop_constant(
        "GAIN", "Control the proportional gain in A/K (float strictly from 0 to 1000)."
    )
    integral_gain_a_per_k_s = _loop_constant(
        "INT", "Control the integral gain in A/(K s) (float strictly from 0 to 1000)."
    )
    derivative_gain_a_s_per_k = _loop_constant(
        "DER", "Control the derivative gain in A s/K (float strictly from 0 to 1000)."
    )
    oscillation_period_s = _loop_constant(
        "PER", "Control the period at which the load oscillates, in s (float strictly from 0 to 1000)."
    )

    @property
    def auto_tune_state(self) -> AutoTuneState:
        """Get what auto tuning does, or how it ended (`AutoTuneState`, no unit)."""
        command = "SOUR:TEMP:ATUN:STAT?"
        reply = self.ask(command)
        try:
            return AutoTuneState(whole_number(reply.split(",")[0]))
        except ValueError as error:
            raise BadReply(self.name, "expected a state of auto tuning", command=command, reply=reply) from error

    def start_auto_tune(self) -> None:
        """Start auto tuning: the temperature oscillates for minutes, then the four constants change.

        Raises `Refused` where it cannot start.
        """
        with self.transaction():
            self.write("SOUR:TEMP:ATUN:INIT")
            self.check_errors()

    def cancel_auto_tune(self) -> None:
        """Stop auto tuning; the constants stay as they were before it."""
        with self.transaction():
            self.write("SOUR:TEMP:ATUN:CANC")
            self.check_errors()

    # ---- state ------------------------------------------------------------------------------------------------------

    def initialise(self) -> None:
        """Let temperatures be read in degC; output and target are left as they are.

        Raises `InstrumentError` where the instrument regulates a current, to which a target means nothing.
        """
        with self.transaction():
            self.write("*CLS")
            self.temperature_unit = "C"
            if self.source_function != "TEMP":
                raise InstrumentError(
                    self.name,
                    "regulates a current and no temperature",
                    command="SOUR:FUNC?",
                    remedy="Switch its output off and choose temperature control.",
                )

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: the target and its limits in degC, the current limit in A, the output."""
        return moves_of(command)

    def check_protection(self) -> None:
        """Raise `Refused` with what keeps the output off, where anything does."""
        found = self.conditions
        reasons = [text for bit, text in FAULTS.items() if bit & found]
        if reasons:
            raise Refused(
                self.name,
                f"keeps its output off: {'; '.join(reasons)}",
                command="STAT:MEAS:COND?",
                reply=str(int(found)),
                remedy="Remove the cause, then switch the output on again.",
            )

    def is_regulating(self) -> bool:
        """Return True while the output is on and nothing keeps it off."""
        with self.transaction():
            if not self.output_enabled:
                return False
            found = self.conditions
            return not any(bit & found for bit in FAULTS)
