"""What the real drivers of both makers do alike on their simulated analyzers, through the simulated VISA library."""

from __future__ import annotations

from typing import Any

import pytest
from fsv_bench import FsvBench
from x_series_bench import Bench, level_dbm

from drivers.errors import BadReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import SweepSettings
from labctl.simulation.visa_library import simulated_library
from labctl.station.roles import SpectrumAnalyzer

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
SWEEP = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50)
SWEEP_S = 75.0

each_maker = pytest.mark.parametrize(
    ("bench", "driver_class"),
    [
        pytest.param(Bench, KeysightXSeries, id="X-series"),
        *(pytest.param(lambda m=m: FsvBench(model=m), RohdeSchwarzFSV, id=m) for m in ("FSV-7", "FSV3007", "FSW-26")),
    ],
)


def opened(driver_class: Any, bench: Any) -> Any:
    library = simulated_library(bench.time, {ADDRESS: bench.twin})
    return driver_class(ADDRESS, visa_library=library, timeout=1500)


@each_maker
def test_every_maker_fills_the_same_role_and_reads_the_same_level(bench: Any, driver_class: Any) -> None:
    def level(analyzer: SpectrumAnalyzer) -> float:
        accepted = analyzer.configure_sweep(SWEEP)
        assert accepted == SWEEP
        assert analyzer.duration_s() == pytest.approx(SWEEP_S)
        analyzer.start()
        bench.time.elapse(SWEEP_S + 0.1)
        assert not analyzer.is_sweeping()
        return float(analyzer.read_trace().mean())

    bench = bench()
    assert level(opened(driver_class, bench)) == pytest.approx(level_dbm(10), abs=0.06)


@each_maker
def test_a_sweep_is_not_started_twice_and_an_abort_keeps_the_part(bench: Any, driver_class: Any) -> None:
    bench = bench()
    driver = opened(driver_class, bench)
    driver.configure_sweep(SWEEP)
    driver.start()
    with pytest.raises(Refused, match=r"sweeping already|-213 Init ignored"):
        driver.start()
    bench.time.elapse(20.0)
    driver.abort()
    assert not driver.is_sweeping()
    assert driver.read_trace().mean() == pytest.approx(level_dbm(10), abs=0.2)


@each_maker
def test_an_empty_trace_and_a_foreign_format_are_refused(bench: Any, driver_class: Any) -> None:
    bench = bench()
    driver = opened(driver_class, bench)
    driver.configure_sweep(SWEEP)
    with pytest.raises(BadReply, match="holds no sweep"):
        driver.read_trace()
    bench.tell("FORM ASC")
    with pytest.raises(BadReply, match="expected a binary block"):
        driver.read_trace()
    assert driver.sweep_points == 1001
