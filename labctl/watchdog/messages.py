"""What a core says to its watchdog: lines over a pipe. Nothing here needs more than the standard library."""

from __future__ import annotations

import json
import os
import select
import time
from dataclasses import asdict, dataclass
from typing import Final

from labctl.station.living_process import LivingProcess

BEAT: Final = b"alive\n"
FAREWELL: Final = b"farewell\n"
BEAT_S: Final = 1.0  # wall time, between two beats
_CHUNK_BYTES: Final = 65536


@dataclass(frozen=True)
class Hello:
    """What a core tells first: who it is and what it does, the addresses of its instruments by name and its station
    file as JSON, how long a successor has to come (s of wall time), and the file to log into."""

    core: LivingProcess
    doing: str
    instruments: dict[str, str]
    station: str
    grace_s: float
    log: str

    def line(self) -> bytes:
        """Return what `parse` reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Hello:
        """Return what a core told. Raises `ValueError` where it is no such thing."""
        try:
            fields = json.loads(line)
            core = LivingProcess(**fields.pop("core"))
            return cls(core, **fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"that is no hello of a core: {line[:80]!r}") from error


class Hearing:
    """The watchdog's end of the pipe, read line by line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def line(self, within_s: float | None = None) -> bytes | None:
        """Return the next line with its end, b"" at the end of the pipe, None where nothing comes within that time."""
        until = None if within_s is None else time.monotonic() + within_s
        while b"\n" not in self._rest:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready, _, _ = select.select([self._descriptor], [], [], left)
            if not ready:
                return None
            if not (chunk := os.read(self._descriptor, _CHUNK_BYTES)):
                return b""
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return line + b"\n"
