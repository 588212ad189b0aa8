"""The VISA library in this process: addresses, termination, pieces of replies, and time-outs in lab time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import pyvisa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyvisa.constants import BufferOperation, StatusCode
from stepped_time import SteppedTime

from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import BITS_PER_SERIAL_BYTE, NETWORK_LATENCY_S, WireInstrument

SOCKET = "TCPIP::127.0.0.1::5025::SOCKET"
SERIAL = "ASRL7::INSTR"
TIMEOUT_S = 0.75


class Speaker(WireInstrument):
    """Says what the test tells it to say."""

    def __init__(self, timebase: SteppedTime, baud: float | None = None) -> None:
        super().__init__(timebase)
        self.baud = baud
        self.heard: list[bytes] = []
        self.on_heard: Callable[[bytes], None] = lambda data: None

    def on_bytes(self, data: bytes) -> None:
        self.heard.append(data)
        self.on_heard(data)


class Bench:
    def __init__(self, address: str = SOCKET, baud: float | None = None) -> None:
        self.time = SteppedTime()
        self.speaker = Speaker(self.time, baud)
        self.library = simulated_library(self.time, {address: self.speaker})
        self.manager = pyvisa.ResourceManager(self.library)
        self.link: Any = self.manager.open_resource(
            address, read_termination="\n", write_termination="\n", timeout=1000 * TIMEOUT_S
        )

    def times_out(self, read: Callable[[], object]) -> float:
        """Return how much lab time `read` took to time out."""
        before = self.time.now()
        with pytest.raises(pyvisa.errors.VisaIOError) as failure:
            read()
        assert failure.value.error_code == StatusCode.error_timeout
        return self.time.now() - before


# ---- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["TCPIP::127.0.0.1::5026::SOCKET", "ASRL8::INSTR", "TCPIP::10.0.0.1::5025::SOCKET"])
def test_an_address_where_nobody_is_cannot_be_opened(address: str) -> None:
    bench = Bench()
    with pytest.raises(pyvisa.errors.VisaIOError) as failure:
        bench.manager.open_resource(address)
    assert failure.value.error_code == StatusCode.error_resource_not_found


@pytest.mark.parametrize(
    ("served", "asked"),
    [
        (SOCKET, "TCPIP0::127.0.0.1::5025::SOCKET"),
        ("TCPIP0::127.0.0.1::5025::SOCKET", SOCKET),
        (SERIAL, "ASRL7"),
        ("ASRL/dev/ttyUSB0::INSTR", "ASRL/dev/ttyUSB0::INSTR"),
    ],
)
def test_an_address_may_be_spelled_in_every_way_that_visa_allows(served: str, asked: str) -> None:
    time = SteppedTime()
    manager = pyvisa.ResourceManager(simulated_library(time, {served: Speaker(time)}))
    manager.open_resource(asked).close()


def test_what_is_served_is_listed() -> None:
    time = SteppedTime()
    manager = pyvisa.ResourceManager(simulated_library(time, {SOCKET: Speaker(time), SERIAL: Speaker(time)}))
    assert set(manager.list_resources("?*")) == {"TCPIP0::127.0.0.1::5025::SOCKET", "ASRL7::INSTR"}
    assert manager.list_resources("ASRL?*") == ("ASRL7::INSTR",)


def test_each_library_has_its_own_instruments_and_lives_as_long_as_its_owner() -> None:
    first, second = Bench(), Bench()
    first.link.write("hello")
    assert first.speaker.heard == [b"hello\n"]
    assert second.speaker.heard == []
    speaker = weakref.ref(second.speaker)
    second.link.close()
    del second
    gc.collect()
    assert speaker() is None


# ---- replies --------------------------------------------------------------------------------------------------------


def test_a_line_is_read_to_its_termination_and_the_next_one_waits() -> None:
    bench = Bench()
    bench.speaker.send(b"one\ntwo\nthr")
    bench.speaker.send(b"ee\n")
    assert [bench.link.read() for _ in range(3)] == ["one", "two", "three"]


def test_bytes_are_read_by_count_and_the_rest_is_put_back_in_order() -> None:
    bench = Bench()
    bench.speaker.send(b"0123\n56")
    bench.link.read_termination = None
    assert bench.link.read_bytes(2) == b"01"
    assert bench.link.read_bytes(4) == b"23\n5"
    bench.speaker.send(b"789")
    assert bench.link.read_bytes(4) == b"6789"


def test_a_count_that_ends_before_the_termination_counts() -> None:
    bench = Bench()
    bench.speaker.send(b"abcdef\n")
    with bench.link.ignore_warning(StatusCode.success_max_count_read):
        data, status = bench.library.read(bench.link.session, 4)
    assert (data, status) == (b"abcd", StatusCode.success_max_count_read)
    data, status = bench.library.read(bench.link.session, 10)
    assert (data, status) == (b"ef\n", StatusCode.success_termination_character_read)


def test_the_termination_may_be_any_character_and_may_be_off() -> None:
    bench = Bench()
    bench.speaker.send(b"a\nb>c\n")
    bench.link.read_termination = ">"
    assert bench.link.read() == "a\nb"
    bench.link.read_termination = None
    assert bench.times_out(lambda: bench.link.read_bytes(3)) == pytest.approx(TIMEOUT_S)
    assert bench.link.read_bytes(2) == b"c\n"


@given(
    replies=st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=6),
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    delays=st.lists(st.floats(0.0, 0.5), min_size=6, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_nothing_is_lost_or_out_of_order_however_it_is_read(
    replies: list[bytes], counts: list[int], delays: list[float]
) -> None:
    bench = Bench()
    bench.link.read_termination = None
    for reply, delay in zip(replies, delays, strict=False):
        bench.speaker.send(reply, delay)
    sent = b"".join(replies)
    got = b""
    for count in counts:
        if len(got) + count > len(sent):
            break
        got += bench.link.read_bytes(count)
    rest = len(sent) - len(got)
    if rest:
        got += bench.link.read_bytes(rest)
    assert got == sent
    assert bench.speaker.ready_at() is None


def test_bytes_that_wait_are_counted_and_stay() -> None:
    bench = Bench(SERIAL, baud=9600.0)
    assert bench.link.bytes_in_buffer == 0
    bench.speaker.send(b"abc\n")
    assert bench.link.bytes_in_buffer == 4
    assert bench.link.bytes_in_buffer == 4
    assert bench.link.read() == "abc"
    assert bench.link.bytes_in_buffer == 0


@pytest.mark.parametrize(
    "drop", [lambda link: link.flush(BufferOperation.discard_read_buffer), lambda link: link.clear()]
)
def test_what_waits_can_be_dropped(drop: Callable[[Any], None]) -> None:
    bench = Bench()
    bench.speaker.send(b"old\nolder\n")
    bench.link.read()
    drop(bench.link)
    bench.speaker.send(b"new\n")
    assert bench.link.read() == "new"


# ---- time -----------------------------------------------------------------------------------------------------------


def test_silence_takes_exactly_the_timeout_of_lab_time() -> None:
    bench = Bench()
    assert bench.times_out(bench.link.read) == pytest.approx(TIMEOUT_S, abs=1e-12)
    bench.link.timeout = 20
    assert bench.times_out(bench.link.read) == pytest.approx(0.02, abs=1e-12)


def test_half_a_line_takes_exactly_the_timeout_too_and_is_not_lost() -> None:
    bench = Bench()
    bench.speaker.send(b"1.2", 0.3)
    assert bench.times_out(bench.link.read) == pytest.approx(TIMEOUT_S, abs=1e-12)
    bench.speaker.send(b"5\n")
    assert bench.link.read() == "1.25"


@pytest.mark.parametrize("delay", [0.0, 0.3, TIMEOUT_S - 1e-6])
def test_a_reply_is_read_when_it_is_ready_and_no_later(delay: float) -> None:
    bench = Bench()
    bench.speaker.send(b"1\n", delay)
    assert bench.link.read() == "1"
    assert bench.time.now() == pytest.approx(delay + NETWORK_LATENCY_S, abs=1e-6)


def test_a_reply_that_comes_after_the_timeout_waits_for_the_next_read() -> None:
    bench = Bench()
    bench.speaker.send(b"late\n", TIMEOUT_S + 0.1)
    assert bench.times_out(bench.link.read) == pytest.approx(TIMEOUT_S, abs=1e-12)
    assert bench.link.read() == "late"
    assert bench.time.now() == pytest.approx(TIMEOUT_S + 0.1 + NETWORK_LATENCY_S, abs=1e-6)


def test_a_reply_whose_time_moves_is_read_at_its_last_time() -> None:
    bench = Bench()
    end = [0.2]

    def still_sweeping() -> float:
        if bench.time.now() >= 0.2:
            end[0] = 0.5
        return end[0]

    def trace() -> bytes:
        return f"done at {bench.time.now():.1f}\n".encode()

    bench.speaker.send_when(still_sweeping, trace)
    bench.speaker.send(b"next\n")
    assert bench.link.read() == "done at 0.5"
    assert bench.link.read() == "next"


@pytest.mark.parametrize(("address", "baud"), [(SOCKET, None), (SERIAL, 9600.0), (SERIAL, 115200.0)])
def test_the_wire_takes_its_time_in_both_directions(address: str, baud: float | None) -> None:
    def on_wire(count: int) -> float:
        return NETWORK_LATENCY_S if baud is None else count * BITS_PER_SERIAL_BYTE / baud

    bench = Bench(address, baud)
    heard_at: list[float] = []

    def answer(data: bytes) -> None:
        heard_at.append(bench.time.now())
        bench.speaker.send(b"12345\n")

    bench.speaker.on_heard = answer
    assert bench.link.query("hello") == "12345"
    assert heard_at == [pytest.approx(on_wire(6))]
    assert bench.time.now() == pytest.approx(on_wire(6) + on_wire(6), abs=1e-6)


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_closed_link_is_invalid_and_what_it_had_not_read_is_gone() -> None:
    bench = Bench()
    bench.speaker.send(b"unread\n")
    session = bench.link.session
    bench.link.close()
    with pytest.raises(pyvisa.errors.InvalidSession):
        bench.link.read()
    for call in (
        lambda: bench.library.read(session, 1),
        lambda: bench.library.write(session, b"x"),
        lambda: bench.library.flush(session, BufferOperation.discard_read_buffer),
        lambda: bench.library.get_attribute(session, pyvisa.constants.ResourceAttribute.timeout_value),
    ):
        with pytest.raises(pyvisa.errors.VisaIOError) as failure:
            call()
        assert failure.value.error_code == StatusCode.error_invalid_object
    again: Any = bench.manager.open_resource(SOCKET, read_termination="\n", timeout=100)
    bench.speaker.send(b"new\n")
    assert again.read() == "new"


def test_settings_belong_to_their_session() -> None:
    bench = Bench()
    other: Any = bench.manager.open_resource(SOCKET, read_termination=";", timeout=100)
    assert (bench.link.timeout, other.timeout) == (1000 * TIMEOUT_S, 100)
    bench.speaker.send(b"a;b\n")
    assert other.read() == "a"
    assert bench.link.read() == "b"
