"""Nights that are killed at random moments and gone on with: is anything lost, repeated, or different?

Every night is a process; it is killed with SIGKILL at a random moment, looked at on the disk, and resumed. Asked: all
that was on the disk is there afterwards, no finished step is done again, the night ends complete, and its results are
those of a night that nobody killed, within the uncertainties of both.

Run: python tests/benchmarks/kill_nights.py --kills 50 [--sensors 2] [--seed 7] [--jobs 2]
"""

from __future__ import annotations

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from labctl.configuration.templates import copy_templates
from labctl.errors import LabError
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState, StepState
from procedures.resuming import AGAIN

LONGEST_NIGHT_S = 900.0
FEWEST_SIGMAS_APART = 5.0  # of hundreds of numbers in fifty nights none should be further apart by chance
BEGINS_S = 2.0  # of wall time, before which a night has no run
AVERAGES = 300  # of the individual spectra: short nights, the same steps
NOT_MEASURED = re.compile(
    r"night\.|oven\.|audit\.|source\.(pump_parameter|parametric_gain)$|"
    r".*(f0_hz|probe_share|fringe_share|_sigmas|_deg|inconsistency.*|light_scale)$"
)
"""Counts; settings, such as pump and shares where their plates came back to; resonances, which wander by more than they
are known to; and numbers whose uncertainty is not that of a repetition."""


@dataclass
class Killed:
    """One night that was killed: when (wall time, s), what it had, and what is wrong with what came of it."""

    after_s: float
    step: str = ""
    faults: list[str] = field(default_factory=list)
    chi2: float = 0.0
    numbers: int = 0


@dataclass(frozen=True)
class OnDisk:
    """What a run has on the disk: traces by number, steps that are done, results by name."""

    traces: dict[int, str]
    done: Counter[str]
    results: dict[str, NamedResult]
    running: str

    @classmethod
    def of(cls, run: Path) -> OnDisk:
        """Return what is there now."""
        reader = RunReader(run)
        steps = reader.steps()
        return cls(
            {trace.identity: trace.name for trace in reader.traces()},
            Counter(step.name for step in steps if step.state is StepState.DONE),
            reader.results(),
            next((step.name for step in steps if step.state is StepState.RUNNING), ""),
        )


def files_of_a_short_night(folder: Path, sensors: int) -> tuple[Path, Path]:
    """Make station file and recipe: the shipped ones, with fewer averages and without what only waits."""
    copy_templates(folder, sensors)
    recipe = folder / "overnight.toml"
    text = re.sub(r"\[\[step\]\]\nname = \"joint_stability\"(.+\n)+", "", recipe.read_text(encoding="utf-8"))
    text = text.replace("averages = 5000", f"averages = {AVERAGES}")
    recipe.write_text(re.sub(r"soak = [0-9.]+", "soak = 0.0", text), encoding="utf-8")
    return folder / "simulated.toml", recipe


def command(*arguments: str) -> list[str]:
    """Return the command of a night."""
    return [sys.executable, "-m", "labctl", "overnight", *arguments, "--no-bus", "--no-report"]


def whole_night(station: Path, recipe: Path, seed: int, runs: Path) -> tuple[OnDisk, float]:
    """Run a night that nobody kills; return what it has and the wall time in s."""
    began = time.monotonic()
    arguments = command(str(station), "--recipe", str(recipe), "--seed", str(seed), "--runs", str(runs))
    subprocess.run(arguments, check=True, capture_output=True, timeout=LONGEST_NIGHT_S)
    return OnDisk.of(next(runs.glob("2*"))), time.monotonic() - began


def killed_night(station: Path, recipe: Path, seed: int, runs: Path, after_s: float, whole: OnDisk) -> Killed:
    """Kill a night, resume it, and say what is wrong."""
    night = Killed(after_s)
    arguments = command(str(station), "--recipe", str(recipe), "--seed", str(seed), "--runs", str(runs))
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait()
    found = list(runs.glob("2*/manifest.json"))
    if not found:
        night.step = "before the run"
        return night
    run = found[0].parent
    before = OnDisk.of(run)
    night.step = before.running or "between steps"
    if RunReader(run).state is RunState.COMPLETE:
        night.step = "after the end"
        return night
    resume = command("--resume", str(run))
    done = subprocess.run(resume, capture_output=True, text=True, timeout=LONGEST_NIGHT_S, check=False)
    if done.returncode:
        night.faults.append(f"resuming ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}")
    try:
        _compare(night, before, OnDisk.of(run), whole, RunReader(run).state)
    except LabError as error:
        night.faults.append(str(error))
    return night


