"""Every fault of a device in every instrument that can have it, told in one message or seen in a state, and over when
it is over; what was measured before a fault is still there after it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from device_fault_cells import CELLS, OTHER_FAULTS, WHY_NOT, Cell
from instruments_alone import ALONE, Operation, Table
from test_fault_matrix import LATE_S, LONGEST_WALL_S, WHILE_OPEN, check_words

from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultKind
from labctl.errors import BadReply, InstrumentError, Refused
from labctl.station.revival import revive
from labctl.station.station import Station

LONG_S = 30.0  # of lab time: one try is enough
DEVICE_FAULTS = [kind for kind, said in FAULTS.items() if said.drivers != EVERY_DRIVER]


@pytest.mark.parametrize("kind", DEVICE_FAULTS)
def test_every_instrument_has_a_cell_or_a_reason(kind: FaultKind) -> None:
    without = [driver for drivers in WHY_NOT[kind].values() for driver in dict.fromkeys(drivers)]
    assert len(set(without)) == len(without)
    assert set(without) == EVERY_DRIVER - FAULTS[kind].drivers
    assert {label for label, found in CELLS if found is kind} == {
        label for label, alone in ALONE.items() if alone.driver in FAULTS[kind].drivers
    }


def check_cell(table: Table, label: str, cell: Cell, listed: tuple[type[Any], ...]) -> None:
    wall, lab = time.perf_counter(), table.now()
    if cell.error is None:
        assert cell.seen(cell.operate(table.station))
    else:
        with pytest.raises(InstrumentError) as raised:
            cell.operate(table.station)
        error = raised.value
        assert type(error) is cell.error and cell.error in listed
        assert re.search(cell.words, str(error)), str(error)
        check_words(error, label)
    assert time.perf_counter() - wall < LONGEST_WALL_S
    assert table.now() - lab <= cell.lab_s


@pytest.mark.parametrize(("label", "kind"), [pytest.param(*key, id=f"{key[0]}-{key[1]}") for key in CELLS])
def test_a_fault_of_the_device_is_told_and_over_when_it_is_over(label: str, kind: FaultKind) -> None:
    table, cell = Table.of(ALONE[label]), CELLS[label, kind]
    table.operate()
    own = table.answers()
    fault = table.simulation.inject(table.alone.name, kind)
    for _ in range(2 if cell.lab_s < LONG_S else 1):  # a second try meets the same, not what the first left over
        check_cell(table, label, cell, FAULTS[kind].errors)
    assert revive(table.station).away == (() if cell.answers else (table.alone.name,))
    fault.end()
    cell.mend(table.station)
    assert table.ask(1) == own[1]
    revival = revive(table.station)
    assert (revival.away, revival.sentences) == ((), ())
    table.operate()
    if cell.error is None:
        assert not cell.seen(cell.operate(table.station))


@pytest.mark.parametrize("name", OTHER_FAULTS)
def test_a_fault_that_only_the_twin_knows_is_told_as_well(name: str) -> None:
    other = OTHER_FAULTS[name]
    table = Table.of(ALONE[other.label])
    table.operate()
    own = table.answers()
    twin = table.simulation.instruments[table.alone.name]
    other.begin(twin)
    for _ in range(2):
        wanted = other.cell.error
        check_cell(table, other.label, other.cell, () if wanted is None else (wanted,))
    other.end(twin)
    other.cell.mend(table.station)
    assert table.answers()[1:] == own[1:]
    assert revive(table.station).sentences == ()
    (other.after or table.alone.operate)(table.station)


# ---- what was measured is kept ---------------------------------------------------------------------------------------

BLOCKS: Mapping[str, Operation] = {
    "X-series": lambda s: s.analyzer.read_trace(),
    "FSV": lambda s: s.analyzer.read_trace(),
    "Red Pitaya, four inputs": lambda s: s.driver("digitizer").read_records([1]),  # type: ignore[attr-defined]
    "Red Pitaya, two inputs": lambda s: s.driver("scan").read_records([1, 2]),  # type: ignore[attr-defined]
}


def record(station: Station) -> None:
    board: Any = station.driver("scan")
    board.arm(8, "NOW")
    station.clock.sleep(0.1)


@pytest.mark.parametrize("kind", WHILE_OPEN)
@pytest.mark.parametrize("label", BLOCKS)
def test_what_was_measured_before_a_fault_is_read_when_it_is_over(label: str, kind: FaultKind) -> None:
    table, read = Table.of(ALONE[label]), BLOCKS[label]
    record(table.station) if label == "Red Pitaya, two inputs" else table.operate()
    taken = read(table.station)
    assert isinstance(taken, np.ndarray) and np.all(np.isfinite(taken))
    fault = table.simulation.inject(table.alone.name, kind)
    try:
        spoilt = read(table.station)
    except InstrumentError as error:
        assert isinstance(error, FAULTS[kind].errors)
        check_words(error, label)
    else:
        assert FAULTS[kind].unnoticed and np.shape(spoilt) == np.shape(taken)
    fault.end()
    table.wait(LATE_S)
    assert revive(table.station).away == ()
    if kind is FaultKind.POWER_CYCLE:
        with pytest.raises((BadReply, Refused), match=r"holds no sweep|no complete record"):
            read(table.station)
    else:
        assert np.array_equal(read(table.station), taken)
