"""A server meant for this machine takes no searches from others, and is found here all the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from p4p.client.thread import Context

from labctl.bus import loopback_only
from labctl.bus.loopback_only import keep_search_on_loopback
from labctl.bus.replies import Reply
from labctl.bus.server import BusServer
from labctl.configuration.bus import Bus

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_BINDTODEVICE"), reason="sockets are bound to a device on Linux")

SEARCH_PORT = 5076
TRIES_THE_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


def device_of(one: socket.socket) -> bytes:
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0")


def open_files() -> int:
    return len(list(loopback_only.OPEN_FILES.iterdir()))


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    """A UDP socket on every interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("", 0))
        yield one


def test_server_is_searched_for_and_found_on_this_machine_alone() -> None:
    server = BusServer(Bus(port=0, prefix=f"t{os.getpid()}"), lambda command, peer: Reply())
    server.beat()
    searched = list(loopback_only._udp_sockets(SEARCH_PORT))
    devices = {device_of(one) for one in searched}
    for one in searched:
        one.close()
    assert devices == {b"lo"}
    assert server.search_from_outside == ""
    conf = {"EPICS_PVA_ADDR_LIST": "127.0.0.1", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}  # by UDP, not by the TCP port
    with Context("pva", conf=conf, useenv=False, nt=False) as client:
        assert client.get(f"t{os.getpid()}:core:heartbeat", timeout=5)["value"] > 0
    server.close()


def test_socket_of_a_server_for_others_stays_as_it_is(bound: socket.socket) -> None:
    assert "10.1.2.3" in keep_search_on_loopback("10.1.2.3", bound.getsockname()[1])
    assert device_of(bound) == b""
    assert keep_search_on_loopback("::1", bound.getsockname()[1]) == ""
    assert device_of(bound) == b"lo"


def test_says_what_did_not_work(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    port = bound.getsockname()[1]
    assert "was found" in keep_search_on_loopback("127.0.0.1", 1)
    monkeypatch.setattr(loopback_only, "DEVICE", b"none such")
    assert "could not be bound" in keep_search_on_loopback("127.0.0.1", port)
    monkeypatch.setattr(loopback_only, "OPEN_FILES", Path("/nowhere"))
    assert "This system" in keep_search_on_loopback("127.0.0.1", port)
    assert device_of(bound) == b""


def test_leaves_no_file_open_and_lets_go_of_no_lock(bound: socket.socket, tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "locked"
    path.touch()
    with path.open("r+") as locked:
        fcntl.lockf(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        before = open_files()
        keep_search_on_loopback("127.0.0.1", bound.getsockname()[1])
        assert open_files() == before
        other = subprocess.run([sys.executable, "-c", TRIES_THE_LOCK, str(path)], check=False, capture_output=True)
        assert b"BlockingIOError" in other.stderr
