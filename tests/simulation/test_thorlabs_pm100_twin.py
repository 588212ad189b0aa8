"""The simulated PM100D: raw bytes, what a wrong wavelength does, and the real driver on top of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_bench import MeterBench

from drivers.errors import InstrumentError, Refused
from labctl.simulation.instruments.thorlabs_pm100 import READING_S, Head

HEAD = Head()


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"*IDN?\n", b"Thorlabs,PM100D,P0021010,2.4.0\n"),
        (b"SYST:SENSOR:IDN?\n", b"S122C,140225301,12-MAR-2024,1,18,289\n"),
        (b"Sense:Correction:WAVelength?\n", b"7.000000E+02\n"),
        (b"SENS:CORR:WAV? MAX\n", b"1.800000E+03\n"),
        (b"SENS:CORR:WAV 1550.04;WAV?\n", b"1.550000E+03\n"),
        (b"SENS:CORR:WAV 1.55e-6;:SYST:ERR?\n", b'-222,"Data out of range"\n'),
        (b"SENS:CORR:LOSS:INP:MAGN?\n", b"0.000000E+00\n"),
        (b"SENS:POW:UNIT?\n", b"W\n"),
        (b"SENS:CORR:WAV 1550;:SENS:POW:UNIT DBM;:MEAS:POW?\n", b"6.98970004E+00\n"),
        (b"SENS:CORR:WAV 1550;:MEAS:POW?\n", b"5.00000000E-03\n"),
        (b"SYST:ERR?\n", b'+0,"No error"\n'),
        (b"MEAS:ENER?;:SYST:ERR?\n", b'-113,"Undefined header"\n'),
    ],
)
def test_replies(sent: bytes, reply: bytes) -> None:
    assert MeterBench().say(sent) == reply


def test_a_wrong_wavelength_and_a_stored_attenuation_scale_the_reading() -> None:
    bench = MeterBench()
    right = float(bench.say(b"SENS:CORR:WAV 1550;:MEAS:POW?\n"))
    wrong = float(bench.say(b"SENS:CORR:WAV 1000;:MEAS:POW?\n"))
    assert right == pytest.approx(5e-3)
    assert wrong / right == pytest.approx(HEAD.responsivity(1550.0) / HEAD.responsivity(1000.0))
    attenuated = float(bench.say(b"SENS:CORR:WAV 1550;:SENS:CORR:LOSS:INP:MAGN 30;:MEAS:POW?\n"))
    assert attenuated / right == pytest.approx(1000.0)


def test_a_reading_takes_its_averages() -> None:
    bench = MeterBench()
    bench.twin.on_bytes(b"SENS:AVER:COUN 100;:MEAS:POW?\n")
    ready = bench.twin.ready_at()
    assert ready == pytest.approx(bench.time.now() + 100 * READING_S)


def test_the_real_driver() -> None:
    bench = MeterBench()
    meter = bench.driver()
    assert meter.read_identity().model == "PM100D"
    assert meter.read_sensor().name == "S122C"
    meter.wavelength = 1550e-9
    assert meter.wavelength == pytest.approx(1550e-9)
    assert meter.power == pytest.approx(5e-3)
    meter.attenuation_db = 3.0
    assert meter.attenuation_db == 3.0
    bench.beam.watts = 0.2
    with pytest.raises(InstrumentError, match="over range"):
        _ = meter.power
    with pytest.raises(ValueError, match="not in range"):
        meter.wavelength = 600e-9


def test_the_real_driver_sees_what_the_instrument_refuses() -> None:
    bench = MeterBench()
    meter = bench.driver()
    meter.write("SENS:CORR:WAV 100")
    with pytest.raises(Refused, match="-222"):
        meter.check_errors()


def test_without_a_head_it_does_not_open() -> None:
    with pytest.raises(InstrumentError, match="meter: has no sensor"):
        MeterBench(None).driver()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"SENS:CORR:WAV ", b"MEAS:POW?\n", b"\n", b"nan\n"]), max_size=8)
)
def test_no_bytes_hurt_it(chunks: list[bytes]) -> None:
    bench = MeterBench()
    for chunk in chunks:
        bench.say(chunk)
    assert bench.say(b"\n*CLS\n*IDN?\n", wait=10.0).endswith(b"Thorlabs,PM100D,P0021010,2.4.0\n")
