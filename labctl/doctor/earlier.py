"""What earlier runs left: calibrations that grow old, runs that want to be closed, crash reports, old watchdogs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from labctl.commands.crash_report import crash_folder, crash_reports
from labctl.configuration.station_file import SimulatedBackend
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe
from labctl.doctor.findings import Check, Finding, Patient, Voice
from labctl.host import processes
from labctl.host.hard_crashes import left_behind
from labctl.station.table_hold import addresses_of, holders_of
from labctl.store.catalogue import Catalogue
from labctl.store.records import RunState
from procedures.catalogue import known_procedures
from procedures.freshness import history_of, stale_steps

GROUP = "earlier"
MOST_NAMED = 4
WATCHDOG = "labctl.watchdog"


def checks() -> list[Check]:
    """Return the checks of this group."""
    return [
        Check(GROUP, "calibrations", _calibrations, needs_station=True),
        Check(GROUP, "crashed runs", _crashed_runs),
        Check(GROUP, "crash reports", _crash_reports),
        Check(GROUP, "watchdogs", _watchdogs),
        Check(GROUP, "table", _holders, needs_station=True),
    ]


def _calibrations(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "calibrations")
    file = patient.file
    assert file is not None
    if isinstance(file.backend, SimulatedBackend):
        yield say.ok("The simulated table is calibrated anew every night.")
        return
    recipe = load_recipe(template_directory() / "overnight.toml", known_procedures())
    steps = recipe.expand(file.station.sensors)
    history = history_of(patient.runs, file.station.name, file.backend.kind)
    kept = [step.name for step in steps if step.fresh_s is not None]
    stale = {name: why for name, why in stale_steps(steps, history, time.time()).items() if name in kept}
    if stale:
        yield say.warning(
            f"{len(stale)} of {len(kept)} are stale: {_some([f'{name} {why}' for name, why in stale.items()])}.",
            "The next night does them again; labctl stale lists them.",
        )
    else:
        yield say.ok(f"All {len(kept)} with a shelf life are fresh.")


def _crashed_runs(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "crashed runs")
    if not patient.runs.is_dir():
        yield say.ok(f"There is no folder {patient.runs} yet.")
        return
    runs = Catalogue(patient.runs).list()
    crashed = [run.run_id for run in runs if run.state is RunState.CRASHED and not (run.path / "end.json").exists()]
    if crashed:
        yield say.warning(f"Not closed: {_some(crashed)}.", f"labctl recover {crashed[0]} --runs {patient.runs}")
    else:
        yield say.ok(f"None of {len(runs)} runs waits to be recovered.")


def _crash_reports(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "crash reports")
    found = [*crash_reports(), *(path for path in left_behind(crash_folder()) if not _is_running(path))]
    if found:
        yield say.warning(
            f"{len(found)} in {crash_folder()}, the latest {found[-1].name}.",
            "Send them to who looks after labctl, then delete them.",
        )
    else:
        yield say.ok(f"None in {crash_folder()}.")


def _is_running(hard_crash: Path) -> bool:
    with suppress(ValueError):
        return processes.lives(int(hard_crash.stem.rpartition("-")[2])) is True
    return False


def _watchdogs(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "watchdogs")
    running = processes.running(WATCHDOG)
    alone = [pid for pid in running if processes.parent_of(pid) == 1]
    if alone:
        yield say.warning(
            f"{len(alone)} of cores that died: process {_some([str(pid) for pid in alone])}.",
            "The next command that moves the table takes it over; look into watchdog.log beside the runs.",
        )
    else:
        yield say.ok(f"{len(running)} running, each with its core." if running else "None is running.")


def _holders(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "table")
    file = patient.file
    assert file is not None
    if file.backend.kind != "visa":
        yield say.ok("The simulated table belongs to each command alone.")
        return
    holders = {str(holder): name for name, holder in holders_of(addresses_of(file)).items()}
    if holders:
        yield say.warning(f"In use by {_some(list(holders))}.", "Wait for it to end before another night begins.")
    else:
        yield say.ok("Nobody has it.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
