"""One process at a time talks to the instruments of a table.

Two clients on one serial line swap each other's replies, and two that move one table move it against each other. So
whoever opens instruments first takes a lock for each of their addresses: two station files that share one instrument
exclude each other too. The kernel drops the locks when their holder dies, however it dies; a file beside each lock
names the holder. The folder of the locks belongs to the user on this machine; `LABCTL_TABLE_HOLDS` names another, for
instance one that several users share. Other machines are not excluded.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import signal
import sys
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from labctl.errors import LabError, LeaseError
from labctl.host.processes import after_fork_in_child
from labctl.station.clock import WallClock
from labctl.station.living_process import LivingProcess
from labctl.station.oslock import LockAnswer, lock, unlock

if TYPE_CHECKING:
    from labctl.configuration.station_file import StationFile

FOLDER_VARIABLE: Final = "LABCTL_TABLE_HOLDS"
LOOK_AGAIN_S: Final = 0.1  # wall time, between two tries
LONGEST_NAME: Final = 40  # characters of an address in the name of its file
LONGEST_DOING: Final = 120  # characters of a command line
REAL_BACKEND: Final = "visa"  # the simulated table of this process is nobody else's


class Intent(StrEnum):
    """What a process wants of a table."""

    MOVE = "move"  # a night, a core, a lock command: it has a watchdog of its own
    LOOK = "look"  # it asks, and lets go by itself
    WATCH = "watch"  # the watchdog of a process that died: it lets go when it is asked to


PATIENCE_S: Final[Mapping[Intent, float]] = {Intent.MOVE: 1.5, Intent.LOOK: 15.0, Intent.WATCH: 30.0}
"""For how long somebody who wants the table waits for such a holder, in s of wall time."""


@dataclass(frozen=True)
class Holder(LivingProcess):
    """A process that has a table: what it wants of it, its command line, and since when (ISO 8601, UTC)."""

    intent: Intent
    doing: str
    since: str

    @classmethod
    def this_process(cls, intent: Intent, doing: str = "") -> Holder:
        """Return the calling process as the holder from now on."""
        return cls.here(intent, doing or command_line(), datetime.now(UTC).isoformat(timespec="seconds"))

    @classmethod
    def parse(cls, text: bytes) -> Holder | None:
        """Return the holder that a file names; None where it is empty or torn."""
        try:
            fields = json.loads(text)
            names = ("started", "boot_id", "host", "doing", "since")
            started, boot_id, host, doing, since = (str(fields[name]) for name in names)
            return cls(int(fields["pid"]), started, boot_id, host, Intent(fields["intent"]), doing, since)
        except (ValueError, KeyError, TypeError):
            return None

    def text(self) -> bytes:
        """Return what `parse` reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.doing}, since {self.since})"


class TableHold:
    """The right to have the instruments behind some addresses; ends with `release` or with the process."""

    def __init__(self, names: Iterable[str], files: Mapping[Path, FileIO]) -> None:
        self.names = tuple(names)
        self._files = dict(files)
        _held.add(self)

    @classmethod
    def take(cls, instruments: Mapping[str, str], intent: Intent, doing: str = "") -> TableHold:
        """Take the addresses of `instruments` (by name), after waiting for whoever has one for as long as `PATIENCE_S`
        says of such a holder.

        Raises `LeaseError` that names the process in the way and what it does, `LabError` where the folder of the locks
        cannot be used.
        """
        me, began_at, clock = Holder.this_process(intent, doing), time.monotonic(), WallClock()
        by_path = {_path_of(address): name for name, address in instruments.items()}
        while True:
            files, in_the_way = _try_all(sorted(by_path), me)
            if in_the_way is None:
                return cls(instruments, files)
            holder = _read_holder(in_the_way)
            if holder is not None and holder.intent is Intent.WATCH:
                _ask_to_let_go(holder)
            patience_s = PATIENCE_S[Intent.MOVE if holder is None else holder.intent]
            if time.monotonic() - began_at > patience_s:
                raise _refusal(by_path[in_the_way], instruments, holder)
            clock.sleep(LOOK_AGAIN_S)

    @property
    def released(self) -> bool:
        """True once released, and in a process forked from the holder."""
        return not self._files

    def release(self) -> None:
        """Let go; harmless when done twice."""
        for path, file in self._files.items():
            with suppress(OSError):  # whoever opened it meanwhile sees that it is another by then
                path.unlink()
            unlock(file.fileno())  # a child forked a moment ago may still have the file open
        self.forget()

    def forget(self) -> None:
        """Close the files without unlocking them: what a forked child does, whose locks are the parent's."""
        for file in self._files.values():
            file.close()
        self._files = {}


@contextmanager
def table_held(file: StationFile, intent: Intent, names: Iterable[str] | None = None) -> Iterator[TableHold | None]:
    """Have the instruments of a station, or those with these `names`, for the block; None for the simulated table of
    this process, which nobody else can reach. Raises what `TableHold.take` raises."""
    if file.backend.kind != REAL_BACKEND:
        yield None
        return
    hold = TableHold.take(addresses_of(file, names), intent)
    try:
        yield hold
    finally:
        hold.release()


