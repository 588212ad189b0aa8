"""The trace commands of a simulated Rohde & Schwarz analyzer: mode and detector of each trace, and its data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_markers import register_numbered
from labctl.simulation.instruments.analyzer_sweeps import SweepingAnalyzer
from labctl.simulation.instruments.analyzer_traces import TRACES
from labctl.simulation.instruments.fsv_receiver import FsvReceiver
from labctl.simulation.scpi import Answer, Call, Reply
from labctl.simulation.scpi_syntax import ScpiError, definite_block, read_boolean, read_choice

WINDOW = ":DISPlay[:WINDow<n>]:TRACe<n>"

_DETECTORS = ("APEak", "NEGative", "POSitive", "SAMPle", "RMS", "AVERage")
_MODES = ("WRITe", "AVERage", "MAXHold", "MINHold", "VIEW", "BLANk")
_FLOATS = {"16": "<f2", "32": "<f4", "64": "<f8"}


class FsvTraces:
    """Adds the commands of traces 1 to 6 and of the form in which they are sent.

    Every mode that takes new sweeps clears the trace, the same again too; VIEW keeps what it has and BLANk forgets it.
    `widths` are the numbers of bits that singles and their kin may have.
    """

    def __init__(self, analyzer: SweepingAnalyzer[FsvReceiver], widths: tuple[str, ...]) -> None:
        self._analyzer = analyzer
        self._traces = analyzer.traces
        self._widths = widths
        self.preset()
        detector = "[:SENSe][:WINDow<n>]:DETector<n>[:FUNCtion]"
        settings: dict[str, tuple[Callable[[int], str], Callable[[int, str], None]]] = {
            f"{WINDOW}:MODE": (self.mode, self._set_mode),
            detector: (lambda n: analyzer.seen_by(n).detector, self._set_detector),
            f"{detector}:AUTO": (lambda n: str(int(self._traces[n].detector_set is None)), self._set_automatic),
        }
        for pattern, (get, set_) in settings.items():
            register_numbered(analyzer, pattern, TRACES, get, set_, place=1)
        analyzer.register(":FORMat[:DATA]", self._set_format, arguments=(1, 2))
        analyzer.register(":FORMat[:DATA]?", self._get_format)

    def preset(self) -> None:
        """Return to text."""
        self._width: str | None = None

    def mode(self, number: int) -> str:
        """Return what a trace does with new sweeps, VIEW or BLAN where nothing."""
        trace = self._traces[number]
        return trace.kind if trace.live else "VIEW" if trace.shown else "BLAN"

    def axis(self, number: int) -> FloatArray:
        """Return the x value of each point of a trace, in Hz or s."""
        return (self._traces[number].taken_with or self._analyzer.seen_by(number)).axis()

    def written(self, values: FloatArray) -> Reply:
        """Return `values` as the present format wants."""
        if self._width is None:
            return ",".join(f"{value:.9g}" for value in values.tolist())
        with np.errstate(over="ignore"):  # not-a-number is beyond the shortest floats
            return definite_block(values.astype(_FLOATS[self._width]).tobytes())

    def _set_mode(self, number: int, argument: str) -> None:
        mode = read_choice(argument, _MODES)
        trace = self._traces[number]
        if mode == "VIEW":
            self._analyzer.couple(lambda: vars(trace).update(live=False, shown=True))
        elif mode == "BLAN":
            self._analyzer.couple(lambda: vars(trace).update(live=False, shown=False))
            trace.clear()
        else:
            self._analyzer.start_over(number, lambda: vars(trace).update(live=True, shown=True, kind=mode))

    def _set_detector(self, number: int, argument: str) -> None:
        detector = read_choice(argument, _DETECTORS)
        self._analyzer.set_up(number, lambda: setattr(self._traces[number], "detector_set", detector))

    def _set_automatic(self, number: int, argument: str) -> None:
        detector = None if read_boolean(argument) else self._analyzer.seen_by(number).detector
        self._analyzer.set_up(number, lambda: setattr(self._traces[number], "detector_set", detector))

    def _set_format(self, call: Call) -> None:
        kind = read_choice(call.arguments[0], ("ASCii", "REAL"))
        width = call.arguments[1] if len(call.arguments) > 1 else None
        if width is not None and width not in (self._widths if kind == "REAL" else ("0",)):
            raise ScpiError(-224)
        self._width = (width or "32") if kind == "REAL" else None

    def _get_format(self, call: Call) -> Answer:
        return "ASC,0" if self._width is None else f"REAL,{self._width}"
