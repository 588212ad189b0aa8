"""What a core answers to a command."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.bus.messages import Row


@dataclass(frozen=True)
class Reply:
    """A sentence, and what was asked for, if anything: rows of one table, or bytes."""

    text: str = ""
    rows: tuple[Row, ...] = ()
    data: bytes = b""
