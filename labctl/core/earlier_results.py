"""What earlier runs on the same table measured."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from labctl.core.measured_rows import Measured
from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader

MOST_RUNS: Final = 30


def earlier_results(runs: Path, station_name: str) -> list[Measured]:
    """Return the latest result of every name in the last runs of a station, the oldest first; runs that cannot be read
    are left out."""
    found: dict[str, Measured] = {}
    with suppress(StoreError):
        for run in Catalogue(runs).list()[:MOST_RUNS]:
            if run.station_name != station_name:
                continue
            with suppress(StoreError, ValueError):
                at = datetime.fromisoformat(run.created).timestamp()
                for name, result in RunReader(run.path).results().items():
                    found.setdefault(name, Measured(result, run.run_id, at))
    return sorted(found.values(), key=lambda measured: measured.at)
