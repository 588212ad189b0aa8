"""Nobody else is listened to: whatever opens ports does so on this machine alone, as the kernel tells."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labctl.configuration.templates import template_directory
from labctl.host.listeners import Listener, listeners
from labctl.station.clock import WallClock

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell who listens")

STATION = template_directory() / "simulated.toml"
SHORT_RECIPE = Path(__file__).parent / "commands" / "short_recipe.toml"
PATIENCE_S = 60.0
LOOK_S = 0.05


@contextmanager
def started(tmp_path: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a command for the block; it is ended however the block ends."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "labctl", *map(str, arguments)],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    impatient = threading.Timer(PATIENCE_S, process.kill)
    impatient.start()
    try:
        yield process
    finally:
        impatient.cancel()
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError("".join(said))


def heard_by(process: subprocess.Popen[str]) -> list[Listener]:
    found = listeners(process.pid)
    assert found is not None
    return found


def require_loopback(found: list[Listener]) -> None:
    assert [one for one in found if not one.on_loopback] == []


def test_a_served_table_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with started(tmp_path, "serve", STATION, "--port", "0", "--runs", tmp_path / "runs") as process:
        wait_for_line(process, "Serving ")
        found = heard_by(process)
    assert {one.protocol for one in found} == {"tcp", "udp"}
    assert any(one.protocol == "udp" and one.port == 5076 for one in found)
    require_loopback(found)


def test_simulated_instruments_listen_on_this_machine_alone(tmp_path: Path) -> None:
    with started(tmp_path, "simulate", STATION, "--json") as process:
        wait_for_line(process, "{")
        found = heard_by(process)
    assert len([one for one in found if one.protocol == "tcp"]) >= 5
    require_loopback(found)


@pytest.mark.slow  # the bus of a night is that of a served table
def test_a_night_with_a_bus_listens_on_this_machine_alone(tmp_path: Path) -> None:
    night = ("overnight", "--recipe", SHORT_RECIPE, "--runs", tmp_path / "runs", "--no-report")
    clock = WallClock()
    seen: set[Listener] = set()
    with started(tmp_path, *night) as process:
        while not any(one.protocol == "udp" for one in seen):  # looked at while it begins, too
            assert process.poll() is None, process.communicate()[0]
            seen |= set(listeners(process.pid) or [])
            clock.sleep(LOOK_S)
        wait_for_line(process, "18 instruments answered")
        found = heard_by(process)
    assert {one.protocol for one in found} == {"tcp", "udp"}
    require_loopback(found)
