"""`labctl lock`, `unlock` and `locks`: on a table of this process, and on one that outlives a killed program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from in_process import run_labctl

from labctl.commands.lock_session import LockSession
from labctl.commands.sent_commands import Sent, folded
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.locks.states import LockState
from labctl.station.bring_up import ask_instruments, link_to
from labctl.station.opening import require_all
from labctl.station.traffic import logged_traffic

TESTS = Path(__file__).parents[1]
SIX = ["opa_length", "pump_phase", "lo1", "lo2", "lo3", "lo4"]
PATIENCE_S = 60.0
OPENS_OR_MOVES = re.compile(r'> SNDT \d,"[^"?]*(AMAN 0|(MOUT|SETP|GAIN|INTG|LLIM|ULIM) )|> [xyz]voltage=')


def looked_at(*arguments: object) -> dict[str, dict[str, Any]]:
    """Return the rows of `labctl locks --json` by loop."""
    done = run_labctl("locks", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return {row["loop"]: row for row in json.loads(done.stdout)["loops"]}


# ---- a table of this process ----------------------------------------------------------------------------------------


def test_a_fresh_table_has_every_loop_off() -> None:
    rows = looked_at()
    assert [name for name in rows if name in SIX] == SIX
    for row in rows.values():
        assert (row["state"], row["locked"], row["residual"], row["relocks_left"]) == ("off", False, None, 10)
        assert row["why"]


def test_the_table_for_people_has_a_line_a_loop() -> None:
    done = run_labctl("locks")
    assert done.returncode == 0
    for word in ("loop", "residual", "dB lost", "to rail", "rail in", "relocks left", "why", *SIX):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lock",), "Which loops? Name some of opa_length"),
        (("lock", "lo1", "--all"), "Loops are named, and --all is given too."),
        (("lock", "lo9"), "This station has no loop lo9. It has opa_length"),
        (("unlock", "lo9"), "This station has no loop lo9."),
        (("locks", "no-such-station.toml"), "no-such-station.toml"),
        (("lock", "lo9", "--dry-run"), "This station has no loop lo9."),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    done = run_labctl(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_loop_that_gives_up_is_one_sentence_and_the_others_stay() -> None:
    """The oven is cold, so nothing amplifies the seed."""
    done = run_labctl("lock", "pump_phase", "--as-it-is")
    assert done.returncode == 1
    assert "opa_length: Locked." in done.stdout
    (sentence,) = done.stderr.splitlines()
    assert "pump_phase: " in sentence and "A person must look." in sentence
    assert "Locked and left so: opa_length; not locked: pump_phase." in sentence


def test_a_station_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    done = run_labctl("locks", station_with_a_fault(tmp_path))
    assert done.returncode == 1
    assert "servos" in done.stderr and done.stdout == ""


def station_with_a_fault(folder: Path) -> Path:
    path = folder / "station.toml"
    path.write_text(
        f'extends = "{template_directory() / "simulated.toml"}"\n[backend]\n'
        'faults = [{ instrument = "servos", kind = "missing" }]\n'
    )
    return path


def test_a_stop_opens_what_is_on_its_way_and_leaves_what_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    states: dict[str, Any] = {}
    check_stop = LockSession.check_stop

    def stop_in_the_scan(session: LockSession) -> None:
        machines = session.bench.supervisor.machines
        if machines["pump_phase"].state is LockState.SCAN and not session.stop.asked():
            signal.raise_signal(signal.SIGINT)
            modules = session.bench.station.driver("servos").modules  # type: ignore[attr-defined]
            states["closed"] = lambda: [modules[slot].closed for slot in (1, 2)]
        check_stop(session)

    close = LockSession.look

    def look(session: LockSession) -> Any:
        if "closed" in states:
            states["after"] = states["closed"]()
        return close(session)

    monkeypatch.setattr(LockSession, "check_stop", stop_in_the_scan)
    monkeypatch.setattr(LockSession, "look", look)
    done = run_labctl("lock", "pump_phase", "--as-it-is")
    assert done.returncode == 130, done.stderr
    assert "pump_phase: opened, for it was not locked yet." in done.stdout
    assert states["after"] == [True, False]


def test_unlock_asks_before_it_opens_more_than_was_named() -> None:
    """The modules of a table that was just switched on are closed."""
    refused = run_labctl("unlock", "pump_phase")
    assert refused.returncode == 1
    assert "lo1 need it and would be opened too; nothing was opened. Add --yes." in refused.stderr
    assert "opened," not in refused.stdout
    agreed = run_labctl("unlock", "pump_phase", "--yes")
    assert agreed.returncode == 0
    opened = re.findall(r"(\w+): opened, its output at 0 V", agreed.stdout)
    assert opened[-1] == "pump_phase" and set(opened) == set(SIX) - {"opa_length"}
    alone = run_labctl("unlock", "lo2")
    assert re.findall(r"(\w+): opened, its output at 0 V", alone.stdout) == ["lo2"]


def test_a_dry_run_lists_what_would_be_sent_in_order() -> None:
    done = run_labctl("lock", "opa_length", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "A rehearsal on the simulated table: nothing was sent to the instruments." in done.stdout
    order = ["opa_length piezo: voltage", "pump shutter: level 1", "opa_length servo: lower limit -4.5", "AMAN 1"]
    places = [done.stdout.index(words) for words in order]
    assert places == sorted(places)
    assert re.search(r"opa_length servo: manual output -3\.6 to 3\.6 .*MOUT", done.stdout)
    assert "rounds of these" in done.stdout
    assert "pump_phase" not in done.stdout and "?" not in done.stdout.replace("Which", "")
    assert len(done.stdout.splitlines()) < 80


# ---- the list of a dry run ------------------------------------------------------------------------------------------


def test_commands_of_a_kind_and_rounds_of_them_are_folded() -> None:
    ramp = [
        Sent(0.1 * i, "servos", f'SNDT 1,"MOUT {v:+.3f}"', f"lo1 servo: manual output {v:g}")
        for i, v in enumerate((0, 2, -1))
    ]
    scan = [Sent(1.0, "scan", "ACQ:START", "begin a record"), Sent(1.1, "scan", "OUTPUT1:STATE ON", "scan: on yes")]
    later = [Sent(2.0, "servos", 'SNDT 1,"MOUT +3.000"', "lo1 servo: manual output 3"), *scan]
    other = Sent(3.0, "servos", 'SNDT 2,"MOUT +3.000"', "lo2 servo: manual output 3")
    first, last = folded([*ramp, *scan, *later, other])
    assert (first.times, len(first.commands)) == (2, 3)
    assert first.commands[0].count == 3
    assert first.commands[0].on_the_wire == 'SNDT 1,"MOUT +0.000" ... SNDT 1,"MOUT -1.000"'
    assert first.commands[0].meaning == "lo1 servo: manual output -1 to 3"
    assert last.commands == (other,)
    assert folded([]) == []


# ---- a table that outlives the program ------------------------------------------------------------------------------


@dataclass
class HeldTable:
    """A served table whose servos hold, its station file, and the folder of its runs."""

    station: Path
    runs: Path

    @contextmanager
    def module(self, slot: int) -> Iterator[Any]:
        """Talk to one servo as another program would."""
        file = load_station(self.station)
        alone = file.model_copy(update={"instruments": {"servos": file.instruments["servos"]}})
        driver = require_all(ask_instruments(alone, link_to(alone)))["servos"]
        try:
            yield driver.modules[slot]  # type: ignore[attr-defined]
        finally:
            driver.close()

    def locks(self) -> dict[str, dict[str, Any]]:
        return looked_at(self.station, "--runs", self.runs)


@contextmanager
def program(*arguments: object, until: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program until it has printed a line with `until`; kill it at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS / "simulation"), str(TESTS.parent)])}
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        said = ""
        for line in process.stdout:
            said += line
            if until in line:
                break
        else:
            raise AssertionError(said + process.communicate()[1])
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldTable]:
    folder = tmp_path_factory.mktemp("held")
    table = HeldTable(folder / "served.toml", folder / "runs")
    with program(TESTS / "commands" / "held_table.py", table.station, table.runs, 10, 7, until="serving"):
        yield table


@pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")
def test_a_program_that_is_killed_leaves_the_table_locked_and_the_next_takes_it_over(held: HeldTable) -> None:
    arguments = ("-m", "labctl", "lock", "pump_phase", "--station", held.station, "--runs", held.runs, "--watch")
    with program(*arguments, until="kept locked until Ctrl-C") as killed:
        killed.kill()
        assert killed.wait(PATIENCE_S) == -signal.SIGKILL
    with logged_traffic(["servos", "piezo_a", "piezo_b"]) as logs:
        rows = held.locks()
        sent = [line for log in logs.values() for line in log._held]
    assert len(sent) > 100
    assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
    for name in SIX:
        row = rows[name]
        assert row["locked"] and row["state"] == "locked", row["why"]
        assert abs(row["output_v"]) < 4.5 and 5.0 < row["rail_distance_percent"] <= 100.0
        assert 0.0 < row["calibration_age_s"] < 3600.0 and not row["stale"]
    for name in SIX[2:]:
        assert 0.0 < rows[name]["residual"] < 0.1 and rows[name]["unit"] == "rad"
        assert 0.0 < rows[name]["lost_db"] < 1.0
    assert not rows["cavity1"]["locked"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")
def test_a_knob_that_was_turned_meanwhile_is_told_and_the_loop_is_left_alone(held: HeldTable) -> None:
    with held.module(6) as lo4:
        lo4.integral_gain = 0.1 * lo4.integral_gain
    with held.module(5) as lo3:
        lo3.closed = False
    with logged_traffic(["servos"]) as logs:
        rows = held.locks()
        sent = list(logs["servos"]._held)
    assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
    assert (rows["lo3"]["locked"], rows["lo3"]["why"]) == (False, "It is open.")
    assert not rows["lo4"]["locked"]
    assert re.fullmatch(r"Its gain is 0\.\d+ times what its calibration says\.", rows["lo4"]["why"])
    assert rows["lo1"]["locked"] and rows["lo2"]["locked"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")
def test_what_a_killed_program_had_acquired_itself_is_taken_over(tmp_path: Path) -> None:
    table = HeldTable(tmp_path / "served.toml", tmp_path / "runs")
    with program(TESTS / "commands" / "held_table.py", table.station, table.runs, 5, 7, "open", until="serving"):
        assert not any(row["locked"] for row in table.locks().values())
        arguments = ("-m", "labctl", "lock", "pump_phase", "--station", table.station, "--runs", table.runs, "--watch")
        with program(*arguments, until="kept locked until Ctrl-C") as killed:
            killed.kill()
        with logged_traffic(["servos", "piezo_a"]) as logs:
            rows = table.locks()
            sent = [line for log in logs.values() for line in log._held]
        assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
        assert [name for name, row in rows.items() if row["locked"]] == ["opa_length", "pump_phase"], rows
        rehearsed = run_labctl("lock", "pump_phase", "--dry-run", "--station", table.station, "--runs", table.runs)
        assert rehearsed.returncode == 0, rehearsed.stderr
        assert "Locked and left as they are: opa_length, pump_phase." in rehearsed.stdout
        assert "There is nothing to send." in rehearsed.stdout
