"""The watchdog's life while its core lives: it hears, and has nothing else in memory than it needs for that."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from labctl.watchdog.messages import FAREWELL, Hearing, Hello

EXIT_WELL: Final = 0  # the core said farewell, a successor has the table, or it is parked
EXIT_NOT_PARKED: Final = 1  # something could not be brought to rest: the log says what
READY_AFTER_S: Final = 5.0
"""How long a core lives until its watchdog loads what it may need: a disk that is gone, or a machine without memory,
must not keep it from parking. A core that ends sooner does not pay for it."""
SILENT_AFTER_S: Final = 15.0  # a core that lives, and does not beat, is told in the log: it is stopped or swapped out
_IGNORED: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Log:
    """Appends lines to a file beside the runs; a disk that is full costs the lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, text: str) -> None:
        """Append a sentence, with the time (UTC) and the number of this process."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} watchdog {os.getpid()}: {text}\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError:
            return  # what it does matters more than that it is told


class Signals:
    """What others ask of this process: nothing while its core lives; then SIGTERM asks it to let go of the table."""

    def __init__(self) -> None:
        self.asked_to_let_go = threading.Event()
        for name in _IGNORED:
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, signal.SIG_IGN)

    def heed(self) -> None:
        """Heed SIGTERM from now on."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.asked_to_let_go.set())


def keep_watch(descriptor: int) -> int:
    """Watch over the core at the other end of a pipe until it says farewell, or dies and its table is looked after;
    return the exit status."""
    signals, hearing = Signals(), Hearing(descriptor)
    first = hearing.line()
    if not first:
        return EXIT_WELL  # the core died before it had a table
    hello = Hello.parse(first)
    log = Log(Path(hello.log))
    if _outlived_by(hearing, log):
        return EXIT_WELL
    log.say(f"Process {hello.core.pid} ({hello.doing}) died without a farewell.")
    signals.heed()
    from labctl.watchdog.succession import table_of_the_dead

    hold = table_of_the_dead(hello, log, hello.grace_s)
    if hold is None:
        return EXIT_WELL
    try:
        from labctl.watchdog.duty import after_death
    except Exception as error:  # a program that was changed or taken away under way
        log.say(f"What parks the table cannot be loaded, and nothing is done: {type(error).__name__}: {error}")
        return EXIT_NOT_PARKED
    return after_death(hello, hold, log, signals)


def _outlived_by(hearing: Hearing, log: Log) -> bool:
    """Hear the core until its end; return whether it said farewell."""
    began_at = heard_at = time.monotonic()
    is_ready = is_silent = False
    while True:
        line = hearing.line(SILENT_AFTER_S if is_ready else max(0.0, began_at + READY_AFTER_S - time.monotonic()))
        now = time.monotonic()
        if line == b"":
            return False
        if line == FAREWELL:
            return True
        if line is not None:
            heard_at, is_silent = now, False
        elif now - heard_at >= SILENT_AFTER_S and not is_silent:
            is_silent = True
            log.say(f"The core lives and was not heard for {now - heard_at:.0f} s. It has the table: nothing is done.")
        if not is_ready and now - began_at >= READY_AFTER_S:
            is_ready = True
            import labctl.watchdog.duty  # noqa: F401  so that it is in memory
