"""Any bytes at every simulated instrument: it never raises, never says more than it was asked, and still answers."""

from __future__ import annotations

import inspect
import pkgutil
import random
from collections.abc import Iterator
from importlib import import_module

import pytest
from every_twin import KINDS, Kind, Listener

from labctl.simulation import instruments
from labctl.simulation.wire import MOST_UNREAD_REPLIES, WireInstrument

STRINGS, SLOW_STRINGS = 300, 100_000
BURST = 20  # strings before the twin has to say who it is
STRINGS_PER_TWIN = 200
LONGEST_RUBBISH = 120

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def strings(kind: Kind, count: int, seed: int) -> Iterator[bytes]:
    """Yield random bytes, and lines of the twin's language mutated, cut short and run together."""
    chance = random.Random(seed)
    for _ in range(count):
        line = chance.choice(kind.lines)
        match chance.randrange(6):
            case 0:
                yield chance.randbytes(chance.randrange(LONGEST_RUBBISH))
            case 1:
                yield _mutated(line, chance) + kind.end
            case 2:
                yield line[: chance.randrange(len(line) + 1)]
            case 3:
                yield b"".join(chance.choice(kind.lines) for _ in range(chance.randrange(2, 6))) + kind.end
            case 4:
                yield chance.choice((b";", kind.end)).join([line, chance.choice(kind.lines)]) + kind.end
            case _:
                yield line + kind.end


def _mutated(line: bytes, chance: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[place:place] = chance.choice(
                    (b"9", b"-", b"e99", b"?", b";", b",", b":", b" ", b"\x00", b"\xff")
                )
            case 1:
                del changed[place : place + chance.randrange(1, 4)]
            case 2 if place < len(changed):
                changed[place] = chance.randrange(256)
            case _:
                changed[place:place] = changed[: chance.randrange(8)]
    return bytes(changed)


def fuzz(kind: Kind, count: int, seed: int) -> None:
    """Send `count` strings and look at the twin after every burst."""
    host = Listener(kind)
    burst: list[bytes] = []
    for number, data in enumerate(strings(kind, count, seed), start=1):
        burst.append(data)
        try:
            host.twin.on_bytes(data)
            assert host.twin.replies_waiting() <= MOST_UNREAD_REPLIES
            if number % 3 == 0:
                host.listen()
            if number % BURST == 0 or number == count:
                _still_answers(host)
                burst.clear()
        except Exception as error:
            raise AssertionError(f"{kind.name}: {error!r} after {burst}") from error
        if number % STRINGS_PER_TWIN == 0:
            host = Listener(kind)


def _still_answers(host: Listener) -> None:
    kind = host.kind
    heard = host.identify()
    assert kind.identity in heard, f"it says {heard[:200]!r}"
    if kind.scpi:
        host.say(b"*CLS" + kind.end)
        host.say(b"NO:SUCH:HEADER 1" + kind.end)
        code = int(host.say(b":SYST:ERR?" + kind.end).split(b",")[0])
        assert -200 < code <= -100
        assert int(host.say(b":SYST:ERR?" + kind.end).split(b",")[0]) == 0


@each_kind
def test_any_bytes_are_survived(kind: Kind) -> None:
    fuzz(kind, STRINGS, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@each_kind
def test_very_many_bytes_are_survived(kind: Kind) -> None:
    fuzz(kind, -(-SLOW_STRINGS // len(KINDS)), seed=2)


@each_kind
def test_a_host_that_never_reads_is_not_answered_without_end(kind: Kind) -> None:
    host = Listener(kind)
    for _ in range(MOST_UNREAD_REPLIES // 4):
        host.twin.on_bytes(kind.questions[0] * 8)
    assert host.twin.replies_waiting() <= MOST_UNREAD_REPLIES


def test_every_simulated_instrument_is_here() -> None:
    found = {
        item
        for module in pkgutil.iter_modules(instruments.__path__)
        for item in vars(import_module(f"{instruments.__name__}.{module.name}")).values()
        if inspect.isclass(item) and issubclass(item, WireInstrument) and item.__name__.startswith("Simulated")
    }
    assert {type(Listener(kind).twin) for kind in KINDS} == found


def test_the_check_sees_a_twin_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS[0]
    monkeypatch.setattr(type(Listener(kind).twin), "on_bytes", lambda self, data: 1 // 0)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        fuzz(kind, 1, seed=1)
