"""Names and units of columns, and settings of the instrument, from the header of a text file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.spectra.column_units import ColumnUnit, unit_of
from labctl.spectra.text_table import TextTable, number_of, split_fields, without_mark

LINES_LOOKED_AT = 8
"""Names stand just above the numbers."""

LONGEST_LABEL = 200
LONGEST_HEADER_LINE = 500
"""Characters of a label and of a line of the header that are looked at: what is longer names nothing."""

_BRACKET = re.compile(r"[\[({]([^\[\](){}]*(?:\([^()]*\)[^\[\](){}]*)?)[\])}]")
_STARTS_LIKE_A_NUMBER = re.compile(r"[+-]?[\d.,]*\d")
_BRACKETED_WORD = re.compile(r"[^\s\[\](){}]+(?:\s*[\[({][^\])}]*[\])}])?")
_AXIS_UNIT = re.compile(
    r"^\W*(x|y|horizontal|vertical)[ _-]*(?:axis)?[ _-]*units?\W*[:;,=\t ]\W*([^\s;,\"]+)", re.IGNORECASE
)
_SETTING = r"\b(?:{})\b[^\d\n;,:=\t]{{0,20}}[:;,=\t ]+\W?\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\"?[;,\s]*([kKMmG]?[hH][zZ])?"
_RBW = re.compile(_SETTING.format(r"rbw|res(?:olution)?\.?\s*(?:bw|bandwidth)"), re.IGNORECASE)
_VBW = re.compile(_SETTING.format(r"vbw|video\s*(?:bw|bandwidth)"), re.IGNORECASE)


@dataclass(frozen=True)
class ColumnLabel:
    """What the header says of one column; empty and None where it says nothing."""

    name: str = ""
    unit: ColumnUnit | None = None

    def __str__(self) -> str:
        return self.name or "unnamed"


@dataclass(frozen=True)
class HeaderFacts:
    """Labels of all columns, and the resolution and video bandwidth in Hz where the header gives them."""

    labels: tuple[ColumnLabel, ...]
    rbw_hz: float | None = None
    vbw_hz: float | None = None


def header_facts(table: TextTable) -> HeaderFacts:
    """Read the header of a table."""
    axis_units: dict[str, ColumnUnit] = {}
    named: list[str] = []
    header = [line[:LONGEST_HEADER_LINE] for line in table.header]
    for line in map(without_mark, header):
        found = _AXIS_UNIT.match(line)
        unit = unit_of(found[2]) if found else None
        if found and unit is not None:
            axis_units["x" if found[1].lower() in ("x", "horizontal") else "y"] = unit
        elif not found:
            named.append(line)
    labels = list(_labels(table, named))
    for i, axis in enumerate(["x"] + ["y"] * (len(labels) - 1)):
        if axis in axis_units and (labels[i].unit is None or table.columns == 2):
            labels[i] = ColumnLabel(labels[i].name, axis_units[axis])
    return HeaderFacts(tuple(labels), _bandwidth(_RBW, header), _bandwidth(_VBW, header))


def label_of(text: str) -> ColumnLabel:
    """Name and unit of one field such as "Frequency [MHz]", "power_dbm", "Amplitude / V" or "CH1(mV)"."""
    text = text[:LONGEST_LABEL].strip().strip("\"'").strip()
    for found in reversed(list(_BRACKET.finditer(text))):
        unit = unit_of(found[1])
        if unit is not None:
            return ColumnLabel((text[: found.start()].rstrip() + text[found.end() :]).strip(" :"), unit)
    for mark in (" / ", "/ ", ", ", " in ", "_", " ", "/"):
        name, parted, last = text.rpartition(mark)
        unit = unit_of(last) if parted and name.strip() else None
        if unit is not None:
            return ColumnLabel(name.strip(), unit)
    return ColumnLabel(text, unit_of(text))


def _labels(table: TextTable, header: Sequence[str]) -> list[ColumnLabel]:
    units: list[ColumnUnit | None] | None = None
    for line in list(reversed(header))[:LINES_LOOKED_AT]:
        fields = _fields_for(line, table)
        if fields is None:
            continue
        spelled = [unit_of(field) for field in fields]
        if all(u is not None or not field for u, field in zip(spelled, fields, strict=True)) and any(spelled):
            if units is None:
                units = spelled
                continue
            break
        numeric = [_STARTS_LIKE_A_NUMBER.match(field) is not None for field in fields]
        if all(numeric) or (len(fields) < 3 and numeric[-1]):  # a setting, such as "RBW,10 Hz"
            continue
        labels = [label_of(field) for field in fields]
        if units is not None:
            labels = [ColumnLabel(label.name, u or label.unit) for label, u in zip(labels, units, strict=True)]
        return labels
    return [ColumnLabel("", u) for u in units] if units is not None else [ColumnLabel()] * table.columns


def _fields_for(line: str, table: TextTable) -> list[str] | None:
    """The fields of a header line, one for each column of the table, however it separates them; else None."""
    width = table.positions[-1] + 1
    ways = [split_fields(line, table.separator)]
    ways += [split_fields(line, separator) for separator in (";", "\t", ",") if separator != table.separator]
    ways += [re.split(r"\s{2,}", line.strip()), _BRACKETED_WORD.findall(line), line.split()]
    for fields in ways:
        while len(fields) > width and not fields[-1]:
            fields.pop()
        if len(fields) == width:
            return [fields[p] for p in table.positions]
        if len(fields) == table.columns:
            return fields
    own = ways[0]
    return [own[p] for p in table.positions] if table.separator is not None and len(own) > width else None


def _bandwidth(pattern: re.Pattern[str], header: Sequence[str]) -> float | None:
    for line in header:
        found = pattern.search(" ".join(line.split()))  # in a run of blanks the pattern would look for very long
        value = number_of(found[1]) if found else None
        if found is not None and value is not None and value > 0:
            unit = unit_of(found[2]) if found[2] else None
            return value * (unit.factor if unit is not None else 1.0)
    return None
