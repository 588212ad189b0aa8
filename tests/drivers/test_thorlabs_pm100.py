"""The PM100 driver: the head that is plugged in, wavelengths in m, and readings that are none."""

from __future__ import annotations

import math

import pytest
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, InstrumentError, Refused
from drivers.thorlabs.pm100 import Sensor, ThorlabsPM100

NO_ERROR = (":SYST:ERR?", '+0,"No error"')
RANGE = [("SENS:CORR:WAV? MIN", "7.000000E+02"), ("SENS:CORR:WAV? MAX", "1.800000E+03")]


def test_properties_are_read() -> None:
    pairs = [
        ("SENS:CORR:WAV?", "1.550000E+03"),
        *RANGE,
        ("MEAS:POW?", "5.01234567E-06"),
        ("SENS:POW:UNIT?", "W"),
        ("SENS:CORR:LOSS:INP:MAGN?", "-3.000000E+01"),
    ]
    with expected_protocol(ThorlabsPM100, pairs) as meter:
        assert meter.wavelength == pytest.approx(1550e-9)
        assert (meter.wavelength_min, meter.wavelength_max) == pytest.approx((700e-9, 1800e-9))
        assert meter.power == 5.01234567e-6
        assert meter.power_unit == "W"
        assert meter.attenuation_db == -30.0


def test_properties_are_set_and_the_errors_are_read() -> None:
    pairs = [
        *RANGE,
        ("SENS:CORR:WAV 1550.25", None),
        NO_ERROR,
        ("SENS:POW:UNIT W", None),
        NO_ERROR,
        ("SENS:CORR:LOSS:INP:MAGN 0.5", None),
        NO_ERROR,
    ]
    with expected_protocol(ThorlabsPM100, pairs) as meter:
        meter.wavelength = 1550.25e-9
        meter.power_unit = "W"
        meter.attenuation_db = 0.5


@pytest.mark.parametrize("wavelength_m", [650e-9, 1900e-9])
def test_a_wavelength_that_the_head_has_not_is_refused_and_not_clipped(wavelength_m: float) -> None:
    with expected_protocol(ThorlabsPM100, RANGE) as meter, pytest.raises(ValueError, match="not in range"):
        meter.wavelength = wavelength_m


@pytest.mark.parametrize("wavelength_m", [1550.0, 0.0, math.nan, math.inf])
def test_no_wavelength_at_all_sends_nothing(wavelength_m: float) -> None:
    with expected_protocol(ThorlabsPM100, []) as meter, pytest.raises(ValueError):
        meter.wavelength = wavelength_m


def test_a_refusal_says_why() -> None:
    pairs = [*RANGE, ("SENS:CORR:WAV 1550", None), (":SYST:ERR?", '-222,"Data out of range"'), NO_ERROR]
    with expected_protocol(ThorlabsPM100, pairs, name="meter") as meter, pytest.raises(Refused, match="meter: refused"):
        meter.wavelength = 1550e-9


@pytest.mark.parametrize("reply", ["9.90000000E+37", "-9.9E+37", "9.91E+37"])
def test_over_range_is_no_power(reply: str) -> None:
    with (
        expected_protocol(ThorlabsPM100, [("MEAS:POW?", reply)]) as meter,
        pytest.raises(InstrumentError, match="over"),
    ):
        _ = meter.power


@pytest.mark.parametrize("reply", ["", "W", "1,2", "nan"])
def test_garbage_is_a_bad_reply(reply: str) -> None:
    with expected_protocol(ThorlabsPM100, [("MEAS:POW?", reply)]) as meter, pytest.raises(BadReply):
        _ = meter.power


@pytest.mark.parametrize(
    ("reply", "sensor"),
    [
        ("S122C,140225301,12-MAR-2024,1,18,289", Sensor("S122C", "140225301", "12-MAR-2024", 289)),
        ('"S122C","140225301","Mar 12, 2024",1,18,33', Sensor("S122C", "140225301", "Mar 12, 2024", 33)),
    ],
)
def test_the_head_is_read(reply: str, sensor: Sensor) -> None:
    with expected_protocol(ThorlabsPM100, [("SYST:SENS:IDN?", reply)]) as meter:
        found = meter.read_sensor()
    assert (found.name, found.serial, found.flags) == (sensor.name, sensor.serial, sensor.flags)
    assert found.measures_power and found.wavelength_settable


@pytest.mark.parametrize("reply", ["S122C,140225301,x,1,18", "S122C,140225301,x,1,18,many", "garbage"])
def test_what_is_no_head_is_a_bad_reply(reply: str) -> None:
    with expected_protocol(ThorlabsPM100, [("SYST:SENS:IDN?", reply)]) as meter, pytest.raises(BadReply):
        meter.read_sensor()


def test_initialise_wants_a_power_head_and_watts() -> None:
    start = ("*CLS", None)
    query = "SYST:SENS:IDN?"
    unit = [("SENS:POW:UNIT W", None), NO_ERROR]
    with expected_protocol(ThorlabsPM100, [start, (query, "S122C,140225301,12-MAR-2024,1,18,289"), *unit]) as meter:
        meter.initialise()
    for reply, complaint in (("no sensor,,,0,0,0", "no sensor"), ("ES111C,1,x,2,18,2", "measures no power")):
        with (
            expected_protocol(ThorlabsPM100, [start, (query, reply)]) as meter,
            pytest.raises(InstrumentError, match=complaint),
        ):
            meter.initialise()


def test_energies_are_not_offered() -> None:
    with expected_protocol(ThorlabsPM100, []) as meter:
        assert not hasattr(meter, "energy")