def sigmas_apart(one: OnDisk, other: OnDisk) -> Iterator[tuple[str, float]]:
    """Return how far the results that both have, and that both measured, are apart: name and distance in sigmas."""
    for name, mine in one.results.items():
        theirs = other.results.get(name)
        if theirs is None or NOT_MEASURED.match(name):
            continue
        sigma = math.hypot(mine.sigma, theirs.sigma)
        if sigma > 0.0:
            yield name, (mine.value - theirs.value) / sigma


def _compare(night: Killed, before: OnDisk, after: OnDisk, whole: OnDisk, state: RunState) -> None:
    if state is not RunState.COMPLETE:
        night.faults.append(f"it ended {state}")
    if lost := [name for number, name in before.traces.items() if after.traces.get(number) != name]:
        night.faults.append(f"traces lost: {', '.join(lost)}")
    if gone := [name for name in before.done if name not in after.done]:
        night.faults.append(f"steps no longer done: {', '.join(gone)}")
    if twice := [name for name, count in after.done.items() if count > 1 and not name.startswith(AGAIN)]:
        night.faults.append(f"steps done twice: {', '.join(twice)}")
    if missing := sorted(whole.results.keys() - after.results.keys() - {n for n in whole.results if n[:6] == "night."}):
        night.faults.append(f"results missing: {', '.join(missing)}")
    for name, apart in sigmas_apart(after, whole):
        night.chi2, night.numbers = night.chi2 + apart**2, night.numbers + 1
        if abs(apart) > FEWEST_SIGMAS_APART:
            night.faults.append(f"{name} is {apart:+.1f} sigma from that of the whole night")


def table(nights: Sequence[Killed], whole_s: float) -> str:
    """Return what came of it, a line a night that was not right, and a sum."""
    lines = [f"A whole night takes {whole_s:.1f} s."]
    lines += [f"{night.after_s:6.2f} s, {night.step}: {fault}" for night in nights for fault in night.faults]
    where = Counter(night.step.partition(".")[0] for night in nights)
    lines.append(f"Killed in: {', '.join(f'{step} {count}' for step, count in sorted(where.items()))}.")
    numbers = sum(night.numbers for night in nights)
    chi2 = sum(night.chi2 for night in nights) / max(numbers, 1)
    good = sum(not night.faults for night in nights)
    lines.append(f"{good} of {len(nights)} without a fault; chi2 per number {chi2:.2f} over {numbers} results.")
    return "\n".join(lines)


def main() -> int:
    """Kill and resume; 1 where a night was not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--sensors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--moments", type=int, default=1, help="seed of the random moments")
    asked = parser.parse_args()
    rng = random.Random(asked.moments)
    with tempfile.TemporaryDirectory(prefix="killed-nights-") as made:
        folder = Path(made)
        station, recipe = files_of_a_short_night(folder / "files", asked.sensors)
        whole, whole_s = whole_night(station, recipe, asked.seed, folder / "whole")
        moments = [rng.uniform(BEGINS_S, asked.jobs**0.5 * whole_s) for _ in range(asked.kills)]

        def one(place: int) -> Killed:
            night = killed_night(station, recipe, asked.seed, folder / f"night{place}", moments[place], whole)
            print(f"{place + 1}: {night.after_s:.1f} s in {night.step}: {night.faults or 'well'}", file=sys.stderr)  # noqa: T201
            return night

        with ThreadPoolExecutor(asked.jobs) as pool:
            nights = list(pool.map(one, range(asked.kills)))
    print(table(nights, whole_s))  # noqa: T201
    return 1 if any(night.faults for night in nights) else 0


if __name__ == "__main__":
    sys.exit(main())
