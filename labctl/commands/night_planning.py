"""What a night will do, before it begins: steps that are fresh, steps that fit, and the plan as a table."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from rich.console import Console
from rich.table import Table

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import SimulatedBackend
from labctl.errors import ConfigurationError
from labctl.station.station import Station
from labctl.store.records import AskedSetting, StepRecord, StepState
from procedures.bench import MemoryRecord
from procedures.execution import StopRequest
from procedures.freshness import history_of, stale_steps
from procedures.night import Plan, table_in_use
from procedures.night_plan import fit_into, seconds_until
from procedures.overnight import RecipeRun
from procedures.planned_times import duration_text, impossible_times, planned_s


def refuse_impossible(plan: Plan) -> None:
    """Raise `ConfigurationError` with the arithmetic where a step cannot be done in the time that it has."""
    if faults := impossible_times(plan.steps, plan.station):
        raise ConfigurationError("\n".join(faults))


def with_what_is_fresh(plan: Plan, reuse: bool | None) -> Plan:
    """Return the plan without the steps that earlier runs have done well enough.

    A simulated table is switched on anew for every night, so nothing is taken over there unless `reuse` asks for it.
    """
    is_new = isinstance(plan.station.backend, SimulatedBackend)
    if reuse is False or (reuse is None and is_new):
        return plan
    history = history_of(plan.runs, plan.station.station.name, plan.station.backend.kind)
    stale = stale_steps(plan.steps, history, time.time())
    fresh = {step.name: f"done in {history.steps[step.name].run_id}" for step in plan.steps if step.name not in stale}
    return replace(plan, fresh=fresh, known=history.results)


def within(plan: Plan, until: str) -> Plan:
    """Return the plan with the steps of most value that fit into the time until a time of day."""
    speed = 1.0 if isinstance(plan.station.backend, SimulatedBackend) else plan.station.backend.speed
    available_s = speed * seconds_until(until, datetime.now())
    steps = [step for step in plan.steps if step.name not in plan.fresh]
    return replace(plan, left_out=fit_into(steps, planned_s(steps, plan.station), available_s).left_out)


def print_stale(plan: Plan) -> int:
    """Print what tonight must do and why; return how many steps with a shelf life are stale."""
    history = history_of(plan.runs, plan.station.station.name, plan.station.backend.kind)
    stale = stale_steps(plan.steps, history, time.time())
    table = Table(title="What tonight must do again")
    for heading in ("step", "why"):
        table.add_column(heading)
    kept = [step for step in plan.steps if step.fresh_s is not None]
    for step in kept:
        if step.name in stale:
            table.add_row(step.name, stale[step.name])
    console = Console(soft_wrap=True)
    count = table.row_count
    if count:
        console.print(table)
    console.print(f"{count} of {len(kept)} calibrations and measurements are stale.", highlight=False)
    return count


def print_plan(plan: Plan, rehearse: bool) -> None:
    """Print the steps with their times, and, where asked, what a rehearsal on the simulated table writes to the
    instruments."""
    expected_s = planned_s(plan.steps, plan.station)
    writes = _rehearsed(plan) if rehearse else {}
    table = Table(title=f"{plan.title}: nothing is sent to the instruments")
    for heading in ("after", "step", "takes", "needs", "settings that it writes" if rehearse else "remark"):
        table.add_column(
            heading, justify="right" if heading in ("after", "takes") else "left", no_wrap=heading in ("after", "step")
        )
    at_s = 0.0
    for step in plan.steps:
        why = plan.fresh.get(step.name) or plan.left_out.get(step.name)
        if why is not None:
            table.add_row("", step.name, "", "", why)
            continue
        table.add_row(
            _clock(at_s),
            step.name,
            duration_text(expected_s[step.name]),
            ", ".join(_grouped(step.needs)),
            "; ".join(writes.get(step.name, [])) if rehearse else "",
        )
        at_s += expected_s[step.name]
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"Together about {duration_text(at_s)}.", highlight=False)


def _grouped(names: Sequence[str]) -> list[str]:
    """Return names with steps of all sensors as one: lock_homodyne.1 to 4."""
    stems: dict[str, list[str]] = {}
    for name in names:
        stem, _, number = name.rpartition(".")
        stems.setdefault(stem if stem and number.isdigit() else name, []).append(number)
    return [
        stem if numbers == [stem] else f"{stem}.{numbers[0]}" + (f" to {numbers[-1]}" if len(numbers) > 1 else "")
        for stem, numbers in stems.items()
    ]


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02}"


@dataclass
class _Writes:
    """What drivers were asked to set, by step: how often, and between which values."""

    step: str = ""
    seen: dict[str, dict[str, list[object]]] = field(default_factory=lambda: defaultdict(dict))

    def note(self, instrument: str, setting: str, value: object) -> None:
        self.seen[self.step].setdefault(f"{instrument}.{setting}", []).append(value)

    def step_began(self, step: Step, attempt: int) -> None:
        self.step = step.name

    def step_progressed(self, step: Step, fraction: float) -> None:
        pass

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        self.step = ""

    def lines(self) -> dict[str, list[str]]:
        return {
            step: [f"{name} {_span(values)}" for name, values in settings.items()]
            for step, settings in self.seen.items()
        }


def _span(values: list[object]) -> str:
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values) or not numbers:
        different = list(dict.fromkeys(map(str, values)))
        return ", ".join(different[:3]) + (" ..." if len(different) > 3 else "")
    low, high = min(numbers), max(numbers)
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g} ({len(numbers)} times)"


def _rehearsed(plan: Plan) -> dict[str, list[str]]:
    """Return what the steps of a plan write on the simulated table, by step."""
    from labctl.commands.stations import on_simulated_table

    file = on_simulated_table(plan.station, None, None)
    writes = _Writes()
    with table_in_use(file) as table, _overheard(table.bench.station, writes.note):
        bench = table.bench
        bench.known |= plan.known
        record = _Rehearsal()
        bench.record = record
        stop = StopRequest(bench.clock)
        RecipeRun(plan.queue(), bench, record, writes, stop, pause=plan.pause, budgets=plan.budgets).run()
    return writes.lines()


@dataclass
class _Rehearsal(MemoryRecord):
    """A record of what is only rehearsed."""

    def step(self, record: StepRecord) -> None:
        pass

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        pass


@contextmanager
def _overheard(station: Station, note: Callable[[str, str, object], None]) -> Iterator[None]:
    """Tell `note` of every setting that a driver is asked for, in the block."""
    before = {name: station.driver(name).on_setting for name in station.file.instruments}

    def heard(name: str) -> Callable[[str, object], None]:
        kept = before[name]

        def hear(setting: str, value: object) -> None:
            if kept is not None:
                kept(setting, value)
            note(name, setting, value)

        return hear

    for name in before:
        station.driver(name).on_setting = heard(name)
    try:
        yield
    finally:
        for name, kept in before.items():
            station.driver(name).on_setting = kept
