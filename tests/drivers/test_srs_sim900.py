"""SIM900 driver: message mode, initialisation and the errors on the way."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, ConnectionLost, NoReply, WrongInstrument
from drivers.srs.sim900 import SIM900

MAINFRAME = "Stanford_Research_Systems,SIM900,s/n152741,ver3.6"
MODULE = "Stanford_Research_Systems,SIM960,s/n011553,ver2.17"

Pairs = list[tuple[str | None, str | None]]


def exchange(slot: int, question: str, answer: str) -> Pairs:
    """What goes over the wire for one question to a module."""
    count = len(answer) + 1
    return [
        (f'SNDT {slot},"{question}"', None),
        (f"NINP? {slot}", str(count)),
        (f"RAWN? {slot},{count}", f"{answer}\n"),
    ]


def named(slot: int, identity: str = MODULE) -> Pairs:
    """What goes over the wire until a module has named itself and forgotten its errors."""
    return [(f"FLSH {slot}", None), *exchange(slot, "*IDN?", identity), *exchange(slot, "*ESR?", "128")]


def test_construction_does_not_talk() -> None:
    adapter = MagicMock()
    mainframe = SIM900(adapter, slots=(1, 3))
    assert adapter.mock_calls == []
    assert list(mainframe.modules) == [1, 3]
    assert mainframe.module_3 is mainframe.modules[3]


@pytest.mark.parametrize("slots", [(0,), (9,), (1, 12)])
def test_slots_out_of_range(slots: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="slots 1 to 8"):
        SIM900(MagicMock(), slots=slots)


def test_slots_of_a_station_file() -> None:
    assert list(SIM900(MagicMock(), slots={"1": "SIM960", "4": "SIM960"}).modules) == [1, 4]


def test_read_identity() -> None:
    with expected_protocol(SIM900, [("*IDN?", MAINFRAME)]) as mainframe:
        identity = mainframe.read_identity()
    assert (identity.manufacturer, identity.model) == ("Stanford_Research_Systems", "SIM900")
    assert (identity.serial, identity.firmware) == ("s/n152741", "ver3.6")


def test_read_identity_ends_a_connection_that_was_left_open() -> None:
    pairs: Pairs = [("*IDN?", MODULE), ("xyx", None), ("xyz", None), ("*IDN?", MAINFRAME)]
    with expected_protocol(SIM900, pairs) as mainframe:
        assert mainframe.read_identity().model == "SIM900"


def test_read_identity_sends_no_escape_to_a_stranger() -> None:
    with expected_protocol(SIM900, [("*IDN?", "NEWPORT,8742,v1,1")]) as mainframe:
        assert mainframe.read_identity().model == "8742"


@pytest.mark.parametrize(("mask", "slots"), [("126", (1, 2, 3, 4, 5, 6)), ("0", ()), ("256", (8,)), ("513", ())])
def test_slots_present(mask: str, slots: tuple[int, ...]) -> None:
    with expected_protocol(SIM900, [("CTCR?", mask)]) as mainframe:
        assert mainframe.slots_present == slots


def test_slots_present_garbled() -> None:
    with (
        expected_protocol(SIM900, [("CTCR?", "1Z6")]) as mainframe,
        pytest.raises(BadReply, match=r"SRS SIM900.*CTCR\?.*1Z6"),
    ):
        _ = mainframe.slots_present


def test_module_identity() -> None:
    with expected_protocol(SIM900, named(3)) as mainframe:
        identity = mainframe.module_identity(3)
    assert (identity.model, identity.serial, identity.firmware) == ("SIM960", "s/n011553", "ver2.17")


def test_module_identity_behind_late_replies() -> None:
    late = f"+1.5E+3\n{MODULE}\n"
    pairs: Pairs = [
        ("FLSH 3", None),
        ('SNDT 3,"*IDN?"', None),
        ("NINP? 3", str(len(late))),
        (f"RAWN? 3,{len(late)}", late),
        *exchange(3, "*ESR?", "0"),
    ]
    with expected_protocol(SIM900, pairs) as mainframe:
        assert mainframe.module_identity(3).model == "SIM960"


def test_send_to() -> None:
    with expected_protocol(SIM900, [('SNDT 2,"SETP +0.100"', None)]) as mainframe:
        mainframe.send_to(2, "SETP +0.100")


def test_ask_module() -> None:
    with expected_protocol(SIM900, exchange(3, "OMON?", "+01.106139")) as mainframe:
        assert mainframe.ask_module(3, "OMON?") == "+01.106139"


def test_ask_module_gathers_a_reply_that_comes_in_pieces() -> None:
    pairs: Pairs = [
        ('SNDT 3,"OMON?"', None),
        ("NINP? 3", "0"),
        ("NINP? 3", "4"),
        ("RAWN? 3,4", "+01."),
        ("NINP? 3", "0"),
        ("NINP? 3", "8"),
        ("RAWN? 3,8", "106139\r\n"),
    ]
    with expected_protocol(SIM900, pairs) as mainframe:
        assert mainframe.ask_module(3, "OMON?") == "+01.106139"


def test_ask_modules_sends_to_all_before_it_reads() -> None:
    first, second = exchange(1, "INSR?", "0"), exchange(2, "INSR?", "4")
    with expected_protocol(SIM900, [first[0], second[0], *first[1:], *second[1:]], slots=(1, 2)) as mainframe:
        assert mainframe.ask_modules("INSR?") == {1: "0", 2: "4"}


def test_silent_module_is_named_and_brought_back_into_step() -> None:
    silence: Pairs = [('SNDT 3,"GAIN?"', None), ("NINP? 3", "0"), ("NINP? 3", "0")]
    pairs = [*silence, *named(3), *exchange(3, "INTG?", "+1.5E+3")]
    with expected_protocol(SIM900, pairs, polls=2) as mainframe:
        with pytest.raises(NoReply, match=r"slot 3 did not answer.*GAIN\?.*Check"):
            mainframe.ask_module(3, "GAIN?")
        assert mainframe.ask_module(3, "INTG?") == "+1.5E+3"


def test_two_lines_for_one_question_are_refused() -> None:
    pairs: Pairs = [('SNDT 3,"GAIN?"', None), ("NINP? 3", "6"), ("RAWN? 3,6", "+1\n+2\n")]
    with expected_protocol(SIM900, pairs) as mainframe, pytest.raises(BadReply, match="more than one line"):
        mainframe.ask_module(3, "GAIN?")


def test_garbled_number_of_bytes() -> None:
    pairs: Pairs = [('SNDT 3,"GAIN?"', None), ("NINP? 3", "eight")]
    with expected_protocol(SIM900, pairs) as mainframe, pytest.raises(BadReply, match=r"number of bytes.*NINP\? 3"):
        mainframe.ask_module(3, "GAIN?")


def test_module_that_answers_garbage_bytes() -> None:
    pairs = [('SNDT 3,"GAIN?"', None), ("NINP? 3", "3"), ("RAWN? 3,3", b"\xff\xfe\n")]
    with expected_protocol(SIM900, pairs) as mainframe, pytest.raises(BadReply, match="no text"):
        mainframe.ask_module(3, "GAIN?")


def test_nameless_module() -> None:
    pairs: Pairs = [("FLSH 3", None), ('SNDT 3,"*IDN?"', None)]
    pairs += [("NINP? 3", "2"), ("RAWN? 3,2", "0\n")] * 8
    with expected_protocol(SIM900, pairs) as mainframe, pytest.raises(BadReply, match="did not identify itself"):
        mainframe.module_identity(3)


@pytest.mark.parametrize(
    ("port", "text"),
    [
        (0, "GAIN 1"),
        (9, "GAIN 1"),
        (1, "X" * 31),
        (1, 'GAIN "1"'),
        (1, "GAIN 1\n"),
        (1, "GAIN µ"),
        (1, "*RST"),
        (1, "SOUT;*rst"),
        (1, "GAIN?"),
    ],
)
def test_what_is_never_sent(port: int, text: str) -> None:
    with expected_protocol(SIM900, []) as mainframe, pytest.raises(ValueError):
        mainframe.send_to(port, text)


def test_longest_line_fits_the_buffer_with_its_terminator() -> None:
    with expected_protocol(SIM900, [(f'SNDT 1,"{"X" * 30}"', None)]) as mainframe:
        mainframe.send_to(1, "X" * 30)


START: Pairs = [("xyx", None), ("xyz", None), ("*IDN?", MAINFRAME), ("FLSH", None)]


def opened(slot: int) -> Pairs:
    lines = ("SOUT", "SOUT;CONS OFF", "TERM LF;TOKN OFF")
    return [(f'SNDT {slot},"{line}"', None) for line in lines]


def test_initialise() -> None:
    pairs = [*START, ("CTCR?", "10"), *opened(1), *named(1), *opened(3), *named(3)]
    with expected_protocol(SIM900, pairs, slots=(1, 3)) as mainframe:
        mainframe.initialise()


def test_initialise_finds_an_empty_slot() -> None:
    with (
        expected_protocol(SIM900, [*START, ("CTCR?", "2")], slots=(2,)) as mainframe,
        pytest.raises(ConnectionLost, match="no module in slot 2"),
    ):
        mainframe.initialise()


def test_initialise_finds_another_module() -> None:
    other = named(1, MODULE.replace("SIM960", "SIM928"))
    with (
        expected_protocol(SIM900, [*START, ("CTCR?", "2"), *opened(1), *other], slots=(1,)) as mainframe,
        pytest.raises(WrongInstrument, match="SIM928 in slot 1"),
    ):
        mainframe.initialise()


def test_initialise_finds_another_instrument() -> None:
    pairs: Pairs = [("xyx", None), ("xyz", None), ("*IDN?", "Stanford_Research_Systems,SR830,s/n1,ver1")]
    with expected_protocol(SIM900, pairs) as mainframe, pytest.raises(WrongInstrument, match="SR830"):
        mainframe.initialise()


def test_own_escape_strings() -> None:
    pairs: Pairs = [("bye", None), ("*IDN?", MAINFRAME), ("FLSH", None), ("CTCR?", "0")]
    with expected_protocol(SIM900, pairs, slots=(), escapes=("bye",)) as mainframe:
        mainframe.initialise()
