"""`labctl check`: every fault of a file, also those that only the procedures know."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from labctl.commands.stations import default_station
from labctl.configuration.recipe_file import Defaults, Recipe, Step
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import check_file, is_recipe, load_recipe, load_station
from labctl.errors import ConfigurationError, LabError
from procedures.catalogue import PROCEDURES, known_procedures, parameters_of
from procedures.execution import check_parameters
from procedures.planned_times import impossible_times


def faults_of(file: Path) -> list[str]:
    """Return one line for each fault of a station file or recipe: of a recipe all at once, those of its form, of its
    values, and steps that cannot be done in the time that they have on the station that labctl takes by default."""
    faults = [str(fault) for fault in check_file(file, known_procedures())]
    try:
        if not is_recipe(file):
            return faults
    except ConfigurationError:
        return faults  # which say that it cannot be read
    return [*faults, *(f"{file}: {text}" for text in _faults_of_steps(file, whole=not faults))]


def _faults_of_steps(file: Path, *, whole: bool) -> list[str]:
    station = _station()
    if whole:
        sensors = 1 if station is None else station.station.sensors
        return _faults_of(load_recipe(file).expand(sensors), station)
    steps = []
    with suppress(OSError, ValueError, UnicodeDecodeError):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        defaults = _defaults(content.get("defaults"))
        steps = [step for entry in _tables(content.get("step")) if (step := _readable(entry, defaults)) is not None]
    return _faults_of(steps, station)


def _faults_of(steps: list[Step] | tuple[Step, ...], station: StationFile | None) -> list[str]:
    faults: list[str] = []
    try:
        check_parameters(steps)
    except ConfigurationError as error:
        faults += str(error).splitlines()
    if station is not None:
        faults += impossible_times(steps, station)
    return _once_a_step(faults)


def _once_a_step(faults: list[str]) -> list[str]:
    """Return the faults without those that only the number of the sensor tells from one before."""
    seen: dict[str, str] = {}
    for fault in faults:
        step, _, text = fault.partition(":")
        stem, _, number = step.rpartition(".")
        seen.setdefault(f"{stem if number.isdigit() else step}:{text}", fault)
    return list(seen.values())


def _station() -> StationFile | None:
    try:
        return load_station(default_station())
    except LabError:
        return None


def _tables(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _defaults(written: Any) -> dict[str, Any]:
    """Return the defaults of a recipe with faults; without them where they are at fault."""
    try:
        Defaults.model_validate(written)
    except ValueError:
        return {}
    return dict(written)


def _readable(entry: dict[str, Any], defaults: dict[str, Any]) -> Step | None:
    """Return a step of a recipe with faults, without what else is wrong with it; None where nothing can be told."""
    procedure, parameters = entry.get("procedure"), entry.get("parameters", {})
    if not isinstance(procedure, str) or procedure not in PROCEDURES or not isinstance(parameters, dict):
        return None
    known = parameters_of(PROCEDURES[procedure])
    alone: dict[str, Any] = {key: entry[key] for key in ("name", "procedure", "time_limit") if key in entry}
    alone["parameters"] = {name: value for name, value in parameters.items() if name in known}
    try:
        return Recipe.model_validate({"title": "one step", "defaults": defaults, "step": [alone]}).expand(1)[0]
    except (ValueError, LabError):
        return None
