"""What the lock tiles say, without their drawing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from night_table import loop_row, loop_rows, night, reading_rows
from stub_table import NOW

from labctl.bus.messages import LoopRow, ReadingRow, Severity
from labctl.dashboard.loop_tiles import Tile, group_name, tiles_of


def _said(tiles: tuple[Tile, ...]) -> list[str]:
    return [f"{tile.name} {tile.mark.text}".replace("\u00a0", " ") for tile in tiles]


def test_what_is_locked_is_one_tile_for_each_kind() -> None:
    tiles = tiles_of(night(), NOW)
    assert _said(tiles)[:4] == ["OPA ✓ LOCKED", "PUMP ✓ LOCKED", "CAV1..4 ✓ LOCKED", "LO1..4 ✓ LOCKED"]
    assert [tile.value.replace("\u00a0", " ") for tile in tiles[4:]] == ["35.012 °C", "3.2 × 10⁻⁶ mbar"]
    assert all(tile.is_normal and not tile.why for tile in tiles)


def test_what_is_not_locked_has_its_own_tile_on_top_with_the_reason() -> None:
    latest = night(state="scan", why="looking for the fringe")
    rows = [replace(row, state="fault", why="no reply") if row.name == "lo4" else row for row in latest.rows(LoopRow)]
    latest.put_rows(LoopRow, rows)
    tiles = tiles_of(latest, NOW)
    assert _said(tiles)[:2] == ["LO4 ✗ FAULT", "LO2 ↻ SCAN"]
    assert [tile.why for tile in tiles[:2]] == ["no reply", "looking for the fringe"]
    assert "LO1,3 ✓ LOCKED" in _said(tiles)
    assert _said(tiles_of(latest, NOW, one_for_locked=True))[2] == "8 LOOPS ✓ LOCKED"
    assert tiles_of(latest, NOW, one_for_locked=True)[2].why == "OPA, PUMP, CAV1..4, LO1,3"


def test_a_parked_loop_says_what_it_is_parked_for() -> None:
    tile = tiles_of(night(state="hold", why="held", parked="the analyzer measures the dark noise"), NOW)[0]
    assert (tile.name, tile.mark.word, tile.why) == ("LO2", "HELD", "the analyzer measures the dark noise")


def test_a_loop_that_nobody_looked_at_is_stale_and_shows_no_numbers() -> None:
    stale = tiles_of(night(looked_at=NOW - 1.6), NOW)[0]
    assert (stale.name, stale.mark.word, stale.why) == ("LO2", "STALE", "")
    assert math.isnan(stale.rms)
    assert math.isnan(stale.out)
    assert "LO1..4 ✓ LOCKED" in _said(tiles_of(night(looked_at=NOW - 1.4), NOW))


def test_all_is_stale_when_the_core_is_gone() -> None:
    tiles = tiles_of(night(), NOW + 10)
    assert [tile.mark.word for tile in tiles] == ["STALE"] * 6
    assert [tile.value for tile in tiles] == [""] * 6


def test_off_is_normal_only_where_nobody_wants_the_loop() -> None:
    latest = night()
    latest.put_rows(
        LoopRow, [loop_row("lo1", state="off"), *(loop_row(f"lo{n}", state="off", wanted=False) for n in (2, 3))]
    )
    tiles = tiles_of(latest, NOW)
    assert _said(tiles)[:2] == ["LO1 ○ OFF", "LO2,3 ○ OFF"]
    assert [tile.is_normal for tile in tiles[:2]] == [False, True]
    assert tiles[1].to_lock == ("lo2", "lo3")


def test_bars_are_those_of_the_worst_of_a_group() -> None:
    latest = night()
    rows = [
        loop_row("lo1", residual=0.03),
        loop_row("lo2", residual=0.048, output_v=-9.5),
        loop_row("lo3", residual=math.nan),
    ]
    latest.put_rows(LoopRow, rows)
    tile = tiles_of(latest, NOW)[0]
    assert (tile.rms, tile.out, tile.opens) == (0.8, -0.95, "lo2")
    latest.put_rows(LoopRow, [loop_row("lo1", residual_limit=math.nan, low_v=math.nan, output_v=math.nan)])
    tile = tiles_of(latest, NOW)[0]
    assert math.isnan(tile.rms)
    assert math.isnan(tile.out)


def test_a_reading_that_is_wrong_stands_among_the_loops_by_its_severity() -> None:
    latest = night(state="scan")
    oven, vacuum = reading_rows()
    latest.put_rows(ReadingRow, [replace(oven, severity=Severity.MAJOR, state="no reply"), vacuum])
    tiles = tiles_of(latest, NOW)
    assert _said(tiles)[:2] == ["OVEN ▲ NO REPLY", "LO2 ↻ SCAN"]
    assert tiles[0].why.replace("\u00a0", " ") == "should be 34.99 °C to 35.03 °C"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [((1, 2, 3, 4), "LO1..4"), ((1, 2), "LO1,2"), ((1, 3, 4), "LO1,3,4"), ((1, 2, 4, 5), "LO 4 of 9"), ((7,), "LO7")],
)
def test_a_group_is_named_as_short_as_can_be(numbers: tuple[int, ...], name: str) -> None:
    assert group_name([f"lo{n}" for n in numbers], 9).replace("\u00a0", " ") == name


def test_a_hundred_and_thirty_loops_make_few_tiles() -> None:
    assert len(loop_rows(64)) == 130
    assert len(tiles_of(night(64), NOW)) == 6
