"""Any reply at every property of every driver: a value of the promised type comes out, or an error of the family."""

from __future__ import annotations

import binascii
import enum
import inspect
import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import pytest
import pyvisa
from pymeasure.adapters import Adapter
from pymeasure.instruments import Channel, Instrument
from test_driver_rules import INSTRUMENTS, can_be_read, family

from drivers.base import Driver
from drivers.errors import LabError

REPLIES_PER_PROPERTY = 12
SLOW_REPLIES = 100_000
LONGEST_GARBAGE = 40

_PROMISES = (
    (re.compile(r"\bbool\b"), bool),
    (re.compile(r"\((?:int|integer)\b"), int),
    (re.compile(r"\bfloat\b"), float),
    (re.compile(r"\((?:str)\b"), str),
)
SEEDS = (
    b"0", b"1", b"-1", b"7", b"65535", b"+1.000000000000000E+03", b"9.91E+37", b"9.9E+37", b"NAN", b"INF", b"-INF",
    b"1_0", b"1e400", b"", b",", b"1,2,3", b'+0,"No error"', b'-113,"Undefined header"', b"ON", b"OFF", b"TD", b"WAIT",
    b"SIN",
    b"VPP", b"DBM", b"LINEAR", b"AUTO", b"AVER", b"NORM", b"TEMP", b"C", b"FFT", b"0, NO ERROR DETECTED", b"[ 12.34]",
    b"0,+1.0000E-05", b"5,+2.0000E-02", b"#0", b"#18abcdefgh", b"#9999999999", b"#210", b"3,1", b"0.0,", b"Z", b"1.0 V",
    b"Maker,Model,1,2", b"S122C,140225301,12-MAR-2024,1,18,289", b"\xff\xfb\x01", b"@253ACK7.50E-07;FF", b"0GS00",
    b"nan",
    b"0PO00004000", b"TPG362,PTG28290,44990000,010100,010100", b"+01.106139", b"3F800000", b"7FC00000", b"FFFFFFFF",
)  # fmt: skip
ENDS = (b"\r\n", b"\n", b"\r", b";FF", b"", b"\r>", b"\x06\r\n")


class Talker(Adapter):  # type: ignore[misc]
    """An adapter behind which somebody answers every command with bytes that `make` draws; then it is silent."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self.connection = None
        self._make = make
        self._waiting = b""

    def _write(self, command: str, **kwargs: Any) -> None:
        self._write_bytes(command.encode("latin-1"))

    def _write_bytes(self, content: bytes, **kwargs: Any) -> None:
        self._waiting = self._make(content)

    def _read(self, **kwargs: Any) -> str:
        line, end, self._waiting = self._waiting.partition(b"\n")
        if not line and not end:
            self._fall_silent()
        return line.decode("ascii")

    def _read_bytes(self, count: int, break_on_termchar: bool = False, **kwargs: Any) -> bytes:
        data = self._waiting if count < 0 else self._waiting[:count]
        if not data or len(data) < count:
            self._fall_silent()
        self._waiting = self._waiting[len(data) :]
        return data

    def flush_read_buffer(self) -> None:
        self._waiting = b""

    def _fall_silent(self) -> None:
        self._waiting = b""
        raise pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_timeout)


class Chatter:
    """Replies drawn at random: seeds as they are, mutated, run together or garbage, in the dress of the protocol."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def __call__(self, command: bytes) -> bytes:
        chance = self._chance
        reply = self._body()
        if command[:1] == b"#" and chance.random() < 0.9:
            reply = self._as_mecom(command, reply)
        if command[:1] == b"@" and chance.random() < 0.7:
            reply = b"@" + command[1:4] + chance.choice((b"ACK", b"NAK", b"AC")) + reply + b";FF"
        if re.match(rb"[0-9A-F][a-z]{2}", command) and chance.random() < 0.7:
            reply = command[:1] + chance.choice((b"GS", b"PO", b"IN", b"HO", b"GJ", b"I1", b"GV")) + reply
        if command == b"\x05" or chance.random() < 0.05:
            return reply + b"\r\n"
        return reply + chance.choice(ENDS)

    def _body(self) -> bytes:
        chance = self._chance
        seed = bytearray(chance.choice(SEEDS))
        match chance.randrange(5):
            case 0:
                return chance.randbytes(chance.randrange(LONGEST_GARBAGE))
            case 1:
                for _ in range(chance.randrange(1, 4)):
                    seed.insert(chance.randrange(len(seed) + 1), chance.randrange(256))
            case 2:
                seed = seed[: chance.randrange(len(seed) + 1)]
            case 3:
                seed += chance.choice(SEEDS)
        return bytes(seed)

    def _as_mecom(self, command: bytes, reply: bytes) -> bytes:
        words = (b"%08X" % self._chance.getrandbits(32), b"%08X" % self._chance.randrange(4), b"+%02X", reply)
        payload = self._chance.choice(words)
        body = b"!" + command[1:7] + (payload % self._chance.randrange(12) if payload == b"+%02X" else payload)
        return body + b"%04X" % binascii.crc_hqx(body, 0)


