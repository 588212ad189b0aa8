"""What the header says, from rows filled by hand."""

from __future__ import annotations

import time

import pytest
from stub_table import NAN, NOW, StubTable, alarm_row, run_row, spectrum

from labctl.bus.latest import Latest
from labctl.bus.messages import RunRow, Severity
from labctl.dashboard.header_texts import alarms_said, duration, live_said, run_said, tab_said, unacknowledged


@pytest.fixture
def latest() -> Latest:
    table = StubTable()
    table.tell(NOW)
    return table.latest


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.033, "33 ms"), (4.21, "4.2 s"), (9.97, "10 s"), (59.6, "1 min"), (200, "3 min 20 s"), (15120, "4 h 12 min"),
        (7200, "2 h"), (183600, "2 d 3 h"), (NAN, "–"),
    ],
)  # fmt: skip
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_run_has_step_share_and_a_clock_time(latest: Latest) -> None:
    at = time.strftime("%H:%M", time.localtime(NOW + 4 * 3600 + 720))
    said = run_said(latest, NOW)
    assert said.title.text == "▶ RUN overnight 07"
    assert said.progress == f"step 9/31 · 41 % · ETA {at} (4 h 12 min) · lock_homodyne[2]"
    assert said.fraction == 0.41


@pytest.mark.parametrize(
    ("changes", "speed", "title", "progress"),
    [
        ({"state": "failed", "reason": "lo2 stalled"}, 1.0, "✗ FAILED overnight 07: lo2 stalled", "step 9/31 · lock"),
        ({"state": "paused", "eta_s": 600.0}, 1.0, "‖ PAUSED overnight 07", "10 min left once resumed"),
        ({"eta_s": 7200.0}, 0.0, "▶ RUN overnight 07", "2 h of lab time left"),
        ({"eta_s": 7200.0}, 60.0, "▶ RUN overnight 07", "(2 min)"),
        ({"eta_s": 7200.0}, 1e5, "▶ RUN overnight 07", "(2 min)"),  # asked for more than the table manages
        ({"eta_s": NAN, "fraction": NAN}, 1.0, "▶ RUN", "step 9/31 · ETA –"),
        ({"state": "melting"}, 1.0, "? MELTING", ""),
    ],
)
def test_runs_that_are_not_ordinary(changes: dict[str, object], speed: float, title: str, progress: str) -> None:
    table = StubTable()
    table.tell(NOW, speed=speed, lab_time_s=60 * 3600.0)
    table.latest.put_rows(RunRow, [run_row(**changes)])
    said = run_said(table.latest, NOW)
    assert title in said.title.text
    assert progress in said.progress


def test_live_is_the_age_of_the_newest_spectrum_across_clocks_that_differ() -> None:
    latest = Latest()
    latest.hear(NOW + 100.0, NOW)  # this machine is 100 s ahead of the core
    latest.put_spectrum(spectrum("bhd1", taken_at=NOW - 5.0))
    latest.put_spectrum(spectrum("joint", taken_at=NOW - 0.25))
    assert (live_said(latest, NOW + 100.0).mark.word, live_said(latest, NOW + 100.0).detail) == ("LIVE", "250 ms")
    later = live_said(latest, NOW + 101.5)
    assert (later.mark.word, later.detail, later.mark.severity) == ("STALE", "1.8 s", Severity.INVALID)
    assert live_said(latest, NOW + 102.5).mark.word == "NO LINK"
    assert live_said(Latest(), NOW).detail == "yet"


def test_the_worst_alarm_that_nobody_acknowledged_comes_first(latest: Latest) -> None:
    table = StubTable(latest=latest)
    table.alarms(
        alarm_row(identity=1, text="oven drifts", severity=Severity.MINOR),
        alarm_row(identity=2, text="cavity2 lost", active=False),
        alarm_row(identity=3, text="lock lost"),
        alarm_row(identity=4, text="seen", severity=Severity.INVALID, acknowledged=True),
        alarm_row(identity=5, text="aside", severity=Severity.INVALID, shelved_until=NOW + 60),
    )
    assert [row.identity for row in unacknowledged(latest, NOW)] == [3, 2, 1]
    said = alarms_said(latest, NOW)
    assert (said.heading.text, said.worst) == ("▲ 3 UNACK", "LO2: lock lost → joint invalid")
    assert next(row.identity for row in unacknowledged(latest, NOW + 61)) == 5  # no longer aside


def test_alarms_that_are_acknowledged_are_still_counted_and_none_is_said(latest: Latest) -> None:
    assert alarms_said(latest, NOW).heading.text == "○ NO ALARMS"
    StubTable(latest=latest).alarms(alarm_row(acknowledged=True))
    assert alarms_said(latest, NOW).heading.text == "▪ 1 ALARM"


def test_nothing_is_said_of_a_core_that_is_gone(latest: Latest) -> None:
    StubTable(latest=latest).alarms(alarm_row())
    late = NOW + 3.0
    assert "UNKNOWN" in run_said(latest, late).title.text
    assert run_said(latest, late).fraction == 0.0
    assert alarms_said(latest, late).heading.text == "? ALARMS UNKNOWN"
    assert tab_said("b", latest, late).text == "b ✗ NO LINK"


def test_the_tab_says_the_worst_first() -> None:
    table = StubTable()
    table.tell(NOW, stopped=True)
    table.alarms(alarm_row())
    assert tab_said("b", table.latest, NOW).text == "b ■ STOPPED"
    table.tell(NOW)
    assert tab_said("b", table.latest, NOW).text == "b ▲ 1 UNACK"
