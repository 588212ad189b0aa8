"""Branch coverage of the rooms that keep a table safe and its data: below the least of any of them it fails.

    make coverage                                                            # run the tests that matter, then this
    .venv/bin/python tests/benchmarks/branch_coverage.py [.coverage] [--worst 15]

Coverage of a room is that of all its files together: lines and branches that were run, over all there are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coverage import Coverage

ROOT: Final = Path(__file__).parents[2]
LEAST_PERCENT: Final[Mapping[str, float]] = {
    "labctl/station": 90.0,
    "labctl/locks": 90.0,
    "labctl/store": 90.0,
    "labctl/bus": 90.0,
}
SOUND, TOO_LITTLE = 0, 1


@dataclass(frozen=True)
class Covered:
    """What was run of one file, or of several: lines and branches together."""

    name: str
    run: int
    all: int
    missing: str = ""

    @property
    def percent(self) -> float:
        """Return the share that was run; a file without any line is covered."""
        return 100.0 * self.run / self.all if self.all else 100.0


def covered_file(measured: Coverage, path: Path) -> Covered:
    """Return what was run of one file."""
    numbers = measured._analyze(str(path)).numbers
    *_, missing = measured.analysis2(str(path))[:4], measured.analysis2(str(path))[4]
    run, whole = numbers.ratio_covered
    return Covered(path.relative_to(ROOT).as_posix(), run, whole, str(missing))


def main() -> int:
    """Print rooms and worst files; 1 where a room has too little."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", nargs="?", default=str(ROOT / ".coverage"), help="what coverage.py wrote")
    parser.add_argument("--worst", type=int, default=12, help="files to name in each room")
    asked = parser.parse_args()
    measured = Coverage(data_file=asked.data, config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    status = SOUND
    for room, least in LEAST_PERCENT.items():
        files = [covered_file(measured, path) for path in sorted((ROOT / room).rglob("*.py"))]
        whole = Covered(room, sum(file.run for file in files), sum(file.all for file in files))
        print(f"{room}: {whole.percent:.1f} % of {whole.all} lines and branches, at least {least:g} %")  # noqa: T201
        for file in sorted(files, key=lambda one: one.run - one.all)[: asked.worst]:
            if file.run < file.all:
                print(f"    {file.percent:5.1f} %  {file.name}: {file.missing}")  # noqa: T201
        if whole.percent < least:
            print(f"{room} has too little.", file=sys.stderr)  # noqa: T201
            status = TOO_LITTLE
    return status


if __name__ == "__main__":
    raise SystemExit(main())
