"""Lines at the edges of a language: as long as they may be, in unusual spellings, and of no language at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from drivers.keysight import trueform_moves
from drivers.meerstetter import moves as meerstetter_moves
from drivers.meerstetter.mecom import Request
from drivers.moves import Move, MoveKind
from drivers.newport import moves_8742
from drivers.redpitaya import moves as redpitaya_moves
from drivers.scpi_moves import ScpiReader, level, nothing
from drivers.srs import sim900_moves
from drivers.srs.sim960_moves import moves_of_message
from drivers.thorlabs import elliptec_moves, mdt693b_moves

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


# ---- SCPI -----------------------------------------------------------------------------------------------------------

MARKED = ScpiReader(
    {":SOURce:LEVel": level("b"), ":LEVel": level("a"), ":LEVel:SHAPe": nothing("SIN")}, quiet=(":MARKer<n>",)
)


@pytest.mark.parametrize(
    ("text", "output", "value"),
    [
        ("FREQ 2 HZ", "ch_1.frequency", 2.0),
        ("FREQ 3 MHZ", "ch_1.frequency", 3e6),
        ("FREQ 1 GHZ", "ch_1.frequency", 1e9),
        ("VOLT 5 UV", "ch_1.amplitude", 5e-6),
        ("VOLT 2 VPP", "ch_1.amplitude", 2.0),
        ("PHAS 30 DEG", "ch_1.phase", 30.0),
        ("OUTP2:LOAD 75 OHM", "ch_2.output_load", 75.0),
        ("OUTP1:LOAD 2 KOHM", "ch_1.output_load", 2e3),
        ("\n\r\nVOLT 2", "ch_1.amplitude", 2.0),
    ],
)
def test_a_setting_is_read_in_its_unit(text: str, output: str, value: float) -> None:
    (move,) = trueform_moves.moves_of(text)
    assert (move.output, move.value) == (output, pytest.approx(value))


def test_a_sine_is_all_that_it_sets() -> None:
    moves = trueform_moves.moves_of("SOUR2:APPL:SIN 1 MHZ,2 VPP,-100 MV")
    assert [(move.output, move.value) for move in moves] == [
        ("ch_2.frequency", 1e6),
        ("ch_2.amplitude", 2.0),
        ("ch_2.offset", -0.1),
        ("ch_2.output", 1.0),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("APPL:SIN DEF,1,0", "APPL:SIN 1,1,DEF", "APPL:SIN 1,1,0,0", "OUTP1 MAYBE", "OUTP1 ON,OFF", "OUTP1"),
        *("OUTP1:LOAD 50,60", "OUTP1:LOAD 60,50", "VOLT 1,2", "VOLT-5", "FUNC SIN,NOIS", "FUNC NOIS,SIN"),
        *("*CLS 'a", '*CLS "a', "*CLS \u00e9"),
    ],
)
def test_what_a_generator_may_take_otherwise_is_unknown(text: str) -> None:
    assert unknown(trueform_moves.moves_of(text))


def test_what_means_another_thing_at_another_path_is_unknown() -> None:
    assert MARKED.moves("SOUR:LEV 1") == [Move("b", 1.0)]
    (first, second) = MARKED.moves("SOUR:LEV 1;LEV 2")
    assert (first, second.kind) == (Move("b", 1.0), MoveKind.UNKNOWN)
    assert MARKED.moves("SOUR:LEV 1;:LEV 2") == [Move("b", 1.0), Move("a", 2.0)]


def test_a_number_behind_a_header_may_be_its_argument_at_another_path() -> None:
    assert MARKED.moves("MARK2") == []
    assert unknown(MARKED.moves("LEV:SHAP SIN;MARK2"))
    assert MARKED.moves("LEV:SHAP SIN;:MARK2") == []


# ---- MeCom and Elliptec ---------------------------------------------------------------------------------------------

TEC_TARGETS = {1: 30.0, 16: 31.0}


def frame(payload: str, address: int = 0) -> str:
    return Request(address, 7, payload).frame


@pytest.mark.parametrize(
    ("payload", "output", "value"),
    [
        ("VS07DA0100000001", "ch_1.output_enabled", 1.0),
        ("VS07DA1000000000", "ch_16.output_enabled", 0.0),
        ("VSC35B0100000001", "ch_1.target_temperature_c", 30.0),
        ("VSC35B1000000001", "ch_16.target_temperature_c", 31.0),
    ],
)
def test_switches_of_a_controller_are_read(payload: str, output: str, value: float) -> None:
    assert list(meerstetter_moves.moves_of(frame(payload), 0, TEC_TARGETS)) == [Move(output, value)]


@pytest.mark.parametrize(
    "payload",
    [
        *("VS07DA010000000F", "VSC35B0100000000", "VSC35B010000000F", "VSC35B0200000001", "VS270F0100000001"),
        *("VS0FAC0100000001", "VS0FCB0100000001", "VS270F0100000002"),
    ],
)
def test_other_switches_of_a_controller_are_unknown(payload: str) -> None:
    assert unknown(meerstetter_moves.moves_of(frame(payload), 0, TEC_TARGETS))


@pytest.mark.parametrize("text", [frame("VS0FAB0140A00000"), frame("VS0FCA0100000001"), frame("?IF", address=9)])
def test_what_stays_within_a_controller_moves_nothing(text: str) -> None:
    assert list(meerstetter_moves.moves_of(text, 0, TEC_TARGETS)) == []


def test_a_target_that_waits_in_memory_is_read() -> None:
    assert meerstetter_moves.ram_target_in("VSC35C1041C80000") == (16, 25.0)
    assert meerstetter_moves.ram_target_in("VSC35C017FC00000") is None


def test_the_sixteenth_plate_is_read_and_one_of_unknown_scale_is_not() -> None:
    assert elliptec_moves.moves_of("Fho1", lambda address: None) == [Move("rotator_15.angle_deg", 0.0)]
    (move,) = elliptec_moves.moves_of("0ma00001000", lambda address: None)
    assert move == Move("what '0ma00001000' moves", 0.0, MoveKind.UNKNOWN)
