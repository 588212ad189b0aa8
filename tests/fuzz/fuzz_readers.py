"""What is done with an input: everything that labctl does with such a thing, in the order in which an operator would.

A reader spoils a sound input in `prepared` (nobody watches) and reads it in what that returns (all is watched). What it
raises is the verdict: nothing or a `LabError` is well, all else is a finding.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fuzz_corpus import Corpus
from fuzz_mutators import NASTY_BYTES, junk, junk_text, spoilt_bytes, spoilt_tree, toml_text

from labctl.errors import LabError

Reading = Callable[[], None]
"""Read the input; raise `LabError` for the first thing that was refused after all was tried."""

CHECKED_SHARE = 0.3  # of the TOML files that `labctl check` looks at too, which takes longer than to read them
NEEDS_SOMETHING = (
    "remove_step",
    "skip_step",
    "move_step",
    "shelve",
    "reset",
    "start_queue",
    "resume_queue",
    "pause_queue",
)
"""Commands that are refused on a table on which nothing goes on."""
KINDS = ("config", "recipe", "data", "bus", "run")


class Refusals:
    """Collects what was refused, so that one refusal keeps nothing else from being tried."""

    def __init__(self) -> None:
        self.errors: list[LabError] = []

    def attempt(self, read: Callable[[], Any]) -> Any:
        """Return what `read` returns; None where it refuses."""
        try:
            return read()
        except LabError as error:
            self.errors.append(error)
            return None

    def told(self) -> None:
        """Raise the first refusal with the texts of all, so that each is looked at."""
        if self.errors:
            texts = dict.fromkeys(map(str, self.errors))
            first = LabError("\n".join(texts)) if all(texts) else LabError("")
            raise first from self.errors[0]


class Readers:
    """The five kinds of input on one corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._trees = {kind: corpus.trees(kind) for kind in ("configs", "recipes")}
        self._desk: Any = None

    def prepared(self, kind: str, chance: random.Random, folder: Path) -> Reading:
        """Return the reading of one spoilt input that lies in `folder`."""
        return {
            "config": self._config, "recipe": self._recipe, "data": self._data, "bus": self._bus, "run": self._run,
        }[kind](chance, folder)  # fmt: skip

    def sound(self, kind: str, folder: Path) -> Iterator[Reading]:
        """Yield the reading of every input of a kind as it is; `folder` is to be made anew for each."""
        folder.mkdir(exist_ok=True)
        match kind:
            case "config" | "recipe":
                of_kind: dict[str, bytes] = getattr(self.corpus, f"{kind}s")
                for name in of_kind:
                    for other, data in of_kind.items():
                        (folder / other).write_bytes(data)
                    file = folder / name
                    yield _read_config(file, True) if kind == "config" else _read_recipe(file, True, 4)
            case "data":
                for name, data in (self.corpus.recordings | self.corpus.documents).items():
                    (folder / name).write_bytes(data)
                    yield (
                        _read_document(name, folder)
                        if name.endswith("json")
                        else _read_recording(folder / name, "", None)
                    )
            case "bus":
                for name, arguments in self.corpus.commands.items():
                    if name not in ("list_figures", "read_figure", *NEEDS_SOMETHING):
                        yield self._table(folder).asked(name, dict(arguments), None)
            case "run":
                for run in self.corpus.runs:
                    copied = folder / "runs" / "whole"
                    shutil.copytree(run, copied)
                    yield self._read_run(copied, folder, compares=True, recovers=True)
                    shutil.rmtree(folder)
                    folder.mkdir()

    # ---- station files and recipes ----------------------------------------------------------------------------------

    def _config(self, chance: random.Random, folder: Path) -> Reading:
        return _read_config(self._toml("configs", chance, folder), chance.random() < CHECKED_SHARE)

    def _recipe(self, chance: random.Random, folder: Path) -> Reading:
        file = self._toml("recipes", chance, folder)
        return _read_recipe(file, chance.random() < CHECKED_SHARE, chance.choice((1, 4)))

    def _toml(self, kind: str, chance: random.Random, folder: Path) -> Path:
        sound: dict[str, bytes] = getattr(self.corpus, kind)
        name = chance.choice(list(sound))
        if chance.random() < 0.5:
            data = toml_text(spoilt_tree(self._trees[kind][name], chance)).encode("utf-8", "replace")
        else:
            data = sound[name]
        if chance.random() < 0.5:
            data = spoilt_bytes(data, chance, sound[chance.choice(list(sound))])
        file = folder / "self.toml"
        file.write_bytes(data)
        for other, content in sound.items():
            if b"extends" in data and other.encode() in data:
                (folder / other).write_bytes(content)
        return file

    # ---- recordings and documents -----------------------------------------------------------------------------------

    def _data(self, chance: random.Random, folder: Path) -> Reading:
        if chance.random() < 0.25:
            return self._document(chance, folder)
        name = chance.choice(list(self.corpus.recordings))
        other = chance.choice(list(self.corpus.recordings.values()))
        file = folder / name
        file.write_bytes(spoilt_bytes(self.corpus.recordings[name], chance, other))
        columns = chance.choice(("", "", "", "1,2", "2,1", "Frequency,PSD", "3,9", "1", ",", "99999999999,1"))
        return _read_recording(file, columns, chance.choice((None, None, None, "V", "dBm", "dB", "furlong")))

    def _document(self, chance: random.Random, folder: Path) -> Reading:
        name = chance.choice(list(self.corpus.documents))
        data = self.corpus.documents[name]
        if chance.random() < 0.6:
            tree = spoilt_tree(json.loads(data), chance)
            data = json_text(tree, chance)
        else:
            data = spoilt_bytes(data, chance)
        (folder / name).write_bytes(data)
        return _read_document(name, folder)

    # ---- the bus ----------------------------------------------------------------------------------------------------

    def _bus(self, chance: random.Random, folder: Path) -> Reading:
        from fuzz_bus import spoilt_value

        if chance.random() < 0.3:
            return spoilt_value(chance)
        command = chance.choice(list(self.corpus.commands))
        return self._table(folder).asked(command, dict(self.corpus.commands[command]), chance)

    def _table(self, folder: Path) -> Any:
        if self._desk is None:
            from fuzz_bus import Desk

            self._desk = Desk(folder.parent / "bus")
        return self._desk

    def close(self) -> None:
        """Let the table behind the bus go."""
        if self._desk is not None:
            self._desk.close()

    # ---- runs -------------------------------------------------------------------------------------------------------

    def _run(self, chance: random.Random, folder: Path) -> Reading:
        runs = folder / "runs"
        run = runs / "whole"
        shutil.copytree(chance.choice(self.corpus.runs), run)
        spoil_run(run, chance)
        return self._read_run(run, folder, compares=chance.random() < 0.2, recovers=chance.random() < 0.1)

    def _read_run(self, run: Path, folder: Path, *, compares: bool, recovers: bool) -> Reading:
        def read() -> None:
            refusals = Refusals()
            _listed(run.parent, refusals)
            _read_all(run, folder, refusals)
            if compares:
                _compared(self.corpus.runs[0], run, refusals)
            if recovers:
                _recovered(run, refusals)
            refusals.told()

        return read


