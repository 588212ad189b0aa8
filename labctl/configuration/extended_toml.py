"""TOML files that build on one another: `extends = "other.toml"` takes over another file.

Tables are merged key by key, anything else (lists too) is replaced as a whole. A table that names another `kind` or
`driver` than the one it extends is another thing altogether, and takes over nothing.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.configuration.faults import Fault, Key, shown

EXTENDS = "extends"

_LARGEST_FILE_BYTES = 1_000_000
_LONGEST_LINE = 4096  # the parser takes quadratic time over a key of very many parts
_MOST_FILES = 8
_DEEPEST_TABLE = 16
_IDENTITIES = ("kind", "driver")
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class FaultyFile(Exception):
    """A file cannot be read at all; never leaves this room."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class MergedFile:
    """What a file and those that it extends say together, and which file said it last."""

    name: str
    content: dict[str, Any]
    origins: dict[Key, str]

    def origin(self, key: Key) -> str:
        """The file that a person has to edit to change `key`."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return self.name


def read_extended(path: Path) -> MergedFile:
    """Read a TOML file and everything that it extends; raises FaultyFile."""
    chain = _chain(path)
    content: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    for file, tables in reversed(chain):
        content = merged(content, tables)
        for name, value in tables.items():
            _note_origins(origins, (name,), value, file)
    return MergedFile(str(path), content, origins)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid over it; neither is changed."""
    if any(name in base and name in over and base[name] != over[name] for name in _IDENTITIES):
        return dict(over)
    result = dict(base)
    for key, value in over.items():
        below = base.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _note_origins(origins: dict[Key, str], key: Key, value: object, file: str) -> None:
    origins[key] = file
    if isinstance(value, dict):
        for name, inner in value.items():
            _note_origins(origins, (*key, name), inner, file)


def _chain(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The file and those that it extends, the last of which extends nothing."""
    chain: list[tuple[str, dict[str, Any]]] = []
    seen: list[Path] = []
    while True:
        real = _resolved(path)
        if real in seen:
            raise _bad_extends(
                chain, f"{path.name} extends itself in the end", "files that do not come back to themselves"
            )
        if len(chain) == _MOST_FILES:
            raise _bad_extends(chain, f"the file extends {_MOST_FILES} others in a row", f"at most {_MOST_FILES} files")
        try:
            tables = read_toml(path)
        except FaultyFile as error:
            if not chain or error.fault.key:
                raise
            raise _bad_extends(chain, f"{error.fault.file} {error.fault.problem}", error.fault.allowed) from None
        chain.append((str(path), tables))
        seen.append(real)
        if EXTENDS not in tables:
            return chain
        base = tables.pop(EXTENDS)
        if not isinstance(base, str) or not base or "\0" in base:
            raise _bad_extends(chain, f"{shown(base)} is not the name of a file", 'a file such as "table.toml"')
        path = Path(os.path.normpath(path.parent / base))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a circle of links, or no path at all: reading will say so
        return path


def _bad_extends(chain: list[tuple[str, dict[str, Any]]], problem: str, allowed: str) -> FaultyFile:
    return FaultyFile(Fault(chain[-1][0], EXTENDS, problem, allowed))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of one TOML file; raises FaultyFile."""
    text = _text_of(path)
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _LONGEST_LINE:
            problem = f"the line has {len(line)} characters"
            raise FaultyFile(Fault(str(path), f"line {number}", problem, f"at most {_LONGEST_LINE} characters a line"))
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, str(error)) from None
    except (ValueError, RecursionError):
        # The parser's own limits: integers of thousands of digits, dates that do not exist, lists without end.
        raise FaultyFile(
            Fault(str(path), "", "has a value that no TOML file needs", "plain numbers, text and tables")
        ) from None
    if _is_deeper_than(content, _DEEPEST_TABLE):
        raise FaultyFile(Fault(str(path), "", "has tables in tables without end", f"at most {_DEEPEST_TABLE} levels"))
    return content


def _text_of(path: Path) -> str:
    allowed = "the path of a station file or a recipe"
    try:
        if not path.exists():
            raise FaultyFile(Fault(str(path), "", "is not there", allowed))
        if not path.is_file():
            raise FaultyFile(Fault(str(path), "", "is not a file", allowed))
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise FaultyFile(Fault(str(path), "", f"cannot be read: {reason}", allowed)) from None
    if len(data) > _LARGEST_FILE_BYTES:
        raise FaultyFile(Fault(str(path), "", "is too large", f"at most {_LARGEST_FILE_BYTES} bytes"))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FaultyFile(Fault(str(path), f"line {line}", "is not UTF-8 text", "a text file saved as UTF-8")) from None


def _not_toml(path: Path, message: str) -> FaultyFile:
    match = _POSITION.search(message)
    reason = message[: match.start()] if match else message
    where = f"line {match[1]}, column {match[2]}" if match and match[1] else "end of the file"
    problem = f"this is not TOML: {reason[:1].lower()}{reason[1:]}"
    return FaultyFile(Fault(str(path), where, problem, 'TOML, such as key = "text" or key = 1.5'))


def _is_deeper_than(content: object, levels: int) -> bool:
    level = [content]
    for _ in range(levels):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
    return bool(level)
