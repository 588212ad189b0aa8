"""Simulated Rohde & Schwarz spectrum analyzer (FSV, FSV3000, FSW) on its raw socket: SCPI, LF both ways."""

from __future__ import annotations

import re

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments import analyzer_units
from labctl.simulation.instruments.analyzer_settings import ReceiverSettings
from labctl.simulation.instruments.analyzer_sweeps import FIRST_TRACE, LAST_TRACE, SweepingAnalyzer
from labctl.simulation.instruments.fsv_channels import Channels
from labctl.simulation.instruments.fsv_receiver import SWEEP_TIME_RANGE_S, FsvReceiver
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import Answer, Call, Reply, on
from labctl.simulation.scpi_syntax import DBM, ScpiError, definite_block, read_choice
from labctl.simulation.wire import Timebase

CHANNEL_SWITCH_S = 1.0
MEASURING = 1 << 3 | 1 << 4  # sweeping and measuring, of the operation condition register
POINTS_RANGE = (101, 100001)
MOST_SWEEPS = 200000
LARGEST_ATTENUATION_DB = 79
ATTENUATION_STEP_DB = 1.0
REFERENCE_LEVEL_RANGE_DBM = (-130.0, 30.0)

_DETECTORS = ("APEak", "NEGative", "POSitive", "SAMPle", "RMS", "AVERage")
_TRACE_MODES = ("WRITe", "AVERage", "MAXHold", "MINHold", "VIEW", "BLANk")
_FROZEN_MODES = ("VIEW", "BLAN")
_SPACINGS = ("LOGarithmic", "LINear", "LDB", "PERCent")
_FILTERS = ("NORMal", "CFILter", "RRC", "P5")
_SWEEP_MODES = ("AUTO", "LIST", "ESPectrum")
_TRIGGERS = ("IMMediate", "EXTern", "IFPower", "VIDeo")
_UNITS = ("DBM", "DBMV", "DBUV", "DBUA", "V", "A", "W")
_WINDOW = ":DISPlay[:WINDow<n>]:TRACe<n>"