def addresses_of(file: StationFile, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return the addresses of a station's instruments by name, or of those with these `names`."""
    wanted = file.instruments if names is None else names
    return {name: file.instruments[name].address for name in wanted}


def holders_of(instruments: Mapping[str, str]) -> dict[str, Holder]:
    """Return who has which of some instruments (addresses by name) now. Nothing is kept from anybody for longer than it
    takes to look.

    A holder that has not yet written who it is counts as one that moves the table.
    """
    found = ((name, _holder_at(_path_of(address))) for name, address in instruments.items())
    return {name: holder for name, holder in found if holder is not None}


def holds_folder() -> Path:
    """Return the folder of the locks; a home may be shared by several machines, so each has its own."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    # Not the runtime folder: that goes when the user logs out, and a night goes on.
    return Path(platformdirs.user_state_dir("labctl", appauthor=False)) / "tables" / platform.node()


def command_line() -> str:
    """Return what this process was started as: "labctl overnight --runs night"."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    if program == "__main__.py":
        program = Path(sys.argv[0]).parent.name
    return " ".join([program, *sys.argv[1:]])[:LONGEST_DOING]


# ---- one address ----------------------------------------------------------------------------------------------------


def _path_of(address: str) -> Path:
    """Return the lock file of an address. A device that is named by a link is the device; VISA counts interfaces from
    0, which may be left out."""
    name = re.sub(r"^(TCPIP|USB|GPIB|ASRL|PXI|VXI)0(?=::)", r"\1", address.strip(), flags=re.IGNORECASE)
    if device := re.fullmatch(r"ASRL(/.+?)(::INSTR)?", name, flags=re.IGNORECASE):
        name = f"ASRL{os.path.realpath(device[1])}"
    else:
        name = name.upper()
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", name)[-LONGEST_NAME:]
    return holds_folder() / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:12]}.lock"


def _try_all(paths: Iterable[Path], me: Holder) -> tuple[dict[Path, FileIO], Path | None]:
    """Lock all files, or none and return the one that somebody else has."""
    files: dict[Path, FileIO] = {}
    try:
        for path in paths:
            if (file := _try(path, me)) is None:
                _close(files)
                return {}, path
            files[path] = file
    except BaseException:
        _close(files)
        raise
    return files, None


def _try(path: Path, me: Holder) -> FileIO | None:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = FileIO(path, "a+")
        except OSError as error:
            raise LabError(
                f"The lock of a table cannot be made: {path}: {error.strerror or error}.",
                remedy=f"Make its folder writable, or name another in {FOLDER_VARIABLE}.",
            ) from error
        answer = lock(file.fileno())
        if answer is LockAnswer.BUSY or (answer is LockAnswer.UNSUPPORTED and _lives(_read_holder(path))):
            file.close()
            return None
        if _is_at(path, file):
            break
        file.close()  # its holder took it away as it let go: this lock keeps nobody out
    with suppress(OSError):  # the disk may be full; the lock holds without a name
        file.truncate(0)
        file.write(me.text())
    return file


def _is_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _close(files: Mapping[Path, FileIO]) -> None:
    for path, file in files.items():
        with suppress(OSError):
            path.unlink()
        file.close()


def _holder_at(path: Path) -> Holder | None:
    try:
        file = FileIO(path, "r")
    except OSError:  # nobody ever had it
        return None
    with file:
        answer = lock(file.fileno(), shared=True)
    holder = _read_holder(path)
    if answer is LockAnswer.TAKEN or (answer is LockAnswer.UNSUPPORTED and not _lives(holder)):
        return None
    return holder or Holder(0, "", "", platform.node(), Intent.MOVE, "it has not yet said what it does", "just now")


def _read_holder(path: Path) -> Holder | None:
    try:
        return Holder.parse(path.read_bytes())
    except OSError:
        return None


def _lives(holder: Holder | None) -> bool:
    return holder is not None and holder.is_alive() is not False


def _ask_to_let_go(watchdog: Holder) -> None:
    if sys.platform != "win32" and watchdog.is_alive():
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            os.kill(watchdog.pid, signal.SIGTERM)


def _refusal(name: str, instruments: Mapping[str, str], holder: Holder | None) -> LeaseError:
    who = "another process, which has not said what it does" if holder is None else str(holder)
    return LeaseError(
        f"{name} at {instruments[name]} is in use by {who}; nothing was opened.", remedy="Let it end or stop it first."
    )


_held: weakref.WeakSet[TableHold] = weakref.WeakSet()


def _let_go_in_child() -> None:
    # A forked child shares the locks: it would keep a dead table looking held.
    for hold in list(_held):
        hold.forget()


after_fork_in_child(_let_go_in_child)
