"""Lock all: what it reports, what it leaves alone, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from procedure_bench import LockedTable

from labctl.errors import ConfigurationError, LockError
from procedures.lock_all import LockAll


class Dark:
    """A monitor without light."""

    def volts(self) -> float:
        return 0.0


@pytest.fixture(scope="module")
def table() -> Iterator[LockedTable]:
    table = LockedTable.make(seed=11, sensors=2)
    yield table
    table.opened.station.close()


def test_it_locks_what_is_open_and_reports_residual_and_time(table: LockedTable) -> None:
    table.bench.supervisor.release(["lo2"])
    ran = table.run(LockAll, loops="lo1, lo2")
    results = ran.record.named
    assert table.bench.supervisor.machines["lo2"].is_locked
    for name in ("lo1", "lo2"):
        residual = results[f"{name}.lock_residual"]
        assert 0.0 < residual.value < 0.1 and residual.unit == "rad"
        assert 0.0 < residual.sigma < residual.value
    assert results["lo1.time_to_lock_s"].value == 0.0
    assert 5.0 < results["lo2.time_to_lock_s"].value < 120.0
    assert results["opa_length.light_over_lock"].value == pytest.approx(1.0, abs=0.1)
    assert "lo3.time_to_lock_s" not in results
    assert {row["Residual"] for row in ran.rows} >= {results["lo1.lock_residual"].value}


def test_all_means_every_loop(table: LockedTable) -> None:
    results = table.run(LockAll).record.named
    loops = {name.partition(".")[0] for name in results}
    assert loops == set(table.bench.supervisor.machines)


@pytest.mark.parametrize("loops", ["", " , "])
def test_no_loop_at_all_is_refused(table: LockedTable, loops: str) -> None:
    with pytest.raises(ConfigurationError, match="loops is empty"):
        table.run(LockAll, loops=loops)


def test_a_loop_that_is_not_there_is_named(table: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="no loop lo9"):
        table.run(LockAll, loops="lo1,lo9")


def test_one_that_cannot_be_locked_keeps_none_of_the_others_from_it(table: LockedTable) -> None:
    supervisor = table.bench.supervisor
    supervisor.release(["lo1", "lo2"])
    bench = table.fresh_bench()
    lo1 = table.bench.loops.homodyne[0]
    lit, lo1._monitor = lo1._monitor, Dark()
    try:
        with pytest.raises(LockError, match="lo1: "):
            table.run(LockAll, bench, loops="lo1,lo2")
        assert supervisor.machines["lo2"].is_locked
        assert "lo2.lock_residual" in bench.record.results()
        assert "lo1.lock_residual" not in bench.record.results()
    finally:
        lo1._monitor = lit
