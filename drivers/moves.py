"""What a command would do to what an instrument puts out: read from the bytes that are about to go to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class MoveKind(StrEnum):
    """How a command names where an output goes."""

    LEVEL = "level"
    """`value` is where the output is to be."""
    STEP = "step"
    """`value` is by how much it is to move, from where it is."""
    UNKNOWN = "unknown"
    """Nobody can tell from the command what it moves, or by how much: `value` means nothing."""


@dataclass(frozen=True, slots=True)
class Move:
    """One output that a command would move.

    `output` names it as the driver does ("x.voltage", "module_3.manual_output"); `value` is in the SI unit of the
    driver's property of that name (temperatures in degC, angles in degrees, switches 0 or 1).
    """

    output: str
    value: float
    kind: MoveKind = MoveKind.LEVEL


def unknown_move(command: str) -> tuple[Move, ...]:
    """Return what is said of a command that the reader of an instrument does not account for."""
    return (Move(f"what {command.strip()[:40]!r} moves", 0.0, MoveKind.UNKNOWN),)


class Gate(Protocol):
    """Who is asked before a command goes out that moves something."""

    def permit(self, instrument: str, command: str, moves: Sequence[Move]) -> None:
        """Return where all of `moves` may be done now; raise before anything is sent where one may not."""
        ...

    def doubt(self, instrument: str) -> None:
        """Take note that an exchange failed: whether the instrument did what it was told is not known."""
        ...
