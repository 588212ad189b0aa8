"""What a core tells on its bus, and when: from a core on a table that stands still until the test lets it go on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from core_bench import Bench, core_on_table

from labctl.bus.latest import Latest
from labctl.bus.messages import (
    AlarmRow,
    CalibrationRow,
    ChannelRow,
    CoreRow,
    EventRow,
    InstrumentRow,
    LoopRow,
    ParameterRow,
    ProcedureRow,
    QueueRow,
    ReadingRow,
    ResultRow,
    RunRow,
    SettingRow,
    Severity,
)
from labctl.bus.names import TABLES
from labctl.bus.spectra import Curve, LiveSpectrum
from labctl.bus.wire import Scalar
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe
from labctl.core import publication as telling
from labctl.core.measured_rows import Measured
from labctl.core.publication import Publication
from labctl.store.records import NamedResult, RunState, StepState
from procedures.catalogue import PROCEDURES, known_procedures
from procedures.execution import StopRequest
from procedures.outcome import Outcome
from procedures.step_queue import StepQueue

NOW = 1.7e9


@dataclass
class Heard:
    """In place of the server: what was told, in order."""

    tables: list[tuple[type, tuple[Any, ...]]] = field(default_factory=list)
    scalars: dict[str, Scalar] = field(default_factory=dict)
    states: dict[str, tuple[str, int, str, float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    spectra: list[LiveSpectrum] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    beats: int = 0

    def tell_rows(self, kind: type, rows: Sequence[Any]) -> None:
        self.tables.append((kind, tuple(rows)))

    def tell_scalar(self, name: str, scalar: Scalar) -> None:
        self.scalars[name] = scalar
        self.told.append(name)

    def tell_text(self, name: str, text: str, description: str = "", severity: int = 0) -> None:
        self.texts[name] = text
        self.told.append(name)

    def tell_state(
        self,
        name: str,
        state: str,
        choices: Sequence[str],
        severity: int,
        message: str,
        description: str = "",
        at: float = math.nan,
    ) -> None:
        assert state in choices
        self.states[name] = (state, severity, message, at)
        self.told.append(name)

    def tell_curve(self, curve: Curve) -> None:
        self.curves.append(curve)

    def tell_spectrum(self, spectrum: LiveSpectrum) -> None:
        self.spectra.append(spectrum)

    def beat(self) -> None:
        self.beats += 1

    def has_listener(self, name: str) -> bool:
        return False

    def __contains__(self, name: object) -> bool:
        return name in {f"{curve.system}:{curve.name}" for curve in self.curves}

    def last(self, kind: type) -> tuple[Any, ...]:
        return next(rows for told, rows in reversed(self.tables) if told is kind)

    def times(self, kind: type) -> int:
        return sum(told is kind for told, _ in self.tables)


@dataclass
class Scene:
    """A core, what it tells, and the wall clock by which it does."""

    bench: Bench
    heard: Heard
    publication: Publication
    clock: SimpleNamespace

    def tell(self, after_s: float = 0.1) -> None:
        """Let wall time pass and tell, as the periodic tasks do."""
        self.clock.now += after_s
        for tell in self.tellers.values():
            tell()

    @property
    def tellers(self) -> dict[str, Any]:
        """The periodic tasks by name."""
        return {registration.name: registration.task for registration in self.publication._registrations}

    def rows(self, kind: type) -> tuple[Any, ...]:
        return self.heard.last(kind)


class Registered:
    """In place of the wall clock: keeps the tasks, so that the test runs them."""

    def every(self, period_s: float, task: Any, name: str) -> Any:
        return SimpleNamespace(name=name, task=task, period_s=period_s, cancel=lambda: None)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with core_on_table(tmp_path_factory.mktemp("runs")) as bench:
        yield bench


@pytest.fixture
def scene(table: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    table.fresh()
    board = table.core.board
    board._measured.clear()
    board._curves.clear()
    clock = SimpleNamespace(now=time.time())
    board.times = type(board.times)(table.core.bench.clock.now(), clock.now)
    monkeypatch.setattr(telling, "WallClock", Registered)
    monkeypatch.setattr(telling, "time", SimpleNamespace(time=lambda: clock.now))
    heard = Heard()
    recipes = {"bring_up": load_recipe(template_directory() / "bring_up.toml", known_procedures())}
    scene = Scene(table, heard, Publication(table.core, heard, recipes), clock)  # type: ignore[arg-type]
    yield scene
    scene.publication.close()


# ---- rows -----------------------------------------------------------------------------------------------------------


def test_every_table_but_the_directory_is_told_at_once(scene: Scene) -> None:
    assert {kind for kind, _ in scene.heard.tables} == TABLES.keys() - {ChannelRow}
    assert scene.heard.beats >= 1


def test_the_core_says_what_it_is(scene: Scene) -> None:
    (row,) = scene.rows(CoreRow)
    file = scene.bench.core.file
    assert (row.prefix, row.station, row.backend, row.sensors) == ("labctl", file.station.name, "simulated", 4)
    assert (row.control_holder, row.stopped, row.speed) == ("", False, 0.0)
    assert math.isnan(row.stopped_at)
    scene.bench.take_control()
    scene.bench.ask("stop", reason="smoke")
    scene.tell()
    (row,) = scene.rows(CoreRow)
    assert (row.stopped, row.stop_reason, row.stopped_by) == (True, "smoke", "screen (127.0.0.1)")
    assert scene.heard.states["core:stop"][:3] == ("stopped", Severity.MAJOR, "screen (127.0.0.1): smoke")
    scene.bench.after(0.1)


def test_loops_are_told_in_the_order_in_which_they_are_locked(scene: Scene) -> None:
    rows = {row.name: row for row in scene.rows(LoopRow)}
    assert list(rows) == list(scene.bench.core.bench.supervisor.machines)
    for name, row in rows.items():
        above = [need.strip() for need in row.needs.split(",") if need]
        assert all(list(rows).index(need) < list(rows).index(name) for need in above)
    lo2 = rows["lo2"]
    assert (lo2.kind, lo2.sensor, lo2.state, lo2.wanted, lo2.unit) == ("homodyne", 2, "off", False, "rad")
    assert (rows["opa_length"].sensor, rows["cavity3"].sensor) == (0, 3)
    assert lo2.residual_limit > 0.0
    assert math.isnan(lo2.error)
    assert math.isnan(lo2.looked_at)


def test_a_loop_that_is_locked_shows_its_numbers_with_the_time_of_the_last_look(scene: Scene) -> None:
    scene.bench.take_control()
    scene.bench.ask("lock_loop", loop="opa_length")
    scene.bench.after(60.0)
    scene.tell()
    (row,) = [row for row in scene.rows(LoopRow) if row.name == "opa_length"]
    assert (row.state, row.wanted) == ("locked", True)
    assert row.looked_at == pytest.approx(scene.clock.now, abs=0.1)
    assert row.low_v < row.output_v < row.high_v
    assert row.witness_limit < row.witness < 1.1
    assert scene.heard.states["opa_length:state"][:2] == ("locked", Severity.NONE)
    witness = scene.heard.scalars["opa_length:witness"]
    assert (witness.alarm_low, witness.severity, witness.value) == (row.witness_limit, Severity.NONE, row.witness)
    assert scene.heard.scalars["opa_length:error"].severity == Severity.INVALID  # it has none
    scene.bench.ask("release_loop", loop="opa_length")
    scene.bench.after(1.0)


def test_a_table_that_stands_still_grows_old_while_its_core_lives(scene: Scene) -> None:
    scene.bench.take_control()
    scene.bench.ask("lock_loop", loop="opa_length")
    scene.bench.after(60.0)
    scene.tell()
    latest = Latest()
    began_at, beats = scene.clock.now, scene.heard.beats
    for _ in range(30):  # 3 s in which the table computes and its lab time does not go on
        scene.tell(0.1)
        latest.hear(scene.clock.now, scene.clock.now)
    (row,) = [row for row in scene.rows(LoopRow) if row.name == "opa_length"]
    assert row.looked_at <= began_at
    assert latest.is_stale(row.looked_at, scene.clock.now)
    assert not latest.is_gone(scene.clock.now)
    assert scene.heard.beats >= beats + 30
    assert scene.heard.scalars["opa_length:error"].at == row.looked_at
    for name in ("opa_length:state", "lo2:state"):  # wanted or not
        assert scene.heard.states[name][3] <= began_at
    scene.bench.ask("release_loop", loop="opa_length")
    scene.bench.after(1.0)


def test_readings_and_instruments_are_told(scene: Scene) -> None:
    scene.bench.after(1.5)
    scene.tell()
    (oven,) = [row for row in scene.rows(ReadingRow) if row.name == "oven"]
    assert (oven.label, oven.unit, oven.state) == ("Oven", "degC", "off")
    assert 10.0 < oven.value < 60.0
    assert scene.heard.scalars["oven:value"].value == oven.value
    file = scene.bench.core.file
    assert [row.name for row in scene.rows(InstrumentRow)] == list(file.instruments)
    assert all(row.answers and row.identity for row in scene.rows(InstrumentRow))


def test_a_reading_that_falls_silent_is_an_alarm_though_its_last_value_was_good(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labctl.errors import NoReply

    scene.bench.after(1.5)
    with monkeypatch.context() as silent:

        def no_reply(self: object) -> float:
            raise NoReply("oven", "TEMP?")

        silent.setattr(type(scene.bench.core.bench.station.oven), "temperature_c", no_reply)
        scene.bench.after(1.5)
        scene.tell()
        scene.tell(6.0)
    (alarm,) = [row for row in scene.rows(AlarmRow) if row.source == "oven"]
    assert (alarm.text, alarm.severity) == ("Oven: no reading (no reply)", Severity.INVALID)
    assert scene.heard.scalars["oven:value"].severity == Severity.INVALID


def test_what_can_be_queued_is_told_with_its_parameters(scene: Scene) -> None:
    rows = scene.rows(ProcedureRow)
    assert rows[0].name.endswith("bring_up")
    assert {row.name for row in rows[1:]} == PROCEDURES.keys()
    assert all(row.title and row.purpose for row in rows)
    (averages,) = [row for row in scene.rows(ParameterRow) if (row.procedure, row.name) == ("live_spectra", "averages")]
    assert (averages.kind, averages.default, averages.minimum, averages.maximum) == ("integer", "50", 1.0, 100000.0)
    assert {"float", "integer", "boolean", "text"} <= {row.kind for row in scene.rows(ParameterRow)}


def test_the_queue_and_its_run_are_told_step_by_step(scene: Scene) -> None:
    core = scene.bench.core
    scene.bench.take_control()
    scene.tell()
    assert scene.rows(QueueRow) == ()
    (idle,) = scene.rows(RunRow)
    assert (idle.state, idle.steps, idle.fraction) == ("idle", 0, 0.0)
    for seconds in (10, 30):
        scene.bench.ask("add_step", procedure="live_spectra", parameters=f'{{"duration": {seconds}}}')
    first, second = core.queue.waiting
    core.run_began("run1", "tonight", core.queue, StopRequest(core.bench.clock))
    running = core.queue.take_next()
    assert running is first
    running.started_at, running.fraction = core.bench.clock.now(), 0.5
    scene.tell()
    (run,) = scene.rows(RunRow)
    assert (run.state, run.step, run.step_number, run.steps) == ("running", "live_spectra", 1, 2)
    assert (run.step_fraction, run.fraction, run.eta_s) == (0.5, 5.0 / 40.0, 35.0)
    assert [(row.state, row.fraction) for row in scene.rows(QueueRow)] == [("running", 0.5), ("waiting", 0.0)]
    assert scene.heard.texts["run:step"] == "live_spectra"
    assert scene.heard.scalars["run:progress"].value == 12.5
    first.state, second.state = StepState.DONE, StepState.DONE
    core.run_ended(Outcome(RunState.COMPLETE, "", "2 of 2 steps"))
    scene.bench.ask("add_step", procedure="lock_source")
    scene.tell()
    (run,) = scene.rows(RunRow)
    assert (run.state, run.step_number, run.steps, run.fraction) == ("complete", 2, 2, 1.0)  # the new one is not its
    core.run_began("run2", "again", core.queue, StopRequest(core.bench.clock))
    scene.tell()
    (run,) = scene.rows(RunRow)
    assert (run.run_id, run.steps, run.fraction) == ("run2", 1, 0.0)
    core.run_ended(Outcome(RunState.STOPPED, "", ""))
    core.queue = StepQueue()


def test_results_and_calibrations_are_told_with_their_age_and_window(scene: Scene) -> None:
    board = scene.bench.core.board
    resonance = scene.bench.core.file.sensors[1]
    for name, value, unit in (
        ("sensor2.f0_hz", resonance.resonance + 10.0, "Hz"),
        ("lo1.visibility", 0.95, ""),
        ("joint.rephased_db", -5.0, "dB"),
    ):
        board.know(Measured(NamedResult(name, value, 0.5, unit, "as measured", "a step"), "run7", NOW - 60.0))
    scene.tell()
    assert [row.name for row in scene.rows(ResultRow)] == ["joint.rephased_db", "lo1.visibility", "sensor2.f0_hz"]
    rows = {row.quantity: row for row in scene.rows(CalibrationRow)}
    assert rows.keys() == {"f0", "visibility"}
    f0 = rows["f0"]
    assert (f0.sensor, f0.label, f0.run_id, f0.measured_at, f0.step) == (2, "f₀", "run7", NOW - 60.0, "a step")
    assert f0.low < f0.value < f0.high
    assert (rows["visibility"].low, rows["visibility"].high) == (0.9, 1.0)
    told = scene.heard.scalars["joint:rephased_db"]
    assert (told.value, told.unit, told.at) == (-5.0, "dB", NOW - 60.0)
    assert scene.heard.scalars["joint:rephased_db_sigma"].value == 0.5


# ---- how often ------------------------------------------------------------------------------------------------------


def test_nothing_is_told_twice_within_a_second_unless_it_changed(scene: Scene) -> None:
    scene.bench.core.board.know(Measured(NamedResult("x.y", 1.0, math.nan, "", "", ""), "", NOW))
    scene.tell(1.0)
    still = [LoopRow, QueueRow, RunRow, ReadingRow, AlarmRow, EventRow, ResultRow, CalibrationRow, SettingRow]
    before = {kind: scene.heard.times(kind) for kind in still}
    scene.heard.told.clear()
    for _ in range(9):
        scene.tell(0.1)
    assert {kind: scene.heard.times(kind) for kind in still} == before
    assert scene.heard.told == []
    scene.bench.take_control()
    scene.bench.ask("change_setting", setting="live.averages", value=9.0)
    scene.tell(0.01)
    assert scene.heard.times(SettingRow) == before[SettingRow] + 1
    scene.tell(1.0)
    assert {kind: scene.heard.times(kind) for kind in still if kind is not SettingRow} == {
        kind: times + 1 for kind, times in before.items() if kind is not SettingRow
    }
    assert "lo1:state" in scene.heard.told


def test_spectra_are_told_once_the_latest_of_each(scene: Scene) -> None:
    axis = np.linspace(1.0, 2.0, 5)
    for averages in (1, 2, 3):
        scene.bench.core.board.spectrum_shown(
            LiveSpectrum("bhd1", "psd", axis, axis, 1.0, math.nan, averages, 0, "power", "x", "", True, "", NOW)
        )
    scene.tell()
    scene.tell()
    assert [spectrum.averages for spectrum in scene.heard.spectra] == [3]


def test_curves_are_told_when_they_are_new_and_the_day_every_half_minute(scene: Scene) -> None:
    axis = np.linspace(0.0, 1.0, 5)
    scene.bench.core.board.curve_shown(Curve("sensor1", "mode", "Mode", "f", "Hz", "psd", "V", axis, {"a": axis}))
    for _ in range(4):
        scene.tell(0.1)
    names = [f"{curve.system}:{curve.name}" for curve in scene.heard.curves]
    assert names.count("sensor1:mode") == 1
    assert names.count("strip:day") == 1
    assert names.count("lo1:history") == 1  # nobody listens
    scene.tell(30.0)
    names = [f"{curve.system}:{curve.name}" for curve in scene.heard.curves]
    assert names.count("strip:day") == 2


# ---- faults ---------------------------------------------------------------------------------------------------------


def test_a_fault_in_what_is_told_is_an_alarm_and_ends_no_telling(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = scene.heard.beats
    with monkeypatch.context() as broken:

        def fault(*arguments: object) -> None:
            raise ZeroDivisionError("what a pity")

        broken.setattr(telling, "loop_rows", fault)
        for _ in range(5):
            scene.tell()
        assert scene.heard.beats == beats + 5  # it lives
        (alarm,) = [row for row in scene.rows(AlarmRow) if row.source == "bus"]
        assert (alarm.text, alarm.active, alarm.count) == ("ZeroDivisionError: what a pity", True, 1)
        assert scene.bench.core.tell_now() is None  # who makes the table safe is not kept from it
    scene.tell()
    scene.tell()
    (alarm,) = [row for row in scene.rows(AlarmRow) if row.source == "bus"]
    assert not alarm.active
    assert len(scene.rows(LoopRow)) > 4


def test_a_step_that_failed_and_a_loop_that_gave_up_are_alarms(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.bench.take_control()
    scene.bench.ask("add_step", procedure="lock_source")
    step = scene.bench.core.queue.steps[0]
    scene.bench.core.queue._steps[0].state = StepState.FAILED
    scene.bench.core.queue._steps[0].reason = "no light"
    machine = scene.bench.core.bench.supervisor.machines["opa_length"]
    with monkeypatch.context() as given_up:
        given_up.setattr(machine, "wanted", True)
        given_up.setattr(machine, "state", type(machine.state)("stalled"))
        given_up.setattr(machine, "why", "The light is gone.")
        scene.tell()
    told = {row.source: row for row in scene.rows(AlarmRow)}
    assert told["queue"].text == f"{step.step.name} failed: no light"
    assert (told["opa_length"].severity, told["opa_length"].active) == (Severity.MAJOR, True)
    assert scene.heard.states["opa_length:state"][:3] == ("stalled", Severity.MAJOR, "The light is gone.")
    count = scene.heard.scalars["alarm:unacknowledged"]
    assert (count.value, count.severity) == (2.0, Severity.MAJOR)
    assert "OPA LENGTH" in count.message
