"""The blind test: whole nights of unattended tables, their results set beside a truth that nothing but this reads.

Every night is a process of its own, as a person would start it. Once it has ended, each result is compared with the
true value, pull = (result - truth) / sigma, and pooled over sensors and nights: honest uncertainties have pulls of mean
0 and width 1. Nights that are there already are read, not run again; one that fails is named and left out.

Run: python tests/benchmarks/blind_test.py --seeds 50 [--first 1] [--scenario delays] [--sensors 4] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labctl.configuration.templates import copy_templates
from labctl.errors import LabError
from labctl.simulation.reveal import reveal
from labctl.simulation.true_number import TrueNumber
from labctl.store.documents import read_results
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState

POOLED_RANGE = (0.8, 1.2)
MOST_MEAN_PULL = 0.3
LONGEST_NIGHT_S = 3600.0
_EACH_SENSOR = re.compile(r"(sensor|stage|delay|\.m)[0-9]+")


@dataclass(frozen=True)
class Pull:
    """One result of one night beside its truth, in standard deviations of their difference."""

    quantity: str
    seed: int
    sigmas: float
    relative_sigma: float
    sigma: float
    unit: str
    counted: bool
    remark: str


@dataclass(frozen=True)
class Night:
    """What one night gave; `problem` says what went wrong, its steps that failed included."""

    seed: int
    state: str
    problem: str
    cpu_wall_s: float
    pulls: tuple[Pull, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass
class Tally:
    """All pulls of one quantity, over sensors and nights."""

    quantity: str
    pulls: list[Pull] = field(default_factory=list)

    @property
    def sigmas(self) -> np.ndarray:
        """Return the pulls."""
        return np.array([pull.sigmas for pull in self.pulls])

    @property
    def counted(self) -> bool:
        """Return whether it is pooled."""
        return all(pull.counted for pull in self.pulls)

    @property
    def remark(self) -> str:
        """Return why it is not pooled, or what else is to be said."""
        return next((pull.remark for pull in self.pulls if pull.remark), "")

    @property
    def mean_sigma(self) -> float:
        """Return the standard error of the mean pull, counting what the sensors of one night share as one."""
        nights = [float(np.mean([p.sigmas for p in self.pulls if p.seed == seed])) for seed in self._seeds()]
        return float(np.std(nights, ddof=1) / math.sqrt(len(nights))) if len(nights) > 1 else math.nan

    def _seeds(self) -> list[int]:
        return sorted({pull.seed for pull in self.pulls})


def quantity_of(name: str) -> str:
    """Return a name with the number of its sensor, stage or detector taken out: sensor*.gamma_hz."""
    return _EACH_SENSOR.sub(lambda found: f"{found[1]}*", name)


def pull_of(seed: int, found: NamedResult, true: TrueNumber) -> Pull:
    """Return how far a result is from what is true."""
    sigma = math.hypot(found.sigma, true.wander)
    return Pull(
        quantity_of(true.name),
        seed,
        (found.value - true.value) / sigma if sigma > 0 else math.nan,
        sigma / abs(true.value) if true.value else math.inf,
        sigma,
        found.unit,
        true.counted and found.unit == true.unit and sigma > 0,
        true.remark if found.unit == true.unit else f"Unit {found.unit!r}, not {true.unit!r}.",
    )


def night_of(seed: int, folder: Path, arguments: Sequence[str]) -> Night:
    """Run one night into `folder`, unless it is there already, and compare it with its truth."""
    began = time.monotonic()
    output = ""
    if not runs_in(folder):
        command = [sys.executable, "-m", "labctl", "overnight", *arguments, "--no-bus", "--no-report"]
        command += ["--seed", str(seed), "--runs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_NIGHT_S, check=False)
            output = done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            output = f"It did not end within {LONGEST_NIGHT_S:g} s."
    wall_s = time.monotonic() - began
    try:
        return compared(seed, runs_in(folder)[-1], wall_s)
    except (LabError, OSError, IndexError) as error:
        return Night(seed, "lost", f"{error}; the night said: {output.strip()[-300:]}", wall_s)


def runs_in(folder: Path) -> list[Path]:
    """Return the runs that ended in a folder."""
    return sorted(path.parent for path in folder.glob("*/end.json"))


def compared(seed: int, run: Path, wall_s: float) -> Night:
    """Return the results of one run beside its truth.

    Raises `StoreError` where either cannot be read.
    """
    reader = RunReader(run)
    failed = [f"{step.name} ({step.reason})" for step in reader.steps() if str(step.state) in ("failed", "skipped")]
    results = read_results(run)
    numbers = reveal(run).numbers
    pulls = tuple(pull_of(seed, results[number.name], number) for number in numbers if number.name in results)
    unknown = tuple(sorted({quantity_of(name) for name in set(results) - {number.name for number in numbers}}))
    state = reader.state
    problem = "; ".join(failed) or ("" if state is RunState.COMPLETE else reader.reason)
    return Night(seed, str(state), problem, wall_s, pulls, unknown)


def tallies(nights: Iterable[Night]) -> list[Tally]:
    """Return the pulls by quantity, in alphabetical order."""
    found: dict[str, Tally] = {}
    for night in nights:
        for pull in night.pulls:
            if math.isfinite(pull.sigmas):
                found.setdefault(pull.quantity, Tally(pull.quantity)).pulls.append(pull)
    return [found[name] for name in sorted(found)]


def pooled(all_of: Iterable[Tally]) -> tuple[float, int]:
    """Return chi-square per degree of freedom of all pulls that count, and their number."""
    each = [tally.sigmas for tally in all_of if tally.counted]
    together = np.concatenate(each) if each else np.zeros(0)
    return float(np.mean(together**2)) if together.size else math.nan, together.size


def off(tally: Tally) -> str:
    """Return what is wrong with the pulls of one quantity, or nothing."""
    mean = float(tally.sigmas.mean())
    if abs(mean) > MOST_MEAN_PULL:
        clear = math.isfinite(tally.mean_sigma) and abs(mean) - MOST_MEAN_PULL > 2.0 * tally.mean_sigma
        return "mean off" if clear else "mean off?"
    return ""


def markdown(nights: Sequence[Night]) -> str:
    """Return the table that is printed."""
    lines = [
        "| quantity | values | typical uncertainty | pull mean | pull width | chi2/n | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    found = tallies(nights)
    notes: list[str] = []
    for tally in sorted(found, key=lambda t: not t.counted):
        sigmas = tally.sigmas
        note = off(tally) if tally.counted else _noted(tally.remark or "Not pooled.", notes)
        width = f"{sigmas.std(ddof=1):.2f}" if sigmas.size > 1 else ""
        lines.append(
            f"| {tally.quantity} | {sigmas.size} | {_typical(tally)} | {sigmas.mean():+.2f} ± {tally.mean_sigma:.2f} | "
            f"{width} | {np.mean(sigmas**2):.2f} | {note} |"
        )
    chi2, count = pooled(found)
    lines += ["", f"Pooled: chi-square per degree of freedom {chi2:.3f} over {count} values that count."]
    lines += [f"Asked: {POOLED_RANGE[0]} to {POOLED_RANGE[1]}, and no pull mean beyond {MOST_MEAN_PULL}."]
    if notes:
        lines += ["", *[f"({number}) not pooled: {note}" for number, note in enumerate(notes, start=1)]]
    unknown = sorted({name for night in nights for name in night.unknown})
    if unknown:
        lines += ["", f"Without a true value: {', '.join(unknown)}."]
    lines += ["", *[f"Seed {night.seed} ({night.state}): {night.problem}" for night in nights if night.problem]]
    complete = sum(night.state == str(RunState.COMPLETE) for night in nights)
    lines += [f"{complete} of {len(nights)} nights complete."]
    return "\n".join(lines)


def _noted(text: str, notes: list[str]) -> str:
    if text not in notes:
        notes.append(text)
    return f"({notes.index(text) + 1})"


def _typical(tally: Tally) -> str:
    relative = float(np.median([pull.relative_sigma for pull in tally.pulls]))
    unit = tally.pulls[0].unit
    absolute = float(np.median([pull.sigma for pull in tally.pulls]))
    if unit in ("", "Hz", "W", "m", "N/rtHz") and relative < 1.0:
        return f"{100.0 * relative:.2g} %"
    return f"{absolute:.2g} {unit}".strip()


def station_arguments(scenario: str | None, sensors: int, folder: Path) -> list[str]:
    """Return what `labctl overnight` is given for so many sensors; their files are made in `folder`.

    The recipe is the shipped one without the steps that only wait: what they say has no true value.
    """
    arguments = [] if scenario is None else ["--scenario", scenario]
    made = folder / f"table_of_{sensors}"
    if not made.exists():
        copy_templates(made, sensors)
        recipe = made / "overnight.toml"
        text = re.sub(r"\[\[step\]\]\nname = \"joint_stability\"(.+\n)+", "", recipe.read_text(encoding="utf-8"))
        recipe.write_text(re.sub(r"soak = [0-9.]+", "soak = 0.0", text), encoding="utf-8")
    return [str(made / "simulated.toml"), "--recipe", str(made / "overnight.toml"), *arguments]


def nights_of(seeds: Sequence[int], folder: Path, scenario: str | None, sensors: int, jobs: int) -> list[Night]:
    """Return the nights of these seeds, `jobs` of them at a time; each tells when it is over."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = station_arguments(scenario, sensors, folder)

    def one(seed: int) -> Night:
        night = night_of(seed, folder / f"{scenario or 'as_shipped'}_{sensors}_seed{seed}", arguments)
        print(f"seed {seed}: {night.state}, {night.cpu_wall_s:.0f} s {night.problem}", file=sys.stderr, flush=True)  # noqa: T201
        return night

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, seeds))


def main() -> int:
    """Print the table; 1 when it is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50, help="how many nights")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--scenario", help="of the simulated table; the shipped one if not given")
    parser.add_argument("--sensors", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2, help="nights at a time")
    parser.add_argument("--runs", type=Path, help="where the nights are kept; a new folder if not given")
    parser.add_argument("--json", type=Path, help="where to write every pull too")
    asked = parser.parse_args()
    folder = asked.runs or Path(tempfile.mkdtemp(prefix="blind_test_"))
    nights = nights_of(range(asked.first, asked.first + asked.seeds), folder, asked.scenario, asked.sensors, asked.jobs)
    print(markdown(nights))  # noqa: T201
    if asked.json is not None:
        asked.json.write_text(json.dumps([vars(pull) for night in nights for pull in night.pulls], indent=1))
    return 0 if as_asked(nights) else 1


def as_asked(nights: Sequence[Night]) -> bool:
    """Return whether the pooled chi-square and all pull means that count are as asked."""
    found = tallies(nights)
    low, high = POOLED_RANGE
    return low <= pooled(found)[0] <= high and not any(off(tally) == "mean off" for tally in found if tally.counted)


if __name__ == "__main__":
    sys.exit(main())
