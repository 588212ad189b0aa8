"""What changed since the table last worked: settings found and asked for, program, station file, identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labctl.errors import StoreError
from labctl.report.contents import RunContents
from labctl.report.lost_time import night_s
from labctl.report.sections import Cell, Finding, Section, Table, columns
from labctl.report.wording import MINUS, Mark, duration, plain_number
from labctl.store.comparison import (
    ChangedSetting,
    changed_circumstances,
    changed_settings,
    found_settings,
    same_value,
)
from labctl.store.history import PastNight
from labctl.store.reader import RunReader
from labctl.store.records import AskedSetting, SettingValue

MOST_OPEN = 12  # rows; longer tables are folded
LONGEST_VALUE = 60
_MARKS = {
    "read": Mark("✔", "read", "calm"),
    "cached": Mark("~", "cached", "notice"),
    "failed": Mark("✖", "failed", "bad"),
}
_SAME = Mark("=", "unchanged", "calm")
_CHANGED = Mark("▲", "changed", "notice")
_UNKNOWN = Mark("?", "unknown", "notice")


def changed_since(run: RunContents) -> Section:
    """This run against the last complete night of the station before it."""
    last = run.earlier[0] if run.earlier else None
    findings, tables = (_UNKNOWN_FINDING, _without_a_night(run)) if last is None else _against(run, last)
    when = f" ({last.run_id})" if last else ""
    return Section(
        "changed",
        "What changed",
        "What changed since it last worked",
        f"Settings and circumstances of this run that are not as in the last complete night{when}: as they were found "
        "on the instruments, and as they were asked for. Each value found is read from the instrument, taken from "
        "memory (cached), or could not be read (failed); its age is that at the end of the run.",
        findings,
        tables,
    )


_FOUND_HEAD = ("Setting", "Then", "Now", "Obtained", "Age")
_UNKNOWN_FINDING = (
    Finding(_UNKNOWN, "There is no earlier complete night of this station beside this run to compare with."),
)


def _against(run: RunContents, last: PastNight) -> tuple[tuple[Finding, ...], tuple[Table, ...]]:
    then, now = found_settings(_instruments_of(last)), found_settings(run.instruments)
    found = _found_rows(run, then, now)
    asked_then = _asked_of(last)
    asked = changed_settings(_by_name(asked_then), _by_name(run.asked)) if asked_then and run.asked else []
    circumstances = changed_circumstances(last.manifest, run.manifest)
    tables = (
        _table(_FOUND_HEAD, found, "Found on the instruments"),
        _table(("Setting", "Then", "Now", "Unit", "Asked in"), _asked_rows(run, asked), "Asked for, at the last"),
        _table(("What", "Then", "Now"), _circumstance_rows(circumstances), "Program, station file, instruments"),
    )
    both = then.keys() & now.keys()
    found_anew = sum(_is_changed(then, now, name) for name in both)
    parts = [
        f"{found_anew} of {len(both)} settings found",
        f"{len(asked)} of {len({*_by_name(asked_then), *_by_name(run.asked)})} asked for",
        f"{len(circumstances)} circumstances",
    ]
    mark = _CHANGED if found_anew or asked or circumstances else _SAME
    sentences = (Finding(mark, f"Changed: {', '.join(parts)}."), *_unread(now))
    return sentences, tuple(table for table in tables if table.rows)


def _without_a_night(run: RunContents) -> tuple[Table, ...]:
    """With nothing to compare only what could not be read is worth a line."""
    now = found_settings(run.instruments)
    rows = _found_rows(run, {}, {name: setting for name, setting in now.items() if setting.how != "read"})
    return (_table(_FOUND_HEAD, rows, "Not read from the instruments"),) if rows else ()


def _unread(now: Mapping[str, SettingValue]) -> tuple[Finding, ...]:
    counts = {how: sum(setting.how == how for setting in now.values()) for how in _MARKS}
    if not now:
        return ()
    text = ", ".join(f"{number} {how}" for how, number in counts.items())
    worst = "failed" if counts["failed"] else "cached" if counts["cached"] else "read"
    return (Finding(_MARKS[worst], f"Of {len(now)} settings found: {text}."),)


def _found_rows(
    run: RunContents, then: Mapping[str, SettingValue], now: Mapping[str, SettingValue]
) -> tuple[tuple[Cell, ...], ...]:
    names = [name for name in sorted(now) if _is_changed(then, now, name) or now[name].how != "read"]
    end_s = _end_s(run)
    return tuple(
        (
            Cell(name),
            _value(then[name].value if name in then else None),
            _value(now[name].value),
            Cell("", _MARKS[now[name].how]),
            Cell(duration(max(end_s - now[name].at, 0.0))),
        )
        for name in names
    )


def _is_changed(then: Mapping[str, SettingValue], now: Mapping[str, SettingValue], name: str) -> bool:
    return name in then and name in now and not same_value(then[name].value, now[name].value)


def _asked_rows(run: RunContents, changed: Sequence[ChangedSetting]) -> tuple[tuple[Cell, ...], ...]:
    steps = {f"{one.instrument}.{one.setting}": one.source for one in run.asked}
    return tuple(
        (
            Cell(one.name),
            _value(one.first),
            _value(one.second),
            Cell(one.unit),
            Cell(steps.get(one.name, "not asked for in this run"), soft=True),
        )
        for one in changed
    )


def _circumstance_rows(changed: Sequence[ChangedSetting]) -> tuple[tuple[Cell, ...], ...]:
    return tuple((Cell(one.name), _value(one.first), _value(one.second)) for one in changed)


def _table(titles: Sequence[str], rows: tuple[tuple[Cell, ...], ...], caption: str) -> Table:
    return Table(columns(*titles), rows, f"{caption} ({len(rows)})", folded=len(rows) > MOST_OPEN)


def _value(value: Any) -> Cell:
    if value is None:
        return Cell(MINUS, soft=True)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = plain_number(float(value)) if is_number else str(value)
    return Cell(text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…")


def _by_name(asked: Sequence[AskedSetting]) -> dict[str, tuple[Any, str]]:
    return {f"{one.instrument}.{one.setting}": (one.value, one.unit) for one in asked}


def _asked_of(night: PastNight) -> Sequence[AskedSetting]:
    try:
        return RunReader(night.path).asked_settings() or ()
    except StoreError:
        return ()


def _instruments_of(night: PastNight) -> list[Any]:
    try:
        return [*night.manifest.instruments, *RunReader(night.path).snapshots()]
    except StoreError:
        return list(night.manifest.instruments)


def _end_s(run: RunContents) -> float:
    """Lab time of the end of the run, as far as it is known."""
    ends = [step.ended_at for step in run.steps if step.ended_at is not None]
    return max([*ends, run.end_of_data or 0.0]) if night_s(run) or run.end_of_data else 0.0
