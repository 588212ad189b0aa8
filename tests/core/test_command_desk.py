"""Every command of the bus on a core with a table behind it: who may, what it does, what it answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_bench import HERE, Bench, core_on_table
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import station_at
from pydantic import ValidationError

from labctl.bus.commands import COMMANDS, Controlled
from labctl.bus.messages import Severity
from labctl.core.command_desk import NotAllowed
from labctl.core.flood import BURST
from labctl.errors import LabError, LeaseError, LimitError
from labctl.store.records import StepState
from procedures.catalogue import PROCEDURES

FOREIGN = "10.9.8.7"
PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + b"x" * 20 + b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
ARGUMENTS: dict[str, dict[str, object]] = {
    "stop": {"reason": "smoke"},
    "reset": {"reason": "looked"},
    "take_control": {},
    "keep_control": {},
    "give_control": {},
    "add_step": {"procedure": "warm_oven"},
    "add_recipe": {"recipe": "bring_up"},
    "remove_step": {"identity": 1},
    "skip_step": {"identity": 1},
    "move_step": {"identity": 1, "place": 0},
    "clear_queue": {},
    "start_queue": {},
    "pause_queue": {},
    "resume_queue": {},
    "lock_loop": {"loop": "opa_length"},
    "hold_loop": {"loop": "lo1"},
    "release_loop": {"loop": "lo1"},
    "change_setting": {"setting": "live.averages", "value": 20.0},
    "acknowledge": {},
    "shelve": {"identity": 1, "seconds": 60.0},
    "note": {"text": "all quiet"},
    "list_runs": {},
    "list_figures": {"run": "none"},
    "read_figure": {"run": "none", "figure": "a.png"},
    "read_traffic": {"instrument": "analyzer"},
}
CONTROLLED = [name for name, kind in COMMANDS.items() if issubclass(kind, Controlled)]
FOR_ALL = [name for name in COMMANDS if name not in (*CONTROLLED, "take_control")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with core_on_table(tmp_path_factory.mktemp("runs")) as bench:
        yield bench


@pytest.fixture
def desk(opened: Bench) -> Bench:
    opened.fresh()
    return opened


@pytest.fixture
def held(desk: Bench) -> Bench:
    desk.take_control()
    return desk


# ---- who may --------------------------------------------------------------------------------------------------------


def test_these_tests_know_every_command() -> None:
    assert ARGUMENTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", CONTROLLED)
def test_what_changes_something_is_for_who_holds_the_lease(desk: Bench, command: str) -> None:
    with pytest.raises(LeaseError, match="You do not have control; nobody has"):
        desk.ask(command, **ARGUMENTS[command])
    desk.take_control()
    with pytest.raises(LeaseError, match=r"You no longer have control: screen at 127\.0\.0\.1 has it since"):
        desk.ask(command, **ARGUMENTS[command], lease="guessed")
    assert not desk.core.queue.steps


@pytest.mark.parametrize("command", [*CONTROLLED, "take_control"])
def test_from_elsewhere_nothing_is_taken_even_with_the_lease(held: Bench, command: str) -> None:
    held.peer = FOREIGN
    with pytest.raises(NotAllowed, match=r"not taken from 10\.9\.8\.7, except the software stop"):
        held.ask(command, **ARGUMENTS[command])
    assert held.core.lease.holder(0.0)[0] == "screen"


@pytest.mark.parametrize("command", FOR_ALL)
def test_stop_notes_and_questions_are_for_everybody(desk: Bench, command: str) -> None:
    desk.peer = FOREIGN
    try:
        desk.ask(command, **ARGUMENTS[command])
    except LabError as error:
        assert "There is no run 'none'" in str(error)


def test_who_floods_is_refused_and_told_once_and_may_still_stop(held: Bench) -> None:
    refused = []
    for _ in range(BURST + 5):
        try:
            held.ask("keep_control")
        except NotAllowed as error:
            refused.append(str(error))
    assert len(refused) >= 4
    alarms = [row for row in held.core.board.alarms.rows(0.0) if row.source == "bus"]
    assert len(alarms) == 1
    assert "screen at 127.0.0.1 sends more than 20 commands a second" in alarms[0].text
    assert not alarms[0].active  # it leaves the list once somebody has seen it
    for _ in range(3):
        assert held.ask("stop").text.startswith("Stopping")


# ---- bad arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("reset", {"reason": ""}),
        ("add_step", {"procedure": "../warm_oven"}),
        ("add_step", {"procedure": "warm_oven", "parameters": "[1]"}),
        ("add_step", {"procedure": "warm_oven", "parameters": "{"}),
        ("remove_step", {"identity": -1}),
        ("move_step", {"identity": 1, "place": 10_001}),
        ("change_setting", {"setting": "live.averages", "value": float("nan")}),
        ("change_setting", {"setting": "live.averages", "value": "many"}),
        ("shelve", {"identity": 1, "seconds": 12 * 3600 + 1}),
        ("note", {"text": ""}),
        ("list_runs", {"most": 0}),
        ("list_figures", {"run": "../.."}),
        ("list_figures", {"run": "/etc"}),
        ("read_figure", {"run": "a", "figure": "../x"}),
        ("read_figure", {"run": "a", "figure": "..\\x.png"}),
        ("read_figure", {"run": "a", "figure": ".hidden.png"}),
        ("read_figure", {"run": "a\n", "figure": "x.png"}),
        ("read_traffic", {"instrument": "*"}),
    ],
)
def test_arguments_that_cannot_be_are_refused_before_anybody_looks(
    held: Bench, command: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        held.ask(command, **arguments)
    assert not held.core.board.latch.stopped


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("add_step", {"procedure": "sweep_floor"}, "There is no procedure sweep_floor. There are .*warm_oven"),
        ("add_step", {"procedure": "warm_oven", "parameters": '{"hot": 1}'}, "warm_oven has no hot"),
        ("add_step", {"procedure": "live_spectra", "parameters": '{"duration": -1}'}, "duration = -1 is not allowed"),
        ("add_recipe", {"recipe": "nothing"}, "There is no recipe nothing. There are bring_up"),
        ("remove_step", {"identity": 5}, "There is no step 5"),
        ("lock_loop", {"loop": "lo9"}, "There is no loop lo9. There are .*lo4"),
        ("hold_loop", {"loop": "lo9"}, "There is no loop lo9"),
        ("release_loop", {"loop": "lo9"}, "There is no loop lo9"),
        ("change_setting", {"setting": "laser.power", "value": 1.0}, "There is no setting laser.power"),
        ("acknowledge", {"identity": 12}, "There is no alarm 12"),
        ("shelve", {"identity": 12, "seconds": 60.0}, "There is no alarm 12"),
        ("read_traffic", {"instrument": "toaster"}, "There is no instrument toaster"),
        ("note", {"text": "x", "picture": "no base64!"}, "The picture is not base64"),
        ("note", {"text": "x", "picture": "ünter"}, "The picture is not base64"),
        ("note", {"text": "x", "picture": base64.b64encode(b"GIF89a").decode()}, "The picture is no whole PNG"),
        ("start_queue", {}, "Nothing waits in the queue"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(
    held: Bench, command: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(LabError, match=words):
        held.ask(command, **arguments)


@settings(deadline=None, max_examples=40)
@given(
    command=st.sampled_from(sorted(COMMANDS)),
    arguments=st.dictionaries(
        st.sampled_from(("identity", "place", "loop", "procedure", "parameters", "value", "setting", "run", "figure")),
        st.one_of(st.integers(-5, 5), st.floats(), st.text(max_size=8), st.booleans(), st.just("lo1")),
    ),
)
def test_nothing_that_a_client_sends_ends_in_a_defect(
    opened: Bench, command: str, arguments: dict[str, object]
) -> None:
    opened.fresh()
    opened.take_control()
    try:
        opened.ask(command, **(ARGUMENTS[command] | arguments))
    except (LabError, ValidationError):
        return


# ---- control --------------------------------------------------------------------------------------------------------


def test_control_is_taken_kept_given_back_and_taken_by_force(held: Bench) -> None:
    with pytest.raises(LeaseError, match="screen at 127"):
        held.ask("take_control", client="other")
    assert held.ask("keep_control").text == "Kept."
    forced = held.ask("take_control", client="other", force=True).text
    with pytest.raises(LeaseError, match="other at 127"):
        held.ask("keep_control")
    assert "other took control from screen." in held.events
    assert held.ask("give_control", lease=forced).text == "Given back."
    held.take_control()


def test_a_stop_is_never_refused_for_how_it_was_asked(desk: Bench) -> None:
    kind = COMMANDS["stop"]
    for said in ({}, {"client": ""}, {"client": "x" * 999, "reason": 7}, {"reason": "y" * 999, "loudly": True}):
        stop = kind.model_validate(said)
        assert desk.desk.execute(stop, FOREIGN).text.startswith("Stopping")
        assert 1 <= len(stop.client) <= 64
    assert desk.core.board.latch.by == f"somebody ({FOREIGN})"


# ---- the stop -------------------------------------------------------------------------------------------------------


def test_the_stop_latches_makes_the_table_safe_and_nothing_starts_until_it_is_reset(held: Bench) -> None:
    core = held.core
    held.core.bench.station.shutters["pump"].open()
    held.ask("add_step", procedure="warm_oven")
    assert held.ask("stop", reason="smoke").text == "Stopping: the table is being made safe."
    latch = core.board.latch
    assert (latch.stopped, latch.reason, latch.by) == (True, "smoke", f"screen ({HERE})")
    held.after(0.1)
    assert not core.bench.station.shutters["pump"].is_open()
    for command in ("start_queue", "resume_queue", "lock_loop", "hold_loop", "release_loop"):
        with pytest.raises(LabError, match="The table was stopped by screen"):
            held.ask(command, **ARGUMENTS[command])
    assert not core.start_asked.is_set()
    assert held.ask("stop", client="other").text.startswith("Stopping")  # pressed again, it does so again
    assert core.safe_asked.is_set()
    assert core.board.latch.by == f"screen ({HERE})"  # who was first
    held.after(0.1)
    assert held.ask("reset", reason="looked").text == "Reset. Nothing was started again."
    assert held.ask("reset", reason="looked").text == "Nothing was stopped."
    held.after(1.0)
    assert core.queue.paused
    assert held.ask("start_queue").text == "1 steps will run."


def test_what_was_started_before_a_stop_does_not_begin_after_the_reset(held: Bench) -> None:
    held.ask("add_step", procedure="warm_oven")
    held.ask("start_queue", title="tonight")
    held.ask("stop")
    held.ask("reset", reason="a mistake")
    assert not held.core.start_asked.is_set()


def test_a_stop_says_how_long_it_took_since_it_was_pressed(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask("stop")
    desk.core._pressed_at -= 2.0  # the thread of the table was busy
    desk.after(0.0)
    (took,) = [text for text in desk.events[-3:] if text.startswith("The table is safe")]
    assert float(took.split()[4]) >= 2.0


def test_what_cannot_be_made_safe_is_an_alarm_until_a_stop_that_succeeds(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(type(desk.core.bench.station), "make_safe", lambda station: ["pump: no reply."])
        desk.ask("stop")
        desk.after(0.0)
    assert [(row.text, row.severity, row.active) for row in desk.core.board.alarms.rows(0.0)] == [
        ("pump: no reply.", Severity.MAJOR, True)
    ]
    desk.ask("stop")
    desk.after(0.0)
    assert [row.active for row in desk.core.board.alarms.rows(0.0)] == [False]


# ---- the queue ------------------------------------------------------------------------------------------------------


def test_steps_are_put_in_moved_skipped_and_taken_out(held: Bench) -> None:
    queue = held.core.queue
    given = json.dumps({"duration": 5.0, "averages": 7})
    assert held.ask("add_step", procedure="live_spectra", parameters=given).text == "1"
    assert held.ask("add_step", procedure="lock_homodyne", parameters='{"sensor": 2}').text == "2"
    assert held.ask("add_step", procedure="warm_oven").text == "3"
    first = queue.steps[0]
    assert first.step.parameters == {"duration": 5.0, "averages": 7}
    assert first.expected_s == 5.0
    assert queue.steps[1].step.name == "lock_homodyne.2"
    held.ask("move_step", identity=3, place=0)
    held.ask("skip_step", identity=1)
    held.ask("remove_step", identity=2)
    assert {(q.step.name, q.state) for q in queue.steps} == {
        ("live_spectra", StepState.SKIPPED),
        ("warm_oven", StepState.WAITING),
    }
    assert held.ask("clear_queue").text == "The queue is empty."
    assert queue.steps == []
    held.ask("add_step", procedure="warm_oven")
    held.ask("pause_queue")
    assert queue.paused
    held.ask("resume_queue")
    assert not queue.paused
    assert held.ask("start_queue", title="tonight").text == "1 steps will run."
    assert held.core.title_asked == "tonight"


def test_a_recipe_comes_whole_and_starts_nothing(held: Bench) -> None:
    said = held.ask("add_recipe", recipe="bring_up").text
    steps = held.core.queue.steps
    assert said == f"{len(steps)} steps added."
    assert len(steps) > 4
    assert not held.core.start_asked.is_set()
    assert {queued.step.procedure for queued in steps} <= PROCEDURES.keys()


# ---- loops ----------------------------------------------------------------------------------------------------------


def test_a_loop_is_locked_held_and_opened_by_the_thread_of_the_table(held: Bench) -> None:
    core = held.core
    machine = core.bench.supervisor.machines["opa_length"]
    assert held.ask("lock_loop", loop="opa_length").text == "opa_length will be locked."
    assert not machine.wanted  # until the table's own thread looks
    held.after(60.0)
    assert machine.wanted
    assert machine.is_locked
    assert "pump_phase" in held.ask("hold_loop", loop="opa_length").text
    assert {"opa_length", "pump_phase", "lo1"} <= core.held
    held.after(1.0)
    assert machine.state == "hold"
    assert "Held by screen" in machine.why
    held.ask("lock_loop", loop="opa_length")
    assert "opa_length" not in core.held
    held.after(60.0)
    assert machine.is_locked
    held.ask("release_loop", loop="opa_length")
    held.after(1.0)
    assert not machine.wanted


def test_what_was_asked_of_a_loop_before_a_stop_is_not_done_after_it(held: Bench) -> None:
    held.ask("lock_loop", loop="opa_length")
    held.ask("stop")
    held.after(2.0)
    assert not held.core.bench.supervisor.machines["opa_length"].wanted


# ---- settings, alarms -----------------------------------------------------------------------------------------------


def test_a_setting_answers_the_value_before_and_keeps_its_limits(held: Bench) -> None:
    before = held.ask("change_setting", setting="live.averages", value=20).text
    assert float(before) == 50.0
    assert held.core.settings.value("live.averages") == 20.0
    held.ask("change_setting", setting="live.averages", value=float(before))
    for setting, value, words in (
        ("live.averages", 0.0, "a whole number from 1 to 10000"),
        ("live.averages", 2.5, "a whole number"),
        ("live.on", 2.0, "a whole number from 0 to 1"),
        ("live.reference_age", 9.0, "a number from 10 to 86400 s"),
    ):
        with pytest.raises(LimitError, match=words):
            held.ask("change_setting", setting=setting, value=value)
    assert held.core.settings.value("live.averages") == 50.0


def test_alarms_are_acknowledged_and_put_aside(held: Bench) -> None:
    alarms = held.core.board.alarms
    for source in ("oven", "gauge"):
        alarms.raise_alarm(source, "out", Severity.MINOR, 0.0)
    assert held.ask("shelve", identity=1, seconds=60.0, reason="known").text == "Shelved."
    (shelved,) = [row for row in alarms.rows(0.0) if row.source == "oven"]
    assert shelved.shelved_why == "screen: known"
    assert held.ask("acknowledge").text == "1 acknowledged."
    assert held.ask("shelve", identity=1, seconds=0.0).text == "Back."
    assert held.ask("acknowledge", identity=1).text == "1 acknowledged."
    assert {row.acknowledged_by for row in alarms.rows(0.0)} == {"screen"}


# ---- notes, runs, traffic -------------------------------------------------------------------------------------------


def test_a_note_is_in_the_log_book_with_its_picture(desk: Bench) -> None:
    said = desk.ask("note", text="a kick", picture=base64.b64encode(PICTURE).decode()).text
    folder = desk.core.runs / "logbook"
    assert (folder / said.removeprefix("Noted in ").removesuffix(".")).read_bytes() == PICTURE
    line = json.loads((folder / "logbook.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (line["by"], line["text"]) == ("screen", "a kick")
    assert desk.events[-1] == "a kick (log book)"


def test_figures_are_read_from_runs_and_from_nowhere_else(desk: Bench) -> None:
    run = desk.core.runs / "20260101-000000-abcd"
    (run / "figures").mkdir(parents=True)
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    (run / "figures" / "a.png").write_bytes(PICTURE)
    (run / "figures" / "a.txt").write_text("Noise of the sum", encoding="utf-8")
    (run / "figures" / "secret.txt").write_text("no figure", encoding="utf-8")
    (run / "b.png").write_bytes(PICTURE)
    (figure,) = desk.ask("list_figures", run=run.name).rows
    assert (figure.name, figure.caption) == ("a.png", "Noise of the sum")
    assert desk.ask("read_figure", run=run.name, figure="a.png").data == PICTURE
    for name in ("b.png", "secret.txt", "none.png"):
        with pytest.raises(LabError, match="has no figure"):
            desk.ask("read_figure", run=run.name, figure=name)
    for name in ("../b.png", "x/../../b.png", str(run / "b.png")):  # also where nobody checks the arguments
        with pytest.raises(LabError, match="has no figure"):
            desk.desk.runs.figure(run.name, name)


def test_runs_are_found_in_their_folder_only(desk: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "figures").mkdir(parents=True)
    (elsewhere / "manifest.json").write_text("{}", encoding="utf-8")
    (elsewhere / "figures" / "a.png").write_bytes(PICTURE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match="There is no run 'elsewhere'"):
        desk.ask("read_figure", run="elsewhere", figure="a.png")


def test_what_goes_over_a_wire_is_read_from_when_it_was_asked_for(desk: Bench) -> None:
    name = "analyzer"
    assert desk.ask("read_traffic", instrument=name).text == "Nothing yet: messages are kept from now on."
    desk.core.bench.station.health_of(name)
    lines = desk.ask("read_traffic", instrument=name).text.splitlines()
    assert any("> *IDN?" in line for line in lines)
    assert any("< " in line for line in lines)


def test_more_addresses_may_command_where_the_station_file_says_so(tmp_path: Path) -> None:
    file = station_at(3)
    file = file.model_copy(update={"bus": file.bus.model_copy(update={"allow_control_from": ("10.9.8.0/24",)})})
    with core_on_table(tmp_path, file) as bench:
        bench.peer = FOREIGN
        bench.take_control()
        assert bench.ask("keep_control").text == "Kept."
        bench.peer = HERE
        with pytest.raises(NotAllowed):
            bench.ask("keep_control")
