"""Before a night begins: is there room for its data, and will what it rests on last until the morning? Nothing is moved
and nothing is written."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Final

from labctl.errors import LabError, StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.records import RunState
from procedures.bench import Bench
from procedures.planned_times import duration_text

HOUR_S: Final = 3600.0
BYTES_PER_LAB_HOUR: Final = 40e6  # of a night of four sensors, where no earlier night tells better
LEAST_FREE_BYTES: Final = 500e6
SAFETY: Final = 2.0  # data.nc is written beside run.db at the end
LEAST_MARGIN: Final = 0.1  # of half the range, that an actuator should have left in the morning


def require_room(runs: Path, night_s: float) -> None:
    """Raise `StoreError` where the disk has no room for the data of a night of `night_s` (s of lab time)."""
    place = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.exists())
    free, needed = shutil.disk_usage(place).free, projected_bytes(runs, night_s) + LEAST_FREE_BYTES
    if free < needed:
        raise StoreError(
            f"{place} has {free / 1e9:.2f} GB free, and the night may need {needed / 1e9:.2f} GB; nothing was begun.",
            remedy="Make room, or choose another folder for the runs.",
        )


def doubts(bench: Bench, night_s: float, *, warms_oven: bool) -> list[str]:
    """Return sentences on what a night of `night_s` (s of lab time) may fail of: an oven that is off and that no step
    warms, and actuators that drift out of their range."""
    return [*([] if warms_oven else _oven(bench)), *_actuators(bench, night_s)]


def projected_bytes(runs: Path, night_s: float) -> float:
    """Return how many bytes a night will need: as earlier nights did for their lab time, else as experience says."""
    return SAFETY * max(BYTES_PER_LAB_HOUR * night_s / HOUR_S, _largest_run(runs))


def _largest_run(runs: Path) -> float:
    try:
        done = [run.path for run in Catalogue(runs).list() if run.state is RunState.COMPLETE][:3]
        return max((float(sum(file.stat().st_size for file in path.glob("*"))) for path in done), default=0.0)
    except (LabError, OSError):
        return 0.0


def _oven(bench: Bench) -> list[str]:
    entry = bench.station.file.oven
    if entry is None:
        return []
    try:
        off_k = bench.station.oven.temperature_c() - entry.target
    except LabError as error:
        return [f"The oven does not answer: {error}"]
    if abs(off_k) <= entry.tolerance:
        return []
    return [
        f"The oven is {off_k:+.3f} K off its target: settling takes about {duration_text(abs(off_k) / entry.ramp)}."
    ]


def _actuators(bench: Bench, night_s: float) -> list[str]:
    """Return which loops that are locked now will come near the end of their actuator, if they drift on as they do."""
    found = []
    for name, machine in bench.supervisor.machines.items():
        actuator = machine.actuator
        if not machine.is_locked or actuator is None or machine.loop.capabilities.unwinds:
            continue
        in_the_morning_v = machine.drift.expected_v(bench.clock.now() + night_s)
        half_v = 0.5 * (actuator.high_v - actuator.low_v)
        left_v = min(in_the_morning_v - actuator.low_v, actuator.high_v - in_the_morning_v)
        if math.isfinite(left_v) and left_v < LEAST_MARGIN * half_v:
            found.append(
                f"{name} stands at {actuator.output_v:.1f} V and drifts: before the morning it will be at the end of "
                f"its range ({actuator.low_v:g} to {actuator.high_v:g} V)."
            )
    return found
