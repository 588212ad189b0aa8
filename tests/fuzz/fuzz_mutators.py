"""Ways to spoil what comes from outside: bytes flipped, cut, spliced and filled with nasty pieces; trees of tables and
lists with keys moved, renamed, retyped, doubled and made extreme. The same `random.Random` gives the same input."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_REPEAT = 200_000  # bytes that one mutation may add
MOST_MUTATIONS = 4

NASTY_BYTES: tuple[bytes, ...] = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n\r\n", b"\x1a", b"\x1b[2J", b"\xc2\x9b", b"\xe2\x80\xae",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x80\xa8", b"NaN", b"-Infinity", b"1e999", b"-1e-999",
    b"9.91E37", b"1e308", b"5e-324", b"0x7fffffff", b"18446744073709551616", b"9" * 5000, b"-0", b"1_0", b"1,5", b"''",
    b'"', b'"""', b"'''", b"\\", b"\\u0000", b"\\ud800", b"\\x00", b"[", b"]" * 3, b"[" * 3000, b"{" * 3000, b"}",
    b"=", b"a=", b"[[", b"[[x]]\n", b"#", b"a.b.c.d = 1\n", b"a." * 1500 + b"b = 1\n", b"../../../../etc/passwd",
    b"/etc/passwd", b"/dev/zero", b"file:///etc/passwd", b"<script>alert(1)</script>", b"{{7*7}}", b"{% raw %}",
    b"${HOME}", b"$(id)", b"`id`", b"; rm -rf /", b"' OR 1=1 --", b"%s%n", b"$\\frac{", b"__import__('os')",
    b"!!python/object:os.system", b"\x80\x04\x95cos\nsystem\n", b"1970-13-41", b"2026-01-01T00:00:00Z", b"inf",
    b"nan", b"true", b"null", b"{}", b"[]", b'{"$float": "nan"}', b'{"$float": 1' + b"0" * 400 + b"}",
    b'{"$complex": [1]}', b"( " * 200, b"(" + b" " * 2000, b"rbw" + b" " * 2000, b"a" * 5000, b"1," * 3000,
    b"extends = \"self.toml\"\n", b"extends = \"../../../../../../etc/passwd\"\n", b"extends = \"/dev/zero\"\n",
)  # fmt: skip

NASTY_TEXTS: tuple[str, ...] = (
    "", " ", "\0", "\n", "a\nb", "\x1b[31m", "\x9b2J", "\u202eabc", "\ud800", "é" * 300, "a" * 5000, "../../x",
    "/abs/path",
    "..", ".", "~root/x", "C:\\x", "con", "a/b", "-rf", "--help", "<script>alert(1)</script>", "{{7*7}}", "{% if %}",
    "$\\frac{1}{", "$x$", "__class__", "__import__('os').system('id')", "nan", "inf", "1e999", "-1 Hz", "1e400 Hz",
    "10 hz",
    "1 K", "300 degC", "-300 degC", "0 s", "1e-320 s", "1e300 THz", "1 m/0", "1 /s", "10 V/s/s", "9" * 5000, "last",
    "0",
    "visa", "simulated", "analyzer", "oven", "lo1", "opa_length", "cavity1", "homodyne", "x.voltage", "joint.signal",
    "drivers.base.Driver", "os.system", "subprocess.Popen", "TCPIP::0.0.0.0::1::SOCKET", "ASRL/dev/mem::INSTR",
    "file:///etc/passwd", "127.0.0.1:99999", "::1", "0.0.0.0", "*", "(((((", "[" * 3000, "{" * 100, '{"a": NaN}',
    '{"sensor": 1e999}', '{"sensor": ' + "9" * 400 + "}", '{"a": {"b": []}}', "[1, 2]", "null", "\ufeff", "\u2028",
    "١٢٣",
)  # fmt: skip

NASTY_NUMBERS: tuple[Any, ...] = (
    0, -0.0, 1, -1, 2, 3, 64, 65, 255, 10**4, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400, -(10**400), 0.5,
    1e-320,
    5e-324, 1e308, -1e308, 1e16, math.nan, math.inf, -math.inf, True, False, None,
)  # fmt: skip

Place = tuple[int | str, ...]


def spoilt_bytes(data: bytes, chance: random.Random, other: bytes = b"") -> bytes:
    """Return `data` after one to four changes; `other` gives pieces to splice in."""
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, MOST_MUTATIONS)):
        chance.choice(_BYTE_CHANGES)(spoilt, chance, other)
    return bytes(spoilt)


def _flip(data: bytearray, chance: random.Random, other: bytes) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(data) + 1)
    length = chance.choice((1, 2, 4, 16))
    data[at : at + length] = chance.randbytes(length)


def _truncate(data: bytearray, chance: random.Random, other: bytes) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _cut(data: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 2, 10, 100, 1000))]


