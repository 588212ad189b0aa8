"""The grammar of SCPI: headers with short and long forms, program messages, numbers with units, choices, blocks."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

HERTZ: Mapping[str, float] = {"HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6, "GHZ": 1e9}
SECONDS: Mapping[str, float] = {"S": 1.0, "KS": 1e3, "MS": 1e-3, "US": 1e-6, "NS": 1e-9}
VOLTS: Mapping[str, float] = {"V": 1.0, "MV": 1e-3, "UV": 1e-6, "NV": 1e-9}
DECIBELS: Mapping[str, float] = {"DB": 1.0}
DBM: Mapping[str, float] = {"DBM": 1.0}
NO_UNIT: Mapping[str, float] = {}

NOT_A_NUMBER = 9.91e37
"""What SCPI instruments say where there is no number."""

ERROR_TEXTS: Mapping[int, str] = {
    0: "No error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -120: "Numeric data error",
    -121: "Invalid character in number",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -141: "Invalid character data",
    -161: "Invalid block data",
    -200: "Execution error",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
}
"""Texts of the standard error numbers (SCPI-99 volume 2, chapter 21)."""

_NODE = re.compile(r"(\[)?:?([A-Za-z_*][A-Za-z_0-9]*?)(<n>)?(\])?(?=$|:|\[)")
_HEADER = re.compile(r"\s*([:*]?[A-Za-z_][A-Za-z_0-9:]*\??)(\s*)(.*)", re.DOTALL)
_GLUED_NUMBER = re.compile(r"(.*?[A-Za-z_])(\d[^:]*)")
_TRAILING_DIGITS = re.compile(r"(.*?)(\d+)")
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:\s*[eE]\s*[-+]?\d+)?)\s*([A-Za-z]*)")
_LARGEST_SUFFIX_DIGITS = 6


class ScpiError(Exception):
    """A refusal: its number and text (None: the usual one) go into the error queue of the instrument."""

    def __init__(self, code: int, text: str | None = None) -> None:
        self.code = code
        self.text = text
        super().__init__(code, text)


@dataclass(frozen=True)
class Header:
    """A header as looked up: `key` with `#` for a numeric suffix, the suffixes, and whether it is a query."""

    key: str
    suffixes: tuple[int, ...]
    query: bool


class Unterminated(bytes):
    """A reply that no terminator follows."""


def definite_block(payload: bytes) -> bytes:
    """Return `payload` as an IEEE 488.2 definite-length block: `#`, number of digits, length in bytes, payload."""
    length = str(len(payload))
    return f"#{len(length)}{length}".encode() + payload


@lru_cache(maxsize=4096)
def spellings(pattern: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return every key that `pattern` matches, with the places of those of its `<n>` that are in that spelling.

    Capitals are the short form, `[...]` is optional, `<n>` takes a number or nothing: `[:SENSe]:TRACe<n>:TYPE`.
    """
    body = pattern.removesuffix("?")
    choices: list[list[tuple[str, int]]] = []
    position = 0
    counter = itertools.count()
    while position < len(body):
        match = _NODE.match(body, position)
        if match is None or bool(match[1]) != bool(match[4]):
            raise ValueError(f"{pattern!r} is no SCPI pattern")
        position = match.end()
        names = dict.fromkeys((match[2].upper(), "".join(c for c in match[2] if not c.islower())))
        place = next(counter) if match[3] else -1
        node = [(name, -1) for name in names]
        if match[3]:
            node += [(name + "#", place) for name in names]
        if match[1]:
            node.append(("", -1))
        choices.append(node)
    found = []
    for combination in itertools.product(*choices):
        key = ":".join(name for name, _ in combination if name)
        found.append((key, tuple(place for _, place in combination if place >= 0)))
    return tuple(found)


def read_header(text: str) -> Header:
    """Return the header that `text` (with its path, no leading colon) spells."""
    query = text.endswith("?")
    nodes = []
    suffixes: list[int] = []
    for node in text.removesuffix("?").upper().split(":"):
        digits = _TRAILING_DIGITS.fullmatch(node)
        if digits is None:
            nodes.append(node)
            continue
        if len(digits[2]) > _LARGEST_SUFFIX_DIGITS:
            raise ScpiError(-114)
        nodes.append(digits[1] + "#")
        suffixes.append(int(digits[2]))
    return Header(":".join(nodes), tuple(suffixes), query)


def split_unit(unit: str) -> tuple[str, str, str]:
    """Return header, the space behind it and the rest of one program message unit; raises ScpiError -102 or nothing."""
    match = _HEADER.fullmatch(unit)
    if match is None:
        raise ScpiError(-102)
    return match[1], match[2], match[3].strip()


def unglue(unit: str) -> tuple[str, str] | None:
    """Return header and number of `CENT4.3E6`, where no space divides them."""
    match = _GLUED_NUMBER.fullmatch(unit)
    return (match[1], match[2]) if match else None


def split_outside_quotes(text: str, separator: str) -> Iterator[str]:
    """Yield the parts of `text` between separators that are not inside quotes."""
    if '"' not in text and "'" not in text:
        yield from text.split(separator)
        return
    start = 0
    quote = ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == separator:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def read_number(
    text: str,
    units: Mapping[str, float] = NO_UNIT,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    default: float | None = None,
) -> float:
    """Return the number that `text` spells, in the base unit of `units`; MIN, MAX and DEF where those are known.

    The range is not checked. Raises ScpiError -104, -121, -131 or -138.
    """
    word = text.strip().upper()
    named = {"MIN": minimum, "MINIMUM": minimum, "MAX": maximum, "MAXIMUM": maximum, "DEF": default, "DEFAULT": default}
    if word in named:
        value = named[word]
        if value is None:
            raise ScpiError(-224)
        return value
    match = _NUMBER.fullmatch(word)
    if match is None:
        raise ScpiError(-121 if word[:1].isdigit() or word[:1] in ("+", "-", ".") else -104)
    value = float(re.sub(r"\s", "", match[1]))
    if not math.isfinite(value):
        raise ScpiError(-222)
    if not match[2]:
        return value
    if not units:
        raise ScpiError(-138)
    if match[2] not in units:
        raise ScpiError(-131)
    return value * units[match[2]]


def read_choice(text: str, choices: Sequence[str]) -> str:
    """Return the short form of the one of `choices` ("POSitive") that `text` spells; raises ScpiError -224."""
    word = text.strip().upper()
    for choice in choices:
        short = "".join(c for c in choice if not c.islower())
        if word in (choice.upper(), short):
            return short
    raise ScpiError(-224)


def read_boolean(text: str) -> bool:
    """Return what ON, OFF or a number (rounded, zero is off) says; raises ScpiError -104 or -121."""
    word = text.strip().upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    return round(read_number(word)) != 0
