"""The simulated SIM900 at its serial port: messages, blocks, streams, and bytes that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servo_bench import Bench, BenchServo
from stepped_time import SteppedTime

from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.ports import ServoSettings

MAINFRAME = b"Stanford_Research_Systems,SIM900,s/n152741,ver3.6\r\n"


def test_identity_and_slots() -> None:
    bench = Bench(1, 3, 8)
    assert bench.say("*IDN?\n") == MAINFRAME
    assert bench.say("CTCR?\r\n") == b"266\r\n"
    assert bench.say("CTCR? 3\nCTCR? 4\n") == b"1\r\n0\r\n"


@pytest.mark.parametrize("slot", [0, 9])
def test_no_such_slot(slot: int) -> None:
    with pytest.raises(ValueError, match="slots 1 to 8"):
        SimulatedSIM900(SteppedTime(), {slot: BenchServo()})


def test_nine_thousand_six_hundred_baud() -> None:
    assert Bench().twin.wire_time(96) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("word", "end"), [("LF", b"\n"), ("CR", b"\r"), ("CRLF", b"\r\n"), ("LFCR", b"\n\r"), ("NONE", b""), ("2", b"\n")]
)
def test_host_terminator(word: str, end: bytes) -> None:
    bench = Bench()
    assert bench.say(f"TERM D,{word}\nNINP? 3\n") == b"0" + end


def test_terminator_of_a_port_is_not_that_of_the_host() -> None:
    bench = Bench()
    assert bench.say("TERM 3,LF\nNINP? 3\n") == b"0\r\n"


@pytest.mark.parametrize("quoted", ['"OMON?"', "'OMON?'"])
def test_message_mode(quoted: str) -> None:
    bench = Bench()
    bench.servos[3].loop_output = 1.106139
    assert bench.say(f"SNDT 3,{quoted}\n") == b""
    assert bench.say("NINP? 3\n") == b"12\r\n"
    assert bench.say("RAWN? 3,12\n") == b"+01.106139\r\n"
    assert bench.say("NINP? 3\n") == b"0\r\n"


def test_semicolon_inside_quotes_belongs_to_the_module() -> None:
    bench = Bench()
    assert bench.say('SNDT 3,"OFST 1;OFST?";NINP? 3\n') == b"0\r\n"
    assert bench.say("RAWN? 3,99\n") == b"+1.000\r\n"


def test_send_without_terminator_waits_for_it() -> None:
    bench = Bench()
    bench.say('SEND 3,"OFST"\n')
    bench.say('SNDT 3,"?"\n')
    assert bench.say("RAWN? 3,99\n") == b"+0.000\r\n"


def test_reply_arrives_byte_by_byte() -> None:
    bench = Bench()
    bench.say('SNDT 3,"OMON?"\n', wait=0.0)
    counts = [int(bench.say("NINP? 3\n", wait=2e-3)) for _ in range(15)]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == 12
    assert len(set(counts)) > 4


def test_raw_gives_what_is_there() -> None:
    bench = Bench()
    bench.say('SNDT 3,"OFST?"\n')
    assert bench.say("RAWN? 3,3\n") == b"+0."
    assert bench.say("RAWN? 3,99\n") == b"000\r\n"


def test_block_holds_the_modules_own_terminator() -> None:
    bench = Bench()
    bench.say('SNDT 3,"TERM LF;OFST?"\n')
    assert bench.say("GETN? 3,128\n") == b"#3007+0.000\n\r\n"
    assert bench.say("GETN? 3,128\n") == b"#3000\r\n"


def test_flush_of_one_port_and_of_all() -> None:
    bench = Bench(1, 2)
    for command, left in (("FLSH 1", (0, 8)), ("FLSH", (0, 0))):
        bench.say('SNDT 1,"OFST?"\nSNDT 2,"OFST?"\n')
        bench.say(command + "\n")
        assert (int(bench.say("NINP? 1\n")), int(bench.say("NINP? 2\n"))) == left
        bench.say("FLSH\n")


def test_device_clear_drops_what_waits() -> None:
    bench = Bench()
    bench.say('SNDT 3,"OFST?"\n')
    assert bench.say("*DCL\nNINP? 3\n") == b"0\r\n"


def test_reset_of_a_port_makes_it_deaf_for_the_break() -> None:
    bench = Bench()
    bench.servos[3].settings = ServoSettings(offset_v=1.0)
    bench.say("SRST 3\n", wait=0.05)
    bench.say('SNDT 3,"OFST?"\n', wait=0.06)
    assert bench.say("NINP? 3\n") == b"0\r\n"
    assert bench.tell(3, "OFST?") == b"+1.000\r\n"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_stream_mode(quote: str) -> None:
    bench = Bench()
    assert bench.say(f"CONN 3,{quote}xyx{quote}\n*IDN?\n") == b"Stanford_Research_Systems,SIM960,s/n011503,ver2.17\r\n"
    assert bench.say("CTCR?\n") == b""
    assert bench.say("x") == b""
    assert bench.say("y") == b""
    assert bench.say("x*IDN?\n") == MAINFRAME


def test_what_only_begins_like_the_escape_string_reaches_the_module() -> None:
    bench = Bench()
    bench.say('CONN 3,"OOO"\n')
    bench.say("O")
    assert bench.say("FST?\n") == b"+0.000\r\n"
    assert bench.say("OOO*IDN?\n") == MAINFRAME


def test_stream_mode_outlives_the_program() -> None:
    bench = Bench()
    bench.say('CONN 3,"xyx"\n')
    bench.twin.on_disconnect()
    bench.twin.on_connect()
    assert b"SIM960" in bench.say("*IDN?\n")


def test_stream_mode_hands_over_readings_as_they_come() -> None:
    bench = Bench()
    bench.say('CONN 3,"xyx"\nOMON? 0\n')
    assert [bench.say("", wait=0.5).count(b"\r\n") for _ in range(4)] == [1, 1, 1, 1]
    assert bench.twin.ready_at() is not None
    assert bench.say("SOUT\n", wait=1.0) == b""


def test_empty_slot_is_silent() -> None:
    bench = Bench(3)
    bench.say('SNDT 5,"*IDN?"\n')
    assert bench.say("NINP? 5\nRAWN? 5,9\n") == b"0\r\n"
    bench.say('CONN 5,"xyx"\n')
    assert bench.say("*IDN?\n") == b""


@pytest.mark.parametrize(
    "command",
    [
        "HUHU?", "HUHU", "SNDT 3", "SNDT 9,'OFST?'", 'SNDT 3,"OFST?', "NINP?", "NINP? 12", "RAWN? 3", "RAWN? 3,x",
        "CONN 3,''", "TERM D,TAB",
    ],
)  # fmt: skip
def test_bad_command_is_silent_and_noted(command: str) -> None:
    bench = Bench()
    assert bench.say("*CLS\n" + command + "\n") == b""
    assert bench.say("*ESR?\n*ESR?\n") == b"32\r\n0\r\n"


def test_accepted_configuration() -> None:
    bench = Bench()
    assert bench.say("*CLS\nCEOI ON\nEOIX ON\nVERB 127\n*ESR?\n*OPC?\n") == b"0\r\n1\r\n"


def test_line_is_bounded() -> None:
    bench = Bench()
    bench.say(b"A" * 10_000)
    assert bench.say("\n*IDN?\n") == MAINFRAME


FRAGMENTS = st.sampled_from(
    [
        b"SNDT 3,", b'"OMON? 0"', b'"CONS ON"', b'"GAIN 1E3"', b"\n", b"\r", b";", b"'", b'"', b"RAWN? 3,", b"NINP? 3",
        b"99", b'CONN 3,"xy"', b"x", b"y", b"GETN? 3,", b"FLSH", b"SRST 3", b"TERM D,", b"LF", b"?", b"*RST", b"*DCL",
    ]
)  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=40), FRAGMENTS), max_size=12))
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    bench = Bench(3)
    for chunk in chunks:
        bench.say(chunk, wait=0.3)
    bench.say(b"\n")
    if bench.twin._connected is not None:
        bench.say(bench.twin._escape)
    bench.say(b"\nTERM D,CRLF\n", wait=0.5)
    assert bench.say("*IDN?\n") == MAINFRAME
