"""Lines at the edges of a language: as long as they may be, in unusual spellings, and of no language at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from drivers.moves import Move, MoveKind
from drivers.newport import moves_8742
from drivers.redpitaya import moves as redpitaya_moves
from drivers.srs import sim900_moves
from drivers.srs.sim960_moves import moves_of_message
from drivers.thorlabs import mdt693b_moves

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


# ---- MDT693B --------------------------------------------------------------------------------------------------------


def unknown(moves: Sequence[Move]) -> bool:
    """Return whether all that a text moves is something that nobody can tell."""
    return bool(moves) and all(move.kind is MoveKind.UNKNOWN for move in moves)


def test_a_line_to_an_amplifier_is_read_up_to_its_length() -> None:
    longest = "xvoltage=5." + 69 * "0"
    assert len(longest) == 80
    assert mdt693b_moves.moves_of(longest, "xyz") == (Move("x.voltage", 5.0),)
    assert unknown(mdt693b_moves.moves_of(longest + "0", "xyz"))


@pytest.mark.parametrize("text", ["x\u00a0voltage=5", "echo=", "xvoltage=", "xyzvoltage=1,x,2", "xvoltage=1,2"])
def test_what_an_amplifier_may_take_otherwise_is_unknown(text: str) -> None:
    assert unknown(mdt693b_moves.moves_of(text, "xyz"))


# ---- SIM900 ---------------------------------------------------------------------------------------------------------


def test_a_line_to_a_mainframe_is_read_up_to_its_length() -> None:
    longest = "FLSH" + 251 * ";"
    assert len(longest) == 255
    assert sim900_moves.moves_of(longest, ()) == []
    assert unknown(sim900_moves.moves_of(longest + ";", ()))


@pytest.mark.parametrize("text", ["FL\u017fH", "12 34", 'FLSH "', "SNDT 1,'X", "SNDT 9,'MOUT 1'"])
def test_what_a_mainframe_may_take_otherwise_is_unknown(text: str) -> None:
    assert unknown(sim900_moves.moves_of(text, ()))


# ---- 8742 -----------------------------------------------------------------------------------------------------------


def test_a_line_after_an_empty_one_is_read_and_questions_move_nothing() -> None:
    step = Move("controller_1.axis_1.target_position", 5.0, MoveKind.STEP)
    assert moves_8742.moves_of("\r1PR5", 1) == [step]
    assert moves_8742.moves_of("1PR?", 1) == []
    assert moves_8742.moves_of("1TP?", 1) == ()
    assert unknown(moves_8742.moves_of("1PR\u00a05", 1))


# ---- Red Pitaya -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("DIG:PIN LED0", "DIG:PIN LED0,X", "DIG:PIN DIO2_P,1,1", "DIG:PIN DIO2_P,X"),
        *("DIG:PIN:DIR OUT", "DIG:PIN:DIR UP,DIO2_P", "DIG:PIN:DIR OUT,DIO99_P", "DIG:PIN:DIR OUT,DIO2_P,1"),
        *("SOUR1:LOAD L50,L50", "SOUR1:TRAC:DATA:DATA -1.5,0"),
    ],
)
def test_arguments_that_a_board_may_take_otherwise_are_unknown(text: str) -> None:
    assert unknown(redpitaya_moves.moves_of(text))


@pytest.mark.parametrize(("text", "level"), [("0", 0.0), ("1", 1.0), ("-1", 1.0), ("7", 1.0)])
def test_a_pin_is_high_for_whatever_is_not_zero(text: str, level: float) -> None:
    assert list(redpitaya_moves.moves_of(f"DIG:PIN DIO2_P,{text}")) == [Move("pin_DIO2_P.level", level)]
