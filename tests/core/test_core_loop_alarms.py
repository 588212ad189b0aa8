"""From looks at the loops to alarms."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from labctl.bus.messages import LoopRow, Severity
from labctl.core.alarms import OUTLIVE_S, AlarmBook
from labctl.core.loop_alarms import LOST_S, LoopAlarms

KINDS = {"opa_length": "opa_length", "pump_phase": "pump_phase"}
NEEDS = {"pump_phase": "opa_length"}
for sensor in "1234":
    KINDS |= {f"cavity{sensor}": "cavity", f"lo{sensor}": "homodyne"}
    NEEDS |= {f"cavity{sensor}": "pump_phase", f"lo{sensor}": f"pump_phase, cavity{sensor}"}

BLANK = {"float": math.nan, "int": 0, "str": "", "bool": False}
LOCKED = {
    name: replace(
        LoopRow(**{field.name: BLANK[str(field.type)] for field in fields(LoopRow)}),  # type: ignore[arg-type]
        name=name,
        kind=kind,
        state="locked",
        wanted=True,
        needs=NEEDS.get(name, ""),
    )
    for name, kind in KINDS.items()
}


class Table:
    """All loops, seen ten times a second."""

    def __init__(self) -> None:
        self.book = AlarmBook()
        self.alarms = LoopAlarms(self.book)
        self.rows = dict(LOCKED)
        self.now = 0.0
        self.needed: set[str] = set()

    def change(self, *names: str, **changes: object) -> None:
        for name in names:
            self.rows[name] = replace(self.rows[name], **changes)  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.1
            self.alarms.update(list(self.rows.values()), self.now, self.needed)

    def told(self) -> list[tuple[str, int, bool, str]]:
        return [(row.text, row.severity, row.active, row.consequences) for row in self.book.rows(self.now)]


@pytest.fixture
def table() -> Table:
    table = Table()
    table.wait(0.1)
    return table


def test_a_lock_that_is_back_within_a_second_is_no_alarm(table: Table) -> None:
    table.change("lo2", state="relock")
    table.wait(0.8 * LOST_S)
    table.change("lo2", state="locked")
    table.wait(2.0)
    assert table.told() == []


def test_a_lost_lock_is_minor_while_it_relocks_and_major_when_it_gave_up(table: Table) -> None:
    table.change("lo2", state="relock")
    table.wait(1.2)
    assert table.told() == [("LO2 lock lost, relocking", Severity.MINOR, True, "joint invalid")]
    table.change("lo2", state="scan")
    table.wait(5.0)
    assert [row.count for row in table.book.rows(table.now)] == [1]
    table.change("lo2", state="stalled", why="No fringe. A person must look.")
    table.wait(0.1)
    text = "LO2 lock lost, gave up: No fringe. A person must look."
    assert table.told() == [(text, Severity.MAJOR, True, "joint invalid")]
    table.change("lo2", state="locked")
    table.wait(0.1)
    assert [active for _, _, active, _ in table.told()] == [False]
    table.book.acknowledge(0, "desk", table.now)
    assert table.told() == []


def test_it_is_major_when_a_run_needs_it_or_what_it_brought_down(table: Table) -> None:
    table.needed = {"lo2"}
    table.change("cavity2", state="relock")
    table.change("lo2", state="hold", why="Waits for cavity2.")
    table.wait(1.2)
    expected = ("CAVITY2 lock lost, relocking; the run needs it", Severity.MAJOR, True, "joint invalid, lo2 held")
    assert table.told() == [expected]


def test_one_alarm_for_all_that_the_source_brings_down_until_they_are_back(table: Table) -> None:
    others = [name for name in KINDS if name not in ("opa_length", "pump_phase")]
    table.change("pump_phase", state="relock")
    table.change(*others, state="hold")
    table.wait(1.2)
    expected = ("PUMP PHASE lock lost, relocking", 1, True, "joint invalid, cavity1–4 held, lo1–4 held")
    assert table.told() == [expected]
    table.change("pump_phase", state="locked")
    table.change(*others, state="locked")
    table.change("lo3", state="scan")  # the last to come back
    table.wait(OUTLIVE_S - 1.0)
    assert len(table.told()) == 1
    table.wait(2.0)
    assert [text for text, *_ in table.told()] == ["LO3 lock lost, relocking", "PUMP PHASE lock lost, relocking"]
    table.change("lo3", state="locked")
    table.wait(0.1)
    assert not any(active for _, _, active, _ in table.told())


def test_what_gives_up_after_its_cause_came_back_does_not_wait(table: Table) -> None:
    table.change("pump_phase", state="relock")
    table.change("lo3", state="hold")
    table.wait(1.2)
    table.change("pump_phase", state="locked")
    table.change("lo3", state="stalled", why="No fringe.")
    table.wait(0.1)
    assert table.told()[0] == ("LO3 lock lost, gave up: No fringe.", Severity.MAJOR, True, "joint invalid")


def test_what_was_lost_before_keeps_its_alarm_and_a_fault_below_a_fault_is_no_other(table: Table) -> None:
    table.change("lo1", state="relock")
    table.wait(3.0)
    table.change("opa_length", "pump_phase", "lo1", "lo2", state="fault", why="No reply.")
    table.wait(0.2)
    assert sorted(table.told()) == [
        ("LO1 fault: No reply.", Severity.MAJOR, True, "joint invalid"),
        ("OPA LENGTH fault: No reply.", Severity.MAJOR, True, "joint invalid, pump_phase faulty, lo2 faulty"),
    ]


@pytest.mark.parametrize(
    "changes",
    [{"state": "fault", "wanted": False}, {"state": "hold", "parked": "Held by desk."}, {"state": "unwind"}],
)
def test_what_somebody_wants_so_is_no_alarm(table: Table, changes: dict[str, object]) -> None:
    table.change("lo2", **changes)
    table.wait(3.0)
    assert table.told() == []


def test_a_hop_that_fails_is_a_loss(table: Table) -> None:
    table.change("lo2", state="unwind")
    table.wait(1.0)
    table.change("lo2", state="scan")
    table.wait(1.2)
    assert [text for text, *_ in table.told()] == ["LO2 lock lost, relocking"]


def test_the_way_to_the_first_lock_is_no_loss_but_a_try_that_fails_is_told(table: Table) -> None:
    table.change("lo2", state="off", wanted=False)
    table.wait(0.1)
    table.change("lo2", state="scan", wanted=True)
    table.wait(30.0)
    assert table.told() == []
    for state in ("relock", "scan", "relock"):
        table.change("lo2", state=state)
        table.wait(2.0)
    assert [text for text, *_ in table.told()] == ["LO2 does not lock, tries again"]
    assert table.book.rows(table.now)[0].count == 1
    table.change("lo2", wanted=False, state="off")
    table.wait(0.1)
    assert [active for _, _, active, _ in table.told()] == [False]


def test_a_loop_that_there_is_no_longer_has_no_alarm(table: Table) -> None:
    table.change("lo2", state="stalled")
    table.wait(0.1)
    del table.rows["lo2"]
    table.wait(0.1)
    assert [active for _, _, active, _ in table.told()] == [False]
