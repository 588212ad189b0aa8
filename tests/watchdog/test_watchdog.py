"""A core that dies, in whatever way, leaves a table that its watchdog parks; and a watchdog that dies is missed."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guarded_table import ServedTable, SmallCore, lives, served_table, small_core, until

from labctl.configuration.toml_reading import load_station
from labctl.station.table_hold import Intent, table_held

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pseudo terminals and /proc")

LETS_GO = re.compile(rb"AMAN|MOUT|SETP|GAIN|LLIM|ULIM|voltage=", re.IGNORECASE)
FAR_STEPS = b"1>1PR100000\r"
DEAD_LASER = '[backend]\nfaults = [{ instrument = "laser", kind = "missing" }]\n'


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTable]:
    """A table without its tunable laser, so that somebody is missing when it is parked."""
    with served_table(tmp_path_factory.mktemp("served"), DEAD_LASER) as one:
        yield one


def is_moving(table: ServedTable) -> bool:
    return table.ask("picomotors", b"1>1MD?\r").strip()[-1:] == b"0"


def set_going(table: ServedTable) -> None:
    def is_going() -> bool:
        """Say it again where it was lost: who hangs up with a greeting unread takes back what it sent."""
        if table.ask("tone", b"OUTP1?\n").strip() != b"1":
            table.ask("tone", b"OUTP1 ON\n")
            return False
        if not is_moving(table):
            table.ask("picomotors", FAR_STEPS)
            return False
        return True

    until(is_going, "a tone and a motor")
    table.sent.clear()


def ignores(pid: int, number: signal.Signals) -> bool:
    mask = re.search(r"SigIgn:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


def log_of(runs: Path) -> str:
    path = runs / "watchdog.log"
    return path.read_text() if path.exists() else ""


def test_core_that_is_killed_is_succeeded_or_parked(table: ServedTable, tmp_path: Path) -> None:
    """The first core is killed and succeeded by the second, which is killed for good."""
    set_going(table)
    with small_core(table.station, tmp_path / "one", grace_s=30.0) as first:
        kill(first)
    with small_core(table.station, tmp_path / "two") as second:
        until(lambda: not lives(first.watchdog), "the end of the first watchdog")
        assert f"process {second.process.pid} on " in log_of(tmp_path / "one")
        assert "nothing is left to do" in log_of(tmp_path / "one")
        assert table.sent == []
        kill(second)
    until(lambda: "Parked in" in log_of(tmp_path / "two"), "a table that is parked")
    os.kill(second.watchdog, signal.SIGKILL)
    told = log_of(tmp_path / "two")
    assert "died without a farewell" in told
    assert "laser could not be parked: laser: the link broke" in told
    assert table.ask("tone", b"OUTP1?\n").strip() == b"0"
    until(lambda: not is_moving(table), "a motor that has come to a stop")
    assert not any(LETS_GO.search(data) for _, data in table.sent)
    assert not any(b"DIG:PIN" in data.upper() for _, data in table.sent)


def kill(core: SmallCore) -> None:
    core.process.kill()
    core.process.wait()


def test_watchdog_that_is_killed_is_replaced_and_told(table: ServedTable, tmp_path: Path) -> None:
    with small_core(table.station, tmp_path, grace_s=30.0) as core:
        until(lambda: ignores(core.watchdog, signal.SIGTERM), "a watchdog that heeds no SIGTERM while its core lives")
        os.kill(core.watchdog, signal.SIGTERM)
        os.kill(core.watchdog, signal.SIGKILL)
        told = re.fullmatch(
            r"The watchdog, process (\d+), ended \(signal 9\); process (\d+) is its successor\.", core.said()
        )
        assert told is not None
        assert int(told[1]) == core.watchdog
        successor = int(told[2])
        assert lives(successor) and not lives(core.watchdog)
        assert os.getsid(successor) == successor, "a terminal that closes would end it"
        assert core.end() == 0
        assert not lives(successor)


def test_core_that_a_defect_ends_says_no_farewell(table: ServedTable, tmp_path: Path) -> None:
    with small_core(table.station, tmp_path, grace_s=30.0) as core:
        assert core.end("defect") == 1
        until(lambda: "died without a farewell" in log_of(tmp_path), "what the watchdog says")
        os.kill(core.watchdog, signal.SIGKILL)


# ---- interlocks of a table whose core is dead -----------------------------------------------------------------------

TRIPS = """
[interlocks.vacuum]
kind = "vacuum"
gauge = "chamber"
above = "1e-12 Pa"
grace = "{grace}"
action = "safe"
"""


@pytest.mark.slow
def test_interlocks_are_watched_until_somebody_moves_the_table(table: ServedTable, tmp_path: Path) -> None:
    with small_core(table.station, tmp_path) as core:
        kill(core)
    until(lambda: log_of(tmp_path).count("Nobody has come") == 1, "that the interlocks are watched")
    with table_held(load_station(table.station), Intent.LOOK):
        until(lambda: "Somebody asks for the table." in log_of(tmp_path), "that it lets go")
        assert lives(core.watchdog)
    until(lambda: log_of(tmp_path).count("Nobody has come") == 2, "that the interlocks are watched again")
    assert log_of(tmp_path).count("Parked in") == 1
    with table_held(load_station(table.station), Intent.MOVE):
        until(lambda: not lives(core.watchdog), "the end of the watchdog")
    assert not any(LETS_GO.search(data) for _, data in table.sent)


@pytest.mark.slow
def test_an_interlock_that_trips_makes_the_table_wholly_safe(tmp_path: Path) -> None:
    with served_table(tmp_path, TRIPS.format(grace="1 s")) as table:
        with small_core(table.station, tmp_path) as core:
            table.sent.clear()
            kill(core)
        until(lambda: not lives(core.watchdog), "the end of the watchdog")
        told = log_of(tmp_path)
        assert "An interlock has tripped:" in told and "The table is safe." in told
        for slot in range(1, 7):
            assert re.search(rb'SNDT %d,"MOUT [-+.0-9]+;AMAN 0' % slot, table.sent_to("servos"))
