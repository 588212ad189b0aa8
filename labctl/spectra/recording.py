"""A recording from elsewhere: one axis and one value a point, chosen from a file's columns, in SI, and put in order.

Whatever is done to the numbers on the way is said in `notes`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.axis_order import one_way_stretch, put_in_order, turned_places, turns_of
from labctl.spectra.column_labels import ColumnLabel, HeaderFacts, header_facts
from labctl.spectra.column_units import ColumnUnit, Quantity
from labctl.spectra.text_table import TextTable, read_text_table

FEWEST_POINTS = 2
LARGEST_MISSING_SHARE = 0.5
MOST_TURNS_OF_A_RAMP = 3
_INDEX_NAMES = re.compile(r"(#|no\.?|n|index|idx|point|points|sample|samples|sequence|row)", re.IGNORECASE)
_MAGNITUDE = re.compile(r"(r|ampl?(itude)?|mag(nitude)?|psd|power|level|trans(mission)?|signal)\b", re.IGNORECASE)
_PHASE = re.compile(r"(phase|theta|phi|arg)\b", re.IGNORECASE)


class Order(StrEnum):
    """What the axis of a recording may do."""

    ONE_SWEEP = "one sweep"
    """Runs one way from end to end, as the frequency of a spectrum or the time of a record."""
    SCAN = "scan"
    """A ramp that may turn round, as the voltage of a piezo; the longest way is kept."""
    ANY = "any"
    """Points in any order, each for itself."""


@dataclass(frozen=True, eq=False)
class Recording:
    """`x` (n,) ascending and `y` (n,) in the SI units named; an empty unit is one that the file does not tell.

    y_unit: V, W, V^2/Hz, dBm, dB, A or what else was found; rbw_hz, vbw_hz: from the header, None without;
    notes: what was skipped, turned or merged, one sentence each.
    """

    path: Path
    x: FloatArray
    y: FloatArray
    x_unit: str
    y_unit: str
    x_name: str = ""
    y_name: str = ""
    header: tuple[str, ...] = ()
    rbw_hz: float | None = None
    vbw_hz: float | None = None
    notes: tuple[str, ...] = ()


def read_recording(
    path: Path | str,
    *,
    columns: str = "",
    order: Order = Order.ONE_SWEEP,
    axis: Collection[Quantity] = (),
) -> Recording:
    """Read a recording of two columns, or the two of more that `columns` names ("1,3" or "Time,CH2").

    Without `columns` the axis is the column in a unit of one of the quantities `axis`, else the first that is no mere
    count; the values are the next that is no angle. Rows with a missing number are left out. Raises
    AnalysisRefused for files that cannot be read, columns that are not there, and an axis that its `order` forbids.
    """
    return _recording(read_text_table(path), columns, order, axis)


def _recording(table: TextTable, columns: str, order: Order, axis: Collection[Quantity]) -> Recording:
    facts = header_facts(table)
    if table.columns < 2:
        raise AnalysisRefused(f"{table.path} holds one column of numbers, not two.", remedy="Give axis and value.")
    first, second = _asked(table, facts, columns) if columns else _chosen(table, facts, axis)
    notes: list[str] = []
    if table.columns > 2 and not columns:
        notes.append(
            f"{table.columns} columns: {_called(facts, first)} is the axis and {_called(facts, second)} the value; "
            "--columns chooses others."
        )
    x, y, kept = _complete(table, first, second, notes)
    x_label, y_label = facts.labels[first], facts.labels[second]
    counted = _count_to_time(table, x_label, x, notes)
    x, x_label = counted if counted is not None else (_in_si(x_label.unit, x), x_label)
    y = _in_si(y_label.unit, y)
    lines = np.asarray(table.lines)[kept]
    if order is Order.SCAN:
        x, y = one_way_stretch(x, y, notes)
    elif order is Order.ONE_SWEEP:
        turned = turned_places(x)
        if len(turned):
            at = int(turned[0])
            raise AnalysisRefused(
                f"{table.path}, line {lines[at]}: the axis goes from {x[at - 1]:.6g} to {x[at]:.6g}; "
                "the first column must ascend.",
                remedy="Give one sweep a file.",
            )
    x, y = put_in_order(x, y, notes, merge=order is not Order.ANY)
    if len(x) < FEWEST_POINTS:
        raise AnalysisRefused(f"{table.path} holds one row of numbers.", remedy="Give two or more points.")
    return Recording(
        table.path,
        x,
        y,
        _symbol(x_label.unit),
        _symbol(y_label.unit),
        x_label.name,
        y_label.name,
        table.header,
        facts.rbw_hz,
        facts.vbw_hz,
        tuple(notes),
    )


def read_samples(path: Path | str, *, columns: str = "") -> Recording:
    """Read evenly spaced samples: one column, whose `x` counts 0, 1, 2 ... in unit "", or time and values.

    Raises AnalysisRefused as `read_recording` does, and for a missing sample.
    """
    table = read_text_table(path)
    if table.columns > 1:
        return _recording(table, columns, Order.ONE_SWEEP, (Quantity.TIME,))
    values = table.numbers[:, 0]
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise AnalysisRefused(f"{table.path}, line {table.lines[missing[0]]}: a sample is missing.")
    if len(values) < FEWEST_POINTS:
        raise AnalysisRefused(f"{table.path} holds one row of numbers.", remedy="Give two or more samples.")
    label = header_facts(table).labels[0]
    y = _in_si(label.unit, values)
    return Recording(
        table.path, np.arange(len(y), dtype=np.float64), y, "", _symbol(label.unit), "", label.name, table.header
    )


def at_common_axis(recordings: list[Recording]) -> list[Recording]:
    """The recordings at the points that all have, when rows were left out of some; else as they are."""
    if len({len(r.x) for r in recordings}) == 1:
        return recordings
    common = recordings[0].x
    for other in recordings[1:]:
        common = np.intersect1d(common, other.x)
    if len(common) < LARGEST_MISSING_SHARE * max(len(r.x) for r in recordings):
        return recordings
    parts = []
    for r in recordings:
        kept = np.isin(r.x, common)
        note = () if kept.all() else (f"{int((~kept).sum())} points that another file lacks were left out.",)
        parts.append(replace(r, x=r.x[kept], y=r.y[kept], notes=r.notes + note))
    return parts


def _asked(table: TextTable, facts: HeaderFacts, columns: str) -> tuple[int, int]:
    wanted = [part.strip() for part in columns.split(",")]
    if len(wanted) != 2 or not all(wanted):
        raise AnalysisRefused(f"--columns {columns!r} does not name two columns.", remedy="Say 1,3 or Time,CH2.")
    first, second = (_column(table, facts, name) for name in wanted)
    return first, second


def _column(table: TextTable, facts: HeaderFacts, name: str) -> int:
    if name.isascii() and name.isdigit():
        if 1 <= int(name) <= table.columns:
            return int(name) - 1
    else:
        names = [label.name.lower() for label in facts.labels]
        exact = [i for i, known in enumerate(names) if known == name.lower()]
        found = exact or [i for i, known in enumerate(names) if name.lower() in known]
        if len(found) == 1:
            return found[0]
    there = ", ".join(_called(facts, i) for i in range(table.columns))
    raise AnalysisRefused(f"{table.path} has no one column {name!r}; there are {there}.")


def _chosen(table: TextTable, facts: HeaderFacts, axis: Collection[Quantity]) -> tuple[int, int]:
    """Axis and values among the columns."""
    everything = range(table.columns)
    if table.columns == 2:
        return 0, 1
    measured = [i for i in everything if not _is_count(table, facts.labels[i], i)]
    candidates = measured if len(measured) > 1 else list(everything)
    first = next((i for wanted in axis for i in _axes(table, facts, candidates, wanted)), candidates[0])
    return first, _values_for(table, facts, candidates, first)


def _axes(table: TextTable, facts: HeaderFacts, candidates: list[int], wanted: Quantity) -> list[int]:
    """Columns that can be the axis, best first: of the quantity, running there or there and back, with a signal left.

    A ramp and a signal may both be in volts; the ramp is the one that turns less.
    """
    of_kind = [i for i in candidates if (unit := facts.labels[i].unit) is not None and unit.quantity is wanted]
    turns = {i: turns_of(table.numbers[:, i]) for i in candidates}
    running = [i for i in of_kind if turns[i] <= MOST_TURNS_OF_A_RAMP]
    running = [i for i in running if any(turns[j] > turns[i] for j in candidates if j != i)] or running[:1]
    return sorted(running, key=lambda i: turns[i])


def _values_for(table: TextTable, facts: HeaderFacts, candidates: list[int], first: int) -> int:
    """The column of values: the next that is neither angle, constant nor a second axis; one named as a magnitude."""
    rest = [i for i in candidates if i != first] or [i for i in range(table.columns) if i != first]
    later = [i for i in rest if i > first] or rest
    values = [i for i in later if not _is_angle(facts.labels[i]) and np.nanstd(table.numbers[:, i]) > 0] or later
    named = [i for i in values if _MAGNITUDE.match(facts.labels[i].name)]
    ordinary = [i for i in values if _reversals(table.numbers[:, i]) > 0] or values
    return (named or ordinary)[0]


def _is_count(table: TextTable, label: ColumnLabel, column: int) -> bool:
    if label.unit is not None:
        return False
    values = table.numbers[:, column]
    counts = bool((np.diff(values) == 1).all()) and values[0] in (0, 1)
    return counts or _INDEX_NAMES.fullmatch(label.name) is not None


def _is_angle(label: ColumnLabel) -> bool:
    angle = label.unit is not None and label.unit.quantity is Quantity.ANGLE
    return angle or _PHASE.match(label.name) is not None


def _reversals(values: FloatArray) -> int:
    steps = np.diff(values[np.isfinite(values)])
    return min(int((steps > 0).sum()), int((steps < 0).sum()))


def _complete(
    table: TextTable, first: int, second: int, notes: list[str]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Both columns without rows that lack a number, and which rows were kept (n,)."""
    pair = table.numbers[:, [first, second]]
    whole = np.isfinite(pair).all(axis=1)
    lost = np.flatnonzero(~whole)
    if len(lost):
        if whole.sum() < max(FEWEST_POINTS, LARGEST_MISSING_SHARE * len(pair)):
            raise AnalysisRefused(
                f"{table.path}: {len(lost)} of {len(pair)} rows lack a number, the first in line "
                f"{table.lines[lost[0]]}.",
                remedy="Export the trace again or choose other columns with --columns.",
            )
        notes.append(
            f"{len(lost)} {'row' if len(lost) == 1 else 'rows'} without finite numbers left out, "
            f"the first in line {table.lines[lost[0]]}."
        )
    if table.unread:
        line, text = table.unread[0]
        plural = "line" if len(table.unread) == 1 else "lines"
        notes.append(f"{len(table.unread)} {plural} without numbers skipped, the first is line {line}: {text[:30]!r}.")
    return pair[whole, 0], pair[whole, 1], np.flatnonzero(whole)


