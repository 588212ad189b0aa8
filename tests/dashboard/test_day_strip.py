"""The last 24 hours: what each column of pixels shows, and when it is painted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from night_table import day_curve, night
from pyqtgraph.Qt import QtGui
from pytestqt.qtbot import QtBot
from stub_table import NOW

from labctl.bus.latest import Latest
from labctl.dashboard.day_strip import DayStrip
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.strip_columns import (
    HELD,
    LOCKED,
    LOST,
    NO_RECORD,
    NOTHING,
    OFF,
    SPANS_S,
    Columns,
    runs_of,
    span_s,
    widened,
    worst_of,
)
from labctl.dashboard.strip_painter import WORDS, brush


@pytest.fixture
def strip(qtbot: QtBot, look: Look) -> Iterator[DayStrip]:
    made = DayStrip(look)
    made.resize(1260, 244)
    made.show()
    yield made
    made.close()
    made.deleteLater()


def test_a_column_shows_the_worst_of_its_samples() -> None:
    x = np.arange(100.0)
    codes = np.full(100, float(LOCKED))
    codes[37], codes[52], codes[71], codes[89] = LOST, OFF, np.nan, HELD
    worst = Columns.of(x, 0.0, 100.0, 10).worst(codes)
    assert worst.tolist() == [1, 1, 1, LOST, 1, 1, 1, 1, HELD, 1]


def test_sparse_samples_are_held_and_a_gap_stays_empty() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0, 20.0, 21.0])
    columns = Columns.of(x, 0.0, 24.0, 48)
    shown = columns.worst(np.ones(6))
    assert shown[:12].tolist() == [1] * 12
    assert shown[14:40].tolist() == [NOTHING] * 26
    low, high = columns.limits(np.array([5.0, 6.0, 7.0, np.nan, 9.0, 8.0]))
    assert (low[0], low[1], high[40]) == (5.0, 5.0, 9.0)
    assert np.isnan(low[[6, 30]]).all()


def test_runs_and_shared_rows() -> None:
    codes = np.array([NO_RECORD, LOCKED, LOCKED, LOST, LOCKED])
    assert [(run.first, run.last, run.code) for run in runs_of(codes)] == [(1, 2, 1), (3, 3, LOST), (4, 4, 1)]
    codes[0] = NOTHING
    assert [(run.first, run.last, run.code) for run in runs_of(codes)] == [(1, 2, 1), (3, 3, LOST), (4, 4, 1)]
    assert widened(codes, 2).tolist() == [NOTHING, 1, 1, LOST, LOST]
    assert worst_of([codes, np.full(5, OFF)]).tolist() == [OFF, 1, 1, LOST, 1]


@pytest.mark.parametrize("theme", list(THEMES))
def test_no_two_states_share_colour_and_pattern(theme: str) -> None:
    brushes = [brush(code, THEMES[theme]) for code in WORDS]  # type: ignore[index]
    assert len({(one.color().name(QtGui.QColor.NameFormat.HexArgb), one.style()) for one in brushes}) == len(WORDS)


def test_a_picture_is_made_once_for_a_curve(strip: DayStrip) -> None:
    latest = night()
    for _ in range(3):
        strip.show_latest(latest, NOW)
        strip.grab()
    assert strip.chart.pictures == 1
    latest.put_curve(day_curve(["lo1"]))
    strip.show_latest(latest, NOW)
    strip.grab()
    assert strip.chart.pictures == 2


def _pixels(strip: DayStrip) -> set[str]:
    image = strip.chart.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 1) for y in range(2, 14, 4)}


def test_a_loss_of_thirty_seconds_is_seen_in_a_day(strip: DayStrip, look: Look) -> None:
    latest = Latest()
    curve = day_curve(["opa_length"])
    calm = np.full(curve.x.size, float(LOCKED))
    latest.put_curve(replace(curve, columns={"opa_length": calm}))
    strip.show_latest(latest, NOW)
    assert look.theme.major.lower() not in _pixels(strip)
    lost = calm.copy()
    lost[1234] = LOST
    latest.put_curve(replace(curve, columns={"opa_length": lost}))
    strip.show_latest(latest, NOW)
    assert look.theme.major.lower() in _pixels(strip)


def test_a_young_record_is_shown_over_a_shorter_time_and_the_legend_has_what_occurs(
    strip: DayStrip, look: Look
) -> None:
    latest, curve = Latest(), day_curve(["opa_length"])
    codes = np.full(curve.x.size, float(NO_RECORD))
    readings = {name: np.full(curve.x.size, np.nan) for name in ("oven", "vacuum")}
    codes[-50:], readings["oven"][-50:] = LOCKED, 35.0
    latest.put_curve(replace(curve, columns={"opa_length": codes, **readings}))
    strip.show_latest(latest, NOW)
    assert strip._title.text() == "LAST 30 MIN"
    assert strip._legend.words == ("locked",)
    assert look.theme.invalid.lower() not in _pixels(strip)
    codes[-600], codes[-599] = LOST, HELD
    latest.put_curve(replace(curve, columns={"opa_length": codes.copy()}))
    strip.show_latest(latest, NOW)
    assert strip._title.text() == "LAST 6 H"
    assert strip._legend.words == ("locked", "held", "lost")


@pytest.mark.parametrize(("recorded", "span"), [(0, 24), (1, 1 / 12), (12, 0.25), (32, 0.5), (2880, 24)])
def test_the_span_is_that_of_the_record(recorded: int, span: float) -> None:
    x = np.arange(2880) * 30.0
    assert span_s(x, x > x[-1] - 30.0 * recorded) == span * 3600.0
    assert tuple(sorted(SPANS_S)) == SPANS_S


def test_a_strip_that_stopped_says_since_when(strip: DayStrip) -> None:
    strip.show_latest(Latest(), NOW)
    assert strip.note == "not told yet"
    latest = night()
    strip.show_latest(latest, NOW + 60)
    assert strip.note == ""
    strip.show_latest(latest, NOW + 600)
    assert strip.note.startswith("◌ STALE since ")
