"""The 33500 driver: digits, checks and ranges of one output, and what is withdrawn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.keysight.trueform_33500 import FREQUENCY_RANGE_HZ, Keysight33500, WaveformOutput

NO_ERROR = (":SYST:ERR?", '+0,"No error"')


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("frequency", "SOUR2:FREQ?", "+4.301000123456000E+06", 4301000.123456),
        ("amplitude", "SOUR2:VOLT?", "+2.0000000000000000E-03", 2e-3),
        ("offset", "SOUR2:VOLT:OFFS?", "-5.0000000000000000E-01", -0.5),
        ("phase", "SOUR2:PHAS?", "+0.0000000000000000E+00", 0.0),
        ("shape", "SOUR2:FUNC?", "SIN", "SIN"),
        ("amplitude_unit", "SOUR2:VOLT:UNIT?", "VPP", "VPP"),
        ("output", "OUTP2?", "1", True),
        ("output_load", "OUTP2:LOAD?", "+5.000000000000000E+01", 50.0),
        ("output_load", "OUTP2:LOAD?", "9.9E+37", 9.9e37),
    ],
)
def test_a_property_is_read(name: str, query: str, reply: str, value: object) -> None:
    with expected_protocol(Keysight33500, [(query, reply)]) as generator:
        assert getattr(generator.channels[2], name) == value


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("frequency", 4301000.123456, "SOUR1:FREQ 4301000.12346"),
        ("frequency", 1.25e-6, "SOUR1:FREQ 1.25e-06"),
        ("amplitude", 1.5e-3, "SOUR1:VOLT 0.0015"),
        ("offset", 0.25, "SOUR1:VOLT:OFFS 0.25"),
        ("phase", -90.0, "SOUR1:PHAS -90"),
        ("shape", "SIN", "SOUR1:FUNC SIN"),
        ("amplitude_unit", "VPP", "SOUR1:VOLT:UNIT VPP"),
        ("output", True, "OUTP1 1"),
        ("output_load", 50.0, "OUTP1:LOAD 50"),
    ],
)
def test_a_property_is_set_and_the_errors_are_read(name: str, value: object, command: str) -> None:
    with expected_protocol(Keysight33500, [(command, None), NO_ERROR]) as generator:
        setattr(generator.channels[1], name, value)


@given(frequency_hz=st.floats(*FREQUENCY_RANGE_HZ))
def test_a_frequency_arrives_to_twelve_digits(frequency_hz: float) -> None:
    with expected_protocol(Keysight33500, [(f"SOUR1:FREQ {frequency_hz:.12g}", None), NO_ERROR]) as generator:
        generator.ch_1.frequency = frequency_hz
    assert float(f"{frequency_hz:.12g}") == pytest.approx(frequency_hz, rel=1e-11)


def test_a_sine_is_started_by_one_command() -> None:
    with expected_protocol(Keysight33500, [("SOUR1:APPL:SIN 4301000.5,0.02,0", None), NO_ERROR]) as generator:
        generator.channels[1].start_sine(4301000.5, 0.02)


@pytest.mark.parametrize(("frequency_hz", "amplitude_vpp"), [(1e3, 11.0), (1e9, 1.0), (math.nan, 1.0), (1e3, 0.0)])
def test_no_sine_beyond_the_ranges_is_started(frequency_hz: float, amplitude_vpp: float) -> None:
    with expected_protocol(Keysight33500, []) as generator, pytest.raises(ValueError):
        generator.channels[1].start_sine(frequency_hz, amplitude_vpp)


@pytest.mark.parametrize("load_ohm", [0.0, 2e4, math.inf, math.nan])
def test_a_load_that_is_none_is_never_sent(load_ohm: float) -> None:
    with expected_protocol(Keysight33500, []) as generator, pytest.raises(ValueError):
        generator.channels[1].output_load = load_ohm


def test_a_clipped_value_is_a_refusal() -> None:
    refusal = (":SYST:ERR?", '-222,"Data out of range; value clipped to upper limit"')
    with (
        expected_protocol(Keysight33500, [("SOUR1:FREQ 90000000", None), refusal, NO_ERROR], name="tone") as generator,
        pytest.raises(Refused, match=r"tone: refused: -222 .* after 'SOUR1:FREQ 90000000'"),
    ):
        generator.channels[1].frequency = 90e6


@pytest.mark.parametrize(("name", "query"), [("frequency", "SOUR1:FREQ?"), ("output", "OUTP1?")])
@pytest.mark.parametrize("reply", ["", "ON", "1,2", "0x10"])
def test_garbage_is_a_bad_reply(name: str, query: str, reply: str) -> None:
    with expected_protocol(Keysight33500, [(query, reply)]) as generator, pytest.raises(BadReply):
        getattr(generator.channels[1], name)


def test_the_default_output_other_shapes_and_triggers_are_not_offered() -> None:
    with expected_protocol(Keysight33500, [("*CLS", None)]) as generator:
        generator.initialise()
        for name in ("frequency", "output", "amplitude", "data_arb", "wait_for_trigger", "display", "burst_state"):
            assert not hasattr(generator, name), name
        for name in ("voltage_high", "burst_state", "arb_file", "data_arb"):
            assert not hasattr(generator.channels[1], name), name
        assert isinstance(generator.ch_2, WaveformOutput)


def test_identity() -> None:
    with expected_protocol(Keysight33500, [("*IDN?", "Agilent Technologies,33522B,MY50000001,2.05")]) as generator:
        assert generator.read_identity().model == "33522B"
