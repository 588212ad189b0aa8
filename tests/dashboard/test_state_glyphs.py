"""States as glyph and word: every state of the table has both, and the font draws them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pyqtgraph.Qt import QtGui, QtWidgets

from labctl.bus.messages import AlarmRow, LoopRow, Severity
from labctl.dashboard.state_glyphs import (
    STALE,
    UNKNOWN,
    Mark,
    alarm_mark,
    lock_mark,
    loop_label,
    loop_rank,
    run_mark,
    severity_mark,
    step_mark,
    window_mark,
)
from labctl.locks.states import LockState
from labctl.store.records import RunState, StepState

NAN = math.nan
ALARM = AlarmRow(7, "lo2", "LO2 lock lost", 2, True, False, "", 1.0, NAN, NAN, "", 1, "")
LOOP = LoopRow(
    "lo2", "homodyne", 2, "locked", "", 1.0, True, "", "", "rad",
    0.0, 0.1, 0.01, 0.02, 1.0, 0.8, 0.0, -10.0, 10.0, 0, 8, 1.0, 1.0,
)  # fmt: skip


def _all_marks() -> list[Mark]:
    marks = [lock_mark(state) for state in LockState] + [lock_mark("off", wanted=False), STALE, UNKNOWN]
    marks += [step_mark(state) for state in StepState] + [run_mark(state) for state in RunState]
    marks += [severity_mark(severity) for severity in Severity] + [run_mark("idle"), run_mark("paused")]
    marks += [window_mark(1.0, *window) for window in ((NAN, NAN), (0.0, 2.0), (2.0, 3.0))]
    return [*marks, *(alarm_mark(alarm, 10.0) for alarm in _alarms())]


def _alarms() -> list[AlarmRow]:
    cleared = replace(ALARM, active=False, cleared_at=5.0)
    return [ALARM, replace(ALARM, acknowledged=True), cleared, replace(ALARM, shelved_until=20.0)]


def test_the_font_has_every_glyph(qapp: QtWidgets.QApplication) -> None:
    metrics = QtGui.QFontMetrics(QtGui.QFont("DejaVu Sans"))
    missing = [mark for mark in _all_marks() for letter in mark.glyph if not metrics.inFontUcs4(ord(letter))]
    assert missing == []
    assert all(mark.glyph and mark.word for mark in _all_marks())


def test_every_state_of_the_core_is_known_and_no_two_lock_states_look_alike() -> None:
    assert [state for state in LockState if lock_mark(state).severity == Severity.INVALID] == []
    assert [state for state in StepState if step_mark(state).severity == Severity.INVALID] == []
    assert len({lock_mark(state).word for state in LockState}) == len(LockState)


def test_only_what_is_normal_is_grey() -> None:
    grey = {state for state in LockState if lock_mark(state).severity == Severity.NONE}
    assert grey == {LockState.LOCKED}
    assert lock_mark("off", wanted=False).severity == Severity.NONE


def test_a_word_of_another_version_is_shown_as_it_is() -> None:
    assert lock_mark("levitating") == Mark("?", "LEVITATING", Severity.INVALID)
    assert step_mark("").word == "UNKNOWN"
    assert severity_mark(17).word == "INVALID"


def test_the_worst_loop_ranks_first() -> None:
    order = ["fault", "stalled", "relock", "suspect", "hold", "scan", "locked"]
    ranks = [loop_rank(replace(LOOP, state=state)) for state in order]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert loop_rank(replace(LOOP, state="off")) < loop_rank(LOOP) < loop_rank(replace(LOOP, state="off", wanted=False))


def test_an_alarm_says_where_it_stands() -> None:
    assert [alarm_mark(alarm, 10.0).word for alarm in _alarms()] == ["UNACK", "ACK", "CLEARED", "SHELVED"]
    assert alarm_mark(replace(ALARM, shelved_until=20.0), 21.0).word == "UNACK"


@pytest.mark.parametrize(
    ("value", "low", "high", "word"),
    [
        (1.0, 0.0, 2.0, "in window"),
        (3.0, 0.0, 2.0, "outside"),
        (3.0, 0.0, NAN, "in window"),
        (-1.0, 0.0, NAN, "outside"),
        (1.0, NAN, NAN, "no window"),
        (NAN, 0.0, 2.0, "UNKNOWN"),
    ],
)
def test_a_value_is_in_its_window_or_not(value: float, low: float, high: float, word: str) -> None:
    assert window_mark(value, low, high).word == word


def test_loops_are_painted_with_short_names() -> None:
    assert [loop_label(name) for name in ("opa_length", "pump_phase", "cavity12", "lo1", "fringe_lock2")] == [
        "OPA",
        "PUMP",
        "CAV12",
        "LO1",
        "FRINGE LOCK2",
    ]
