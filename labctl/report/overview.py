"""What run this is, how it ended, and whether light or a simulation gave its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from labctl.report.contents import RunContents
from labctl.report.wording import RUN_MARKS, UNKNOWN_STATE, Mark, duration, lab_time

SIMULATED = "simulated"


@dataclass(frozen=True)
class Overview:
    """The head of the page. `warning` is said large: numbers that no light gave, or a run that is not whole."""

    mark: Mark
    reason: str
    backend: str
    is_simulated: bool
    facts: tuple[tuple[str, str], ...]


def overview(run: RunContents) -> Overview:
    """State, origin, times and coverage of a run."""
    mark = RUN_MARKS[run.state] if run.state else UNKNOWN_STATE
    manifest = run.manifest
    simulated = manifest.backend == SIMULATED
    facts = [
        ("Run", manifest.run_id),
        ("Station", manifest.station_name),
        ("Backend", _backend(run)),
        ("Begun", _wall_time(manifest.created)),
        ("Ended", _ended(run)),
        ("Lab time", _lab_time(run)),
        ("Coverage", run.coverage or "not recorded"),
        ("Sensors", ", ".join(str(n) for n in run.sensors) or "none mentioned by the run"),
    ]
    return Overview(mark, run.reason, manifest.backend, simulated, tuple(facts))


def _backend(run: RunContents) -> str:
    manifest = run.manifest
    if manifest.backend != SIMULATED:
        return f"real instruments ({manifest.backend})"
    seed = "no seed recorded" if manifest.seed is None else f"seed {manifest.seed}"
    scenario = f"scenario {manifest.scenario}" if manifest.scenario else "no scenario recorded"
    return f"simulated table, {scenario}, {seed}"


def _ended(run: RunContents) -> str:
    if run.end is None:
        return "no end was recorded"
    recovered = f"; closed by recovery {_wall_time(run.end.recovered_at)}" if run.end.recovered_at else ""
    return _wall_time(run.end.ended) + recovered


def _lab_time(run: RunContents) -> str:
    begun = [step.started_at for step in run.steps if step.started_at is not None]
    ended = [step.ended_at for step in run.steps if step.ended_at is not None]
    if not begun:
        return "no step began"
    first, last = min(begun), max([*begun, *ended, run.end_of_data or min(begun)])
    return f"{duration(last - first)}, from {lab_time(first)} to {lab_time(last)}"


def _wall_time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M} UTC"
