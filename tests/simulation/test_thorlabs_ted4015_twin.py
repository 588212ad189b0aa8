"""The simulated TED4015: raw bytes, what it does by itself, and the real driver on top of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from drivers.errors import BadReply, NoReply, Refused
from drivers.thorlabs.ted4015 import AutoTuneState, Condition, ThorlabsTED4015
from labctl.simulation.instruments.thorlabs_ted4015 import (
    AUTO_TUNE_PERIODS,
    TUNED,
    SimulatedTED4015,
    from_celsius,
    to_celsius,
)
from labctl.simulation.visa_library import simulated_library

ADDRESS = "TCPIP::127.0.0.1::5026::SOCKET"
NO_ERROR = '0,"No error"'
STEP_S = 0.1


class Oven:
    """A crystal that is where it is put, and remembers what it is told to follow."""

    def __init__(self) -> None:
        self.temperature_c = 25.0
        self.current_a = 0.5
        self.nominal_c: float | None = None

    def regulate(self, nominal_c: float | None) -> None:
        self.nominal_c = nominal_c

    def object_temperature_c(self) -> float:
        return self.temperature_c

    def sink_temperature_c(self) -> float:
        return 22.5

    def output_current_a(self) -> float:
        return self.current_a


class SlowOven(Oven):
    """A crystal that follows with a lag, and stays where it is without regulation."""

    LAG_S = 5.0

    def step(self, seconds: float) -> None:
        if self.nominal_c is not None:
            self.temperature_c += (self.nominal_c - self.temperature_c) * -math.expm1(-seconds / self.LAG_S)


class Bench:
    """A controller with its oven; `ask` sends one message and waits for the reply."""

    def __init__(self, oven: Oven | None = None) -> None:
        self.time = SteppedTime()
        self.oven = oven or Oven()
        self.twin = SimulatedTED4015(self.time, self.oven, np.random.default_rng(1))

    def tell(self, *messages: str) -> None:
        for message in messages:
            self.twin.on_bytes(message.encode() + b"\n")

    def ask(self, message: str) -> str:
        self.tell(message)
        self.time.elapse(0.01)
        return self.twin.take().decode().removesuffix("\n")

    def number(self, message: str) -> float:
        return float(self.ask(message))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.time.elapse(STEP_S)
            self.twin.advance(self.time.now())

    def nominal_c(self) -> float | None:
        """Return what the oven is told to follow, None without regulation."""
        return self.oven.nominal_c

    def driver(self) -> ThorlabsTED4015:
        library = simulated_library(self.time, {ADDRESS: self.twin})
        return ThorlabsTED4015(ADDRESS, visa_library=library, timeout=1000)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- the wire -------------------------------------------------------------------------------------------------------


def test_identity(bench: Bench) -> None:
    assert bench.ask("*IDN?") == "THORLABS,TED4015,M00310001,1.4.0/2.0.3/1.6.0"


def test_power_up(bench: Bench) -> None:
    assert bench.ask("OUTP?;:SOUR:FUNC?;:UNIT:TEMP?;:SOUR:TEMP:ATUN:STAT?") == "0;TEMP;C;0,0,0"
    assert bench.number("SOUR:TEMP?") == 25.0
    constants = [bench.number(f"SOUR:TEMP:LCON:{node}?") for node in ("GAIN", "INT", "DER", "PER")]
    assert constants == [1.0, 0.1, 0.0, 1.0]
    assert bench.nominal_c() is None


@pytest.mark.parametrize(
    ("sent", "target_c"),
    [
        ("SOUR:TEMP 41.5C", 41.5),
        ("SOUR:TEMP 41.5", 41.5),
        ("source1:temperature:spoint 41.5 C", 41.5),
        ("SOUR:TEMP41.5", 41.5),
        ("SOUR:TEMP 310.15K", 37.0),
        ("SOUR:TEMP 104F", 40.0),
        ("SOUR:TEMP 2.5E1", 25.0),
        ("SOUR:TEMP MAX", 150.0),
        ("SOUR:TEMP MIN", -55.0),
        ("SOUR:TEMP 40;:SOUR:TEMP DEF", 25.0),
        ("UNIT:TEMP K;:SOUR:TEMP 300.15;:UNIT:TEMP C", 27.0),
    ],
)
def test_a_target_in_every_spelling(bench: Bench, sent: str, target_c: float) -> None:
    bench.tell(sent)
    assert bench.ask("SYST:ERR?") == NO_ERROR
    assert bench.number("SOUR:TEMP?") == pytest.approx(target_c)


def test_readings_follow_the_unit(bench: Bench) -> None:
    bench.oven.temperature_c = 40.0
    bench.run(0.2)
    for unit, shown in (("C", 40.0), ("F", 104.0), ("K", 313.15)):
        bench.tell(f"UNIT:TEMP {unit}")
        assert bench.number("MEAS:TEMP?") == bench.number("FETC:TEMP?") == pytest.approx(shown)
    assert bench.number("SOUR:TEMP? MAX") == pytest.approx(423.15)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("SOUR:TEMP 151", -222),
        ("SOUR:TEMP -56C", -222),
        ("SOUR:TEMP 10K", -222),
        ("SOUR:TEMP warm", -104),
        ("SOUR:TEMP 1e400", -222),
        ("SOUR:TEMP 1.2.3", -121),
        ("SOUR:TEMP", -109),
        ("SOUR:TEMP:LIM:LOW 40;HIGH 30", -221),
        ("SOUR:TEMP:LIM:HIGH 30;:SOUR:TEMP 31", -222),
        ("SOUR:CURR:LIM 16", -222),
        ("SOUR:TEMP:LCON:GAIN 101", -222),
        ("SOUR:TEMP:LCON:PER 0", -222),
        ("SOUR:TEMP:RAMP 0.1", -113),
        ("SOUR:TEMP:ATUN:INIT", -221),
        ("SOUR:FUNC CURR;:OUTP ON", -221),
        ("OUTP ON;:SOUR:FUNC CURR", -221),
    ],
)
def test_refusals(bench: Bench, message: str, error: int) -> None:
    bench.tell(message)
    assert bench.twin.take() == b""
    assert bench.ask("SYST:ERR?").startswith(f"{error},")


def test_several_constants_in_one_message(bench: Bench) -> None:
    bench.tell("SOUR:TEMP:LCON:GAIN 2; INT 0.3; DER 0.4; PER 5")
    assert bench.ask("SYST:ERR?") == NO_ERROR
    assert [bench.number(f"SOUR:TEMP:LCON:{node}?") for node in ("GAIN", "INT", "DER", "PER")] == [2, 0.3, 0.4, 5]


@given(st.floats(-55, 150), st.sampled_from("CFK"))
def test_units_turn_back(value: float, unit: str) -> None:
    assert to_celsius(from_celsius(value, unit), unit) == pytest.approx(value, abs=1e-9)


# ---- by itself ------------------------------------------------------------------------------------------------------


def test_a_target_is_followed_at_once(bench: Bench) -> None:
    bench.tell("SOUR:TEMP 40C")
    assert bench.nominal_c() is None
    bench.tell("OUTP ON")
    assert bench.nominal_c() == 40.0
    bench.tell("SOUR:TEMP 35C")
    assert bench.nominal_c() == 35.0
    bench.tell("OUTP OFF")
    assert bench.nominal_c() is None


def test_limits_keep_the_target_inside(bench: Bench) -> None:
    bench.tell("SOUR:TEMP 40;:OUTP ON", "SOUR:TEMP:LIM:LOW 20;HIGH 38")
    assert bench.nominal_c() == 38.0
    assert (bench.number("SOUR:TEMP:LIM:LOW?"), bench.number("SOUR:TEMP:LIM:HIGH?")) == (20.0, 38.0)


def test_a_reset_switches_the_output_off(bench: Bench) -> None:
    bench.tell("OUTP ON", "*RST")
    assert bench.ask("OUTP?") == "0"
    assert bench.nominal_c() is None


def test_current_voltage_and_power_belong_together(bench: Bench) -> None:
    assert abs(bench.number("MEAS:CURR?")) < 0.01
    bench.tell("OUTP ON")
    assert bench.number("MEAS:CURR?") == pytest.approx(0.5, abs=0.01)
    assert bench.number("MEAS:VOLT?") == pytest.approx(1.0, abs=0.02)
    assert bench.number("MEAS:POW?") == pytest.approx(0.5, abs=0.02)


def test_the_sensor_is_read_ten_times_a_second(bench: Bench) -> None:
    bench.run(0.1)
    bench.oven.temperature_c = 30.0
    assert bench.number("MEAS:TEMP?") == 25.0
    bench.run(0.1)
    assert bench.number("MEAS:TEMP?") == 30.0


def test_a_missing_sensor_keeps_the_output_off(bench: Bench) -> None:
    bench.tell("OUTP ON")
    bench.twin.sensor_connected = False
    bench.run(0.1)
    assert bench.ask("OUTP?;:STAT:MEAS:COND?") == "0;1024"
    assert bench.number("MEAS:TEMP?") == 9.91e37
    bench.tell("OUTP ON")
    assert bench.ask("OUTP?;:SYST:ERR?") == f"0;{NO_ERROR}"
    bench.twin.sensor_connected = True
    bench.tell("OUTP ON")
    assert bench.ask("OUTP?;:STAT:MEAS:COND?;:STAT:MEAS?") == "1;0;1024"
    assert bench.ask("STAT:MEAS?") == "0"


def test_a_missing_element_is_noticed_while_driven_and_remembered(bench: Bench) -> None:
    bench.twin.element_connected = False
    bench.run(0.1)
    assert bench.ask("STAT:MEAS:COND?") == "0"
    bench.tell("OUTP ON")
    assert bench.ask("OUTP?;:STAT:MEAS:COND?") == "0;4096"
    bench.twin.element_connected = True
    bench.tell("OUTP ON")
    assert bench.ask("OUTP?;:STAT:MEAS:COND?") == "1;0"


def test_window_and_compliance_are_told_while_it_regulates_on(bench: Bench) -> None:
    bench.tell("SOUR:TEMP 30C;:OUTP ON")
    assert bench.ask("OUTP?;:STAT:MEAS:COND?") == "1;512"
    bench.oven.temperature_c, bench.oven.current_a = 29.5, -8.0
    bench.run(0.2)
    assert bench.ask("OUTP?;:STAT:MEAS:COND?") == "1;2048"


def test_auto_tuning_takes_periods_and_changes_the_constants(bench: Bench) -> None:
    bench.tell("OUTP ON", "SOUR:TEMP:LCON:PER 3", "SOUR:TEMP:ATUN:INIT")
    bench.run(7.0)
    assert bench.ask("SOUR:TEMP:ATUN:STAT?") == "1,0,2"
    bench.run(3.0 * AUTO_TUNE_PERIODS - 7.0)
    assert bench.ask("SOUR:TEMP:ATUN:STAT?") == "4,0,0"
    constants = [bench.number(f"SOUR:TEMP:LCON:{node}?") for node in ("GAIN", "INT", "DER", "PER")]
    assert constants == [TUNED.gain, TUNED.integral, TUNED.derivative, 3.0]


@pytest.mark.parametrize(
    ("message", "cable", "state"),
    [("SOUR:TEMP:ATUN:CANC", True, "2"), ("OUTP OFF", True, "2"), ("*CLS", False, "3")],
)
def test_auto_tuning_ends_early(bench: Bench, message: str, cable: bool, state: str) -> None:
    bench.tell("OUTP ON", "SOUR:TEMP:ATUN:INIT", message)
    bench.twin.sensor_connected = cable
    bench.run(20.0)
    assert bench.ask("SOUR:TEMP:ATUN:STAT?") == f"{state},0,0"
    assert bench.number("SOUR:TEMP:LCON:GAIN?") == 1.0


# ---- anything on the wire -------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    bench = Bench()
    for piece in pieces:
        bench.twin.on_bytes(piece)
        bench.run(0.2)
    bench.tell("", "*CLS")
    bench.run(0.2)
    bench.twin.take()
    assert ",TED4015," in bench.ask("*IDN?")


_COMMANDS = """
SOUR:TEMP SOUR:TEMP? SOUR:TEMP:LIM:LOW SOUR:TEMP:LIM:HIGH SOUR:TEMP:LCON:GAIN SOUR:TEMP:LCON:PER SOUR:CURR:LIM SOUR:FUNC
SOUR:TEMP:ATUN:INIT SOUR:TEMP:ATUN:CANC SOUR:TEMP:ATUN:STAT? UNIT:TEMP OUTP MEAS:TEMP? MEAS:POW? STAT:MEAS? *RST
"""
_VALUES = """
0 1 25C 300K 77F 1E30 -60 MAX MIN DEF TEMP CURR C F K ON OFF . E -
"""


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_COMMANDS.split()), st.sampled_from(_VALUES.split()), st.booleans(), st.booleans()),
        max_size=12,
    )
)
def test_any_order_of_settings_is_survived(commands: list[tuple[str, str, bool, bool]]) -> None:
    bench = Bench()
    for header, value, sensor, element in commands:
        bench.twin.sensor_connected, bench.twin.element_connected = sensor, element
        bench.tell(f"{header} {value}", header)
        bench.run(0.3)
        bench.twin.take()
        low, high = (bench.number(f"UNIT:TEMP C;:SOUR:TEMP:LIM:{end}?") for end in ("LOW", "HIGH"))
        nominal = bench.nominal_c()
        assert nominal is None or low <= nominal <= high
        assert nominal is None or (sensor and element)


# ---- the real driver ------------------------------------------------------------------------------------------------


def test_the_driver_regulates_an_oven_that_is_ramped_from_above() -> None:
    bench = Bench(SlowOven())
    oven = bench.oven
    assert isinstance(oven, SlowOven)

    def run(steps: int) -> None:
        for _ in range(steps):
            oven.step(STEP_S)
            bench.run(STEP_S)

    driver = bench.driver()
    driver.initialise()
    driver.lower_target_limit_c, driver.upper_target_limit_c = 20.0, 60.0
    driver.target_temperature_c = 25.0
    assert not driver.is_regulating()
    driver.output_enabled = True
    for target in np.linspace(25.0, 40.0, 76):  # 0.2 K every 2 s
        driver.target_temperature_c = float(target)
        run(20)
        assert driver.is_regulating()
        assert 0.0 <= target - driver.object_temperature_c < 0.1 * SlowOven.LAG_S + 0.2
    run(600)
    assert driver.object_temperature_c == pytest.approx(40.0, abs=0.001)
    assert driver.output_current_a == pytest.approx(0.5, abs=0.01)
    assert driver.conditions == Condition(0)
    driver.output_enabled = False
    assert not driver.is_regulating()


def test_the_driver_says_why_the_output_stays_off(bench: Bench) -> None:
    driver = bench.driver()
    driver.initialise()
    bench.twin.element_connected = False
    with pytest.raises(Refused, match="the thermoelectric element is not connected"):
        driver.output_enabled = True
    bench.twin.element_connected = True
    driver.output_enabled = True
    bench.twin.sensor_connected = False
    bench.run(0.2)
    assert not driver.is_regulating()
    with pytest.raises(Refused, match="sensor is open"):
        driver.check_protection()
    with pytest.raises(BadReply, match=r"gives no temperature: its sensor is open.* after 'MEAS:TEMP\?'"):
        _ = driver.object_temperature_c


def test_the_driver_is_refused_a_target_beyond_the_limits(bench: Bench) -> None:
    driver = bench.driver()
    driver.upper_target_limit_c = 45.0
    driver.target_temperature_c = 40.0
    with pytest.raises(Refused, match=r"-222 Data out of range after 'SOUR:TEMP 50C'"):
        driver.target_temperature_c = 50.0
    assert driver.target_temperature_c == 40.0


def test_the_driver_reads_degrees_celsius_whatever_the_panel_showed(bench: Bench) -> None:
    bench.tell("UNIT:TEMP F;:SOUR:TEMP 104", "OUTP ON")
    driver = bench.driver()
    driver.initialise()
    assert driver.target_temperature_c == pytest.approx(40.0)
    assert driver.object_temperature_c == pytest.approx(25.0)
    assert driver.output_enabled  # opening changes no output


def test_the_driver_tunes(bench: Bench) -> None:
    driver = bench.driver()
    with pytest.raises(Refused, match="-221"):
        driver.start_auto_tune()
    driver.output_enabled = True
    driver.oscillation_period_s = 2.0
    driver.start_auto_tune()
    assert driver.auto_tune_state is AutoTuneState.RUNNING
    driver.cancel_auto_tune()
    assert driver.auto_tune_state is AutoTuneState.CANCELLED
    driver.start_auto_tune()
    bench.run(2.0 * AUTO_TUNE_PERIODS + 0.1)
    assert driver.auto_tune_state is AutoTuneState.DONE
    assert driver.proportional_gain_a_per_k == TUNED.gain


def test_every_property_reads_back_what_was_set(bench: Bench) -> None:
    driver = bench.driver()
    values = {
        "lower_target_limit_c": 15.0,
        "upper_target_limit_c": 60.0,
        "target_temperature_c": 41.25,
        "current_limit_a": 2.5,
        "source_function": "TEMP",
        "temperature_unit": "C",
        "proportional_gain_a_per_k": 1.5,
        "integral_gain_a_per_k_s": 0.25,
        "derivative_gain_a_s_per_k": 0.125,
        "oscillation_period_s": 12.0,
        "output_enabled": True,
    }
    for name, value in values.items():
        setattr(driver, name, value)
        assert getattr(driver, name) == value, name
    assert driver.read_identity().model == "TED4015"


def test_silence_is_noticed_and_the_driver_never_resets(bench: Bench) -> None:
    heard = bytearray()
    listen = bench.twin.on_bytes

    def overhear(data: bytes) -> None:
        heard.extend(data)
        listen(data)

    bench.twin.on_bytes = overhear  # type: ignore[method-assign]
    driver = bench.driver()
    driver.initialise()
    driver.target_temperature_c = 30.0
    driver.output_enabled = True
    bench.twin.on_bytes = heard.extend  # type: ignore[method-assign, assignment]
    with pytest.raises(NoReply):
        _ = driver.object_temperature_c
    bench.twin.on_bytes = overhear  # type: ignore[method-assign]
    assert math.isclose(driver.object_temperature_c, 25.0)
    driver.close()
    assert b"OUTP ON\n" in heard and b"*IDN?" in heard
    assert b"*RST" not in heard
