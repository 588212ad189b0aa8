"""What a procedure works on: a station, its loops, the clock, and the record of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from labctl.bus.spectra import Curve, LiveSpectrum
from labctl.errors import MissingResult
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.locks.causes import explain
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.locked_time import LoopTime
from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.losses import Evidence
from labctl.locks.states import LockState
from labctl.locks.supervisor import Supervisor
from labctl.station.clock import Clock
from labctl.station.station import Station
from labctl.store.losses import LossRecord
from labctl.store.records import DoubtfulTrace, EventLevel, EventRecord, NamedResult, TraceRecord
from labctl.store.rows import LOCKS
from procedures.kept_records import JointRecords, ModeSpectrum

GIVEN_UP: Final = (LockState.STALLED, LockState.FAULT)


class Findings(Protocol):
    """What was measured so far; a run on disk is one, also after it ended."""

    def results(self) -> dict[str, NamedResult]:
        """Return the results so far."""
        ...

    def trace(self, name: str) -> TraceRecord:
        """Return the latest valid trace of that name. Raises `MissingResult` where there is none."""
        ...


class Record(Findings, Protocol):
    """Where traces, results and events go; a run on disk is one."""

    def add_trace(self, trace: TraceRecord) -> int:
        """Keep a trace and return its number; it is safe when this returns."""
        ...

    def add_result(self, result: NamedResult) -> None:
        """Keep a result; a later one of the same name replaces it."""
        ...

    def add_event(self, event: EventRecord) -> None:
        """Keep an event."""
        ...

    def add_loss(self, loss: LossRecord) -> None:
        """Keep a lost lock."""
        ...


@dataclass
class MemoryRecord:
    """A record that lives as long as the process: for a procedure that runs outside a run."""

    traces: list[TraceRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    named: dict[str, NamedResult] = field(default_factory=dict)
    losses: list[LossRecord] = field(default_factory=list)
    loop_times: list[LoopTime] = field(default_factory=list)

    def add_trace(self, trace: TraceRecord) -> int:
        """Keep a trace."""
        self.traces.append(trace)
        return len(self.traces)

    def add_result(self, result: NamedResult) -> None:
        """Keep a result."""
        self.named[result.name] = result

    def add_event(self, event: EventRecord) -> None:
        """Keep an event."""
        self.events.append(event)

    def add_loss(self, loss: LossRecord) -> None:
        """Keep a lost lock."""
        self.losses.append(loss)

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Keep how long each loop was locked."""
        self.loop_times = list(times)

    def results(self) -> dict[str, NamedResult]:
        """Return the results so far."""
        return dict(self.named)

    def trace(self, name: str) -> TraceRecord:
        """Return the latest valid trace of that name. Raises `MissingResult` where there is none."""
        for trace in reversed(self.traces):
            if trace.valid and trace.name == name:
                return trace
        raise MissingResult(f"There is no valid trace {name} yet.", remedy="Run the step that takes it first.")

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them."""
        doubtful = [
            index
            for index, trace in enumerate(self.traces)
            if trace.valid
            and trace.ended_at >= since
            and trace.started_at <= until
            and loop in str(trace.conventions.get(LOCKS, "")).split()
        ]
        for index in doubtful:
            self.traces[index] = replace(self.traces[index], valid=False, invalid_reason=reason)
        found = [self.traces[index] for index in doubtful]
        return [DoubtfulTrace(trace.step, trace.name, trace.started_at) for trace in found]


@dataclass
class Bench:
    """A station with its loops and who looks after them, and where to put what is measured."""

    station: Station
    record: Record
    loops: Loops
    supervisor: Supervisor
    on_spectrum: Callable[[LiveSpectrum], None] | None = None  # who is shown what is being measured
    shows_sweeps: bool = False  # whether a sweep is read while it goes on, for who looks
    on_curve: Callable[[Curve], None] | None = None  # who is shown data with their fit
    known: dict[str, NamedResult] = field(default_factory=dict)  # of earlier runs on this table
    earlier_runs: Callable[[], Iterable[Findings]] = tuple  # on this table, the latest first
    left_out: frozenset[int] = frozenset()  # sensors that do not work tonight, for a step that spares them
    shot_and_dark: tuple[CrossSpectrum, CrossSpectrum] | None = None  # to which live spectra are shown
    joint_records: JointRecords | None = None  # the latest of the network as it is
    mode_spectra: dict[int, ModeSpectrum] = field(default_factory=dict)  # the latest of each sensor
    _were_locked: set[str] = field(default_factory=set)  # loops that an interlock saw locked

    def __post_init__(self) -> None:
        self.station.before_safe.append(self._stop_locking)
        self.station.interlocks.hold_locks.append(self._hold_locks)
        self.station.interlocks.loop_state = self._is_as_it_should_be
        self.supervisor.tell, self.supervisor.on_loss = self._tell, self._keep_loss

    @classmethod
    def of(cls, station: Station, record: Record) -> Bench:
        """Return a bench with the loops of `station`."""
        loops = build_loops(station)
        return cls(station, record, loops, build_supervisor(station, loops))

    @property
    def clock(self) -> Clock:
        """Return the clock of the station."""
        return self.station.clock

    def sensors_in_use(self) -> list[int]:
        """Return the numbers of the sensors that are not left out, in their order."""
        return [number for number in range(1, len(self.loops.homodyne) + 1) if number not in self.left_out]

    def homodyne_in_use(self) -> list[HomodyneLock]:
        """Return the homodyne loops of the sensors that are not left out, in the order of their sensors."""
        return [self.loops.of_sensor(number) for number in self.sensors_in_use()]

    def renew_loops(self) -> None:
        """Build the loops anew: their servos and monitors were bound to an instrument that was away. What is locked
        goes on; what was asked for is asked for again."""
        before = self.supervisor
        remembered = before.remembered()
        before.stop("An instrument was away.")
        self.loops = build_loops(self.station)
        self.supervisor = build_supervisor(self.station, self.loops)
        self.supervisor.tell, self.supervisor.on_loss = before.tell, before.on_loss
        self.supervisor.locked_time, self.supervisor.losses = before.locked_time, before.losses
        self.supervisor.take_over(remembered)

    def _tell(self, level: EventLevel, loop: str, text: str) -> None:
        self.record.add_event(EventRecord(self.clock.now(), level, loop, text))

    def _keep_loss(self, evidence: Evidence) -> None:
        needs = {name: loop.needs for name, loop in self.station.file.loops.items()}
        cause = explain(evidence, needs)
        self._tell("warning", evidence.loss.loop, cause.sentence)
        self.record.add_loss(LossRecord(evidence, cause))

    def _stop_locking(self) -> None:
        self.supervisor.stop("The table was made safe.")

    def _hold_locks(self, why: str) -> None:
        self.supervisor.hold(self.supervisor.machines, why)

    def _is_as_it_should_be(self, loop: str) -> bool:
        """Return False for a loop that is wanted, was locked and is no more, or that has given up."""
        machine = self.supervisor.machines[loop]
        if machine.is_locked:
            self._were_locked.add(loop)
        elif not machine.wanted or machine.parked:
            self._were_locked.discard(loop)
        else:
            return loop not in self._were_locked and machine.state not in GIVEN_UP
        return True

    def results(self) -> dict[str, NamedResult]:
        """Return the latest result of every name: of this run, else of an earlier one."""
        return self.known | self.record.results()

    def result(self, name: str) -> NamedResult:
        """Return an earlier result. Raises `MissingResult` where there is none."""
        found = self.results().get(name)
        if found is None:
            raise MissingResult(f"There is no result {name} yet.", remedy="Run the step that measures it first.")
        return found
