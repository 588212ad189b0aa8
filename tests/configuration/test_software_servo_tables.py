"""A loop closed by labctl itself in a station file: how it is read, and what it may not say."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.configuration.servos import (
    AnalogServo,
    FastInputMean,
    MonitorInput,
    OvenInput,
    PiezoOutput,
    PowerMeterInput,
    SlowOutput,
    SoftwareServo,
)
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, load_station
from labctl.errors import ConfigurationError

SERVO: dict[str, Any] = {
    "kind": "software",
    "input": {"kind": "monitor", "name": "lo1"},
    "output": {"kind": "slow_output", "instrument": "scan", "pin": "AOUT0", "offset": "0.9 V", "gain": 5.0},
    "rate": "50 Hz",
    "deadline": "60 ms",
    "slew": "2 V/s",
    "zeros": ["8 Hz", 10],
    "pole": "12 Hz",
}
FAST_INPUT = {"kind": "fast_input", "instrument": "spare", "input": 2, "range": "HV"}
POWER_METER = {"kind": "power_meter", "name": "probe", "volts_per_watt": 1e3}


@pytest.fixture
def larger(table: dict[str, Any]) -> dict[str, Any]:
    """The reference table with one homodyne loop closed by labctl, another board, and a power meter."""
    table["instruments"]["spare"] = {
        "driver": "redpitaya-125-14",
        "address": "TCPIP::10.0.0.9::5000::SOCKET",
        "model": "REDPITAYA",
    }
    table["instruments"]["meter"] = {
        "driver": "thorlabs-pm100",
        "address": "TCPIP::10.0.0.3::5025::SOCKET",
        "model": "PM100D",
    }
    table["power_meters"] = {
        "probe": {"instrument": "meter", "minimum_wavelength": "1500 nm", "maximum_wavelength": "1600 nm"}
    }
    table["loops"]["lo1"] |= {"servo": copy.deepcopy(SERVO), "unity_gain": "3 Hz"}
    return table


def servo_of(content: dict[str, Any]) -> AnalogServo | SoftwareServo:
    return StationFile.model_validate(content).loops["lo1"].servo


def set_key(content: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split("/")
    place: Any = content
    for part in path:
        place = place[part]
    place[last] = value


# ---- what is read ----------------------------------------------------------------------------------------------------


def test_a_servo_is_read_in_si_units(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    servo = load_station(write(larger)).loops["lo1"].servo
    assert isinstance(servo, SoftwareServo)
    assert servo.input == MonitorInput(kind="monitor", name="lo1")
    assert servo.output == SlowOutput(kind="slow_output", instrument="scan", pin="AOUT0", offset=0.9, gain=5.0)
    assert (servo.rate, servo.period_s, servo.deadline, servo.slew) == (50.0, 0.02, 0.06, 2.0)
    assert (servo.zeros, servo.pole) == ((8.0, 10.0), 12.0)


def test_what_is_not_said(larger: dict[str, Any]) -> None:
    larger["loops"]["lo1"]["servo"] = {key: SERVO[key] for key in ("kind", "input", "output", "rate")}
    servo = servo_of(larger)
    assert isinstance(servo, SoftwareServo)
    assert (servo.deadline, servo.slew, servo.zeros, servo.pole) == (None, None, (), None)
    assert servo.slew_v_per_s(50.0, 15.0) == pytest.approx(50.0 / 15.0)  # as fast as the piezo may


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (FAST_INPUT, FastInputMean),
        (POWER_METER, PowerMeterInput),
        ({"kind": "oven", "volts_per_kelvin": -20}, OvenInput),
    ],
)
def test_every_reader_can_be_an_input(larger: dict[str, Any], source: dict[str, Any], kind: type) -> None:
    larger["loops"]["lo1"]["servo"] |= {"input": source, "output": {"kind": "piezo"}}
    servo = servo_of(larger)
    assert isinstance(servo, SoftwareServo)
    assert isinstance(servo.input, kind)
    assert isinstance(servo.output, PiezoOutput)


def test_a_servo_of_a_mainframe_needs_no_kind(table: dict[str, Any]) -> None:
    servo = servo_of(table)
    table["loops"]["lo1"]["servo"]["kind"] = "analog"
    assert servo == servo_of(table)
    assert isinstance(servo, AnalogServo)


def test_a_file_that_extends_another_may_close_a_loop_itself(config: Path, write: Callable[..., Path]) -> None:
    """And it takes over nothing of the servo that the other file names."""
    loop = (config / "table.toml").read_text(encoding="utf-8")
    example = "\n".join(re.findall(r"^# ?((?:\[loops\.lo4|[a-z_]+ = ).*)$", loop, re.MULTILINE))
    assert example.count("[loops.lo4") == 2
    path = write(f'extends = "{config / "simulated.toml"}"\n{example}')
    assert check_file(path) == []
    station = load_station(path)
    assert isinstance(station.loops["lo4"].servo, SoftwareServo)
    assert isinstance(station.loops["lo3"].servo, AnalogServo)


def test_it_is_the_same_after_a_round_trip(larger: dict[str, Any]) -> None:
    station = StationFile.model_validate(larger)
    assert StationFile.model_validate(station.model_dump(mode="json", exclude_unset=True)) == station


# ---- what may not be said --------------------------------------------------------------------------------------------

Case = tuple[dict[str, Any], str, str, str]

ONE_FAULT: list[Case] = [
    # single keys
    ({"rate": "50 V"}, "rate", "is a voltage, not a frequency", "above 0 Hz"),
    ({"rate": 0}, "rate", "0 is too low", "above 0 Hz"),
    ({"kind": "digital"}, "kind", '"digital" is not known here', '"analog" or "software"'),
    (
        {"input/kind": "adc"},
        "input.kind",
        '"adc" is not known here',
        '"monitor", "fast_input", "power_meter" or "oven"',
    ),
    ({"output/kind": "dac"}, "output.kind", '"dac" is not known here', '"slow_output" or "piezo"'),
    ({"output/pin": "AOUT4"}, "output.pin", '"AOUT4" is not one of the choices', '"AOUT0", "AOUT1"'),
    ({"output/gain": 0}, "output.gain", "0 would divide by zero", "other than 0"),
    ({"output/gian": 5}, "output.gian", '(did you mean "gain"?)', "the keys kind, instrument, pin, offset, gain"),
    ({"zeros": ["8 Hz", "9 Hz", "10 Hz"]}, "zeros", "too many entries", "at most 2 frequencies"),
    ({"zeros": "8 Hz"}, "zeros", '"8 Hz" cannot stand here', "at most 2 frequencies"),
    ({"deadline": "0 s"}, "deadline", "is too low", "a duration above 0 s"),
    # channels
    ({"input/name": "lo9"}, "input.name", 'nothing in [monitors] is called "lo9"', "one of lo1, lo2"),
    ({"input": POWER_METER | {"name": "prob"}}, "input.name", 'did you mean "probe"', "one of probe"),
    ({"output/instrument": "scna"}, "output.instrument", 'did you mean "scan"', "one of"),
    (
        {"output/instrument": "analyzer"},
        "output.instrument",
        "which is no slow output",
        "redpitaya-4-input or redpitaya-125-14",
    ),
    ({"input": FAST_INPUT | {"instrument": "oven"}}, "input.instrument", "which is no digitizer", "redpitaya"),
    ({"input": FAST_INPUT | {"input": 3}}, "input.input", "there is no fast input 3 of spare", "from 1 to 2"),
    (
        {"input": FAST_INPUT | {"instrument": "digitizer", "input": 4}},
        "input.instrument",
        "digitizer records for [digitizer], and its inputs share one acquisition",
        "a board of its own",
    ),
    ({"input": FAST_INPUT | {"instrument": "scan"}}, "input.instrument", "scan records for [scan]", "or a monitor"),
    # numbers that do not fit together
    ({"output/gain": 4.9}, "output.gain", "gives -4.41 V to 4.41 V", "reach from -4.5 V to 4.5 V"),
    ({"output/offset": "1 V"}, "output.gain", "gives -5 V to 4 V", "reach from -4.5 V to 4.5 V"),
    ({"rate": "2 kHz", "zeros": [], "pole": 100}, "rate", "is faster than a wire answers", "up to 1000 Hz"),
    ({"deadline": "20 ms"}, "deadline", "0.02 s is not longer than the 0.02 s", "above 0.02 s"),
    ({"zeros": ["5 Hz"]}, "zeros.1", "a corner at 5 Hz does not fit", "from 6 Hz to 12.5 Hz"),
    ({"pole": "13 Hz"}, "pole", "a corner at 13 Hz does not fit", "from 6 Hz to 12.5 Hz"),
    ({"zeros": ["6 Hz", "6 Hz"], "pole": "12.5 Hz"}, "zeros", "leave an open-loop gain of 1 ", "leave 0.5 at most"),
    ({"slew": "4 V/s"}, "slew", "moves the piezo by 60 V/s", "up to 3.33333 V/s (piezo_limits)"),
]


@pytest.mark.parametrize("case", ONE_FAULT, ids=lambda case: f"{case[1]}: {case[2][:20]}")
def test_a_fault_is_one_line(larger: dict[str, Any], write: Callable[..., Path], case: Case) -> None:
    changes, key, problem, allowed = case
    for changed, value in changes.items():
        set_key(larger["loops"]["lo1"]["servo"], changed, copy.deepcopy(value))
    (fault,) = [fault for fault in check_file(write(larger)) if fault.key == f"loops.lo1.servo.{key}"]
    assert problem in fault.problem
    assert allowed in fault.allowed


def test_a_unity_gain_that_the_rate_does_not_carry(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    larger["loops"]["lo1"] |= {"unity_gain": "5 Hz"}
    larger["loops"]["lo1"]["servo"] |= {"zeros": [], "pole": None}
    del larger["loops"]["lo1"]["servo"]["pole"]
    (fault,) = check_file(write(larger))
    assert fault.key == "loops.lo1.unity_gain"
    assert "5 Hz is too fast for a servo of 50 steps a second" in fault.problem
    assert "up to 4.16667 Hz" in fault.allowed


def test_two_zeros_need_a_pole(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    del larger["loops"]["lo1"]["servo"]["pole"]
    (fault,) = check_file(write(larger))
    assert (fault.key, fault.problem) == ("loops.lo1.servo.pole", "is missing, and two zeros alone differentiate")


def test_an_output_drives_one_loop(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    larger["loops"]["lo2"] |= {
        "servo": copy.deepcopy(SERVO),
        "unity_gain": "3 Hz",
    }  # the same monitor may be read twice
    (fault,) = check_file(write(larger))
    assert fault.key == "loops.lo2.servo.output.pin"
    assert "slow output AOUT0 of scan is used by loops.lo1.servo.output.pin already" in fault.problem


def test_a_temperature_needs_an_oven_and_a_power_meter_its_light(
    larger: dict[str, Any], write: Callable[..., Path]
) -> None:
    larger["loops"]["lo1"]["servo"]["input"] = {"kind": "oven", "volts_per_kelvin": 1}
    del larger["oven"]
    (fault,) = check_file(write(larger))
    assert (fault.key, fault.problem) == ("loops.lo1.servo.input.kind", "there is no oven")
    larger["loops"]["lo1"]["servo"]["input"] = POWER_METER
    del larger["light"]
    (fault,) = check_file(write(larger))
    assert fault.problem == "a power meter has to know its light"


def test_a_servo_without_its_kind_is_asked_for_it(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    del larger["loops"]["lo1"]["servo"]["kind"]
    (fault,) = check_file(write(larger))
    assert (fault.key, fault.problem) == ("loops.lo1.servo.kind", "is missing")
    assert fault.allowed == '"analog" or "software"'


def test_a_reader_that_is_wrong_itself_is_no_unknown_name(larger: dict[str, Any], write: Callable[..., Path]) -> None:
    larger["monitors"]["lo1"]["gain"] = 0
    assert [fault.key for fault in check_file(write(larger))] == ["monitors.lo1.gain"]


def test_the_limit_of_the_other_kind_of_servo_is_not_asked_of_this_one(larger: dict[str, Any]) -> None:
    """A mainframe's output ends at 10 V; an amplifier behind a DAC where its gain says."""
    larger["piezo_limits"]["servo_gain"] = 1.0
    larger["loops"]["lo1"]["output_limit"] = 40
    larger["loops"]["lo1"]["servo"]["output"]["gain"] = 50.0
    assert servo_of(larger)
    larger["loops"]["lo2"]["output_limit"] = 40
    with pytest.raises((ConfigurationError, ValueError), match="40 V is more than the servo has"):
        servo_of(larger)
