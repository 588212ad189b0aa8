"""What looking after loops costs: ten loops on the simulated wire, looked at ten times a second, against the same table
with nobody looking.

Run: pytest tests/benchmarks/bench_locks.py --benchmark-only
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ideal_table import open_table, station_at

from labctl.configuration.station_file import Supervisor as SupervisorTable
from labctl.locks.loops import build_loops, build_supervisor
from labctl.locks.supervisor import PERIOD_S, Supervisor
from labctl.station.station import Station

LOOPS = 10  # length, pump phase, four cavities, four local oscillators
WATCHED_S = 60.0
LARGEST_SHARE = 0.10  # of one core, in real time


@dataclass
class Table:
    """A locked table and who looks after it."""

    station: Station
    supervisor: Supervisor


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    file = station_at(31)
    opened = open_table(file.model_copy(update={"supervisor": SupervisorTable(period=PERIOD_S)}))
    supervisor = build_supervisor(opened.station, build_loops(opened.station))
    supervisor.bring_up(list(supervisor.machines), opened.station.clock.sleep)
    assert len(supervisor.machines) == LOOPS
    yield Table(opened.station, supervisor)
    supervisor.stop()
    opened.station.close()


def cpu_per_lab_second(station: Station) -> float:
    began = time.process_time()
    station.clock.sleep(WATCHED_S)
    return (time.process_time() - began) / WATCHED_S


def test_ten_loops_ten_times_a_second(table: Table, benchmark: Any) -> None:
    assert table.station.file.supervisor.period == PERIOD_S
    supervised = benchmark.pedantic(cpu_per_lab_second, args=(table.station,), rounds=3, iterations=1)
    assert table.station.clock.now() - table.supervisor.history.last_at < 2 * PERIOD_S
    assert all(machine.is_locked for machine in table.supervisor.machines.values())
    table.supervisor.stop()
    alone = cpu_per_lab_second(table.station)
    share = supervised - alone
    benchmark.extra_info |= {
        "share_of_a_core": round(share, 4),
        "over_the_table_alone": round(supervised / alone, 2),
        "microseconds_a_look": round(1e6 * share * PERIOD_S / LOOPS, 1),
    }
    assert share < LARGEST_SHARE
