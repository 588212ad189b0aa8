"""Any text of an instrument's language, and near it: what moves an output of the twin was named or called unknown."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_benches import BOARD_PINS, MOVING, Moving, MovingTwin, frame, tolerance, wanted

from drivers.moves import Move, MoveKind
from labctl.simulation.instruments import newport_8742_controller, thorlabs_ell14
from labctl.simulation.instruments.meerstetter_parameters import RAM_TARGET_C, parameter_table
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.scpi import ScpiInstrument

TEXTS, SLOW_TEXTS = 600, 6000
TEXTS_PER_TWIN = 30
each_moving = pytest.mark.parametrize("moving", MOVING, ids=lambda moving: moving.name)

_LIKELY = re.compile("VOLT|STAT|PIN$|DIR|WAV|POW|TEMP|LIM|OUTP|APPL|INITV|LASTV|LOAD|SP")
Words = Callable[[random.Random, Any], str]

_NUMBERS = (
    "0",
    "1",
    "-1",
    "+0.5",
    "2.5",
    "12",
    "40",
    "1E0",
    "-3.5e-1",
    ".25",
    "1e99999",
    "1,2,3",
    "3,4",
    "",
    "MAX",
    "?",
)


_PINS = (*BOARD_PINS, "AOUT0", "AOUT3", "AIN0", "LED1")
_WORDS = (
    *_NUMBERS,
    *("ON", "OFF", "0.4", "30C", "300K", "30", "1.551e-6", "100 mV", "1 kHz", "INF", "L50", "50", "SIN", "SQU", "DC"),
    *("VPP", "TEMP", "CURR", "TRIANGLE", "1e3,0.1,0", "1e3,0.1", "BURST", "DIO0_P,1", "OUT,DIO0_P"),
)
_SCPI_WORDS = {
    "DIR": [f"{direction},{pin}" for pin in _PINS for direction in ("IN", "OUT")],
    "PIN": [f"{pin},{level}" for pin in _PINS for level in ("0", "1", "0.7")],
    "TEMP": ("30C", "31.5 C", "300K", "80F", "25", "MAX"),
    "WAV": ("1.551e-6", "1.56e-06", "1550"),
    "STAT": ("ON", "OFF", "0.4", "1"),
    "VOLT": ("0.5", "100 mV", "0.25", "-0.125", "0"),
}
"""What headers are likely to take, by a part of them."""


def _piezo(chance: random.Random, twin: Any) -> str:
    channel, number = chance.choice("xyzX"), chance.choice(_NUMBERS)
    forms = [
        f"{channel}voltage={number}", f"{channel}v{number}", f"{channel}min={number}", f"{channel}H{number}",
        f"AV{number}",
        f"{channel} l {number}", f"xyzvoltage={number}", f"allvoltage = {number}", f"msenable={number}",
        f"msvoltage={number}", f"sysmin={number}", f"sysmax={number}", f"cm={number}", f"echo={number}",
        f"dacstep={number}", f"rotarymode={number}", f"friendly={number}", "restore", "Restore", "restore?",
        "i", "?", "%",
        f"{channel}R?", f"{channel}voltage?", "\x1b[A", f"{channel}={number}",
    ]  # fmt: skip
    return chance.choice(forms)


_LIKELY_OF_SERVO = (
    "MOUT 2.5",
    "mout -1",
    "AMAN 0",
    "AMAN PID",
    "AMAN 1",
    "aman man",
    "ULIM 3",
    "LLIM -4",
    "MOUT?",
    "*RST",
)


def _servo(chance: random.Random, twin: SimulatedSIM900) -> str:
    def inner() -> str:
        if chance.random() < 0.6:
            return chance.choice(_LIKELY_OF_SERVO)
        mnemonic = chance.choice([*twin.modules[3].commands, *(["MOUT", "AMAN", "ULIM", "LLIM"] * 8)])
        words = (*_NUMBERS, "ON", "OFF", "MAN", "PID", "01", "+1", "INT", "1 V")
        return f"{mnemonic}{chance.choice(['', '', '', '?'])}{chance.choice([' ', '', '  '])}{chance.choice(words)}"

    text = ";".join(inner() for _ in range(chance.choice((1, 1, 2))))
    text = chance.choice((text, text.lower(), " " * chance.randrange(28, 36) + text))
    quote = chance.choice("\"'")
    slot = chance.choice("33333359")
    sent = chance.choice(("SNDT", "sndt", "SNDT", "SNDT", "SEND", "CONN")) + f" {slot}, {quote}{text}{quote}"
    plain = (
        f"{chance.choice([*twin._sets, *twin._queries, 'BRDT'])}{chance.choice(['', '?'])} {chance.choice(_NUMBERS)}"
    )
    return chance.choice((sent, sent, sent, plain, f"FLSH;{sent}", f'{plain}";{sent}'))


_LIKELY_OF_BOARD = (
    "DIG:PIN DIO0_P,1",
    "DIG:PIN DIO0_P,0",
    "DIG:PIN:DIR OUT,DIO0_P",
    "OUTPUT:STATE ON",
    "OUTPUT1:STATE 0",
)


def _scpi(chance: random.Random, twin: ScpiInstrument) -> str:
    entries = list(twin._commands._entries)
    moving = [(key, asks) for key, asks in entries if not asks and _LIKELY.search(key)]

    def unit() -> str:
        if isinstance(twin, SimulatedRedPitaya) and chance.random() < 0.3:
            return chance.choice(_LIKELY_OF_BOARD)
        key, asks = chance.choice([*entries, *(moving * 8)])
        header = key.replace("#", chance.choice(("1", "2", "1")))
        words = next((words for part, words in _SCPI_WORDS.items() if part in key and chance.random() < 0.7), _WORDS)
        text = f"{header}{'?' if asks else ''}{chance.choice([' ', ' ', ' ', ''])}{chance.choice(words)}"
        return chance.choice((text, text, text.lower(), ":" + text, text.rsplit(":", 1)[-1]))

    return chance.choice((";", ";:", "; ", "\n")).join(unit() for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _oven(chance: random.Random, twin: Any) -> str:
    if chance.random() < 0.4:
        likely = ("VS07DA0100000000", "VS07DA0100000001", "VSC35C0141F00000", "VSC35C01420A0000", "VSC35B0100000001")
        return frame(chance.choice(likely)).decode().removesuffix("\r")
    number = chance.choice([*parameter_table(1091), 50012, 50011, 2010, 3003])
    value = chance.choice((0.0, 1.0, 31.5, -4.0, 1e6))
    digits = chance.choice((struct.pack(">f", value).hex().upper(), f"{int(value) & 0xFFFFFFFF:08X}"))
    payload = (
        f"{chance.choice(('VS', 'VS', 'VS', '?VR', 'VM', 'VB'))}{number:04X}{chance.choice((1, 1, 1, 2)):02X}{digits}"
    )
    sent = frame(
        chance.choice((payload,) * 5 + ("RS", "ES", "?IF")), chance.choice((0, 0, 0, 0, 0, 0, 1, 255))
    ).decode()
    return chance.choice((sent,) * 5 + (sent.lower(), "noise" + sent, sent + sent)).removesuffix("\r")


def _plates(chance: random.Random, twin: Any) -> str:
    def packet() -> str:
        name = chance.choice([*thorlabs_ell14.ARGUMENT_LENGTHS, "ma", "mr", "zz"])
        length = thorlabs_ell14.ARGUMENT_LENGTHS.get(name, 0)
        digits = {1: "1", 2: "32", 4: "00B8", 8: chance.choice(("00004000", "00012345", "FFFFF000", "0000400a"))}
        return chance.choice("0A7") + name + digits.get(length, "")

    return "".join(packet() for _ in range(chance.choice((1, 1, 2))))


def _motors(chance: random.Random, twin: Any) -> str:
    unit: newport_8742_controller.PicomotorUnit = twin._master

    def one() -> str:
        name = chance.choice([*unit._of_axis, *unit._of_controller, "ST", "TJ", "SC1", *(["PR", "PA"] * 8)])
        argument = chance.choice(("5", "7", "", "5", "-40", "+100", "?", "+", "1", "x", "0.5"))
        return f"{chance.choice(('', '1', '4', '9'))}{name}{argument}"

    prefix = chance.choice(("", "2>", "1>", "2 >", "7>"))
    text = prefix + ";".join(one() for _ in range(chance.choice((1, 1, 2))))
    return chance.choice((text, text.lower(), " ".join(text)))


WORDS: dict[str, Words] = {
    "MDT693B": _piezo, "SIM900": _servo, "TEC": _oven, "ELL14": _plates, "8742": _motors,
    **dict.fromkeys(("Red Pitaya", "TED4015", "TSL-570", "33500"), _scpi),
}  # fmt: skip


def _texts(moving: Moving, bench: MovingTwin, count: int, chance: random.Random) -> Iterator[Sequence[str]]:
    """Yield what goes out in one or in two pieces, each of which the driver reads by itself."""
    for _ in range(count):
        text = WORDS[moving.name](chance, bench.twin)
        if chance.random() < 0.25:
            place = chance.randrange(len(text) + 1)
            text = text[:place] + chance.choice((";", " ", "?", "5", "\t", ",", "", "\r", "\n")) + text[place + 1 :]
        if chance.random() < 0.15:
            place = chance.randrange(len(text) + 1)
            yield text[:place], text[place:] + moving.end
        else:
            yield (text + moving.end,)


def _explained(moving: Moving, output: str, before: float, after: float, read: Sequence[Move]) -> bool:
    """Return whether what `read` says leads from `before` to `after`, or at least as far in that direction."""
    if any(move.output in moving.governs.get(output, ()) for move in read) or (output in moving.trips and not after):
        return True
    reached = [before]
    for move in read:
        if move.output == output:
            reached += [wanted(move, place) for place in reached]
    low, high = min(reached), max(reached)
    return low - tolerance(output, low) <= after <= high + tolerance(output, high)


def explore(moving: Moving, count: int, seed: int) -> tuple[int, int]:
    """Send `count` texts, but those with unknown moves; return how many of those sent moved something, and did not."""
    moved = still = 0
    chance = random.Random(seed)
    for _ in range(count // TEXTS_PER_TWIN):
        bench = moving.build()
        bench.driver.initialise()
        before = bench.outputs()
        for pieces in _texts(moving, bench, TEXTS_PER_TWIN, chance):
            read = [move for piece in pieces for move in _sent(moving, bench, piece)]
            bench.twin.on_bytes(moving.end.encode())  # of a piece that was left open
            after = bench.outputs()
            changed = [name for name, value in after.items() if abs(value - before.get(name, value)) > 1e-12]
            for name in changed:
                assert _explained(moving, name, before[name], after[name], read), (pieces, name, before, after, read)
            moved, still, before = moved + bool(changed), still + (not changed), {**before, **after}
    return moved, still


def _sent(moving: Moving, bench: MovingTwin, piece: str) -> Sequence[Move]:
    """Send `piece`, unless its moves are unknown, and return what it was read to move."""
    moves = bench.driver.moves(piece.removesuffix(moving.end) if moving.end else piece)
    if any(move.kind is MoveKind.UNKNOWN or (moving.never and move.output.endswith(moving.never)) for move in moves):
        return ()
    bench.twin.on_bytes(piece.encode("latin-1"))
    if moving.name == "TEC":  # as the driver notes what is acknowledged
        bench.driver._ram_targets[1] = cast(Any, bench.twin)._setting(1, RAM_TARGET_C)
    return moves


@each_moving
def test_what_moves_was_read(moving: Moving) -> None:
    moved, still = explore(moving, TEXTS, seed=11)
    assert moved >= 6
    assert still >= 100


@pytest.mark.slow
@each_moving
@pytest.mark.parametrize("seed", range(2))
def test_what_moves_was_read_in_many_texts(moving: Moving, seed: int) -> None:
    explore(moving, SLOW_TEXTS, seed)


DRIVERS = {moving.name: moving.build().driver for moving in MOVING}


@each_moving
@given(text=st.text())
def test_no_text_makes_a_reader_raise(moving: Moving, text: str) -> None:
    assert all(isinstance(move, Move) for move in DRIVERS[moving.name].moves(text))


@each_moving
@given(seed=st.integers(0, 2**32 - 1))
def test_no_text_near_the_language_makes_a_reader_raise(moving: Moving, seed: int) -> None:
    chance = random.Random(seed)
    driver = DRIVERS[moving.name]
    bench = MovingTwin(None, TWINS[moving.name], driver, None, dict)  # type: ignore[arg-type]
    for pieces in _texts(moving, bench, 3, chance):
        for piece in pieces:
            driver.moves(piece)
            driver.moves(piece + chr(chance.randrange(0x250)))


TWINS = {moving.name: moving.build().twin for moving in MOVING}