def _read_config(file: Path, checks: bool) -> Reading:
    from labctl.configuration.toml_reading import check_file, is_recipe, load_station, station_text

    def read() -> None:
        refusals = Refusals()
        station = refusals.attempt(lambda: load_station(file))
        if checks:
            faults = check_file(file)
            assert bool(faults) == (station is None) or refusals.attempt(lambda: is_recipe(file)), "check disagrees"
        if station is not None:
            refusals.attempt(lambda: station_text(file))
        refusals.told()

    return read


def _read_recipe(file: Path, checks: bool, sensors: int) -> Reading:
    from labctl.commands.checking import faults_of
    from labctl.configuration.toml_reading import load_recipe
    from procedures.catalogue import known_procedures

    def read() -> None:
        refusals = Refusals()
        recipe = refusals.attempt(lambda: load_recipe(file, known_procedures()))
        faults = faults_of(file) if checks else []
        assert not checks or recipe is not None or faults, "check finds nothing in a recipe that is refused"
        if recipe is not None:
            refusals.attempt(lambda: recipe.expand(sensors))
        if faults:
            refusals.errors.append(LabError("\n".join(faults)))
        refusals.told()

    return read


def _read_recording(file: Path, columns: str, unit: str | None) -> Reading:
    def read() -> None:
        findings = _analysed(file.name, file, columns, unit)
        json.dumps(findings.to_json())
        findings.text()

    return read


def _read_document(name: str, folder: Path) -> Reading:
    readers = {"truth.json": _truth, "locks.json": _locks, "card.json": _cards}
    return lambda: readers[name](folder)


def json_text(tree: Any, chance: random.Random) -> bytes:
    """Return a tree as JSON, with duplicate keys now and then."""
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.1:
        text = text.replace("{", '{"format": 1, "format": "x", ', 1)
    return text.encode("utf-8", "surrogatepass")


