"""Loops of sensor cavities, records of error signals and the supervisor in a station file: what is taken, and what is
named wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from labctl.configuration.station_file import StationFile

GONE = object()


@pytest.fixture
def wired(table: dict[str, Any]) -> dict[str, Any]:
    """Return the reference table with one cavity held by its loop, and one board more."""
    table = copy.deepcopy(table)
    piezo = table["piezos"].pop("cavity1")
    board = {**table["instruments"]["digitizer"], "address": "TCPIP::192.168.10.15::5000::SOCKET"}
    table["instruments"]["monitors"] = board
    table["monitors"]["cavity1"] = {"instrument": "monitors", "input": "AIN0", "gain": 5.0}
    table["loops"]["cavity1"] = {
        "kind": "cavity",
        "sensor": 1,
        "piezo": {"instrument": piezo["instrument"], "channel": piezo["channel"]},
        "bias": "75 V",
        "witness": "cavity1",
        "needs": ["pump_phase"],
        "servo": {"kind": "dither", "rate": "1 Hz", "amplitude": "4 nm"},
    }
    table["loops"]["lo1"] |= {
        "needs": ["pump_phase", "cavity1"],
        "error": {"instrument": "monitors", "input": 1},
        "relocks_per_hour": 3,
    }
    return table


def changed(table: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, key = path.split("/")
        place = table
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is GONE:
            del place[key]
        else:
            place[key] = value
    return table


def test_a_cavity_is_locked_before_the_phase_behind_it(wired: dict[str, Any]) -> None:
    station = StationFile.model_validate(wired)
    cavity, phase = station.loops["cavity1"], station.loops["lo1"]
    assert cavity.kind == "cavity" and (cavity.servo.period_s, cavity.servo.amplitude) == (1.0, pytest.approx(4e-9))
    assert phase.kind == "homodyne" and phase.error is not None
    assert (phase.error.instrument, phase.error.input) == ("monitors", 1)
    order = station.loops_in_order
    assert order.index("pump_phase") < order.index("cavity1") < order.index("lo1")
    assert "cavity1" not in station.servo_loops and set(station.servo_loops) == set(station.loops) - {"cavity1"}


def test_what_a_file_does_not_say_has_a_usual_value(wired: dict[str, Any]) -> None:
    wired["loops"]["cavity1"]["servo"] = {}
    station = StationFile.model_validate(wired)
    cavity = station.loops["cavity1"]
    assert cavity.kind == "cavity" and (cavity.servo.rate, cavity.servo.amplitude) == (1.0, 4e-9)
    assert station.supervisor.period == 0.1
    assert (cavity.relocks_per_hour, station.loops["lo1"].relocks_per_hour) == (10, 3)


@pytest.mark.parametrize("period", ["20 ms", "0.1 s", "1 s"])
def test_the_supervisor_looks_as_often_as_the_file_says(wired: dict[str, Any], period: str) -> None:
    station = StationFile.model_validate(changed(wired, {"supervisor/period": period}))
    assert 0.02 <= station.supervisor.period <= 1.0


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"loops/cavity1/witness": "cavty1"}, 'no monitor is called "cavty1" (did you mean "cavity1"?)'),
        ({"loops/cavity1/witness": GONE}, "loops.cavity1.cavity.witness"),
        ({"loops/cavity1/servo": GONE}, "loops.cavity1.cavity.servo"),
        ({"loops/cavity1/servo": {"instrument": "servos", "slot": 6}}, "loops.cavity1.cavity.servo.instrument"),
        ({"loops/cavity1/unity_gain": "1 Hz"}, "loops.cavity1.cavity.unity_gain"),
        ({"loops/cavity1/sensor": 5}, "there is no sensor 5"),
        ({"loops/cavity1/bias": "151 V"}, "151 V is outside the limits"),
        ({"loops/cavity1/needs": ["lo1"]}, "the loops need each other in a circle"),
        ({"loops/cavity1/servo/rate": "20 Hz"}, "20 Hz is faster than the supervisor looks"),
        ({"loops/cavity1/servo/amplitude": "40 nm"}, "40 nm leaves the top of the fringe"),
        ({"loops/cavity1/piezo/channel": "y"}, "channel y of piezo_c is used by"),
        ({"loops/cavity1/relocks_per_hour": -1}, "relocks_per_hour"),
        ({"light": GONE}, "the wavelength is the ruler of a cavity's length"),
        ({"supervisor/period": "10 ms"}, "0.01 s is no time between two looks"),
        ({"supervisor/period": "2 s"}, "2 s is no time between two looks"),
        ({"loops/lo1/error/instrument": "monitor"}, 'no instrument is called "monitor" (did you mean "monitors"?)'),
        ({"loops/lo1/error/instrument": "analyzer"}, "which is no digitizer"),
        ({"loops/lo1/error/instrument": "digitizer"}, "digitizer records for [digitizer]"),
        ({"loops/lo1/error/instrument": "scan"}, "scan records for [scan]"),
        ({"loops/lo1/error/input": 5}, "loops.lo1.homodyne.error.input"),
        (
            {"loops/lo2/error": {"instrument": "monitors", "input": 1}},
            "fast input 1 of monitors is used by loops.lo1.error.input already",
        ),
    ],
)
def test_what_is_wrong_is_named(wired: dict[str, Any], changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError) as raised:
        StationFile.model_validate(changed(wired, changes))
    assert fault in str(raised.value)


def test_there_is_one_loop_for_the_cavity_of_a_sensor(wired: dict[str, Any]) -> None:
    second = copy.deepcopy(wired["loops"]["cavity1"])
    second["piezo"]["channel"] = wired["piezos"].pop("cavity2")["channel"]
    wired["loops"]["cavity2"] = second
    with pytest.raises(ValueError, match="cavity1 is the cavity loop of sensor 1 already"):
        StationFile.model_validate(wired)


def test_a_software_loop_and_a_record_do_not_share_a_board(wired: dict[str, Any]) -> None:
    wired["loops"]["lo2"]["servo"] = {
        "kind": "software",
        "input": {"kind": "fast_input", "instrument": "monitors", "input": 2, "range": "LV"},
        "output": {"kind": "piezo"},
        "rate": "50 Hz",
    }
    wired["loops"]["lo2"]["unity_gain"] = "3 Hz"
    with pytest.raises(ValueError, match=r"monitors records for \[loops\.lo2\.servo\]"):
        StationFile.model_validate(wired)
