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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos_plan import SHORT_NIGHT, WHOLE_NIGHT, ChaosPlan, drawn_plan
from kill_nights import FEWEST_SIGMAS_APART, NOT_MEASURED, OnDisk, files_of_a_short_night

from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import copy_templates
from labctl.configuration.toml_reading import load_recipe, load_station
from labctl.errors import LabError
from labctl.simulation.output_limits import excesses
from labctl.simulation.output_record import Output
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepState
from procedures.catalogue import known_procedures

CORE = Path(__file__).with_name("chaos_core.py")
TABLE_SEED = 7  # of the table, the same in all nights: results can be compared
LONGEST_NIGHT_S = 900.0  # of wall time, a process
SMALL_DISK_MB = 700  # a night asks for 570 MB before it begins; memory is taken only while it is full
FIRST_PORT = 5200
SCREEN_AT = 0.1  # share of a quiet night after which a screen is attached
SCREEN_LIVES = 0.3
DEFECT = 70
DISK_WORDS = frozenset({"disk", "full", "space", "room"})
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
    """What all nights share: station and recipe, and a quiet night with the wall time in s that it took."""

    station: Path
    recipe: Path
    file: StationFile
    folder: Path
    quiet: OnDisk
    quiet_s: float
    pace: float  # how much slower a night is beside others


class Core:
    """The processes of one night, one after another."""

    def __init__(self, folder: Path, runs: Path, arguments: Sequence[str]) -> None:
        self._folder, self._runs, self._arguments = folder, runs, list(arguments)
        self._count = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.jump = folder / "jump"

    def start(self) -> None:
        """Start the night, or go on with it where it has a run."""
        run = self.run()
        what = self._arguments if run is None else ["--resume", str(run), *self._arguments[-self._shared() :]]
        self._count += 1
        outputs, said = self._folder / f"outputs{self._count}.jsonl", self._folder / f"said{self._count}.txt"
        command = [sys.executable, str(CORE), str(outputs), str(self.jump), "overnight", *what]
        with said.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def _shared(self) -> int:
        """Return how many of the last arguments are those of a resumed night too."""
        return 1 if "--no-bus" not in self._arguments else 2

    def run(self) -> Path | None:
        """Return the folder of the run, once there is one."""
        found = sorted(self._runs.glob(RUN_FILES))
        return found[0].parent if found else None

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
    folder.mkdir()
    station = ground.station.with_name(f"night{plan.seed}.toml")  # beside the file that it extends
    text = ground.station.read_text(encoding="utf-8") + plan.backend_text()
    if plan.screen:
        text += f"\n[bus]\nport = {FIRST_PORT + plan.seed % 1000}\n"
    station.write_text(text, encoding="utf-8")
    with disk_for(plan, folder) as runs:
        arguments = [str(station), "--recipe", str(ground.recipe), "--seed", str(TABLE_SEED), "--runs", str(runs)]
        arguments += ["--no-report"] if plan.screen else ["--no-bus", "--no-report"]
        core = Core(folder, runs, arguments)
        acknowledged: list[OnDisk] = []
        try:
            _live(plan, ground, core, runs, night, acknowledged)
            _judge(night, core, ground, acknowledged)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            night.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            if core.process is not None and core.process.poll() is None:
                core.process.kill()
                core.process.wait()
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
        if run is None or RunReader(run).end is None:
            core.start()

    unit_s = ground.quiet_s * ground.pace
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
        moments.append(((SCREEN_AT + SCREEN_LIVES) * unit_s, lambda: [screen.kill() for screen in screens]))
    began = time.monotonic()
    core.start()
    try:
        for at, happen in sorted(moments, key=lambda one: one[0]):
            if _ended(core, began + at - time.monotonic()):
                break
            happen()
        (runs / "filler").unlink(missing_ok=True)
        if not _ended(core, LONGEST_NIGHT_S):
            night.wrong.append(f"it did not end within {LONGEST_NIGHT_S:g} s of wall time")
    finally:
        for screen in screens:
            screen.kill()
            screen.wait()


def _ended(core: Core, within_s: float) -> bool:
    assert core.process is not None
    with suppress(subprocess.TimeoutExpired):
        core.process.wait(max(0.0, within_s))
    return core.process.poll() is not None


