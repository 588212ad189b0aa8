"""A log of every command and reply of chosen instruments, for the hour in which nothing makes sense.

One line for each: host time (UTC), lab time in s, `>` for what labctl wrote and `<` for what it read, without
terminators. Bytes that are no text are shown in hexadecimal, long ones shortened.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from labctl.errors import StoreError

MOST_BYTES = 32 * 2**20  # of the file that is being written; one full file is kept beside it
MOST_HELD = 10_000  # lines before there is a file
LONGEST_TEXT = 240  # characters of one message
SHOWN_BYTES = 16  # at the beginning of a binary message
UNKNOWN_TIME = "-"

_ROOT = "labctl.traffic"
_DIRECTIONS = {"WRITE:%s": ">", "READ:%s": "<"}  # as pymeasure's adapters log
_BINARY_SHARE = 0.25  # of bytes that are no text, from which on a message is not shown as text
_NAMED = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t"}
_listening: Final[Counter[str]] = Counter()  # who listens to each; a logger may have handlers of others as well
_guard: Final = threading.Lock()


def traffic_logger(instrument: str) -> logging.Logger:
    """Return the logger that the link of an instrument writes to; silent until somebody listens (`listen_to`)."""
    logger = logging.getLogger(f"{_ROOT}.{instrument}")
    logger.propagate = False
    return logger


def listen_to(instrument: str, listener: logging.Handler) -> Callable[[], None]:
    """Give a listener all that goes over the wire of an instrument, until what is returned is called."""
    logger = traffic_logger(instrument)
    logger.addHandler(listener)
    with _guard:
        _listening[instrument] += 1
        logger.setLevel(logging.DEBUG)

    def end() -> None:
        logger.removeHandler(listener)
        with _guard:
            _listening[instrument] -= 1
            if not _listening[instrument]:
                logger.setLevel(logging.NOTSET)

    return end


class TrafficLog(logging.Handler):
    """The traffic of one instrument: held in memory until `write_to` says where to, then written line by line.

    The file is flushed with every line, so that a crash loses none, and never grows beyond `MOST_BYTES`: it is then put
    aside as the one before, and a new one begun. A disk that fails ends the log and nothing else: see `problem`.
    """

    def __init__(self, instrument: str, most_bytes: int | None = MOST_BYTES) -> None:
        super().__init__()
        self.instrument = instrument
        self.problem = ""
        self._most_bytes = most_bytes
        self._lab_time: Callable[[], float] | None = None
        self._path: Path | None = None
        self._file: TextIO | None = None
        self._written = 0
        self._held: deque[str] = deque(maxlen=MOST_HELD)
        self._bytewise: tuple[str, bytearray] | None = None  # stamp and bytes of a reply that is read byte by byte

    def write_to(self, path: Path, lab_time: Callable[[], float] | None = None) -> None:
        """Append to the file `path` from now on, what was held first; `lab_time` says the lab time in s.

        Raises `StoreError` when the file cannot be written.
        """
        with self._locked():
            self._path, self._lab_time = path, lab_time
            try:
                self._begin(f"Traffic of {self.instrument}: host time (UTC), lab time in s, > written, < read.")
                while self._held:
                    self._write(self._held.popleft())
            except OSError as error:
                self._give_up(error)
                raise StoreError(f"The traffic log {path} cannot be written ({error.strerror}).") from error

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message of the adapter; never raises."""
        if self.problem:
            return
        try:
            self._take(record)
        except Exception as error:  # whatever it is, it must not reach the instrument
            self._give_up(error)

    def close(self) -> None:
        """Write what is left and close the file."""
        with self._locked():
            try:
                self._end_bytewise()
                if self._file is not None:
                    self._file.close()
            except OSError as error:
                self._give_up(error)
            self._file = None
        super().close()

    def _take(self, record: logging.LogRecord) -> None:
        direction = _DIRECTIONS.get(str(record.msg), "#")
        content = record.args[0] if isinstance(record.args, tuple) and record.args else record.getMessage()
        stamp = f"{_host_time(record.created)} {self._lab_time_text():>18} {direction}"
        if direction == "<" and isinstance(content, bytes) and len(content) == 1:
            self._take_byte(stamp, content)
        else:
            self._end_bytewise()
            self._put(f"{stamp} {readable(content)}")

    def _take_byte(self, stamp: str, byte: bytes) -> None:
        if self._bytewise is None:
            self._bytewise = (stamp, bytearray())
        self._bytewise[1].extend(byte)
        if byte == b"\n" or len(self._bytewise[1]) >= LONGEST_TEXT:
            self._end_bytewise()

    def _end_bytewise(self) -> None:
        if self._bytewise is not None:
            stamp, content = self._bytewise
            self._bytewise = None
            self._put(f"{stamp} {readable(bytes(content))}")

    def _put(self, line: str) -> None:
        if self._path is None:
            self._held.append(line)
        else:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._file is None:
            return
        if self._most_bytes is not None and self._written + len(line) >= self._most_bytes:
            self._put_aside()
        self._written += self._file.write(line + "\n")
        self._file.flush()

    def _begin(self, heading: str) -> None:
        assert self._path is not None
        self._file = self._path.open("a", encoding="ascii", errors="backslashreplace", newline="\n")
        self._written = self._path.stat().st_size
        self._write(f"# {heading}")

    def _put_aside(self) -> None:
        assert self._path is not None and self._file is not None
        self._file.close()
        self._file = None
        before = older(self._path)
        self._path.replace(before)
        self._begin(f"Goes on from {before.name}; what is older than that is gone.")

    def _give_up(self, error: Exception) -> None:
        reason = (error.strerror if isinstance(error, OSError) else "") or repr(error)
        self.problem = f"The traffic log {self._path} ended early ({reason})."
        if self._file is not None:
            with suppress(OSError):  # what it still holds cannot be written either
                self._file.close()
            self._file = None

    def _lab_time_text(self) -> str:
        return UNKNOWN_TIME if self._lab_time is None else f"{self._lab_time():.6f}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


