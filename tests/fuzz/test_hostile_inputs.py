"""Inputs that once got through: each hung, escaped, crashed or was obeyed before it was refused."""

from __future__ import annotations

import gc
import json
import math
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_bus import Operation, as_value
from store_samples import manifest, result, trace

from labctl.bus.commands import COMMANDS, Command, Stop
from labctl.bus.replies import Reply
from labctl.bus.server import _CommandHandler
from labctl.bus.wire import BadMessage, decode_reply
from labctl.commands.checking import faults_of
from labctl.commands.listings import print_runs
from labctl.configuration.declared_types import as_declared
from labctl.configuration.served_station import write_served_station
from labctl.configuration.toml_reading import check_file
from labctl.core.stored_runs import StoredRuns
from labctl.errors import AnalysisRefused, ConfigurationError, LabError, StoreError
from labctl.estimation.fringe_levels import levels_from_quantiles
from labctl.simulation import reveal as reveal_room
from labctl.simulation.truth_file import read_truth
from labctl.spectra import text_table
from labctl.spectra.column_labels import header_facts, label_of
from labctl.spectra.text_table import number_of, read_text_table
from labctl.store import rows, trace_rows
from labctl.store.catalogue import Catalogue
from labctl.store.export import ExportFormat, export_run
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState
from labctl.store.writer import RunWriter

