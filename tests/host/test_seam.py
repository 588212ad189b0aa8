"""The seam to the system: what it does here, and its branches for systems that are not here, with replaced modules."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.host import (
    durability,
    end_signals,
    file_systems,
    listeners,
    processes,
    pseudo_terminals,
    resources,
    sockets,
)

posix = pytest.mark.skipif(os.name != "posix", reason="not there")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there")


class Calls:
    """Stands for `fcntl` and `os.fsync`: notes what is asked, and refuses what it is told to."""

    F_FULLFSYNC = 51

    def __init__(self, refuses: bool = False) -> None:
        self.made: list[str] = []
        self._refuses = refuses

    def fcntl(self, descriptor: int, command: int) -> int:
        self.made.append(f"fcntl {command}")
        if self._refuses:
            raise OSError(25, "not there")
        return 0

    def fsync(self, descriptor: int) -> None:
        self.made.append("fsync")


@pytest.mark.parametrize(
    ("system", "refuses", "made"),
    [
        ("darwin", False, ["fcntl 51"]),
        ("darwin", True, ["fcntl 51", "fsync"]),
        ("linux", False, ["fsync"]),
        ("win32", False, ["fsync"]),
    ],
)
def test_a_file_reaches_the_disk_by_what_the_system_has(
    system: str, refuses: bool, made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = Calls(refuses)
    with monkeypatch.context() as patched, (tmp_path / "x").open("wb") as file:
        patched.setattr(durability.sys, "platform", system)
        patched.setattr(durability.os, "fsync", calls.fsync)
        patched.setattr(durability, "import_module", lambda name: calls)
        durability.sync_file(file.fileno())
    assert calls.made == made


def test_a_folder_has_no_such_call_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(durability.sys, "platform", "win32")
        durability.sync_folder(tmp_path / "not there")
    if os.name == "posix":
        durability.sync_folder(tmp_path)
        with pytest.raises(FileNotFoundError):
            durability.sync_folder(tmp_path / "not there")


@posix
def test_processes_live_until_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.lives(child.pid) is True
    assert processes.parent_of(child.pid) == os.getpid() or not processes.PROC.exists()
    processes.end_at_once(child.pid)
    assert child.wait() == -signal.SIGKILL
    assert child.stdin is not None
    child.stdin.close()
    assert processes.lives(child.pid) is False
    assert [processes.lives(pid) for pid in (0, -1, 10**30)] == [False, False, False]
    with monkeypatch.context() as patched:
        patched.setattr(processes.sys, "platform", "win32")
        assert processes.lives(os.getpid()) is None


def test_without_proc_nothing_is_known_of_a_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(listeners, "PROC", tmp_path)
    assert (processes.started(os.getpid()), processes.boot(), processes.command_of(os.getpid())) == ("", "", "")
    assert (processes.parent_of(os.getpid()), processes.running("python")) == (None, [])
    assert listeners.listeners() is None


def test_without_a_fork_there_is_nothing_to_do_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(processes.os, "register_at_fork", raising=False)
    processes.after_fork_in_child(lambda: None)


def test_signals_to_end_are_those_that_the_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {one.name for one in end_signals.end_signals()}
    assert {"SIGINT", "SIGTERM"} <= here
    windows = SimpleNamespace(SIGINT=2, SIGTERM=15, SIGBREAK=21, SIG_IGN=1, getsignal=lambda number: 0)
    monkeypatch.setattr(end_signals, "signal", windows)
    assert end_signals.end_signals() == (2, 15, 21)


@posix
def test_a_terminal_that_closes_asks_to_end_unless_nohup_said_otherwise() -> None:
    asked: list[str] = []
    with end_signals.handled(lambda: asked.append("end")):
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    assert asked == ["end", "end"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in end_signals.end_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


@posix
def test_a_program_whose_terminal_closed_ends_in_order(tmp_path: Path) -> None:
    code = (
        "import signal, threading\nfrom pathlib import Path\nfrom labctl.host.end_signals import handled\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # which nohup has these tests ignore
        "asked = threading.Event()\n"
        "with handled(asked.set):\n    print('ready', flush=True)\n    asked.wait(30)\n"
        f"print('ended', flush=True)\nPath({str(tmp_path / 'ended')!r}).touch()"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    assert b"ready" in os.read(ours, 100)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 0
    assert (tmp_path / "ended").exists()


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def run() -> None:
        with end_signals.handled(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_where_no_module_is_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(resources, "import_module", missing)
    monkeypatch.setattr(pseudo_terminals, "import_module", missing)
    assert resources.most_open_files() is None
    assert resources.groups_that_may_open(Path("/")) == ""
    with pytest.raises(ImportError):
        pseudo_terminals.open_pair()
    monkeypatch.setattr(resources.sys, "platform", "darwin")
    assert resources.kept_clock() is None


def test_a_socket_is_claimed_as_the_system_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    link: Any = SimpleNamespace(setsockopt=lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    sockets.claim(link)
    monkeypatch.delattr(socket, "SO_EXCLUSIVEADDRUSE")
    sockets.claim(link)
    assert [one[1] for one in asked] == [-5, socket.SO_REUSEADDR]
    for name in ("TCP_QUICKACK", "SO_BINDTODEVICE"):
        monkeypatch.delattr(socket, name, raising=False)
    sockets.acknowledge_at_once(link)
    assert len(asked) == 2
    assert not sockets.can_bind_to_device()
    with pytest.raises(OSError, match="cannot bind a socket to a device"):
        sockets.keep_on_loopback(link)


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /data\040of\040us rw - nfs4 rack:/data rw
41 22 0:36 / /home/fuse rw - fuse.sshfs me@rack:/ rw
42 22 0:37 / /data rw - xfs /dev/sdb1 rw
"""


@posix
def test_a_file_system_is_that_of_the_nearest_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mountinfo")
    asked = ("/data of us/runs", "/home/fuse", "/data/x", "/database")
    told = [file_systems.file_system_of(Path(path)) for path in asked]
    assert [(one.kind, one.is_networked) for one in told] == [
        ("nfs4", True),
        ("fuse.sshfs", True),
        ("xfs", False),
        ("ext4", False),
    ]
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "none")
    assert file_systems.file_system_of(Path("/")).is_networked is None
    monkeypatch.setattr(file_systems.sys, "platform", "win32")
    assert file_systems.file_system_of(Path("runs")).is_networked is None


@linux
def test_sockets_of_a_process_are_told_with_their_device() -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("", 0))
        told = listeners.listeners(os.getpid())
        assert told is not None
        by_port = {(one.protocol, one.port): one for one in told}
        assert by_port["tcp", tcp.getsockname()[1]].on_loopback
        outside = by_port["udp", udp.getsockname()[1]]
        assert (outside.address, outside.on_loopback) == ("0.0.0.0", False)
        assert listeners.holders()[outside.inode] == os.getpid()
        sockets.keep_on_loopback(udp)
        again = {one.inode: one for one in listeners.listeners(os.getpid()) or []}[outside.inode]
        assert (again.device, again.on_loopback) == ("lo", True)


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [("127.3.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("::", False), ("10.0.0.1", False)],
)
def test_loopback_addresses(address: str, is_loopback: bool) -> None:
    assert listeners.Listener("tcp", address, 1, 1).on_loopback is is_loopback
