"""The table of the locks: how each loop holds, what it costs, and how long it may go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from labctl.commands.expected_squeezing import ExpectedSqueezing
from labctl.locks.machine import LoopMachine
from labctl.locks.onlooker import LOST, Onlooker
from labctl.locks.quality import Window
from labctl.locks.states import LockState
from labctl.locks.supervisor import Supervisor
from labctl.store.lock_memory import LoopCounts

STALE_S: Final = 4 * 3600.0  # age of a calibration from which on it is shown in amber
FORECAST_AFTER_S: Final = 20.0  # locked for so long, its drift says something
LONGEST_FORECAST_S: Final = 24 * 3600.0
NEAR_RAIL: Final = 0.2  # of half the range
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0

_AMBER, _ALARM = "yellow", "bold"
_COLUMNS = (
    "loop",
    "state",
    "residual",
    "dB lost",
    "to rail",
    "rail in",
    "calibrated",
    "unwinds",
    "relocks left",
    "why",
)


@dataclass(frozen=True)
class LoopRow:
    """One loop as it is shown; nan and None where nothing is known.

    `residual` is rms in `unit`; `lost_db` what it costs in squeezing; `rail_distance_percent` the distance from the
    nearer rail over half the range, `rail_in_s` when it is met if the drift goes on; `relocks_left` of this hour.
    """

    loop: str
    state: str
    locked: bool
    residual: float
    unit: str
    lost_db: float
    output_v: float
    rail_distance_percent: float
    rail_in_s: float
    calibration_age_s: float
    stale: bool
    unwinds: int
    relocks_left: int
    why: str

    def entry(self) -> dict[str, Any]:
        """Return the row as it goes into JSON: what is not known is null."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def rows_of(
    supervisor: Supervisor,
    now: float,
    squeezing: ExpectedSqueezing | None,
    counts: Mapping[str, LoopCounts] | None = None,
) -> list[LoopRow]:
    """Return one row a loop at lab time `now`, in the order in which they are locked. `counts` is what whoever held
    the loops before had counted."""
    onlooking = isinstance(supervisor, Onlooker)
    return [
        _row(machine, now, squeezing, (counts or {}).get(name), onlooking)
        for name, machine in supervisor.machines.items()
    ]


def _row(
    machine: LoopMachine, now: float, squeezing: ExpectedSqueezing | None, counts: LoopCounts | None, onlooking: bool
) -> LoopRow:
    loop, actuator = machine.loop, machine.actuator
    residual = _residual(machine)
    costs = squeezing is not None and loop.unit == "rad" and not math.isnan(residual)
    found_at = loop.remembered().get("at", math.nan)
    age_s = max(0.0, now - found_at) if found_at == found_at else math.nan
    return LoopRow(
        loop=machine.name,
        state="lost" if onlooking and machine.state in LOST else str(machine.state),
        locked=machine.is_locked,
        residual=residual,
        unit=loop.unit,
        lost_db=squeezing.lost_db(residual) if squeezing is not None and costs else math.nan,
        output_v=math.nan if actuator is None else actuator.output_v,
        rail_distance_percent=math.nan if actuator is None else 100.0 * actuator.margin,
        rail_in_s=_rail_in_s(machine, now),
        calibration_age_s=age_s,
        stale=age_s > STALE_S,
        unwinds=machine.unwinds + (counts.unwinds if counts else 0),
        relocks_left=machine.budget.left(now) if counts is None else min(counts.relocks_left, machine.budget.left(now)),
        why=machine.why,
    )


def _residual(machine: LoopMachine) -> float:
    readings = list(machine.readings)
    return Window.of(readings).rms if machine.is_locked and readings else math.nan


def _rail_in_s(machine: LoopMachine, now: float) -> float:
    if machine.actuator is None or not machine.is_locked or now - machine.since < FORECAST_AFTER_S:
        return math.nan
    return machine.drift.time_to_rail_s(machine.actuator.low_v, machine.actuator.high_v)


def lock_table(rows: Sequence[LoopRow], title: str) -> Table:
    """Return the table; what is amber or bold needs somebody's eye."""
    table = Table(title=title)
    for name in _COLUMNS:
        table.add_column(name, no_wrap=name != "why", justify="left" if name in ("loop", "state", "why") else "right")
    for row in rows:
        table.add_row(
            Text(row.loop),
            Text(row.state, style="" if row.locked or row.state == LockState.OFF else _ALARM),
            Text(_residual_text(row)),
            Text(_number(row.lost_db, "{:.3f}")),
            Text(_rail_text(row), style=_AMBER if row.rail_distance_percent < 100.0 * NEAR_RAIL else ""),
            Text(_forecast_text(row.rail_in_s)),
            Text(_age_text(row), style=_AMBER if row.stale else ""),
            Text(str(row.unwinds)),
            Text(str(row.relocks_left), style=_AMBER if row.relocks_left == 0 else ""),
            Text(row.why),
        )
    return table


def _residual_text(row: LoopRow) -> str:
    return "" if math.isnan(row.residual) else f"{row.residual:.3f} {row.unit}"


def _rail_text(row: LoopRow) -> str:
    return _number(row.rail_distance_percent, "{:.0f} %")


def _forecast_text(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    return "> 1 day" if seconds > LONGEST_FORECAST_S else duration_text(seconds)


def _age_text(row: LoopRow) -> str:
    if math.isnan(row.calibration_age_s):
        return ""
    age = f"{duration_text(row.calibration_age_s)} ago"
    return f"{age}, stale" if row.stale else age


def duration_text(seconds: float) -> str:
    """Return a time as a person says it, such as "14 min"."""
    for unit_s, name in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= unit_s:
            return (
                f"{seconds / unit_s:.1f} {name}"
                if seconds < 10.0 * unit_s and unit_s > MINUTE_S
                else f"{seconds / unit_s:.0f} {name}"
            )
    return f"{seconds:.0f} s"


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else form.format(value)
