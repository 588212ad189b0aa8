"""Read a spectrum that another program wrote as two columns of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.text_table import TextTable, read_text_table


@dataclass(frozen=True, eq=False)
class TwoColumns:
    """`frequency` (n,) strictly ascending and `values` (n,), in whatever units the file has; `header` as found."""

    path: Path
    frequency: FloatArray
    values: FloatArray
    header: tuple[str, ...]


def read_two_columns(path: Path | str) -> TwoColumns:
    """Read exactly two columns of numbers as they are; `labctl.spectra.recording` is the forgiving way.

    An axis that descends throughout is turned round. Raises AnalysisRefused, naming file and line, for what
    `read_text_table` refuses, another number of columns, lines between the rows that are none, NaN or infinity, or
    an axis that turns back or repeats.
    """
    table = read_text_table(path)
    if table.unread:
        line, text = table.unread[0]
        raise AnalysisRefused(f"{table.path}, line {line}: {text[:40]!r} is no row of two numbers.")
    if table.columns != 2:
        raise AnalysisRefused(
            f"{table.path}, line {table.lines[0]}: {table.columns} columns, not two.",
            remedy="Keep only frequency and value.",
        )
    if len(table.numbers) < 2:
        raise AnalysisRefused(
            f"{table.path} holds one row of numbers.",
            remedy="Give a text file with two columns, frequency and value.",
        )
    missing = np.flatnonzero(~np.isfinite(table.numbers).all(axis=1))
    if len(missing):
        raise AnalysisRefused(f"{table.path}, line {table.lines[missing[0]]}: a number is missing or not finite.")
    frequency, values = _ascending(table)
    return TwoColumns(table.path, frequency, values, table.header)


def require_same_axis_in_files(a: TwoColumns, b: TwoColumns) -> None:
    """Refuse two files whose axes differ in length or anywhere by more than a thousandth of the spacing."""
    if len(a.frequency) != len(b.frequency):
        raise AnalysisRefused(
            f"{a.path} has {len(a.frequency)} points and {b.path} has {len(b.frequency)}.",
            remedy="Give recordings with the same frequency axis.",
        )
    difference = np.abs(a.frequency - b.frequency)
    worst = int(np.argmax(difference))
    if difference[worst] > 1e-3 * float(np.diff(a.frequency).min()):
        raise AnalysisRefused(
            f"{a.path} and {b.path} have different frequency axes: point {worst + 1} is at "
            f"{a.frequency[worst]:.10g} and {b.frequency[worst]:.10g}.",
            remedy="Give recordings with the same frequency axis.",
        )


def _ascending(table: TextTable) -> tuple[FloatArray, FloatArray]:
    frequency, values = table.numbers[:, 0].copy(), table.numbers[:, 1].copy()
    steps = np.diff(frequency)
    if (steps < 0).all():
        return frequency[::-1].copy(), values[::-1].copy()
    if not (steps > 0).all():
        turn = int(np.argmax(steps <= 0)) + 1
        raise AnalysisRefused(
            f"{table.path}, line {table.lines[turn]}: the frequency goes from {frequency[turn - 1]:g} to "
            f"{frequency[turn]:g}; the first column must ascend.",
            remedy="Give one sweep a file.",
        )
    return frequency, values
