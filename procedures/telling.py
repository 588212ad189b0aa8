"""What a table in use and a run can tell to the log and to a crash report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labctl import last_words, logs
from labctl.station.asking import who_asks
from labctl.store.reader import RunReader

if TYPE_CHECKING:
    from procedures.bench import Bench

MOST_EVENTS: Final = 100


@contextmanager
def table_told(bench: Bench) -> Iterator[None]:
    """Have the log know lab time and who asks, and a crash report the loops, while a table is in use."""
    last_words.table_opened()
    logs.surroundings.who = who_asks
    with logs.in_run("", bench.clock.now), last_words.offered("loops", lambda: _loops(bench)):
        yield


@contextmanager
def run_told(run_id: str, folder: Path) -> Iterator[None]:
    """Have the log know which run this is, and a crash report its last events."""
    with logs.in_run(run_id), last_words.offered("run", lambda: _events(folder)):
        yield


def _loops(bench: Bench) -> str:
    return "\n".join(
        f"{name}: {machine.state}, wanted: {machine.wanted}. {machine.why} {machine.parked}".rstrip()
        for name, machine in bench.supervisor.machines.items()
    )


def _events(folder: Path) -> str:
    run = RunReader(folder)
    steps = [f"step {step.name}, try {step.attempt}: {step.state} {step.reason}".rstrip() for step in run.steps()]
    events = [f"{one.at:.3f} s {one.level} {one.source}: {one.text}" for one in run.events()[-MOST_EVENTS:]]
    return "\n".join([str(folder), *steps, *events])