AT_ONCE_S = 1.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A sound run of somebody else, closed."""
    writer = RunWriter.create(tmp_path / "runs", manifest("night"))
    writer.add_traces([trace()])
    writer.add_result(result())
    writer.finish(RunState.COMPLETE, "", "all")
    return writer.path


def rewritten(run: Path, **changes: Any) -> None:
    """Change entries of the manifest."""
    file = run / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def tampered(run: Path, *statements: str) -> None:
    """Change run.db, with checksums that fit again unless it is the tables that change."""
    with sqlite3.connect(run / "run.db") as database:
        for statement in statements:
            database.executescript(statement)
        if all(statement.startswith(("UPDATE", "INSERT")) for statement in statements):
            trace_rows.enter_digests(database)
            rows.enter_digests(database)
    database.close()


# ---- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["(" + " " * 400 + "x", "(" * 3000, "( " * 3000, "[" + "a(" * 2000])
def test_a_label_of_brackets_is_read_at_once(label: str) -> None:
    started = time.perf_counter()
    label_of(label)
    assert time.perf_counter() - started < AT_ONCE_S


@pytest.mark.parametrize("line", ["# rbw" + " " * 3000, "# rbw" + " :" * 3000, "# " + "rbw " * 3000])
def test_a_header_of_blanks_is_read_at_once(line: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("\n".join([line] * 20 + ["1,2", "2,3"]))
    started = time.perf_counter()
    header_facts(read_text_table(file))
    assert time.perf_counter() - started < AT_ONCE_S


def test_a_line_longer_than_any_row_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("1,2\n" + "1," * text_table.LONGEST_LINE + "\n")
    with pytest.raises(AnalysisRefused, match="line 2, has 65536 characters"):
        read_text_table(file)


def test_more_lines_than_a_recording_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "MOST_LINES", 10)
    file = tmp_path / "trace.csv"
    file.write_text("1,2\x0b" * 11)  # a line ends at more than a line feed
    with pytest.raises(AnalysisRefused, match="more than 10 lines"):
        read_text_table(file)


def test_a_header_without_end_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("# x\n" * 5000 + "Frequency (Hz),PSD (V)\n1,2\n2,3\n")
    table = read_text_table(file)
    assert len(table.header) <= text_table.MOST_HEADER_LINES
    assert [label.name for label in header_facts(table).labels] == ["Frequency", "PSD"]


# ---- runs of strangers ----------------------------------------------------------------------------------------------


def test_a_trace_cannot_be_exported_out_of_the_folder(run: Path, tmp_path: Path) -> None:
    tampered(run, "UPDATE traces SET name = '../../escaped'")
    with pytest.raises(StoreError, match="no name for a trace"):
        export_run(RunReader(run), ExportFormat.CSV, tmp_path / "csv")
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("run_id", ["../../escaped", "/abs", "", ".", ["night"], 7, "a" * 1000])
def test_a_run_id_that_is_no_name_is_refused(run: Path, run_id: object) -> None:
    rewritten(run, run_id=run_id)
    with pytest.raises(StoreError, match=r"no run id|run_id is"):
        RunReader(run)
    assert [one.path for one in Catalogue(run.parent).list()] == [run]  # and is listed all the same


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("title", ["a"]),
        ("created", 7),
        ("station_name", None),
        ("seed", "x"),
        ("parameters", []),
        ("versions", {"a": 1}),
    ],
)
def test_a_manifest_of_other_types_is_refused_and_listed(run: Path, entry: str, value: object) -> None:
    rewritten(run, **{entry: value})
    with pytest.raises(StoreError, match=f"damaged|{entry}"):
        RunReader(run)
    print_runs(run.parent)


def test_a_title_is_no_markup(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(run, title="[/red] night [bold]")
    Catalogue(run.parent).rebuild()
    print_runs(run.parent)
    assert "[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ['{"$float": 1' + "0" * 400 + "}", "[" * 100_000, '{"$complex": [1]}', "\0", "[]", "1"]
)
def test_documents_that_are_no_documents(run: Path, text: str) -> None:
    (run / "end.json").write_text(text)
    gc.disable()  # what complains while it goes has no room for that at the bottom of a recursion
    try:
        with pytest.raises(StoreError, match=r"end\.json"):
            _ = RunReader(run).end
    finally:
        gc.enable()


def test_a_pipe_where_the_lock_should_be_keeps_nobody_waiting(run: Path) -> None:
    (run / "run.lock").unlink()
    os.mkfifo(run / "run.lock")
    with pytest.raises(StoreError, match="no plain file"):
        RunReader(run).traces()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE traces RENAME TO real; CREATE VIEW traces AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM c) SELECT real.* FROM c, real",
        "CREATE TRIGGER t AFTER UPDATE ON traces BEGIN DELETE FROM traces; END",
        "ALTER TABLE results ADD COLUMN g TEXT AS (hex(zeroblob(100000000)))",
        "CREATE VIRTUAL TABLE other USING fts5(a)",
    ],
)
def test_a_database_that_holds_programs_is_refused(run: Path, statement: str) -> None:
    tampered(run, statement)
    with pytest.raises(StoreError, match="which no run has"):
        RunReader(run).traces()


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE results SET sigma = 'wide'", RunReader.results),
        ("UPDATE results SET name = 'a'", RunReader.results),
        ("UPDATE traces SET invalid_reason = x'00ff'", RunReader.traces),
        ("UPDATE traces SET started_at = 'now'", RunReader.traces),
        ("INSERT INTO events (at, level, source, text) VALUES ('x', 'info', 'a', 'b')", RunReader.events),
        ("INSERT INTO events (at, level, source, text) VALUES (1.0, 'loud', 'a', 'b')", RunReader.events),
        ("INSERT INTO loop_times VALUES (x'00', 1.0, 1.0)", RunReader.loop_times),
    ],
)
def test_rows_of_other_types_are_refused(run: Path, statement: str, read: Callable[[RunReader], object]) -> None:
    tampered(run, statement)
    with pytest.raises(StoreError, match=r"damaged|no name"):
        read(RunReader(run))


def test_a_figure_behind_a_link_is_not_shown(run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (run / "figures").mkdir()
    (run / "figures" / "01-a.png").symlink_to(tmp_path / "secret")
    stored = StoredRuns(run.parent)
    assert stored.figures("night") == []
    with pytest.raises(StoreError, match="no figure"):
        stored.figure("night", "01-a.png")
    (run / "figures" / "01-a.png").unlink()
    (run / "figures").rmdir()
    (run / "figures").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="behind a link"):
        stored.figures("night")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format": 1, "happened": null}', "NaN", "[]", '{"format": 1, "truth": 5}']
)
def test_a_truth_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(StoreError, match=r"truth\.json is damaged"):
        read_truth(tmp_path)


# ---- the bus, the terminal, files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [{"query": "x"}, {"query": 1.0}, {"query": ["a"]}, {"other": 1}])
def test_a_call_without_arguments_is_told_what_it_lacks(content: dict[str, Any]) -> None:
    operation = Operation(as_value(content))
    _CommandHandler(COMMANDS["pause_queue"], lambda command, peer: Reply("done")).rpc(None, operation)  # type: ignore[arg-type]
    assert "client: Field required" in str(operation.answers[0][1])


@pytest.mark.parametrize("value", [as_value({"query": "x"}), as_value({"query": 1.0}), as_value({"x": 1}), 5])
@pytest.mark.parametrize("way", ["put", "rpc"])
def test_a_stop_is_taken_however_it_is_asked(value: Any, way: str) -> None:
    done: list[Command] = []

    def execute(command: Command, peer: str) -> Reply:
        done.append(command)
        return Reply("stopped")

    operation = Operation(value)
    getattr(_CommandHandler(Stop, execute), way)(None, operation)
    assert [type(command) for command in done] == [Stop] and operation.answers[0][1] is None


def test_an_error_does_not_steer_the_terminal() -> None:
    assert str(LabError("a\x1b[2J\x9b\u202e\ud800\nb")) == "a\\x1b[2J\\x9b\\u202e\\ud800\nb"


def test_a_fault_is_one_line_without_control_characters(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('"\x9b2J\\n\\u202e" = 1\n', encoding="utf-8")
    assert all(str(fault).isprintable() for fault in check_file(file))


def test_a_pipe_is_not_taken_for_a_station_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigurationError, match="there already"):
        write_served_station(tmp_path / "pipe.toml", tmp_path / "a.toml", {}, 1.0)
    assert "is not a file" in str(check_file(tmp_path / "pipe.toml")[0])


@pytest.mark.parametrize(
    "record",
    [
        NamedResult("a.b", "1", 0.0, "", "", ""),  # type: ignore[arg-type]
        NamedResult("a.b", True, 0.0, "", "", ""),
        NamedResult("a.b", 1.0, np.float32, "", "", ""),  # type: ignore[arg-type]
        NamedResult(b"a.b", 1.0, 0.0, "", "", ""),  # type: ignore[arg-type]
    ],
)
def test_a_record_of_other_types_is_no_record(record: NamedResult) -> None:
    with pytest.raises(TypeError, match=r"(value|sigma|name) is .*, not "):
        as_declared(record)


def test_a_long_text_is_no_number_and_costs_nothing() -> None:
    assert number_of("1,234" * 5000 + "x") is None
    assert number_of("9" * 5000) is not None  # as long as it is, a plain number is one
    began = time.process_time()
    assert number_of("9" * 100_000 + "x") is None
    assert time.process_time() - began < AT_ONCE_S


def test_a_list_for_a_number_is_not_allowed(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('title = "a"\n[[step]]\nname = "a"\nprocedure = "warm_oven"\nparameters = { soak = [1.0, 2.0] }\n')
    (fault,) = faults_of(file)
    assert "step a: soak = (1.0, 2.0) is not allowed; allowed: 0 to" in fault


def test_a_table_of_many_names_is_none_that_anybody_knows() -> None:
    value = as_value({"value": "x", "rows": {"descriptor": [1.0, 2.0]}, "data": [1.0]})
    with pytest.raises(BadMessage, match="which nobody knows"):
        decode_reply(value)


def test_what_is_wrong_with_a_manifest_is_told_shortly(run: Path) -> None:
    rewritten(run, **{"a" * 5000: 1})
    with pytest.raises(StoreError, match=r"manifest\.json is damaged") as refused:
        RunReader(run)
    assert len(str(refused.value)) < 1000


def test_a_fringe_that_no_sample_lies_on_is_none() -> None:
    x = np.linspace(-1.0, 1.0, 50)
    with pytest.raises(AnalysisRefused, match="do not lie on the fitted fringe"):
        levels_from_quantiles(x, np.full(50, 100.0), np.array([0.0, 1.0, 0.0, 9.0, 0.0]), 0.1)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300])
def test_a_truth_of_impossible_numbers_is_refused(run: Path, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(_: object) -> object:
        return math.log(-value * value) if value else 1.0 / value

    monkeypatch.setattr(reveal_room, "read_truth", lambda folder: object())
    monkeypatch.setattr(reveal_room, "_revealed", impossible)
    with pytest.raises(StoreError, match="numbers are those of no table"):
        reveal_room.reveal(run)
