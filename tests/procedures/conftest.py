"""One locked table for the tests of one file, and nights of scripted procedures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ideal_table import station_at
from procedure_bench import SHIPPED, LockedTable
from scripted_night import Night, Preparing, Script, Scripted, Unpaused

from labctl.simulation.table import SimulatedTable
from labctl.station.bring_up import link_to, open_station
from labctl.station.station import Station
from procedures.catalogue import PROCEDURES


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[LockedTable]:
    """A warm, locked table for the tests of one file, each with a record of its own; the file may say for how many
    `TABLE_SENSORS`."""
    locked = LockedTable.make(sensors=getattr(request.module, "TABLE_SENSORS", SHIPPED))
    yield locked
    locked.opened.station.close()


@pytest.fixture(scope="module")
def switched_on() -> Iterator[tuple[Station, SimulatedTable]]:
    """A station on a table that was only switched on, for the tests of one file."""
    file = station_at(9)
    link = link_to(file)
    assert link.simulation is not None
    station = open_station(file, link)
    yield station, link.simulation.table
    station.close()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """What scripted procedures do; recipes may name them."""
    for name, procedure in (("scripted", Scripted), ("preparing", Preparing), ("unpaused", Unpaused)):
        monkeypatch.setitem(PROCEDURES, name, procedure)  # type: ignore[arg-type]
    script = Script()
    monkeypatch.setattr(Scripted, "script", script)
    return script


@pytest.fixture
def night(switched_on: tuple[Station, SimulatedTable], script: Script) -> Night:
    """A night of scripted steps on the simulated station."""
    return Night(*switched_on, script)
