"""Tunable laser and power meter behind their roles: limits, waiting, read-back, and hands at the front panel."""

from __future__ import annotations

import math

import pytest
from light_bench import LaserBench, MeterBench

from labctl.errors import BadReply, InstrumentError, LimitError
from labctl.simulation.instruments.santec_tsl import LASER_START_S
from labctl.simulation.instruments.thorlabs_pm100 import Head
from labctl.station.bindings.light import (
    SPEED_OF_LIGHT_M_PER_S,
    TUNING_POLL_S,
    TUNING_POLLS,
    BoundLaser,
    BoundPowerMeter,
)
from labctl.station.clock import SimulatedClock
from labctl.station.limits import Limit
from labctl.station.roles import PowerMeter, TunableLaser

WAVELENGTH = Limit("seed wavelength", 1549e-9, 1561e-9, "m", "[laser] wavelengths")
POWER = Limit("seed power", 1e-4, 10e-3, "W", "[laser] highest_power")


def bound_laser(bench: LaserBench) -> BoundLaser:
    return BoundLaser("seed", bench.driver(), WAVELENGTH, POWER, SimulatedClock(bench.time))


def bound_meter(bench: MeterBench, **options: float) -> BoundPowerMeter:
    limit = Limit("meter wavelength", 600e-9, 1700e-9, "m", "[power_meter] wavelengths")
    return BoundPowerMeter("meter", bench.driver(), limit, **options)


# ---- laser ----------------------------------------------------------------------------------------------------------


def test_tuning_waits_until_the_laser_is_there() -> None:
    bench = LaserBench()
    laser: TunableLaser = bound_laser(bench)
    laser.tune(1550.1234567e-9)
    assert laser.is_tuned()
    assert laser.wavelength_m() == pytest.approx(1550.1235e-9, abs=1e-16)
    assert bench.laser.tuned[-1][0] == pytest.approx(1550.1235e-9, abs=1e-16)
    assert bench.time.now() >= bench.laser.tuned[-1][1]


def test_a_frequency_is_a_wavelength_in_vacuum() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    laser.tune_frequency(193.4e12)
    assert SPEED_OF_LIGHT_M_PER_S / laser.wavelength_m() == pytest.approx(193.4e12, abs=10e6)
    for frequency_hz in (0.0, -1.0, math.nan):
        with pytest.raises(LimitError, match="no frequency of light"):
            laser.tune_frequency(frequency_hz)


@pytest.mark.parametrize("wavelength_m", [1548.9e-9, 1561.1e-9, 1550.0, math.nan])
def test_no_wavelength_beyond_the_limits_is_sent(wavelength_m: float) -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    with pytest.raises(LimitError, match=r"seed wavelength: .* is \[laser\] wavelengths of the station file"):
        laser.tune(wavelength_m)
    assert len(bench.laser.tuned) == 1


def test_powers_are_set_read_back_and_kept_within_the_limits() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    laser.set_power(5e-3)
    assert bench.laser.power_w == pytest.approx(5e-3, rel=2e-3)
    with pytest.raises(LimitError):
        laser.set_power(11e-3)
    assert bench.laser.power_w == pytest.approx(5e-3, rel=2e-3)
    assert not laser.is_on()


def test_switching_on_waits_for_the_light() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    laser.set_power(5e-3)
    laser.switch_on()
    assert bench.time.now() >= LASER_START_S
    assert laser.is_on() and bench.laser.on
    assert laser.power_w() == pytest.approx(5e-3, rel=2e-3)
    laser.switch_off()
    assert not laser.is_on() and not bench.laser.on


@pytest.mark.parametrize("left", [b":POW 15\r", b":WAV 1.6e-06\r"])
def test_what_somebody_left_beyond_the_limits_is_not_switched_on(left: bytes) -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    bench.say(left, wait=5.0)
    with pytest.raises(LimitError):
        laser.switch_on()
    assert not bench.laser.on


