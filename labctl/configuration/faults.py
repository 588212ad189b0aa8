"""What is wrong with a file: one `Fault` for each wrong key, in words for the person who edits the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from labctl.errors import plain

Key = tuple[str | int, ...]
"""Path of a key from the root of a file; an item of a list is its index, from 0."""

REFUSED = "refused"
"""Type of the pydantic errors that carry a problem in plain words."""

_LONGEST_SHOWN_VALUE = 60
_LONGEST_GUESSED_WORD = 64
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file; `key` is empty where the whole file is meant, items of a list count from 1."""

    file: str
    key: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return plain(f"{place}: {self.problem}; allowed: {self.allowed}").replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault before it is known which file it came from."""

    key: Key
    problem: str
    allowed: str

    def __str__(self) -> str:
        return f"{key_text(self.key)}: {self.problem}; allowed: {self.allowed}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Annotation of a model's field: what may be given there, as it ends the sentence "allowed: ..."."""

    allowed: str


def refusal(problem: str, allowed: str = "") -> PydanticCustomError:
    """The error for a validator to raise; without `allowed` the field's `Allowed` annotation is used."""
    return PydanticCustomError(REFUSED, "{problem}", {"problem": problem, "allowed": allowed})


def key_text(key: Key) -> str:
    """`("loops", "lo1", "needs", 0)` as `loops.lo1.needs.1`; a part that TOML would quote is quoted."""
    return ".".join(str(part + 1) if isinstance(part, int) else _key_part(part) for part in key)


def _key_part(part: str) -> str:
    if not _BARE_KEY.fullmatch(part):
        part = json.dumps(part, ensure_ascii=False)
    return part if len(part) <= _LONGEST_SHOWN_VALUE else part[: _LONGEST_SHOWN_VALUE - 3] + "..."


def shown(value: object) -> str:
    """A value as the file has it, on one line and cut to a readable length."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 4 * _LONGEST_SHOWN_VALUE:
        return "an enormous number"  # Python refuses to print integers of thousands of digits
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN_VALUE else text[: _LONGEST_SHOWN_VALUE - 3] + "..."


def choices(words: Iterable[str], *, join: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {join} {listed[-1]}"


def guess(word: str, known: Iterable[str]) -> str:
    """` (did you mean "unity_gain"?)` for the known word nearest to a mistyped one, or nothing."""
    if len(word) > _LONGEST_GUESSED_WORD:
        return ""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
