"""What a core tells on the bus, and how often: states ten times a second, spectra as they come, the rest when it
changes.

Everything here runs in threads of its own, on the wall clock, and only reads what the core knows: no client and no
publication touches an instrument, or makes the thread that measures wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Final, TypeVar

from labctl.bus.messages import (
    AlarmRow,
    CalibrationRow,
    CoreRow,
    EventRow,
    InstrumentRow,
    LoopRow,
    ParameterRow,
    ProcedureRow,
    QueueRow,
    ReadingRow,
    ResultRow,
    Row,
    RunRow,
    SettingRow,
    Severity,
)
from labctl.bus.names import curve_name
from labctl.bus.server import BusServer
from labctl.configuration.recipe_file import Recipe
from labctl.core.core import Core
from labctl.core.day_history import DayHistory, code_of
from labctl.core.loop_alarms import LoopAlarms
from labctl.core.loop_rows import history_curve, loop_rows, scan_curve
from labctl.core.measured_rows import calibration_rows, result_rows
from labctl.core.queue_rows import parameter_rows, procedure_rows, queue_rows, run_row
from labctl.core.reading_alarms import InstrumentAlarms, ReadingAlarms
from labctl.core.scalars import Scalars
from labctl.core.step_alarms import StepAlarms
from labctl.locks.scan_look import ScanLook
from labctl.station.clock import Registration, WallClock
from labctl.store.records import StepState
from procedures.catalogue import PROCEDURES

STATE_PERIOD_S: Final = 0.1
HISTORY_PERIOD_S: Final = 0.5
DAY_PERIOD_S: Final = 30.0
SAID_AGAIN_S: Final = 1.0  # what did not change
SQUEEZING_NAMES: Final = ("joint.rephased_db", "joint.digital_db", "joint.raw_db")

RowT = TypeVar("RowT", bound=Row)


class Publication:
    """Tells the state of a core on its bus until it is closed."""

    def __init__(self, core: Core, server: BusServer, recipes: Mapping[str, Recipe]) -> None:
        self._core = core
        self._server = server
        self._version = metadata.version("labctl")  # looks at the disk
        self._recipes = recipes
        self._said: dict[type, tuple[tuple[Row, ...] | None, float]] = {}
        self._scans: dict[str, ScanLook] = {}
        self._curves: dict[tuple[str, str], object] = {}
        self._loops: list[LoopRow] = []
        board = core.board
        self._loop_alarms = LoopAlarms(board.alarms)
        self._reading_alarms = ReadingAlarms(board.alarms)
        self._instrument_alarms = InstrumentAlarms(board.alarms)
        self._step_alarms = StepAlarms(board.alarms)
        self._day = DayHistory(list(core.file.loops), ["oven", "vacuum", "squeezing_db"])
        self._day_told_at = 0.0
        self._scalars = Scalars(server, core)
        self._telling = threading.Lock()
        self._tell_what_stays()
        core.tell_now = self._guarded(self._tell_states, "bus")
        # A clock each: what is large does not make the heartbeat late.
        self._registrations = [
            self._every(STATE_PERIOD_S, self._tell_states, "bus"),
            self._every(1.0 / core.file.bus.spectra_per_second, self._tell_spectra, "bus spectra"),
            self._every(HISTORY_PERIOD_S, self._tell_curves, "bus curves"),
        ]

    def close(self) -> None:
        """Tell the last state, and nothing more."""
        for registration in self._registrations:
            registration.cancel()
        with suppress(Exception):  # a core that ends, ends
            self._tell_states()

    def _every(self, period_s: float, tell: Callable[[], None], name: str) -> Registration:
        return WallClock().every(period_s, self._guarded(tell, name), name)

    def _guarded(self, tell: Callable[[], None], name: str) -> Callable[[], None]:
        """Return a way to tell that never raises: a fault in what is told is an alarm."""

        def tell_and_go_on() -> None:
            alarms = self._core.board.alarms
            try:
                tell()
                alarms.clear("bus", time.time(), condition=name)
            except Exception as error:
                text, now = f"{type(error).__name__}: {error}", time.time()
                alarms.raise_alarm("bus", text, Severity.MINOR, now, condition=name, again=False)
                self._say(AlarmRow, alarms.rows(now), now)

        return tell_and_go_on

    # ---- what stays -------------------------------------------------------------------------------------------------

    def _tell_what_stays(self) -> None:
        self._server.tell_rows(ProcedureRow, procedure_rows(PROCEDURES, self._recipes))
        self._server.tell_rows(ParameterRow, parameter_rows(PROCEDURES))
        self._tell_states()
        self._server.beat()  # the directory, with all of these

    # ---- ten times a second -----------------------------------------------------------------------------------------

    def _tell_states(self) -> None:
        with self._telling:
            self._tell_present_states()

    def _tell_present_states(self) -> None:
        core, board, now = self._core, self._core.board, time.time()
        self._server.beat()  # first: a core that cannot tell something is not gone
        lab_now = core.bench.clock.now()
        board.times.note(lab_now, now)
        self._loops = loops = loop_rows(core.bench.supervisor, core.file, board.times, lab_now)
        steps = core.queue.steps
        queue = queue_rows(steps, board.times)
        readings, instruments = core.environment.readings, core.environment.instruments
        self._update_alarms(loops, queue, readings, instruments, now)
        self._say(CoreRow, [self._core_row(lab_now, now)], now)
        run = run_row(core.run, steps, core.queue.paused)
        self._say(RunRow, [run], now)
        self._say(QueueRow, queue, now)
        self._say(LoopRow, loops, now)
        self._say(ReadingRow, readings, now)
        self._say(InstrumentRow, instruments, now)
        self._say(AlarmRow, board.alarms.rows(now), now)
        self._say(EventRow, board.events.rows(), now)
        measured = board.measured
        self._say(ResultRow, result_rows(measured), now)
        self._say(CalibrationRow, calibration_rows(measured, core.file), now)
        self._say(SettingRow, core.settings.rows, now)
        self._note_day(loops, readings, now)
        self._scalars.tell(loops, readings, run, now)

    def _say(self, kind: type[RowT], rows: Sequence[RowT], now: float) -> None:
        """Tell a table where it changed, or was not told for a while."""
        said, at = self._said.get(kind, (None, 0.0))
        present = tuple(rows)
        if said is None or now - at >= SAID_AGAIN_S or not _same(said, present):
            self._said[kind] = (present, now)
            self._server.tell_rows(kind, present)

    def _core_row(self, lab_now: float, now: float) -> CoreRow:
        core = self._core
        holder, until = core.lease.holder(now)
        latch, backend = core.board.latch, core.file.backend
        return CoreRow(
            prefix=core.file.bus.prefix,
            station=core.file.station.name,
            backend=backend.kind,
            version=self._version,
            pid=core.pid,
            sensors=core.file.station.sensors,
            started_at=core.started_at,
            now=now,
            lab_time_s=lab_now,
            speed=core.speed,
            control_holder=holder,
            control_until=until,
            stopped=latch.stopped,
            stop_reason=latch.reason,
            stopped_by=latch.by,
            stopped_at=latch.at or math.nan,
        )

    def _update_alarms(
        self,
        loops: Sequence[LoopRow],
        queue: Sequence[QueueRow],
        readings: Sequence[ReadingRow],
        instruments: Sequence[InstrumentRow],
        now: float,
    ) -> None:
        taking_data = any(row.state == StepState.RUNNING for row in queue)
        needed = [row.name for row in loops] if taking_data else []
        self._loop_alarms.update(loops, now, needed)
        self._reading_alarms.update(readings, now)
        self._instrument_alarms.update(instruments, now)
        self._step_alarms.update(queue, now)

    def _note_day(self, loops: Sequence[LoopRow], readings: Sequence[ReadingRow], now: float) -> None:
        values = {row.name: row.value for row in readings if row.name == "oven"}
        gauges = [row.value for row in readings if row.unit == "Pa"]
        if gauges:
            values["vacuum"] = max(gauges)
        measured = self._core.board.measured
        for name in SQUEEZING_NAMES:
            if name in measured:
                values["squeezing_db"] = measured[name].result.value
                break
        self._day.note(now, {row.name: code_of(row.state) for row in loops}, values)
        if now - self._day_told_at >= DAY_PERIOD_S:
            self._day_told_at = now
            self._server.tell_curve(self._day.curve())

    # ---- spectra and curves -----------------------------------------------------------------------------------------

    def _tell_spectra(self) -> None:
        for spectrum in self._core.board.take_spectra():
            self._server.tell_spectrum(spectrum)

    def _tell_curves(self) -> None:
        supervisor = self._core.bench.supervisor
        for row in self._loops:
            name = curve_name(row.name, "history")
            if name not in self._server or self._server.has_listener(name):
                self._server.tell_curve(history_curve(supervisor, row.name, row.unit, time.time()))
            look = supervisor.machines[row.name].loop.scan_look
            if look is not None and self._scans.get(row.name) is not look:
                self._scans[row.name] = look
                self._tell_scan(row, look)
        for curve in self._core.board.curves:
            if self._curves.get((curve.system, curve.name)) is not curve:
                self._curves[curve.system, curve.name] = curve
                self._server.tell_curve(curve)

    def _tell_scan(self, row: LoopRow, look: ScanLook) -> None:
        """Tell the scan of a loop; that of a cavity is on the page of its sensor too."""
        times = self._core.board.times
        self._server.tell_curve(scan_curve(row.name, look, times))
        if row.kind == "cavity":
            self._server.tell_curve(scan_curve(f"sensor{row.sensor}", look, times))


def _same(one: tuple[Row, ...], other: tuple[Row, ...]) -> bool:
    """Return whether two tables say the same; nan is like nan."""
    return len(one) == len(other) and all(a == b or repr(a) == repr(b) for a, b in zip(one, other, strict=True))
