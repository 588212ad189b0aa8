"""Interlocks in a station file: how they are read, and what they may not say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.configuration.interlocks import Action, OvenInterlock, VacuumInterlock
from labctl.configuration.station_file import StationFile
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.configuration.toml_reading import check_file, load_station

LIGHT = {"kind": "laser_off", "monitor": "lo1", "shutter": "pump", "below": "20 mV", "grace": "30 s", "action": "alarm"}
INTERLOCKS: dict[str, dict[str, Any]] = {
    "vacuum": {"kind": "vacuum", "gauge": "chamber", "above": "1e-5 mbar", "grace": "1 min", "action": "pause"},
    "oven": {"kind": "oven", "low": "10 degC", "high": 50, "grace": 10, "action": "heater_off"},
    "light": LIGHT,
    "power": {"kind": "power", "meter": "probe", "above": "60 mW", "grace": 0, "action": "dark"},
    "lock": {"kind": "lock_lost", "loop": "lo1", "grace": "5 min", "action": "safe"},
    "reply": {"kind": "no_reply", "instrument": "analyzer", "grace": "1 min", "action": "hold"},
}


@pytest.fixture
def guarded(table: dict[str, Any]) -> dict[str, Any]:
    """The reference table with a gauge, a power meter and an interlock of each kind."""
    table["instruments"]["vacuum"] = {"driver": "pfeiffer-tpg", "address": "ASRL/dev/ttyS9::INSTR", "model": "TPG362"}
    table["instruments"]["meter"] = {
        "driver": "thorlabs-pm100",
        "address": "TCPIP::10.0.0.3::5025::SOCKET",
        "model": "PM100D",
    }
    table["gauges"] = {"chamber": {"instrument": "vacuum", "channel": 1}}
    table["power_meters"] = {
        "probe": {"instrument": "meter", "minimum_wavelength": "770 nm", "maximum_wavelength": "780 nm"}
    }
    table["interlocks"] = copy.deepcopy(INTERLOCKS)
    return table


def test_interlocks_are_read_in_si_units(guarded: dict[str, Any], write: Callable[..., Path]) -> None:
    found = load_station(write(guarded)).interlocks
    assert found["vacuum"] == VacuumInterlock(
        kind="vacuum", gauge="chamber", above=1e-3, grace=60.0, action=Action.PAUSE
    )
    assert found["oven"] == OvenInterlock(kind="oven", low=10.0, high=50.0, grace=10.0, action=Action.HEATER_OFF)
    assert [interlock.action.latches for interlock in found.values()] == [False, True, False, True, True, False]
    assert [name for name, interlock in found.items() if not interlock.action.pauses] == ["light"]


def test_a_file_may_have_none(table: dict[str, Any]) -> None:
    assert StationFile.model_validate(table).interlocks == {}


def test_they_are_the_same_after_a_round_trip(guarded: dict[str, Any]) -> None:
    station = StationFile.model_validate(guarded)
    assert StationFile.model_validate(station.model_dump(mode="json", exclude_unset=True)) == station


ONE_FAULT: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("vacuum", {"gauge": "chambre"}, ".gauge", 'did you mean "chamber"', "one of chamber"),
    ("vacuum", {"above": "1 V"}, ".above", "is a voltage, not a pressure", '"1e-3 Pa"'),
    ("vacuum", {"above": 0}, ".above", "0 is too low", "a pressure above 0 Pa"),
    ("vacuum", {"action": "stop"}, ".action", '"stop" is no action', '"alarm", "pause", "hold", "dark"'),
    ("vacuum", {"action": "pauze"}, ".action", '(did you mean "pause"?)', '"heater_off" or "safe"'),
    ("vacuum", {"grace": "-1 s"}, ".grace", "is too low", "a duration of 0 s or more"),
    ("vacuum", {"below": 1}, ".below", "is not a known key", "the keys grace, action, kind, gauge, above"),
    ("vacuum", {"kind": "vacum"}, ".kind", '"vacum" is not known here', '"vacuum", "oven", "laser_off"'),
    ("oven", {"low": "50 degC"}, ".low", "50 degC is not below high, 50 degC", "below 50 degC"),
    ("oven", {"high": "20 degC"}, "", "the oven's target, 35 degC, is outside 10 degC to 20 degC", "around the target"),
    ("light", {"monitor": "lo9"}, ".monitor", 'nothing in [monitors] is called "lo9"', "one of"),
    ("light", {"shutter": "pumpe"}, ".shutter", 'did you mean "pump"', "one of"),
    ("power", {"meter": "prob"}, ".meter", 'did you mean "probe"', "one of probe"),
    ("lock", {"loop": "lo9"}, ".loop", 'nothing in [loops] is called "lo9"', "one of"),
    ("reply", {"instrument": "analyser"}, ".instrument", 'did you mean "analyzer"', "one of"),
]


@pytest.mark.parametrize("case", ONE_FAULT, ids=lambda case: f"{case[0]}{case[2]}: {case[3][:20]}")
def test_a_fault_is_one_line(
    guarded: dict[str, Any], write: Callable[..., Path], case: tuple[str, dict[str, Any], str, str, str]
) -> None:
    name, changes, key, problem, allowed = case
    guarded["interlocks"][name] |= changes
    (fault,) = check_file(write(guarded))
    assert fault.key == f"interlocks.{name}{key}"
    assert problem in fault.problem and allowed in fault.allowed


def test_what_watches_or_switches_an_oven_needs_one(guarded: dict[str, Any], write: Callable[..., Path]) -> None:
    del guarded["oven"]
    faults = {fault.key: fault.problem for fault in check_file(write(guarded))}
    assert faults["interlocks.oven.kind"] == "there is no oven"
    assert faults["interlocks.oven.action"].startswith("there is no oven whose heater")


def test_what_is_wrong_itself_is_no_unknown_name(guarded: dict[str, Any], write: Callable[..., Path]) -> None:
    guarded["gauges"]["chamber"]["channel"] = 99
    assert [fault.key for fault in check_file(write(guarded))] == ["gauges.chamber.channel"]


@pytest.mark.parametrize("sensors", [1, 4, 9, 64])
def test_the_shipped_interlocks_fit_any_number_of_sensors(
    config: Path, write: Callable[..., Path], sensors: int
) -> None:
    text = table_of_sensors((config / "table.toml").read_text(encoding="utf-8"), sensors)
    assert len(load_station(write(text)).interlocks) == 5
