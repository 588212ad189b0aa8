"""What a loop is called, what it needs and who needs it, and its numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow
from labctl.dashboard.number_text import MINUS, NO_BREAK, UNKNOWN_TEXT
from labctl.dashboard.state_glyphs import STALE, Mark, lock_mark, loop_rank

_KINDS: Final = {
    "opa_length": "Length of the OPA cavity",
    "pump_phase": "Phase of the pump",
    "cavity": "Cavity of sensor {}",
    "homodyne": "Homodyne phase of sensor {}",
}
_SCANNED_BY: Final = {
    "opa_length": "lock_source",
    "pump_phase": "lock_source",
    "cavity": "lock_cavity",
    "homodyne": "lock_homodyne",
}
_NOISE_BY: Final = {"homodyne": "loop_noise"}
STEADY_DIGITS: Final = 3  # of what a reading is compared with


def kind_text(row: LoopRow) -> str:
    """Return what the loop keeps: "Homodyne phase of sensor 2"."""
    return _KINDS.get(row.kind, row.kind).format(row.sensor)


def scanned_by(row: LoopRow) -> str:
    """Return the procedure that scans this kind of loop; "" none."""
    return _SCANNED_BY.get(row.kind, "")


def noise_by(row: LoopRow) -> str:
    """Return the procedure that takes the spectrum of this kind of loop; "" none."""
    return _NOISE_BY.get(row.kind, "")


def is_unseen(row: LoopRow, latest: Latest, now: float) -> bool:
    """Return whether nobody has looked at this loop of late, so that its readings are not shown as present."""
    return latest.is_gone(now) or not math.isfinite(row.looked_at) or latest.is_stale(row.looked_at, now)


def shown_mark(row: LoopRow, latest: Latest, now: float) -> Mark:
    """Return the state of a loop as it may be shown: one that is off is so without being looked at."""
    if latest.is_gone(now) or (row.state != "off" and is_unseen(row, latest, now)):
        return STALE
    return lock_mark(row.state, wanted=row.wanted)


def needs_of(row: LoopRow) -> list[str]:
    """Return the names of the loops that it needs itself."""
    return [name for part in row.needs.split(",") if (name := part.strip())]


def not_locked(names: Iterable[str], rows: Sequence[LoopRow]) -> list[LoopRow]:
    """Return those of the named loops that are not locked."""
    wanted = set(names)
    return [row for row in rows if row.name in wanted and row.state != "locked"]


def in_use_above(name: str, rows: Sequence[LoopRow]) -> list[str]:
    """Return the loops that need this one, directly or through others, and are not off: they are lost with it."""
    needing = {name}
    grown = True
    while grown:
        more = {row.name for row in rows if needing.intersection(needs_of(row))} - needing
        needing |= more
        grown = bool(more)
    return [row.name for row in rows if row.name in needing and row.name != name and row.state != "off"]


def worst_first(rows: Sequence[LoopRow]) -> list[LoopRow]:
    """Return the loops with the worst first, else in their order."""
    return sorted(rows, key=loop_rank)


def steady_text(value: float, unit: str, compared_with: float) -> str:
    """Return a reading with the digits of what it is compared with, so that it does not jump as it moves."""
    if math.isnan(value):
        return UNKNOWN_TEXT
    scale = abs(compared_with) if math.isfinite(compared_with) and compared_with else max(abs(value), 1e-3)
    decimals = max(0, STEADY_DIGITS - 1 - math.floor(math.log10(scale)))
    text = f"{value:.{decimals}f}".replace("-", MINUS)
    return f"{text}{NO_BREAK}{unit}" if unit else text
