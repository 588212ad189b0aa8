"""What lines to a SIM960 move, spelled in every way that its reader knows."""

from __future__ import annotations

import pytest

from drivers.moves import Move, MoveKind
from drivers.srs.sim960_moves import moves_of_message

LONGEST = "MOUT 1." + 23 * "0"


def read(text: str) -> list[tuple[str, float] | str]:
    """Return outputs and values, and the commands that nobody can tell."""
    moves = moves_of_message("m", text)
    return [move.output if move.kind is MoveKind.UNKNOWN else (move.output, move.value) for move in moves]


@pytest.mark.parametrize(
    ("token", "closed"), [("MAN", 0.0), ("PID", 1.0), ("0", 0.0), ("1", 1.0), ("+0", 0.0), ("+1", 1.0)]
)
def test_a_loop_is_closed_in_three_spellings(token: str, closed: float) -> None:
    assert read(f"AMAN {token}") == [("m.closed", closed)]


def test_a_line_is_read_up_to_what_the_module_takes() -> None:
    assert len(LONGEST) == 30
    assert moves_of_message("m", LONGEST) == [Move("m.manual_output", 1.0)]
    (unknown,) = moves_of_message("m", LONGEST + "0")
    assert unknown.kind is MoveKind.UNKNOWN


def test_what_follows_a_command_that_is_none_is_read_too() -> None:
    assert read("MOUT 1;X;ULIM 2") == [("m.manual_output", 1.0), "what 'X' moves", ("m.upper_limit", 2.0)]
    assert read("MOUT 1;;LLIM -2;") == [("m.manual_output", 1.0), ("m.lower_limit", -2.0)]
