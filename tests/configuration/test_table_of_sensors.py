"""Station files and recipes for any number of sensors, made from the shipped ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from labctl.configuration.recipe_file import Recipe
from labctl.configuration.recipe_of_sensors import joint_analyzer_s, recipe_of_sensors
from labctl.configuration.station_file import StationFile
from labctl.configuration.table_layout import INNERMOST_HZ, MOST_SENSORS, Layout, resonances_hz
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.configuration.templates import copy_templates, template_directory
from labctl.configuration.toml_reading import check_file, load_recipe, load_station
from labctl.errors import ConfigurationError

# Where instruments, chains or pins become more: both sides of each step.
COUNTS = [1, 2, 3, 4, 5, 6, 7, 15, 31, 32, 62, 63, 64]


def station_of(folder: Path, sensors: int, file: str = "simulated.toml") -> StationFile:
    copy_templates(folder, sensors)
    return load_station(folder / file)


def test_four_sensors_are_the_shipped_files(tmp_path: Path, config: Path) -> None:
    for copied in copy_templates(tmp_path, 4):
        assert copied.read_bytes() == (config / copied.name).read_bytes()


def test_without_a_number_nothing_is_made(tmp_path: Path, config: Path) -> None:
    for copied in copy_templates(tmp_path):
        assert copied.read_bytes() == (config / copied.name).read_bytes()


@pytest.mark.parametrize("sensors", COUNTS)
def test_every_file_is_without_fault_and_has_what_every_sensor_needs(tmp_path: Path, sensors: int) -> None:
    copies = copy_templates(tmp_path, sensors)
    assert [fault for copied in copies for fault in check_file(copied)] == []
    station = load_station(tmp_path / "simulated.toml")
    numbers = range(1, sensors + 1)
    assert station.station.sensors == len(station.sensors) == sensors
    assert [loop.sensor for loop in station.loops.values() if loop.kind == "homodyne"] == list(numbers)
    cavities = {name: loop.sensor for name, loop in station.loops.items() if loop.kind == "cavity"}
    assert cavities == {f"cavity{number}": number for number in numbers}
    assert all(station.loops[f"lo{number}"].needs == ("pump_phase", f"cavity{number}") for number in numbers)
    assert {f"cavity{number}" for number in numbers} <= station.monitors.keys()
    errors = [loop.error for loop in station.loops.values() if loop.kind == "homodyne"]
    assert len({(error.instrument, error.input) for error in errors if error is not None}) == sensors
    assert list(station.mirrors) == [f"sensor{number}" for number in numbers]
    assert {f"lo{number}" for number in numbers} <= station.monitors.keys()
    assert station.digitizer is not None and station.rf_switch is not None
    wired = [name for board in station.digitizer.boards for name in board.inputs]
    assert wired == [f"bhd{number}" for number in numbers]
    assert list(station.rf_switch.positions) == [*wired, "sum"]
    recipe = load_recipe(tmp_path / "overnight.toml")
    each = [step.name for step in recipe.steps if step.for_each == "sensor"]
    assert {"lock_homodyne", "individual_spectrum", "ringdown", "optomechanical_coupling"} <= set(each)
    assert len(recipe.expand(sensors)) == len(recipe.steps) + len(each) * (sensors - 1)


@pytest.mark.parametrize("sensors", COUNTS)
def test_there_are_just_enough_instruments(sensors: int) -> None:
    layout = Layout.of(sensors)
    assert 8 * (len(layout.mainframes) - 1) < 2 + sensors <= 8 * len(layout.mainframes)
    loops, cavities = -(-(2 + sensors) // 3), -(-sensors // 3)
    assert len(layout.amplifiers) == loops + cavities
    assert sum(layout.servos(index) for index in range(len(layout.mainframes))) == 2 + sensors
    assert sum(layout.mirrors_of(index) for index in range(len(layout.picomotors))) == sensors
    assert all(1 <= layout.controllers(index) <= 31 for index in range(len(layout.picomotors)))
    assert len(layout.picomotors) == (1 if sensors <= 62 else 2)
    assert 4 * (len(layout.boards) - 1) < sensors <= 4 * len(layout.boards)
    assert len(layout.monitor_boards) == len(layout.boards)
    assert 2 ** (len(layout.switch_pins) - 1) < sensors + 1 <= 2 ** len(layout.switch_pins)


@pytest.mark.parametrize("sensors", range(1, MOST_SENSORS + 1))
def test_resonances_are_apart_and_leave_a_quiet_band(sensors: int) -> None:
    found = resonances_hz(sensors)
    assert len(found) == sensors
    assert found == sorted(found)
    gaps = [above - below for below, above in itertools.pairwise(found)]
    assert all(gap >= 8e3 for gap in gaps)  # as wide as the span that is searched for one
    assert sensors == 1 or max(gaps) == INNERMOST_HZ[1] - INNERMOST_HZ[0] == 37e3
    assert found[0] > 3.9e6 and found[-1] < 4.7e6
    assert {*INNERMOST_HZ[:sensors]} <= {*found}


def test_a_station_of_many_says_so_in_words(tmp_path: Path) -> None:
    copy_templates(tmp_path, 8)
    text = (tmp_path / "table.toml").read_text(encoding="utf-8")
    shipped = (template_directory() / "table.toml").read_text(encoding="utf-8")
    assert text.startswith("# A table of eight sensors: ")
    assert "four sensor" not in text
    # Every comment of the shipped file is there, but for those that count.
    comments = {line for line in shipped.splitlines() if line.startswith("#")} - {shipped.splitlines()[0]}
    kept = {line for line in text.splitlines() if line.startswith("#")}
    lost = {line for line in comments - kept if "lo4" not in line and "four" not in line}
    assert lost == set()


def test_the_recipe_of_one_sensor_says_what_its_joint_steps_are(config: Path) -> None:
    shipped = (config / "overnight.toml").read_text(encoding="utf-8")
    made = recipe_of_sensors(shipped, 1)
    assert "# The sum of one detector is that detector" in made
    assert made.replace(next(line for line in made.splitlines(True) if "sum of one" in line), "") == shipped


def limit_s(text: str, tmp_path: Path, sensors: int) -> float:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    recipe: Recipe = load_recipe(path)
    return {step.name: step.time_limit for step in recipe.expand(sensors)}["joint_analyzer"]


@pytest.mark.parametrize("sensors", [2, 4, 16, 24, 32, 64])
def test_the_joint_step_of_many_sensors_has_the_time_that_it_takes(config: Path, tmp_path: Path, sensors: int) -> None:
    shipped = (config / "overnight.toml").read_text(encoding="utf-8")
    limit = limit_s(recipe_of_sensors(shipped, sensors), tmp_path, sensors)
    assert limit >= 1.5 * joint_analyzer_s(sensors)
    assert (limit == 3600.0) == (sensors <= 16)


@pytest.mark.parametrize("sensors", [0, -1, 65])
def test_other_numbers_are_refused_and_nothing_is_written(tmp_path: Path, sensors: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"cannot have {sensors} sensors\..* It can have 1 to 64\."):
        copy_templates(tmp_path / "new", sensors)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("lost", ["[mirrors.sensor1]", "[rf_switch]", "sensors = 4", "slot = 3"])
def test_a_shipped_file_that_was_changed_beyond_recognition_is_an_error(config: Path, lost: str) -> None:
    text = (config / "table.toml").read_text(encoding="utf-8")
    assert lost in text
    changed = text.replace("[mirrors.sensor", "[eyes.sensor") if "mirrors" in lost else text.replace(lost, "[other]")
    with pytest.raises(ConfigurationError, match="Install labctl again"):
        table_of_sensors(changed, 8)
    with pytest.raises(ConfigurationError, match="Install labctl again"):
        recipe_of_sensors("title = 'other'", 8)


# ---- several boards --------------------------------------------------------------------------------------------------


def findings(table: dict[str, Any]) -> str:
    with pytest.raises(ValueError) as raised:
        StationFile.model_validate(table)
    return str(raised.value)


def with_second_board(table: dict[str, Any], **chained: object) -> dict[str, Any]:
    first = table["instruments"]["digitizer"]
    table["instruments"]["second"] = {**first, "address": "TCPIP::192.168.10.15::5000::SOCKET"}
    table["digitizer"]["inputs"] = {"bhd1": 1, "bhd2": 2}
    table["digitizer"]["chain"] = [{"instrument": "second", "inputs": {"bhd3": 1, "bhd4": 2}, **chained}]
    return table


def test_boards_of_a_chain_are_in_the_order_of_the_file(table: dict[str, Any]) -> None:
    digitizer = StationFile.model_validate(with_second_board(table)).digitizer
    assert digitizer is not None
    assert [board.instrument for board in digitizer.boards] == ["digitizer", "second"]
    assert [dict(board.inputs) for board in digitizer.boards] == [{"bhd1": 1, "bhd2": 2}, {"bhd3": 1, "bhd4": 2}]


@pytest.mark.parametrize(
    ("chained", "fault"),
    [
        ({"instrument": "secnd"}, 'no instrument is called "secnd" (did you mean "second"?)'),
        ({"instrument": "analyzer"}, "which is no digitizer"),
        ({"instrument": "digitizer", "inputs": {"bhd3": 3}}, "digitizer is in the chain already"),
        ({"inputs": {"bhd1": 1, "bhd3": 2}}, "bhd1 is at digitizer.inputs.bhd1 already"),
        ({"inputs": {"bhd3": 1, "bhd4": 1}}, "fast input 1 of second is used by"),
        ({"inputs": {"bhd3": 5}}, "digitizer.chain.0.inputs.bhd3"),
        ({"gain": "LV"}, "gain"),
    ],
)
def test_what_is_wrong_with_a_chain_is_named(table: dict[str, Any], chained: dict[str, object], fault: str) -> None:
    assert fault in findings(with_second_board(table, **chained))
