"""A whole run: open the station, make the run folder, run the steps, end the run truthfully whatever happens."""

from __future__ import annotations

import platform
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol

from labctl.configuration.recipe_file import Budgets, Pause, Step
from labctl.configuration.stated_limits import changed_limits
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import StoreError
from labctl.station.bring_up import Link, link_to, open_station
from labctl.station.clock import wait_out
from labctl.station.station import Station
from labctl.station.table_hold import Intent, table_held
from labctl.store.durable import write_durably
from labctl.store.failures import reported
from labctl.store.lock_memory import LockKeeper, LockMemory
from labctl.store.records import EventRecord, InstrumentSnapshot, Manifest, NamedResult, RunState, SettingValue
from labctl.store.room import free_bytes
from labctl.store.writer import RunWriter
from labctl.watchdog.guarding import guarded
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest, check_parameters, make_procedure
from procedures.freshness import last_runs
from procedures.full_disk import PatientRecord
from procedures.journal import Journal, Listener, entry_of
from procedures.outcome import Outcome
from procedures.overnight import RecipeRun
from procedures.pausing import Room
from procedures.preflight import doubts, require_room
from procedures.resuming import KEPT, station_of, take_up
from procedures.step_queue import StepQueue
from procedures.telling import run_told, table_told
from procedures.told_record import RecordListener, ToldRecord

EARLIER = " of an earlier run"  # after the source of a result that was taken over
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
    pause: Pause = field(default_factory=Pause)
    budgets: Budgets = field(default_factory=Budgets)
    resume: Path | None = None  # a run to go on with
    fresh: Mapping[str, str] = field(default_factory=dict)  # steps that are not done again, and why
    left_out: Mapping[str, str] = field(default_factory=dict)  # steps that tonight has no time for, and why
    known: Mapping[str, NamedResult] = field(default_factory=dict)  # results of earlier runs on this table
    on_stall: Callable[[str], None] = lambda why: None

    def queue(self) -> StepQueue:
        """Return its steps as a queue, those marked that are not to be done."""
        queue = StepQueue(self.steps)
        for name, reason in self.fresh.items():
            queue.keep(name, f"{KEPT}{reason}")
        for name, reason in self.left_out.items():
            queue.leave_out(name, reason)
        return queue


class NightListener(Listener, Protocol):
    """Who watches a whole run."""

    def night_began(self, run: Path, station: Station, expected_s: dict[str, float]) -> None:
        """The instruments are open and the run folder exists; `expected_s` is the lab time of each step."""
        ...

    def warned(self, text: str) -> None:
        """Something may keep the run from going well."""
        ...


class Attendant(RecordListener, Protocol):
    """Who attends to runs: is handed the bench and the queue before the first step, and all that is measured."""

    def run_began(self, run_id: str, title: str, queue: StepQueue, stop: StopRequest) -> None:
        """The run folder exists; steps begin now."""
        ...

    def run_ended(self, outcome: Outcome) -> None:
        """The run is closed, or was given up."""
        ...


@dataclass(frozen=True)
class NightResult:
    """Where the run is and how it ended; `lab_s` is its lab time in s."""

    run: Path
    outcome: Outcome
    lab_s: float


@dataclass
class Table:
    """A table in use: its link, the bench on its open station, and who keeps what its loops remember."""

    link: Link
    bench: Bench
    keeper: LockKeeper | None = None

    def take_over(self, runs: Path) -> None:
        """Take over the loops that the hardware holds, as an earlier process remembered them in the folder `runs`, and
        keep what this one will; nothing at a second call, or on a simulated table in this process, which was never
        locked before."""
        file = self.bench.station.file
        if self.keeper is not None or isinstance(file.backend, SimulatedBackend):
            return
        memory = LockMemory.of(runs, file.station.name)
        known = memory.load().as_of(self.bench.clock.now(), time.time(), file.backend.speed)
        self.bench.supervisor.take_over(known.loops)
        self.keeper = LockKeeper(memory, self.bench.clock, lambda: self.bench.supervisor, known)
        self.keeper.start()


