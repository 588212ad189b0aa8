"""What a station file may say: the shipped ones, smaller and larger tables, and values in the units promised."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labctl.configuration.station_file import HomodyneLoop, SimulatedBackend, SourceLoop, StationFile, VisaBackend
from labctl.configuration.toml_reading import check_file, load_recipe, load_station, station_text
from labctl.errors import ConfigurationError


def test_a_table_is_read_in_si_units(table_path: Path) -> None:
    table = load_station(table_path)
    assert table.backend == VisaBackend(kind="visa", library="@py")
    assert (table.station.name, table.station.sensors, table.station.runs) == ("table", 4, Path("runs"))
    assert table.oven is not None
    assert (table.oven.target, table.oven.ramp, table.oven.tolerance) == (35.0, 0.02, 0.005)
    assert table.instruments["servos"].slots[6] == "SIM960"
    assert table.instruments["picomotors"].chain == (1, 2)
    assert table.light is not None
    assert table.light.wavelength == 1.55e-6
    assert table.analyzer is not None
    assert table.analyzer.longest_sweep == 3600.0
    assert table.detectors is not None
    assert table.detectors.quantum_efficiency.sigma == 0.005
    assert [sensor.resonance for sensor in table.sensors] == [4.276e6, 4.301e6, 4.338e6, 4.365e6]
    assert isinstance(table.loops["opa_length"], SourceLoop)
    lo3 = table.loops["lo3"]
    assert isinstance(lo3, HomodyneLoop)
    assert (lo3.sensor, lo3.quadrature, lo3.unity_gain, lo3.needs) == (3, "+pi/2", 3000.0, ("pump_phase",))


def test_the_simulated_table_differs_in_name_supervision_and_backend_only(config: Path) -> None:
    table, simulated = load_station(config / "table.toml"), load_station(config / "simulated.toml")
    assert isinstance(table.backend, VisaBackend)
    assert isinstance(simulated.backend, SimulatedBackend)
    assert simulated.station.name != table.station.name
    same = set(StationFile.model_fields) - {"station", "supervisor", "backend"}
    assert all(getattr(simulated, name) == getattr(table, name) for name in same)


def test_the_simulated_table_opens_quickly(config: Path) -> None:
    load_station(config / "simulated.toml")
    times = []
    for _ in range(3):
        start = time.perf_counter()
        load_station(config / "simulated.toml")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.150  # s; it takes about 0.006 s


def test_nothing_changes_once_it_is_read(table_path: Path) -> None:
    table = load_station(table_path)
    with pytest.raises(ValidationError):
        table.station.name = "other"


def test_loops_come_in_the_order_in_which_they_can_be_locked(table: dict[str, Any]) -> None:
    table["loops"] = dict(reversed(table["loops"].items()))
    order = StationFile.model_validate(table).loops_in_order
    assert order == ("opa_length", "pump_phase", "lo4", "lo3", "lo2", "lo1")


def _sensors(count: int) -> list[dict[str, Any]]:
    efficiency = {"value": 0.9, "sigma": 0.01}
    return [{"resonance": 4.3e6, "search_span": "8 kHz", "propagation_efficiency": efficiency} for _ in range(count)]


@given(st.integers(1, 64))
def test_a_table_may_have_1_to_64_sensors_and_no_instruments(count: int) -> None:
    small = {"station": {"sensors": count}, "backend": {"kind": "simulated"}, "sensors": _sensors(count)}
    station = StationFile.model_validate(small)
    assert len(station.sensors) == station.station.sensors == count
    assert (station.analyzer, station.digitizer, station.oven, station.scan, station.light) == (None,) * 5
    assert not any((station.instruments, station.loops, station.mirrors, station.monitors, station.shutters))


def test_a_table_may_have_just_an_analyzer_and_one_loop(table: dict[str, Any], write: Callable[..., Path]) -> None:
    small = {
        "station": {"sensors": 1},
        "backend": {"kind": "visa"},
        "instruments": {name: table["instruments"][name] for name in ("analyzer", "servos", "piezo_a")},
        "analyzer": table["analyzer"],
        "loops": {"opa_length": {**table["loops"]["opa_length"]}},
        "piezo_limits": table["piezo_limits"],
        "sensors": _sensors(1),
    }
    del small["loops"]["opa_length"]["witness"]
    station = load_station(write(small))
    assert station.loops["opa_length"].witness is None
    assert station.station.runs == Path("runs")


def test_a_board_of_two_inputs_may_be_the_digitizer(table: dict[str, Any]) -> None:
    del table["scan"]
    table["digitizer"] = {"instrument": "scan", "inputs": {"bhd1": 1, "bhd2": 2}, "gain": "HV", "decimation": 1024}
    assert StationFile.model_validate(table).digitizer is not None


@pytest.mark.parametrize("decimation", [1, 2, 4, 8, 16, 17, 65536])
def test_decimations_of_the_board_are_accepted(table: dict[str, Any], decimation: int) -> None:
    table["digitizer"]["decimation"] = decimation
    station = StationFile.model_validate(table)
    assert station.digitizer is not None
    assert station.digitizer.decimation == decimation


def test_the_text_for_the_manifest_reads_back_and_does_not_depend_on_the_order(
    table_path: Path, table: dict[str, Any], write: Callable[..., Path]
) -> None:
    own = write(f"extends = '{table_path}'\nstation.name = 'other'")
    text = station_text(own)
    assert StationFile.model_validate(json.loads(text)) == load_station(own)
    assert load_station(own).station.name == "other"
    assert '"slew": "50 V/s"' in text  # as the operator wrote it
    reordered = dict(reversed(table.items()))
    assert station_text(write(reordered)) == station_text(table_path)


def test_no_text_of_a_faulty_file(table: dict[str, Any], write: Callable[..., Path]) -> None:
    table["station"]["sensors"] = 0
    with pytest.raises(ConfigurationError, match=r"station\.sensors: 0 is too low"):
        station_text(write(table))


@pytest.mark.parametrize("name", ["table.toml", "simulated.toml", "overnight.toml"])
def test_shipped_files_are_without_fault(config: Path, name: str) -> None:
    assert check_file(config / name) == []


def test_the_shipped_recipe_expands_for_the_shipped_table(config: Path) -> None:
    sensors = load_station(config / "table.toml").station.sensors
    steps = load_recipe(config / "overnight.toml").expand(sensors)
    names = [step.name for step in steps]
    assert all(names.index(need) < names.index(step.name) for step in steps for need in step.needs)
    assert {step.sensor for step in steps} == {None, *range(1, sensors + 1)}
