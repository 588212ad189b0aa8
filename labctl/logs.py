"""The log of the program, for all commands: one JSON line for each thing worth telling, in the user's log folder.

Rooms are the packages below `labctl`, `drivers` and `procedures`; each has its own level: "station=debug,bus=info".
Whatever looks like a secret never gets into it. The log never fails the program: what cannot be written is counted.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import platformdirs

from labctl.secrecy import Redaction

MOST_BYTES: Final = 10 * 2**20  # of one file
KEPT_FILES: Final = 5  # the one that is written among them
KEPT_LINES: Final = 500  # in memory, for a crash report
LONGEST_MESSAGE: Final = 20_000  # characters
LONGEST_CLEANED: Final = 200_000
FILE_NAME: Final = "labctl.log"
LEVELS_VARIABLE: Final = "LABCTL_LOG"
FOLDER_VARIABLE: Final = "LABCTL_LOG_FOLDER"
DEFAULT_LEVEL: Final = logging.INFO
EVERYTHING: Final = "all"
_BESIDE: Final = ("drivers", "procedures")  # rooms that are packages of their own
_OURS: Final = ("labctl", *_BESIDE)
_WIRE: Final = "labctl.traffic"  # what goes over it is told by its own logs, and costs too much here
_SILENT: Final = logging.CRITICAL + 1


@dataclass
class Surroundings:
    """What every line says of where it was written, as far as it is known: the run, the lab time in s, who asks."""

    run: str = ""
    last_run: str = ""  # also once it has ended
    lab_time: Callable[[], float] | None = None
    who: Callable[[], str] | None = None


surroundings: Final = Surroundings()


@contextmanager
def in_run(run: str, lab_time: Callable[[], float] | None = None) -> Iterator[None]:
    """Have the lines of the block say which run and what lab time they belong to."""
    before = (surroundings.run, surroundings.lab_time)
    surroundings.run, surroundings.lab_time = run, lab_time or surroundings.lab_time
    surroundings.last_run = run or surroundings.last_run
    try:
        yield
    finally:
        surroundings.run, surroundings.lab_time = before


def log_folder() -> Path:
    """Return where the log lies; LABCTL_LOG_FOLDER names another folder."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_log_dir("labctl", appauthor=False))


def levels_of(text: str) -> dict[str, int]:
    """Return the level of each logger from "station=debug,bus=info"; a level alone is meant for all rooms.

    Raises `ValueError` that says what can be written.
    """
    levels: dict[str, int] = {}
    names = logging.getLevelNamesMapping()
    for item in filter(None, (part.strip() for part in text.split(","))):
        room, equals, level = item.rpartition("=")
        room = room.strip() if equals else EVERYTHING
        if level.strip().upper() not in names or not room:
            raise ValueError(
                f"{item!r} is no level of a log. Write ROOM=LEVEL, such as station=debug,bus=info; "
                "levels are debug, info, warning and error."
            )
        number = names[level.strip().upper()]
        if room == EVERYTHING:
            levels |= dict.fromkeys(_OURS, number)
        else:
            levels[room if room in _OURS else f"labctl.{room}"] = number
    return levels


