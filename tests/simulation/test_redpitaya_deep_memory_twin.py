"""The deep memory of the simulated Red Pitaya: its bytes as the server sends them, then the real driver on it."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from redpitaya_bench import STEP_V, Bench, Signals, volts_at

from drivers.errors import Refused
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14
from labctl.simulation.instruments.redpitaya_deep_memory import PAGE_BYTES, REGION_BYTES, REGION_START

DECIMATION = 64
RATE_HZ = 125e6 / DECIMATION
SAMPLES = 50_000


def sines() -> Signals:
    """Four inputs with four frequencies and one common noise, whose value at a sample says which sample it is."""

    def signal(number: int) -> Any:
        return lambda time: 0.1 * number * np.sin(2 * np.pi * 700.0 * number * time) + common(time)

    return Signals(**{f"in{n}": signal(n) for n in (1, 2, 3, 4)})


def common(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.3 * np.sin(12345.0 * np.rint(time * RATE_HZ) ** 2)


def place(bench: Bench, number: int, samples: int, delay: int | None = None, page: int = 0) -> None:
    bench.say(
        f"ACQ:AXI:SOUR{number}:Trig:Dly {samples if delay is None else delay}",
        f"ACQ:AXI:SOUR{number}:SET:Buffer {REGION_START + page * PAGE_BYTES},{2 * samples}",
        f"ACQ:AXI:SOUR{number}:ENable ON",
    )


def run(bench: Bench, decimation: int = DECIMATION, trigger: str = "NOW") -> None:
    bench.say(f"ACQ:AXI:DEC {decimation}", "ACQ:TRig:DLY 8192", "ACQ:START", f"ACQ:TRig {trigger}")


# ---- bytes -----------------------------------------------------------------------------------------------------------


def test_the_region(bench: Bench) -> None:
    assert bench.ask("ACQ:AXI:START?") == "16777216"
    assert bench.ask("ACQ:AXI:SIZE?") == "2097152"
    assert Bench(deep_memory_bytes=2**26).ask("ACQ:AXI:SIZE?") == str(2**26)


def test_decimation_is_one_setting_with_three_names(bench: Bench) -> None:
    bench.say("ACQ:AXI:DEC 17")
    assert bench.say("ACQ:DEC?", "ACQ:DEC:Factor?", "ACQ:AXI:DEC?") == b"17\r\n" * 3
    bench.say("ACQ:AXI:DEC 15")
    assert bench.errors() == [9506]


def test_a_deep_record_fills_in_lab_time_beside_the_usual_one(bench: Bench) -> None:
    place(bench, 1, SAMPLES)
    run(bench)
    fill = "ACQ:AXI:SOUR1:Trig:Fill?"
    bench.time.elapse(16384.5 / RATE_HZ)
    assert bench.say("ACQ:TRig:FILL?", fill) == b"1\r\n0\r\n"
    bench.time.elapse((SAMPLES - 16386) / RATE_HZ)
    assert bench.ask(fill) == "0"
    bench.time.elapse(3.0 / RATE_HZ)
    assert bench.ask(fill) == "1"
    assert bench.ask("ACQ:AXI:SOUR2:Trig:Fill?") == "0"  # it is off
    assert bench.fast.captures == []  # nobody has read anything
    codes = bench.codes(f"ACQ:AXI:SOUR1:DATA:Start:N? 0,{SAMPLES}")
    expected = np.clip(np.rint(volts_at(1, np.arange(SAMPLES) / RATE_HZ) * 8192), -8192, 8191)
    assert np.abs(codes - expected).max() <= 1
    # Both buffers hold the same samples, taken once.
    np.testing.assert_array_equal(bench.codes("ACQ:SOUR1:DATA?"), codes[:16384])
    assert len(bench.fast.captures) == -(-SAMPLES // 16384)


def test_samples_before_the_trigger_and_round_the_end_of_the_buffer() -> None:
    bench = Bench(fast=sines())
    place(bench, 2, 4000, delay=1000)
    bench.say(f"ACQ:AXI:DEC {DECIMATION}", "ACQ:START")
    bench.time.elapse(9123.4 / RATE_HZ)
    bench.say("ACQ:TRig NOW")
    bench.time.elapse(1.0)
    position = int(bench.ask("ACQ:AXI:SOUR2:Trig:Pos?"))
    assert position == 9123 % 4000
    assert int(bench.ask("ACQ:AXI:SOUR2:Write:Pos?")) == (9123 + 1000) % 4000
    codes = bench.codes(f"ACQ:AXI:SOUR2:DATA:STA:N? {position - 3000},4000" if position >= 3000 else
                        f"ACQ:AXI:SOUR2:DATA:STA:N? {position + 1000},4000")  # fmt: skip
    index = np.arange(9123 - 3000, 9123 + 1000)
    expected = 0.2 * np.sin(2 * np.pi * 1400.0 * index / RATE_HZ) + common(index / RATE_HZ)
    np.testing.assert_allclose(codes, expected * 8192, atol=0.6)


def test_a_level_triggers_it_too() -> None:
    bench = Bench(fast=Signals(in1=lambda time: np.where(time < 0.0301, 0.0, 0.5)))
    place(bench, 1, 40_000, delay=30_000)
    bench.say("ACQ:TRig:LEV 0.25")
    run(bench, trigger="CH1_PE")
    bench.time.elapse(0.02)
    assert bench.say("ACQ:TRig:STAT?", "ACQ:AXI:SOUR1:Trig:Fill?") == b"WAIT\r\n0\r\n"
    bench.time.elapse(0.05)
    assert bench.say("ACQ:TRig:STAT?", "ACQ:AXI:SOUR1:Trig:Fill?") == b"TD\r\n1\r\n"
    position = int(bench.ask("ACQ:AXI:SOUR1:Trig:Pos?"))
    codes = bench.codes(f"ACQ:AXI:SOUR1:DATA:Start:N? {(position - 10_000) % 40_000},40000")
    assert (codes[:10_000] == 0).all()
    assert (codes[10_000:] == 4096).all()
    assert bench.codes("ACQ:SOUR1:DATA?")[0] == 4096  # the usual record begins at the same sample


@pytest.mark.parametrize(("units", "kind"), [("RAW", "i2"), ("VOLTS", "f4")])
@pytest.mark.parametrize(("order", "sign"), [("BEND", ">"), ("LEND", "<")])
@pytest.mark.parametrize("crlf", [False, True])
def test_forms(units: str, kind: str, order: str, sign: str, crlf: bool) -> None:
    bench = Bench(crlf_after_block=crlf)
    place(bench, 2, 1024)
    run(bench)
    bench.time.elapse(1.0)
    codes = bench.codes("ACQ:AXI:SOUR2:DATA:Start:N? 1000,100")
    assert len(codes) == 100  # round the end
    bench.say("ACQ:DATA:FORMAT BIN", f"ACQ:AXI:DATA:Units {units}", f"ACQ:DATA:BYTE:ORDER {order}")
    assert bench.ask("ACQ:AXI:DATA:Units?") == units
    assert bench.ask("ACQ:DATA:Units?") == "RAW"  # another unit, set by `codes`
    payload = (codes if units == "RAW" else codes / 8192).astype(sign + kind).tobytes()
    header = f"#3{len(payload)}".encode()
    assert bench.say("ACQ:AXI:SOUR2:DATA:Start:N? 1000,100") == header + payload + (b"\r\n" if crlf else b"")


@pytest.mark.parametrize(
    ("commands", "codes"),
    [
        (["SET:Buffer 16777216,1000"], [9506]),  # no multiple of 16
        (["SET:Buffer 16777000,1024"], [9506]),  # before the region
        (["SET:Buffer 16777216,2097176"], [9506]),  # and after it
        (["SET:Buffer 18874368,16"], [9506]),
        (["SET:Buffer -16,16"], [-104]),
        (["SET:Buffer 16777216"], [-109]),
        (["ENable ON"], [9504]),  # no buffer
        (["SET:Buffer 16777232,1024", "ENable ON"], [9504]),  # not at a page
        (["SET:Buffer 18870280,4096", "ENable ON"], [9506]),  # eight bytes too long are noticed only here
        (["DATA:Start:N? 0,10"], [9506]),  # off
        (["SET:Buffer 16777216,1024", "ENable ON", "DATA:Start:N? 0,2000000"], [-200]),
        (["SET:Buffer 16777216,1024", "ENable ON", "ENable OFF", "DATA:Start:N? 0,10"], [9506]),
        (["Trig:Dly 3000000000"], [-104]),
        (["ENable MAYBE"], [-104]),
    ],
)
def test_refusals(bench: Bench, commands: list[str], codes: list[int]) -> None:
    assert bench.say(*(f"ACQ:AXI:SOUR1:{command}" for command in commands)) == b""
    assert bench.errors() == codes
    bench.say(*(f"ACQ:AXI:SOUR3:{command}" for command in commands[:1]))
    assert bench.errors()[0] in (9500, -109)  # a board with two inputs


def test_neighbours_overlap_where_one_ends_and_the_other_begins(bench: Bench) -> None:
    place(bench, 1, PAGE_BYTES // 2)
    place(bench, 2, 8, page=1)
    assert bench.errors() == [9499]
    place(bench, 2, 8, page=2)
    assert bench.errors() == []


def test_a_reset_switches_it_off(bench: Bench) -> None:
    place(bench, 1, 1024)
    bench.say("ACQ:RST")
    assert bench.ask("ACQ:AXI:SOUR1:Trig:Dly?") == "0"
    assert bench.say("ACQ:AXI:SOUR1:DATA:Start:N? 0,10") == b""
    assert bench.errors() == [9506]


def test_without_a_start_nothing_is_written(bench: Bench) -> None:
    run(bench)
    place(bench, 1, 1024)  # too late for this record
    bench.time.elapse(1.0)
    assert bench.ask("ACQ:AXI:SOUR1:Trig:Fill?") == "0"
    assert bench.ask("ACQ:AXI:SOUR1:Trig:Pos?") == "0"
    assert not bench.codes("ACQ:AXI:SOUR1:DATA:Start:N? 0,1024").any()


def test_replies_that_nobody_reads_take_no_memory() -> None:
    bench = Bench()
    place(bench, 1, 2**19)
    run(bench)
    bench.time.elapse(1.0)
    bench.say("ACQ:AXI:SOUR1:DATA:Start:N? 0,1")
    tracemalloc.start()
    bench.board.on_bytes(b"ACQ:AXI:SOUR1:DATA:Start:N? 0,500000\r\n" * 300)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bench.board.replies_waiting() == 300
    assert held < 2e6  # one of them alone has this much


def test_a_buffer_that_goes_while_its_reply_waits(bench: Bench) -> None:
    place(bench, 1, 1024)
    run(bench)
    bench.time.elapse(1.0)
    assert bench.say("ACQ:AXI:SOUR1:DATA:Start:N? 0,2", "ACQ:AXI:SOUR1:ENable OFF").startswith(b"{0.0999")


COMMANDS = st.sampled_from(
    [
        *(f"ACQ:AXI:SOUR{n}:{node}" for n in (1, 2, 9) for node in ("SET:Buffer", "ENable", "Trig:Dly", "Trig:Fill?")),
        *(f"ACQ:AXI:SOUR1:{node}" for node in ("Write:Pos?", "Trig:Pos?", "DATA:Start:N?", "DATA:STA:N?")),
        *("ACQ:AXI:DEC", "ACQ:AXI:DATA:Units", "ACQ:START", "ACQ:STOP", "ACQ:TRig", "ACQ:SPLIT:TRig", "ACQ:RST"),
        *("ACQ:START:CH2", "ACQ:TRig:CH2", "ACQ:TRig:DLY", "ACQ:SOUR1:DATA:TRig?", "ACQ:SOUR2:DATA:Old:N?"),
        *("SOUR1:TRAC:DATA:DATA", "SOUR1:FUNC", "SOUR1:BURS:STAT", "SOUR1:BURS:INT:PER", "SOUR1:TRig:INT"),
        *("DIG:PIN", "ACQ:TRig:DLY:NS", "ACQ:TRig:HYST", "ACQ:TRig:LEV:CH1", "ACQ:TRig:EXT:DEB", "RP:RET_ON_ERROR"),
    ]
)
ARGUMENTS = st.sampled_from(
    [
        *(
            "",
            "0",
            "1",
            "16",
            "-1",
            "16777216,16",
            "16777216,65536",
            "18870272,4096",
            "0,100",
            "5,16384",
            "1e30",
            "nan",
        ),
        *("4294967295,4294967295", "ON", "OFF", "NOW", "CH1_PE", "CH2_AE", "EXT_NE", "AWG_PE", "RAW", "7,PRE_TRIG"),
        *("PWM", "ARBITRARY", "BURST", "DIO0_P,1", "OUT,DIO0_P", "0.5,-0.5", "-9000000000000000000"),
    ]
)


@given(st.lists(st.tuples(COMMANDS, ARGUMENTS, st.floats(0, 1e-2)), max_size=25))
@settings(max_examples=50, deadline=None)
def test_it_survives_any_commands(commands: list[tuple[str, str, float]]) -> None:
    bench = Bench()
    place(bench, 1, 1024)
    run(bench, trigger="CH1_PE")
    for header, argument, pause in commands:
        bench.say(f"{header} {argument}")
        bench.time.elapse(pause)
    bench.say("RP:RET_ON_ERROR OFF", "*CLS")
    assert bench.say("ACQ:BUF:SIZE?") == b"16384\r\n"
    assert bench.say("SYST:ERR?") == b'0,"No error"\r\n'


# ---- the driver on the twin ------------------------------------------------------------------------------------------


def expected_volts(number: int, first: int, count: int, started_at: float) -> NDArray[np.float64]:
    time = started_at + (first + np.arange(count)) / RATE_HZ
    volts: NDArray[np.float64] = 0.1 * number * np.sin(2 * np.pi * 700.0 * number * time) + common(time)
    return volts


@pytest.mark.parametrize("crlf", [False, True])
def test_driver_takes_a_long_record_of_four_inputs_in_pieces(crlf: bool) -> None:
    bench = Bench(fast=sines(), variant="4-input", crlf_after_block=crlf)
    board = bench.open(RedPitaya4Input)
    board.initialise()
    pieces = list(board.deep_record([1, 2, 3, 4], 100_001, DECIMATION, piece=32_768))
    assert [piece.shape for piece in pieces] == [(4, 32_768)] * 3 + [(4, 100_001 - 3 * 32_768)]
    record = np.hstack(pieces)
    assert record.dtype == np.float64
    # Coherent: every input shows what it saw at that moment, to the sample, across all pieces.
    started_at = bench.board.scope.machine(1).triggered_at
    for row, number in zip(record, (1, 2, 3, 4), strict=True):
        np.testing.assert_allclose(row, expected_volts(number, 0, 100_001, started_at), atol=0.6 * STEP_V)
    assert {call[0] for call in bench.fast.captures} == {(1, 2, 3, 4)}
    with pytest.raises(Refused, match="no deep record"):
        board.read_deep_record(0, 10)


def test_driver_reads_the_samples_of_that_moment_in_every_input() -> None:
    bench = Bench(fast=sines(), variant="4-input")
    board = bench.open(RedPitaya4Input)
    board.initialise()
    bench.time.elapse(0.5)
    board.start_deep_record([2, 4, 1, 3], SAMPLES, DECIMATION, before=0)
    started_at = bench.board.scope.machine(1).triggered_at
    bench.time.elapse(1.0)
    assert board.is_deep_record_done()
    record = np.hstack(list(board.deep_pieces(9_999)))
    for row, number in zip(record, (2, 4, 1, 3), strict=True):
        np.testing.assert_allclose(row, expected_volts(number, 0, SAMPLES, started_at), atol=0.6 * STEP_V)
    raw = board.read_deep_record(49_000, 1_000, "RAW")
    assert raw.dtype == np.int16
    np.testing.assert_allclose(raw / 8192, record[:, 49_000:])
    board.end_deep_record()


def test_driver_record_with_samples_before_a_level() -> None:
    bench = Bench(fast=Signals(in2=lambda time: np.where(time < 0.3, -0.5, 0.5)))
    board = bench.open(RedPitaya125_14)
    board.trigger_level = 0.0
    board.start_deep_record([2, 1], 20_001, DECIMATION, "CH2_PE", before=5_000)
    with pytest.raises(Refused, match="waits for the trigger"):
        board.read_deep_record(0, 10)
    bench.time.elapse(0.301 - bench.time.now())
    assert not board.is_deep_record_done()
    with pytest.raises(Refused, match="not filled its deep record"):
        board.read_deep_record(0, 10)
    bench.time.elapse(0.3)
    record = np.hstack(list(board.deep_pieces()))
    assert record.shape == (2, 20_001)
    np.testing.assert_allclose(record[0, :5_000], -0.5)
    np.testing.assert_allclose(record[0, 5_000:], 0.5)
    assert not record[1].any()
    assert board.inputs[2].deep_trigger_position == int(bench.ask("ACQ:AXI:SOUR2:Trig:Pos?"))
    assert board.inputs[2].deep_write_position >= 0


@pytest.mark.parametrize(
    ("driver", "variant", "count"), [(RedPitaya4Input, "4-input", 4), (RedPitaya125_14, "125-14", 2)]
)
def test_driver_uses_the_memory_to_the_last_page(driver: Any, variant: str, count: int) -> None:
    bench = Bench(variant=variant)
    board = bench.open(driver)
    pages = REGION_BYTES // PAGE_BYTES // count
    most = (pages * PAGE_BYTES - 16) // 2
    channels = list(range(1, count + 1))
    board.start_deep_record(channels, most, DECIMATION)
    bench.time.elapse(1.0)
    assert board.read_deep_record(most - 10, 10).shape == (count, 10)
    with pytest.raises(Refused, match=r"no deep memory for .* samples of . inputs.*reserve more memory"):
        board.start_deep_record(channels, most + 2**16, DECIMATION)
    assert board.is_deep_record_done()  # the record that was there is untouched
    board.start_deep_record([1], REGION_BYTES // 2, DECIMATION)


def test_driver_does_not_wait_for_ever() -> None:
    bench = Bench()
    board = bench.open()
    with pytest.raises(Refused, match="waits for the trigger of its deep record"):
        list(board.deep_record([1], 1000, DECIMATION, "CH1_NE"))
    assert bench.time.now() < 2.0
    with pytest.raises(Refused, match="no deep record"):
        board.is_deep_record_done()
    assert bench.say("ACQ:AXI:SOUR1:DATA:Start:N? 0,1") == b""  # the memory is released


def test_driver_left_in_the_middle_of_a_record_releases_the_memory() -> None:
    bench = Bench()
    board = bench.open()
    pieces = board.deep_record([1, 2], 40_000, 8)
    assert next(pieces).shape == (2, 16_384)
    pieces.close()
    assert bench.say("ACQ:AXI:SOUR1:DATA:Start:N? 0,1") == b""


def test_driver_on_a_board_without_deep_memory() -> None:
    bench = Bench(variant="4-input", firmware="2.00-23")
    with pytest.raises(Refused, match=r"Undefined header.*update the OS"):
        bench.open(RedPitaya4Input).start_deep_record([1], 1000, 8)


@pytest.fixture
def bench() -> Bench:
    return Bench()
