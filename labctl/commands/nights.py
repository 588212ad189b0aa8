"""`labctl overnight` and `labctl run`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from labctl.commands.exit_codes import EXIT_FAILED, EXIT_STOPPED
from labctl.commands.night_display import NightDisplay, clock_text
from labctl.commands.stations import as_asked, default_station, text_of
from labctl.commands.traffic_options import LoggingDisplay, instruments_meant
from labctl.configuration.recipe_file import Recipe, Step
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe, load_station
from labctl.errors import ConfigurationError
from labctl.station.traffic import logged_traffic
from labctl.store.records import NamedResult, RunState
from procedures.catalogue import PROCEDURES, known_procedures, parameters_of
from procedures.night import Attendant, NightResult, Plan, Table, run_night
from procedures.overnight import StopRequest

IN_PLACE_OF = {"lock_all": "lock_source"}  # what the recipe has in place of a procedure that it has not
HEADLINES = ("joint.raw_db", "joint.digital_db", "joint.rephased_db", "individual.mean_db", "source.squeezing_db")


def overnight_run(
    station: Path | None,
    recipe: Path | None,
    runs: Path | None,
    seed: int | None,
    scenario: str | None,
    report: bool,
    faults: Sequence[str] = (),
    *,
    log_traffic: Sequence[str] = (),
    bus: bool = True,
) -> int:
    """Run a recipe, seen and commanded over the `bus` if asked, and write its report; return the exit status."""
    station_path = station or default_station()
    recipe_path = recipe or template_directory() / "overnight.toml"
    file = as_asked(load_station(station_path), seed, scenario, faults)
    loaded = load_recipe(recipe_path, known_procedures())
    plan = Plan(
        station=file,
        station_text=text_of(station_path, seed, scenario, faults),
        steps=loaded.expand(file.station.sensors),
        recipe_text=recipe_path.read_text(encoding="utf-8"),
        title=loaded.title,
        runs=runs or file.station.runs,
    )
    return _run(plan, report, instruments_meant(file, log_traffic), bus)


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


def _run(plan: Plan, report: bool, logged: Sequence[str], bus: bool = False) -> int:
    console = Console(soft_wrap=True)
    with logged_traffic(logged) as logs:
        display = LoggingDisplay(console, logs)
        result = _run_watched(plan, display, bus)
    for log in logs.values():
        if log.problem:
            console.print(log.problem, highlight=False, markup=False)
    _tell(console, display, result)
    if report:
        from labctl.report.html import write_report

        console.print(f"Report: {write_report(result.run, figures=True)}", highlight=False)
    return {RunState.COMPLETE: 0, RunState.STOPPED: EXIT_STOPPED}.get(result.outcome.state, EXIT_FAILED)


def _run_watched(plan: Plan, display: NightDisplay, bus: bool) -> NightResult:
    try:
        return run_night(plan, display, _stop_on_signals, _attended(plan) if bus else None)
    finally:
        display.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
    """Let the first Ctrl-C (or SIGTERM) ask for a safe stop; the second aborts."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.asked():
            raise KeyboardInterrupt
        stop.ask()
        print("\nStopping: the table is being made safe and the data are kept. Once more aborts.", flush=True)  # noqa: T201

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)


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
