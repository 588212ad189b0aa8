"""What earlier runs of a station found: nights to compare one with, and the calibrations of a sensor over time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.catalogue import CATALOGUE_FILE, Catalogue, summarise
from labctl.store.checks import parse_created
from labctl.store.documents import MANIFEST_FILE, read_manifest, read_results
from labctl.store.failures import reported
from labctl.store.reader import RunReader
from labctl.store.records import Manifest, NamedResult, RunState, RunSummary

MOST_NIGHTS = 30


@dataclass(frozen=True)
class PastNight:
    """A complete night and what it found."""

    path: Path
    manifest: Manifest
    results: Mapping[str, NamedResult]

    @property
    def run_id(self) -> str:
        """Return the id of the run."""
        return self.manifest.run_id


@dataclass(frozen=True)
class HistoryPoint:
    """One result of one run: when the run was created, and how it ended."""

    run_id: str
    created: datetime
    state: RunState
    result: NamedResult


def earlier_nights(folder: Path, manifest: Manifest, most: int = MOST_NIGHTS) -> list[PastNight]:
    """Return the complete nights of the same station before the run in `folder`, newest first.

    A night is a run of a recipe; a simulated table of another scenario is another table. Runs lie beside `folder`. One
    that cannot be read is left out; raises `StoreError` where the runs cannot be listed.
    """
    before = (_moment(manifest.created), manifest.run_id)
    found: list[PastNight] = []
    for run in _runs_beside(folder):
        if len(found) == most:
            break
        if run.state is not RunState.COMPLETE or (_moment(run.created), run.run_id) >= before:
            continue
        if (run.station_name, run.backend) != (manifest.station_name, manifest.backend):
            continue
        with suppress(StoreError):
            told = read_manifest(run.path)
            if told.recipe and told.scenario == manifest.scenario:
                found.append(PastNight(run.path, told, read_results(run.path)))
    return found


def calibration_history(runs: Path, sensor: int) -> dict[str, list[HistoryPoint]]:
    """Return every result of a sensor by its quantity, such as "gamma_hz", oldest first, from all runs in `runs`.

    Raises `StoreError` that names the sensors that there are when no run knows this one.
    """
    prefix, others = f"sensor{sensor}.", set[str]()
    found: dict[str, list[HistoryPoint]] = {}
    for run in reversed(Catalogue(runs).list()):
        with suppress(StoreError):  # a damaged run is told by `labctl runs`
            for name, result in sorted(RunReader(run.path).results().items()):
                if name.startswith(prefix):
                    point = HistoryPoint(run.run_id, _moment(run.created), run.state, result)
                    found.setdefault(name.removeprefix(prefix), []).append(point)
                elif name.startswith("sensor"):
                    others.add(name.partition(".")[0].removeprefix("sensor"))
    if not found:
        known = ", ".join(sorted(others, key=lambda text: (len(text), text))) or "none"
        raise StoreError(
            f"No run in {runs} has a result of sensor {sensor}; there are results of sensors: {known}.",
            remedy="Give another sensor, or with --runs the folder of the runs.",
        )
    return dict(sorted(found.items()))


def _runs_beside(folder: Path) -> list[RunSummary]:
    """Runs in the folder around a run, newest first; a folder that never had a catalogue is left without one."""
    runs = folder.absolute().parent
    if (runs / CATALOGUE_FILE).exists():
        return Catalogue(runs).list()
    with reported("list the runs", runs):
        found = [summarise(entry) for entry in runs.iterdir() if (entry / MANIFEST_FILE).is_file()]
    return sorted(found, key=lambda run: (_moment(run.created), run.run_id), reverse=True)


def _moment(created: str) -> datetime:
    with suppress(StoreError):
        return parse_created(created)
    return parse_created("1970-01-01T00:00:00+00:00")
