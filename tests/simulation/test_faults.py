"""Faults on the wire of a simulated instrument: silence, garbage and another model, from their time on and not
before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import pyvisa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyvisa.constants import StatusCode
from stepped_time import SteppedTime

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.instrument_faults import InstrumentFault
from labctl.simulation.faults import GARBAGE_BYTES, LATE_S, OTHER_MODEL, Fault, FaultyWire
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
AFTER_S = 10.0
WIRE_KINDS = [FaultKind.SILENT, FaultKind.GARBAGE, FaultKind.WRONG_MODEL]


class Gauge(WireInstrument):
    """Answers every question with 1.25, and remembers all that it heard."""

    baud = 9600.0

    def __init__(self, timebase: SteppedTime) -> None:
        super().__init__(timebase)
        self.heard = b""
        self.connections = 0
        self.advanced_to = 0.0

    def advance(self, now: float) -> None:
        self.advanced_to = now

    def on_connect(self) -> None:
        self.connections += 1

    def on_disconnect(self) -> None:
        super().on_disconnect()
        self.connections -= 1

    def on_bytes(self, data: bytes) -> None:
        self.heard += data
        if b"?" in data:
            self.send(b"1.25\r\n", 0.01)


class Bench:
    def __init__(self, kind: FaultKind, after_s: float = AFTER_S, seed: int = 1) -> None:
        self.time = SteppedTime()
        self.gauge = Gauge(self.time)
        rng = np.random.default_rng(seed)
        self.wire = FaultyWire(self.gauge, self.time, rng, faults=[Fault(kind, after_s)])
        self.library = simulated_library(self.time, {ADDRESS: self.wire})
        self.link: Any = pyvisa.ResourceManager(self.library).open_resource(
            ADDRESS, read_termination="\r\n", write_termination="\n", timeout=500
        )

    def answer(self, question: str = "P?", chunks: Sequence[int] = ()) -> bytes:
        """Ask, and return every byte that comes before silence; `chunks` are read first."""
        self.link.write(question)
        self.link.read_termination = None
        got = b""
        try:
            for count in chunks:
                got += self.link.read_bytes(count)
            while True:
                got += self.link.read_bytes(1)
        except pyvisa.errors.VisaIOError as error:
            assert error.error_code == StatusCode.error_timeout
        return got


def test_a_station_file_can_name_every_kind() -> None:
    for kind in FaultKind:
        assert InstrumentFault(instrument="gauge", kind=kind.value).kind is kind


@pytest.mark.parametrize("kind", WIRE_KINDS)
def test_before_its_time_a_fault_changes_nothing(kind: FaultKind) -> None:
    bench = Bench(kind)
    assert bench.wire.baud == 9600.0
    assert bench.link.query("P?") == "1.25"
    bench.link.write("SET 3")
    assert bench.answer(chunks=[2, 2]) == b"1.25\r\n"
    assert bench.gauge.heard == b"P?\nSET 3\nP?\n"


@pytest.mark.parametrize("kind", WIRE_KINDS)
def test_connections_pass_through(kind: FaultKind) -> None:
    bench = Bench(kind, after_s=0.0)
    assert bench.gauge.connections == 1
    bench.link.write("P?")
    bench.link.close()
    assert bench.gauge.connections == 0
    bench.time.elapse(1.0)
    assert bench.wire.take() == b""


def test_a_silent_instrument_takes_commands_and_says_nothing() -> None:
    bench = Bench(FaultKind.SILENT)
    bench.time.elapse(AFTER_S)
    assert bench.answer() == b""
    assert bench.gauge.heard == b"P?\n"
    assert bench.wire.ready_at() is None


@pytest.mark.parametrize(("kind", "goes_on"), [(FaultKind.DROPPED, True), (FaultKind.POWER_CYCLE, False)])
def test_without_its_cable_an_instrument_goes_on_and_without_power_it_does_not(kind: FaultKind, goes_on: bool) -> None:
    bench = Bench(kind)
    for now in (0.5 * AFTER_S, 2.0 * AFTER_S):
        bench.time.elapse(now - bench.time.now())
        bench.wire.advance(now)
    assert not bench.wire.link_is_up()
    assert bench.gauge.advanced_to == (2.0 if goes_on else 0.5) * AFTER_S


def test_what_is_asked_after_a_late_reply_is_answered_after_it() -> None:
    bench = Bench(FaultKind.LATE, after_s=0.0)
    assert bench.answer() == b""
    (late,) = bench.wire._faults
    bench.wire.end(late)
    bench.gauge.on_bytes = lambda data: bench.gauge.send(b"2.50\r\n", 0.01)  # type: ignore[method-assign]
    assert bench.answer() == b""
    bench.time.elapse(LATE_S)
    assert bench.answer() == b"1.25\r\n2.50\r\n2.50\r\n"


def test_an_instrument_that_falls_silent_keeps_what_it_had_not_said_yet() -> None:
    bench = Bench(FaultKind.SILENT)
    bench.time.elapse(AFTER_S - 0.005)
    assert bench.answer() == b""  # the reply would have come 10 ms later


@pytest.mark.parametrize("seed", range(5))
def test_garbage_replaces_a_reply_once_and_comes_to_an_end(seed: int) -> None:
    bench = Bench(FaultKind.GARBAGE, after_s=0.0, seed=seed)
    garbled = bench.answer()
    assert len(garbled) == GARBAGE_BYTES + 2
    assert garbled.endswith(b"\r\n")
    assert b"1.25" not in garbled
    assert bench.answer() != garbled
    assert Bench(FaultKind.GARBAGE, after_s=0.0, seed=seed).answer() == garbled


def test_garbage_needs_a_reply() -> None:
    bench = Bench(FaultKind.GARBAGE, after_s=0.0)
    assert bench.answer("SET 3") == b""
    assert bench.gauge.heard == b"SET 3\n"


@given(chunks=st.lists(st.integers(1, 9), max_size=5))
@settings(max_examples=40, deadline=None)
def test_garbage_is_the_same_in_whatever_pieces_it_is_read(chunks: list[int]) -> None:
    whole = Bench(FaultKind.GARBAGE, after_s=0.0).answer()
    pieces = Bench(FaultKind.GARBAGE, after_s=0.0).answer(chunks=[n for n in chunks if sum(chunks) <= len(whole)])
    assert pieces == whole


def test_garbage_that_is_thrown_away_is_gone() -> None:
    bench = Bench(FaultKind.GARBAGE, after_s=0.0)
    bench.link.write("P?")
    bench.link.read_bytes(3)
    bench.link.flush(pyvisa.constants.BufferOperation.discard_read_buffer)
    bench.time.elapse(1.0)
    assert bench.wire.take() == b""


def test_another_model_answers_questions_in_its_own_way_and_hides_the_right_one() -> None:
    bench = Bench(FaultKind.WRONG_MODEL, after_s=0.0)
    bench.link.write("SET 3")
    assert bench.link.query("*IDN?") == OTHER_MODEL.decode()
    assert bench.answer(chunks=[4]) == OTHER_MODEL + b"\r\n"
    assert bench.gauge.heard == b""


def test_what_was_read_before_the_fault_began_stays_read() -> None:
    bench = Bench(FaultKind.GARBAGE, after_s=0.05)
    bench.link.write("P?")
    bench.link.read_termination = None
    assert bench.link.read_bytes(2) == b"1."
    bench.time.elapse(1.0)
    assert bench.link.read_bytes(4) == b"25\r\n"
    assert b"1.25" not in bench.answer()
