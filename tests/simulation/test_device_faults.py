"""Faults of one instrument, switched on at its twin, and what the real driver says of them."""

from __future__ import annotations

import numpy as np
import pytest
from every_twin import Mirror, Oven
from light_bench import MeterBench
from servo_bench import Bench as ServoBench
from stepped_time import SteppedTime
from x_series_bench import Flat

from drivers.errors import BadReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.meerstetter.tec import DeviceStatus, MeerstetterTEC
from drivers.newport.picomotor_8742 import Newport8742
from drivers.srs.sim960_status import ServoCondition
from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.instruments.meerstetter_tec import (
    INITIALISATION_S,
    SENSOR_OPEN,
    SENSOR_SHORT,
    SILENCE_AT_START_S,
    SimulatedTEC,
)
from labctl.simulation.instruments.newport_8742 import SimulatedNewport8742
from labctl.simulation.instruments.srs_sim960 import SimulatedSIM960
from labctl.simulation.instruments.thorlabs_pm100 import SimulatedPM100
from labctl.simulation.visa_library import simulated_library
from labctl.station.bindings.environment import MOTION_POLL_S, MOTION_POLLS, BoundPicomotor
from labctl.station.clock import SimulatedClock

SERIAL, NETWORK = "ASRL/dev/ttyUSB1::INSTR", "TCPIP::127.0.0.1::5025::SOCKET"


# ---- temperature controller -----------------------------------------------------------------------------------------


class Controller:
    """A TEC controller on an oven, and its driver."""

    def __init__(self) -> None:
        self.time = SteppedTime()
        self.oven = Oven()
        self.twin = SimulatedTEC(self.time, {1: self.oven}, np.random.default_rng(1))
        library = simulated_library(self.time, {SERIAL: self.twin})
        self.driver = MeerstetterTEC(SERIAL, visa_library=library)

    def regulates(self) -> bool:
        return self.oven.nominal_c is not None


def test_a_busy_controller_is_asked_again() -> None:
    bench = Controller()
    bench.twin.be_busy(bench.driver.retries)
    assert bench.driver.ch_1.object_temperature_c == pytest.approx(25.0)


def test_a_controller_that_stays_busy_is_reported() -> None:
    bench = Controller()
    bench.twin.be_busy(bench.driver.retries + 1)
    with pytest.raises(Refused, match=r"refused parameter 1000 of channel 1: it is busy.*Try again later"):
        _ = bench.driver.ch_1.object_temperature_c
    assert bench.driver.ch_1.object_temperature_c == pytest.approx(25.0)


@pytest.mark.parametrize(("error", "words"), [(SENSOR_OPEN, "sensor open"), (SENSOR_SHORT, "sensor short")])
def test_a_broken_sensor_switches_off_until_a_restart(error: int, words: str) -> None:
    bench = Controller()
    bench.driver.initialise()
    bench.driver.ch_1.output_enabled = True
    assert bench.regulates()
    bench.twin.break_sensor(error)
    assert not bench.regulates()
    assert bench.driver.status is DeviceStatus.ERROR
    with pytest.raises(Refused, match=rf"outputs off: .*{words}.* \(error {error}, channel 1, parameter 0\)"):
        bench.driver.check_errors()
    bench.twin.break_sensor(None)
    with pytest.raises(Refused, match="error state"):
        bench.driver.check_errors()
    bench.driver.reset()
    bench.time.elapse(2 * (SILENCE_AT_START_S + INITIALISATION_S))
    assert bench.driver.check_errors() == []


def test_a_restart_does_not_mend_a_sensor() -> None:
    bench = Controller()
    bench.twin.break_sensor(SENSOR_OPEN)
    bench.driver.reset()
    bench.time.elapse(2 * (SILENCE_AT_START_S + INITIALISATION_S))
    with pytest.raises(Refused, match="error 134"):
        bench.driver.check_errors()


# ---- picomotors -----------------------------------------------------------------------------------------------------