class JsonLines(logging.Formatter):
    """One line of JSON for a record, without secrets and of bounded length."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; fields that are not known are left out."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "lab_s": _lab_time(),
            "level": record.levelname.lower(),
            "room": room_of(record.name),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            "run": surroundings.run,
            "who": self._clean(_who()),
            "instrument": self._clean(str(getattr(record, "instrument", ""))),
            "thread": record.threadName,
            "pid": record.process,
        }
        if record.exc_info:
            entry["exception"] = self._clean(self.formatException(record.exc_info))
        if record.stack_info:
            entry["stack"] = self._clean(self.formatStack(record.stack_info))
        return json.dumps({key: value for key, value in entry.items() if value not in ("", None)}, ensure_ascii=True)

    def _clean(self, text: str) -> str:
        return self._redaction.clean(text[:LONGEST_CLEANED])[:LONGEST_MESSAGE]  # cut last: half a secret is one too


class BoundedFile(logging.handlers.RotatingFileHandler):
    """A file and those before it, never more than so many bytes together; what cannot be written is dropped and
    counted. Another process may write the same file and put it aside."""

    def __init__(self, path: Path, formatter: logging.Formatter) -> None:
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=KEPT_FILES - 1, encoding="utf-8", delay=True)
        self.setFormatter(formatter)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raises."""
        try:
            self._follow()
            text = self.format(record) + self.terminator
            stream = self.stream or self._open()
            self.stream = stream
            if stream.tell() + len(text) > self.maxBytes:
                self.doRollover()
                stream = self.stream or self._open()
                self.stream = stream
            stream.write(text)
            stream.flush()
        except Exception:  # a log that cannot be written is no reason to stop a night
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of the library
        """Count a record that was dropped, and begin anew with the next one."""
        self.dropped += 1
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        opened = super()._open()
        with suppress(OSError):
            Path(self.baseFilename).chmod(0o600)
        return opened

    def _follow(self) -> None:
        """Leave a file that another process put aside, or that somebody took away."""
        if self.stream is None:
            return
        mine = os.fstat(self.stream.fileno())
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            self.stream.close()
            self.stream = None


class LastLines(logging.Handler):
    """The last lines, in memory."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; never raises."""
        with suppress(Exception):
            self.lines.append(self.format(record))


class PlainWarnings(logging.Handler):
    """Warnings for people on stderr, as Python itself prints them where nobody set up a log: of loggers that have a
    handler of their own it prints none."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__(logging.WARNING)
        self._redaction = redaction

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record; never raises."""
        with suppress(Exception):
            if getattr(record, "told", False):  # in a sentence of its own
                return
            if not _is_handled_elsewhere(record.name) and sys.stderr is not None:
                print(self._redaction.clean(record.getMessage()), file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Log:
    """The log that was set up: where it is, its last lines, and what keeps secrets out of it."""

    path: Path
    redaction: Redaction
    last: LastLines
    file: BoundedFile
    levels: Mapping[str, int] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self.file.dropped


current: Log | None = None


@contextmanager
def set_up(levels: str = "", secrets: Iterable[str] = (), folder: Path | None = None) -> Iterator[Log]:
    """Log what happens in the block; inside another block the levels change, and nothing else.

    `levels` come after those of LABCTL_LOG, and are written likewise. Raises `ValueError` on levels that are none.
    """
    global current  # noqa: PLW0603 - a process has one log
    wanted = levels_of(os.environ.get(LEVELS_VARIABLE, "")) | levels_of(levels)
    if current is not None:
        current.redaction.add(secrets)
        with _levels(wanted):
            yield current
        return
    redaction = Redaction.of_environment(secrets)
    lines = JsonLines(redaction)
    file = BoundedFile((folder or log_folder()) / FILE_NAME, lines)
    log = Log(Path(file.baseFilename), redaction, LastLines(lines), file, wanted)
    handlers: list[logging.Handler] = [file, log.last, PlainWarnings(redaction)]
    root = logging.getLogger()
    for handler in handlers:
        root.addHandler(handler)
    current = log
    try:
        with _levels({**dict.fromkeys(_OURS, DEFAULT_LEVEL), _WIRE: _SILENT, **wanted}):
            yield log
    finally:
        current = None
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def _levels(levels: Mapping[str, int]) -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def set_levels(levels: str) -> None:
    """Change levels until the log ends, as the command line asks. Raises `ValueError`."""
    for name, level in levels_of(levels).items():
        logging.getLogger(name).setLevel(level)


def room_of(logger: str) -> str:
    """Return the room of a logger: "station" of labctl.station.clock, "drivers" of drivers.srs.ds345."""
    first, _, rest = logger.partition(".")
    return rest.partition(".")[0] if first == "labctl" and rest else first


def _is_handled_elsewhere(name: str) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger is not logger.root:
        if logger.handlers:
            return True
        logger = logger.parent
    return False


def _lab_time() -> float | None:
    with suppress(Exception):
        if surroundings.lab_time is not None:
            return round(float(surroundings.lab_time()), 6)
    return None


def _who() -> str:
    with suppress(Exception):
        if surroundings.who is not None:
            return str(surroundings.who() or "")
    return ""
