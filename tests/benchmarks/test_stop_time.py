"""The locked table of four sensors is safe within a second of lab time."""

from __future__ import annotations

from stop_time import in_process


def test_a_locked_table_is_safe_within_a_second() -> None:
    seconds, problems = in_process()
    assert problems == []
    assert seconds < 1.0
