"""What all procedures share: a bench, named results, waiting that can be stopped, and leases given back whatever
happens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from pymeasure.experiment import Procedure

from labctl.errors import ConfigurationError, Stopped
from labctl.locks.loop import Loop
from labctl.spectra.estimate import Estimate
from labctl.store.records import EventLevel, EventRecord, NamedResult
from procedures.bench import Bench
from procedures.gates import require_plausible

LONGEST_WAIT_S = 1.0  # how long a stop may go unnoticed


class LabProcedure(Procedure):  # type: ignore[misc]
    """A pymeasure Procedure on a bench.

    Subclasses implement `measure` and name the roles that they need alone in `roles`.     `bind` gives a class that
    carries a bench, so that pymeasure's own windows and workers can run it.
    """

    bench: ClassVar[Bench | None] = None
    roles: ClassVar[Sequence[str]] = ()
    title: ClassVar[str] = ""
    step: str = ""
    prepares: ClassVar[bool] = False  # brings the table into a state, and is done again where that was left
    runs_while_paused: ClassVar[bool] = False  # conditions of a recipe that keep others from measuring do not stop it

    @classmethod
    def bind(cls, bench: Bench) -> type[LabProcedure]:
        """Return a subclass of the same name that works on `bench`."""
        return type(cls.__name__, (cls,), {"bench": bench, "__module__": cls.__module__, "__doc__": cls.__doc__})

    def measure(self) -> None:
        """Do the work."""
        raise NotImplementedError

    def expected_s(self) -> float:
        """Return how long it will take with these parameters, in s of lab time; an estimate for plans and displays."""
        return 30.0

    def startup(self) -> None:
        """Take the leases.

        Raises `LeaseError` when somebody else uses a role.
        """
        self.was_stopped = False
        self._leases = ExitStack()
        self._leases.enter_context(self.on_bench.station.leases.hold(self.roles, self.step_name))

    def execute(self) -> None:
        """Measure; a stop ends it early and is remembered in `was_stopped`."""
        try:
            self.measure()
        except Stopped:
            self.was_stopped = True

    def shutdown(self) -> None:
        """Give the leases back."""
        leases = getattr(self, "_leases", None)
        if leases is not None:
            leases.close()

    @property
    def on_bench(self) -> Bench:
        """Return the bench.

        Raises `ConfigurationError` when the class was never bound to one.
        """
        if self.bench is None:
            raise ConfigurationError(f"{type(self).__name__} has no station.", remedy="Bind it to a bench first.")
        return self.bench

    @property
    def step_name(self) -> str:
        """Return the name of the step that results and events carry."""
        return self.step or type(self).__name__

    def wait(self, seconds: float) -> None:
        """Wait in lab time.

        Raises `Stopped` soon after the operator asked to stop.
        """
        clock = self.on_bench.clock
        end = clock.now() + seconds
        while (left := end - clock.now()) > 1e-9:
            self.check_stop()
            clock.sleep(min(left, LONGEST_WAIT_S))
        self.check_stop()

    def check_stop(self) -> None:
        """Raise `Stopped` if the operator asked to stop."""
        if self.should_stop():
            raise Stopped(f"{self.step_name} was stopped.")

    def progress(self, fraction: float) -> None:
        """Tell how far the procedure is, from 0 to 1."""
        self.emit("progress", 100.0 * min(max(fraction, 0.0), 1.0))

    def row(self, **values: Any) -> None:
        """Emit one row of scalars; keywords are the columns' names with spaces and units left out."""
        columns = {column.split(" (")[0].replace(" ", "_").lower(): column for column in self.DATA_COLUMNS}
        self.emit("results", {columns[key]: float(value) for key, value in values.items()})

    def event(self, level: EventLevel, text: str) -> None:
        """Write an event into the record."""
        bench = self.on_bench
        bench.record.add_event(EventRecord(bench.clock.now(), level, self.step_name, text))

    def keep(self, name: str, estimate: Estimate, *, unit: str | None = None, convention: str | None = None) -> None:
        """Keep a named result with its uncertainty, unit and convention.

        Raises `GateRefused` where physics does not allow it: what was known before then still holds.
        """
        require_plausible(name, estimate, self.on_bench.station.file, self.on_bench.results)
        self.on_bench.record.add_result(
            NamedResult(
                name,
                estimate.value,
                estimate.sigma,
                estimate.unit if unit is None else unit,
                estimate.convention if convention is None else convention,
                self.step_name,
            )
        )

    def let_pump_in(self) -> None:
        """Open the pump shutter: a board that was switched off and on let it fall shut."""
        pump = self.on_bench.station.shutters.get("pump")
        if pump is not None:
            pump.open()

    def ensure_locked(self, loops: Sequence[Loop]) -> None:
        """Wait until the loops, and those that they need, are locked; lock those that are not.

        Raises `LockError` when one cannot be locked.
        """
        supervisor = self.on_bench.supervisor
        names = supervisor.with_needs(loop.name for loop in loops)
        if not all(supervisor.machines[name].is_locked for name in names):
            self.let_pump_in()
        supervisor.bring_up(names, self.wait)
