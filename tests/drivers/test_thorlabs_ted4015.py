"""The TED4015 driver: what it sends, what it makes of replies, and in which words it refuses."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, InstrumentError, Refused
from drivers.thorlabs.ted4015 import FAULTS, AutoTuneState, Condition, ThorlabsTED4015, condition_bits

NO_ERROR = (":SYST:ERR?", '0,"No error"')
SETTINGS: list[tuple[str, str, object, str, str]] = [
    # property, header, value, as sent, as answered
    ("target_temperature_c", "SOUR:TEMP", 41.2345678, "41.2345678C", "4.12345678E+01"),
    ("lower_target_limit_c", "SOUR:TEMP:LIM:LOW", -10.0, "-10C", "-1.00000000E+01"),
    ("upper_target_limit_c", "SOUR:TEMP:LIM:HIGH", 60.0, "60C", "6.00000000E+01"),
    ("current_limit_a", "SOUR:CURR:LIM", 2.5, "2.5", "2.50000000E+00"),
    ("source_function", "SOUR:FUNC", "TEMP", "TEMP", "TEMP"),
    ("temperature_unit", "UNIT:TEMP", "C", "C", "C"),
    ("proportional_gain_a_per_k", "SOUR:TEMP:LCON:GAIN", 1.5, "1.5", "1.5"),
    ("integral_gain_a_per_k_s", "SOUR:TEMP:LCON:INT", 0.1, "0.1", "1.0E-01"),
    ("derivative_gain_a_s_per_k", "SOUR:TEMP:LCON:DER", 0.0, "0", "0"),
    ("oscillation_period_s", "SOUR:TEMP:LCON:PER", 12.0, "12", "1.2E+01"),
]
LIMITS = [
    ("target_temperature_c", [-55.1, 150.1]),
    ("lower_target_limit_c", [-55.1, 150.1]),
    ("upper_target_limit_c", [-55.1, 150.1]),
    ("current_limit_a", [-0.1, 15.1]),
    ("source_function", ["temp", "VOLT"]),
    ("temperature_unit", ["CEL"]),
    ("proportional_gain_a_per_k", [-0.1, 1001.0]),
    ("integral_gain_a_per_k_s", [-0.1, 1001.0]),
    ("derivative_gain_a_s_per_k", [-0.1, 1001.0]),
    ("oscillation_period_s", [-0.1, 1001.0]),
    ("output_enabled", ["on", 2]),
]
READINGS = [
    ("object_temperature_c", "MEAS:TEMP?", "2.50012345E+01", 25.0012345),
    ("output_current_a", "MEAS:CURR?", "-1.2E+00", -1.2),
    ("output_voltage_v", "MEAS:VOLT?", "3.4", 3.4),
    ("output_power_w", "MEAS:POW?", "+4.1E+00", 4.1),
    ("conditions", "STAT:MEAS:COND?", "512", Condition.TEMPERATURE_WINDOW),
    ("auto_tune_state", "SOUR:TEMP:ATUN:STAT?", "1,0,3", AutoTuneState.RUNNING),
    ("auto_tune_state", "SOUR:TEMP:ATUN:STAT?", "4,1,0", AutoTuneState.DONE),
    ("output_enabled", "OUTP?", "1", True),
    ("output_enabled", "OUTP?", "0", False),
]


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    assert ThorlabsTED4015(MagicMock(), name="oven").name == "oven"
    assert ThorlabsTED4015(MagicMock()).name == "Thorlabs TED4015"


def test_identity() -> None:
    with expected_protocol(ThorlabsTED4015, [("*IDN?", "THORLABS,TED4015,M00310001,1.4.0/2.0.3/1.6.0")]) as driver:
        identity = driver.read_identity()
    assert (identity.model, identity.serial, identity.firmware) == ("TED4015", "M00310001", "1.4.0/2.0.3/1.6.0")


@pytest.mark.parametrize(("name", "header", "value", "sent", "answered"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_a_setting_is_sent_checked_and_read(name: str, header: str, value: object, sent: str, answered: str) -> None:
    exchange = [(f"{header} {sent}", None), NO_ERROR, (f"{header}?", answered)]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        setattr(driver, name, value)
        read = getattr(driver, name)
        assert read == value and type(read) is type(value)


@pytest.mark.parametrize(("name", "values"), LIMITS, ids=[row[0] for row in LIMITS])
def test_what_is_out_of_range_is_never_sent(name: str, values: list[object]) -> None:
    with expected_protocol(ThorlabsTED4015, []) as driver:
        for value in values:
            with pytest.raises(ValueError):
                setattr(driver, name, value)


@pytest.mark.parametrize(("name", "query", "answered", "value"), READINGS)
def test_a_reading(name: str, query: str, answered: str, value: object) -> None:
    with expected_protocol(ThorlabsTED4015, [(query, answered)]) as driver:
        assert getattr(driver, name) == value


@pytest.mark.parametrize(
    ("name", "query", "answered"),
    [
        ("object_temperature_c", "MEAS:TEMP?", "9.91E+37"),
        ("object_temperature_c", "MEAS:TEMP?", "NAN"),
        ("object_temperature_c", "MEAS:TEMP?", "25 C"),
        ("conditions", "STAT:MEAS:COND?", "1.5"),
        ("auto_tune_state", "SOUR:TEMP:ATUN:STAT?", "7,0,0"),
        ("auto_tune_state", "SOUR:TEMP:ATUN:STAT?", ""),
        ("output_enabled", "OUTP?", "ON"),
    ],
)
def test_a_garbled_reply_never_becomes_a_value(name: str, query: str, answered: str) -> None:
    with expected_protocol(ThorlabsTED4015, [(query, answered)]) as driver, pytest.raises(BadReply, match="Thorlabs"):
        getattr(driver, name)


def test_initialise_asks_for_degrees_celsius_and_leaves_the_output() -> None:
    exchange = [("*CLS", None), ("UNIT:TEMP C", None), NO_ERROR, ("SOUR:FUNC?", "TEMP")]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        driver.initialise()


def test_a_controller_of_current_is_left_alone() -> None:
    exchange = [("*CLS", None), ("UNIT:TEMP C", None), NO_ERROR, ("SOUR:FUNC?", "CURR")]
    with (
        expected_protocol(ThorlabsTED4015, exchange) as driver,
        pytest.raises(InstrumentError, match="regulates a current"),
    ):
        driver.initialise()


def test_the_output_is_switched_and_looked_at() -> None:
    exchange = [
        ("OUTP ON", None),
        NO_ERROR,
        ("STAT:MEAS:COND?", "512"),
        ("OUTP?", "1"),
        ("OUTP OFF", None),
        NO_ERROR,
        ("OUTP?", "0"),
    ]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        driver.output_enabled = True
        driver.output_enabled = False


def test_an_output_that_stays_off_is_refused_with_the_reason() -> None:
    exchange = [("OUTP ON", None), NO_ERROR, ("STAT:MEAS:COND?", "5120")]
    with (
        expected_protocol(ThorlabsTED4015, exchange) as driver,
        pytest.raises(Refused, match=r"keeps its output off: .*sensor is open.*; .*element is not connected.*'5120'"),
    ):
        driver.output_enabled = True


def test_an_output_that_stays_off_without_a_reason_is_refused_too() -> None:
    exchange = [("OUTP ON", None), NO_ERROR, ("STAT:MEAS:COND?", "1"), ("OUTP?", "0")]
    with (
        expected_protocol(ThorlabsTED4015, exchange) as driver,
        pytest.raises(Refused, match="did not switch its output on after 'OUTP ON'"),
    ):
        driver.output_enabled = True


@pytest.mark.parametrize("bit", list(FAULTS))
def test_each_fault_is_named(bit: Condition) -> None:
    register = str(int(bit | Condition.KEYLOCK | Condition.COMPLIANCE_VOLTAGE))
    exchange = [("STAT:MEAS:COND?", register), ("OUTP?", "1"), ("STAT:MEAS:COND?", register)]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        with pytest.raises(Refused) as refusal:
            driver.check_protection()
        assert FAULTS[bit] in str(refusal.value) and register in str(refusal.value)
        assert not driver.is_regulating()


@pytest.mark.parametrize(("output", "register", "regulating"), [("1", "2561", True), ("0", None, False)])
def test_out_of_its_window_it_regulates_on(output: str, register: str | None, regulating: bool) -> None:
    exchange = [("OUTP?", output), *([("STAT:MEAS:COND?", register)] if register else [])]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        assert driver.is_regulating() == regulating


def test_auto_tuning_is_started_and_cancelled() -> None:
    exchange = [
        ("SOUR:TEMP:ATUN:INIT", None),
        NO_ERROR,
        ("SOUR:TEMP:ATUN:CANC", None),
        NO_ERROR,
        ("SOUR:TEMP:ATUN:INIT", None),
        (":SYST:ERR?", '-221,"Settings conflict"'),
        NO_ERROR,
    ]
    with expected_protocol(ThorlabsTED4015, exchange) as driver:
        driver.start_auto_tune()
        driver.cancel_auto_tune()
        with pytest.raises(Refused, match="-221 Settings conflict after 'SOUR:TEMP:ATUN:INIT'"):
            driver.start_auto_tune()


@given(st.integers(0, 65535))
def test_every_register_is_read(register: int) -> None:
    found = condition_bits(str(register))
    assert found == register
    assert {bit for bit in Condition if bit & found} == {bit for bit in Condition if bit.value & register}