def _repeat(data: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(data) + 1)
    piece = bytes(data[at : at + chance.choice((1, 1, 3, 30, 300))])
    times = min(chance.choice((2, 5, 100, 5000)), LONGEST_REPEAT // max(1, len(piece)))
    data[at:at] = piece * times


def _insert_nasty(data: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(data) + 1)
    if chance.random() < 0.5:  # at the end of a word or a line it is more often taken for a value
        at = next((i for i in range(at, min(at + 200, len(data))) if data[i] in b' =\n",:;\t'), at)
    data[at:at] = chance.choice(NASTY_BYTES)


def _replace_word(data: bytearray, chance: random.Random, other: bytes) -> None:
    at = chance.randrange(len(data) + 1)
    begin = next((i for i in range(at, min(at + 200, len(data))) if data[i] in b"=,: \t"), at) + 1
    end = next((i for i in range(begin, min(begin + 200, len(data))) if data[i] in b"\n,:; \t"), begin)
    data[begin:end] = chance.choice(NASTY_BYTES)


def _splice(data: bytearray, chance: random.Random, other: bytes) -> None:
    source = other or bytes(data)
    at, begin = chance.randrange(len(data) + 1), chance.randrange(len(source) + 1)
    data[at : at + chance.choice((0, 10, 200))] = source[begin : begin + chance.choice((5, 50, 500))]


def _swap_lines(data: bytearray, chance: random.Random, other: bytes) -> None:
    lines = bytes(data).split(b"\n")
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    if chance.random() < 0.5:
        lines[one], lines[two] = lines[two], lines[one]
    else:
        lines.insert(one, lines[two])
    data[:] = b"\n".join(lines)


_BYTE_CHANGES: tuple[Callable[[bytearray, random.Random, bytes], None], ...] = (
    _flip, _overwrite, _truncate, _cut, _repeat, _insert_nasty, _insert_nasty, _replace_word, _splice, _swap_lines,
)  # fmt: skip


# ---- trees ----------------------------------------------------------------------------------------------------------


def places_of(content: object, here: Place = ()) -> Iterator[Place]:
    """Yield the path of every key and every item."""
    if isinstance(content, dict | list):
        for part, inner in list(content.items() if isinstance(content, dict) else enumerate(content)):
            yield (*here, part)
            yield from places_of(inner, (*here, part))


def spoilt_tree(content: Any, chance: random.Random) -> Any:
    """Return a copy of tables and lists after one to four changes."""
    spoilt = copy.deepcopy(content)
    for _ in range(chance.randint(1, MOST_MUTATIONS)):
        places = list(places_of(spoilt))
        if not places:
            return junk(chance)
        *above, last = chance.choice(places)
        parent = _at(spoilt, above)
        match chance.randrange(8):
            case 0:
                del parent[last]
            case 1 if isinstance(parent, dict):
                parent[junk_text(chance)] = parent.pop(last)
            case 2:
                parent[last] = copy.deepcopy(_at(spoilt, chance.choice(places)))
            case 3 if isinstance(parent, list):
                parent += copy.deepcopy([parent[last]] * chance.choice((1, 3, 300)))
            case 4 if isinstance(parent, dict):
                parent[junk_text(chance)] = junk(chance)
            case 5:
                other = _at(spoilt, chance.choice(places)[:-1])
                key = chance.choice(list(other) if isinstance(other, dict) else range(len(other)))
                parent[last], other[key] = copy.deepcopy(other[key]), copy.deepcopy(parent[last])
            case _:
                parent[last] = junk(chance) if chance.random() < 0.6 else _retyped(parent[last], chance)
    return spoilt


def _at(content: Any, place: Any) -> Any:
    for part in place:
        content = content[part]
    return content


def _retyped(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool) or value is None:
        return chance.choice((0, "true", [value]))
    if isinstance(value, int | float):
        try:
            return chance.choice((-value, value * 1e12, str(value), [value], {"value": value}, value * 1e-12, 0))
        except OverflowError:
            return 0
    if isinstance(value, str):
        return chance.choice((value * 50, value.upper(), value + "\0", [value], f" {value} ", value[:-1], 1))
    return chance.choice((str(value)[:100], [], {}, 1, list(value)))


def junk_text(chance: random.Random) -> str:
    """Return a text that nobody should trust."""
    if chance.random() < 0.8:
        return chance.choice(NASTY_TEXTS)
    return "".join(
        chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) for _ in range(chance.randrange(20))
    )


def junk(chance: random.Random, depth: int = 0) -> Any:
    """Return a value of any type, nested at most some levels, or very deep."""
    kind = chance.randrange(10)
    if kind < 4:
        return junk_text(chance)
    if kind < 7 or depth > 2:
        return chance.choice(NASTY_NUMBERS)
    if kind == 7:
        return [junk(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 4)))]
    if kind == 8 and chance.random() < 0.1:
        deep: Any = 1
        for _ in range(chance.choice((20, 200))):
            deep = [deep] if chance.random() < 0.5 else {"a": deep}
        return deep
    return {junk_text(chance): junk(chance, depth + 1) for _ in range(chance.choice((0, 1, 3)))}


# ---- as text --------------------------------------------------------------------------------------------------------


def toml_text(content: dict[str, Any]) -> str:
    """Return TOML, most of it in line, of a tree that may hold anything; what TOML cannot say becomes a text."""
    return "".join(f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in content.items())


def _toml_key(key: object) -> str:
    return _toml_string(str(key))


def _toml_string(text: str) -> str:
    clean = "".join(
        c if c >= " " and c not in '"\\\x7f' and not 0xD800 <= ord(c) < 0xE000 else f"\\u{ord(c):04X}" for c in text
    )
    return f'"{clean}"'


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_toml_value, value)) + "]"
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, int):
        return str(value)
    return _toml_string(str(value))
