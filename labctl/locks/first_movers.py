"""Which loop moved first when a lock was lost, and which followed, in ms."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.dependencies import in_order_of_needs
from labctl.locks.losses import Evidence

Needs = Mapping[str, Collection[str]]

QUIET_ENDS_S: Final = 1.5  # before the loss: what is older shows how quiet the signals were
SEARCH_S: Final = 1.5  # before the loss: no mover is looked for earlier
OUTPUT_SEARCH_S: Final = 0.05  # the same for outputs, which wander with their paths
AFTER_S: Final = 2.0  # and after it; the signals of later are those of loops that are opened and closed
SIGMAS: Final = 6.0
# rad or linewidths, share of the light, V: a path in air wanders by some tenths of a volt between two looks
LEAST_BAND: Final = {"error": 0.06, "witness": 0.06, "output": 0.7}
TOGETHER_LOOKS: Final = 1.5  # loops are read one after the other: one look apart is the same moment
_SIGNALS: Final = ("error", "witness", "output")
_CLOSED: Final = frozenset({"locked", "suspect", "verify"})


@dataclass(frozen=True)
class QuietBand:
    """Where a signal was in the quiet seconds: median, and half the width beyond which it has moved."""

    middle: float
    half_width: float

    def holds(self, value: float) -> bool:
        """Return whether a value lies within."""
        return abs(value - self.middle) <= self.half_width


@dataclass(frozen=True)
class Mover:
    """A loop whose `signal` left its quiet band at lab time `at` in s; the time is known within `resolution_s`.

    `size` is how far it went at once, in the unit of the signal.
    """

    loop: str
    at: float
    signal: str
    size: float
    resolution_s: float


def onset(evidence: Evidence) -> int:
    """Return the index of the tick in which the first bad reading was taken."""
    return max(0, int(np.searchsorted(evidence.time_s, evidence.loss.at, side="right")) - 1)


def look_s(evidence: Evidence) -> float:
    """Return the time between two looks, in s: nothing is known better than that."""
    quiet = evidence.time_s[: onset(evidence) + 1]
    return float(np.median(np.diff(quiet))) if quiet.size > 1 else 0.1


def quiet_band(evidence: Evidence, values: NDArray[np.float64], signal: str) -> QuietBand | None:
    """Return the band of one signal from the quiet seconds; None where nothing was read then."""
    quiet = values[evidence.time_s < evidence.loss.at - QUIET_ENDS_S]
    quiet = quiet[np.isfinite(quiet)]
    if quiet.size == 0:
        return None
    middle = float(np.median(quiet))
    sigma = 1.4826 * float(np.median(np.abs(quiet - middle)))
    return QuietBand(middle, max(SIGMAS * sigma, LEAST_BAND[signal]))


def first_movers(evidence: Evidence, needs: Needs) -> tuple[Mover, ...]:
    """Return the loops that moved while they were closed, the first one first.

    Within two looks nobody can tell which was first: there a loop comes before those that need it.
    """
    found = [mover for loop in evidence.loops if (mover := _mover(evidence, loop)) is not None]
    found.sort(key=lambda mover: mover.at)
    order: list[Mover] = []
    together_s = TOGETHER_LOOKS * look_s(evidence)
    while found:
        together = [mover for mover in found if mover.at - found[0].at <= together_s]
        names = {mover.loop for mover in together}
        first = next(mover for mover in together if not ancestors(mover.loop, needs) & names)
        order.append(first)
        found.remove(first)
    return tuple(order)


def ancestors(loop: str, needs: Needs) -> frozenset[str]:
    """Return all loops that one needs, and those that these need."""
    above: set[str] = set()
    waiting = list(needs.get(loop, ()))
    while waiting:
        name = waiting.pop()
        if name not in above:
            above.add(name)
            waiting += needs.get(name, ())
    return frozenset(above)


def roots(needs: Needs) -> tuple[str, ...]:
    """Return the loops that need none."""
    return tuple(name for name in in_order_of_needs(needs) if not any(need in needs for need in needs[name]))


def in_ms(order: Sequence[Mover]) -> str:
    """Return "opa_length, lo1 +100 ms, lo2 +100 ms": the order of the movers with the time after the first, to 10 ms,
    which is finer than the looks are."""
    if not order:
        return "nobody"
    start = order[0].at
    texts = [order[0].loop]
    texts += [f"{mover.loop} {10 * round(100 * max(0.0, mover.at - start)):+d} ms" for mover in order[1:]]
    return ", ".join(texts)


def _mover(evidence: Evidence, loop: str) -> Mover | None:
    """Return when a loop first moved, by whichever of its signals; None where it stayed or was not closed."""
    index = evidence.loops.index(loop)
    rows = {"error": evidence.error[index], "witness": evidence.witness[index], "output": evidence.output_v[index]}
    closed = np.array([state in _CLOSED for state in evidence.states[index]])
    movers = [
        mover for signal in _SIGNALS if (mover := _crossing(evidence, loop, signal, rows[signal], closed)) is not None
    ]
    return min(movers, key=lambda mover: mover.at, default=None)


def _crossing(
    evidence: Evidence, loop: str, signal: str, values: NDArray[np.float64], closed: NDArray[np.bool_]
) -> Mover | None:
    band = quiet_band(evidence, values, signal)
    if band is None:
        return None
    times, loss_at = evidence.time_s, evidence.loss.at
    before = math.nan  # the last value within the band, and when
    before_at = math.nan
    was_closed = False
    for at, value, is_closed in zip(times.tolist(), values.tolist(), closed.tolist(), strict=True):
        if at > loss_at + AFTER_S:
            break
        # What was read in the tick that opened a loop was read before it was opened.
        relevant = is_closed or was_closed
        was_closed = is_closed
        if math.isnan(value) or not relevant:
            continue
        if band.holds(value) or at < loss_at - (OUTPUT_SEARCH_S if signal == "output" else SEARCH_S):
            if signal != "output" or value != before:
                before, before_at = value, at
            continue
        if math.isnan(before_at):
            return Mover(loop, at, signal, value - band.middle, look_s(evidence))
        gap_s = at - before_at
        if signal == "output" or gap_s > TOGETHER_LOOKS * look_s(evidence):  # anything may have been in between
            return Mover(loop, at, signal, value - band.middle, gap_s)
        edge = band.middle + math.copysign(band.half_width, value - band.middle)
        share = min(max((edge - before) / (value - before), 0.0), 1.0) if value != before else 1.0
        return Mover(loop, before_at + share * gap_s, signal, value - band.middle, gap_s)
    return None
