"""The configuration files that labctl comes with, and a copy of them for a new table."""

from __future__ import annotations

import shutil
from pathlib import Path

from labctl.errors import ConfigurationError

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


def copy_templates(destination: Path | str) -> tuple[Path, ...]:
    """Copy the files into `destination`, which is made if it is not there, and return the copies.

    Nothing is overwritten: if one of the files is there already, none is copied and ConfigurationError names them.
    """
    folder = Path(destination)
    sources = sorted(template_directory().glob("*.toml"))
    there = [source.name for source in sources if (folder / source.name).exists()]
    if there:
        raise ConfigurationError(
            f"{folder}: {', '.join(there)} would be overwritten; nothing was copied.",
            remedy="Give another folder, or move these files away.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(Path(shutil.copyfile(source, folder / source.name)) for source in sources)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: the files cannot be copied there: {error.strerror or error}.", remedy="Give another folder."
        ) from None
