"""Bytes on a serial line: in order, none lost, none early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepped_time import SteppedTime

from labctl.simulation.serial_line import SerialLine, SerialWire
from labctl.simulation.wire import WireInstrument

BAUD = 9600.0
BYTE_S = 10 / BAUD


class Answerer(WireInstrument):
    """Answers every line with itself, `delay` later, and counts its connections."""

    def __init__(self, time: SteppedTime, delay: float = 0.0) -> None:
        super().__init__(time)
        self.delay = delay
        self.heard = b""
        self.connections = 0
        self.up = True

    def link_is_up(self) -> bool:
        return self.up

    def on_connect(self) -> None:
        self.connections += 1

    def on_bytes(self, data: bytes) -> None:
        for byte in data:
            self.heard += bytes([byte])
            if byte == ord("\n"):
                self.send(self.heard, self.delay)
                self.heard = b""


@given(st.lists(st.tuples(st.binary(max_size=40), st.floats(0.0, 0.1)), max_size=20))
def test_every_byte_arrives_once_in_order_and_not_before_its_time(pieces: list[tuple[bytes, float]]) -> None:
    line, now = SerialLine(BAUD), 0.0
    sent, arrived, free_at = b"", b"", 0.0
    due: list[float] = []
    for data, wait in pieces:
        line.put(data, now)
        for _ in data:
            free_at = max(free_at, now) + BYTE_S
            due.append(free_at)
        sent += data
        now += wait
        arrived += line.arrived(now)
        assert len(arrived) == pytest.approx(sum(at <= now for at in due), abs=1)
        assert all(at <= now + 1e-6 for at in due[: len(arrived)])
        assert arrived + bytes(line._bytes) == sent
    while (at := line.next_at()) is not None:
        now = max(now, at)
        data = line.arrived(now)
        assert data
        arrived += data
    assert arrived == sent
    assert len(line) == 0


def test_the_next_look_is_at_the_end_of_the_line_or_of_a_stretch() -> None:
    line = SerialLine(BAUD)
    assert line.next_at() is None
    line.put(b"ab\rlonger than a stretch without an end", 1.0)
    assert line.next_at() == pytest.approx(1.0 + 3 * BYTE_S)
    assert line.arrived(1.0 + 3 * BYTE_S) == b"ab\r"
    assert line.next_at() == pytest.approx(1.0 + (3 + 16) * BYTE_S)


def test_question_and_answer_take_their_time_on_the_line_both_ways() -> None:
    time = SteppedTime()
    wire = SerialWire(Answerer(time, delay=0.5), BAUD)
    wire.on_bytes(b"hello\n")
    answer = b""
    while not answer.endswith(b"\n"):
        ready_at = wire.ready_at()
        assert ready_at is not None
        time.time = max(time.time, ready_at)
        answer += wire.take()
    assert answer == b"hello\n"
    assert time.time == pytest.approx(12 * BYTE_S + 0.5)
    assert wire.ready_at() is None


def test_what_is_on_the_line_when_the_host_leaves_still_arrives_and_the_answer_goes_nowhere() -> None:
    time = SteppedTime()
    instrument = Answerer(time)
    wire = SerialWire(instrument, BAUD)
    wire.on_connect()
    wire.on_bytes(b"old\nhal")
    time.elapse(4 * BYTE_S)
    assert wire.ready_at() is not None
    assert wire.replies_waiting() > 0
    wire.on_disconnect()
    wire.on_bytes(b"f\n")
    time.elapse(1.0)
    wire.take()
    time.elapse(1.0)
    assert wire.take() == b"half\n"
    assert instrument.connections == 1


def test_nothing_gets_through_a_cable_that_is_out() -> None:
    time = SteppedTime()
    instrument = Answerer(time)
    wire = SerialWire(instrument, BAUD)
    instrument.up = False
    wire.on_bytes(b"lost\n")
    time.elapse(1.0)
    assert not wire.link_is_up()
    assert wire.ready_at() is None
    assert wire.take() == b""
    instrument.up = True
    wire.on_bytes(b"found\n")
    time.elapse(1.0)
    wire.take()
    time.elapse(1.0)
    assert wire.take() == b"found\n"
