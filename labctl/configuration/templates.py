"""The configuration files that labctl comes with, and a copy of them for a new table."""

from __future__ import annotations

import shutil
from pathlib import Path

from labctl.configuration.recipe_of_sensors import recipe_of_sensors
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.errors import ConfigurationError

_MADE_FOR_SENSORS = {"table.toml": table_of_sensors, "overnight.toml": recipe_of_sensors}
_INSTALLED = Path(__file__).parent / "templates"
_IN_REPOSITORY = Path(__file__).parents[2] / "config"


def template_directory() -> Path:
    """The folder of the files that labctl comes with: inside the installed package, else the repository's `config`.

    Raises ConfigurationError if neither is there.
    """
    for folder in (_INSTALLED, _IN_REPOSITORY):
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        "The configuration files that labctl comes with are missing.", remedy="Install labctl again."
    )


def copy_templates(destination: Path | str, sensors: int | None = None) -> tuple[Path, ...]:
    """Copy the files into `destination`, which is made if it is not there, and return the copies.

    With `sensors`, station file and recipe are for a table of so many, 1 to 64.
    Nothing is overwritten: if one of the files is there already, none is copied and ConfigurationError names them.
    """
    folder = Path(destination)
    shipped = template_directory()
    sources = sorted(shipped.glob("*.toml"))
    made = {
        name: make((shipped / name).read_text(encoding="utf-8"), sensors)
        for name, make in _MADE_FOR_SENSORS.items()
        if sensors is not None
    }
    there = [source.name for source in sources if (folder / source.name).exists()]
    if there:
        raise ConfigurationError(
            f"{folder}: {', '.join(there)} would be overwritten; nothing was copied.",
            remedy="Give another folder, or move these files away.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copies = tuple(Path(shutil.copyfile(source, folder / source.name)) for source in sources)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
        return copies
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: the files cannot be copied there: {error.strerror or error}.", remedy="Give another folder."
        ) from None
