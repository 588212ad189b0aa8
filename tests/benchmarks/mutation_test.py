"""Mutation test: every small wrong change of the code that limits and servos hang on must make a test fail.

    .venv/bin/python tests/benchmarks/mutation_test.py [GROUP or FILE ...] [--jobs 2] [--report survivors.diff]

A change that no test sees is either declared in `equivalent_mutants.toml`, with the reason why nothing depends on it,
or a hole in the tests; the command fails while there is one. All of it happens in a temporary copy of the tree; every
mutant has a process of its own. Hypothesis draws the same examples each time.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))
from mutants import Mutant, mutants

ROOT: Final = Path(__file__).parents[2]
EQUIVALENT: Final = Path(__file__).with_name("equivalent_mutants.toml")
COPIED: Final = ("labctl", "drivers", "procedures", "config", "tests", "pyproject.toml", "README.md", "Makefile")
PRELOADED: Final = (
    *("numpy", "numpy.ma", "scipy.signal", "scipy.optimize", "scipy.interpolate", "scipy.special", "scipy.stats"),
    *("hypothesis", "pytest", "_pytest.assertion.rewrite", "pyvisa", "pydantic", "pymeasure.instruments", "typer"),
    *("h5py", "h5netcdf", "pandas", "uncertainties", "rich.progress", "jinja2", "numba"),
    *("PyQt5.QtWidgets", "PyQt5.QtTest", "pytest_timeout", "pytest_benchmark.plugin", "pytestqt.plugin"),
)
TIMES_BASELINE: Final = 4.0  # a mutant that takes longer than this hangs
LEAST_S: Final = 20.0
LONGEST_S: Final = 600.0
POLL_S: Final = 0.02
UNWRITTEN: Final = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
SOUND, FOUND = 0, 1


@dataclass(frozen=True)
class Target:
    """One module and the tests that guard it, the quickest first; `functions` narrows it, by their names."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()


GAIN_TESTS = (
    "tests/station/test_station_servo.py::test_the_two_gains_give_the_wanted_one_as_the_module_holds_them",
    "tests/station/test_station_servo.py::test_the_ends_of_the_scales_are_used",
    "tests/station/test_station_servo.py::test_a_gain_that_no_pair_gives_is_refused",
)
REST_TESTS = ("tests/station/test_coming_to_rest.py",)
MOVES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "drivers").rglob("*moves*.py"))
MOVES_TESTS = (
    "tests/drivers/test_moves_spelled.py",
    "tests/drivers/test_moves.py",
    "tests/drivers/test_moves_by_drivers.py",
)
GROUPS: Final[dict[str, tuple[Target, ...]]] = {
    "servo": (
        Target("labctl/station/bindings/biquad.py", ("tests/station/test_station_biquad.py",)),
        Target("labctl/locks/dither.py", ("tests/locks/test_dither.py",)),
        Target("labctl/locks/unwinding.py", ("tests/locks/test_unwinding.py",)),
        Target("labctl/station/bindings/loops.py", GAIN_TESTS, ("split_gain",)),
        Target("labctl/station/bindings/coming_to_rest.py", REST_TESTS),
    ),
    "limits": (
        Target("labctl/station/limits.py", ("tests/station/test_station_limits.py",)),
        Target("labctl/station/gate.py", ("tests/station/test_output_gate.py", "tests/station/test_gate.py")),
        *(Target(module, MOVES_TESTS) for module in MOVES),
    ),
}


@dataclass(frozen=True)
class Declared:
    """A change that was looked at and changes nothing that anybody depends on.

    `function` says where, if several have the same line.
    """

    file: str
    was: str
    becomes: str
    why: str
    function: str = ""

    def means(self, mutant: Mutant, source: str) -> bool:
        """Return whether it is this mutant of its file."""
        if (mutant.was(source), mutant.becomes(source)) != (self.was, self.becomes):
            return False
        return not self.function or mutant.within(source, (self.function,))


def declared_mutants(path: Path = EQUIVALENT) -> list[Declared]:
    """Return the list of equivalent mutants."""
    with path.open("rb") as file:
        return [Declared(**entry) for entry in tomllib.load(file).get("mutant", [])]


def chosen(words: Sequence[str]) -> list[Target]:
    """Return the targets of groups and files by name; all without any. Raises SystemExit."""
    targets = [target for group in GROUPS.values() for target in group]
    if not words:
        return targets
    found = [t for word in words for t in (GROUPS.get(word) or [one for one in targets if one.module == word])]
    if len(found) < len(words):
        raise SystemExit(f"Known are {', '.join(GROUPS)} and {', '.join(target.module for target in targets)}.")
    return found


def mutants_of(target: Target, source: str) -> list[Mutant]:
    """Return the mutants of a target."""
    found = mutants(source)
    return [m for m in found if m.within(source, target.functions)] if target.functions else found


