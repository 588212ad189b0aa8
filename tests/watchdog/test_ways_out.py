"""What real commands leave a served table in, when they are asked to end and when they are not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guarded_table import PATIENCE_S, TESTS, ServedTable, lives, served_table, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pseudo terminals and /proc"),
]

LABCTL = [sys.executable, "-m", "labctl"]
OPENED = re.compile(rb'SNDT (\d),"MOUT [-+.0-9]+;AMAN 0')
SHUTTERS = (b"DIO0_P", b"DIO1_P", b"DIO2_P")


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ServedTable]:
    with served_table(tmp_path) as one:
        yield one


@contextmanager
def labctl(table: ServedTable, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent), "LABCTL_WATCHDOG_GRACE_S": "0.5"}
    process = subprocess.Popen(
        [*LABCTL, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=table.station.parent,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def watchdog_of(process: subprocess.Popen[str]) -> int:
    """Return the number of its watchdog, once it has one."""
    found: list[int] = []

    def look() -> bool:
        assert process.poll() is None, process.communicate()[0]
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = " ".join(task.read_text() for task in tasks).split()
        found.extend(
            int(child) for child in children if b"labctl.watchdog" in Path(f"/proc/{child}/cmdline").read_bytes()
        )
        return bool(found)

    until(look, "a watchdog")
    return found[-1]


def is_safe(table: ServedTable) -> bool:
    """Return whether all servos were opened and all shutters closed by what was sent."""
    opened = set(OPENED.findall(table.sent_to("servos")))
    sent = table.sent_to("scan").upper()
    return len(opened) == 6 and all(b"DIG:PIN " + pin + b",0" in sent for pin in SHUTTERS)


def test_sigterm_of_a_night_leaves_the_table_safe(table: ServedTable, tmp_path: Path) -> None:
    with labctl(table, "overnight", table.station, "--runs", tmp_path / "runs", "--no-report") as night:
        watchdog = watchdog_of(night)
        until(lambda: list((tmp_path / "runs").glob("*/run.db")), "a run")
        table.sent.clear()
        night.send_signal(signal.SIGTERM)
        said = night.communicate(timeout=PATIENCE_S)[0]
        assert night.returncode == 130, said
        assert "The table was left safe" in said
        assert not lives(watchdog)
    assert is_safe(table)


def test_sigterm_of_a_core_leaves_the_table_as_it_is_and_a_kill_parks_it(table: ServedTable, tmp_path: Path) -> None:
    arguments = ("serve", table.station, "--port", "0", "--runs", tmp_path / "runs")
    with labctl(table, *arguments) as core:
        watchdog = watchdog_of(core)
        talk = subprocess.run(
            [*LABCTL, "talk", "tone", "*IDN?", "--station", str(table.station)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert talk.returncode == 1
        assert f"is in use by process {core.pid} on " in talk.stderr and "labctl serve " in talk.stderr
        table.sent.clear()
        assert core.stdout is not None
        until(lambda: "Serving" in core.stdout.readline(), "a core that serves")  # type: ignore[union-attr]
        core.send_signal(signal.SIGTERM)
        core.communicate(timeout=PATIENCE_S)
        assert core.returncode == 0
        assert not lives(watchdog)
    assert not OPENED.search(table.sent_to("servos")) and not is_safe(table)
    with labctl(table, *arguments) as core:
        watchdog = watchdog_of(core)
        table.sent.clear()
        core.kill()
        core.wait()
        log = tmp_path / "runs" / "watchdog.log"
        until(lambda: log.exists() and "Parked in" in log.read_text(), "a table that is parked")
        os.kill(watchdog, signal.SIGKILL)
    assert "but for" not in log.read_text()
    assert b"OUTP1 0" in table.sent_to("tone").upper() or b"OUTP1 OFF" in table.sent_to("tone").upper()
    assert not re.search(rb"AMAN|MOUT|DIG:PIN ", table.sent_to("servos") + table.sent_to("scan"))
