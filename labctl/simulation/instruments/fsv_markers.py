"""The markers of a simulated Rohde & Schwarz analyzer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl.simulation.instruments.analyzer_markers import Screen, register_numbered, register_searches, search
from labctl.simulation.instruments.analyzer_traces import FIRST_TRACE, LAST_TRACE
from labctl.simulation.instruments.analyzer_units import level
from labctl.simulation.scpi import Call, ScpiInstrument
from labctl.simulation.scpi_syntax import DECIBELS, HERTZ, SECONDS, ScpiError, read_boolean, read_number

FIRST_MARKER, LAST_MARKER = 1, 16
LARGEST_EXCURSION_DB = 80.0
USUAL_EXCURSION_DB = 6.0
NOISE_POINTS_EACH_SIDE = 8
NO_PEAK = -200

_ROOT = ":CALCulate<n>:MARKer<n>"
_PLACE = 1  # the first number is that of the window


@dataclass
class FsvMarker:
    """One marker: `x` in units of the axis."""

    on: bool = False
    x: float = 0.0
    trace: int = FIRST_TRACE
    noise: bool = False


class FsvMarkers:
    """Markers 1 to 16 with their commands.

    Whatever is asked of a marker that is off switches it on, at the highest point of its trace. A search that no peak
    satisfies moves nothing and is an execution error: a peak rises and falls by the excursion. `screen` returns a trace
    as it is, `is_blank` whether it is not shown, `recouple` runs a change that may move an automatic detector.
    """

    def __init__(
        self,
        instrument: ScpiInstrument,
        screen: Callable[[int], Screen],
        is_blank: Callable[[int], bool],
        unit: Callable[[], str],
        recouple: Callable[[Callable[[], None]], None],
    ) -> None:
        self._screen = screen
        self._is_blank = is_blank
        self._unit = unit
        self._recouple = recouple
        self.preset()
        self._register(instrument)

    def _register(self, instrument: ScpiInstrument) -> None:
        numbers = (FIRST_MARKER, LAST_MARKER)
        settings: dict[str, tuple[Callable[[int], str], Callable[[int, str], None] | None]] = {
            "[:STATe]": (lambda n: str(int(self._markers[n].on)), self._set_on),
            ":X": (lambda n: f"{self._used(n).x:.12g}", self._set_x),
            ":Y": (self._level, None),
            ":TRACe": (lambda n: str(self._used(n).trace), self._set_trace),
            ":FUNCtion:NOISe[:STATe]": (lambda n: str(int(self._markers[n].noise)), self._set_noise),
            ":FUNCtion:NOISe:RESult": (self._noise_density, None),
        }
        for node, (get, set_) in settings.items():
            register_numbered(instrument, _ROOT + node, numbers, get, set_, place=_PLACE)
        register_searches(instrument, _ROOT, numbers, self._search, place=_PLACE)
        instrument.register(f"{_ROOT}:AOFF", self._all_off)
        instrument.number(
            f"{_ROOT}:PEXCursion",
            lambda: self._excursion_db,
            self._set_excursion,
            minimum=0.0,
            maximum=LARGEST_EXCURSION_DB,
            units=DECIBELS,
            form="{:.9g}".format,
            clip=False,
        )

    def preset(self) -> None:
        """Switch all markers off."""
        self._markers = {number: FsvMarker() for number in range(FIRST_MARKER, LAST_MARKER + 1)}
        self._excursion_db = USUAL_EXCURSION_DB

    def measure_noise(self, trace: int) -> bool:
        """Return whether a marker of `trace` measures noise."""
        return any(marker.on and marker.noise and marker.trace == trace for marker in self._markers.values())

    # ---- settings ---------------------------------------------------------------------------------------------------

    def _used(self, number: int) -> FsvMarker:
        """Return a marker, switched on."""
        marker = self._markers[number]
        if not marker.on:
            screen = self._screen(marker.trace)
            highest = screen.extreme(np.argmax)
            marker.on = True
            marker.x = screen.x_at((screen.axis.size - 1) / 2 if highest is None else highest)
        return marker

    def _set_on(self, number: int, argument: str) -> None:
        if read_boolean(argument):
            self._used(number)
        else:
            self._recouple(lambda: self._markers.update({number: FsvMarker()}))

    def _all_off(self, call: Call) -> None:
        self._recouple(lambda: self._markers.update({number: FsvMarker() for number in self._markers}))

    def _set_x(self, number: int, argument: str) -> None:
        screen = self._screen(self._markers[number].trace)
        x = read_number(argument, SECONDS if screen.in_time else HERTZ)
        if screen.index(x) is None:
            raise ScpiError(-222)
        self._used(number).x = x

    def _set_trace(self, number: int, argument: str) -> None:
        trace = read_number(argument)
        if trace not in range(FIRST_TRACE, LAST_TRACE + 1):
            raise ScpiError(-222)
        if self._is_blank(int(trace)):
            raise ScpiError(-221)
        self._recouple(lambda: setattr(self._used(number), "trace", int(trace)))

    def _set_noise(self, number: int, argument: str) -> None:
        noise = read_boolean(argument)
        self._recouple(lambda: setattr(self._used(number), "noise", noise))

    def _set_excursion(self, excursion_db: float) -> None:
        self._excursion_db = excursion_db

    # ---- results ----------------------------------------------------------------------------------------------------

    def _level(self, number: int) -> str:
        marker = self._used(number)
        return f"{level(self._screen(marker.trace).power_at(marker.x), self._unit()):.9g}"

    def _noise_density(self, number: int) -> str:
        """Return the density that the trace points around the marker have, in the unit of levels, in 1 Hz."""
        marker = self._markers[number]
        if not (marker.on and marker.noise):
            raise ScpiError(-221)
        screen = self._screen(marker.trace)
        index = screen.index(marker.x)
        if index is None:
            return f"{level(0.0, self._unit()):.9g}"
        first, last = index - NOISE_POINTS_EACH_SIDE, index + NOISE_POINTS_EACH_SIDE
        density = screen.noise_density(max(first, 0), min(last, screen.axis.size - 1))
        return f"{level(density, self._unit()):.9g}"

    def _search(self, number: int, where: str) -> None:
        marker = self._used(number)
        screen = self._screen(marker.trace)
        index = search(screen, where, marker.x, screen.peaks(self._excursion_db))
        if index is None:
            raise ScpiError(NO_PEAK)
        marker.x = float(screen.axis[index])
