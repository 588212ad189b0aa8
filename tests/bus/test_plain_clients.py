"""What clients get that know nothing of labctl: units, limits, alarms and stamps by the normative types of EPICS, and a
stop by a plain call. And the messages of labctl itself, there and back; what is none of them is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from bus_faults_table import Started, core, environment, night
from hypothesis import given, settings
from hypothesis import strategies as st
from p4p import Type, Value
from p4p.nt import NTScalar, NTTable

from labctl.bus import wire
from labctl.bus.commands import Stop
from labctl.bus.messages import ChannelRow, FigureRow, Row, RunSummaryRow, Severity
from labctl.bus.names import TABLES
from labctl.bus.replies import Reply
from labctl.bus.server import BusServer
from labctl.bus.spectra import Curve, LiveSpectrum
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


# ---- there and back -------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
CELLS: dict[type, st.SearchStrategy[Any]] = {
    float: st.floats(width=64),
    int: st.integers(-(2**63), 2**63 - 1),
    str: TEXTS,
    bool: st.booleans(),
}
KINDS: list[type[Row]] = [*TABLES, RunSummaryRow, FigureRow]
ARRAYS = st.integers(0, 30).flatmap(lambda n: st.lists(st.floats(width=64), min_size=n, max_size=n)).map(np.array)
STAMPS = st.one_of(st.just(math.nan), st.floats(1e-3, 4e9))


def rows_of(kind: type[Row]) -> st.SearchStrategy[list[Row]]:
    hints = wire.column_types(kind)
    return st.lists(st.builds(kind, **{one.name: CELLS[hints[one.name]] for one in fields(kind)}), max_size=4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_there_and_back(kind: type[Row], data: st.DataObject) -> None:
    rows = data.draw(rows_of(kind))
    back = wire.decode_rows(kind, wire.encode_rows(kind, rows, 1.0))
    assert repr(back) == repr(tuple(rows))  # types and nan too


def same_but_for_nanoseconds(one: object, other: object) -> None:
    assert type(one) is type(other)
    for name in (each.name for each in fields(cast(Any, one))):
        first, second = getattr(one, name), getattr(other, name)
        if name == "taken_at":
            assert second == pytest.approx(first, abs=1e-6, nan_ok=True)
        elif isinstance(first, dict):
            assert list(first) == list(second)
            for key in first:
                np.testing.assert_array_equal(first[key], second[key])
        elif isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second)
        else:
            assert repr(first) == repr(second)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_spectrum_there_and_back(data: st.DataObject) -> None:
    hints = {name: CELLS[hint] for name, hint in {"rbw_hz": float, "vbw_hz": float, "averages": int}.items()}
    texts = dict.fromkeys(("channel", "averaging", "source", "step", "reason"), TEXTS)
    axis = data.draw(ARRAYS)
    spectrum = data.draw(
        st.builds(
            LiveSpectrum,
            kind=st.sampled_from(["psd", "shot", "dark"]),
            frequency_hz=st.just(axis),
            psd_v2_per_hz=st.just(axis[::-1].copy()),
            averages_asked=CELLS[int],
            valid=st.booleans(),
            taken_at=STAMPS,
            **hints,
            **texts,
        )
    )
    same_but_for_nanoseconds(spectrum, wire.decode_spectrum(wire.encode_spectrum(spectrum)))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_curve_there_and_back(data: st.DataObject) -> None:
    x = data.draw(ARRAYS)
    names = data.draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), max_size=3, unique=True))
    columns = {name: x + place for place, name in enumerate(names) if name != "x"}
    words = ("system", "name", "title", "x_label", "x_unit", "y_label", "y_unit", "text", "reason")
    texts = dict.fromkeys(words, TEXTS)
    curve = data.draw(
        st.builds(Curve, x=st.just(x), columns=st.just(columns), valid=st.booleans(), taken_at=STAMPS, **texts)
    )
    same_but_for_nanoseconds(curve, wire.decode_curve(wire.encode_curve(curve)))


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, data=st.binary(max_size=50), draw=st.data())
def test_reply_there_and_back(text: str, data: bytes, draw: st.DataObject) -> None:
    rows = draw.draw(st.sampled_from(KINDS).flatmap(rows_of))
    back = wire.decode_reply(wire.encode_reply(Reply(text, tuple(rows), data), 1.0))
    assert repr(back) == repr(Reply(text, tuple(rows), data))


# ---- what is no message ---------------------------------------------------------------------------------------------

SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "d": st.floats(),
    "l": st.integers(-(2**63), 2**63 - 1),
    "s": TEXTS,
    "?": st.booleans(),
    "ad": st.lists(st.floats(), max_size=3),
    "as": st.lists(TEXTS, max_size=3),
    "v": st.none(),
}
EXPECTED_NAMES = (
    "value", "acquisition", "legend", "timeStamp", "labels", "descriptor", "rows", "data", "alarm", "frequency", "psd",
    "x", "channel", "kind", "system", "name", "at", "text", "secondsPastEpoch",
)  # fmt: skip


@st.composite
def garbage(draw: st.DrawFn, depth: int = 1) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """Draw the fields of a structure, with the names that messages have, and their values."""
    spec, content = [], {}
    for name in draw(st.lists(st.sampled_from(EXPECTED_NAMES), max_size=6, unique=True)):
        if depth and draw(st.booleans()):
            inner, values = draw(garbage(depth - 1))
            spec.append((name, ("S", "some", inner)))
            content[name] = values
        else:
            code = draw(st.sampled_from(list(SIMPLE)))
            spec.append((name, code))
            content[name] = draw(SIMPLE[code])
    return spec, content


DECODERS: list[Callable[[Value], object]] = [
    *(lambda value, kind=kind: wire.decode_rows(kind, value) for kind in KINDS),
    wire.decode_spectrum,
    wire.decode_curve,
    wire.decode_reply,
    wire.stamped_at,
]


@settings(max_examples=100, deadline=None)
@given(drawn=garbage())
def test_garbage_is_refused(drawn: tuple[list[tuple[str, Any]], dict[str, Any]]) -> None:
    value = Value(Type(drawn[0]), drawn[1])
    for decode in DECODERS[:-2]:
        with pytest.raises(wire.BadMessage):
            decode(value)
    for decode in DECODERS[-2:]:
        with suppress(wire.BadMessage):  # little is asked of these: some of it passes by chance
            decode(value)


def broken_tables() -> Iterator[tuple[str, Value]]:
    """Yield tables of channels with one thing wrong."""
    good = [("name", "as"), ("form", "as"), ("unit", "as"), ("description", "as")]
    cells = {name: ["a", "b"] for name, _ in good}
    yield "a column is missing", Value(NTTable.buildType(good[:-1]), {"value": {n: cells[n] for n, _ in good[:-1]}})
    yield "a column is short", Value(NTTable.buildType(good), {"value": {**cells, "unit": ["a"]}})
    yield "a column is one text", Value(NTTable.buildType([*good[:-1], ("description", "s")]), {"value": {}})
    yield "it is a number", Value(NTScalar.buildType("d"), {"value": 3.0})


@pytest.mark.parametrize(("fault", "value"), list(broken_tables()), ids=[fault for fault, _ in broken_tables()])
def test_broken_table_is_refused(fault: str, value: Value) -> None:
    with pytest.raises(wire.BadMessage):
        wire.decode_rows(ChannelRow, value)


def test_spectrum_whose_axis_does_not_fit_is_refused() -> None:
    spectrum = LiveSpectrum(
        "bhd1", "psd", np.arange(3.0), np.arange(3.0), 1.0, 1.0, 1, 1, "power", "digitizer", "s", True, "", 1.0
    )
    for wrong in ({"psd_v2_per_hz": np.arange(2.0)}, {"kind": "pds"}):
        with pytest.raises(wire.BadMessage):
            wire.decode_spectrum(wire.encode_spectrum(replace(spectrum, **cast(Any, wrong))))
