"""`labctl export`: a run for other programs."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import ConfigurationError
from labctl.store.catalogue import Catalogue
from labctl.store.export import ExportFormat, export_run
from labctl.store.reader import RunReader


def export(ident: str, runs: Path, to: str, output: Path | None) -> Path:
    """Export the run `ident` of `runs` and return what was written.

    Raises `ConfigurationError` for another format, `StoreError` where the run is not there or something is at `output`.
    """
    try:
        wanted = ExportFormat(to.lower())
    except ValueError as error:
        raise ConfigurationError(
            f"There is no format {to!r}.", remedy=f"There are {', '.join(ExportFormat)}."
        ) from error
    return export_run(RunReader(Catalogue(runs).find(ident)), wanted, output)