def test_a_unit_that_somebody_turned_back_to_dbm_changes_no_power() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    bench.say(b":POW:UNIT 0\r")
    laser.set_power(8e-3)
    assert bench.laser.power_w == pytest.approx(8e-3, rel=2e-3)
    laser.switch_on()
    bench.say(b":POW:UNIT 0\r")
    assert laser.power_w() == pytest.approx(8e-3, rel=2e-3)


def test_a_sweep_that_somebody_left_running_is_stopped() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    bench.say(b":WAV:SWE 1\r", wait=0.5)
    assert not laser.is_tuned()
    laser.tune(1550e-9)
    assert laser.wavelength_m() == pytest.approx(1550e-9)


def test_a_laser_that_never_gets_there_is_told_of() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    bench.twin.register("*OPC?", lambda call: "0")  # type: ignore[attr-defined]
    before = bench.time.now()
    with pytest.raises(BadReply, match="seed: did not finish tuning within 60 s"):
        laser.tune(1550e-9)
    assert bench.time.now() - before == pytest.approx(TUNING_POLLS * TUNING_POLL_S, rel=0.1)


def test_a_laser_that_ends_up_elsewhere_is_told_of() -> None:
    bench = LaserBench()
    laser = bound_laser(bench)
    bench.twin.register(":WAVelength?", lambda call: "1.5510000E-06")  # type: ignore[attr-defined]
    with pytest.raises(InstrumentError, match=r"was sent to 1\.55e-06 m and says 1\.551e-06 m"):
        laser.tune(1550e-9)


# ---- power meter ----------------------------------------------------------------------------------------------------


def test_no_power_is_read_before_the_wavelength_is_told() -> None:
    meter = bound_meter(MeterBench())
    with pytest.raises(InstrumentError, match="was not told a wavelength"):
        meter.power_w()


def test_powers_are_those_at_the_wavelength() -> None:
    bench = MeterBench()
    meter: PowerMeter = bound_meter(bench)
    meter.set_wavelength(1550e-9)
    assert meter.power_w() == pytest.approx(5e-3)
    bench.beam.watts = 1e-7
    assert meter.power_w() == pytest.approx(1e-7)


@pytest.mark.parametrize(
    ("turned", "complaint"),
    [
        (b"SENS:CORR:WAV 1064\n", "corrects for 1064 nm and not for 1550 nm"),
        (b"SENS:POW:UNIT DBM\n", "was switched to dBm"),
        (b"SENS:CORR:LOSS:INP:MAGN 3\n", "an attenuation other than 0 dB"),
    ],
)
def test_a_knob_that_somebody_turned_spoils_no_reading(turned: bytes, complaint: str) -> None:
    bench = MeterBench()
    meter = bound_meter(bench)
    meter.set_wavelength(1550e-9)
    bench.say(turned)
    with pytest.raises(InstrumentError, match=complaint):
        meter.power_w()
    meter.set_wavelength(1550e-9)
    assert meter.power_w() == pytest.approx(5e-3)


def test_a_stored_attenuation_is_replaced_by_that_of_the_station() -> None:
    bench = MeterBench()
    bench.say(b"SENS:CORR:LOSS:INP:MAGN 30\n")
    meter = bound_meter(bench, attenuation_db=10.0)
    meter.set_wavelength(1550e-9)
    assert meter.power_w() == pytest.approx(50e-3)


def test_wavelengths_beyond_station_and_head_are_refused() -> None:
    bench = MeterBench()
    meter = bound_meter(bench)
    with pytest.raises(LimitError, match=r"\[power_meter\] wavelengths"):
        meter.set_wavelength(1750e-9)
    with pytest.raises(LimitError, match="set by the head"):
        meter.set_wavelength(650e-9)
    with pytest.raises(InstrumentError, match="was not told"):
        meter.power_w()


def test_over_range_is_no_reading() -> None:
    bench = MeterBench(Head(highest_w=1e-3))
    meter = bound_meter(bench)
    meter.set_wavelength(1550e-9)
    with pytest.raises(InstrumentError, match="meter: is over range"):
        meter.power_w()