def _count_to_time(
    table: TextTable, label: ColumnLabel, x: FloatArray, notes: list[str]
) -> tuple[FloatArray, ColumnLabel] | None:
    """Time from a count of samples, where the header gives start and increment as Rigol oscilloscopes do."""
    if label.name.lower() not in ("sequence", "x") or not _is_count(table, label, 0):
        return None
    for names, numbers in zip(table.header, table.header[1:], strict=False):
        keys = [key.strip().lower() for key in names.split(",")]
        if "start" in keys and "increment" in keys:
            fields = numbers.split(",")
            try:
                start, step = (float(fields[keys.index(key)]) for key in ("start", "increment"))
            except (IndexError, ValueError):
                return None
            notes.append(f"the axis is a count; time runs from {start:g} s in steps of {step:g} s, as the header says.")
            return start + x * step, ColumnLabel("time", ColumnUnit(Quantity.TIME, "s"))
    return None


def _in_si(unit: ColumnUnit | None, values: FloatArray) -> FloatArray:
    return unit.to_si(values) if unit is not None else values


def _symbol(unit: ColumnUnit | None) -> str:
    return unit.symbol if unit is not None else ""


def _called(facts: HeaderFacts, column: int) -> str:
    name = facts.labels[column].name
    return f"{column + 1} ({name})" if name else f"{column + 1}"
