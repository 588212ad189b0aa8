"""Nights in which everything goes wrong at random: does each end truthfully, within its limits, and without a loss?

Every night is a process (`chaos_core.py`: labctl, its true outputs written down, its wall clock settable) on the same
simulated table, with what `chaos_plan.py` draws from the seed of the night: faults of instruments of every kind,
disturbances, kill -9 at random moments and `--resume`, a clock that jumps, a disk that becomes full and has room later
(a small tmpfs; as root only), and in some nights a screen on the bus that is killed. Pulled networks are the faults
`dropped` and `power_cycle`, and the screen. A simulated table ends with its process, so no watchdog looks on.

Asked of each: an end that says complete, stopped or failed; complete only with every step that is not optional done,
and results those of a quiet night; else a reason that names what was done to it or what hangs on that; no true output
beyond a limit of the station file, before and after each kill; no acknowledged trace and no finished step lost.

Run: python tests/benchmarks/chaos_nights.py --nights 30 [--seed 1] [--jobs 2] [--sensors 2] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos_causes import explained
from chaos_plan import SHORT_NIGHT, WHOLE_NIGHT, ChaosPlan, drawn_plan
from kill_nights import FEWEST_SIGMAS_APART, OnDisk, files_of_a_short_night, sigmas_apart

from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import copy_templates
from labctl.configuration.toml_reading import load_recipe, load_station
from labctl.errors import LabError
from labctl.simulation.output_limits import excesses
from labctl.simulation.output_record import Output
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepRecord, StepState
from procedures.catalogue import known_procedures

CORE = Path(__file__).with_name("chaos_core.py")
TABLE_SEED = 7  # of the table, the same in all nights: results can be compared
LONGEST_NIGHT_S = 900.0  # of wall time, a process
LOOK_S = 0.1  # of wall time, between two looks at how far a night is
USER_TICKS, SYSTEM_TICKS = 11, 12  # fields of /proc/PID/stat behind the name
SMALL_DISK_MB = 1300  # a night asks for 1.1 GB before it begins; memory is taken only while it is full
FIRST_PORT = 5200
SCREEN_AT = 0.1  # share of a quiet night after which a screen is attached
SCREEN_LIVES = 0.3
DEFECT = 70
DISK_WORDS = frozenset({"disk", "full", "full:", "disk:"})
ENDED = (RunState.COMPLETE, RunState.FAILED, RunState.STOPPED)
AFTER_THE_END = "after the end"
REPORT = "report.html"
UNNOTICED = ("corrupt", "late")  # kinds that may change a number without anybody's fault
RUN_FILES = "2*/manifest.json"


@dataclass
class Night:
    """What came of one night: `wrong` is empty for a good one."""

    plan: ChaosPlan
    state: str = ""
    reason: str = ""
    wall_s: float = 0.0
    kills: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    chi2: float = 0.0
    numbers: int = 0


@dataclass(frozen=True)
class Ground:
    """What all nights share: station and recipe, and a quiet night with the CPU time in s that it took."""

    station: Path
    recipe: Path
    file: StationFile
    folder: Path
    quiet: OnDisk
    quiet_s: float


class Core:
    """The processes of one night, one after another."""

    def __init__(
        self, folder: Path, runs: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._folder, self.runs, self._arguments = folder, runs, list(arguments)
        self._environment = {**os.environ, **(environment or {})}
        self._count = 0
        self._spent_s: dict[int, float] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.jump = folder / "jump"

    def start(self) -> None:
        """Start the night, or go on with it where it has a run."""
        run = self.run()
        what = self._arguments if run is None else ["--resume", str(run), self._arguments[-1]]
        self._count += 1
        outputs, said = self._folder / f"outputs{self._count}.jsonl", self._folder / f"said{self._count}.txt"
        command = [sys.executable, str(CORE), str(outputs), str(self.jump), "overnight", *what]
        with said.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=self._environment)

    def run(self) -> Path | None:
        """Return the folder of the run, once there is one."""
        found = sorted(self.runs.glob(RUN_FILES))
        return found[0].parent if found else None

    def spent_s(self) -> float:
        """Return the CPU time that all processes of the night took: how far it is, however busy the machine is."""
        if self.process is not None:
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
                ticks = int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])
                self._spent_s[self._count] = ticks / os.sysconf("SC_CLK_TCK")
        return sum(self._spent_s.values())

    def ended_before_spending(self, cpu_s: float) -> bool:
        """Wait until the night has taken so much CPU time, and return whether it ended before."""
        began = time.monotonic()
        while self.spent_s() < cpu_s:
            if self.ended(LOOK_S) or time.monotonic() - began > LONGEST_NIGHT_S:
                return True
        return False

    def ended(self, within_s: float) -> bool:
        """Wait for the end of the process, and return whether it has come."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, within_s))
        return self.process.poll() is not None

    def end(self) -> None:
        """Kill the process where it has not ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ended_before(self) -> bool:
        """Return whether the run has its end, whatever becomes of the process."""
        run = self.run()
        return run is not None and RunReader(run).end is not None

    def said(self) -> str:
        """Return what all processes printed."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self._folder.glob("said*.txt")))

    def outputs(self) -> Iterator[dict[str, Output]]:
        """Return the true outputs under each process: every one has a table of its own."""
        for path in sorted(self._folder.glob("outputs*.jsonl")):
            record = {}
            for line in path.read_text("utf-8").splitlines():
                with suppress(ValueError):  # the last one may be torn
                    content = json.loads(line)
                    name = content.pop("name")
                    record[name] = Output(**content)
            yield record


