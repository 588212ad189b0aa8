"""Locking a sensor cavity as a step: what it reports is what is true, and what it cannot do it says."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from ideal_table import lock_source, open_table, station_at
from procedure_bench import LockedTable

from labctl.errors import ConfigurationError, LockError
from labctl.locks.cavity_loops import cavity_lock
from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.sensor_cavity import CavityLock
from procedures.bench import Bench, MemoryRecord
from procedures.lock_cavity import LockCavity

NM = 1e-9


@pytest.fixture(scope="module")
def lit() -> Iterator[LockedTable]:
    """Return a table whose source gives its light, with a bench that has the loops of the cavities alone."""
    opened = open_table(station_at(5, "ideal"))
    lock_source(opened.table)
    station = opened.station
    built = build_loops(station).by_name
    names = [f"cavity{number}" for number in range(1, 5)]
    seed = station.monitors["seed_power"]
    loops = Loops({name: built.get(name) or cavity_lock(station, name, seed) for name in names})
    yield LockedTable(opened, Bench(station, MemoryRecord(), loops, build_supervisor(station, loops)))
    station.close()


def off_m(lit: LockedTable, number: int) -> float:
    cavity = lit.opened.table.sensors[number - 1].cavity
    return math.remainder(cavity.gap_m() - cavity._resonant_gap_m, 775 * NM)


def test_a_cavity_is_locked_and_its_numbers_are_reported(lit: LockedTable) -> None:
    bench = lit.fresh_bench()
    ran = lit.run(LockCavity, bench, sensor=2, look=30.0)
    assert abs(off_m(lit, 2)) < 8 * NM
    found = ran.record.named
    assert set(found) == {
        f"cavity2.{what}" for what in ("finesse", "fringe_v", "centre_v", "centre_offset_nm", "lock_residual_nm")
    }
    assert found["cavity2.finesse"].value == pytest.approx(5.0, rel=0.15)
    assert found["cavity2.centre_v"].value == pytest.approx(bench.station.cavity_piezos["cavity2"].commanded_v, abs=0.5)
    assert abs(found["cavity2.centre_offset_nm"].value) < 3.0
    assert 0.05 < found["cavity2.lock_residual_nm"].value < 5.0
    assert found["cavity2.lock_residual_nm"].unit == "nm"
    assert len(ran.rows) == 30 and all(row["Witness"] == pytest.approx(1.0, abs=0.05) for row in ran.rows)
    assert ran.progress[-1] == pytest.approx(100.0)


def test_one_that_is_locked_is_only_looked_at(lit: LockedTable) -> None:
    loop = lit.bench.loops.by_name["cavity2"]
    assert isinstance(loop, CavityLock)
    lit.run(LockCavity, sensor=2, look=4.0)
    before_v = loop.actuator().output_v
    began_at = lit.opened.station.clock.now()
    lit.run(LockCavity, sensor=2, look=5.0)
    assert lit.opened.station.clock.now() - began_at < 7.0
    assert loop.actuator().output_v == pytest.approx(before_v, abs=0.5)


def test_a_sensor_without_a_cavity_loop_is_named(lit: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="no loop for the cavity of sensor 9"):
        lit.run(LockCavity, sensor=9)


def test_a_cavity_that_is_lost_meanwhile_fails_the_step(lit: LockedTable) -> None:
    lit.run(LockCavity, sensor=3, look=4.0)
    room, clock = lit.opened.table.room, lit.opened.station.clock
    registration = clock.every(
        2.0, lambda: room.cavity_drift_m.__setitem__(2, room.cavity_drift_m[2] + 200 * NM), "push"
    )
    try:
        with pytest.raises(LockError, match="cavity3 was lost while it was watched"):
            lit.run(LockCavity, sensor=3, look=60.0)
    finally:
        registration.cancel()
