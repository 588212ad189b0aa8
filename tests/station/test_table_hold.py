"""Two processes on one table are kept apart, by what they share, for as long as they live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from labctl.errors import LabError, LeaseError
from labctl.station import table_hold
from labctl.station.oslock import LockAnswer
from labctl.station.table_hold import Holder, Intent, TableHold, holders_of

PICOMOTORS = "TCPIP::192.168.10.12::23::SOCKET"
SERVOS = "ASRL/dev/ttyUSB0::INSTR"
OURS = {"picomotors": PICOMOTORS, "servos": SERVOS}

TAKE = """
import signal, sys
from labctl.station.table_hold import Intent, TableHold
held = TableHold.take({"shared": sys.argv[1]}, Intent(sys.argv[2]), "labctl overnight")
if sys.argv[2] == "watch":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(held.release()))
sys.stdout.write("taken\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the locks; nobody is waited for."""
    monkeypatch.setenv(table_hold.FOLDER_VARIABLE, str(tmp_path / "holds"))
    impatient(monkeypatch, 0.0)
    return tmp_path / "holds"


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(table_hold, "PATIENCE_S", dict.fromkeys(Intent, seconds))


@contextmanager
def other(address: str, intent: Intent = Intent.MOVE) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold an address for the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, address, str(intent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def taken(instruments: Mapping[str, str]) -> bool:
    """Return whether somebody can take these now; they are let go at once."""
    try:
        TableHold.take(instruments, Intent.LOOK).release()
    except LeaseError:
        return False
    return True


def test_who_shares_one_instrument_is_refused_by_name_until_the_first_is_killed(folder: Path) -> None:
    with other(SERVOS) as first:
        with pytest.raises(LeaseError) as refusal:
            TableHold.take(OURS, Intent.MOVE)
        said = str(refusal.value)
        assert said.startswith(f"servos at {SERVOS} is in use by process {first.pid} on ")
        assert "(labctl overnight, since 20" in said and "nothing was opened. Let it end or stop it first." in said
        assert [(name, one.pid, one.intent) for name, one in holders_of(OURS).items()] == [
            ("servos", first.pid, Intent.MOVE)
        ]
        assert taken({"picomotors": PICOMOTORS}), "a refusal keeps nothing"
        first.kill()
        first.wait()
        hold = TableHold.take(OURS, Intent.MOVE)
        assert {name: one.pid for name, one in holders_of(OURS).items()} == dict.fromkeys(OURS, os.getpid())
        hold.release()
        hold.release()
        assert hold.released and holders_of(OURS) == {}
        assert list(folder.iterdir()) == [], "a lock that is let go leaves nothing behind"


def test_a_watchdog_is_asked_to_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch, 20.0)
    with other(SERVOS, Intent.WATCH) as watchdog:
        TableHold.take(OURS, Intent.MOVE).release()
        assert watchdog.wait(5.0) == 0


def test_one_that_only_looks_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_hold, "PATIENCE_S", {Intent.LOOK: 20.0, Intent.MOVE: 0.0, Intent.WATCH: 0.0})
    with other(SERVOS, Intent.LOOK) as looker:
        looker.send_signal(signal.SIGTERM)
        TableHold.take(OURS, Intent.MOVE).release()


def test_patience_ends() -> None:
    with TableHoldOf(OURS):
        began = time.monotonic()
        assert not taken(OURS)
        assert time.monotonic() - began < 2.0


@contextmanager
def TableHoldOf(instruments: Mapping[str, str]) -> Iterator[TableHold]:  # noqa: N802 - reads as what it is
    hold = TableHold.take(instruments, Intent.MOVE)
    yield hold
    hold.release()


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("TCPIP0::192.168.10.12::23::SOCKET", True),
        ("tcpip::192.168.10.12::23::socket", True),
        ("TCPIP::192.168.10.12::24::SOCKET", False),
    ],
)
def test_an_address_is_the_same_however_it_is_written(one: str, same: bool) -> None:
    with TableHoldOf(OURS):
        assert taken({"it": one}) is not same


def test_a_device_is_the_same_under_each_of_its_names(tmp_path: Path) -> None:
    device, by_id = tmp_path / "ttyUSB0", tmp_path / "usb-FTDI_1234"
    device.touch()
    by_id.symlink_to(device)
    with TableHoldOf({"servos": f"ASRL{device}::INSTR"}):
        assert not taken({"servos": f"ASRL{by_id}::INSTR"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_keeps_nothing() -> None:
    end_of_child, end_of_parent = os.pipe()
    begun, tell_begun = os.pipe()
    hold = TableHold.take(OURS, Intent.MOVE)
    if (child := os.fork()) == 0:
        os.close(end_of_parent)
        os.write(tell_begun, b"!")
        os.read(end_of_child, 1)
        os._exit(0 if hold.released else 1)
    try:
        os.read(begun, 1)
        hold.forget()  # as the death of this process would
        assert holders_of(OURS) == {}
    finally:
        os.close(end_of_parent)
        assert os.waitpid(child, 0)[1] == 0
        for descriptor in (end_of_child, begun, tell_begun):
            os.close(descriptor)


def test_where_the_file_system_has_no_locks_a_living_holder_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_hold, "lock", lambda descriptor, **keywords: LockAnswer.UNSUPPORTED)
    hold = TableHold.take(OURS, Intent.MOVE)
    assert not taken(OURS)
    assert holders_of(OURS).keys() == OURS.keys()
    hold.release()
    assert taken(OURS)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(table_hold.FOLDER_VARIABLE, str(tmp_path / "file" / "holds"))
    with pytest.raises(LabError, match=r"cannot be made: .*holds.*LABCTL_TABLE_HOLDS"):
        TableHold.take(OURS, Intent.MOVE)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff", b"null"])
def test_a_torn_name_is_unknown_and_read_back_otherwise(text: bytes) -> None:
    assert Holder.parse(text) is None
    me = Holder.this_process(Intent.LOOK, "test")
    assert Holder.parse(me.text()) == me
