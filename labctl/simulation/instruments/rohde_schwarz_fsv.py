"""Simulated Rohde & Schwarz spectrum analyzer (FSV, FSV3000, FSW) on its raw socket: SCPI, LF both ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments import analyzer_units
from labctl.simulation.instruments.analyzer_settings import ReceiverSettings
from labctl.simulation.instruments.analyzer_sweeps import SweepingAnalyzer
from labctl.simulation.instruments.analyzer_traces import FIRST_TRACE, trace_number
from labctl.simulation.instruments.fsv_channels import Channels
from labctl.simulation.instruments.fsv_markers import FsvMarkers
from labctl.simulation.instruments.fsv_receiver import SWEEP_TIME_RANGE_S, FsvReceiver
from labctl.simulation.instruments.fsv_traces import WINDOW, FsvTraces
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import Answer, Call, on
from labctl.simulation.scpi_syntax import DBM, ERROR_TEXTS, read_choice
from labctl.simulation.wire import Timebase

CHANNEL_SWITCH_S = 1.0
MEASURING = 1 << 3 | 1 << 4  # sweeping and measuring, of the operation condition register
POINTS_RANGE = (101, 100001)
MOST_SWEEPS = 200000
LARGEST_ATTENUATION_DB = 79
ATTENUATION_STEP_DB = 1.0
REFERENCE_LEVEL_RANGE_DBM = (-130.0, 30.0)

_MANY_WIDTHS = ("FSV3", "FSVA3", "FPL")  # models whose traces also come as halves and doubles
_SPACINGS = ("LOGarithmic", "LINear", "LDB", "PERCent")
_FILTERS = ("NORMal", "CFILter", "RRC", "P5")
_SWEEP_MODES = ("AUTO", "LIST", "ESPectrum")
_TRIGGERS = ("IMMediate", "EXTern", "IFPower", "VIDeo")
_UNITS = ("DBM", "DBMV", "DBUV", "DBUA", "V", "A", "W")


class SimulatedFSV(SweepingAnalyzer[FsvReceiver]):
    """An analyzer with six traces and sixteen markers in its Spectrum application.

    Sweeps take lab time, see `SweepingAnalyzer`. A change of settings clears the live traces and restarts a running
    sequence; a start restarts it from nothing; what is out of range is refused and changes nothing. Noise, and the
    lines in it, are those of `NoiseDraw`. A filter other than the Gaussian, a list sweep, an external trigger and a
    linear scale are kept and read back, but only a percentage scale and the units change what traces hold. All Spectrum
    channels share one set of settings. Delta markers are not there.

    Wakes up as after preset: continuous sweeping of trace 1, ASCII, auto-peak detector, averages of decibels. Blocks
    are little-endian, for which there is no command.
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
        self._trace_commands = FsvTraces(self, ("16", "32", "64") if model.startswith(_MANY_WIDTHS) else ("32",))
        self._markers = FsvMarkers(
            self,
            self._screen,
            lambda number: self._trace_commands.mode(number) == "BLAN",
            lambda: self._unit,
            self.couple,
        )
        self._register()
        self._preset()

    def _register(self) -> None:
        settings = ReceiverSettings(self, self._receiver, self.changed, lambda: self.seen_by(FIRST_TRACE), clip=False)
        settings.frequency()
        settings.bandwidth()
        settings.sweep(POINTS_RANGE, SWEEP_TIME_RANGE_S)
        settings.choice("[:SENSe]:AVERage<n>:TYPE", "average_type", "average_type_set", ("VIDeo", "LINear", "POWer"))
        settings.attenuation(":INPut:ATTenuation", LARGEST_ATTENUATION_DB, ATTENUATION_STEP_DB)
        settings.preamplifier(":INPut:GAIN:STATe")
        for pattern in ("[:SENSe]:SWEep:COUNt", "[:SENSe]:AVERage<n>:COUNt"):
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
            f"{WINDOW}:Y[:SCALe]:RLEVel",
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
        self._keep(f"{WINDOW}:Y:SPACing", "_spacing", _SPACINGS)
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
        self._filter, self._sweep_mode, self._trigger = "NORM", "AUTO", "IMM"
        self._spacing, self._unit = "LOG", "DBM"
        self._sweep_type = "AUTO"
        self._trace_commands.preset()
        self._markers.preset()
        self.traces.preset()
        self._continuous = True
        self._sequence = None
        if self._may_sweep():
            self._restart()

    # ---- measurement ------------------------------------------------------------------------------------------------

    def seen_by(self, trace: int) -> FsvReceiver:
        """Return the receiver as the trace of that number sees it, a copy."""
        return replace(super().seen_by(trace), noise_marker=self._markers.measure_noise(trace))

    def _sweeps_wanted(self) -> int:
        return self._receiver.sweeps_in_sequence

    def _may_sweep(self) -> bool:
        return self._channels.sweeps

    def _channel_changed(self) -> None:
        self._busy_until = self.now() + CHANNEL_SWITCH_S
        self._sequence = None
        self.traces.clear(frozen=True)
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
            return str(self.traces.sweeps)
        return str(int(min(self._sequence.due(self.now()) + 1, self._sequence.target)))

    @on(":STATus:OPERation:CONDition?")
    def _operation(self, call: Call) -> Answer:
        return str(self.operation_condition())

    @on("[:SENSe]:SWEep:TYPE", arguments=1)
    def _set_sweep_type(self, call: Call) -> None:
        self._sweep_type = read_choice(call.arguments[0], ("AUTO", "FFT", "SWE"))
        self._receiver.type_set = None if self._sweep_type == "AUTO" else self._sweep_type
        self.changed()

    @on("[:SENSe]:SWEep:TYPE?")
    def _get_sweep_type(self, call: Call) -> Answer:
        return self._sweep_type

    @on("[:SENSe]:SWEep:TYPE:USED?")
    def _used_sweep_type(self, call: Call) -> Answer:
        return self._receiver.sweep_type

    # ---- results ----------------------------------------------------------------------------------------------------

    @on(":TRACe<n>[:DATA]?", arguments=1)
    def _trace_data(self, call: Call) -> Answer:
        return self._trace_commands.written(self._displayed(trace_number(call.arguments[0])))

    @on(":TRACe<n>[:DATA]:X?", arguments=1)
    def _trace_axis(self, call: Call) -> Answer:
        return self._trace_commands.written(self._trace_commands.axis(trace_number(call.arguments[0])))

    def _displayed(self, number: int) -> FloatArray:
        self._refuse_sweep()
        screen = self._screen(number)
        if screen.power_w is not None and self._spacing == "PERC":
            reference_w = 1e-3 * 10 ** (self._reference_level_dbm / 10)
            return np.asarray(100 * np.sqrt(screen.power_w / reference_w))
        return analyzer_units.displayed(screen.power_w, screen.axis.size, self._unit)

    @on(":SYSTem:ERRor:ALL?")
    def _all_errors(self, call: Call) -> Answer:
        """Return every error that is queued and forget them."""
        found = [self.status.pop_error() for _ in range(self.status.error_count)] or [(0, ERROR_TEXTS[0])]
        return ",".join(self.error_format.format(code=error[0], text=error[1]) for error in found if error is not None)
