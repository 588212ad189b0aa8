"""Tables on the terminal: instruments, runs, one run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from uncertainties import ufloat

from drivers.base import Driver
from labctl.commands.exit_codes import EXIT_FAILED
from labctl.commands.settings_now import ComparedSettings, compare_with_last_run, print_settings, settings_entry
from labctl.commands.stations import default_station
from labctl.configuration.fault_arguments import with_faults
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import load_station
from labctl.errors import LabError
from labctl.station.bring_up import ask_instruments, link_to
from labctl.station.opening import Answer
from labctl.station.table_hold import Intent, table_held
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepState

WIDTH_OF_FILES = 160  # columns where the output is no terminal


def _console() -> Console:
    console = Console(markup=False, emoji=False)  # titles and reasons may hold brackets
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES, markup=False, emoji=False)


def _table(first: str, *others: str, title: str | None = None) -> Table:
    """Return a table whose first column, the one that people copy, is never cut."""
    table = Table(title=title)
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other)
    return table


def list_instruments(
    station: Path | None, faults: Sequence[str] = (), runs: Path | None = None, as_json: bool = False
) -> int:
    """Print who answered, what was wrong where nobody did, and which settings are not as the last run left them; return
    the exit status."""
    file = with_faults(load_station(station or default_station()), faults)
    with table_held(file, Intent.LOOK):
        answers = ask_instruments(file, link_to(file))
        errors = {name: _errors_of(answer.driver) for name, answer in answers.items()}
        drivers = {name: answer.driver for name, answer in answers.items()}
        compared = compare_with_last_run(file, runs or file.station.runs, drivers)
        for driver in drivers.values():
            if driver is not None:
                driver.close()
    if as_json:
        typer.echo(json.dumps(_instruments_entry(file, answers, errors) | settings_entry(compared)))
    else:
        _print_instruments(file, answers, errors, compared)
    return EXIT_FAILED if any(answer.identity is None for answer in answers.values()) else 0


def _print_instruments(
    file: StationFile, answers: Mapping[str, Answer], errors: Mapping[str, str], compared: ComparedSettings
) -> None:
    columns = ("address", "model", "serial", "firmware", "answered in", "its errors", "differ")
    table = _table("instrument", *columns, title=file.station.name)
    problems = []
    for name, answer in answers.items():
        address = file.instruments[name].address
        if answer.identity is None:
            table.add_row(name, address, "[bold]NO ANSWER[/bold]", "", "", "", "", "")
            problems.append(str(answer.error))
        else:
            who = answer.identity
            latency = f"{1e3 * answer.latency_s:.1f} ms"
            count = compared.differing(name)
            table.add_row(name, address, who.model, who.serial, who.firmware, latency, errors[name], count)
    console = _console()
    console.print(table)
    for problem in problems:
        console.print(problem, markup=False, highlight=False, soft_wrap=True)
    print_settings(console, compared)


def _instruments_entry(file: StationFile, answers: Mapping[str, Answer], errors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "station": file.station.name,
        "instruments": [
            {
                "instrument": name,
                "address": file.instruments[name].address,
                "answers": answer.identity is not None,
                "identity": None if answer.identity is None else asdict(answer.identity),
                "latency_s": answer.latency_s,
                "errors": errors[name],
                "problem": "" if answer.error is None else str(answer.error),
            }
            for name, answer in answers.items()
        ],
    }


def _errors_of(driver: Driver | None) -> str:
    """Return what an instrument says is wrong with itself, "none" if nothing."""
    if driver is None:
        return ""
    try:
        found = driver.check_errors()
    except LabError as error:
        return str(error)
    return "; ".join(map(str, found)) or "none"


def print_runs(runs: Path) -> None:
    """Print the runs, newest first."""
    summaries = Catalogue(runs).list()
    console = _console()
    if not summaries:
        console.print(f"No runs in {runs}.", highlight=False)
        return
    table = _table("run", "created (UTC)", "state", "coverage", "station", "title")
    for run in summaries:
        table.add_row(run.run_id, run.created, str(run.state), run.coverage, run.station_name, run.title)
    console.print(table)


def print_run(ident: str, runs: Path) -> None:
    """Print how a run ended, its steps, its traces, the locks that it lost and its results."""
    run = RunReader(Catalogue(runs).find(ident))
    console = _console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"{run.run_id}: {run.state}, {run.coverage}")
    if run.reason:
        say(run.reason)
    say(f"{run.manifest.title}; {run.manifest.station_name}, {run.manifest.backend} {run.manifest.scenario}".rstrip())
    steps = _table("step", "try", "state", "from (s)", "to (s)", "reason")
    for step in run.steps():
        cut_off = run.state is RunState.CRASHED and step.state is StepState.RUNNING
        state = "cut off" if cut_off else str(step.state)
        begin, end = _seconds(step.started_at), _seconds(step.ended_at)
        steps.add_row(step.name, str(step.attempt), state, begin, end, step.reason)
    console.print(steps)
    traces = _table("trace", "shape", "unit", "valid", "step")
    for trace in run.traces():
        shape = " x ".join(map(str, trace.shape))
        valid = "yes" if trace.valid else f"NO: {trace.invalid_reason}"
        traces.add_row(trace.name, shape, trace.values_unit, valid, trace.step)
    console.print(traces)
    if lost := run.losses():
        losses = _table("lost lock", "at (s)", "cause", "what happened")
        for one in lost:
            losses.add_row(one.loss.loop, f"{one.loss.at:.1f}", str(one.cause.kind), one.cause.sentence)
        console.print(losses)
    results = _table("result", "value", "source")
    for name, result in sorted(run.results().items()):
        results.add_row(name, value_text(result.value, result.sigma, result.unit), result.source)
    console.print(results)


def value_text(value: float, sigma: float, unit: str) -> str:
    """Return a value and its uncertainty rounded to what the uncertainty says, such as "-3.757(17) dB"."""
    text = f"{ufloat(value, sigma):.2uS}" if sigma > 0 else f"{value:.9g}"
    return f"{text} {unit}".strip()


def _seconds(at: float | None) -> str:
    return "" if at is None else f"{at:.1f}"
