"""The core's side of its watchdog: start it, tell it that the core lives, start another where it is gone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from labctl.configuration.station_file import StationFile
from labctl.errors import LabError
from labctl.host.processes import after_fork_in_child
from labctl.station.living_process import LivingProcess
from labctl.station.table_hold import REAL_BACKEND, addresses_of, command_line
from labctl.watchdog.messages import BEAT, BEAT_S, FAREWELL, Hello

GRACE_S: Final = 10.0
"""Wall time that a successor has before the table of a dead core is parked: a supervisor's restart takes less. What
nobody counts or watches meanwhile, a tone or a motor on its way, does no harm in so short a time."""
GRACE_VARIABLE: Final = "LABCTL_WATCHDOG_GRACE_S"
LOG_NAME: Final = "watchdog.log"
GOODBYE_S: Final = 5.0  # wall time that a watchdog has to end after a farewell
LONGEST_PAUSE_S: Final = 60.0  # between two starts of watchdogs that die at once

log = logging.getLogger(__name__)


@contextmanager
def guarded(file: StationFile, runs: Path, say: Callable[[str], None]) -> Iterator[Guard | None]:
    """Have a watchdog for the block; None for the simulated table of this process, which dies with it.

    A block that ends, or that a `LabError` ends, says farewell: it has left the table as it should. One that anything
    else ends does not, and the watchdog parks the table. `say` is told where the watchdog was replaced, from a thread
    of its own.
    """
    if file.backend.kind != REAL_BACKEND:
        yield None
        return
    guard = Guard(file, runs / LOG_NAME, say)
    try:
        yield guard
    except (LabError, SystemExit):
        guard.farewell()
        raise
    except BaseException:
        guard.abandon()
        raise
    guard.farewell()


class Guard:
    """A watchdog that is there as long as this is, whatever happens to the one or the other."""

    def __init__(self, file: StationFile, log_path: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._hello = Hello(
            LivingProcess.here(),
            command_line(),
            addresses_of(file),
            file.model_dump_json(exclude_unset=True),
            float(os.environ.get(GRACE_VARIABLE) or GRACE_S),
            str(log_path.absolute()),
        )
        self._over = threading.Event()
        self._process = self._started()
        _guards.add(self)
        self._thread = threading.Thread(target=self._keep, name="keeping a watchdog", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Return the number of the process that watches now."""
        return self._process.pid

    def farewell(self) -> None:
        """Let the watchdog go, and wait until it is gone."""
        self._end_keeping()
        self._tell(FAREWELL)
        self._close_pipe()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GOODBYE_S)

    def abandon(self) -> None:
        """Leave the table to the watchdog."""
        self._end_keeping()
        self._close_pipe()

    def forget(self) -> None:
        """Close the pipe in a child of the core: it would keep a dead core looking alive."""
        self._over.set()
        self._close_pipe()

    def _end_keeping(self) -> None:
        self._over.set()
        self._thread.join()

    def _close_pipe(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        """Start a watchdog in a session of its own: no terminal that closes and no Ctrl-C reaches it.

        Raises `LabError` where the system has no room for it.
        """
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "labctl.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(
                f"The watchdog cannot be started: {error}; nothing was moved.",
                remedy="It needs memory for one more process: end others.",
            ) from error
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # gone already: it is missed at the next beat
            process.stdin.write(self._hello.line())
        os.set_blocking(process.stdin.fileno(), False)  # a watchdog that is stopped must not stop its core
        return process

    def _keep(self) -> None:
        pause_s = BEAT_S
        beats = 0
        while not self._over.wait(pause_s if self._process.poll() is not None else BEAT_S):
            if self._tell(BEAT) and self._process.poll() is None:
                beats += 1
                continue
            pause_s = BEAT_S if beats else min(2.0 * pause_s, LONGEST_PAUSE_S)
            beats = 0
            self._replace()

    def _replace(self) -> None:
        gone = self._process
        self._close_pipe()
        with suppress(subprocess.TimeoutExpired):
            gone.wait(0.0)
        try:
            self._process = self._started()
        except LabError as error:
            self._report(f"The watchdog, process {gone.pid}, is gone, and this core goes on without: {error}")
            return
        ending = _ending(gone.returncode)
        self._report(f"The watchdog, process {gone.pid}, ended ({ending}); process {self.pid} is its successor.")

    def _tell(self, line: bytes) -> bool:
        """Return whether the watchdog is there to hear."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except BlockingIOError:
            return True  # it is stopped, with a pipe full of beats
        except (OSError, ValueError):
            return False
        return True

    def _report(self, text: str) -> None:
        try:
            self._say(text)
        except Exception:  # a record that cannot be written must not cost the watchdog
            log.warning(text)


def _ending(status: int | None) -> str:
    if status is None:
        return "its pipe is closed"
    return f"signal {-status}" if status < 0 else f"status {status}"


_guards: weakref.WeakSet[Guard] = weakref.WeakSet()


def _forget_in_child() -> None:
    for guard in list(_guards):
        guard.forget()


after_fork_in_child(_forget_in_child)
