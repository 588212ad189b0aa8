"""Seven days of lab time, locked: does anything grow, leak, or come too late?

One process, as a core that nobody leaves: a simulated table is warmed and locked, then supervised for a week as fast as
it goes, with knocks and losses, the core on its bus, and a spectrum of the sum to a run every hour. After every hour of
lab time: resident memory, open file handles, threads, objects of Python; and of every periodic task how late each run
began, in lab time: beyond one period after the run before it began, so that a run that takes long counts as well; and
how long it took (wall time). For `locks` a run is one look at every supervised loop. While the table is brought up,
acquisitions have the line of time for up to seconds; that is printed and nothing is asked of it.

Asked: less than 20 MB more resident memory than after two hours, no more handles and threads than then, and of every
task the 99.9th percentile of lateness and of duration below its period. Ends with 1 where that is not so.

Run: python tests/benchmarks/soak_week.py [--hours 168] [--sensors 4] [--no-bus] [--quiet] [--profile FILE]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import sys
import tempfile
import threading
import time
import traceback
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import copy_templates
from labctl.configuration.toml_reading import load_recipe, load_station
from labctl.core.core import Core
from labctl.core.serving import _Quiet, on_the_bus
from labctl.locks.states import LockState
from labctl.simulation.output_limits import excesses
from labctl.station.clock import Registration, SimulatedClock
from labctl.store.records import RunState
from procedures.catalogue import known_procedures
from procedures.execution import StopRequest
from procedures.night import Plan, Table, run_on, table_in_use

HOUR_S = 3600.0
WARM_UP_H = 2
MOST_GROWTH_MB = 20.0
MOST_MORE_HANDLES, MOST_MORE_THREADS = 2, 0  # SQLite and sockets come and go
PERCENTILE = 99.9
BINS_S = np.geomspace(1e-6, 1e3, 451)  # of histograms of times: 5 % wide
DEEPEST = 7  # functions that are named of those that wait
MOST_NAMED = 4  # of those that made a task late
SOAK_S = 600.0
AVERAGES = 100
SPECTRUM_EVERY_H = 1
DISTURBANCES = """disturbances = [
    { kind = "kicks", every = "2 h", after = "1 h" },
    { kind = "door_slam", every = "12 h", after = "1 h" },
    { kind = "power_drop", share = 0.8, lasting = "60 s", every = "12 h", after = "1 h" },
    { kind = "mode_hop", jump = "300 MHz", every = "24 h", after = "1 h" },
    { kind = "cavity_drift", after = "1 h", per_minute = "0.05 nm" },
]
"""


@dataclass
class Task:
    """What one periodic task did: in this hour, in all (histograms), and at its worst hour (percentile in s)."""

    name: str
    period_s: float
    late_s: array[float] = field(default_factory=lambda: array("d"))
    took_s: array[float] = field(default_factory=lambda: array("d"))
    late: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS_S.size - 1, dtype=np.int64))
    took: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS_S.size - 1, dtype=np.int64))
    runs: int = 0
    worst_late_s: float = 0.0
    latest_s: float = 0.0
    longest_s: float = 0.0
    held_up: dict[str, list[float]] = field(default_factory=dict)

    def note_late(self, late_s: float) -> None:
        """Note how late a run begins and, where a whole period was missed, who had the line of time before."""
        self.late_s.append(max(0.0, late_s))
        if late_s >= self.period_s:
            self.held_up.setdefault(_who_waits(), []).append(late_s)

    def end_hour(self) -> None:
        """Take the percentiles of the hour, and forget its runs."""
        if self.late_s:
            self.runs += len(self.late_s)
            self.worst_late_s = max(self.worst_late_s, float(np.percentile(self.late_s, PERCENTILE)))
            self.late += np.histogram(np.clip(self.late_s, BINS_S[0], BINS_S[-1]), BINS_S)[0]
            self.took += np.histogram(np.clip(self.took_s, BINS_S[0], BINS_S[-1]), BINS_S)[0]
            self.latest_s, self.longest_s = max(self.latest_s, *self.late_s), max(self.longest_s, *self.took_s)
            del self.late_s[:], self.took_s[:]

    def begin(self) -> None:
        """Forget all that was: the week begins."""
        self.end_hour()
        self.late[:], self.took[:] = 0, 0
        self.runs, self.worst_late_s, self.latest_s, self.longest_s = 0, 0.0, 0.0, 0.0
        self.held_up.clear()

    @property
    def is_late(self) -> bool:
        """Return whether it is not on time."""
        return max(percentile_s(self.late), percentile_s(self.took)) >= self.period_s


def _who_waits() -> str:
    """Return the functions of this program that wait now, outermost first: tasks run while somebody sleeps."""
    frames = [
        frame for frame in traceback.extract_stack() if "/procedures/" in frame.filename or "/labctl/" in frame.filename
    ]
    named = [f"{Path(frame.filename).stem}.{frame.name}" for frame in frames]
    return " > ".join(named[-DEEPEST:]) or "nobody"


def percentile_s(counts: NDArray[np.int64]) -> float:
    """Return the 99.9th percentile of a histogram over `BINS_S`, in s: the upper edge of the bin that has it."""
    share = np.cumsum(counts) / max(int(counts.sum()), 1)
    return float(BINS_S[1 + int(np.searchsorted(share, PERCENTILE / 100.0))]) if counts.any() else 0.0


@contextmanager
def timed_tasks() -> Iterator[dict[str, Task]]:
    """Time every periodic task that simulated clocks run, by name, for the block."""
    tasks: dict[str, Task] = {}
    every = SimulatedClock.every

    def timed(self: SimulatedClock, period_s: float, task: Callable[[], None], name: str) -> Registration:
        kept = tasks.setdefault(name, Task(name, period_s))
        due_at = self.now() + period_s

        def run() -> None:
            nonlocal due_at
            began_at, began = self.now(), time.perf_counter()
            kept.note_late(began_at - due_at)
            try:
                task()
            finally:
                kept.took_s.append(time.perf_counter() - began)
                # From its own beginning: a run that takes long itself makes the next one late too.
                due_at = began_at + registration.period_s

        registration = every(self, period_s, run, name)
        return registration

    SimulatedClock.every = timed  # type: ignore[method-assign]
    try:
        yield tasks
    finally:
        SimulatedClock.every = every  # type: ignore[method-assign]


@dataclass(frozen=True)
class Reading:
    """The process after one hour of lab time; wall and CPU time of that hour in s."""

    hour: int
    resident_mb: float
    handles: int
    threads: int
    objects: int
    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls, hour: int, wall_s: float, cpu_s: float) -> Reading:
        """Return what the process has now, garbage collected."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        resident_mb = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        handles = len(list(Path("/proc/self/fd").iterdir()))
        return cls(hour, resident_mb, handles, threading.active_count(), len(gc.get_objects()), wall_s, cpu_s)

    def __str__(self) -> str:
        return (
            f"{self.hour:5d} h  {self.resident_mb:8.2f} MB  {self.handles:4d} handles  {self.threads:3d} threads  "
            f"{self.objects:8d} objects  {self.wall_s:6.1f} s wall  {self.cpu_s:6.1f} s CPU"
        )