@contextmanager
def logged_traffic(instruments: Iterable[str], most_bytes: int | None = MOST_BYTES) -> Iterator[dict[str, TrafficLog]]:
    """Log what goes over the wire of these instruments inside the block: one log each, by instrument."""
    logs = {name: TrafficLog(name, most_bytes) for name in dict.fromkeys(instruments)}
    ends = [listen_to(name, log) for name, log in logs.items()]
    try:
        yield logs
    finally:
        for end in ends:
            end()
        for log in logs.values():
            log.close()


def log_name(instrument: str) -> str:
    """Return the file name of an instrument's traffic in a run folder."""
    return f"traffic-{instrument}.log"


def older(path: Path) -> Path:
    """Return where a full log is put aside."""
    return path.with_name(f"{path.stem}.older{path.suffix}")


def readable(content: object) -> str:
    """Return a message as printable ASCII of bounded length: text with escapes, or the bytes of what is no text."""
    if isinstance(content, bytes | bytearray | memoryview):
        data = bytes(content)
        strange = sum(byte >= 0x7F or (byte < 0x20 and byte not in b"\r\n\t") for byte in data[:LONGEST_TEXT])
        if strange > _BINARY_SHARE * min(len(data), LONGEST_TEXT):
            return _hexadecimal(data)
        return _text(data.decode("latin-1"))
    return _text(str(content))


def _text(text: str) -> str:
    shown = "".join(_NAMED.get(c) or (c if " " <= c <= "~" else _escaped(c)) for c in text[:LONGEST_TEXT])
    return shown if len(text) <= LONGEST_TEXT else f"{shown} ... ({len(text)} characters)"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _hexadecimal(data: bytes) -> str:
    shown = data[:SHOWN_BYTES].hex(" ")
    return f"<{len(data)} bytes: {shown}{' ...' if len(data) > SHOWN_BYTES else ''}>"


def _host_time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
