"""The trace commands of a simulated X-series analyzer: what each trace does, its detector, and its data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_markers import register_numbered
from labctl.simulation.instruments.analyzer_sweeps import SweepingAnalyzer
from labctl.simulation.instruments.analyzer_traces import TRACES, trace_number
from labctl.simulation.instruments.analyzer_units import read_level
from labctl.simulation.instruments.x_series_data import TraceWriter
from labctl.simulation.instruments.x_series_receiver import Receiver
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_syntax import ScpiError, read_boolean, read_choice

MOST_POINTS = 40001

_DETECTORS = ("NORMal", "AVERage", "POSitive", "SAMPle", "NEGative")
_KINDS = ("WRITe", "AVERage", "MAXHold", "MINHold")


class XSeriesTraces:
    """Adds the commands of traces 1 to 6.

    Choosing a type or a detector, the same again too, makes a trace live and starts it over. Without update a trace
    keeps what it has; without display it can still be read.
    """

    def __init__(self, analyzer: SweepingAnalyzer[Receiver], writer: TraceWriter) -> None:
        self._analyzer = analyzer
        self._traces = traces = analyzer.traces
        self._writer = writer
        detector = "[:SENSe]:DETector:TRACe<n>"
        settings: dict[str, tuple[Callable[[int], str], Callable[[int, str], None]]] = {
            ":TRACe<n>:TYPE": (lambda n: traces[n].kind, self._set_kind),
            ":TRACe<n>:UPDate[:STATe]": (lambda n: str(int(traces[n].live)), self._set_live),
            ":TRACe<n>:DISPlay[:STATe]": (lambda n: str(int(traces[n].shown)), self._set_shown),
            detector: (lambda n: analyzer.seen_by(n).detector, self._set_detector),
            f"{detector}:AUTO": (lambda n: str(int(traces[n].detector_set is None)), self._set_automatic),
        }
        for pattern, (get, set_) in settings.items():
            register_numbered(analyzer, pattern, TRACES, get, set_)
        analyzer.switch("[:SENSe]:DETector:AUTO", lambda: traces[1].detector_set is None, self._set_all_automatic)
        analyzer.register(":TRACe[:DATA]", self._load, arguments=(2, MOST_POINTS + 1))

    def displayed(self, number: int) -> FloatArray:
        """Return the levels of a trace in the present unit, shape (points,)."""
        return self._writer.displayed(self._traces[number].power_w(), self._points(number))

    def pairs(self, number: int) -> FloatArray:
        """Return x and level of each point, one after the other, shape (2 points,)."""
        receiver = self._traces[number].taken_with or self._analyzer.seen_by(number)
        return np.column_stack([receiver.axis(), self.displayed(number)]).ravel()

    def _points(self, number: int) -> int:
        return (self._traces[number].taken_with or self._analyzer.seen_by(number)).points

    # ---- what each trace does ---------------------------------------------------------------------------------------

    def _set_kind(self, number: int, argument: str) -> None:
        self._make_live(number, kind=read_choice(argument, _KINDS))

    def _set_detector(self, number: int, argument: str) -> None:
        self._make_live(number, detector_set=read_choice(argument, _DETECTORS))

    def _make_live(self, number: int, **settings: str) -> None:
        self._analyzer.start_over(number, lambda: vars(self._traces[number]).update(live=True, shown=True, **settings))

    def _set_live(self, number: int, argument: str) -> None:
        live = read_boolean(argument)
        trace = self._traces[number]
        if live and not trace.live:
            self._make_live(number)
        elif not live:
            self._analyzer.couple(lambda: setattr(trace, "live", False))

    def _set_shown(self, number: int, argument: str) -> None:
        self._traces[number].shown = read_boolean(argument)

    def _set_automatic(self, number: int, argument: str) -> None:
        detector = None if read_boolean(argument) else self._analyzer.seen_by(number).detector
        self._analyzer.set_up(number, lambda: setattr(self._traces[number], "detector_set", detector))

    def _set_all_automatic(self, automatic: bool) -> None:
        for number, trace in self._traces.items():
            trace.detector_set = None if automatic else self._analyzer.seen_by(number).detector
        self._analyzer.changed()

    # ---- data -------------------------------------------------------------------------------------------------------

    def _load(self, call: Call) -> None:
        """Take a trace from the host, as text; blocks, which are no text, are not there."""
        number = trace_number(call.arguments[0])
        values = call.arguments[1:]
        is_block = values[0].startswith("#")
        if is_block and self._writer.is_text:
            raise ScpiError(-121)
        if is_block or not self._writer.is_text:
            raise ScpiError(-161)
        receiver = self._analyzer.seen_by(number)
        if len(values) != receiver.points:
            raise ScpiError(-222)
        power = np.array([read_level(value, self._writer.unit) for value in values])
        self._analyzer.couple(lambda: self._traces[number].load(receiver, power))
