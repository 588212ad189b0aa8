"""How long the steps of a recipe will take, told from the station file alone: before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import StationFile
from labctl.errors import LabError
from labctl.store.records import NamedResult
from procedures.bench import Bench
from procedures.execution import make_procedure

DAY_S, HOUR_S, MINUTE_S = 86400.0, 3600.0, 60.0


@dataclass(frozen=True)
class _FileOnly:
    """A station of which nothing but the file is there: what it names stands where an open one has its roles."""

    file: StationFile

    def __getattr__(self, role: str) -> Any:
        return getattr(self.file, role)


@dataclass
class _PlanningBench:
    station: _FileOnly
    known: dict[str, NamedResult] = field(default_factory=dict)

    def results(self) -> dict[str, NamedResult]:
        return self.known


def planned_s(steps: Sequence[Step], file: StationFile) -> dict[str, float]:
    """Return the lab time of each step by name, in s. Raises `LabError` where a parameter is not allowed."""
    bench = cast(Bench, _PlanningBench(_FileOnly(file)))
    return {step.name: make_procedure(step.procedure, step.parameters, bench).expected_s() for step in steps}


def impossible_times(steps: Sequence[Step], file: StationFile) -> list[str]:
    """Return a sentence for each step that its time limit would cut off, with the arithmetic."""
    found = []
    for step in steps:
        try:
            expected_s = planned_s([step], file)[step.name]
        except LabError:
            continue  # its parameters are wrong, which is another fault
        if expected_s > step.time_limit:
            found.append(
                f"step {step.name}: would take {duration_text(expected_s)}, and its time_limit is "
                f"{duration_text(step.time_limit)}; {_instead(step, expected_s, file)}"
            )
    return found


def duration_text(seconds: float) -> str:
    """Return a duration as a person says it: 14.5 days, 6.9 h, 12 min, 40 s."""
    for unit_s, unit in ((DAY_S, "days"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= 1.5 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def _instead(step: Step, expected_s: float, file: StationFile) -> str:
    """Return what to do instead: the parameter that its time grows with, and how far to take it down."""
    for parameter in ("averages", "records", "shots"):
        if parameter in step.parameters and (most := _most(step, parameter, expected_s, file)) >= 1:
            return f"raise time_limit, or take {parameter} = {most}"
    return f"raise time_limit, or ask for {step.time_limit / expected_s:.0%} of it"


def _most(step: Step, parameter: str, expected_s: float, file: StationFile) -> int:
    """Return how much of a parameter fits into the time limit; the time is a part that is fixed and one in proportion
    to it."""
    asked = int(cast(int, step.parameters[parameter]))
    fewer = asked // 2
    if fewer < 1:
        return 0
    less = replace(step, parameters={**step.parameters, parameter: fewer})
    try:
        each_s = (expected_s - planned_s([less], file)[step.name]) / (asked - fewer)
    except LabError:
        return 0
    return int(asked - (expected_s - step.time_limit) / each_s) if each_s > 0.0 else 0
