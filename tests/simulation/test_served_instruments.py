"""Every instrument behind its served port: plain pyvisa-py and pyserial talk to it, then its own driver, then classes
of pymeasure that labctl has no hand in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
import pyvisa
import serial
from pymeasure.instruments.agilent import Agilent33500, AgilentE4408B
from pymeasure.instruments.mksinst.mks937b import MKS937B, Unit
from pymeasure.instruments.redpitaya import RedPitayaScpi
from pymeasure.instruments.rohdeschwarz import FSW
from pymeasure.instruments.santec import TSL570
from pymeasure.instruments.thorlabs import ThorlabsPM100USB
from served_instruments import SERVED, Served, station_of_all
from server_bench import PATIENCE_S, device_of, serving

from drivers.base import Driver
from labctl.configuration.instrument_kinds import INSTRUMENT_KINDS
from labctl.simulation.server import TableServer
from labctl.station.ledger import same
from labctl.station.opening import open_instruments, require_all

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")

SPEED = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[TableServer]:
    with serving(station_of_all(), speed=SPEED) as served:
        yield served


def test_every_driver_is_served() -> None:
    assert {served.driver for served in SERVED.values()} == set(INSTRUMENT_KINDS)


# ---- plain clients ---------------------------------------------------------------------------------------------------

Write, Read = Callable[[bytes], object], Callable[[], str]


@contextmanager
def by_pyvisa_py(address: str, served: Served) -> Iterator[tuple[Write, Read]]:
    """Open a TCP socket; yields how to send bytes, and how to read one reply."""
    link: Any = pyvisa.ResourceManager("@py").open_resource(address, timeout=round(1000 * PATIENCE_S))
    with closing(link):
        yield link.write_raw, lambda: link.read(termination=served.end.decode("ascii"), encoding="latin-1")


@contextmanager
def by_pyserial(address: str, served: Served) -> Iterator[tuple[Write, Read]]:
    """Open a serial port, see `by_pyvisa_py`."""
    with serial.Serial(device_of(address), served.baud, timeout=PATIENCE_S) as port:
        yield port.write, lambda: port.read_until(served.end).decode("latin-1")


@pytest.mark.parametrize("name", SERVED)
def test_a_plain_client_reads_measures_and_sets(server: TableServer, name: str) -> None:
    served = SERVED[name]
    connect = by_pyvisa_py if served.baud is None else by_pyserial
    with connect(server.addresses[name], served) as (write, read):
        for sent, pattern in served.says:
            write(sent)
            if pattern:
                reply = read()
                assert re.search(pattern, reply), f"{sent!r} was answered {reply!r}"


# ---- the driver of labctl --------------------------------------------------------------------------------------------


@contextmanager
def driver_of(server: TableServer, name: str) -> Iterator[Driver]:
    """Open one instrument as a station does, over pyvisa-py."""
    station = station_of_all()
    instrument = station.instruments[name].model_copy(update={"address": server.addresses[name]})
    answers = open_instruments(station.model_copy(update={"instruments": {name: instrument}}), "@py", concurrent=False)
    driver = require_all(answers)[name]
    identity = answers[name].identity
    with closing(driver):
        assert identity is not None and SERVED[name].model in identity.model
        yield driver


def owner_of(driver: Any, path: str) -> tuple[Any, str]:
    *channels, setting = path.split(".")
    for channel in channels:
        driver = getattr(driver, channel)
    return driver, setting


@pytest.mark.parametrize("name", SERVED)
def test_its_driver_measures_and_sets_over_the_port(server: TableServer, name: str) -> None:
    measured, lowest, highest = SERVED[name].measured
    setting, value = SERVED[name].setting
    with driver_of(server, name) as driver:
        assert lowest <= getattr(*owner_of(driver, measured)) <= highest
        if setting:
            setattr(*owner_of(driver, setting), value)
            path = SERVED[name].read_back or setting
            assert same(value, getattr(*owner_of(driver, path)), path)
        assert driver.check_errors() == []


# ---- classes of pymeasure --------------------------------------------------------------------------------------------


def drive_generator(tone: Any) -> None:
    assert "33522B" in tone.id
    tone.ch_1.shape = "SQU"
    tone.ch_1.frequency = 2.5e6
    tone.ch_1.amplitude = 0.25
    assert (tone.ch_1.shape, tone.ch_1.frequency, tone.ch_1.amplitude) == ("SQU", 2.5e6, 0.25)
    tone.ch_1.output = True
    assert tone.ch_1.output
    tone.ch_1.output = False
    assert tone.check_errors() == []


def read_power(meter: Any) -> None:
    assert "PM100D" in meter.id
    assert meter.is_power_sensor and meter.wavelength_settable
    meter.wavelength = 1500.0
    assert meter.wavelength == pytest.approx(1500.0)
    assert abs(meter.power) < 1e-3
    assert meter.check_errors() == []


def read_gauges(gauges: Any) -> None:
    assert gauges.serial.isdecimal()
    gauges.unit = Unit.Pa
    assert gauges.unit is Unit.Pa
    assert 1e-6 < gauges.ch_1.pressure < 1e-3
    assert gauges.ch_1.power_enabled


def tune_laser(laser: Any) -> None:
    assert "TSL-570" in laser.id
    laser.command_set = "SCPI"
    laser.wavelength_setpoint = 1.553e-6
    assert laser.wavelength_setpoint == pytest.approx(1.553e-6)
    laser.power_unit = "dBm"
    assert laser.power_unit == "dBm"
    assert np.isfinite(laser.power)
    assert laser.check_errors() == []


def take_trace(analyzer: Any) -> None:
    assert "FSW-13" in analyzer.id
    analyzer.continuous_sweep_enabled = False
    analyzer.freq_center, analyzer.freq_span, analyzer.res_bandwidth = 4.3e6, 10e3, 300.0
    assert analyzer.res_bandwidth == pytest.approx(300.0)
    analyzer.write("FORM ASC")
    analyzer.single_sweep()
    assert analyzer.complete == "1"
    frequency_hz, level_dbm = analyzer.read_trace()
    assert frequency_hz[[0, -1]] == pytest.approx([4.295e6, 4.305e6])
    assert np.all(np.isfinite(level_dbm)) and np.ptp(level_dbm) > 0.1
    assert analyzer.check_errors() == []


def take_trace_as_an_older_analyzer(analyzer: Any) -> None:
    assert "N9020A" in analyzer.id
    analyzer.write("*CLS;:INIT:CONT 0;:ABOR;:FORM ASC,8")
    analyzer.start_frequency, analyzer.stop_frequency = 4.2e6, 4.4e6
    analyzer.frequency_points = 201
    assert (analyzer.start_frequency, analyzer.stop_frequency, analyzer.frequency_points) == (4.2e6, 4.4e6, 201)
    assert analyzer.ask(":INIT:IMM;*OPC?").strip() == "1"
    level_dbm = analyzer.trace(1)
    assert len(level_dbm) == len(analyzer.frequencies) == 201
    assert np.all(np.isfinite(level_dbm)) and np.ptp(level_dbm) > 0.1
    assert analyzer.check_errors() == []


def record(board: Any) -> None:
    assert "STEMlab" in board.board_name
    board.decimation = 16
    assert board.decimation == 16
    board.ain1.gain = "LV"
    board.acquisition_start()
    board.acq_trigger_source = "NOW"
    while not board.acq_buffer_filled:
        pass
    assert np.all(np.abs(board.ain1.get_data(100)) < 1.1)
    board.dioN1.direction_in = False
    board.dioN1.enabled = True
    assert board.dioN1.enabled
    assert 0.0 <= board.ainslow1.voltage <= 3.5


LF: Mapping[str, Any] = {"read_termination": "\n", "write_termination": "\n"}
CR: Mapping[str, Any] = {"read_termination": "\r", "write_termination": "\r"}
FOREIGN: Mapping[str, tuple[str, Any, Mapping[str, Any], Callable[[Any], None]]] = {
    "Agilent33500": ("generator", Agilent33500, LF, drive_generator),
    "AgilentE4408B": ("analyzer", AgilentE4408B, LF, take_trace_as_an_older_analyzer),
    "FSW": ("other_analyzer", FSW, LF, take_trace),
    "MKS937B": ("other_gauges", MKS937B, {}, read_gauges),
    "RedPitayaScpi": ("scan", RedPitayaScpi, {}, record),
    "ThorlabsPM100USB": ("meter", ThorlabsPM100USB, LF, read_power),
    "TSL570": ("laser", TSL570, CR, tune_laser),
}


@pytest.mark.filterwarnings("ignore::FutureWarning:pymeasure", "ignore::DeprecationWarning:pymeasure")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_class_of_pymeasure_works_on_the_port(server: TableServer, name: str) -> None:
    instrument, cls, options, use = FOREIGN[name]
    foreign = cls(server.addresses[instrument], visa_library="@py", timeout=round(1000 * PATIENCE_S), **options)
    assert not isinstance(foreign, Driver)
    try:
        use(foreign)
    finally:
        foreign.adapter.close()