class NoBaseline(Exception):
    """The tests fail by themselves: no mutant can be told by them."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    EQUIVALENT = "equivalent"
    SURVIVED = "survived"


@dataclass
class Running:
    """A process that runs tests in a tree of its own."""

    process: int
    tree: Path
    until: float

    @classmethod
    def begin(cls, tree: Path, tests: Sequence[str], most_s: float) -> Running:
        """Fork, so that the libraries need not be loaded again."""
        process = os.fork()
        if process == 0:
            _in_child(tree, tests)
        return cls(process, tree, time.monotonic() + most_s)

    def fate(self) -> Fate | None:
        """Return what the tests said; None while they run. Those that take too long are ended."""
        ended, status = os.waitpid(self.process, os.WNOHANG)
        if ended:
            return Fate.SURVIVED if os.waitstatus_to_exitcode(status) == SOUND else Fate.KILLED
        if time.monotonic() < self.until:
            return None
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return Fate.TIMED_OUT

    def wait(self) -> Fate:
        """Return what the tests said when they have ended."""
        while (fate := self.fate()) is None:
            time.sleep(POLL_S)
        return fate


def make_trees(folder: Path, count: int) -> list[Path]:
    """Return copies of the tree, one for each process that runs at a time."""
    trees = [folder / str(number) for number in range(count)]
    for tree in trees:
        for name in COPIED:
            copy(ROOT / name, tree / name)
    return trees


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder with the times of its files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*", "runs"))
    else:
        shutil.copy2(source, target)


def _in_child(tree: Path, tests: Sequence[str]) -> None:
    """Run the tests and end the process."""
    status = FOUND
    try:
        os.setsid()
        os.chdir(tree)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        sys.dont_write_bytecode = True
        os.environ.update(PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(tree), QT_QPA_PLATFORM="offscreen")
        sys.path.insert(0, str(tree))
        import hypothesis
        import pytest

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", database=None, derandomize=True, phases=phases)
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no:benchmark",
            "-m",
            "not slow",
            "-W",
            UNWRITTEN,
        ]
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)


def put(tree: Path, module: str, source: str) -> None:
    """Put the source of a module into a tree; byte code that was there is not that of this source."""
    path = tree / module
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_text(source, encoding="utf-8")


def run_all(target: Target, source: str, asked: Sequence[Mutant], trees: Sequence[Path], most_s: float) -> list[Fate]:
    """Return the fate of each mutant; as many run at a time as there are trees."""
    fates: dict[int, Fate] = {}
    running: dict[int, Running] = {}
    free, waiting = list(trees), list(enumerate(asked))[::-1]
    while waiting or running:
        while waiting and free:
            number, mutant = waiting.pop()
            tree = free.pop()
            put(tree, target.module, mutant.applied(source))
            running[number] = Running.begin(tree, target.tests, most_s)
        time.sleep(POLL_S)
        for number, one in list(running.items()):
            if (fate := one.fate()) is not None:
                fates[number] = fate
                free.append(running.pop(number).tree)
    for tree in trees:
        put(tree, target.module, source)
    return [fates[number] for number in range(len(asked))]


@dataclass
class Outcome:
    """What became of the mutants of one target."""

    target: Target
    source: str
    fates: dict[Mutant, Fate]
    stale: list[Declared]

    def survivors(self) -> list[str]:
        """Return the diffs of those that no test saw."""
        return [m.diff(self.source, self.target.module) for m, fate in self.fates.items() if fate is Fate.SURVIVED]

    def line(self) -> str:
        """Return the counts."""
        counts = Counter(self.fates.values())
        told = ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate])
        return f"{self.target.module}: {len(self.fates)} mutants, {told}"


def outcome_of(target: Target, trees: Sequence[Path], declared: Sequence[Declared]) -> Outcome:
    """Run all mutants of one target. Raises `NoBaseline` where its tests fail without any."""
    source = (trees[0] / target.module).read_text(encoding="utf-8")
    began = time.monotonic()
    if Running.begin(trees[0], target.tests, LONGEST_S).wait() is not Fate.SURVIVED:
        raise NoBaseline(f"{' '.join(target.tests)}: fails, or is not there, without any mutant.")
    most_s = max(LEAST_S, TIMES_BASELINE * (time.monotonic() - began))
    known = [entry for entry in declared if entry.file == target.module]
    found = mutants_of(target, source)
    equivalent = {mutant for mutant in found if any(entry.means(mutant, source) for entry in known)}
    stale = [entry for entry in known if not any(entry.means(mutant, source) for mutant in equivalent)]
    asked = [mutant for mutant in found if mutant not in equivalent]
    fates = dict.fromkeys(found, Fate.EQUIVALENT) | dict(
        zip(asked, run_all(target, source, asked, trees, most_s), strict=True)
    )
    return Outcome(target, source, fates, stale)


def main() -> int:
    """Run what is asked for; 0 where every mutant was killed or is known to change nothing."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("what", nargs="*", help=f"{', '.join(GROUPS)}, or files among them; all without any")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--report", type=Path, help="file for the diffs of the survivors")
    asked = parser.parse_args()
    targets, declared = chosen(asked.what), declared_mutants()
    preload()
    total: Counter[Fate] = Counter()
    diffs: list[str] = []
    stale: list[Declared] = []
    with tempfile.TemporaryDirectory(prefix="labctl-mutants-") as folder:
        trees = make_trees(Path(folder), asked.jobs)
        for target in targets:
            began = time.monotonic()
            try:
                outcome = outcome_of(target, trees, declared)
            except NoBaseline as error:
                print(f"{target.module}: {error}", flush=True)  # noqa: T201
                diffs.append(str(error))
                continue
            print(f"{outcome.line()} ({time.monotonic() - began:.0f} s)", flush=True)  # noqa: T201
            for diff in outcome.survivors():
                print(diff, flush=True)  # noqa: T201
            total.update(outcome.fates.values())
            diffs += outcome.survivors()
            stale += outcome.stale
    print(f"{sum(total.values())} mutants: " + ", ".join(f"{total[fate]} {fate}" for fate in Fate))  # noqa: T201
    for entry in stale:
        print(f"No such mutant any more: {entry.file}: {entry.was!r} -> {entry.becomes!r}")  # noqa: T201
    if asked.report is not None:
        asked.report.write_text("\n".join(diffs) + "\n", encoding="utf-8")
    return FOUND if diffs or stale else SOUND


def preload() -> None:
    """Load the libraries that tests need, and nothing of ours."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads must not fork
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    raise SystemExit(main())