class Week:
    """A table that is locked and stays so."""

    def __init__(self, table: Table, file: StationFile, text: str, folder: Path, core: Core | None) -> None:
        self._table, self._file, self._text, self._core = table, file, text, core
        self._runs = folder / "runs"
        recipe = load_recipe(folder / "files" / "overnight.toml", known_procedures())
        self._steps = {step.name: step for step in recipe.expand(file.station.sensors)}
        self.problems: list[str] = []
        self.stalls = 0
        self.spectra = 0

    def lock(self) -> None:
        """Warm the table up and lock every loop."""
        warm = self._steps["warm_oven"]
        steps = [replace(warm, parameters={**warm.parameters, "soak": SOAK_S}), self._steps["lock_source"]]
        steps += [step for step in self._steps.values() if step.procedure == "lock_homodyne"]
        if not self._run(steps, "bring up"):
            raise SystemExit(f"The table was not locked: {'; '.join(self.problems)}")

    def spectrum(self, hour: int) -> None:
        """Keep a spectrum of the sum as a run of its own."""
        step = self._steps["joint_analyzer"]
        self.spectra += self._run([replace(step, parameters={**step.parameters, "averages": AVERAGES})], f"hour {hour}")

    def hour(self) -> None:
        """Let an hour of lab time pass, and ask anew for loops that gave up."""
        clock, supervisor = self._table.bench.clock, self._table.bench.supervisor
        end = clock.now() + HOUR_S
        while clock.now() < end:
            clock.sleep(min(60.0, end - clock.now()))
            lost = [m.name for m in supervisor.machines.values() if m.state in (LockState.STALLED, LockState.FAULT)]
            if lost:
                self.stalls += 1
                supervisor.request(lost)

    def _run(self, steps: list[Step], title: str) -> bool:
        steps = [replace(step, needs=()) for step in steps]
        plan = Plan(self._file, self._text, tuple(steps), "", title, self._runs, leave_as_is=True)
        clock = self._table.bench.clock
        done = run_on(self._table, plan, plan.queue(), _Quiet(), StopRequest(clock), self._core)
        if done.outcome.state is not RunState.COMPLETE:
            self.problems.append(f"{title} ended {done.outcome.state}: {done.outcome.reason}")
        return done.outcome.state is RunState.COMPLETE


def files_of(folder: Path, sensors: int, quiet: bool) -> tuple[StationFile, str]:
    """Return the station of the week, and its text."""
    copy_templates(folder / "files", sensors)
    path = folder / "files" / "simulated.toml"
    text = path.read_text(encoding="utf-8") + ("" if quiet else DISTURBANCES) + "\n[bus]\nport = 0\n"
    path.write_text(text, encoding="utf-8")
    return load_station(path), text