class SimulatedFSV(SweepingAnalyzer[FsvReceiver]):
    """An analyzer with one live trace in its Spectrum application (trace 1; traces 2 to 6 stay blank).

    Sweeps take lab time, see `SweepingAnalyzer`. A change of settings clears the trace and restarts a running sequence;
    a start restarts it from nothing; what is out of range is refused and changes nothing. Noise is that of `NoiseDraw`.
    A filter other than the Gaussian, a list sweep, an external trigger, a frozen trace and a linear scale are kept and
    read back, but only a percentage scale and the units change what traces hold. All Spectrum channels share one set of
    settings.

    Wakes up as after preset: continuous sweeping, ASCII, auto-peak detector, averages of decibels. Blocks are
    little-endian, for which there is no command.
    """

    error_format = '{code},"{text}"'
    options = "B4,B24,K7"

    def __init__(
        self,
        timebase: Timebase,
        rf_input: RfInput,
        rng: np.random.Generator,
        *,
        model: str = "FSW-13",
        serial: str = "1312.8000K13/100005",
        firmware: str = "2.60",
        highest_hz: float = 13.6e9,
        speed: float = 1.0,
    ) -> None:
        super().__init__(timebase, rf_input, rng, FsvReceiver(highest_hz), speed)
        self.identity = f"Rohde&Schwarz,{model},{serial},{firmware}"
        self._channels = Channels(self, self._channel_changed)
        self._register()
        self._preset()

    def _register(self) -> None:
        settings = ReceiverSettings(self, self._receiver, self._changed, clip=False)
        settings.frequency()
        settings.bandwidth()
        settings.sweep(POINTS_RANGE, SWEEP_TIME_RANGE_S)
        settings.choice("[:SENSe]:AVERage<n>:TYPE", "average_type", "average_type_set", ("VIDeo", "LINear", "POWer"))
        settings.automatic("[:SENSe][:WINDow<n>]:DETector<n>[:FUNCtion]:AUTO", "detector_set", "detector")
        settings.attenuation(":INPut:ATTenuation", LARGEST_ATTENUATION_DB, ATTENUATION_STEP_DB)
        settings.preamplifier(":INPut:GAIN:STATe")
        for pattern in ("[:SENSe]:SWEep:COUNt", "[:SENSe]:AVERage:COUNt"):
            self.number(
                pattern,
                lambda: self._receiver.sweep_count,
                lambda count: self._receiver.set_sweep_count(round(count)),
                minimum=0,
                maximum=MOST_SWEEPS,
                form="{:.0f}".format,
                clip=False,
            )
        low, high = REFERENCE_LEVEL_RANGE_DBM
        self.number(
            f"{_WINDOW}:Y[:SCALe]:RLEVel",
            lambda: self._reference_level_dbm,
            lambda level: self._kept("_reference_level_dbm", level),
            minimum=low,
            maximum=high,
            units=DBM,
            form="{:.2f}".format,
            clip=False,
        )
        self.switch(":INITiate<n>:CONTinuous", lambda: self._continuous, self._set_continuous)
        self._keep("[:SENSe]:BANDwidth[:RESolution]:TYPE", "_filter", _FILTERS)
        self._keep("[:SENSe]:SWEep:MODE", "_sweep_mode", _SWEEP_MODES)
        self._keep(":TRIGger[:SEQuence]:SOURce", "_trigger", _TRIGGERS)
        self._keep(f"{_WINDOW}:Y:SPACing", "_spacing", _SPACINGS)
        self._keep(":CALCulate<n>:UNIT:POWer", "_unit", _UNITS)

    def _keep(self, pattern: str, name: str, choices: tuple[str, ...]) -> None:
        """Add a choice that is an attribute of this class."""
        self.choice(pattern, lambda: str(getattr(self, name)), lambda choice: self._kept(name, choice), choices)

    def _kept(self, name: str, value: str | float) -> None:
        setattr(self, name, value)

    def operation_condition(self) -> int:
        """Return bits 3 and 4 while sweeping."""
        self.advance(self.now())
        return MEASURING if self._sequence is not None else 0

    def reset(self) -> None:
        """Go to preset."""
        self._preset()

    @on(":SYSTem:PRESet")
    def _on_preset(self, call: Call) -> None:
        self._preset()

    def _preset(self) -> None:
        self._receiver.preset()
        self._reference_level_dbm = 0.0
        self._binary = False
        self._filter, self._sweep_mode, self._trigger = "NORM", "AUTO", "IMM"
        self._spacing, self._unit = "LOG", "DBM"
        self._sweep_type = "AUTO"
        self._trace_modes = {FIRST_TRACE: "WRIT"} | dict.fromkeys(range(FIRST_TRACE + 1, LAST_TRACE + 1), "BLAN")
        self._continuous = True
        self._sequence = None
        if self._may_sweep():
            self._restart()

    # ---- measurement ------------------------------------------------------------------------------------------------

    def _may_sweep(self) -> bool:
        return self._channels.sweeps

    def _refuse_sweep(self) -> None:
        if not self._may_sweep():
            raise ScpiError(-221)

    def _channel_changed(self) -> None:
        self._busy_until = self.now() + CHANNEL_SWITCH_S
        self._sequence = None
        self._trace.clear()
        if self._may_sweep() and self._continuous:
            self._restart()

    @on(":INITiate<n>[:IMMediate]")
    def _initiate(self, call: Call) -> None:
        self._restart()

    @on(":INITiate<n>:CONMeas")
    def _continue(self, call: Call) -> None:
        self._refuse_sweep()
        self._look()
        self._begin()

    @on(":ABORt")
    def _abort(self, call: Call) -> None:
        self._stop()

    @on("[:SENSe]:SWEep:COUNt:CURRent?")
    def _sweeps_started(self, call: Call) -> Answer:
        self._look()
        if self._sequence is None:
            return str(self._trace.sweeps)
        return str(int(min(self._sequence.due(self.now()) + 1, self._sequence.target)))

    @on(":STATus:OPERation:CONDition?")
    def _operation(self, call: Call) -> Answer:
        return str(self.operation_condition())

    @on("[:SENSe]:SWEep:TYPE", arguments=1)
    def _set_sweep_type(self, call: Call) -> None:
        self._sweep_type = read_choice(call.arguments[0], ("AUTO", "FFT", "SWE"))
        self._receiver.type_set = None if self._sweep_type == "AUTO" else self._sweep_type
        self._changed()

    @on("[:SENSe]:SWEep:TYPE?")
    def _get_sweep_type(self, call: Call) -> Answer:
        return self._sweep_type

    @on("[:SENSe]:SWEep:TYPE:USED?")
    def _used_sweep_type(self, call: Call) -> Answer:
        return self._receiver.sweep_type

    # ---- traces -----------------------------------------------------------------------------------------------------

    @on("[:SENSe][:WINDow<n>]:DETector<n>[:FUNCtion]", arguments=1)
    def _set_detector(self, call: Call) -> None:
        detector = read_choice(call.arguments[0], _DETECTORS)
        if call.suffix(FIRST_TRACE, LAST_TRACE, place=1) == FIRST_TRACE:
            self._receiver.detector_set = detector
            self._changed()

    @on("[:SENSe][:WINDow<n>]:DETector<n>[:FUNCtion]?")
    def _get_detector(self, call: Call) -> Answer:
        return self._receiver.detector if call.suffix(FIRST_TRACE, LAST_TRACE, place=1) == FIRST_TRACE else "APE"

    @on(f"{_WINDOW}:MODE", arguments=1)
    def _set_trace_mode(self, call: Call) -> None:
        number = call.suffix(FIRST_TRACE, LAST_TRACE, place=1)
        self._trace_modes[number] = mode = read_choice(call.arguments[0], _TRACE_MODES)
        if number == FIRST_TRACE and mode not in _FROZEN_MODES:
            self._receiver.trace_type = mode
            self._changed()

    @on(f"{_WINDOW}:MODE?")
    def _get_trace_mode(self, call: Call) -> Answer:
        return self._trace_modes[call.suffix(FIRST_TRACE, LAST_TRACE, place=1)]

    @on(":FORMat[:DATA]", arguments=(1, 2))
    def _set_format(self, call: Call) -> None:
        kind = read_choice(call.arguments[0], ("ASCii", "REAL"))
        if call.arguments[1:] not in ((), ("32",) if kind == "REAL" else ("0",)):
            raise ScpiError(-224)
        self._binary = kind == "REAL"

    @on(":FORMat[:DATA]?")
    def _get_format(self, call: Call) -> Answer:
        return "REAL,32" if self._binary else "ASC,0"

    @on(":TRACe<n>[:DATA]?", arguments=1)
    def _trace_data(self, call: Call) -> Answer:
        return self._written(self._displayed(_trace_number(call)))

    @on(":TRACe<n>[:DATA]:X?", arguments=1)
    def _trace_axis(self, call: Call) -> Answer:
        _trace_number(call)
        return self._written(self._receiver.axis())

    def _displayed(self, number: int) -> FloatArray:
        self._refuse_sweep()
        power = None if self._trace_modes[number] == "BLAN" else self._power_w(number)
        if power is not None and self._spacing == "PERC":
            reference_w = 1e-3 * 10 ** (self._reference_level_dbm / 10)
            return np.asarray(100 * np.sqrt(power / reference_w))
        return analyzer_units.displayed(power, self._receiver.points, self._unit)

    def _written(self, values: FloatArray) -> Reply:
        if not self._binary:
            return ",".join(f"{value:.9g}" for value in values.tolist())
        return definite_block(values.astype("<f4").tobytes())


def _trace_number(call: Call) -> int:
    match = re.fullmatch(r"TRACE?([1-6])", call.arguments[0].upper())
    if match is None:
        raise ScpiError(-224)
    return int(match[1])
