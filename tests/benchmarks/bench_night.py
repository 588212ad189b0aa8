"""What a night of the simulated table costs: eight hours with ten loops and thirty traces, and its memory over a day.

Run: pytest tests/benchmarks/bench_night.py --benchmark-only
"""

from __future__ import annotations

import json
import resource
import time
import tomllib
from typing import Any

import numpy as np
import pytest
from ideal_table import lock_homodyne, lock_source, warm

from drivers.keysight.x_series import KeysightXSeries
from drivers.sweep import SweepSettings
from labctl.configuration.station_file import StationFile
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.configuration.templates import template_directory
from labctl.simulation.wiring import Simulation, simulate

SENSORS = 8  # with length and pump phase of the source, ten loops
NIGHT_S = 8 * 3600.0
DAY_S = 24 * 3600.0
TRACES = 30
SWEEP = SweepSettings(4.29e6, 4.31e6, 1001, 10.0, 1.0, 50)
LONGEST_S = 30.0
FREE_CORE_LOOPS_PER_S = 2.0e7  # of an empty Python loop; a core that does fewer is busy, and is given the longer
MOST_GROWTH_KB = 4000


def table(sensors: int) -> Simulation:
    """Return a simulated table at its working point."""
    shipped = (template_directory() / "table.toml").read_text(encoding="utf-8")
    content = tomllib.loads(table_of_sensors(shipped, sensors))
    content["backend"] = {"kind": "simulated", "seed": 1, "scenario": "delays"}
    simulation = simulate(StationFile.model_validate(json.loads(json.dumps(content))))
    on = simulation.table
    for piezo in on._piezos:
        piezo.drive(75.0)
    for shutter in ("signal", "local_oscillator", "pump"):
        on.set_shutter(shutter, True)
    warm(on)
    lock_source(on)
    lock_homodyne(on)
    return simulation


def loops_per_second() -> float:
    began = time.process_time()
    for _ in range(2_000_000):
        pass
    return 2_000_000 / (time.process_time() - began)


@pytest.fixture(scope="module")
def locked() -> Simulation:
    return table(SENSORS)


def test_a_night_of_eight_hours(benchmark: Any, locked: Simulation) -> None:
    driver = KeysightXSeries("TCPIP::192.168.10.11::5025::SOCKET", visa_library=locked.library, timeout=2000)
    costs: list[float] = []

    def night() -> None:
        began = time.process_time()
        end = locked.table.now() + NIGHT_S
        for number in range(TRACES):
            driver.configure_sweep(SWEEP)
            driver.start()
            while driver.is_sweeping():
                locked.table.elapse(1.0)
            driver.read_trace()
            locked.table.elapse((end - locked.table.now()) / (TRACES - number))
        costs.append(time.process_time() - began)

    benchmark.pedantic(night, rounds=1)
    assert all(servo.unity_gain_hz() > 0.0 for servo in [sensor.servo for sensor in locked.table.sensors])
    free = min(1.0, loops_per_second() / FREE_CORE_LOOPS_PER_S)
    benchmark.extra_info |= {"cpu_s": costs[0], "lab_s_per_cpu_s": NIGHT_S / costs[0], "core": free}
    assert costs[0] <= LONGEST_S / free


@pytest.mark.timeout(900)
def test_memory_is_flat_over_a_day(benchmark: Any) -> None:
    on = table(4).table
    on.elapse(3600.0)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    benchmark.pedantic(lambda: on.elapse(DAY_S), rounds=1)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    benchmark.extra_info |= {"grown_kb": grown_kb, "peak_kb": before_kb + grown_kb}
    assert grown_kb < MOST_GROWTH_KB
    assert np.isfinite(on.sensors[0].dc_volts())