def _screen(plan: ChaosPlan) -> subprocess.Popen[bytes]:
    address = f"127.0.0.1:{FIRST_PORT + plan.seed % 1000}"
    return subprocess.Popen(
        [sys.executable, "-m", "labctl", "dashboard", "--connect", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )


# ---- judging --------------------------------------------------------------------------------------------------------


def _judge(night: Night, core: Core, ground: Ground, acknowledged: Sequence[OnDisk]) -> None:
    for record in core.outputs():
        night.wrong += excesses(record, ground.file)
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
    if reader.state is RunState.COMPLETE:
        night.wrong += [] if status == 0 else [f"it is complete and ended with {status}"]
        night.wrong += undone(reader, ground)
        if not night.plan.changes_results:
            _compare(night, after, ground.quiet)
    elif reader.state in (RunState.FAILED, RunState.STOPPED):
        failed = [step.reason for step in reader.steps() if step.state in (StepState.FAILED, StepState.STOPPED)]
        night.wrong += truthful(night.plan, " ".join([night.reason, *failed]))
        night.wrong += [] if status else ["it is not complete and ended with 0"]
    else:
        night.wrong.append(f"it has no end: {reader.state}; it said {' '.join(said.split())[-300:]}")


def truthful(plan: ChaosPlan, reason: str) -> list[str]:
    """Return what is wrong with the reason for an end that is not complete: it names nothing that was done to the
    night."""
    words = plan.words | (DISK_WORDS if plan.disk_full is not None else frozenset())
    if not reason.strip():
        return ["it ended without a reason"]
    if any(word.lower() in reason.lower() for word in words):
        return []
    return [f"its reason names nothing that was done to it: {reason[:300]}"]


def lost(acknowledged: Sequence[OnDisk], after: OnDisk) -> list[str]:
    """Return what was on the disk at a kill and is not there any more."""
    found = []
    for before in acknowledged:
        traces = [name for number, name in before.traces.items() if after.traces.get(number) != name]
        steps = [name for name in before.done if name not in after.done]
        found += [f"traces lost: {', '.join(traces)}"] if traces else []
        found += [f"steps no longer done: {', '.join(steps)}"] if steps else []
    return found


def undone(reader: RunReader, ground: Ground) -> list[str]:
    """Return the steps without which a night is not complete, and which are not done."""
    recipe = load_recipe(ground.recipe, known_procedures())
    done = {step.name for step in reader.steps() if step.state is StepState.DONE}
    missing = [step.name for step in recipe.expand(ground.file.station.sensors) if not step.is_optional]
    missing = [name for name in missing if name not in done]
    return [f"it says complete without {', '.join(missing)}"] if missing else []


def _compare(night: Night, after: OnDisk, quiet: OnDisk) -> None:
    unnoticed = any(fault.kind in UNNOTICED for fault in night.plan.faults)
    for name, mine in after.results.items():
        theirs = quiet.results.get(name)
        if theirs is None or NOT_MEASURED.match(name):
            continue
        sigma = math.hypot(mine.sigma, theirs.sigma)
        if sigma <= 0.0:
            continue
        apart = (mine.value - theirs.value) / sigma
        night.chi2, night.numbers = night.chi2 + apart**2, night.numbers + 1
        if abs(apart) > FEWEST_SIGMAS_APART and not unnoticed:
            night.wrong.append(f"{name} is {apart:+.1f} sigma from that of the quiet night")


# ---- all nights -----------------------------------------------------------------------------------------------------


def prepared(folder: Path, sensors: int, jobs: int, short: bool = False) -> Ground:
    """Make the files and run a quiet night."""
    if short:
        station, recipe = files_of_a_short_night(folder / "files", sensors)
    else:
        copy_templates(folder / "files", sensors)
        station, recipe = folder / "files" / "simulated.toml", folder / "files" / "overnight.toml"
    own = folder / "files" / "own"
    own.mkdir()
    began = time.monotonic()
    core = Core(own, folder / "quiet", [str(station), "--recipe", str(recipe), "--seed", str(TABLE_SEED)])
    core._arguments += ["--runs", str(folder / "quiet"), "--no-bus", "--no-report"]
    core.start()
    assert core.process is not None
    core.process.wait(LONGEST_NIGHT_S)
    quiet_s = time.monotonic() - began
    run, file = core.run(), load_station(station)
    if run is None or RunReader(run).state is not RunState.COMPLETE:
        raise SystemExit(f"The quiet night is not complete: {core.said()[-1000:]}")
    if found := [text for record in core.outputs() for text in excesses(record, file)]:
        raise SystemExit("The quiet night: " + " ".join(found))
    return Ground(station, recipe, file, folder, OnDisk.of(run), quiet_s, jobs**0.5)


def table(nights: Sequence[Night], quiet_s: float) -> str:
    """Return what came of it: a line for each night, what was wrong, and a sum."""
    lines = [f"A quiet night takes {quiet_s:.1f} s.", ""]
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


def main() -> int:
    """Live through them; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the first night; the others follow")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sensors", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where the nights are kept; they are deleted without")
    parser.add_argument("--short", action="store_true", help="nights of few averages that do not warm up: to try it")
    parser.add_argument("--plans", action="store_true", help="only print what would happen")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-nights-") as made:
        folder = Path(made) if asked.keep is None else asked.keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        seeds = range(asked.seed, asked.seed + asked.nights)
        copy_templates(folder / "plan", asked.sensors)
        file = load_station(folder / "plan" / "simulated.toml")
        span = SHORT_NIGHT if asked.short else WHOLE_NIGHT
        plans = [drawn_plan(seed, file, span) for seed in seeds]
        if asked.plans:
            print("\n".join(f"{plan.seed:4d} {plan}" for plan in plans))  # noqa: T201
            return 0
        ground = prepared(folder, asked.sensors, asked.jobs, asked.short)

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
