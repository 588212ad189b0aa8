"""`labctl check`: every fault of a file, also those that only the procedures know."""

from __future__ import annotations

from pathlib import Path

from labctl.configuration.toml_reading import check_file, is_recipe, load_recipe
from labctl.errors import ConfigurationError
from procedures.catalogue import known_procedures
from procedures.overnight import check_parameters


def faults_of(file: Path) -> list[str]:
    """Return one line for each fault of a station file or recipe."""
    faults = [str(fault) for fault in check_file(file, known_procedures())]
    if faults or not is_recipe(file):
        return faults
    try:
        check_parameters(load_recipe(file).expand(1))
    except ConfigurationError as error:
        return [f"{file}: {line}" for line in str(error).splitlines()]
    return []