@contextmanager
def disk_for(plan: ChaosPlan, folder: Path) -> Iterator[Path]:
    """Yield where the runs go: a small disk of their own where it is to become full."""
    runs = folder / "runs"
    runs.mkdir(parents=True)
    if plan.disk_full is None or os.geteuid() != 0:
        yield runs
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "tmpfs", str(runs)], check=True)
    try:
        yield runs
    finally:
        kept = folder / "kept"
        with suppress(OSError, shutil.Error):
            shutil.copytree(runs, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("filler"))
        subprocess.run(["umount", "-l", str(runs)], check=False)


def fill(runs: Path) -> None:
    """Leave no room on the disk of `runs`."""
    with suppress(OSError), (runs / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    if file.write(bytes(size)) < size:
                        break


def night_of(plan: ChaosPlan, ground: Ground) -> Night:
    """Live through one night and judge it."""
    began = time.monotonic()
    night = Night(plan)
    folder = ground.folder / f"night{plan.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    station = ground.station.with_name(f"night{plan.seed}.toml")  # beside the file that it extends
    text = ground.station.read_text(encoding="utf-8") + plan.backend_text()
    if plan.screen:
        text += f"\n[bus]\nport = {FIRST_PORT + plan.seed % 1000}\n"
    station.write_text(text, encoding="utf-8")
    with disk_for(plan, folder) as runs:
        arguments = [str(station), "--recipe", str(ground.recipe), "--seed", str(TABLE_SEED), "--runs", str(runs)]
        arguments += ["--bus" if plan.screen else "--no-bus"]
        core = Core(folder, runs, arguments)
        acknowledged: list[OnDisk] = []
        try:
            _live(plan, ground, core, runs, night, acknowledged)
            judge(night, core, ground.file, ground.recipe, acknowledged, ground.quiet)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            night.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            core.end()
    night.wall_s = time.monotonic() - began
    return night


def _live(plan: ChaosPlan, ground: Ground, core: Core, runs: Path, night: Night, acknowledged: list[OnDisk]) -> None:
    """Start the night, and let happen at its moment what its plan has."""
    screens: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        assert core.process is not None
        core.process.kill()
        core.process.wait()
        run = core.run()
        found = None if run is None else OnDisk.of(run)
        night.kills.append("before the run" if found is None else found.running or "between steps")
        if found is not None:
            acknowledged.append(found)
        if core.ended_before():
            night.kills[-1] = AFTER_THE_END
            return
        (runs / "filler").unlink(missing_ok=True)  # who goes on with it makes room first
        core.start()

    unit_s = ground.quiet_s
    moments: list[tuple[float, Callable[[], object]]] = [(share * unit_s, kill) for share in plan.kills]
    if plan.clock_jump is not None:
        at, seconds = plan.clock_jump
        moments.append((at * unit_s, lambda: core.jump.write_text(f"{seconds:.1f}", encoding="ascii")))
    if plan.disk_full is not None and runs.is_mount():
        at, lasting = plan.disk_full
        moments.append((at * unit_s, lambda: fill(runs)))
        moments.append(((at + lasting) * unit_s, lambda: (runs / "filler").unlink(missing_ok=True)))
    if plan.screen:
        moments.append((SCREEN_AT * unit_s, lambda: screens.append(_screen(plan))))
        moments.append(((SCREEN_AT + SCREEN_LIVES) * unit_s, lambda: end_all(screens)))
    core.start()
    try:
        for at, happen in sorted(moments, key=lambda one: one[0]):
            if core.ended_before_spending(at):
                break
            happen()
        (runs / "filler").unlink(missing_ok=True)
        if not core.ended(LONGEST_NIGHT_S):
            night.wrong.append(f"it did not end within {LONGEST_NIGHT_S:g} s of wall time")
    finally:
        end_all(screens)


def end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill processes, and wait until they are gone."""
    for process in processes:
        process.kill()
        process.wait()


def _screen(plan: ChaosPlan) -> subprocess.Popen[bytes]:
    address = f"127.0.0.1:{FIRST_PORT + plan.seed % 1000}"
    return subprocess.Popen(
        [sys.executable, "-m", "labctl", "dashboard", "--connect", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )


# ---- judging --------------------------------------------------------------------------------------------------------


def judge(
    night: Night, core: Core, file: StationFile, recipe: Path, acknowledged: Sequence[OnDisk], quiet: OnDisk | None
) -> None:
    """Note all that is wrong with a night; its results are compared with those of a quiet one, if given."""
    needed = needed_steps(recipe, file)
    for record in core.outputs():
        night.wrong += excesses(record, file)
    said, run = core.said(), core.run()
    assert core.process is not None
    status = core.process.returncode
    if "Traceback" in said or status == DEFECT:
        night.wrong.append(f"it ended with a defect: {said[-300:]}")
    if run is None:
        night.state, night.reason = "not begun", " ".join(said.split())[-300:]
        night.wrong += truthful(night.plan, night.reason)
        return
    reader = RunReader(run)
    night.state, night.reason = str(reader.state), reader.reason
    after = OnDisk.of(run)
    night.wrong += lost(acknowledged, after)
    if reader.state not in ENDED:
        night.wrong.append(f"it has no end: {reader.state}; it said {' '.join(said.split())[-300:]}")
        return
    is_complete = reader.state is RunState.COMPLETE
    if AFTER_THE_END not in night.kills:
        if (status == 0) is not is_complete:
            night.wrong.append(f"it is {reader.state} and ended with {status}")
        if not (run / REPORT).is_file() and night.plan.disk_full is None:
            night.wrong.append("it has no report")
    if is_complete:
        night.wrong += undone(reader, needed)
        if quiet is not None and not night.plan.changes_results:
            _compare(night, after, quiet)
    else:
        night.wrong += truthful(night.plan, night.reason)
        night.wrong += unexplained(night.plan, reader.steps(), needed, bool(night.kills))


def truthful(plan: ChaosPlan, reason: str) -> list[str]:
    """Return what is wrong with the reason for an end that is not complete: it names nothing that was done to the
    night."""
    if not reason.strip():
        return ["it ended without a reason"]
    if explained(plan.causes, reason) or _is_about_the_disk(plan, reason):
        return []
    return [f"its reason names nothing that was done to it: {reason[:300]}"]


def unexplained(plan: ChaosPlan, steps: Sequence[StepRecord], needed: Sequence[str], was_killed: bool) -> list[str]:
    """Return the steps that a night needs, that failed, and whose reason names nothing that had begun by then.

    The table of a resumed night is another one, whose faults come again: there the moment says nothing.
    """
    last = {step.name: step for step in steps}
    found = []
    for step in last.values():
        if step.name not in needed or step.state is not StepState.FAILED:
            continue
        reason = f"{step.name}: {step.reason}"
        at_s = None if was_killed else step.ended_at
        if not explained(plan.causes, reason, at_s) and not _is_about_the_disk(plan, reason):
            found.append(f"a step failed for nothing that was done to it: {reason[:300]}")
    return found


def _is_about_the_disk(plan: ChaosPlan, reason: str) -> bool:
    return plan.disk_full is not None and any(word in reason.lower().split() for word in DISK_WORDS)


def lost(acknowledged: Sequence[OnDisk], after: OnDisk) -> list[str]:
    """Return what was on the disk at a kill and is not there any more."""
    found = []
    for before in acknowledged:
        traces = [name for number, name in before.traces.items() if after.traces.get(number) != name]
        steps = [name for name in before.done if name not in after.done]
        found += [f"traces lost: {', '.join(traces)}"] if traces else []
        found += [f"steps no longer done: {', '.join(steps)}"] if steps else []
    return found


def needed_steps(recipe: Path, file: StationFile) -> list[str]:
    """Return the names of the steps without which a night is not complete."""
    steps = load_recipe(recipe, known_procedures()).expand(file.station.sensors)
    return [step.name for step in steps if not step.is_optional]


def undone(reader: RunReader, needed: Sequence[str]) -> list[str]:
    """Return what a night that says complete has not done."""
    done = {step.name for step in reader.steps() if step.state is StepState.DONE}
    missing = [name for name in needed if name not in done]
    return [f"it says complete without {', '.join(missing)}"] if missing else []


def _compare(night: Night, after: OnDisk, quiet: OnDisk) -> None:
    unnoticed = any(fault.kind in UNNOTICED for fault in night.plan.faults)
    for name, apart in sigmas_apart(after, quiet):
        night.chi2, night.numbers = night.chi2 + apart**2, night.numbers + 1
        if abs(apart) > FEWEST_SIGMAS_APART and not unnoticed:
            night.wrong.append(f"{name} is {apart:+.1f} sigma from that of the quiet night")


# ---- all nights -----------------------------------------------------------------------------------------------------


def prepared(folder: Path, sensors: int, short: bool = False) -> Ground:
    """Make the files and run a quiet night."""
    station, recipe = folder / "files" / "simulated.toml", folder / "files" / "overnight.toml"
    if station.is_file():
        pass  # kept from before, with its quiet night
    elif short:
        files_of_a_short_night(folder / "files", sensors)
    else:
        copy_templates(folder / "files", sensors)
    own, took = folder / "files" / "own", folder / "files" / "quiet_cpu_s"
    own.mkdir(exist_ok=True)
    arguments = [str(station), "--recipe", str(recipe), "--seed", str(TABLE_SEED)]
    core = Core(own, folder / "quiet", [*arguments, "--runs", str(folder / "quiet"), "--no-bus"])
    if not took.is_file():
        core.start()
        core.ended_before_spending(math.inf)
        took.write_text(str(core.spent_s()), encoding="ascii")
    quiet_s = float(took.read_text(encoding="ascii"))
    run, file = core.run(), load_station(station)
    if run is None or RunReader(run).state is not RunState.COMPLETE:
        raise SystemExit(f"The quiet night is not complete: {core.said()[-1000:]}")
    if found := [text for record in core.outputs() for text in excesses(record, file)]:
        raise SystemExit("The quiet night: " + " ".join(found))
    return Ground(station, recipe, file, folder, OnDisk.of(run), quiet_s)


def table(nights: Sequence[Night], quiet_s: float) -> str:
    """Return what came of it: a line for each night, what was wrong, and a sum."""
    lines = [f"A quiet night takes {quiet_s:.1f} s of CPU time.", ""]
    for night in nights:
        told = f"chi2/n {night.chi2 / night.numbers:.2f} of {night.numbers}" if night.numbers else night.reason[:120]
        lines.append(f"{night.plan.seed:4d} {night.state:9s} {night.wall_s:5.0f} s  {night.plan}")
        lines.append(f"     {told}" + (f"; killed in {', '.join(night.kills)}" if night.kills else ""))
        lines += [f"     WRONG: {text}" for text in dict.fromkeys(night.wrong)]
    states = sorted({night.state for night in nights})
    counted = ", ".join(f"{sum(night.state == state for night in nights)} {state}" for state in states)
    numbers, chi2 = sum(night.numbers for night in nights), sum(night.chi2 for night in nights)
    kills = sum(len(night.kills) for night in nights)
    good = sum(not night.wrong for night in nights)
    lines += ["", f"{counted}; {kills} kills; chi2 per number {chi2 / max(numbers, 1):.2f} over {numbers} results."]
    lines.append(f"{good} of {len(nights)} nights with nothing wrong.")
    return "\n".join(lines)


def _served_nights(seeds: Sequence[int], folder: Path) -> int:
    from chaos_served import served_night

    nights = []
    for seed in seeds:
        shutil.rmtree(folder / f"served{seed}", ignore_errors=True)
        nights.append(served_night(seed, folder / f"served{seed}"))
        print(f"{seed}: {nights[-1].state}, {nights[-1].wall_s:.0f} s, {nights[-1].wrong or 'well'}", file=sys.stderr)  # noqa: T201
    print(table(nights, 0.0))  # noqa: T201
    return 1 if any(night.wrong for night in nights) else 0


def main() -> int:
    """Live through them; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the first night; the others follow")
    parser.add_argument("--seeds", type=int, nargs="+", help="these nights in place of --nights and --seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sensors", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where they are kept, with the quiet night for others")
    parser.add_argument("--served", type=int, default=0, help="only so many short ones, on a table of another process")
    parser.add_argument("--short", action="store_true", help="nights of few averages that do not warm up: to try it")
    parser.add_argument("--plans", action="store_true", help="only print what would happen")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-nights-") as made:
        folder = Path(made) if asked.keep is None else asked.keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if asked.served:
            return _served_nights(range(asked.seed, asked.seed + asked.served), folder)
        seeds = asked.seeds or range(asked.seed, asked.seed + asked.nights)
        shutil.rmtree(folder / "plan", ignore_errors=True)
        copy_templates(folder / "plan", asked.sensors)
        file = load_station(folder / "plan" / "simulated.toml")
        span = SHORT_NIGHT if asked.short else WHOLE_NIGHT
        plans = [drawn_plan(seed, file, span) for seed in seeds]
        if asked.plans:
            print("\n".join(f"{plan.seed:4d} {plan}" for plan in plans))  # noqa: T201
            return 0
        ground = prepared(folder, asked.sensors, asked.short)

        def one(plan: ChaosPlan) -> Night:
            night = night_of(plan, ground)
            print(f"{plan.seed}: {night.state}, {night.wall_s:.0f} s, {night.wrong or 'well'}", file=sys.stderr)  # noqa: T201
            return night

        with ThreadPoolExecutor(asked.jobs) as pool:
            nights = list(pool.map(one, plans))
    print(table(nights, ground.quiet_s))  # noqa: T201
    return 1 if any(night.wrong for night in nights) else 0


if __name__ == "__main__":
    sys.exit(main())
