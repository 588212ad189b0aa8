"""Read a spectrum that another program wrote as two columns of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray

LARGEST_FILE_BYTES = 64 * 2**20
LONGEST_HEADER_LINES = 1000
COMMENT_MARKS = ("#", "%", "!", "//", ";", '"')

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class TwoColumns:
    """`frequency` (n,) strictly ascending and `values` (n,), in whatever units the file has; `header` as found."""

    path: Path
    frequency: FloatArray
    values: FloatArray
    header: tuple[str, ...]


def read_two_columns(path: Path | str) -> TwoColumns:
    """Read two columns of numbers separated by spaces, tabs, commas or semicolons.

    Comment lines (# % ! // ; ") are skipped anywhere, other text only before the first number. With semicolons or
    tabs, a comma is a decimal comma. An axis that descends throughout is turned round.
    Raises AnalysisRefused, naming file and line, when the file is missing, not text, larger than 64 MB, has no numbers,
    a row without exactly two numbers, NaN or infinity, or an axis that turns back.
    """
    path = Path(path)
    rows: list[tuple[float, float]] = []
    lines: list[int] = []
    header: list[str] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        if text.startswith(COMMENT_MARKS):
            header.append(text)
            continue
        fields = _fields(text)
        if not rows and not _NUMBER.fullmatch(fields[0]) and not _NOT_FINITE.fullmatch(fields[0]):
            header.append(text)
            if len(header) > LONGEST_HEADER_LINES:
                break
            continue
        rows.append(_row(path, number, fields))
        lines.append(number)
    if len(rows) < 2:
        raise AnalysisRefused(
            f"{path} holds {'one row' if rows else 'no rows'} of numbers.",
            remedy="Give a text file with two columns, frequency and value.",
        )
    columns = np.array(rows, dtype=np.float64)
    frequency, values = _ascending(path, columns[:, 0], columns[:, 1], lines)
    return TwoColumns(path, frequency, values, tuple(header))


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


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if path.is_file() and size <= LARGEST_FILE_BYTES:
            raw = path.read_bytes()
        else:
            what = f"has {size / 2**20:.0f} MB, more than 64 MB" if path.is_file() else "is not a file"
            raise AnalysisRefused(f"{path} {what}.", remedy="Give a text file with two columns.")
    except FileNotFoundError:
        raise AnalysisRefused(f"There is no file {path}.", remedy="Check the name and the folder.") from None
    except (OSError, ValueError) as error:
        raise AnalysisRefused(f"{path} cannot be read: {error}.") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw:
        raise AnalysisRefused(f"{path} is not a text file.", remedy="Export the trace as two columns of text.")
    return raw.decode("utf-8-sig", errors="replace")


def _fields(text: str) -> list[str]:
    """The fields of one line; empty ones at its end are dropped."""
    if ";" in text or "\t" in text:
        fields = [field.strip().replace(",", ".") for field in re.split(r"[;\t]", text)]
    elif "," in text:
        fields = [field.strip() for field in text.split(",")]
    else:
        fields = text.split()
    while len(fields) > 1 and not fields[-1]:
        fields.pop()
    return fields


def _row(path: Path, line: int, fields: list[str]) -> tuple[float, float]:
    if len(fields) != 2:
        raise AnalysisRefused(
            f"{path}, line {line}: {len(fields)} columns, not two.", remedy="Keep only frequency and value."
        )
    for field in fields:
        if _NOT_FINITE.fullmatch(field):
            raise AnalysisRefused(f"{path}, line {line}: {field} is not a finite number.")
        if not _NUMBER.fullmatch(field):
            raise AnalysisRefused(f"{path}, line {line}: {field[:40]!r} is not a number.")
    x, y = float(fields[0]), float(fields[1])
    if not (np.isfinite(x) and np.isfinite(y)):
        raise AnalysisRefused(f"{path}, line {line}: a number is too large.")
    return x, y


def _ascending(
    path: Path, frequency: FloatArray, values: FloatArray, lines: list[int]
) -> tuple[FloatArray, FloatArray]:
    steps = np.diff(frequency)
    if (steps < 0).all():
        return frequency[::-1].copy(), values[::-1].copy()
    if not (steps > 0).all():
        turn = int(np.argmax(steps <= 0)) + 1
        raise AnalysisRefused(
            f"{path}, line {lines[turn]}: the frequency goes from {frequency[turn - 1]:g} to {frequency[turn]:g}; "
            "the first column must ascend.",
            remedy="Give one sweep a file.",
        )
    return frequency, values
