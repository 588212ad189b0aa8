"""The TSL-570 driver: what goes over the wire, in SI units, and what pymeasure's own class does instead."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.instruments.santec import TSL570
from pymeasure.instruments.santec.tsl500series import SweepStatus
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.pymeasure_backed import Withdrawn
from drivers.santec.tsl570 import WAVELENGTH_RANGE_M, WAVELENGTH_STEP_M, SantecTSL570

NO_ERROR = (":SYST:ERR?", '0,"No error"')


def test_pymeasure_alone_loses_a_hundred_steps_of_the_wavelength() -> None:
    with expected_protocol(TSL570, [(":WAVelength 1.55012e-06", None), ("SYST:ERR?", "0,No error")]) as plain:
        plain.wavelength_setpoint = 1.5501234e-6
    with expected_protocol(SantecTSL570, [(":WAVelength 1.5501234e-06", None), NO_ERROR]) as laser:
        laser.wavelength_setpoint = 1.5501234e-6


@given(wavelength_m=st.floats(*WAVELENGTH_RANGE_M))
def test_a_wavelength_arrives_within_a_ten_thousandth_of_a_step(wavelength_m: float) -> None:
    sent = f":WAVelength {wavelength_m:.12g}"
    assert abs(float(sent.split()[1]) - wavelength_m) < 1e-4 * WAVELENGTH_STEP_M
    with expected_protocol(SantecTSL570, [(sent, None), NO_ERROR]) as laser:
        laser.wavelength_setpoint = wavelength_m


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("wavelength_setpoint", ":WAVelength?", "1.5501234E-06", 1.5501234e-6),
        ("power_setpoint", ":POWer?", "5.00", 0.005),
        ("power", ":POWer:ACTual?", "4.9876", 0.0049876),
        ("power_unit", ":POWer:UNIT?", "1", "mW"),
        ("power_unit", ":POWer:UNIT?", "0", "dBm"),
        ("output_enabled", ":POWer:STATe?", "1", True),
        ("output_enabled", ":POWer:STATe?", "0", False),
        ("tuning_done", "*OPC?", "0", False),
        ("tuning_done", "*OPC?", "1", True),
        ("sweep_status", ":WAVelength:SWEep?", "0", SweepStatus.STOPPED),
        ("sweep_status", ":WAVelength:SWEep?", "4", SweepStatus.PREPARATION_FOR_SWEEP_START),
        ("command_set", ":SYSTem:COMMunicate:CODe?", "0", "Legacy"),
        ("wavelength_min", ":WAVelength:SWEep:RANGe:MINimum?", "1.48E-06", 1.48e-6),
    ],
)
def test_a_property_is_read(name: str, query: str, reply: str, value: object) -> None:
    with expected_protocol(SantecTSL570, [(query, reply)]) as laser:
        found = getattr(laser, name)
    assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("power_setpoint", 0.00512345, ":POWer 5.12345"),
        ("power_unit", "mW", ":POWer:UNIT 1"),
        ("output_enabled", True, ":POWer:STATe 1"),
        ("output_enabled", False, ":POWer:STATe 0"),
        ("command_set", "SCPI", ":SYSTem:COMMunicate:CODe 1"),
    ],
)
def test_a_property_is_set_and_the_errors_are_read(name: str, value: object, command: str) -> None:
    with expected_protocol(SantecTSL570, [(command, None), NO_ERROR]) as laser:
        setattr(laser, name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply"),
    [
        ("wavelength_setpoint", ":WAVelength?", "1550 nm"),
        ("wavelength_setpoint", ":WAVelength?", "1.55E-06,1"),
        ("power", ":POWer:ACTual?", "nan"),
        ("output_enabled", ":POWer:STATe?", "2"),
        ("tuning_done", "*OPC?", "maybe"),
        ("sweep_status", ":WAVelength:SWEep?", "2"),
        ("command_set", ":SYSTem:COMMunicate:CODe?", ""),
    ],
)
def test_garbage_is_a_bad_reply_that_names_the_query(name: str, query: str, reply: str) -> None:
    with expected_protocol(SantecTSL570, [(query, reply)], name="seed") as laser:
        with pytest.raises(BadReply) as refused:
            getattr(laser, name)
        assert query in str(refused.value)
        assert str(refused.value).startswith("seed: ")


@pytest.mark.parametrize("power_w", [0.0, -1e-3, 0.021, math.nan, math.inf])
def test_a_power_out_of_range_is_never_sent(power_w: float) -> None:
    with expected_protocol(SantecTSL570, []) as laser, pytest.raises(ValueError):
        laser.power_setpoint = power_w


def test_a_refusal_says_why() -> None:
    pairs = [(":WAVelength 1.3e-06", None), (":SYST:ERR?", '-222,"Data out of range"'), NO_ERROR]
    with (
        expected_protocol(SantecTSL570, pairs, name="seed") as laser,
        pytest.raises(Refused, match=r"seed: refused: -222 Data out of range after ':WAVelength 1.3e-06'"),
    ):
        laser.wavelength_setpoint = 1.3e-6


def test_initialise_speaks_scpi_in_milliwatts_and_leaves_the_light_alone() -> None:
    code = ":SYSTem:COMMunicate:CODe"
    unit = [(":POWer:UNIT 1", None), NO_ERROR]
    with expected_protocol(SantecTSL570, [("*CLS", None), (f"{code}?", "1"), (f"{code}?", "1"), *unit]) as laser:
        laser.initialise()
    change = [(f"{code}?", "0"), (f"{code} 1", None), NO_ERROR]
    with expected_protocol(SantecTSL570, [("*CLS", None), *change, (f"{code}?", "1"), *unit]) as laser:
        laser.initialise()
    with (
        expected_protocol(SantecTSL570, [("*CLS", None), *change, (f"{code}?", "0")]) as laser,
        pytest.raises(Refused, match="older dialect"),
    ):
        laser.initialise()


def test_identity() -> None:
    with expected_protocol(SantecTSL570, [("*IDN?", "SANTEC,TSL-570,21020001,0001.000.0001")]) as laser:
        assert laser.read_identity().model == "TSL-570"


def test_a_foreign_sweep_can_be_stopped_but_none_started() -> None:
    with expected_protocol(SantecTSL570, [(":WAVelength:SWEep 0", None)]) as laser:
        laser.stop_sweep()
        for name in ("start_sweep", "start_repeat", "sweep_mode", "frequency_setpoint", "wavelength_start"):
            assert not hasattr(laser, name)
            assert isinstance(getattr(SantecTSL570, name), Withdrawn)
