"""`labctl doctor`: what would spoil a night, in one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labctl.configuration.toml_reading import load_station
from labctl.doctor import clocks, earlier, environment, instruments, places, ports
from labctl.doctor.findings import Check, Finding, Patient, Verdict, examine, worst
from labctl.logs import log_folder

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red"}
WIDTH_OF_FILES = 100  # columns where the output is no terminal


def all_checks() -> list[Check]:
    """Return every check, in the order in which they are told."""
    groups = (environment, places, clocks, ports, instruments, earlier)
    return [check for group in groups for check in group.checks()]


def print_findings(station: Path | None, runs: Path | None, as_json: bool) -> int:
    """Look at this machine, and at a station if one is named; print what was found and return the exit status."""
    file = None if station is None else load_station(station)
    folder = runs or (Path("runs") if file is None else file.station.runs)
    findings = list(examine(Patient(folder, file), all_checks()))
    if as_json:
        typer.echo(
            json.dumps({"status": worst(findings), "log": str(log_folder()), "findings": [asdict(f) for f in findings]})
        )
    else:
        console = Console()
        _print(console if console.is_terminal else Console(width=WIDTH_OF_FILES), findings)
    return worst(findings)


def _print(console: Console, findings: Sequence[Finding]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("check", no_wrap=True, max_width=32)
    table.add_column("", no_wrap=True, width=7)
    table.add_column("what was found, and what to do", overflow="fold")
    group = ""
    for one in findings:
        if one.group != group:
            group = one.group
            table.add_row(f"[bold]{escape(group)}[/bold]", "", "")
        text = escape(one.text) + (f"\n[italic]> {escape(one.remedy)}[/italic]" if one.remedy else "")
        table.add_row(f"  {escape(one.check)}", f"[{COLOURS[one.verdict]}]{one.verdict}[/]", text)
    console.print(table, highlight=False)
    counts = [sum(one.verdict is verdict for one in findings) for verdict in (Verdict.FAULT, Verdict.WARNING)]
    console.print(
        f"{_count(counts[0], 'fault')}, {_count(counts[1], 'warning')} in {len(findings)} findings.", highlight=False
    )


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
