"""Simulated Santec TSL-570 tunable laser on its network port: SCPI, carriage return both ways."""

from __future__ import annotations

import math

from labctl.simulation.ports import LaserPort
from labctl.simulation.scpi import Answer, Call, ScpiInstrument, on
from labctl.simulation.scpi_syntax import ERROR_TEXTS, ScpiError, read_boolean, read_choice, read_number
from labctl.simulation.wire import Timebase

SHORTEST_M, LONGEST_M = 1480e-9, 1640e-9
WAVELENGTH_STEP_M = 1e-13
LOWEST_DBM, HIGHEST_DBM = -15.0, 13.0
TUNING_M_PER_S = 50e-9
SETTLING_S = 0.1
LASER_START_S = 2.0
DARK_DBM = -40.0  # what the monitor says without light
LEGACY, SCPI = "0", "1"
NO_NUMBER = -148  # what the laser says of a parameter that is no plain number

_LEGACY_UNIT_M = 1e-9
_PER_MILLIWATT = 1e3
_UNKNOWN_TO_THE_LASER = frozenset({-104, -121, -131, -138, -224})  # it has ten error numbers, and none of these


class SimulatedTSL570(ScpiInstrument):
    """A laser whose light is `laser`. It wakes up off, at the middle of its range and 1 mW.

    Tuning, starting and sweeping take lab time and overlap: `*OPC` and `*WAI` follow them, but `*OPC?` never waits, it
    answers 0 meanwhile and 1 afterwards. Out-of-range values are refused and leave the setting alone; a parameter that
    is no number is error -148. In the older command set, wavelengths are in nm. Of sweeps there is only one over the
    whole range, as somebody else may have left it running; fine tuning and triggers are not there.

    Error numbers, `*OPC?` and `*RST` as the driver of QMI has them from the maker.
    """

    command_end = b"\r"
    reply_end = b"\r"
    error_format = '{code:d},"{text}"'
    error_texts = {**ERROR_TEXTS, NO_NUMBER: "Character data not allowed"}

    def __init__(
        self,
        timebase: Timebase,
        laser: LaserPort,
        *,
        serial: str = "21020001",
        firmware: str = "0001.000.0001",
        command_set: str = SCPI,
    ) -> None:
        super().__init__(timebase)
        self.identity = f"SANTEC,TSL-570,{serial},{firmware}"
        self._laser = laser
        self._command_set = command_set
        self._busy_until = -math.inf
        self._stays_busy = False
        self._sweep_ends_at = -math.inf
        self._wavelength_m = 0.5 * (SHORTEST_M + LONGEST_M)
        self._power_w = 1e-3
        self._in_milliwatts = False
        self._is_on = False
        laser.tune(self._wavelength_m, 0.0)
        laser.set_power(self._power_w)
        laser.switch(False)

    def reset(self) -> None:
        """Stop a sweep and empty the error queue; wavelength, power and light stay, as the maker says of this laser."""
        self._stop_sweep()
        self.status.forget_errors()

    def operation_ends_at(self) -> float:
        """Return when the tuning, the start or the sweep under way ends, in s of lab time."""
        return self._busy_until

    def push_error(self, code: int, text: str | None = None) -> None:
        """Queue an error under the number that this laser has for it."""
        super().push_error(NO_NUMBER if code in _UNKNOWN_TO_THE_LASER else code, text)

    def stay_busy(self, busy: bool) -> None:
        """Let the laser say that its tuning goes on, whether it does or not."""
        self._stays_busy = busy

    @on("*OPC?")
    def _complete(self, call: Call) -> Answer:
        return str(int(self.now() >= self._busy_until and not self._stays_busy))

    # ---- wavelength -------------------------------------------------------------------------------------------------

    @property
    def _unit_m(self) -> float:
        return 1.0 if self._command_set == SCPI else _LEGACY_UNIT_M

    def _wavelength_text(self, metres: float) -> str:
        return f"{metres:.13E}" if self._command_set == SCPI else f"{metres / _LEGACY_UNIT_M:.4f}"

    @on("[:SOURce]:WAVelength", arguments=1)
    def _set_wavelength(self, call: Call) -> None:
        wanted_m = read_number(call.arguments[0]) * self._unit_m
        if not SHORTEST_M - 0.5 * WAVELENGTH_STEP_M <= wanted_m <= LONGEST_M + 0.5 * WAVELENGTH_STEP_M:
            raise ScpiError(-222)
        if self._sweeping:
            raise ScpiError(-200)
        metres = round(wanted_m / WAVELENGTH_STEP_M) * WAVELENGTH_STEP_M
        seconds = SETTLING_S + abs(metres - self._wavelength_m) / TUNING_M_PER_S
        self._wavelength_m = metres
        self._busy_until = max(self._busy_until, self.now()) + seconds
        self._laser.tune(metres, seconds)

    @on("[:SOURce]:WAVelength?")
    def _get_wavelength(self, call: Call) -> Answer:
        return self._wavelength_text(self._wavelength_m)

    @on("[:SOURce]:WAVelength:SWEep:RANGe:MINimum?")
    def _get_shortest(self, call: Call) -> Answer:
        return self._wavelength_text(SHORTEST_M)

    @on("[:SOURce]:WAVelength:SWEep:RANGe:MAXimum?")
    def _get_longest(self, call: Call) -> Answer:
        return self._wavelength_text(LONGEST_M)

    # ---- one sweep over everything ----------------------------------------------------------------------------------

    @property
    def _sweeping(self) -> bool:
        return self.now() < self._sweep_ends_at

    @on("[:SOURce]:WAVelength:SWEep", arguments=1)
    def _set_sweep(self, call: Call) -> None:
        if not read_boolean(call.arguments[0]):
            self._stop_sweep()
            return
        seconds = (LONGEST_M - SHORTEST_M) / TUNING_M_PER_S
        self._laser.tune(SHORTEST_M, 0.0)
        self._laser.tune(LONGEST_M, seconds)
        self._wavelength_m = LONGEST_M
        self._sweep_ends_at = self._busy_until = self.now() + seconds

    def _stop_sweep(self) -> None:
        if self._sweeping:
            left = (self._sweep_ends_at - self.now()) * TUNING_M_PER_S
            self._wavelength_m = round((LONGEST_M - left) / WAVELENGTH_STEP_M) * WAVELENGTH_STEP_M
            self._laser.tune(self._wavelength_m, 0.0)
            self._sweep_ends_at = self._busy_until = self.now()

    @on("[:SOURce]:WAVelength:SWEep?")
    def _get_sweep(self, call: Call) -> Answer:
        return str(int(self._sweeping))

    # ---- power ------------------------------------------------------------------------------------------------------

    @on("[:SOURce]:POWer", arguments=1)
    def _set_power(self, call: Call) -> None:
        value = read_number(call.arguments[0])
        if self._in_milliwatts and value <= 0:
            raise ScpiError(-222)
        dbm = round(10 * math.log10(value) if self._in_milliwatts else value, 2)
        if not LOWEST_DBM <= dbm <= HIGHEST_DBM:
            raise ScpiError(-222)
        self._power_w = 10 ** (dbm / 10) / _PER_MILLIWATT
        self._laser.set_power(self._power_w)

    @on("[:SOURce]:POWer?")
    def _get_power(self, call: Call) -> Answer:
        return self._power_text(self._power_w)

    @on("[:SOURce]:POWer:ACTual?")
    def _get_actual_power(self, call: Call) -> Answer:
        shining = self._is_on and self.now() >= self._busy_until
        return self._power_text(self._power_w if shining else 10 ** (DARK_DBM / 10) / _PER_MILLIWATT)

    def _power_text(self, watts: float) -> str:
        milliwatts = watts * _PER_MILLIWATT
        return f"{milliwatts:.4f}" if self._in_milliwatts else f"{10 * math.log10(milliwatts):.2f}"

    @on("[:SOURce]:POWer:UNIT", arguments=1)
    def _set_power_unit(self, call: Call) -> None:
        self._in_milliwatts = read_choice(call.arguments[0], ("0", "1")) == "1"

    @on("[:SOURce]:POWer:UNIT?")
    def _get_power_unit(self, call: Call) -> Answer:
        return str(int(self._in_milliwatts))

    @on("[:SOURce]:POWer:STATe", arguments=1)
    def _set_state(self, call: Call) -> None:
        state = read_boolean(call.arguments[0])
        if state and not self._is_on:
            self._busy_until = max(self._busy_until, self.now()) + LASER_START_S
        self._is_on = state
        self._laser.switch(state)

    @on("[:SOURce]:POWer:STATe?")
    def _get_state(self, call: Call) -> Answer:
        return str(int(self._is_on))

    # ---- system -----------------------------------------------------------------------------------------------------

    @on(":SYSTem:COMMunicate:CODe", arguments=1)
    def _set_command_set(self, call: Call) -> None:
        self._command_set = read_choice(call.arguments[0], (LEGACY, SCPI))

    @on(":SYSTem:COMMunicate:CODe?")
    def _get_command_set(self, call: Call) -> Answer:
        return self._command_set