@contextmanager
def table_in_use(file: StationFile, pace: float = 0.0, runs: Path | None = None) -> Iterator[Table]:
    """Open the instruments of a station for the block, and close their links afterwards; `pace` as in `link_to`.

    Nobody else on this machine has them meanwhile, and a watchdog outlives this process, see `labctl.watchdog`; it logs
    into the folder `runs`, by default that of the station. Raises `LeaseError` where another process has one of them,
    `ConnectionLost` when instruments do not answer, both before anything moves.
    """
    with table_held(file, Intent.MOVE):
        link = link_to(file, pace)
        station = open_station(file, link)
        table = Table(link, Bench.of(station, MemoryRecord()))
        try:
            with (
                guarded(file, runs or file.station.runs, lambda text: station.on_trouble("watchdog", text)),
                table_told(table.bench),
            ):
                yield table
        finally:
            if table.keeper is not None:
                table.keeper.stop()
            station.interlocks.stop()
            station.close()


def run_night(
    plan: Plan,
    listener: NightListener,
    on_stop_request: Callable[[StopRequest], None],
    attend: Callable[[Table], AbstractContextManager[Attendant]] | None = None,
) -> NightResult:
    """Run a plan. `on_stop_request` is handed the way to stop it; `attend` is given the open table and returns who
    attends to the run, from then until the table is left.

    Raises `ConnectionLost` before anything moves when instruments do not answer, `StoreError` when the run cannot
    be kept; the table is safe then and what was kept stays readable.
    """
    check_parameters(plan.steps)
    with table_in_use(plan.station, runs=plan.runs) as table, ExitStack() as attending:
        attendant = None if attend is None else attending.enter_context(attend(table))
        stop = StopRequest(table.bench.clock)
        on_stop_request(stop)
        return run_on(table, plan, plan.queue(), listener, stop, attendant)


def run_on(
    table: Table,
    plan: Plan,
    queue: StepQueue,
    listener: NightListener,
    stop: StopRequest,
    attendant: Attendant | None = None,
) -> NightResult:
    """Run the waiting steps of a queue on a table that is open, as one run on disk.

    Raises `StoreError`; where the disk has no room for a run, before anything moves or is written.
    """
    bench, station = table.bench, table.bench.station
    began_at = station.clock.now()
    record_before = bench.record
    bench.known |= plan.known
    bench.earlier_runs = lambda: last_runs(plan.runs, plan.station.station.name, plan.station.backend.kind)
    if plan.resume is None:
        require_room(plan.runs, sum(_expected_s(queue, bench).values()))
        writer = _begun(plan, table)
    else:
        writer = _gone_on_with(plan.resume, table, queue)
    patient = PatientRecord(writer, lambda: free_bytes(writer.path))
    record: Journal = patient if attendant is None else ToldRecord(patient, attendant)
    outcome = Outcome(RunState.FAILED, "it was given up", "")
    has_begun = False
    try:
        bench.record = record
        _take_over(plan, queue, record)
        _keep_truth(table.link, record, writer.path)
        table.take_over(plan.runs)
        station.interlocks.start()
        expected_s = _expected_s(queue, bench)
        listener.night_began(writer.path, station, expected_s)
        if plan.resume is None:
            _tell_changed_limits(plan, bench, writer.run_id)
            _warn(queue, bench, listener)
        if attendant is not None:
            has_begun = True
            attendant.run_began(writer.run_id, plan.title, queue, stop)
        with run_told(writer.run_id, writer.path):
            outcome = _run(plan, queue, bench, record, writer, patient, listener, stop)
        writer.finish(outcome.state, outcome.reason, outcome.coverage)
    finally:
        bench.record = record_before
        _keep_truth(table.link, record, writer.path, ended=True)
        writer.close()
        if attendant is not None and has_begun:
            attendant.run_ended(outcome)
    return NightResult(writer.path, outcome, station.clock.now() - began_at)


