"""Columns of numbers out of any text file: which separator, which lines are data, what the header says.

Nothing is known beforehand about the program that wrote the file. A line is data when every column that most lines
fill with numbers holds one there, or a mark for a missing one; the rest is header, or is kept with its line number.
"""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray

LARGEST_FILE_BYTES = 64 * 2**20
MOST_LINES = 4_000_000
LONGEST_LINE = 2**15  # characters: of more than a thousand columns
MOST_HEADER_LINES = 1000  # of which those in the middle are forgotten first
COMMENT_MARKS = ("#", "%", "!", "//", ";", "*", "'")
SEPARATORS: tuple[str | None, ...] = (";", "\t", ",", None)
"""In the order of preference where two fit; None is any white space."""
SAMPLE_LINES = 400
SAMPLE_CHARACTERS = 1_000_000
SHARE_OF_A_COLUMN = 0.5
"""A position that holds a number in more than this share of the sampled rows is a column."""
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SCPI_NOT_A_NUMBER = 9.9e37
"""SCPI instruments send 9.91E37 for not a number and 9.9E37 for infinity (SCPI-99, 7.2.1.4)."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_FORTRAN_EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d+$)")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_DOTS_FOR_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMAS_FOR_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+")
_MISSING = re.compile(r"[+-]?(nan|inf|infinity|1\.#\w+|-+|n/?a|null|none|overflow)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class TextTable:
    """`numbers` (n, c), nan where one is missing, and for every row the line it stands in.

    positions: place of each column among the fields of a line; separator: None for white space; header: lines before
    the first row and comments anywhere; unread: (line, text) of lines between or after the rows
    that are neither.
    """

    path: Path
    numbers: FloatArray
    lines: NDArray[np.int64]
    positions: tuple[int, ...]
    separator: str | None
    header: tuple[str, ...]
    unread: tuple[tuple[int, str], ...]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.positions)


def read_text_table(path: Path | str) -> TextTable:
    """Read the columns of numbers in a text file: UTF-8 or UTF-16 with or without byte order mark, or Latin-1.

    Fields are separated by semicolons, tabs, commas or white space and may be quoted; a comma that does not separate
    is a decimal comma. Raises AnalysisRefused, naming the file, when it is missing, not text, larger than 64 MB, has
    more lines or longer ones than a recording has, or holds no rows of numbers.
    """
    path = Path(path)
    lines = _lines(path)
    separator, positions = _layout(lines)
    if not positions:
        raise AnalysisRefused(
            f"{path} holds no rows of numbers.", remedy="Give a text file with two columns, such as a CSV export."
        )
    rows = array("d")  # number after number: a list of lists takes ten times the memory
    at = array("q")
    header: list[str] = []
    unread: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip(" \r\n\ufeff")
        if not text.strip("\t,; "):
            continue
        row = None if _is_comment(text) else _row(text, separator, positions)
        if row is not None and (rows or not any(math.isnan(x) for x in row) or _all_marked(text, separator, positions)):
            rows.extend(row)
            at.append(number)
            if positions[0] and separator is not None:  # Tektronix writes its settings to the left of the first rows
                header += _beside(text, separator, positions[0])
        elif rows and not _is_comment(text):
            unread.append((number, text))
        else:
            header.append(text)
        if len(header) > MOST_HEADER_LINES:
            del header[MOST_HEADER_LINES // 2]
    if not rows:
        raise AnalysisRefused(f"{path} holds no rows of numbers.", remedy="Give a text file with two columns.")
    numbers = np.frombuffer(rows, dtype=np.float64).reshape(-1, len(positions))
    return TextTable(
        path, numbers, np.frombuffer(at, dtype=np.int64), positions, separator, tuple(header), tuple(unread)
    )


LONGEST_NUMBER = 100  # characters; what is longer and no plain number is text


def split_fields(text: str, separator: str | None) -> list[str]:
    """The fields of one line without quotes; quoted separators do not separate."""
    if separator is None:
        return [field.strip("\"'") for field in text.split()]
    if '"' in text:
        try:
            return [field.strip() for field in next(csv.reader([text], delimiter=separator, skipinitialspace=True))]
        except (csv.Error, StopIteration):
            pass
    return [field.strip().strip("\"'").strip() for field in text.split(separator)]


def without_mark(text: str) -> str:
    """A header line without the mark of a comment."""
    for mark in COMMENT_MARKS:
        if text.startswith(mark):
            return text.lstrip(mark[0]).strip()
    return text


def number_of(field: str) -> float | None:
    """The number in a field; nan for a mark of a missing or endless one, None for anything else."""
    if _NUMBER.fullmatch(field):  # nearly always
        value = float(field)
        return value if abs(value) < SCPI_NOT_A_NUMBER else math.nan
    if len(field) > LONGEST_NUMBER:
        return None
    text = field.replace("\u2212", "-")
    if "," in text:
        if _DOTS_FOR_THOUSANDS.fullmatch(text):
            text = text.replace(".", "").replace(",", ".")
        elif _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        elif _COMMAS_FOR_THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
    text = _FORTRAN_EXPONENT.sub("e", text)
    if _NUMBER.fullmatch(text):
        value = float(text)
        return value if abs(value) < SCPI_NOT_A_NUMBER else math.nan
    return math.nan if _MISSING.fullmatch(text) else None


def _lines(path: Path) -> list[str]:
    """The lines of a file, counted before they are parted: each takes several times the memory of its text."""
    text = _text(path)
    if sum(map(text.count, _LINE_ENDS)) > MOST_LINES:
        raise AnalysisRefused(f"{path} has more than {MOST_LINES} lines.", remedy="Export fewer points.")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise AnalysisRefused(
                f"{path}, line {number}, has {len(line)} characters, more than {LONGEST_LINE}.",
                remedy="Give a text file with one point a line.",
            )
    return lines


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > LARGEST_FILE_BYTES:
            what = f"has {size / 2**20:.0f} MB, more than 64 MB" if path.is_file() else "is not a file"
            raise AnalysisRefused(f"{path} {what}.", remedy="Give a text file with two columns.")
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES)  # and no more, should it grow
    except FileNotFoundError:
        raise AnalysisRefused(f"There is no file {path}.", remedy="Check the name and the folder.") from None
    except (OSError, ValueError) as error:
        raise AnalysisRefused(f"{path} cannot be read: {error}.") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw:
        halves = raw[0::2], raw[1::2]
        for zeros, letters, encoding in ((*halves[::-1], "utf-16-le"), (*halves, "utf-16-be")):
            if not zeros.strip(b"\0") and b"\0" not in letters:
                return raw.decode(encoding, errors="replace")
        raise AnalysisRefused(f"{path} is not a text file.", remedy="Export the trace as two columns of text.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _is_comment(text: str) -> bool:
    return text.startswith(COMMENT_MARKS) and not (text[0] in ";'" and _is_numbers(text))


def _is_numbers(text: str) -> bool:
    """Whether a line that starts with a semicolon or quote is a row whose first field is empty or quoted."""
    fields = [field for field in split_fields(text, ";" if text[0] == ";" else None) if field]
    return len(fields) > 1 and all(number_of(field) is not None for field in fields)


def _layout(lines: Sequence[str]) -> tuple[str | None, tuple[int, ...]]:
    """The separator with which most lines are rows of numbers, and the positions of the columns."""
    filled = [text for line in lines if (text := line.strip(" \r\n\ufeff")) and not _is_comment(text)]
    step = max(1, len(filled) // SAMPLE_LINES)
    sample = _some([text for text in filled[::step] if text.strip("\t,; ")])
    best: tuple[int, int] = (0, 0)
    layout: tuple[str | None, tuple[int, ...]] = (None, ())
    for separator in SEPARATORS:
        rows = [[number_of(field) for field in split_fields(text, separator)] for text in sample]
        blank = [[not field for field in split_fields(text, separator)] for text in sample]
        several = [(r, b) for r, b in zip(rows, blank, strict=True) if sum(x is not None for x in r) > 1]
        clean = sum(all(x is not None or e for x, e in zip(r, b, strict=True)) for r, b in several)
        if (clean, len(several)) > best:
            best, layout = (clean, len(several)), (separator, _columns([r for r, _ in several]))
    if not layout[1] and any(number_of(text) is not None for text in sample):
        return None, (0,)
    return layout


def _some(lines: Sequence[str]) -> list[str]:
    """The first lines, as many as are looked at together."""
    characters = 0
    some: list[str] = []
    for line in lines:
        characters += len(line)
        if some and characters > SAMPLE_CHARACTERS:
            break
        some.append(line)
    return some


def _columns(rows: Sequence[Sequence[float | None]]) -> tuple[int, ...]:
    width = max(len(row) for row in rows)
    filled = [sum(len(row) > p and row[p] is not None for row in rows) for p in range(width)]
    return tuple(p for p, count in enumerate(filled) if count > SHARE_OF_A_COLUMN * len(rows))


def _row(text: str, separator: str | None, positions: tuple[int, ...]) -> list[float] | None:
    """Numbers at the positions, nan for empty fields; None for a line with words there or no number at all."""
    fields = split_fields(text, separator)
    row: list[float] = []
    found = False
    for position in positions:
        field = fields[position] if position < len(fields) else ""
        value = number_of(field) if field else math.nan
        if value is None:
            return None
        found |= bool(field)
        row.append(value)
    return row if found else None


def _beside(text: str, separator: str, columns: int) -> list[str]:
    """What stands to the left of the columns, as one line of header."""
    fields = [field for field in split_fields(text, separator)[:columns] if field]
    return [separator.join(fields)] if len(fields) > 1 else []


def _all_marked(text: str, separator: str | None, positions: tuple[int, ...]) -> bool:
    """Whether a row with missing numbers says so in every field, so that it can be the first row."""
    fields = split_fields(text, separator)
    return len(fields) > positions[-1] and all(fields[p] for p in positions)
