"""The structures that go over the wire: EPICS normative types, so that foreign clients show units, limits and alarms.

Source: EPICS V4 Normative Types, 2015; structures may carry further fields, which others ignore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_type_hints

from p4p import Type
from p4p.nt import NTEnum, NTScalar, NTTable
from p4p.nt.common import alarm, timeStamp

COLUMN: Final[Mapping[type, str]] = {float: "ad", int: "al", str: "as", bool: "a?"}

ACQUISITION: Final = [
    ("channel", "s"),
    ("kind", "s"),
    ("rbw_hz", "d"),
    ("vbw_hz", "d"),
    ("averages", "l"),
    ("averages_asked", "l"),
    ("averaging", "s"),
    ("source", "s"),
    ("step", "s"),
    ("valid", "?"),
    ("reason", "s"),
]
LEGEND: Final = [
    ("system", "s"),
    ("name", "s"),
    ("title", "s"),
    ("x_label", "s"),
    ("x_unit", "s"),
    ("y_label", "s"),
    ("y_unit", "s"),
    ("text", "s"),
    ("valid", "?"),
    ("reason", "s"),
]

SCALAR: Final = NTScalar.buildType("d", display=True, valueAlarm=True)
TEXT: Final = NTScalar.buildType("s")
ENUM: Final = NTEnum.buildType()
BYTES: Final = NTScalar.buildType("aB")
SPECTRUM: Final = NTTable.buildType(
    [("frequency", "ad"), ("psd", "ad")], extra=[("acquisition", ("S", "labctl/acquisition:1.0", ACQUISITION))]
)


_curve_types: dict[tuple[str, ...], Type] = {}
_known: dict[type[object], tuple[dict[str, type], Type]] = {}


def column_types(kind: type[object]) -> dict[str, type]:
    """Return the type of each field of a row."""
    return _columns_and_type(kind)[0]


def table_type(kind: type[object]) -> Type:
    """Return the NTTable for rows of a class."""
    return _columns_and_type(kind)[1]


def _columns_and_type(kind: type[object]) -> tuple[dict[str, type], Type]:
    if kind not in _known:
        columns = get_type_hints(kind)
        _known[kind] = columns, NTTable.buildType([(name, COLUMN[hint]) for name, hint in columns.items()])
    return _known[kind]


def curve_type(columns: Sequence[str]) -> Type:
    """Return the NTTable of a curve with these columns beside `x`; the same object for the same columns, for a channel
    keeps the one that it was opened with."""
    key = tuple(columns)
    if key not in _curve_types:
        named: list[tuple[str, Any]] = [("x", "ad"), *((name, "ad") for name in key)]
        _curve_types[key] = NTTable.buildType(named, extra=[("legend", ("S", "labctl/legend:1.0", LEGEND))])
    return _curve_types[key]


REPLY: Final = Type(
    id="labctl/reply:1.0",
    spec=[("value", "s"), ("rows", "v"), ("data", "aB"), ("alarm", alarm), ("timeStamp", timeStamp)],
)
"""What a command answers: a sentence, the rows of a table if it asked for some, bytes if it asked for a file."""