def soak(asked: argparse.Namespace, folder: Path) -> int:
    """Live through the week; return the exit status."""
    file, text = files_of(folder, asked.sensors, asked.quiet)
    readings: list[Reading] = []
    profile = cProfile.Profile() if asked.profile else None
    with timed_tasks() as tasks, table_in_use(file) as table:
        bus: Any = on_the_bus(table, folder / "runs") if asked.bus else _nobody()
        with bus as core:
            week = Week(table, file, text, folder, core)
            week.lock()
            print(f"While it was locked: {_latest(tasks)}", flush=True)  # noqa: T201
            for task in tasks.values():
                task.begin()
            for hour in range(1, asked.hours + 1):
                wall, cpu = time.perf_counter(), time.process_time()
                if hour % SPECTRUM_EVERY_H == 0:
                    week.spectrum(hour)
                if profile is not None and hour == asked.hours:
                    profile.enable()
                week.hour()
                if profile is not None:
                    profile.disable()
                for task in tasks.values():
                    task.end_hour()
                readings.append(Reading.now(hour, time.perf_counter() - wall, time.process_time() - cpu))
                print(readings[-1], flush=True)  # noqa: T201
            losses = len(table.bench.supervisor.losses)
            simulation = table.link.simulation
            beyond = [] if simulation is None else excesses(simulation.outputs, file)
    if profile is not None:
        profile.dump_stats(asked.profile)
    print(f"\n{week.spectra} spectra, {losses} losses, {week.stalls} stalls.")  # noqa: T201
    for problem in [*week.problems, *beyond]:
        print(problem)  # noqa: T201
    wrong = [*judged(readings), *beyond, *_told(tasks)]
    print("\n".join(wrong) or "Nothing grows, and everything is on time.")  # noqa: T201
    return 1 if wrong else 0


def _latest(tasks: dict[str, Task]) -> str:
    """Return which task came latest so far, which nothing is asked of yet."""
    latest = max(tasks.values(), key=lambda task: max(task.late_s, default=0.0))
    share = np.percentile(latest.late_s, PERCENTILE) if latest.late_s else 0.0
    return f"{latest.name} up to {max(latest.late_s, default=0.0):.2f} s late, 99.9th percentile {share:.2f} s."


@contextmanager
def _nobody() -> Iterator[None]:
    yield None


def _told(tasks: dict[str, Task]) -> list[str]:
    """Print what every task did, and return what is wrong with it."""
    heading = "task: period, runs; late by: 99.9th percentile, that of the worst hour, the most; took: percentile, most"
    print(f"\n{heading}")  # noqa: T201
    for task in tasks.values():
        late = f"{percentile_s(task.late):.3f} s, {task.worst_late_s:.3f} s, {task.latest_s:.3f} s"
        took = f"{1e3 * percentile_s(task.took):.2f} ms, {1e3 * task.longest_s:.2f} ms"
        print(f"{task.name}: {task.period_s:g} s, {task.runs}; {late}; {took}")  # noqa: T201
        for who, times in sorted(task.held_up.items(), key=lambda one: -len(one[1]))[:MOST_NAMED]:
            print(f"    {len(times)} times by a period or more, at most {max(times):.2f} s: {who}")  # noqa: T201
    return [f"{task.name} is not on time." for task in tasks.values() if task.is_late]


def judged(readings: list[Reading]) -> list[str]:
    """Return what grew since the warm-up."""
    after = [reading for reading in readings if reading.hour >= WARM_UP_H]
    if len(after) < 2:
        return ["It was too short to say anything."]
    first, wrong = after[0], []
    growth_mb = max(reading.resident_mb for reading in after) - first.resident_mb
    slope_mb = float(np.polyfit([r.hour for r in after], [r.resident_mb for r in after], 1)[0])
    print(f"Memory: {growth_mb:+.2f} MB at most since hour {first.hour}, {slope_mb:+.4f} MB/h.")  # noqa: T201
    if growth_mb >= MOST_GROWTH_MB:
        wrong.append(f"Memory grew by {growth_mb:.1f} MB; {MOST_GROWTH_MB:g} MB are allowed.")
    if max(reading.handles for reading in after) - first.handles > MOST_MORE_HANDLES:
        wrong.append(f"Open file handles grew from {first.handles} to {max(r.handles for r in after)}.")
    if max(reading.threads for reading in after) - first.threads > MOST_MORE_THREADS:
        wrong.append(f"Threads grew from {first.threads} to {max(r.threads for r in after)}.")
    return wrong


def main() -> int:
    """Soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=168, help="of lab time, once the table is locked")
    parser.add_argument("--sensors", type=int, default=4)
    parser.add_argument("--no-bus", dest="bus", action="store_false")
    parser.add_argument("--quiet", action="store_true", help="nothing disturbs the table")
    parser.add_argument("--profile", help="where to write a profile of the last hour")
    with tempfile.TemporaryDirectory(prefix="soak-week-") as made:
        return soak(parser.parse_args(), Path(made))


if __name__ == "__main__":
    sys.exit(main())
