"""The twelve markers of a simulated X-series analyzer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_markers import Screen, register_numbered, register_searches, search
from labctl.simulation.instruments.analyzer_traces import FIRST_TRACE, LAST_TRACE
from labctl.simulation.instruments.analyzer_units import level, level_difference, read_level
from labctl.simulation.instruments.x_series_peaks import NO_PEAK_FOUND, PeakCriteria
from labctl.simulation.scpi import Call, ScpiInstrument
from labctl.simulation.scpi_syntax import HERTZ, NOT_A_NUMBER, SECONDS, ScpiError, read_choice, read_number

FIRST_MARKER, LAST_MARKER = 1, 12
MARKERS = (FIRST_MARKER, LAST_MARKER)
LARGEST_X = 1e12
SPAN_SHARE = 0.05  # of the screen, for the band of a function just switched on

_ROOT = ":CALCulate:MARKer<n>"
_MODES = ("POSition", "DELTa", "FIXed", "OFF")
_FUNCTIONS = ("NOISe", "BPOWer", "BDENsity", "OFF")


@dataclass
class Marker:
    """One marker: `x` in units of the axis of its trace, whatever the mode; `fixed_w` is what a fixed one shows."""

    reference: int
    mode: str = "OFF"
    trace: int = FIRST_TRACE
    x: float = 0.0
    function: str = "OFF"
    band_width: float = 0.0
    fixed_w: float = 0.0


class XSeriesMarkers:
    """Markers 1 to 12 with their commands and table.

    A marker keeps its x when it goes off the screen, and measures nothing there. `screen` returns a trace as it is,
    `unit` that of levels; `recouple` runs a change on which automatic settings depend. The reference of a delta marker
    is the next one; where that is off it is fixed where the delta marker stands.
    """

    def __init__(
        self,
        instrument: ScpiInstrument,
        screen: Callable[[int], Screen],
        unit: Callable[[], str],
        recouple: Callable[[Callable[[], None]], None],
    ) -> None:
        self._screen = screen
        self._unit = unit
        self._recouple = recouple
        self.criteria = PeakCriteria(instrument)
        self.preset()
        self._register(instrument)

    def _register(self, instrument: ScpiInstrument) -> None:
        settings: dict[str, tuple[Callable[[int], str], Callable[[int, str], None]]] = {
            "MODE": (lambda n: self._markers[n].mode, self._set_mode),
            "X": (lambda n: _number(self._x(n)), self._set_x),
            "X:POSition": (lambda n: _number(self._position(n)), self._set_position),
            "Y": (lambda n: _number(self.result(n)), self._set_y),
            "TRACe": (lambda n: str(self._markers[n].trace), self._set_trace),
            "REFerence": (lambda n: str(self._markers[n].reference), self._set_reference),
            "FUNCtion": (lambda n: self._markers[n].function, self._set_function),
            "FUNCtion:BAND:SPAN": (lambda n: _number(self._markers[n].band_width), self._set_band_width),
        }
        for node, (get, set_) in settings.items():
            register_numbered(instrument, f"{_ROOT}:{node}", MARKERS, get, set_)
        register_searches(instrument, _ROOT, MARKERS, self._search)
        instrument.register(":CALCulate:MARKer<n>:AOFF", self._all_off)
        instrument.switch(":CALCulate:MARKer<n>:TABLe[:STATe]", lambda: self.table_on, self._set_table)

    def preset(self) -> None:
        """Switch all markers and tables off."""
        self._markers = {n: Marker(reference=n % LAST_MARKER + 1) for n in range(FIRST_MARKER, LAST_MARKER + 1)}
        self.table_on = False
        self.criteria.preset()

    def measures_in_band(self, trace: int | None = None) -> bool:
        """Return whether a marker of `trace`, or any, measures noise or the power in a band."""
        return any(
            marker.function != "OFF" and marker.mode != "OFF" and trace in (None, marker.trace)
            for marker in self._markers.values()
        )

    def refuse_table(self) -> None:
        """Raise ScpiError -221 while the table is off."""
        if not self.table_on:
            raise ScpiError(-221, "Settings conflict; marker table must be on")

    def table(self) -> FloatArray:
        """Return number, trace, x, level, width and function result of each marker that is on, one after the other.

        Without any it is one row of not-a-numbers.
        """
        rows = [self._row(n) for n, marker in self._markers.items() if marker.mode != "OFF"]
        return np.array(rows or [[NOT_A_NUMBER] * 6]).ravel()

    def result(self, number: int) -> float:
        """Return what a marker shows, in the unit of levels; that of a delta marker is relative to its reference."""
        marker = self._markers[number]
        if marker.mode == "OFF":
            return NOT_A_NUMBER
        power = self._power_w(marker)
        if marker.mode != "DELT":
            return level(power, self._unit())
        return level_difference(power, self._power_w(self._markers[marker.reference]), self._unit())

    def _row(self, number: int) -> list[float]:
        marker = self._markers[number]
        screen = self._screen(marker.trace)
        plain = level(screen.power_at(marker.x), self._unit())
        band = [NOT_A_NUMBER, NOT_A_NUMBER] if marker.function == "OFF" else [marker.band_width, self.result(number)]
        shown = self.result(number) if marker.function == "OFF" else plain
        return [number, marker.trace, self._x(number), shown, *band]

    # ---- measuring --------------------------------------------------------------------------------------------------

    def _power_w(self, marker: Marker) -> float:
        """Return what a marker measures, in W or W/Hz; 0 where it measures nothing."""
        if marker.mode == "FIX":
            return marker.fixed_w
        screen = self._screen(marker.trace)
        index = screen.index(marker.x)
        if index is None or marker.function == "OFF":
            return screen.power_at(marker.x)
        points = max(1, round(min(marker.band_width / screen.spacing, 2.0 * screen.axis.size))) if screen.spacing else 1
        first = round(screen.position(marker.x) - (points - 1) / 2)
        last = first + points - 1
        if marker.function == "NOIS":
            return screen.noise_density(max(first, 0), min(last, screen.axis.size - 1))
        if first < 0 or last >= screen.axis.size:
            return 0.0  # a band partly off the screen
        power = screen.band_power(first, last)
        if marker.function == "BPOW":
            return power
        return power / (screen.enbw_hz if screen.in_time else points * screen.spacing)

    def _x(self, number: int) -> float:
        marker = self._markers[number]
        if marker.mode == "OFF":
            return NOT_A_NUMBER
        return marker.x - (self._markers[marker.reference].x if marker.mode == "DELT" else 0.0)

    def _position(self, number: int) -> float:
        marker = self._markers[number]
        if marker.mode == "OFF":
            return NOT_A_NUMBER
        at = self._screen(marker.trace).position
        return at(marker.x) - (at(self._markers[marker.reference].x) if marker.mode == "DELT" else 0.0)

    # ---- settings ---------------------------------------------------------------------------------------------------

    def _switch_on(self, number: int) -> Marker:
        """Put a marker that is off at the center of the screen."""
        marker = self._markers[number]
        if marker.mode == "OFF":
            screen = self._screen(marker.trace)
            marker.mode, marker.x = "POS", screen.x_at((screen.axis.size - 1) / 2)
        return marker

    def _set_mode(self, number: int, argument: str) -> None:
        mode = read_choice(argument, _MODES)
        self._recouple(lambda: self._change_mode(number, mode))

    def _change_mode(self, number: int, mode: str) -> None:
        marker = self._markers[number]
        left, reference = marker.mode, self._markers[marker.reference]
        if mode == "OFF":
            for other in self._markers.values():
                if other.mode == "DELT" and self._markers[other.reference] is marker:
                    other.mode = "POS"
            self._markers[number] = Marker(marker.reference)
        else:
            self._switch_on(number)
            if mode == "FIX" and left != "FIX":
                marker.fixed_w = self._power_w(marker)
            if mode == "DELT" and reference.mode in ("OFF", "FIX"):
                reference.fixed_w = self._power_w(marker)
                reference.mode, reference.trace, reference.x = "FIX", marker.trace, marker.x
            marker.mode = mode
        if left == "DELT" and mode != "DELT" and reference.mode == "FIX":
            self._markers[marker.reference] = Marker(reference.reference)

    def _all_off(self, call: Call) -> None:
        self._recouple(self._forget)

    def _forget(self) -> None:
        self._markers = {n: Marker(marker.reference) for n, marker in self._markers.items()}

    def _set_table(self, on: bool) -> None:
        self.table_on = on

    def _set_x(self, number: int, argument: str) -> None:
        marker = self._markers[number]
        x = read_number(argument, SECONDS if self._screen(marker.trace).in_time else HERTZ)
        if abs(x) > LARGEST_X:
            raise ScpiError(-222)
        self._move(marker, x + (self._markers[marker.reference].x if marker.mode == "DELT" else 0.0))

    def _set_position(self, number: int, argument: str) -> None:
        marker = self._markers[number]
        position = read_number(argument)
        if abs(position) > LARGEST_X:
            raise ScpiError(-222)
        screen = self._screen(marker.trace)
        start = screen.position(self._markers[marker.reference].x) if marker.mode == "DELT" else 0.0
        self._move(marker, screen.x_at(start + position))

    def _move(self, marker: Marker, x: float) -> None:
        """Move a marker that is on; a fixed one that shows the result of a function stays."""
        if marker.mode == "FIX" and marker.function != "OFF":
            raise ScpiError(-221)
        if marker.mode != "OFF":
            marker.x = x

    def _set_y(self, number: int, argument: str) -> None:
        marker = self._markers[number]
        power = read_level(argument, self._unit())
        if marker.function != "OFF":
            raise ScpiError(-221)
        if marker.mode == "FIX":  # others have the level of their trace
            marker.fixed_w = power

    def _set_trace(self, number: int, argument: str) -> None:
        trace = read_number(argument)
        if trace not in range(FIRST_TRACE, LAST_TRACE + 1):
            raise ScpiError(-222)
        self._recouple(lambda: setattr(self._markers[number], "trace", int(trace)))

    def _set_reference(self, number: int, argument: str) -> None:
        reference = read_number(argument)
        if reference not in self._markers:
            raise ScpiError(-222)
        if reference == number:
            raise ScpiError(-221, "Settings conflict; marker cannot be relative to itself")
        self._markers[number].reference = int(reference)
        self._set_mode(number, "DELT")

    def _set_function(self, number: int, argument: str) -> None:
        function = read_choice(argument, _FUNCTIONS)
        if self._markers[number].mode == "FIX":
            raise ScpiError(-221)
        self._recouple(lambda: self._change_function(number, function))

    def _change_function(self, number: int, function: str) -> None:
        marker = self._markers[number]
        if function != "OFF":
            self._switch_on(number)
            marker.band_width = marker.band_width or SPAN_SHARE * self._screen(marker.trace).width
        marker.function = function

    def _set_band_width(self, number: int, argument: str) -> None:
        width = read_number(argument, SECONDS if self._screen(self._markers[number].trace).in_time else HERTZ)
        if not 0.0 <= width <= LARGEST_X:
            raise ScpiError(-222)
        self._markers[number].band_width = width

    # ---- searches ---------------------------------------------------------------------------------------------------

    def _search(self, number: int, where: str) -> None:
        """Send a marker to a peak; one that was off goes to the highest point."""
        if self._markers[number].mode == "OFF" and where != "MIN":
            where = "MAX"
        marker = self._switch_on(number)
        screen = self._screen(marker.trace)
        if where == "MAX" and not self.criteria.same_criteria:
            index = screen.extreme(np.argmax)
        else:
            index = search(screen, where, marker.x, self.criteria.peaks(screen))
        if index is None or screen.power_w is None:
            raise ScpiError(NO_PEAK_FOUND, "No peak found")
        self._move(marker, float(screen.axis[index]))
        if marker.mode == "FIX":
            marker.fixed_w = float(screen.power_w[index])


def _number(value: float) -> str:
    return "9.91E+37" if value == NOT_A_NUMBER else f"{value:.12E}"
