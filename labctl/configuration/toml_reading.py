"""Open station files and recipes: either a model, or every fault of the file in words for the person who edits it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from labctl.configuration.checking import checked
from labctl.configuration.extended_toml import FaultyFile, MergedFile, read_extended
from labctl.configuration.faults import Fault, Finding, Key, key_text
from labctl.configuration.recipe_file import KnownProcedures, Recipe
from labctl.configuration.station_file import StationFile
from labctl.errors import ConfigurationError

_Model = TypeVar("_Model")

_STEP = "step"
_MOST_FAULTS = 100
_STATION_STAND_INS: Mapping[str, Any] = {"station": {"sensors": 1}, "backend": {"kind": "simulated"}}
_RECIPE_STAND_INS: Mapping[str, Any] = {"title": "recipe"}


def load_station(path: Path | str) -> StationFile:
    """The station file at `path`, with the files that it extends; raises ConfigurationError with every fault."""
    return _accepted(*_station(_read(path)))


def load_recipe(path: Path | str, known_procedures: KnownProcedures | None = None) -> Recipe:
    """The recipe at `path`; raises ConfigurationError with every fault.

    With `known_procedures`, procedures and parameters that do not exist are faults too.
    """
    return _accepted(*_recipe(_read(path), known_procedures))


def check_file(path: Path | str, known_procedures: KnownProcedures | None = None) -> list[Fault]:
    """Every fault of a station file or a recipe (a file with `[[step]]` tables); empty if it is right."""
    try:
        file = read_extended(Path(path))
    except FaultyFile as error:
        return [error.fault]
    return _recipe(file, known_procedures)[1] if _STEP in file.content else _station(file)[1]


def is_recipe(path: Path | str) -> bool:
    """Whether the file at `path` has `[[step]]` tables; raises ConfigurationError if it cannot be read."""
    return _STEP in _read(path).content


def station_text(path: Path | str) -> str:
    """A station file merged with those that it extends, as JSON with sorted keys and the file's own values and units.

    `StationFile.model_validate(json.loads(text))` reads it back. Raises ConfigurationError as `load_station` does.
    """
    file = _read(path)
    _accepted(*_station(file))
    return json.dumps(file.content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _read(path: Path | str) -> MergedFile:
    try:
        return read_extended(Path(path))
    except FaultyFile as error:
        raise ConfigurationError(str(error.fault)) from None


def _accepted(model: _Model | None, faults: list[Fault]) -> _Model:
    if model is None:
        raise ConfigurationError("\n".join(str(fault) for fault in faults))
    return model


def _station(file: MergedFile) -> tuple[StationFile | None, list[Fault]]:
    if _STEP in file.content:
        return None, [Fault(file.name, _STEP, "this is a recipe, not a station file", "the path of a station file")]
    station, findings = checked(StationFile, file.content, stand_ins=_STATION_STAND_INS)
    return station, _faults(file, findings)


def _recipe(file: MergedFile, known_procedures: KnownProcedures | None) -> tuple[Recipe | None, list[Fault]]:
    if _STEP not in file.content and "station" in file.content:
        return None, [Fault(file.name, "station", "this is a station file, not a recipe", "the path of a recipe")]
    context = {"known_procedures": known_procedures}
    recipe, findings = checked(Recipe, file.content, stand_ins=_RECIPE_STAND_INS, context=context)
    return recipe, _faults(file, findings)


def _faults(file: MergedFile, findings: list[Finding]) -> list[Fault]:
    faults = [
        Fault(file.origin(finding.key), key_text(_named(file, finding.key)), finding.problem, finding.allowed)
        for finding in dict.fromkeys(findings[:_MOST_FAULTS])
    ]
    if len(findings) > _MOST_FAULTS:
        rest = len(findings) - _MOST_FAULTS
        faults.append(Fault(file.name, "", f"has {rest} faults more", "none of them"))
    return faults


def _named(file: MergedFile, key: Key) -> Key:
    """`step.lock_source.retries` says more than `step.2.retries`."""
    if len(key) < 2 or key[0] != _STEP or not isinstance(key[1], int):
        return key
    step = file.content[_STEP][key[1]]
    name = step.get("name") if isinstance(step, dict) else None
    return (_STEP, name, *key[2:]) if isinstance(name, str) and name and key[2:] != ("name",) else key
