"""Who needs whom, what may be shown as present, and how a reading is written."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from loop_scene import LOCKED, NOW, changed, loops, table

from labctl.bus.messages import LoopRow
from labctl.dashboard.loop_words import in_use_above, kind_text, needs_of, not_locked, shown_mark, steady_text
from labctl.dashboard.output_bar import margin_of


def by_name(name: str, rows: list[LoopRow]) -> LoopRow:
    return next(row for row in rows if row.name == name)


def test_what_goes_with_a_loop_is_all_that_needs_it_and_is_not_off() -> None:
    chain = changed("lo1", needs="pump_phase", state="off")
    assert in_use_above("opa_length", chain) == ["pump_phase", "cavity1", "cavity2", "lo2"]
    assert in_use_above("lo2", chain) == []


def test_needs_that_are_not_locked_are_found() -> None:
    rows = changed("pump_phase", state="relock")
    assert [row.name for row in not_locked(needs_of(by_name("lo1", rows)), rows)] == ["pump_phase"]


def test_a_state_that_nobody_looked_at_is_stale_unless_the_loop_is_off() -> None:
    latest = table()
    row = replace(LOCKED, looked_at=NOW - 5.0)
    assert shown_mark(row, latest, NOW).word == "STALE"
    assert shown_mark(replace(row, looked_at=math.nan), latest, NOW).word == "STALE"
    assert shown_mark(replace(row, state="off"), latest, NOW).word == "OFF"
    assert shown_mark(replace(row, state="off"), latest, NOW + 3.0).word == "STALE"  # the core is gone
    assert shown_mark(LOCKED, latest, NOW).word == "LOCKED"


def test_kinds_in_words() -> None:
    assert kind_text(by_name("cavity2", loops())) == "Cavity of sensor 2"
    assert kind_text(replace(LOCKED, kind="another")) == "another"


@pytest.mark.parametrize(
    ("value", "unit", "compared_with", "text"),
    [
        (-0.0123, "rad", 0.8, "−0.012\u00a0rad"),
        (0.0004, "rad", 0.8, "0.000\u00a0rad"),
        (0.0213, "", 0.05, "0.0213"),
        (71.3, "V", 1.0, "71.30\u00a0V"),
        (math.nan, "V", 1.0, "–"),
        (0.5, "rad", math.nan, "0.500\u00a0rad"),
    ],
)
def test_readings_keep_their_digits(value: float, unit: str, compared_with: float, text: str) -> None:
    assert steady_text(value, unit, compared_with) == text


def test_margin_is_one_in_the_middle_and_none_at_a_rail() -> None:
    assert margin_of(0.0, -10.0, 10.0) == 1.0
    assert margin_of(150.0, 0.0, 150.0) == 0.0
    assert margin_of(9.5, -10.0, 10.0) == pytest.approx(0.05)
    assert math.isnan(margin_of(1.0, math.nan, 10.0)) and math.isnan(margin_of(1.0, 2.0, 2.0))
