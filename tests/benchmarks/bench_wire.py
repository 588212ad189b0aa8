"""What a driver costs on top of bare pyvisa, against the simulated analyzer in this process.

Run: pytest tests/benchmarks/bench_wire.py --benchmark-only
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import pyvisa
from numpy.typing import NDArray
from stepped_time import SteppedTime

from drivers.keysight.x_series import KeysightXSeries
from drivers.sweep import SweepSettings
from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.visa_library import SimulatedVisaLibrary, simulated_library

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
SWEEP = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50)


class White:
    """White noise at the RF input."""

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        return np.full(frequency_hz.shape, 5e-12)


@pytest.fixture
def library() -> SimulatedVisaLibrary:
    time = SteppedTime()
    twin = SimulatedXSeries(time, White(), np.random.default_rng(1))
    library = simulated_library(time, {ADDRESS: twin})
    driver = KeysightXSeries(ADDRESS, visa_library=library)
    driver.configure_sweep(SWEEP)
    driver.start()
    time.elapse(driver.duration_s())
    assert not driver.is_sweeping()
    return library


@pytest.fixture
def driver(library: SimulatedVisaLibrary) -> KeysightXSeries:
    return KeysightXSeries(ADDRESS, visa_library=library)


@pytest.fixture
def resource(library: SimulatedVisaLibrary) -> Iterator[Any]:
    manager = pyvisa.ResourceManager(library)
    opened = manager.open_resource(ADDRESS, read_termination="\n", write_termination="\n")
    yield opened
    opened.close()


@pytest.mark.benchmark(group="one number")
def test_query_with_bare_pyvisa(benchmark: Any, resource: Any) -> None:
    assert float(benchmark(resource.query, ":SWE:TIME?")) == 1.5


@pytest.mark.benchmark(group="one number")
def test_query_with_the_driver(benchmark: Any, driver: KeysightXSeries) -> None:
    assert benchmark(lambda: driver.sweep_time_s) == 1.5


@pytest.mark.benchmark(group="one number")
def test_checked_setting_with_the_driver(benchmark: Any, driver: KeysightXSeries) -> None:
    def set_level() -> None:
        driver.reference_level_dbm = -40.0

    benchmark(set_level)
    assert driver.reference_level_dbm == -40.0


@pytest.mark.benchmark(group="1001 doubles")
def test_trace_with_bare_pyvisa(benchmark: Any, resource: Any) -> None:
    trace = benchmark(
        resource.query_binary_values, ":TRAC:DATA? TRACE1", datatype="d", is_big_endian=True, container=np.array
    )
    assert trace.shape == (1001,)


@pytest.mark.benchmark(group="1001 doubles")
def test_trace_with_the_driver(benchmark: Any, driver: KeysightXSeries) -> None:
    trace = benchmark(driver.read_trace)
    assert trace.shape == (1001,)
    assert trace.mean() == pytest.approx(10 * math.log10(5e-12 / 50 * 10.645 / 1e-3), abs=0.1)


@pytest.mark.benchmark(group="a whole averaged sweep")
def test_configure_sweep(benchmark: Any, driver: KeysightXSeries) -> None:
    assert benchmark(driver.configure_sweep, SWEEP) == SWEEP