def readable(cls: type[Any]) -> Iterator[tuple[Any, str, property]]:
    """Yield every property of a driver and of its channels that can be read: one object of each class."""
    root = cls(Talker(lambda command: b""))
    seen = set()
    for owner in family(root):
        for base in type(owner).__mro__:
            for name, item in vars(base).items():
                ours = base.__module__.startswith("drivers.") and isinstance(item, property)
                if ours and can_be_read(item) and (type(owner), name) not in seen:
                    seen.add((type(owner), name))
                    yield owner, name, getattr(type(owner), name)


def wrong_type(value: Any, item: property) -> str:
    """Return what is wrong with a value, "" where it is what the docstring says."""
    if isinstance(value, enum.Enum) or is_dataclass(value):
        return ""
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        said_so = math.isnan(value) and "NaN" in (item.__doc__ or "")
        return "" if said_so else f"{value} is not finite"
    if value is None and "None" in (item.__doc__ or ""):
        return ""
    kind = type(value).__name__
    if isinstance(value, list | dict | bytes | Exception | None) and f"({kind} of" not in (item.__doc__ or ""):
        return f"a {type(value).__name__}"
    summary = inspect.cleandoc(item.__doc__ or "").split("\n\n")[0]
    promised = [kind for pattern, kind in _PROMISES if pattern.search(summary)]
    if len(promised) == 1 and not isinstance(value, promised[0]) and not isinstance(value, int):
        return f"a {type(value).__name__}, not a {promised[0].__name__}"
    return ""


def root_of(owner: Any) -> Driver:
    """Return the driver that a channel belongs to."""
    while isinstance(owner, Channel):
        owner = owner.parent
    assert isinstance(owner, Driver)
    return owner


def fuzz(cls: type[Any], count: int, seed: int) -> tuple[int, int]:
    """Read every property `count` times against random replies; return how many values and errors came out."""
    values = errors = 0
    for owner, name, item in readable(cls):
        chatter = Chatter(seed)
        root = root_of(owner)
        said: list[bytes] = []

        def answer(command: bytes, chatter: Chatter = chatter, said: list[bytes] = said) -> bytes:
            said.append(chatter(command))
            return said[-1]

        root.adapter = Talker(answer)
        for _ in range(count):
            said.clear()
            root._out_of_step = False  # every reply meets the parser, not the way back into step
            try:
                value = getattr(owner, name)
            except LabError:
                errors += 1
            except Exception as error:
                raise AssertionError(f"{type(owner).__name__}.{name}: {error!r} for {said}") from error
            else:
                fault = wrong_type(value, item)
                assert not fault, f"{type(owner).__name__}.{name}: {fault} for {said}"
                values += 1
    return values, errors


DRIVERS = [cls for cls in INSTRUMENTS if any(True for _ in readable(cls))]
each_driver = pytest.mark.parametrize("cls", DRIVERS, ids=lambda cls: cls.__name__)


@each_driver
def test_no_reply_gets_through_the_parsers(cls: type[Instrument]) -> None:
    assert fuzz(cls, REPLIES_PER_PROPERTY, seed=1)[1] > 0  # some of it is refused


def test_some_replies_are_understood() -> None:
    assert sum(fuzz(cls, REPLIES_PER_PROPERTY, seed=2)[0] for cls in DRIVERS) > 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_very_many_replies_do_not_get_through_the_parsers() -> None:
    properties = sum(1 for cls in DRIVERS for _ in readable(cls))
    count = -(-SLOW_REPLIES // properties)
    outcomes = [fuzz(cls, count, seed=3) for cls in DRIVERS]
    assert sum(values + errors for values, errors in outcomes) >= SLOW_REPLIES
