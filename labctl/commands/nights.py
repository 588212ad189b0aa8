"""`labctl overnight` and `labctl run`."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from labctl.commands.exit_codes import EXIT_FAILED, EXIT_STOPPED
from labctl.commands.night_display import NightDisplay, clock_text
from labctl.commands.night_planning import refuse_impossible, with_what_is_fresh, within
from labctl.commands.notifying import Notice, notify
from labctl.commands.stations import as_asked, default_station, files_of_sensors, text_of
from labctl.commands.traffic_options import LoggingDisplay, instruments_meant
from labctl.configuration.recipe_file import Recipe, Step
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe, load_station
from labctl.errors import ConfigurationError
from labctl.host.end_signals import end_signals, leave_terminal
from labctl.station.traffic import logged_traffic
from labctl.store.records import NamedResult, RunState
from procedures.catalogue import PROCEDURES, known_procedures, parameters_of
from procedures.execution import StopRequest, check_parameters
from procedures.night import Attendant, NightResult, Plan, Table, run_night
from procedures.resuming import recipe_of, station_of

log = logging.getLogger(__name__)

IN_PLACE_OF = {"lock_all": "lock_source"}  # what the recipe has in place of a procedure that it has not
HEADLINES = ("joint.raw_db", "joint.digital_db", "joint.rephased_db", "individual.mean_db", "source.squeezing_db")


@dataclass(frozen=True)
class NightOptions:
    """What was asked of a night on the command line; None is what the files say."""

    station: Path | None = None
    recipe: Path | None = None
    runs: Path | None = None
    seed: int | None = None
    scenario: str | None = None
    sensors: int | None = None
    report: bool = True
    faults: Sequence[str] = ()
    log_traffic: Sequence[str] = ()
    bus: bool = True
    resume: str | None = None
    until: str | None = None
    reuse: bool | None = None
    notify: str | None = None


def overnight_run(options: NightOptions) -> int:
    """Run a recipe, or go on with a run of one, and write its report; return the exit status."""
    plan = resumed_plan(options) if options.resume else planned_night(options)
    if options.notify:
        plan = replace(plan, on_stall=_notifier(options.notify, plan.runs))
    logged = instruments_meant(plan.station, options.log_traffic)
    return _run(plan, options.report, logged, options.bus, options.notify)


def planned_night(options: NightOptions) -> Plan:
    """Return the plan of a new night: without steps that are fresh, and those that there is no time for.

    Raises `ConfigurationError` that says what is wrong with files and options.
    """
    with files_of_sensors(options.sensors) as made:
        station_path = options.station or (made / "simulated.toml" if made else default_station())
        recipe_path = options.recipe or (made or template_directory()) / "overnight.toml"
        file = as_asked(load_station(station_path), options.seed, options.scenario, options.faults)
        loaded = load_recipe(recipe_path, known_procedures())
        plan = Plan(
            station=file,
            station_text=text_of(station_path, options.seed, options.scenario, options.faults),
            steps=loaded.expand(file.station.sensors),
            recipe_text=recipe_path.read_text(encoding="utf-8"),
            title=loaded.title,
            runs=options.runs or file.station.runs,
            pause=loaded.pause,
            budgets=loaded.budgets,
        )
    check_parameters(plan.steps)
    refuse_impossible(plan)
    plan = with_what_is_fresh(plan, options.reuse)
    return plan if options.until is None else within(plan, options.until)


def resumed_plan(options: NightOptions) -> Plan:
    """Return the plan of a run that is to be gone on with, as it was begun."""
    from labctl.store.catalogue import Catalogue
    from labctl.store.reader import RunReader

    assert options.resume is not None
    given = Path(options.resume)
    runs = options.runs or (given.parent if given.is_dir() else Path("runs"))
    path = given if given.is_dir() else Catalogue(runs).find(options.resume)
    manifest = RunReader(path).manifest
    if not manifest.recipe:
        raise ConfigurationError(f"{path.name} is not the run of a recipe.", remedy="Run its procedure again.")
    file, recipe = station_of(manifest), recipe_of(manifest)
    return Plan(
        station=file,
        station_text=manifest.station_file,
        steps=recipe.expand(file.station.sensors),
        recipe_text=manifest.recipe,
        title=manifest.title,
        runs=path.parent,
        pause=recipe.pause,
        budgets=recipe.budgets,
        resume=path,
    )


def single_run(
    procedure: str,
    parameters: Sequence[str],
    station: Path | None,
    runs: Path | None,
    seed: int | None,
    scenario: str | None,
    from_cold: bool | None,
    faults: Sequence[str] = (),
    *,
    log_traffic: Sequence[str] = (),
) -> int:
    """Run one procedure, after what it needs if the table is cold; return the exit status."""
    if procedure not in PROCEDURES:
        raise ConfigurationError(f"There is no procedure {procedure!r}.", remedy=f"There are {', '.join(PROCEDURES)}.")
    station_path = station or default_station()
    file = as_asked(load_station(station_path), seed, scenario, faults)
    values = _parameters(procedure, parameters)
    step = Step(procedure, procedure, None, (), 0, 24 * 3600.0, values)
    cold = isinstance(file.backend, SimulatedBackend) if from_cold is None else from_cold
    before: tuple[Step, ...] = ()
    if cold:
        recipe = load_recipe(template_directory() / "overnight.toml", known_procedures())
        before = _needed_by(recipe, file, procedure, values.get("sensor"))
    plan = Plan(
        station=file,
        station_text=text_of(station_path, seed, scenario, faults),
        steps=(*before, replace(step, needs=tuple(s.name for s in before))),
        recipe_text="",
        title=f"{procedure} {' '.join(parameters)}".strip(),
        runs=runs or file.station.runs,
        leave_as_is=True,
    )
    return _run(plan, report=False, logged=instruments_meant(file, log_traffic))


def _run(plan: Plan, report: bool, logged: Sequence[str], bus: bool = False, notify_by: str | None = None) -> int:
    console = Console(soft_wrap=True)
    with logged_traffic(logged) as logs:
        display = LoggingDisplay(console, logs)
        try:
            result = _run_watched(plan, display, bus)
        except Exception as error:
            _notify_end(console, notify_by, Notice("end", str(plan.resume or plan.runs), "failed", str(error)))
            raise
    for log in logs.values():
        if log.problem:
            console.print(log.problem, highlight=False, markup=False)
    _tell(console, display, result)
    outcome = result.outcome
    try:
        if report:
            from labctl.report.html import write_report

            console.print(f"Report: {write_report(result.run, figures=True)}", highlight=False)
    finally:
        text = f"Run {outcome.state}, {outcome.coverage}. {outcome.reason}".strip()
        _notify_end(console, notify_by, Notice("end", str(result.run), str(outcome.state), text))
    return {RunState.COMPLETE: 0, RunState.STOPPED: EXIT_STOPPED}.get(outcome.state, EXIT_FAILED)


def _notify_end(console: Console, command: str | None, notice: Notice) -> None:
    if command and (problem := notify(command, notice)):
        console.print(f"Nobody was told: {problem}.", highlight=False, markup=False)


def _notifier(command: str, runs: Path) -> Callable[[str], None]:
    def tell(why: str) -> None:
        if problem := notify(command, Notice("stall", str(runs), "running", why)):
            log.warning("nobody was told of the stall: %s", problem)

    return tell


def _run_watched(plan: Plan, display: NightDisplay, bus: bool) -> NightResult:
    try:
        return run_night(plan, display, _stop_on_signals, _attended(plan) if bus else None)
    finally:
        display.close()
        for number in end_signals():
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


def _attended(plan: Plan) -> Callable[[Table], AbstractContextManager[Attendant]]:
    from labctl.core.serving import on_the_bus

    return lambda table: on_the_bus(table, plan.runs)


def _tell(console: Console, display: NightDisplay, result: NightResult) -> None:
    from labctl.store.reader import RunReader

    outcome = result.outcome
    reason = f" Reason: {outcome.reason}" if outcome.reason else ""
    console.print(f"Run {outcome.state}, {outcome.coverage}.{reason}", highlight=False, markup=False)
    console.print(
        f"{result.lab_s / 3600:.2f} h of lab time in {clock_text(display.wall_s())} ({display.wall_s():.1f} s).",
        highlight=False,
    )
    results = RunReader(result.run).results()
    for name in HEADLINES:
        if name in results:
            console.print(f"  {name:<22} {_value(results[name])}", highlight=False)
    for problem in outcome.unsafe:
        console.print(f"NOT SAFE: {problem}", highlight=False, markup=False)
    if outcome.state is not RunState.COMPLETE:
        safe = "Look after the devices above" if outcome.unsafe else "The table was left safe"
        console.print(f"{safe}; the data are in the run's folder.", highlight=False)


def _value(result: NamedResult) -> str:
    return f"{result.value:+.3f} +- {result.sigma:.3f} {result.unit}"


def _stop_on_signals(stop: StopRequest) -> None:
    """Let the first Ctrl-C (or SIGTERM, or a terminal that closes) ask for a safe stop; the second aborts."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        leave_terminal(number)
        if stop.asked():
            raise KeyboardInterrupt
        stop.ask()
        print("\nStopping: the table is being made safe and the data are kept. Once more aborts.", flush=True)  # noqa: T201

    for number in end_signals():
        signal.signal(number, on_signal)


def _parameters(procedure: str, written: Sequence[str]) -> dict[str, float | int | str]:
    known = parameters_of(PROCEDURES[procedure])
    values: dict[str, float | int | str] = {}
    for item in written:
        name, equals, value = item.partition("=")
        if not equals or name not in known:
            raise ConfigurationError(
                f"{item!r} is no parameter of {procedure}.",
                remedy=f"Write NAME=VALUE with {', '.join(known) or 'no parameters at all'}.",
            )
        values[name] = _number(value)
    return values


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _needed_by(recipe: Recipe, file: StationFile, procedure: str, sensor: object) -> tuple[Step, ...]:
    """Return the steps of the recipe that come before `procedure` on a cold table, in their order."""
    steps = recipe.expand(file.station.sensors)
    by_name = {step.name: step for step in steps}
    place = IN_PLACE_OF.get(procedure, procedure)
    chosen = [s for s in steps if s.procedure == place and s.sensor in (None, sensor or 1)]
    if not chosen:
        return ()
    wanted: set[str] = set()
    pending = list(chosen[0].needs)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += by_name[name].needs
    return tuple(step for step in steps if step.name in wanted)