def _begun(plan: Plan, table: Table) -> RunWriter:
    return RunWriter.create(plan.runs, _manifest(plan, table.bench.station))


def _gone_on_with(run: Path, table: Table, queue: StepQueue) -> RunWriter:
    """Open a run that was cut off; lab time goes on from where its data end."""
    clock = table.bench.clock
    writer = RunWriter.reopen(run)
    try:
        ended_at = writer.end_of_data()
        for sentence in take_up(queue, writer):
            writer.add_event(EventRecord(max(ended_at or 0.0, clock.now()), "info", "resume", sentence))
        if ended_at is not None and ended_at > clock.now():
            wait_out(clock, ended_at - clock.now())
    except BaseException:
        writer.close()
        raise
    return writer


def _take_over(plan: Plan, queue: StepQueue, record: Journal) -> None:
    """Enter the steps that are not done and why, and put the results of those that are kept into the record of this
    run, so that it is whole by itself."""
    for queued in queue.steps:
        if queued.step.name in plan.fresh or queued.step.name in plan.left_out:
            record.step(entry_of(queued))
    for result in plan.known.values():
        step = result.source.removesuffix(EARLIER)
        if step in plan.fresh:
            record.add_result(replace(result, source=f"{step}{EARLIER}"))


def _tell_changed_limits(plan: Plan, bench: Bench, run_id: str) -> None:
    """Enter into the record which limits are not those of the last run on this table."""
    earlier = last_runs(plan.runs, plan.station.station.name, plan.station.backend.kind)
    before = next((reader.manifest for reader in earlier if reader.run_id != run_id), None)
    with suppress(StoreError):  # a file that this version cannot read has no limits to compare
        if before is not None:
            for sentence in changed_limits(station_of(before), plan.station):
                text = f"{sentence} (Run {before.run_id}.)"
                bench.record.add_event(EventRecord(bench.clock.now(), "warning", "limits", text))


def _warn(queue: StepQueue, bench: Bench, listener: NightListener) -> None:
    """Say what may keep the night from going well."""
    waiting = queue.waiting
    warms_oven = any(queued.step.procedure == "warm_oven" for queued in waiting)
    for text in doubts(bench, sum(queued.expected_s for queued in waiting), warms_oven=warms_oven):
        bench.record.add_event(EventRecord(bench.clock.now(), "warning", "before the run", text))
        listener.warned(text)


def _run(
    plan: Plan,
    queue: StepQueue,
    bench: Bench,
    record: Journal,
    writer: RunWriter,
    room: Room,
    listener: NightListener,
    stop: StopRequest,
) -> Outcome:
    run = RecipeRun(
        queue,
        bench,
        record,
        listener,
        stop,
        leave_as_is=plan.leave_as_is,
        pause=plan.pause,
        budgets=plan.budgets,
        on_stall=plan.on_stall,
        room=room,
    )
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


def _keep_truth(link: Link, record: Journal, run: Path, *, ended: bool = False) -> None:
    """Keep what is true of a simulated table beside what is measured on it; that this fails costs nobody a night."""
    try:
        with reported("keep the truth of the simulated table", run):
            link.keep_truth(run, write_durably, ended=ended)
    except StoreError as error:
        with suppress(StoreError):  # the disk may be full: what is measured matters more
            record.add_event(EventRecord(link.clock.now(), "warning", "simulated table", str(error)))


def _expected_s(queue: StepQueue, bench: Bench) -> dict[str, float]:
    """Return the lab time of each waiting step by name, and note it in the queue."""
    for queued in queue.waiting:
        queued.expected_s = make_procedure(queued.step.procedure, queued.step.parameters, bench).expected_s()
    return {queued.step.name: queued.expected_s for queued in queue.waiting}


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
