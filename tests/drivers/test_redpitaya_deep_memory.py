"""Deep records with the Red Pitaya driver, exchange by exchange, on a link without an instrument behind it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.redpitaya.deep_memory import LARGEST_PIECE, MOST_LOOKS, PAGE_BYTES
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14

OK = ("SYST:ERR?", '0,"No error"')
Exchange = list[tuple[Any, Any]]

START, SIZE = 0x1000000, 2**21


def accepted(*commands: str) -> Exchange:
    return [pair for command in commands for pair in ((command, None), OK)]


def placed(channel: int, delay: int, address: int, size: int) -> Exchange:
    source = f"ACQ:AXI:SOUR{channel}"
    return accepted(f"{source}:Trig:Dly {delay}", f"{source}:SET:Buffer {address},{size}", f"{source}:ENable ON")


def released(count: int = 2) -> Exchange:
    return accepted(*(f"ACQ:AXI:SOUR{channel}:ENable OFF" for channel in range(1, count + 1)))


REGION: Exchange = [("ACQ:AXI:START?", str(START)), ("ACQ:AXI:SIZE?", str(SIZE))]
RUN: Exchange = [("ACQ:START", None), ("ACQ:TRig NOW", None), OK]
STARTED: Exchange = [
    *REGION,
    *released(),
    *accepted("ACQ:AXI:DEC 8"),
    *placed(2, 1000, START, 2000),
    *placed(1, 1000, START + PAGE_BYTES, 2000),
    *RUN,
]
FILLED: Exchange = [("ACQ:AXI:SOUR2:Trig:Fill?", "1"), ("ACQ:AXI:SOUR1:Trig:Fill?", "1")]
POSITIONS: Exchange = [("ACQ:AXI:SOUR2:Trig:Pos?", "990"), ("ACQ:AXI:SOUR1:Trig:Pos?", "0")]


def prepared(units: str = "VOLTS") -> Exchange:
    form = ("ACQ:DATA:FORMAT BIN", f"ACQ:AXI:DATA:Units {units}", "ACQ:DATA:BYTE:ORDER LEND")
    return [*((command, None) for command in form), OK]


def block(values: Any, kind: str = "<f4") -> bytes:
    payload = np.asarray(values, dtype=kind).tobytes()
    length = str(len(payload)).encode()
    return b"#" + str(len(length)).encode() + length + payload


def start(board: RedPitaya125_14) -> None:
    board.start_deep_record([2, 1], 1000, 8)


# ---- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "reply", "value", "sent"),
    [("deep_decimation", "ACQ:AXI:DEC", "17", 17, "17"), ("deep_units", "ACQ:AXI:DATA:Units", "RAW", "RAW", "RAW")],
)
def test_setting_of_the_board(name: str, header: str, reply: str, value: Any, sent: str) -> None:
    with expected_protocol(RedPitaya125_14, [(f"{header}?", reply), (f"{header} {sent}", None), OK]) as board:
        assert getattr(board, name) == value
        setattr(board, name, value)


def test_the_region() -> None:
    with expected_protocol(RedPitaya4Input, REGION) as board:
        assert board.deep_memory_start == START
        assert board.deep_memory_size == SIZE


def test_one_input() -> None:
    exchange = [
        ("ACQ:AXI:SOUR4:Trig:Dly?", "1024"),
        *accepted("ACQ:AXI:SOUR4:Trig:Dly 2048", "ACQ:AXI:SOUR4:ENable ON", "ACQ:AXI:SOUR4:ENable OFF"),
        ("ACQ:AXI:SOUR4:Trig:Fill?", "1"),
        ("ACQ:AXI:SOUR4:Write:Pos?", "12"),
        ("ACQ:AXI:SOUR4:Trig:Pos?", "11"),
        *accepted("ACQ:AXI:SOUR4:SET:Buffer 16777216,1024"),
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        one = board.inputs[4]
        assert one.deep_delay == 1024
        one.deep_delay = 2048
        one.deep_on = True
        one.deep_on = False
        assert one.deep_filled == 1
        assert (one.deep_write_position, one.deep_trigger_position) == (12, 11)
        one.place_deep_buffer(START, 1024)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("board", "deep_decimation", 9),
        ("board", "deep_units", "V"),
        ("input", "deep_delay", -1),
        ("input", "deep_delay", 0.5),
        ("input", "deep_on", "ON"),
    ],
)
def test_values_out_of_range_are_not_sent(owner: str, name: str, value: Any) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError):
        setattr(board if owner == "board" else board.inputs[1], name, value)


@pytest.mark.parametrize(("address", "size"), [(START, 1000), (START, -16), (START + 0.5, 16), (2**32, 16)])
def test_buffers_that_cannot_be_are_not_placed(address: Any, size: int) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError):
        board.inputs[1].place_deep_buffer(address, size)


@pytest.mark.parametrize(
    ("name", "query"), [("deep_memory_start", "ACQ:AXI:START?"), ("deep_decimation", "ACQ:AXI:DEC?")]
)
def test_garbled_replies(name: str, query: str) -> None:
    with expected_protocol(RedPitaya125_14, [(query, "0x10")]) as board, pytest.raises(BadReply, match="a number"):
        getattr(board, name)


def test_a_refused_buffer_names_the_reason() -> None:
    exchange = [
        ("ACQ:AXI:SOUR1:ENable ON", None),
        ("SYST:ERR?", '9506,"*ACQ:AXI:SOUR#:ENable Failed to start data capture: Value out of range."'),
        OK,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(Refused, match="start data capture"):
        board.inputs[1].deep_on = True


# ---- start -----------------------------------------------------------------------------------------------------------


def test_start_places_buffers_at_pages_apart() -> None:
    with expected_protocol(RedPitaya125_14, STARTED) as board:
        start(board)


def test_start_with_samples_before_a_level() -> None:
    exchange = [
        *REGION,
        *released(4),
        *accepted("ACQ:AXI:DEC 64"),
        *placed(3, 4000, START, 10_000),
        *[("ACQ:START", None), ("ACQ:TRig CH3_NE", None), OK],
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        board.start_deep_record([3], 4999, 64, "CH3_NE", before=999)


@given(st.integers(1, 4), st.integers(1, 2**21))
@settings(max_examples=40, deadline=None)
def test_buffers_never_touch_and_fit(count: int, samples: int) -> None:
    with expected_protocol(RedPitaya4Input, REGION) as board:
        try:
            addresses, size = board._places(count, samples)
        except Refused:
            assert count * (2 * samples + PAGE_BYTES + 16) > SIZE
            return
    assert size % 16 == 0
    assert size >= 2 * samples
    assert addresses[-1] + size <= START + SIZE
    assert all(address % PAGE_BYTES == 0 for address in addresses)
    assert all(b - a > size for a, b in pairwise(addresses))


def test_more_than_the_memory_is_refused_before_anything_is_set() -> None:
    with (
        expected_protocol(RedPitaya4Input, REGION) as board,
        pytest.raises(Refused, match=r"no deep memory for 300000 samples of 4 inputs, 2400000 bytes.*'2097152'.*fewer"),
    ):
        board.start_deep_record([1, 2, 3, 4], 300_000, 8)


@pytest.mark.parametrize(
    "arguments",
    [
        ([], 1000, 8),
        ([1, 1], 1000, 8),
        ([3], 1000, 8),
        ([1], 0, 8),
        ([1], 10.5, 8),
        ([1], 1000, 8, "AWG"),
        ([1], 1000, 8, "NOW", 1001),
        ([1], 1000, 8, "NOW", -1),
    ],
)
def test_what_makes_no_record_is_not_started(arguments: Any) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError):
        board.start_deep_record(*arguments)


# ---- read ------------------------------------------------------------------------------------------------------------


def test_pieces_go_round_the_end_of_the_buffer() -> None:
    exchange = [
        *STARTED,
        *FILLED,
        *POSITIONS,
        *prepared(),
        ("ACQ:AXI:SOUR2:DATA:Start:N? 995,3", block([0.5, 0.25, -1.0])),
        OK,
        ("ACQ:AXI:SOUR1:DATA:Start:N? 5,3", block([1.0, 2.0, 3.0])),
        OK,
        *prepared("RAW"),
        ("ACQ:AXI:SOUR2:DATA:Start:N? 0,2", block([1, -8192], "<i2")),
        OK,
        ("ACQ:AXI:SOUR1:DATA:Start:N? 10,2", block([3, 8191], "<i2")),
        OK,
        *released(),
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        start(board)
        np.testing.assert_array_equal(board.read_deep_record(5, 3), [[0.5, 0.25, -1.0], [1.0, 2.0, 3.0]])
        raw = board.read_deep_record(10, 2, "RAW")
        assert raw.dtype == np.int16
        np.testing.assert_array_equal(raw, [[1, -8192], [3, 8191]])
        board.end_deep_record()


def test_a_whole_record_in_pieces() -> None:
    def piece(first: int, count: int) -> Exchange:
        request = f"DATA:Start:N? {first},{count}"
        return [
            *prepared(),
            (f"ACQ:AXI:SOUR1:{request}", block(np.full(count, first / 1000))),
            OK,
        ]

    exchange = [
        *REGION,
        *released(),
        *accepted("ACQ:AXI:DEC 8"),
        *placed(1, 1000, START, 2000),
        *RUN,
        ("ACQ:AXI:SOUR1:Trig:Fill?", "0"),
        ("ACQ:AXI:SOUR1:Trig:Fill?", "1"),
        ("ACQ:AXI:SOUR1:Trig:Fill?", "1"),
        ("ACQ:AXI:SOUR1:Trig:Pos?", "0"),
        *piece(0, 400),
        *piece(400, 400),
        *piece(800, 200),
        *released(),
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        shapes = [piece.shape for piece in board.deep_record([1], 1000, 8, piece=400)]
    assert shapes == [(1, 400), (1, 400), (1, 200)]


def test_nothing_is_read_before_a_record_was_started() -> None:
    with expected_protocol(RedPitaya125_14, []) as board:
        for read in (
            lambda: board.read_deep_record(0, 1),
            lambda: next(board.deep_pieces()),
            board.is_deep_record_done,
        ):
            with pytest.raises(Refused, match=r"no deep record.*start_deep_record"):
                read()


@pytest.mark.parametrize(
    ("state", "message"), [("WAIT", r"waits for the trigger.*Check trigger level"), ("TD", r"not filled.*Look again")]
)
def test_nothing_is_read_before_it_is_complete(state: str, message: str) -> None:
    exchange = [*STARTED, ("ACQ:AXI:SOUR2:Trig:Fill?", "0"), ("ACQ:TRig:STAT?", state)]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        start(board)
        with pytest.raises(Refused, match=message):
            board.read_deep_record(0, 10)


@pytest.mark.parametrize(("first", "count"), [(-1, 10), (0, 0), (0, 1001), (995, 6), (0, LARGEST_PIECE + 1)])
def test_samples_that_the_record_does_not_hold_are_not_asked_for(first: int, count: int) -> None:
    with expected_protocol(RedPitaya125_14, [*STARTED, *FILLED, *POSITIONS]) as board:
        start(board)
        with pytest.raises(ValueError, match="1000 samples"):
            board.read_deep_record(first, count)


def test_other_units_and_pieces_are_not_asked_for() -> None:
    with expected_protocol(RedPitaya125_14, []) as board:
        with pytest.raises(ValueError):
            board.read_deep_record(0, 1, "AMPERES")
        with pytest.raises(ValueError):
            next(board.deep_pieces(0))
        with pytest.raises(ValueError):
            next(board.deep_record([1], 1000, 8, piece=LARGEST_PIECE + 1))


@pytest.mark.parametrize("sent", [block([1, 2, 3, 4], "<i2"), block([1.0, 2.0])])
def test_a_piece_of_another_length_is_refused(sent: bytes) -> None:
    exchange = [*STARTED, *FILLED, *POSITIONS, *prepared(), ("ACQ:AXI:SOUR2:DATA:Start:N? 990,3", sent), OK]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        start(board)
        with pytest.raises(BadReply, match="8 bytes for 3 samples of 4 bytes"):
            board.read_deep_record(0, 3)


def test_a_record_that_never_fills_is_given_up_and_released() -> None:
    exchange = [
        *REGION,
        *released(),
        *accepted("ACQ:AXI:DEC 8"),
        *placed(1, 1000, START, 2000),
        *RUN,
        *[("ACQ:AXI:SOUR1:Trig:Fill?", "0")] * (MOST_LOOKS + 1),
        ("ACQ:TRig:STAT?", "WAIT"),
        *released(),
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        with pytest.raises(Refused, match="waits for the trigger of its deep record"):
            list(board.deep_record([1], 1000, 8))
        with pytest.raises(Refused, match="no deep record"):
            board.is_deep_record_done()


def test_after_a_power_cut_there_is_no_record() -> None:
    with expected_protocol(RedPitaya125_14, STARTED) as board:
        start(board)
        board.forget_outputs()
        with pytest.raises(Refused, match="no deep record"):
            board.is_deep_record_done()