def _analysed(name: str, file: Path, columns: str, unit: str | None) -> Any:
    from labctl.commands.analyse_mode import mode_findings
    from labctl.commands.analyse_psd import psd_findings
    from labctl.commands.analyse_ringdown import ringdown_findings
    from labctl.commands.analyse_scans import cavity_findings, fringe_findings
    from labctl.commands.analyse_shot_linearity import shot_linearity_findings
    from labctl.commands.analyse_squeezing import squeezing_findings

    match name.partition(".")[0]:
        case "mode":
            return mode_findings(file, None, None, None, unit, columns)
        case "squeezing":
            return squeezing_findings(file, file, None, None, "power", None, unit, columns, None)
        case "ringdown":
            return ringdown_findings(file, None, unit, columns)
        case "fringe":
            return fringe_findings(file, columns)
        case "cavity":
            return cavity_findings(file, "volt", None, None, columns)
        case "shot-linearity":
            return shot_linearity_findings(file, None, unit, columns)
    return psd_findings(file, None, None, None, columns, None)


def _truth(folder: Path) -> None:
    from labctl.simulation.reveal import reveal

    reveal(folder)


def _locks(folder: Path) -> None:
    from labctl.store.lock_memory import LockMemory

    memory = LockMemory(folder / "locks.json").load().as_of(10.0, 1.7e9)
    assert all(isinstance(value, float) for loop in memory.loops.values() for value in loop.values())


def _cards(folder: Path) -> None:
    from unittest.mock import patch

    from labctl.core import card

    with patch.object(card, "cards_folder", lambda: folder):
        card.cards()


# ---- runs -----------------------------------------------------------------------------------------------------------

_DOCUMENTS = ("manifest.json", "manifest.json", "end.json", "results.json", "run.lock")


def spoil_run(run: Path, chance: random.Random) -> None:
    """Spoil one to three things in a folder of a run."""
    for _ in range(chance.randint(1, 3)):
        match chance.randrange(8):
            case 0 | 1 | 2:
                _spoil_document(run / chance.choice(_DOCUMENTS), chance)
            case 3 | 4 | 5:
                _spoil_rows(run / "run.db", chance)
            case 6:
                file = run / "run.db"
                if file.is_file() and not file.is_symlink():
                    file.write_bytes(spoilt_bytes(file.read_bytes(), chance))
            case _:
                _spoil_file(run, chance)


def _spoil_document(file: Path, chance: random.Random) -> None:
    if not file.is_file() or file.is_symlink():
        return
    data = file.read_bytes()
    if chance.random() < 0.7:
        with contextlib.suppress(ValueError):
            data = json_text(spoilt_tree(json.loads(data), chance), chance)
    else:
        data = spoilt_bytes(data, chance)
    file.write_bytes(data)


def _spoil_file(run: Path, chance: random.Random) -> None:
    victim = run / chance.choice(
        ("manifest.json", "end.json", "results.json", "run.db", "data.nc", "run.lock", "figures")
    )
    if victim.is_dir() and not victim.is_symlink():
        shutil.rmtree(victim)
    victim.unlink(missing_ok=True)
    match chance.randrange(6):
        case 0:
            victim.mkdir()
        case 1:
            os.mkfifo(victim)
        case 2:
            victim.symlink_to(
                chance.choice(("/etc/passwd", "/dev/zero", "../../../../x", "manifest.json", victim.name))
            )
        case 3:
            victim.write_bytes(chance.choice(NASTY_BYTES) * chance.choice((1, 100)))
        case 4:
            victim.touch()


_STATEMENTS = (
    "DROP TABLE {table}",
    "ALTER TABLE {table} RENAME TO other",
    "ALTER TABLE {table} DROP COLUMN {column}",
    "DELETE FROM {table}",
    "CREATE TABLE other (a)",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 5",
    "PRAGMA encoding = 'UTF-16'",
    "CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM traces; END",
    "ALTER TABLE {table} RENAME TO real; CREATE VIEW {table} AS SELECT * FROM real",
    "ALTER TABLE {table} RENAME TO real; CREATE VIEW {table} AS WITH RECURSIVE c(id) AS "
    "(SELECT 1 UNION ALL SELECT id + 1 FROM c) SELECT real.* FROM c, real",
    "ALTER TABLE {table} ADD COLUMN g TEXT GENERATED ALWAYS AS (hex(zeroblob(100000000)))",
    "INSERT INTO {table} SELECT * FROM {table} WHERE 0",
)


