"""What the core knows at this moment, in one place: written by who measures, read by who tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from labctl.bus.spectra import Curve, LiveSpectrum
from labctl.core.alarms import AlarmBook
from labctl.core.event_log import EventLog
from labctl.core.lab_times import LabTimes
from labctl.core.measured_rows import Measured
from labctl.station.clock import Clock
from labctl.store.losses import LossRecord
from labctl.store.records import EventLevel, EventRecord, NamedResult, TraceRecord


@dataclass
class Latch:
    """The software stop: latched until somebody resets it."""

    stopped: bool = False
    reason: str = ""
    by: str = ""
    at: float = 0.0


class Board:
    """The latest spectra, curves, results, events and alarms of a core; may be used by several threads.

    It is a `RecordListener`: whatever a run keeps is known here at once.
    """

    def __init__(self, clock: Clock) -> None:
        now = time.time()
        self.alarms = AlarmBook()
        self.events = EventLog()
        self.times = LabTimes(clock.now(), now)
        self.latch = Latch()
        self.run_id = ""
        self._clock = clock
        self._guard = threading.Lock()
        self._measured: dict[str, Measured] = {}
        self._curves: dict[tuple[str, str], Curve] = {}
        self._new_spectra: dict[tuple[str, str], LiveSpectrum] = {}

    # ---- what is measured -------------------------------------------------------------------------------------------

    def spectrum_shown(self, spectrum: LiveSpectrum) -> None:
        """Take a spectrum; one that nobody was told of yet is replaced."""
        with self._guard:
            self._new_spectra[spectrum.channel, spectrum.kind] = spectrum

    def trace_added(self, trace: TraceRecord) -> None:
        """Nothing: who measures shows it."""

    def curve_shown(self, curve: Curve) -> None:
        """Take a curve."""
        with self._guard:
            self._curves[curve.system, curve.name] = curve

    def result_added(self, result: NamedResult) -> None:
        """Take a result."""
        self.know(Measured(result, self.run_id, time.time()))

    def know(self, measured: Measured) -> None:
        """Take a result of whatever run."""
        with self._guard:
            self._measured[measured.result.name] = measured

    def loss_added(self, loss: LossRecord) -> None:
        """Nothing: its sentence is an event."""

    def event_added(self, event: EventRecord) -> None:
        """Take an event."""
        self.events.add(self.times.wall_of(event.at), event.at, event.level, event.source, event.text)

    def say(self, level: EventLevel, source: str, text: str) -> None:
        """Add an event of the core itself."""
        self.events.add(time.time(), self._clock.now(), level, source, text)

    # ---- what is told -----------------------------------------------------------------------------------------------

    def take_spectra(self) -> list[LiveSpectrum]:
        """Return the spectra that came since the last call, the latest of each."""
        with self._guard:
            spectra, self._new_spectra = self._new_spectra, {}
        return list(spectra.values())

    @property
    def measured(self) -> dict[str, Measured]:
        """Return the latest result of every name."""
        with self._guard:
            return dict(self._measured)

    @property
    def curves(self) -> list[Curve]:
        """Return the latest curves."""
        with self._guard:
            return list(self._curves.values())


class Inbox:
    """What must be done in the thread that may touch the table; done in order, soon."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[Callable[[], None]] = []

    def put(self, act: Callable[[], None]) -> None:
        """Have `act` done."""
        with self._guard:
            self._waiting.append(act)

    def do_all(self) -> None:
        """Do what waits; `act`s tell their own failures."""
        with self._guard:
            waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()
