"""The alarm book: latched, acknowledged, put aside, and one alarm for what has one cause."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from labctl.bus.messages import AlarmRow, Severity
from labctl.core.alarms import MOST_ALARMS, OUTLIVE_S, AlarmBook, in_runs
from labctl.errors import LabError

MINOR, MAJOR, INVALID = Severity.MINOR, Severity.MAJOR, Severity.INVALID


def only(book: AlarmBook, now: float = 0.0) -> AlarmRow:
    (row,) = book.rows(now)
    return row


# ---- as a machine ---------------------------------------------------------------------------------------------------

SOURCES = st.sampled_from(["lo1", "lo2", "oven"])


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done in whichever order: what is active stays in the list until both have happened."""

    def __init__(self) -> None:
        super().__init__()
        self.book = AlarmBook()
        self.now = 0.0
        self.active: dict[str, Severity] = {}
        self.unseen: set[str] = set()  # raised since they were acknowledged last
        self.aside: dict[str, float] = {}

    @rule(source=SOURCES, severity=st.sampled_from([MINOR, MAJOR, INVALID]), again=st.booleans())
    def raise_it(self, source: str, severity: Severity, again: bool) -> None:
        if severity > self.active.get(source, Severity.NONE):
            self.unseen.add(source)
        self.active[source] = severity
        self.book.raise_alarm(source, f"{source} is {severity.name}", severity, self.now, again=again)

    @rule(source=SOURCES)
    def clear(self, source: str) -> None:
        self.book.clear(source, self.now)
        if self.active.pop(source, None) and source in self.aside:
            self.unseen.discard(source)

    @rule()
    def acknowledge_all(self) -> None:
        self.book.acknowledge(0, "desk", self.now)
        self.unseen &= self.aside.keys()

    @rule(source=SOURCES)
    def acknowledge_one(self, source: str) -> None:
        for row in self.rows():
            if row.source == source:
                self.book.acknowledge(row.identity, "desk", self.now)
                self.unseen.discard(source)

    @rule(source=SOURCES, seconds=st.sampled_from([0.0, 5.0, 50.0]))
    def shelve(self, source: str, seconds: float) -> None:
        for row in self.rows():
            if row.source == source:
                self.book.shelve(row.identity, seconds, "desk", "known", self.now)
                self.aside.pop(source, None)
                if seconds:
                    self.aside[source] = self.now + seconds
                    if not row.active:
                        self.unseen.discard(source)

    @rule(seconds=st.sampled_from([0.1, 5.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.aside = {source: until for source, until in self.aside.items() if until > self.now}

    def rows(self) -> list[AlarmRow]:
        return self.book.rows(self.now)

    @invariant()
    def the_list_is_what_is_active_or_not_acknowledged(self) -> None:
        rows = self.rows()
        assert sorted(row.source for row in rows) == sorted(self.active.keys() | self.unseen)
        for row in rows:
            assert row.active == (row.source in self.active) == math.isnan(row.cleared_at)
            assert row.acknowledged == (row.source not in self.unseen)
            assert (not math.isnan(row.shelved_until)) == (row.source in self.aside)
            if row.active:
                assert row.severity == self.active[row.source]

    @invariant()
    def the_worst_come_first_and_what_is_put_aside_last(self) -> None:
        order = [(not math.isnan(row.shelved_until), -row.severity, -row.raised_at) for row in self.rows()]
        assert order == sorted(order)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


# ---- raising --------------------------------------------------------------------------------------------------------


def test_events_are_counted_and_levels_are_not() -> None:
    book = AlarmBook()
    for at in range(3):
        book.raise_alarm("bus", "flood", MINOR, at)
        book.raise_alarm("oven", f"{35 + at} °C", MINOR, at, again=False)
    assert {row.source: (row.count, row.text) for row in book.rows(3)} == {"bus": (3, "flood"), "oven": (1, "37 °C")}
    book.clear("oven", 4.0)
    book.raise_alarm("oven", "38 °C", MINOR, 5.0, again=False)
    assert next(row.count for row in book.rows(5) if row.source == "oven") == 2
    book.acknowledge(0, "desk", 6.0)
    assert [row.count for row in book.rows(6)] == [0, 0]


def test_a_severity_that_rises_asks_again_and_one_that_falls_does_not() -> None:
    book = AlarmBook()
    book.raise_alarm("lo2", "relocking", MINOR, 0.0)
    assert book.acknowledge(only(book).identity, "desk", 1.0) == 1
    assert only(book).acknowledged_by == "desk"
    book.raise_alarm("lo2", "gave up", MAJOR, 2.0)
    assert (only(book).acknowledged, only(book).acknowledged_by, only(book).raised_at) == (False, "", 2.0)
    book.acknowledge(0, "desk", 3.0)
    book.raise_alarm("lo2", "relocking", MINOR, 4.0)
    assert only(book).acknowledged and only(book).severity == MINOR


def test_conditions_of_one_source_are_alarms_of_their_own_and_no_severity_clears() -> None:
    book = AlarmBook()
    book.raise_alarm("oven", "36 °C", MINOR, 0.0, condition="reading")
    book.raise_alarm("oven", "does not answer", MAJOR, 0.0, condition="answer")
    book.raise_alarm("oven", "", Severity.NONE, 1.0, condition="reading")
    assert [(row.text, row.active) for row in book.rows(1)] == [("does not answer", True), ("36 °C", False)]
    assert book.is_active("oven", condition="answer") and not book.is_active("oven", condition="reading")


def test_who_names_an_alarm_that_is_gone_is_told() -> None:
    book = AlarmBook()
    with pytest.raises(LabError, match="no alarm 7"):
        book.acknowledge(7, "desk", 0.0)
    with pytest.raises(LabError, match="no alarm 7"):
        book.shelve(7, 60.0, "desk", "", 0.0)
    assert book.acknowledge(0, "desk", 0.0) == 0


def test_events_without_end_do_not_fill_the_memory_and_what_is_active_is_kept() -> None:
    book = AlarmBook()
    for number in range(MOST_ALARMS + 5):
        book.raise_alarm("queue", "failed", MINOR, number, condition=str(number))
        if number:
            book.clear("queue", number, condition=str(number))
    rows = book.rows(1e4)
    assert len(rows) <= MOST_ALARMS + 1
    assert rows[0].raised_at == MOST_ALARMS + 4
    assert rows[-1].active and rows[-1].raised_at == 0


# ---- putting aside --------------------------------------------------------------------------------------------------


def test_put_aside_it_comes_and_goes_silently_until_its_time_is_over() -> None:
    book = AlarmBook()
    book.raise_alarm("vacuum", "high", MINOR, 0.0)
    book.shelve(only(book).identity, 100.0, "desk", "pump is off", 0.0)
    assert (only(book).shelved_until, only(book).shelved_why) == (100.0, "desk: pump is off")
    assert book.acknowledge(0, "desk", 1.0) == 0  # nobody sees it
    book.clear("vacuum", 10.0)
    assert book.rows(10.0) == []
    book.raise_alarm("vacuum", "high", MINOR, 20.0)
    assert only(book, 99.0).shelved_until == 100.0
    assert math.isnan(only(book, 100.0).shelved_until) and not only(book, 100.0).acknowledged


def test_it_can_be_brought_back_and_no_time_is_longer_than_half_a_day() -> None:
    book = AlarmBook()
    book.raise_alarm("vacuum", "high", MINOR, 0.0)
    identity = only(book).identity
    book.shelve(identity, 12 * 3600.0, "desk", "", 0.0)
    book.shelve(identity, 0.0, "desk", "", 1.0)
    assert math.isnan(only(book, 1.0).shelved_until)
    for seconds in (12 * 3600.0 + 1.0, -1.0, math.nan):
        with pytest.raises(LabError, match="12 h"):
            book.shelve(identity, seconds, "desk", "", 2.0)


# ---- first causes ---------------------------------------------------------------------------------------------------


def test_what_a_cause_brought_down_is_listed_with_it_and_is_no_alarm() -> None:
    book = AlarmBook()
    book.raise_alarm("lo2", "LO2 held", MINOR, 0.0, cause_source="cavity2", brief="lo2 held")
    assert book.rows(0.0) == []
    book.raise_alarm("cavity2", "lost", MINOR, 0.5, brings=["joint invalid"])
    assert only(book).consequences == "joint invalid, lo2 held"
    book.clear("lo2", 1.0)
    book.clear("cavity2", 1.0)
    assert only(book).consequences == "joint invalid, lo2 held"  # as long as nobody has seen it
    book.raise_alarm("cavity2", "lost", MINOR, 2.0)
    assert only(book).consequences == ""
    assert [row.source for row in book.rows(1e6)] == ["cavity2"]


def test_a_consequence_that_outlives_its_cause_becomes_an_alarm() -> None:
    book = AlarmBook()
    book.raise_alarm("pump", "lost", MAJOR, 0.0)
    book.raise_alarm("lo2", "LO2 lost", MINOR, 0.0, cause_source="pump")
    assert len(book.rows(1e4)) == 1  # while the cause lasts
    book.clear("pump", 1e4)
    book.acknowledge(0, "desk", 1e4)
    assert book.rows(1e4 + OUTLIVE_S - 0.1) == []
    assert only(book, 1e4 + OUTLIVE_S).text == "LO2 lost"
    book.raise_alarm("pump", "lost", MAJOR, 2e4)
    book.raise_alarm("lo2", "LO2 lost", MINOR, 2e4, cause_source="pump")
    assert book.is_active("lo2")  # it was there before this cause


def test_a_cause_that_comes_back_in_time_takes_its_consequences_again() -> None:
    book = AlarmBook()
    book.raise_alarm("pump", "lost", MAJOR, 0.0)
    book.raise_alarm("lo2", "LO2 lost", MINOR, 0.0, cause_source="pump")
    book.clear("pump", 10.0)
    book.raise_alarm("pump", "lost", MAJOR, 10.0 + 0.9 * OUTLIVE_S)
    book.clear("pump", 20.0 + 0.9 * OUTLIVE_S)
    assert [row.source for row in book.rows(15.0 + 1.8 * OUTLIVE_S)] == ["pump"]
    assert only(book).consequences == "LO2 lost"


def test_numbered_phrases_are_told_as_runs() -> None:
    phrases = ["joint invalid", *(f"lo{k} held" for k in (4, 1, 2, 3, 7)), "cavity1 held", "cavity2 held"]
    assert in_runs(phrases) == ["joint invalid", "lo1–4 held", "lo7 held", "cavity1 held", "cavity2 held"]