def _spoil_rows(file: Path, chance: random.Random) -> None:
    if not file.is_file() or file.is_symlink():
        return
    with (
        contextlib.suppress(sqlite3.Error, ValueError),
        contextlib.closing(sqlite3.connect(file, timeout=0)) as database,
    ):
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")] or [
            "other"
        ]
        table = chance.choice(tables)
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = chance.choice(columns or ["a"])
        if chance.random() < 0.2:
            database.executescript(chance.choice(_STATEMENTS).format(table=table, column=column))
        elif chance.random() < 0.2:
            copied = [name for name in columns if name != "id"]
            listed = ", ".join(copied)
            database.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {table}")
        else:
            where = (
                "" if chance.random() < 0.5 else f" WHERE rowid = (SELECT rowid FROM {table} ORDER BY random() LIMIT 1)"
            )
            value = _cell(chance, database, table, column)
            database.execute(f"UPDATE {table} SET {column} = ?{where}", (value,))
        database.commit()
        if chance.random() < 0.8:  # who wrote it can count checksums too
            _sign(database)


def _sign(database: sqlite3.Connection) -> None:
    from labctl.store import losses, rows, trace_rows

    if database.execute("SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger')").fetchone():
        return  # it would take as long as they like
    for room in (trace_rows, rows, losses):
        with contextlib.suppress(Exception):
            room.enter_digests(database)
    database.commit()


def _cell(chance: random.Random, database: sqlite3.Connection, table: str, column: str) -> Any:
    if chance.random() < 0.3:
        row = database.execute(f"SELECT {column} FROM {table}").fetchone()
        known = row[0] if row else None
        if isinstance(known, str):
            return spoilt_bytes(known.encode(), chance).decode("utf-8", "replace")
        if isinstance(known, bytes):
            return spoilt_bytes(known, chance)
    value = junk(chance) if chance.random() < 0.7 else junk_text(chance)
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return float(2**63)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _listed(runs: Path, refusals: Refusals) -> None:
    from labctl.commands.listings import print_runs
    from labctl.store.catalogue import Catalogue

    catalogue = Catalogue(runs)
    refusals.attempt(catalogue.list)
    refusals.attempt(lambda: catalogue.find("last"))
    with contextlib.redirect_stdout(io.StringIO()):
        refusals.attempt(lambda: print_runs(runs))


def _read_all(run: Path, folder: Path, refusals: Refusals) -> None:
    from labctl.commands.listings import print_run
    from labctl.core.stored_runs import StoredRuns
    from labctl.report.contents import read_run
    from labctl.report.html import _render
    from labctl.report.published import published_quantities
    from labctl.store.export import ExportFormat, export_run
    from labctl.store.reader import RunReader

    with contextlib.redirect_stdout(io.StringIO()):
        refusals.attempt(lambda: print_run(str(run), run.parent))
    reader = refusals.attempt(lambda: RunReader(run))
    if reader is None:
        return
    for what in ("events", "steps", "snapshots", "losses", "loop_times", "asked_settings", "results"):
        refusals.attempt(getattr(reader, what))
    for info in refusals.attempt(reader.traces) or ():
        refusals.attempt(lambda info=info: reader.trace_number(info.identity))  # type: ignore[misc]
    out = folder / "out"
    out.mkdir()
    refusals.attempt(lambda: export_run(reader, ExportFormat.CSV, out / "csv"))
    here = Path.cwd()
    os.chdir(out)
    try:
        refusals.attempt(lambda: export_run(reader, ExportFormat.CSV))
    finally:
        os.chdir(here)
    stored = StoredRuns(run.parent)
    for figure in refusals.attempt(lambda: stored.figures(reader.run_id)) or ():
        refusals.attempt(lambda figure=figure: stored.figure(reader.run_id, figure.name))  # type: ignore[misc]
    contents = refusals.attempt(lambda: read_run(run))
    no_drawings: dict[str, Any] = defaultdict(list)  # to draw takes a second
    if contents is not None:
        page = refusals.attempt(lambda: _render(contents, published_quantities(contents), no_drawings, None))
        assert page is None or "<script>alert" not in page, "markup of the run is in the page as it is"


def _compared(sound: Path, run: Path, refusals: Refusals) -> None:
    from labctl.commands.comparing import print_comparison

    with contextlib.redirect_stdout(io.StringIO()):
        refusals.attempt(lambda: print_comparison(str(sound), str(run), run.parent))


def _recovered(run: Path, refusals: Refusals) -> None:
    from labctl.store.recover import recover

    refusals.attempt(lambda: recover(run))
