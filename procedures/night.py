"""A whole run: open the station, make the run folder, run the steps, end the run truthfully whatever happens."""

from __future__ import annotations

import platform
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import StoreError
from labctl.station.bring_up import Link, link_to, open_station
from labctl.station.station import Station
from labctl.store.durable import write_durably
from labctl.store.failures import reported
from labctl.store.lock_memory import LockKeeper, LockMemory
from labctl.store.records import EventRecord, InstrumentSnapshot, Manifest, RunState, SettingValue
from labctl.store.writer import RunWriter
from procedures.bench import Bench
from procedures.overnight import Listener, Outcome, RecipeRun, StopRequest, check_parameters, make_procedure

PACKAGES = ("labctl", "pymeasure", "pyvisa", "numpy", "scipy", "h5py", "h5netcdf", "pydantic")


@dataclass(frozen=True)
class Plan:
    """What is to be run: the station as a model and as text, the steps and the recipe's text, and where runs go."""

    station: StationFile
    station_text: str
    steps: tuple[Step, ...]
    recipe_text: str
    title: str
    runs: Path
    leave_as_is: bool = False


class NightListener(Listener, Protocol):
    """Who watches a whole run."""

    def night_began(self, run: Path, station: Station, expected_s: dict[str, float]) -> None:
        """The instruments are open and the run folder exists; `expected_s` is the lab time of each step."""
        ...


@dataclass(frozen=True)
class NightResult:
    """Where the run is and how it ended; `lab_s` is its lab time in s."""

    run: Path
    outcome: Outcome
    lab_s: float


def run_night(plan: Plan, listener: NightListener, on_stop_request: Callable[[StopRequest], None]) -> NightResult:
    """Run a plan. `on_stop_request` is handed the way to stop it.

    Raises `ConnectionLost` before anything moves when instruments do not answer, `StoreError` when the run cannot
    be kept; the table is safe then and what was kept stays readable.
    """
    check_parameters(plan.steps)
    link = link_to(plan.station)
    station = open_station(plan.station, link)
    started_at = station.clock.now()
    try:
        writer = RunWriter.create(plan.runs, _manifest(plan, station))
        try:
            _keep_truth(link, writer)
            bench = Bench.of(station, writer)
            keeper = _take_over(plan, bench)
            stop = StopRequest(station.clock)
            on_stop_request(stop)
            listener.night_began(writer.path, station, _expected_s(plan.steps, bench))
            try:
                outcome = _run(plan, bench, writer, listener, stop)
            finally:
                if keeper is not None:
                    keeper.stop()
            writer.finish(outcome.state, outcome.reason, outcome.coverage)
        finally:
            _keep_truth(link, writer, ended=True)
            writer.close()
        return NightResult(writer.path, outcome, station.clock.now() - started_at)
    finally:
        station.close()


def _run(plan: Plan, bench: Bench, writer: RunWriter, listener: NightListener, stop: StopRequest) -> Outcome:
    run = RecipeRun(plan.steps, bench, writer, listener, stop, leave_as_is=plan.leave_as_is)
    try:
        return run.run()
    except StoreError as error:
        with suppress(StoreError):  # the disk may be full: the first error is the one to tell
            writer.finish(RunState.FAILED, str(error), run.coverage())
        raise
    except BaseException as error:
        reason = (
            "aborted by the operator" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        )
        with suppress(StoreError):
            state = RunState.STOPPED if isinstance(error, KeyboardInterrupt) else RunState.FAILED
            writer.finish(state, reason, run.coverage())
        raise


def _take_over(plan: Plan, bench: Bench) -> LockKeeper | None:
    """Take over the loops that the hardware holds, as an earlier run remembered them, and keep what this one will; a
    simulated table in this process was never locked before."""
    backend = plan.station.backend
    if isinstance(backend, SimulatedBackend):
        return None
    memory = LockMemory.of(plan.runs, plan.station.station.name)
    known = memory.load().as_of(bench.clock.now(), time.time(), backend.speed)
    bench.supervisor.take_over(known.loops)
    keeper = LockKeeper(memory, bench.clock, lambda: bench.supervisor, known)
    keeper.start()
    return keeper


def _keep_truth(link: Link, writer: RunWriter, *, ended: bool = False) -> None:
    """Keep what is true of a simulated table beside what is measured on it; that this fails costs nobody a night."""
    try:
        with reported("keep the truth of the simulated table", writer.path):
            link.keep_truth(writer.path, write_durably, ended=ended)
    except StoreError as error:
        with suppress(StoreError):  # the disk may be full: what is measured matters more
            writer.add_event(EventRecord(link.clock.now(), "warning", "simulated table", str(error)))


def _expected_s(steps: Sequence[Step], bench: Bench) -> dict[str, float]:
    return {step.name: make_procedure(step.procedure, step.parameters, bench).expected_s() for step in steps}


def _manifest(plan: Plan, station: Station) -> Manifest:
    backend = plan.station.backend
    simulated = backend if isinstance(backend, SimulatedBackend) else None
    now = datetime.now(UTC)
    return Manifest(
        run_id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        created=now.isoformat(timespec="seconds"),
        title=plan.title,
        station_file=plan.station_text,
        station_name=plan.station.station.name,
        recipe=plan.recipe_text,
        backend=backend.kind,
        seed=None if simulated is None else simulated.seed,
        scenario="" if simulated is None else simulated.scenario,
        parameters={step.name: dict(step.parameters) for step in plan.steps},
        versions=_versions(),
        git_commit=_git_commit(),
        instruments=_snapshots(station),
    )


def _snapshots(station: Station) -> list[InstrumentSnapshot]:
    settings: dict[str, dict[str, SettingValue]] = {}
    for setting in station.settings():
        how = "failed" if setting.problem else "read"
        value = setting.problem or setting.value
        settings.setdefault(setting.instrument, {})[setting.name] = SettingValue(value, setting.at, how)  # type: ignore[arg-type]
    return [
        InstrumentSnapshot(
            name,
            instrument.driver,
            instrument.address,
            str(station.answers[name].identity),
            settings.get(name, {}),
        )
        for name, instrument in station.file.instruments.items()
    ]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _git_commit() -> str | None:
    """Return the commit of the source tree this runs from, or None where it is an installed package."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
