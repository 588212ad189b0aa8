"""What the last run of a station left behind of the settings that it asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.records import AskedSetting, RunSummary


@dataclass(frozen=True)
class LastSettings:
    """A run and the settings that it asked for; None of a run made before these were kept."""

    run: RunSummary
    settings: list[AskedSetting] | None


def last_settings(runs: Path, station_name: str, backend: str) -> LastSettings | None:
    """Return the settings of the newest run of a station; one that asked for nothing leaves those of the run before.

    A simulated table and the real one of the same name are two stations. None where there is no such run; raises
    `StoreError` where it cannot be read.
    """
    for run in Catalogue(runs).list():
        if (run.station_name, run.backend) != (station_name, backend):
            continue
        settings = RunReader(run.path).asked_settings()
        if settings is None or settings:
            return LastSettings(run, settings)
    return None
