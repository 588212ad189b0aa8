"""Simulated Keysight X-series spectrum analyzer (N9000, N9010, N9020, N9030) on its raw socket: SCPI, LF both ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_sweeps import SweepingAnalyzer
from labctl.simulation.instruments.analyzer_trace import SweepSequence
from labctl.simulation.instruments.analyzer_traces import FIRST_TRACE, LAST_TRACE, trace_number
from labctl.simulation.instruments.x_series_data import TraceWriter
from labctl.simulation.instruments.x_series_markers import XSeriesMarkers
from labctl.simulation.instruments.x_series_receiver import Receiver
from labctl.simulation.instruments.x_series_settings import register_receiver
from labctl.simulation.instruments.x_series_traces import XSeriesTraces
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import Answer, Call, Later, Reply, on
from labctl.simulation.scpi_syntax import DBM, ScpiError, read_choice
from labctl.simulation.wire import Timebase

MODE_SWITCH_S = 1.0
SWEEPING = 1 << 3  # bit of the operation condition register
REFERENCE_LEVEL_RANGE_DBM = (-170.0, 30.0)
PEAK_TABLE, MARKER_TABLE = LAST_TRACE + 1, LAST_TRACE + 2  # as READ and FETCh number them
_MODES = ("SA", "PNOISE", "BASIC")


class SimulatedXSeries(SweepingAnalyzer[Receiver]):
    """An analyzer in swept-SA mode with six traces, twelve markers, and the tables of both peaks and markers.

    Sweeps take lab time, see `SweepingAnalyzer`. A change of settings clears the live traces and restarts a running
    sequence. Noise, and the lines in it, are those of `NoiseDraw`. Limit lines and trace mathematics are not there.

    Wakes up as after preset: continuous sweeping of trace 1, ASCII, big-endian, normal detector, log-power averaging.
    """

    options = '"503,B25,P03"'

    def __init__(
        self,
        timebase: Timebase,
        rf_input: RfInput,
        rng: np.random.Generator,
        *,
        model: str = "N9020A",
        serial: str = "MY50000001",
        firmware: str = "A.14.03",
        highest_hz: float = 3.6e9,
        speed: float = 1.0,
    ) -> None:
        super().__init__(timebase, rf_input, rng, Receiver(highest_hz), speed)
        self.identity = f"Agilent Technologies,{model},{serial},{firmware}"
        self._mode = "SA"
        self._writer = TraceWriter(self)
        self._trace_commands = XSeriesTraces(self, self._writer)
        self._markers = XSeriesMarkers(self, self._screen, lambda: self._writer.unit, self.couple)
        self._register()
        self._preset()

    def _register(self) -> None:
        register_receiver(self, self._receiver, self.changed, lambda: self.seen_by(FIRST_TRACE))
        self.number(
            "[:SENSe]:AVERage:COUNt",
            lambda: self._receiver.average_count,
            self._set_average_count,
            minimum=1,
            maximum=10000,
            default=100,
            form="{:.0f}".format,
        )
        self.switch(":INITiate:CONTinuous", lambda: self._continuous, self._set_continuous)
        low, high = REFERENCE_LEVEL_RANGE_DBM
        self.number(
            ":DISPlay:WINDow<n>:TRACe<n>:Y[:SCALe]:RLEVel",
            lambda: self._reference_level_dbm,
            self._set_reference_level,
            minimum=low,
            maximum=high,
            units=DBM,
            form="{:.2f}".format,
        )

    # ---- state ------------------------------------------------------------------------------------------------------

    def operation_condition(self) -> int:
        """Return bit 3 while sweeping."""
        self.advance(self.now())
        return SWEEPING if self._sequence is not None else 0

    def reset(self) -> None:
        """Go to preset with single sweeps."""
        self._preset()
        self._continuous = False
        self._sequence = None

    @on(":SYSTem:PRESet")
    def _on_preset(self, call: Call) -> None:
        self._preset()

    def _preset(self) -> None:
        self._receiver.preset()
        self._writer.preset()
        self.traces.preset()
        self._markers.preset()
        self._reference_level_dbm = 0.0
        self._continuous = True
        self._sequence = None
        if self._mode == "SA":
            self._restart()

    def _may_sweep(self) -> bool:
        return self._mode == "SA"

    # ---- couplings between traces and markers -----------------------------------------------------------------------

    def seen_by(self, trace: int) -> Receiver:
        """Return the receiver as a trace sees it: its automatic average type follows from all traces and markers."""
        seen = self._detected_by(trace)
        averages = any(self._detected_by(live).detector == "AVER" for live in self.traces.live)
        power = averages or self._markers.measures_in_band()
        return replace(seen, average_type_auto="RMS" if power else "LOG")

    def _detected_by(self, trace: int) -> Receiver:
        return replace(super().seen_by(trace), marker_function=self._markers.measures_in_band(trace))

    # ---- sequence and mode ------------------------------------------------------------------------------------------

    def _sweeps_wanted(self) -> int:
        return 1 if self.traces.only_rewritten else self._receiver.average_count

    def _set_average_count(self, value: float) -> None:
        before = self._receiver.average_count
        self._receiver.average_count = count = round(value)
        if self._continuous or self.traces.only_rewritten:
            return
        if self._sequence is not None:
            self._sequence.target = max(count, self._sequence.finished)
            self.advance(self.now())
        elif before <= self.traces.sweeps < count:
            # A finished sequence goes on to the higher count.
            done = self.traces.sweeps
            self._sequence = SweepSequence(self.now() - done * self.sweep_s, self.sweep_s, count, done)

    def _set_reference_level(self, value: float) -> None:
        self._reference_level_dbm = value

    @on(":INITiate[:IMMediate]")
    @on(":INITiate:SANalyzer")
    def _initiate(self, call: Call) -> None:
        if self._sequence is not None:
            raise ScpiError(-213, "Init ignored")
        self._restart()

    @on(":INITiate:RESTart")
    def _initiate_again(self, call: Call) -> None:
        self._restart()

    @on(":ABORt")
    def _abort(self, call: Call) -> None:
        self._stop()

    @on("[:SENSe]:AVERage:CLEar")
    def _clear_average(self, call: Call) -> None:
        if not self.traces.only_rewritten:
            self._restart()

    @on(":STATus:OPERation:CONDition?")
    def _operation(self, call: Call) -> Answer:
        return str(self.operation_condition())

    @on(":INSTrument[:SELect]", arguments=1)
    def _set_mode(self, call: Call) -> None:
        mode = read_choice(call.arguments[0].strip("\"'"), _MODES)
        if mode == self._mode:
            return
        self._mode = mode
        self.traces.clear(frozen=True)
        self._sequence = None
        self._busy_until = self.now() + MODE_SWITCH_S
        if mode == "SA" and self._continuous:
            self._restart()

    @on(":INSTrument[:SELect]?")
    def _get_mode(self, call: Call) -> Answer:
        return self._mode

    @on(":INSTrument:CATalog?")
    def _modes(self, call: Call) -> Answer:
        return '"SA 1,PNOISE 14,BASIC 8"'

    @on(":CONFigure:SANalyzer")
    def _configure(self, call: Call) -> None:
        self._receiver.preset()
        self.traces.preset()
        self._markers.preset()
        self.changed()

    @on(":CONFigure?")
    def _configured(self, call: Call) -> Answer:
        return "SAN"

    @on(":CONFigure:CATalog?")
    def _measurements(self, call: Call) -> Answer:
        return '"SAN"'

    # ---- results ----------------------------------------------------------------------------------------------------

    @on(":TRACe[:DATA]?", arguments=1)
    def _trace_data(self, call: Call) -> Answer:
        number = trace_number(call.arguments[0])
        self._look()
        return self._writer.written(self._trace_commands.displayed(number), integers=True)

    @on(":FETCh:SANalyzer<n>?")
    @on(":CALCulate:DATA<n>?")
    def _fetch(self, call: Call) -> Answer:
        return self._result(self._wanted(call))

    @on(":READ:SANalyzer<n>?")
    def _read(self, call: Call) -> Answer:
        number = self._wanted(call)
        self._restart()
        return Later(self.operation_ends_at, lambda: self._result(number))

    def _wanted(self, call: Call) -> int:
        """Return the number of the trace or table that is asked for; raises ScpiError where the table is off."""
        number = call.suffix(FIRST_TRACE, MARKER_TABLE)
        if number == PEAK_TABLE:
            self._markers.criteria.refuse_table()
        elif number == MARKER_TABLE:
            self._markers.refuse_table()
        return number

    def _result(self, number: int) -> Reply:
        self._look()
        values: FloatArray
        if number == PEAK_TABLE:
            values = self._markers.criteria.table(self._screen(FIRST_TRACE), self._writer.unit)
        elif number == MARKER_TABLE:
            values = self._markers.table()
        else:
            values = self._trace_commands.pairs(number)
        return self._writer.written(values, integers=False)
