"""Every instrument with every fault of its wire: one message that says it all, no hang, no answer taken for another's,
and back to work afterwards with its settings. What faults of the device do is in `test_device_fault_matrix`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from instruments_alone import ALONE, TIME_OUT_S, Table

from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultKind
from labctl.configuration.instrument_kinds import INSTRUMENT_KINDS
from labctl.errors import BadReply, ConnectionLost, InstrumentError
from labctl.simulation.faults import LATE_S, START_S
from labctl.station.bring_up import ask_instruments, link_to
from labctl.station.opening import Answer
from labctl.station.revival import revive

WIRE_FAULTS = [kind for kind, said in FAULTS.items() if said.drivers == EVERY_DRIVER]
WHILE_OPEN = [kind for kind in WIRE_FAULTS if kind is not FaultKind.MISSING]  # that one never opens
BROKEN_LINK = {FaultKind.DROPPED, FaultKind.POWER_CYCLE}
SPOILT_REPLIES = [kind for kind in WHILE_OPEN if kind not in BROKEN_LINK]

SLACK_S = 0.6  # of lab time beside time-outs: the exchanges themselves, short silences
LONGEST_WALL_S = 10.0  # of real time: nothing waits for ever
LONGEST_MESSAGE = 350


_TRACEBACK = re.compile(r"Traceback|File \"|line \d+, in|object at 0x|\w+(Error|Exception|Warning)\b(?!_)|None\b")
_COMMAND = re.compile(r" after ['\"].+['\"]")
_REPLY = re.compile(r" \((it answered|read string)")


def cells(kinds: list[FaultKind]) -> list[object]:
    return [pytest.param(label, kind, id=f"{label}-{kind}") for label in ALONE for kind in kinds]


def check_words(error: InstrumentError, label: str) -> None:
    """Which command, and what to do, in one line of plain words."""
    text = str(error)
    assert _COMMAND.search(text), text
    assert error.remedy, text
    assert text.endswith(error.remedy)
    assert len(text.splitlines()) == 1 and len(text) < LONGEST_MESSAGE
    assert not _TRACEBACK.search(text.replace("VI_ERROR", "")), text


def check_message(error: InstrumentError, label: str, kind: FaultKind) -> None:
    """Who, after which command, what came back, and what to do; of a listed class."""
    check_words(error, label)
    text = str(error)
    assert isinstance(error, FAULTS[kind].errors), f"{type(error).__name__} is not listed for {kind}"
    assert text.startswith(f"{ALONE[label].name}: ")
    assert not isinstance(error, BadReply) or _REPLY.search(text), text


def check_question(table: Table, label: str, kind: FaultKind) -> None:
    """Ask while a fault lasts: an error, after as many time-outs as are stated."""
    began_s = table.now()
    check_failure(lambda: table.ask(0), label, kind)
    assert table.now() - began_s < table.alone.time_outs * TIME_OUT_S + SLACK_S


def check_failure(action: Callable[[], object], label: str, kind: FaultKind) -> None:
    """Let an action meet a fault: an error with all that it should say, or nothing where the fault may go unnoticed."""
    wall_s = time.perf_counter()
    try:
        action()
    except InstrumentError as error:
        check_message(error, label, kind)
    else:
        assert FAULTS[kind].unnoticed, "the fault went unnoticed"
    assert time.perf_counter() - wall_s < LONGEST_WALL_S


def test_every_driver_is_here() -> None:
    assert {alone.driver for alone in ALONE.values()} == set(INSTRUMENT_KINDS)


# ---- while the station is open ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "kind"), cells(WHILE_OPEN))
def test_a_fault_is_told_and_over_when_it_is_over(label: str, kind: FaultKind) -> None:
    table = Table.of(ALONE[label])
    table.operate()
    name, kept = table.alone.name, table.alone.kept
    if not isinstance(kept, str):
        table.set(*kept)
    own = table.answers()

    fault = table.simulation.inject(name, kind)
    check_question(table, label, kind)
    check_failure(table.operate, label, kind)
    if kind is not FaultKind.CORRUPT and not (kind is FaultKind.LATE and label == "TEC"):
        revival = revive(table.station)
        assert revival.away == (name,)
        assert [sentence for sentence in revival.sentences if not sentence.startswith(name)] == []
    fault.end()
    if kind is FaultKind.POWER_CYCLE:
        table.wait(START_S)
    if kind in BROKEN_LINK:
        with pytest.raises(ConnectionLost):  # until it is connected again
            table.ask(0)
    if kind is FaultKind.LATE:
        table.wait(LATE_S)

    revival = revive(table.station)
    assert revival.away == ()
    answers_again = f"{name} answers again."
    assert (answers_again in revival.sentences) == (kind in BROKEN_LINK)
    if kind is FaultKind.POWER_CYCLE:
        assert [text for text in revival.sentences if "left as it is" in text and "moves something" not in text] == []
    else:
        assert [text for text in revival.sentences if text != answers_again] == []
    if not isinstance(kept, str):
        assert table.setting(kept[0]) == pytest.approx(kept[1])
        assert kind is not FaultKind.POWER_CYCLE or any("put back" in text for text in revival.sentences)
    table.operate()
    if kind is not FaultKind.POWER_CYCLE:
        assert table.answers()[1:] == own[1:]


# ---- no answer is taken for another's --------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "kind"), cells(SPOILT_REPLIES))
def test_the_next_question_gets_its_own_answer(label: str, kind: FaultKind) -> None:
    """A reply is spoilt; what is asked when the fault is over is answered with its own."""
    table = Table.of(ALONE[label])
    table.operate()
    own = table.answers()
    fault = table.simulation.inject(table.alone.name, kind)
    check_question(table, label, kind)
    if kind is FaultKind.LATE:
        table.wait(LATE_S)  # replies keep their order: what comes next comes after the late ones
    fault.end()
    assert table.ask(1) == own[1]
    table.wait(LATE_S)
    assert [table.ask(number) for number in (2, 0, 1)] == [own[2], own[0], own[1]]


@pytest.mark.parametrize("time_outs", [1.5, 2.5, 3.5])
@pytest.mark.parametrize("label", ALONE)
def test_an_answer_is_never_that_to_another_question(label: str, time_outs: float) -> None:
    """Every reply is late by more than one, two or three time-outs, while questions go on."""
    table = Table.of(ALONE[label], LATE_S / time_outs)
    table.operate()
    own = table.answers()
    fault = table.simulation.inject(table.alone.name, FaultKind.LATE)
    until = table.now() + 4 * LATE_S
    number = 0
    while table.now() < until:
        number += 1
        with suppress(InstrumentError):
            assert table.ask(number % 3) == own[number % 3]
    assert number > 3
    fault.end()
    table.wait(LATE_S)
    for number in (0, 1):  # which may still meet what is left over
        with suppress(InstrumentError):
            assert table.ask(number) == own[number]
    assert [table.ask(number) for number in (2, 0, 1)] == [own[2], own[0], own[1]]


# ---- at the opening --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "kind"), cells(WIRE_FAULTS))
def test_a_fault_from_the_start_is_told_with_the_place(label: str, kind: FaultKind) -> None:
    alone = ALONE[label]
    file = alone.station_file([{"instrument": alone.name, "kind": str(kind)}])
    link = link_to(file)
    wall = time.perf_counter()
    answer: Answer = ask_instruments(file, link)[alone.name]
    assert time.perf_counter() - wall < LONGEST_WALL_S
    assert link.clock.now() <= alone.opening_time_outs * TIME_OUT_S + SLACK_S
    if answer.error is None:
        assert FAULTS[kind].unnoticed and answer.driver is not None
        return
    text = str(answer.error)
    assert text.startswith(f"{alone.name}: ") and alone.address in text
    assert answer.error.remedy and answer.error.remedy in text
    assert len(text.splitlines()) == 1 and not _TRACEBACK.search(text.replace("VI_ERROR", "")), text
    if kind in BROKEN_LINK | {FaultKind.MISSING}:
        assert type(answer.error) is ConnectionLost
    else:
        assert kind is FaultKind.CORRUPT or isinstance(answer.error, FAULTS[kind].errors)
        assert alone.model in text
    assert answer.driver is None
    others = len(alone.others)
    assert len(link.visa_library._sessions) == others  # type: ignore[attr-defined]
