"""Simulated Keysight X-series spectrum analyzer (N9000, N9010, N9020, N9030) on its raw socket: SCPI, LF both ways."""

from __future__ import annotations

import re

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_sweeps import FIRST_TRACE, LAST_TRACE, SweepingAnalyzer
from labctl.simulation.instruments.analyzer_trace import SweepSequence
from labctl.simulation.instruments.x_series_data import TraceWriter
from labctl.simulation.instruments.x_series_receiver import Receiver
from labctl.simulation.instruments.x_series_settings import register_receiver
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import Answer, Call, Later, Reply, on
from labctl.simulation.scpi_syntax import DBM, ScpiError, read_choice
from labctl.simulation.wire import Timebase

MODE_SWITCH_S = 1.0
SWEEPING = 1 << 3  # bit of the operation condition register
REFERENCE_LEVEL_RANGE_DBM = (-170.0, 30.0)
_MODES = ("SA", "PNOISE", "BASIC")
_DETECTORS = ("NORMal", "AVERage", "POSitive", "SAMPle", "NEGative")
_TRACE_TYPES = ("WRITe", "AVERage", "MAXHold", "MINHold")


class SimulatedXSeries(SweepingAnalyzer[Receiver]):
    """An analyzer in swept-SA mode with one live trace (trace 1; traces 2 to 6 stay blank).

    Sweeps take lab time, see `SweepingAnalyzer`. A change of settings clears the trace and restarts a running sequence.
    Noise is that of `NoiseDraw`; a coherent tone is treated as noise of its mean power. Markers, peak tables and limit
    lines are not there.

    Wakes up as after preset: continuous sweeping, ASCII, big-endian, normal detector, log-power averaging.
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
        self._register()
        self._preset()

    def _register(self) -> None:
        register_receiver(self, self._receiver, self._changed)
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
        self._trace_types = dict.fromkeys(range(FIRST_TRACE, LAST_TRACE + 1), "WRIT")
        self._reference_level_dbm = 0.0
        self._continuous = True
        self._sequence = None
        if self._mode == "SA":
            self._restart()

    def _may_sweep(self) -> bool:
        return self._mode == "SA"

    def _refuse_sweep(self) -> None:
        if not self._may_sweep():
            raise ScpiError(-221)

    # ---- sequence and mode ------------------------------------------------------------------------------------------

    def _set_average_count(self, value: float) -> None:
        before = self._receiver.average_count
        self._receiver.average_count = count = round(value)
        if self._continuous or self._receiver.trace_type == "WRIT":
            return
        if self._sequence is not None:
            self._sequence.target = max(count, self._sequence.finished)
            self.advance(self.now())
        elif before <= self._trace.sweeps < count:
            # A finished sequence goes on to the higher count.
            done = self._trace.sweeps
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
        if self._receiver.trace_type != "WRIT":
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
        self._trace.clear()
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
        self._trace_types[FIRST_TRACE] = self._receiver.trace_type
        self._changed()

    @on(":CONFigure?")
    def _configured(self, call: Call) -> Answer:
        return "SAN"

    @on(":CONFigure:CATalog?")
    def _measurements(self, call: Call) -> Answer:
        return '"SAN"'

    # ---- traces -----------------------------------------------------------------------------------------------------

    @on("[:SENSe]:DETector:TRACe<n>", arguments=1)
    def _set_detector(self, call: Call) -> None:
        detector = read_choice(call.arguments[0], _DETECTORS)
        if call.suffix(FIRST_TRACE, LAST_TRACE) == FIRST_TRACE:
            self._receiver.detector_set = detector
            self._changed()

    @on("[:SENSe]:DETector:TRACe<n>?")
    def _get_detector(self, call: Call) -> Answer:
        return self._receiver.detector if call.suffix(FIRST_TRACE, LAST_TRACE) == FIRST_TRACE else "NORM"

    @on(":TRACe<n>:TYPE", arguments=1)
    def _set_trace_type(self, call: Call) -> None:
        number = call.suffix(FIRST_TRACE, LAST_TRACE)
        self._trace_types[number] = read_choice(call.arguments[0], _TRACE_TYPES)
        if number == FIRST_TRACE:
            self._receiver.trace_type = self._trace_types[number]
            self._changed()

    @on(":TRACe<n>:TYPE?")
    def _get_trace_type(self, call: Call) -> Answer:
        return self._trace_types[call.suffix(FIRST_TRACE, LAST_TRACE)]

    @on(":TRACe[:DATA]?", arguments=1)
    def _trace_data(self, call: Call) -> Answer:
        match = re.fullmatch(r"TRACE?([1-6])", call.arguments[0].upper())
        if match is None:
            raise ScpiError(-224)
        return self._writer.written(self._displayed(int(match[1])), integers=True)

    @on(":FETCh:SANalyzer<n>?")
    def _fetch(self, call: Call) -> Answer:
        return self._pairs(call.suffix(FIRST_TRACE, LAST_TRACE))

    @on(":READ:SANalyzer<n>?")
    def _read(self, call: Call) -> Answer:
        number = call.suffix(FIRST_TRACE, LAST_TRACE)
        self._restart()
        return Later(self.operation_ends_at, lambda: self._pairs(number))

    def _displayed(self, number: int) -> FloatArray:
        return self._writer.displayed(self._power_w(number), self._receiver.points)

    def _pairs(self, number: int) -> Reply:
        pairs = np.column_stack([self._receiver.axis(), self._displayed(number)])
        return self._writer.written(pairs.ravel(), integers=False)
