"""Back into step by a mark: over lines that lag, stall and lose replies, no answer is ever taken for another's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from drivers.base import Driver
from drivers.errors import BadReply, NoReply
from drivers.late_replies import LONGEST_ROW, SHORT_SILENCE_MS, Marks
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

TIME_OUT_S = 1.0
PROCESSING_S = 1e-3
MARK = "mark"


@dataclass
class Line:
    """A line that keeps the order of what it carries: each reply comes `lag_s` after its question, but none before
    `stalled_until_s`; those to the questions in `lost`, counted from 0, never come."""

    lag_s: float = PROCESSING_S
    stalled_until_s: float = 0.0
    lost: frozenset[int] = frozenset()
    now_s: float = 0.0
    asked: int = 0
    carried: deque[tuple[float, str]] = field(default_factory=deque)

    def ask(self, question: str) -> None:
        if self.asked not in self.lost:
            self.carried.append((max(self.now_s + self.lag_s, self.stalled_until_s), question))
        self.asked += 1

    def read(self, time_out_s: float) -> str | None:
        if self.carried and self.carried[0][0] <= self.now_s + time_out_s:
            arrives_s, reply = self.carried.popleft()
            self.now_s = max(self.now_s, arrives_s)
            return reply
        self.now_s += time_out_s
        return None


class Host:
    """What a driver does with its line; the answer to a question is its number, and a mark is no number."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.marks = Marks()
        self.in_step = True
        self.answered: list[tuple[int, int]] = []

    def ask(self, number: int) -> bool:
        """Ask question `number`; return whether something was taken for its answer."""
        if not self.in_step and not self._find_step():
            return False
        self.line.ask(str(number))
        reply = self.line.read(TIME_OUT_S)
        self.in_step = reply is not None and reply != MARK
        if reply is None or reply == MARK:
            return False
        self.answered.append((number, int(reply)))
        return True

    def _find_step(self) -> bool:
        while self._read(soon=True) is not None:
            pass
        self.in_step = self.marks.seek(lambda: self.line.ask(MARK), self._read, MARK.__eq__)
        return self.in_step

    def _read(self, soon: bool) -> str | None:
        return self.line.read(SHORT_SILENCE_MS / 1000 if soon else TIME_OUT_S)

    def swapped(self) -> list[tuple[int, int]]:
        return [pair for pair in self.answered if pair[0] != pair[1]]


@given(lag_s=st.floats(TIME_OUT_S, (LONGEST_ROW - 1) * TIME_OUT_S), questions=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_a_line_that_always_lags_by_more_than_the_time_out_swaps_nothing(lag_s: float, questions: int) -> None:
    host = Host(Line(lag_s=lag_s))
    for number in range(questions):
        host.ask(number)
    assert host.swapped() == []
    host.line.now_s += lag_s
    host.line.lag_s = PROCESSING_S
    assert [host.ask(number) for number in (50, 51, 52)][1:] == [True, True]
    assert host.swapped() == []


@given(
    stall_s=st.floats(0.0, 20 * TIME_OUT_S),
    lost=st.frozensets(st.integers(0, 40), max_size=40),
    questions=st.integers(1, 20),
)
@settings(max_examples=200, deadline=None)
def test_a_stall_that_ends_in_a_burst_swaps_nothing_whatever_of_it_is_lost(
    stall_s: float, lost: frozenset[int], questions: int
) -> None:
    host = Host(Line(stalled_until_s=stall_s, lost=lost))
    for number in range(questions):
        host.ask(number)
    assert host.swapped() == []


@pytest.mark.parametrize("lost", range(12))
def test_after_an_outage_the_second_question_at_the_latest_is_answered(lost: int) -> None:
    line = Line(lost=frozenset(range(lost)))
    host = Host(line)
    while line.asked < lost:
        host.ask(0)
    assert [host.ask(1), host.ask(2)][1]
    assert host.swapped() == []


def test_one_late_reply_costs_one_mark_and_no_time_out() -> None:
    line = Line(stalled_until_s=1.5 * TIME_OUT_S)
    host = Host(line)
    assert not host.ask(1)
    before_s = line.now_s
    assert host.ask(2)
    assert (line.asked, line.now_s - before_s < TIME_OUT_S) == (3, True)
    assert host.answered == [(2, 2)]


# ---- what a driver makes of it ---------------------------------------------------------------------------------------


class Meter(WireInstrument):
    """Answers "n?" with n and "WHO?" with its name, each reply `delays_s` later, the last of them for good."""

    def __init__(self, timebase: SteppedTime) -> None:
        super().__init__(timebase)
        self.delays_s = [0.0]
        self.heard: list[str] = []

    def on_bytes(self, data: bytes) -> None:
        question = data.decode("ascii").strip()
        self.heard.append(question)
        delay_s = self.delays_s.pop(0) if len(self.delays_s) > 1 else self.delays_s[0]
        self.send(b"meter\n" if question == "WHO?" else question.rstrip("?").encode("ascii") + b"\n", delay_s)


class MeterDriver(Driver):
    """A driver whose replies do not say what they answer."""

    tells_late_replies_apart = True

    def __init__(self, library: Any) -> None:
        options = {"read_termination": "\n", "write_termination": "\n", "timeout": round(1000 * TIME_OUT_S)}
        super().__init__("ASRL7::INSTR", "meter", visa_library=library, **options)

    def number(self, wanted: int) -> float:
        with self.transaction(f"number {wanted}"), self.transaction():
            return float(self.values(f"{wanted}?")[0])

    def listen(self) -> str:
        with self.transaction():
            return str(self.read())

    def _ask_for_mark(self) -> None:
        self._seek_mark("WHO?", "meter".__eq__)


@pytest.fixture
def bench() -> tuple[Meter, MeterDriver]:
    time = SteppedTime()
    meter = Meter(time)
    return meter, MeterDriver(simulated_library(time, {"ASRL7::INSTR": meter}))


def test_a_driver_asks_for_its_mark_once_after_silence(bench: tuple[Meter, MeterDriver]) -> None:
    meter, driver = bench
    meter.delays_s = [1.7 * TIME_OUT_S, 0.0]
    with pytest.raises(NoReply, match=r"did not answer in time after '1\?'"):
        driver.number(1)
    assert [driver.number(2), driver.number(3)] == [2.0, 3.0]
    assert meter.heard == ["1?", "WHO?", "2?", "3?"]


def test_a_driver_that_finds_no_mark_says_so_and_sends_nothing_else(bench: tuple[Meter, MeterDriver]) -> None:
    meter, driver = bench
    meter.delays_s = [100.0]
    for number in (1, 2, 3):
        with pytest.raises(NoReply):
            driver.number(number)
    with pytest.raises(NoReply, match=r"meter: answers late or not at all after 'WHO\?'.*raise its timeout"):
        driver.number(4)
    assert set(meter.heard) == {"1?", "WHO?"}
    driver.reconnect()
    meter.delays_s = [0.0]
    assert driver.number(5) == 5.0


def test_an_exchange_without_a_name_has_that_of_the_one_around_it(bench: tuple[Meter, MeterDriver]) -> None:
    _, driver = bench
    with pytest.raises(NoReply, match="after 'the last word'"), driver.transaction("the last word"):
        driver.listen()


def test_nonsense_comes_with_advice(bench: tuple[Meter, MeterDriver]) -> None:
    _, driver = bench
    with pytest.raises(BadReply, match=r"expected a number after 'x\?' \(it answered 'x'\)\. Check cable") as nonsense:
        driver.values("x?")
    assert str(nonsense.value).endswith(nonsense.value.remedy)
