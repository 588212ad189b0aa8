"""What clients get that know nothing of labctl: units, limits, alarms and stamps by the normative types of EPICS, and a
stop by a plain call."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from bus_faults_table import Started, core, environment
from told_table import night

from labctl.bus.commands import Stop
from labctl.bus.messages import Severity
from labctl.bus.replies import Reply
from labctl.bus.server import BusServer
from labctl.configuration.bus import Bus
from labctl.core.board import Board
from labctl.core.scalars import Scalars
from labctl.station.clock import WallClock

# A client that has p4p and nothing else: it gets channels, waits for the change of one, and stops the table.
PLAIN = """
import json, queue, sys
from p4p.client.thread import Context
from p4p.nt import NTURI

port, names = sys.argv[1], sys.argv[2:]
conf = {"EPICS_PVA_NAME_SERVERS": "127.0.0.1:" + port, "EPICS_PVA_ADDR_LIST": "", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
context = Context("pva", conf=conf, useenv=False, nt=False)

def told(value):
    found = value.todict()
    found["id"] = value.getID()
    return found

seen = {name: told(context.get("labctl:" + name, timeout=10)) for name in names}
changes = queue.Queue()
context.monitor("labctl:core:stop", lambda value: changes.put(told(value)))
seen["before"] = changes.get(timeout=5)
call = NTURI([("client", "s"), ("reason", "s")])
name = "labctl:command:stop"
answer = context.rpc(name, call.wrap(name, kws={"client": "plain", "reason": "a plain call"}), timeout=5)
seen["answer"] = answer["value"]
seen["after"] = changes.get(timeout=5)
try:
    context.rpc("labctl:command:lock_loop", NTURI([("loop", "s")]).wrap("x", kws={"loop": "lo1"}), timeout=5)
except Exception as refusal:
    seen["refusal"] = str(refusal)
try:
    context.put("labctl:core:stop", 0, timeout=5)
except Exception as refusal:
    seen["written"] = type(refusal).__name__
assert not any(module.split(".")[0] == "labctl" for module in sys.modules)
print(json.dumps(seen))
"""


def plainly(port: int, folder: Path, *names: str) -> dict[str, Any]:
    """Return what the plain client saw."""
    command = [sys.executable, "-c", PLAIN, str(port), *names]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment(folder), cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return cast(dict[str, Any], json.loads(done.stdout))


def stamp(value: dict[str, Any]) -> float:
    return float(value["timeStamp"]["secondsPastEpoch"] + 1e-9 * value["timeStamp"]["nanoseconds"])


# ---- plain clients --------------------------------------------------------------------------------------------------


@pytest.fixture
def real_core(tmp_path: Path) -> Iterator[Started]:
    with core(tmp_path) as one:
        yield one


def test_plain_client_reads_a_real_core_and_stops_it(real_core: Started, tmp_path: Path) -> None:
    seen = plainly(real_core.port, tmp_path, "lo1:error", "lo1:state", "oven:value", "core:heartbeat")
    error = seen["lo1:error"]
    assert error["id"].startswith("epics:nt/NTScalar:1")
    assert error["display"]["units"] == "rad"
    assert error["valueAlarm"]["active"]
    assert error["valueAlarm"]["highAlarmLimit"] == -error["valueAlarm"]["lowAlarmLimit"] > 0
    assert math.isnan(error["value"]) and error["alarm"]["severity"] == Severity.INVALID  # nobody looked at it yet
    assert stamp(error) == 0.0
    assert seen["lo1:state"]["id"].startswith("epics:nt/NTEnum:1")
    state = seen["lo1:state"]["value"]
    assert state["choices"][state["index"]] == "off"
    oven = seen["oven:value"]
    assert oven["display"]["units"] == "degC" and 10.0 < oven["value"] < 60.0
    assert abs(stamp(oven) - time.time()) < 60.0
    assert abs(stamp(seen["core:heartbeat"]) - time.time()) < 60.0
    assert seen["before"]["value"]["index"] == 0 and seen["before"]["alarm"]["severity"] == Severity.NONE
    assert seen["answer"].startswith("Stopping")
    assert seen["after"]["value"]["index"] == 1 and seen["after"]["alarm"]["severity"] == Severity.MAJOR
    assert seen["after"]["alarm"]["message"] == "plain (127.0.0.1): a plain call"
    assert "lock_loop was refused: client: Field required" in seen["refusal"]
    assert "written" in seen


def test_plain_client_sees_limits_alarms_and_stamps_of_a_loop_that_is_looked_at(tmp_path: Path) -> None:
    board, stops = Board(WallClock()), []

    def execute(command: object, peer: str) -> Reply:
        assert isinstance(command, Stop)
        stops.append((command.client, peer))
        board.latch.stopped = True
        tell()
        return Reply("Stopping.")

    server = BusServer(Bus(port=0), cast(Any, execute))
    scalars, now = Scalars(server, cast(Any, SimpleNamespace(board=board))), time.time()
    rows = [
        night.loop_row("lo1", error=0.25, looked_at=now - 0.5),
        night.loop_row("lo2", state="stalled", why="no light", looked_at=now - 0.5),
    ]

    def tell() -> None:
        scalars.tell(rows, [replace(night.reading_rows()[0], read_at=now)], night.run_row(), time.time())

    tell()
    seen = plainly(server.port, tmp_path, "lo1:error", "lo1:output", "lo2:error", "lo2:state", "oven:value")
    error = seen["lo1:error"]
    assert error["value"] == 0.25 and abs(stamp(error) - (now - 0.5)) < 1e-6
    assert (error["valueAlarm"]["lowAlarmLimit"], error["valueAlarm"]["highAlarmLimit"]) == (-0.2, 0.2)
    assert error["alarm"]["severity"] == Severity.MINOR
    output = seen["lo1:output"]
    assert (output["display"]["units"], output["display"]["limitLow"], output["display"]["limitHigh"]) == ("V", -10, 10)
    assert seen["lo2:error"]["alarm"] == {"severity": Severity.MAJOR, "status": 0, "message": "no light"}
    state = seen["lo2:state"]["value"]
    assert state["choices"][state["index"]] == "stalled"
    assert seen["oven:value"]["valueAlarm"]["lowAlarmLimit"] == 34.99
    assert seen["oven:value"]["alarm"]["severity"] == Severity.NONE
    assert stops == [("plain", "127.0.0.1")]
    server.close()
