"""What a station file may not say: each fault with its exact key, what is wrong, and what is allowed."""

from __future__ import annotations

import copy
import datetime
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, load_station
from labctl.errors import ConfigurationError

GONE = object()
JARGON = re.compile(
    r"Input should|Field required|type=|https?://|pydantic|validation error|Extra inputs|NoneType|\[key\]"
)

Changes = dict[str, Any]
Case = tuple[Changes, str, str, str]


def _change(content: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Set keys to values; items of lists count from 0; GONE removes a key."""
    for key, value in changes.items():
        *path, last = key.split("/")
        place: Any = content
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        here: Any = int(last) if isinstance(place, list) else last
        if value is GONE:
            del place[here]
        else:
            place[here] = copy.deepcopy(value)
    return content


# (changes to the reference table, the key at fault, words of the problem, words of what is allowed)
ONE_FAULT: list[Case] = [
    # values of single keys
    ({"loops/lo1/unity_gain": "10 V"}, "loops.lo1.unity_gain", "is a voltage, not a frequency", '"10 Hz"'),
    ({"loops/lo1/unity_gain": -1}, "loops.lo1.unity_gain", "-1 is too low", "above 0 Hz"),
    ({"sensors/1/search_span": 0}, "sensors.2.search_span", "0 is too low", "above 0 Hz"),
    ({"station/sensors": "4"}, "station.sensors", '"4" cannot stand here', "from 1 to 64"),
    ({"station/sensors": 0, "loops": {}}, "station.sensors", "0 is too low", "from 1 to 64"),
    ({"station/sensors": 65}, "station.sensors", "65 is too high", "from 1 to 64"),
    ({"oven/channel": True}, "oven.channel", "true cannot stand here", "1 or 2"),
    ({"shutters/pump/open_level": True}, "shutters.pump.open_level", "true cannot stand", "0 or 1"),
    ({"oven/channel": 1.0}, "oven.channel", "1.0 cannot stand here", "1 or 2"),
    ({"monitors/lo1/gain": math.inf}, "monitors.lo1.gain", "inf is not a finite number", "other than 0"),
    ({"monitors/lo1/gain": 0}, "monitors.lo1.gain", "0 would divide by zero", "a number other than 0"),
    ({"station/name": datetime.date(2026, 1, 2)}, "station.name", "2026-01-02 cannot stand", "text of one line"),
    ({"station/name": ["a"]}, "station.name", "a list cannot stand here", "text of one line"),
    ({"station/name": {}}, "station.name", "a table cannot stand here", "text of one line"),
    ({"station/name": "a\nb"}, "station.name", r'"a\nb" does not fit', "text of one line"),
    ({"station/runs": ""}, "station.runs", '"" is not a folder', "the path of a folder"),
    ({"light": "on"}, "light", '"on" cannot stand here', "a table with the keys wavelength, probe_power"),
    ({"shutters": "open"}, "shutters", '"open" cannot stand here', "a table"),
    ({"sensors": "four"}, "sensors", '"four" cannot stand here', "a list of [[sensors]] tables"),
    ({"loops/lo1/quadrature": "pi"}, "loops.lo1.quadrature", '"pi" is not one', '"+pi/2" or "-pi/2"'),
    ({"digitizer/gain": "MV"}, "digitizer.gain", '"MV" is not one of the choices', '"LV" or "HV"'),
    ({"oven/at_shutdown": "on"}, "oven.at_shutdown", '"on" is not one', '"hold" or "off"'),
    ({"digitizer/decimation": 0}, "digitizer.decimation", "one sample of 0", "1, 2, 4, 8 or a whole"),
    ({"digitizer/decimation": 12}, "digitizer.decimation", "one sample of 12", "from 16 to 65536"),
    ({"digitizer/decimation": 65537}, "digitizer.decimation", "of 65537", "from 16 to 65536"),
    ({"piezos/cavity4/channel": "w"}, "piezos.cavity4.channel", '"w" is not one', '"x", "y" or "z"'),
    ({"loops/lo1/servo/slot": 9}, "loops.lo1.servo.slot", "9 is too high", "a slot from 1 to 8"),
    ({"instruments/servos/slots/9": "SIM960"}, "instruments.servos.slots.9", '"9" cannot', "a slot from 1 to 8"),
    ({"instruments/servos/slots/01": "SIM960"}, "instruments.servos.slots.01", '"01" cannot', "from 1 to 8"),
    ({"mirrors/sensor1/yaw": 5}, "mirrors.sensor1.yaw", "5 is too high", "an axis from 1 to 4"),
    ({"mirrors/sensor1/controller": 0}, "mirrors.sensor1.controller", "0 is too low", "from 1 to 31"),
    ({"shutters/pump/pin": "DIO8_P"}, "shutters.pump.pin", '"DIO8_P" does not fit', '"DIO0_P" to "DIO7_P"'),
    ({"rf_switch/pins/2": "DO5"}, "rf_switch.pins.3", '"DO5" does not fit', '"DIO0_P" to "DIO7_P"'),
    ({"rf_switch/pins": []}, "rf_switch.pins", "too few entries", "1 to 16 pins"),
    ({"monitors/lo1/input": "AIN4"}, "monitors.lo1.input", '"AIN4" is not one', '"AIN0", "AIN1"'),
    ({"instruments/picomotors/chain": []}, "instruments.picomotors.chain", "too few", "1 to 31 addresses"),
    ({"instruments/oven/address": "COM3"}, "instruments.oven.address", '"COM3" does not fit', "::SOCKET"),
    ({"instruments/oven/timeout": "0 s"}, "instruments.oven.timeout", "is too low", "a duration above 0 s"),
    ({"instruments/oven/driver": "tec"}, "instruments.oven.driver", '"tec" is not one', '"meerstetter-tec"'),
    (
        {"detectors/quantum_efficiency/value": 1.2},
        "detectors.quantum_efficiency",
        "the value 1.2 is not an efficiency",
        "above 0 and up to 1",
    ),
    (
        {"sensors/3/propagation_efficiency/sigma": -0.1},
        "sensors.4.propagation_efficiency.sigma",
        "-0.1 is too low",
        "a number of 0 or more",
    ),
    # names of keys and tables
    ({"oven/target": GONE}, "oven.target", "is missing", 'such as "35 degC"'),
    ({"station": GONE}, "station", "is missing", "a table with the keys name, sensors, runs"),
    ({"backend": GONE}, "backend", "is missing", "a table with the key kind"),
    ({"oven/colour": 1}, "oven.colour", "is not a known key", "the keys instrument, channel, target"),
    ({"station/nmae": "x"}, "station.nmae", '(did you mean "name"?)', "the keys name, sensors, runs"),
    ({"lasers": {}}, "lasers", "is not a known key", "station, backend, instruments"),
    ({"mirror_limit": {}}, "mirror_limit", '(did you mean "mirror_limits"?)', "station, backend"),
    ({"station/a.b": 1}, 'station."a.b"', "is not a known key", "the keys name"),
    (
        {"piezos/2nd": {"instrument": "piezo_d", "channel": "y", "bias": 9}},
        "piezos.2nd",
        '"2nd" does not fit here',
        "a name of at most 32",
    ),
    ({"backend/kind": "real"}, "backend.kind", '"real" is not known here', '"visa" or "simulated"'),
    ({"backend/kind": ["visa"]}, "backend.kind", "a list is not known here", '"visa" or "simulated"'),
    ({"backend": {}}, "backend.kind", "is missing", '"visa" or "simulated"'),
    ({"backend/seed": 1}, "backend.seed", "is not a known key", "the keys kind, library"),
    ({"backend": {"kind": "simulated", "seed": -1}}, "backend.seed", "-1 is too low", "0 or more"),
    (
        {"backend": {"kind": "simulated", "scenario": "chaos"}},
        "backend.scenario",
        '"chaos" is not one of the choices',
        '"ideal", "delays", "jitter" or "loss"',
    ),
    ({"loops/lo1/kind": "lo"}, "loops.lo1.kind", '"lo" is not known here', '"homodyne" or "cavity"'),
    ({"loops/lo1/sensor": GONE}, "loops.lo1.sensor", "is missing", "from 1 to 64"),
    # wiring
    (
        {"analyzer/instrument": "analyser"},
        "analyzer.instrument",
        'no instrument is called "analyser" (did you mean "analyzer"?)',
        "one of analyzer, picomotors, servos",
    ),
    (
        {"loops/lo1/servo/instrument": "piezo_d"},
        "loops.lo1.servo.instrument",
        '"piezo_d" has the driver thorlabs-mdt693b, which is no servo',
        "an instrument with the driver srs-sim900",
    ),
    (
        {"instruments/scan/driver": "redpitaya-4-input"},
        "scan.instrument",
        "which is no scan generator",
        "redpitaya-125-14",
    ),
    ({"monitors/lo1/instrument": "oven"}, "monitors.lo1.instrument", "no slow monitor", "redpitaya"),
    ({"loops/lo1/servo/slot": 8}, "loops.lo1.servo.slot", "slot 8 of servos is not fitted", "1, 2, 3"),
    (
        {"instruments/servos/slots/3": "SIM928"},
        "loops.lo1.servo.slot",
        "slot 3 of servos holds a SIM928",
        "a slot with a SIM960: 1, 2, 4, 5 or 6",
    ),
    (
        {"loops/lo2/servo/slot": 3},
        "loops.lo2.servo.slot",
        "slot 3 of servos is used by loops.lo1.servo.slot already",
        "another slot that nothing else uses",
    ),
    (
        {"loops/lo1/piezo": {"instrument": "piezo_c", "channel": "z"}},
        "piezos.cavity3.channel",
        "channel z of piezo_c is used by loops.lo1.piezo.channel already",
        "another channel that nothing else uses",
    ),
    (
        {"shutters/pump/pin": "DIO4_P"},
        "shutters.pump.pin",
        "pin DIO4_P of scan is used by rf_switch.pins.2 already",
        "another pin that nothing else uses",
    ),
    (
        {"monitors/seed_power/input": "AIN0"},
        "monitors.seed_power.input",
        "slow input AIN0 of digitizer is used by monitors.opa_transmission.input already",
        "another slow input that nothing else uses",
    ),
    (
        {"digitizer/inputs/bhd3": 2},
        "digitizer.inputs.bhd3",
        "fast input 2 of digitizer is used by digitizer.inputs.bhd2 already",
        "another fast input that nothing else uses",
    ),
    (
        {"scan/transmission_input": 1},
        "scan.transmission_input",
        "fast input 1 of scan is used by scan.error_input already",
        "another fast input that nothing else uses",
    ),
    (
        {"mirrors/sensor2/yaw": 2},
        "mirrors.sensor2.yaw",
        "axis 2 of controller 1 of picomotors is used by mirrors.sensor1.yaw already",
        "another axis that nothing else uses",
    ),
    ({"scan/error_input": 3}, "scan.error_input", "no fast input 3 of scan", "from 1 to 2"),
    (
        {"mirrors/sensor1/controller": 3},
        "mirrors.sensor1.controller",
        "controller 3 is not in the chain of picomotors",
        "1 or 2",
    ),
    (
        {"instruments/picomotors/chain": [1, 2, 2]},
        "instruments.picomotors.chain",
        "controller 2 is in the chain twice",
        "each controller address once",
    ),
    (
        {"instruments/oven/chain": [1]},
        "instruments.oven.chain",
        "the driver meerstetter-tec has no chain",
        "newport-8742",
    ),
    (
        {"instruments/oven/slots": {"1": "SIM960"}},
        "instruments.oven.slots",
        "the driver meerstetter-tec has no slots",
        "srs-sim900",
    ),
    (
        {"instruments/scan/address": "tcpip0::192.168.10.13::5000::socket"},
        "instruments.scan.address",
        "is the address of digitizer as well",
        "an address of its own",
    ),
    (
        {"instruments/scan/address": "TCPIP::192.168.10.14::70000::SOCKET"},
        "instruments.scan.address",
        "there is no port 70000",
        "from 1 to 65535",
    ),
    (
        {"rf_switch/positions/sum": 2},
        "rf_switch.positions.sum",
        "code 2 is the position of bhd3 as well",
        "a code of its own",
    ),
    (
        {"rf_switch/positions/sum": 8},
        "rf_switch.positions.sum",
        "3 pins cannot show the code 8",
        "from 0 to 7",
    ),
    # consistency
    (
        {"loops/lo1/needs": ["opa_length", "pump"]},
        "loops.lo1.needs.2",
        'no loop is called "pump"',
        "one of opa_length, pump_phase, lo1",
    ),
    (
        {"loops/opa_length/needs": ["lo1"]},
        "loops.opa_length.needs",
        "in a circle: opa_length -> lo1 -> pump_phase -> opa_length",
        "needs that come to an end",
    ),
    (
        {"loops/lo1/witness": "l01"},
        "loops.lo1.witness",
        'no monitor is called "l01" (did you mean "lo1"?)',
        "one of lo1, lo2",
    ),
    (
        {"loops/lo4/sensor": 5},
        "loops.lo4.sensor",
        "there is no sensor 5",
        "a sensor from 1 to 4",
    ),
    (
        {"loops/lo4/sensor": 3},
        "loops.lo4.sensor",
        "lo3 is the homodyne loop of sensor 3 already",
        "one homodyne loop a sensor",
    ),
    (
        {"loops/pump_phase/kind": "opa_length"},
        "loops.pump_phase.kind",
        "opa_length is the opa_length loop already",
        "one opa_length loop",
    ),
    (
        {"sensors/3": GONE},
        "sensors",
        "there are 3 [[sensors]] tables, but station.sensors is 4",
        "4 [[sensors]] tables",
    ),
    ({"sensors": GONE}, "sensors", "there are 0 [[sensors]] tables", "4 [[sensors]] tables"),
    (
        {"loops/lo1/bias": "100 V"},
        "loops.lo1.bias",
        "swings the piezo from 32.5 V to 167.5 V",
        "0 V to 150 V (piezo_limits)",
    ),
    (
        {"piezos/cavity1/bias": "-1 V"},
        "piezos.cavity1.bias",
        "-1 V is outside the limits",
        "0 V to 150 V (piezo_limits)",
    ),
    (
        {"piezo_limits/maximum": "200 V"},
        "piezo_limits.maximum",
        "200 V is outside the piezo driver",
        "0 V to 150 V",
    ),
    (
        {"piezo_limits": GONE},
        "piezo_limits",
        "is missing, although loops or piezos are there",
        "a table with minimum, maximum, slew and servo_gain",
    ),
    ({"mirror_limits": GONE}, "mirror_limits", "is missing, although mirrors", "steps_per_move"),
    (
        {"loops/lo1/output_limit": "10.5 V", "piezo_limits/servo_gain": 1.0},
        "loops.lo1.output_limit",
        "10.5 V is more than the servo has",
        "up to 10 V",
    ),
    ({"oven/target": "45.1 degC"}, "oven.target", "45.1 degC is outside", "15 degC to 45 degC"),
    ({"oven/minimum": 50}, "oven.minimum", "50 degC is not below the maximum", "below 45 degC"),
]  # fmt: skip

# The same, where one change breaks more than one thing.
SEVERAL_FAULTS: list[Case] = [
    (
        {"loops/lo4/sensor": 5, "station/sensors": 3},
        "loops.lo4.sensor",
        "there is no sensor 5",
        "a sensor from 1 to 3",
    ),
    ({"loops/lo4/servo": 3, "loops/lo4/piezo/channel": 1}, "loops.lo4.servo", "3 cannot stand", "instrument, slot"),
]  # fmt: skip


def _case_name(case: Case) -> str:
    return f"{case[1]}: {case[2]}"


@pytest.mark.parametrize("case", [*ONE_FAULT, *SEVERAL_FAULTS], ids=_case_name)
def test_a_fault_is_one_line_with_key_problem_and_what_is_allowed(
    table: dict[str, Any], write: Callable[..., Path], case: Case
) -> None:
    changes, key, problem, allowed = case
    path = write(_change(table, changes))
    faults = check_file(path)
    (fault,) = [fault for fault in faults if fault.key == key]
    assert problem in fault.problem
    assert allowed in fault.allowed
    assert str(fault) == f"{path}: {key}: {fault.problem}; allowed: {fault.allowed}"
    with pytest.raises(ConfigurationError) as raised:
        load_station(path)
    assert str(raised.value).split("\n") == [str(fault) for fault in faults]
    assert not JARGON.search(str(raised.value))
    # Nothing is reported that only follows from a fault.
    assert (len(faults) == 1) == (case in ONE_FAULT), str(raised.value)


def test_all_faults_are_reported_at_once(table: dict[str, Any], write: Callable[..., Path]) -> None:
    changes = {
        "station/runs": 3,
        "backend/kind": "real",
        "instruments/oven/address": "COM3",
        "instruments/servos/slots/4": "SIM928",
        "analyzer/instrument": "analyser",
        "digitizer/inputs/bhd2": 1,
        "oven/target": "60 degC",
        "loops/lo1/unity_gain": "10 V",
        "loops/lo3/needs": ["pump_phase", "lo9"],
        "piezo_limits/slew": 0,
        "sensors/2/resonance": "4 m",
        "extra": 1,
    }
    keys = {fault.key for fault in check_file(write(_change(table, changes)))}
    assert keys == {
        "station.runs",
        "backend.kind",
        "instruments.oven.address",
        "loops.lo2.servo.slot",
        "analyzer.instrument",
        "digitizer.inputs.bhd2",
        "oven.target",
        "loops.lo1.unity_gain",
        "loops.lo3.needs.2",
        "piezo_limits.slew",
        "sensors.3.resonance",
        "extra",
    }


def test_an_entry_that_is_wrong_in_itself_is_not_called_unknown(
    table: dict[str, Any], write: Callable[..., Path]
) -> None:
    changes = {"instruments/servos/address": 1, "loops/pump_phase/bias": "high", "monitors/lo1/gain": "x"}
    keys = [fault.key for fault in check_file(write(_change(table, changes)))]
    assert keys == ["instruments.servos.address", "monitors.lo1.gain", "loops.pump_phase.bias"]


def test_a_file_of_nonsense_is_cut_short(write: Callable[..., Path]) -> None:
    faults = check_file(write({f"k{index}": index for index in range(5000)}))
    assert len(faults) == 101
    assert faults[-1].problem == "has 4902 faults more"  # 5000 unknown keys, [station] and [backend]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TCPIP::host::5025::SOCKET", "TCPIP0::HOST::5025::SOCKET"),
        ("ASRL/dev/ttyUSB7::INSTR", "asrl/dev/ttyUSB7::instr"),
        ("GPIB::5::INSTR", "GPIB0::5::INSTR"),
    ],
)
def test_two_spellings_of_one_address_are_one_address(table: dict[str, Any], one: str, other: str) -> None:
    table["instruments"]["oven"]["address"], table["instruments"]["scan"]["address"] = one, other
    with pytest.raises(ValidationError, match="is the address of oven as well"):
        StationFile.model_validate(table)


def test_serial_ports_of_different_case_are_different(table: dict[str, Any]) -> None:
    table["instruments"]["oven"]["address"] = "ASRL/dev/ttyusb0::INSTR"
    assert StationFile.model_validate(table).instruments["oven"].address.endswith("ttyusb0::INSTR")