def test_a_stuck_motor_is_stopped_and_reported() -> None:
    time = SteppedTime()
    mirrors = {(1, 1): Mirror(), (1, 2): Mirror()}
    twin = SimulatedNewport8742(time, mirrors)
    driver = Newport8742(NETWORK, visa_library=simulated_library(time, {NETWORK: twin}), timeout=1000)
    axes = driver.controllers[1].axes
    mirror = BoundPicomotor("sensor1", axes[1], axes[2], 1000, SimulatedClock(time))
    twin.jam(1, 1)
    with pytest.raises(BadReply, match=r"sensor1: the pitch motor never reported the end of its motion.*its cable"):
        mirror.move("pitch", 100)
    assert MOTION_POLLS * MOTION_POLL_S <= time.now() < 2 * MOTION_POLLS * MOTION_POLL_S
    assert not driver.is_moving
    assert (axes[1].position, mirrors[1, 1].steps) == (0, 0)
    mirror.move("yaw", 20)
    assert mirrors[1, 2].steps == 20
    twin.jam(1, 1, stuck=False)
    mirror.move("pitch", 50)
    assert mirrors[1, 1].steps == 50


# ---- servo ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upper", "condition", "volts"),
    [(True, ServoCondition.UPPER_LIMIT, 4.5), (False, ServoCondition.LOWER_LIMIT, -3.5)],
)
def test_a_railed_output_is_seen(upper: bool, condition: ServoCondition, volts: float) -> None:
    bench = ServoBench()
    servo = bench.driver().modules[3]
    servo.limit_output(-3.5, 4.5)
    servo.conditions_since_last_look()
    module = bench.twin.modules[3]
    assert isinstance(module, SimulatedSIM960)
    module.rail(upper)
    assert servo.present_conditions & (ServoCondition.UPPER_LIMIT | ServoCondition.LOWER_LIMIT) == condition
    assert servo.conditions_since_last_look() & condition
    assert servo.output == volts
    module.rail(None)
    bench.time.elapse(1.0)
    assert not servo.present_conditions & condition
    assert servo.output == 0.0


# ---- error queue ----------------------------------------------------------------------------------------------------


def test_a_flooded_error_queue_is_emptied_and_reported() -> None:
    bench = MeterBench()
    meter = bench.driver()
    for _ in range(200):
        bench.twin.on_bytes(b"NONSENSE\n")
    with pytest.raises(Refused, match=r"-113 Undefined header; .*-350 Queue overflow"):
        meter.check_errors()
    assert meter.check_errors() == []


def test_errors_without_end_are_not_read_without_end() -> None:
    bench = MeterBench()
    meter = bench.driver()
    twin = bench.twin
    assert isinstance(twin, SimulatedPM100)
    twin.flood_errors(-200)
    began = bench.time.now()
    with pytest.raises(BadReply, match="errors and did not stop"):
        meter.wavelength = 1550e-9
    assert bench.time.now() - began < 1.0
    twin.flood_errors(None)
    assert meter.check_errors() == []
    assert meter.wavelength == pytest.approx(1550e-9)


# ---- analyzer -------------------------------------------------------------------------------------------------------


def test_a_sweep_ten_times_slower_than_it_says() -> None:
    time = SteppedTime()
    twin = SimulatedXSeries(time, Flat(), np.random.default_rng(1), speed=0.1)
    analyzer = KeysightXSeries(NETWORK, visa_library=simulated_library(time, {NETWORK: twin}))
    analyzer.continuous_sweep = False
    analyzer.write(":FORM REAL,64")
    analyzer.sweep_time_s = 0.5
    promised = analyzer.duration_s()
    assert promised == pytest.approx(0.5)
    analyzer.start()
    time.elapse(2 * promised)
    assert analyzer.is_sweeping()
    with pytest.raises(BadReply, match="holds no sweep"):
        analyzer.read_trace()
    time.elapse(8 * promised)
    assert not analyzer.is_sweeping()
    assert np.all(np.isfinite(analyzer.read_trace()))
