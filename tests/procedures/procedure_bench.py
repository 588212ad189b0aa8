"""A bench on a simulated table that is warm and locked, for tests of single procedures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ideal_table import OpenTable, open_table, station_at
from many_sensors import station_for

from labctl.configuration.recipe_file import Step
from labctl.store.records import StepState
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest, execute

SHIPPED = 4  # sensors


@dataclass
class Ran:
    """What a procedure left behind."""

    record: MemoryRecord
    rows: list[dict[str, float]]
    progress: list[float]


@dataclass
class Quiet:
    """A listener that keeps the progress of a step."""

    progress: list[float] = field(default_factory=list)

    def step_began(self, step: Step, attempt: int) -> None:
        pass

    def step_progressed(self, step: Step, fraction: float) -> None:
        self.progress.append(fraction)

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        pass


@dataclass
class LockedTable:
    """One table on the wire, its loops acquired; each procedure gets a record of its own."""

    opened: OpenTable
    bench: Bench

    @classmethod
    def make(cls, seed: int = 5, scenario: str = "delays", sensors: int = SHIPPED) -> LockedTable:
        """Lock a table; two sensors come up in half the time of the four of the shipped one."""
        opened = open_table(station_at(seed, scenario) if sensors == SHIPPED else station_for(sensors, seed, scenario))
        table = cls(opened, Bench.of(opened.station, MemoryRecord()))
        table.lock_all()
        return table

    def lock_all(self) -> None:
        """Open every beam and lock what is not locked."""
        for shutter in self.opened.station.shutters.values():
            shutter.open()
        self.bench.supervisor.bring_up([loop.name for loop in self.bench.loops.homodyne], self.bench.clock.sleep)

    def fresh_bench(self) -> Bench:
        """Return the bench with an empty record."""
        return Bench(self.opened.station, MemoryRecord(), self.bench.loops, self.bench.supervisor)

    def run(self, procedure: type[LabProcedure], bench: Bench | None = None, **parameters: object) -> Ran:
        """Run a procedure to its end as pymeasure's worker would, and return what it left."""
        bench = bench or self.fresh_bench()
        bound = procedure.bind(bench)()
        bound.set_parameters(parameters)
        ran = Ran(bench.record, [], [])  # type: ignore[arg-type]
        takers = {"results": ran.rows.append, "progress": ran.progress.append}
        bound.should_stop = lambda: False
        bound.emit = lambda topic, what: takers[topic](what)
        try:
            bound.startup()
            bound.execute()
        finally:
            bound.shutdown()
        assert not bound.was_stopped
        return ran

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let `act` happen once, `seconds` of lab time from now."""
        registration = self.bench.clock.every(seconds, lambda: (act(), registration.cancel()), "test")

    def step(self, procedure: str, time_limit: float = 3600.0, **parameters: object) -> Callable[[StopRequest], None]:
        """Return a call that runs one step of a recipe on a fresh bench; its record is `last`."""
        step = Step("step", procedure, None, (), 0, time_limit, parameters)  # type: ignore[arg-type]
        bench = self.fresh_bench()
        self.last: MemoryRecord = bench.record  # type: ignore[assignment]
        return lambda stop: execute(step, bench, stop, Quiet())
