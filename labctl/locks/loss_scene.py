"""What the seconds around a loss show, loop by loop: levels, jumps, drifts, swings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.locks.first_movers import (
    LEAST_BAND,
    Mover,
    Needs,
    ancestors,
    first_movers,
    look_s,
    onset,
    quiet_band,
    roots,
)
from labctl.locks.losses import Evidence

SETTLED_TICKS: Final = 3  # before the first bad reading: an abrupt loss was still within its band then
FAR_BANDS: Final = 2.0  # half widths of the quiet band: what goes so far within a tick or two is no drift
FEWEST: Final = 6  # readings, for a swing or a silence
SWING: Final = 3.0  # times the rms of the quiet seconds
SWING_TURNS: Final = 0.3  # of the readings after which the sign has changed; a drift has none
SILENCE: Final = 0.45  # of the rms of the quiet seconds
TREND_SIGMAS: Final = 4.0

CLOSED: Final = frozenset({"locked", "suspect"})
_GONE: Final = frozenset({"stalled", "relock"})


@dataclass(frozen=True)
class Scene:
    """The evidence of one loss with the order of its movers; `subject` is the loop whose behaviour explains it: the
    lost one, or the first mover where the lost one needs it."""

    evidence: Evidence
    needs: Needs
    order: tuple[Mover, ...]
    subject: str

    @classmethod
    def of(cls, evidence: Evidence, needs: Needs) -> Scene:
        """Return the scene of a loss."""
        order = first_movers(evidence, needs)
        lost = evidence.loss.loop
        upstream = bool(order) and order[0].loop in ancestors(lost, needs) and _was_in_doubt(evidence, order[0])
        return cls(evidence, needs, order, order[0].loop if upstream else lost)

    @property
    def is_upstream(self) -> bool:
        """Return whether a loop that the lost one needs moved first."""
        return self.subject != self.evidence.loss.loop

    @property
    def root(self) -> str | None:
        """Return the loop that all others need; None where there is no single one."""
        found = [name for name in roots(self.needs) if name in self.evidence.loops]
        return found[0] if len(found) == 1 else None

    @property
    def look_s(self) -> float:
        """Return the time between two looks, in s."""
        return look_s(self.evidence)

    # ---- signals ----------------------------------------------------------------------------------------------------

    def signal(self, loop: str) -> tuple[str, NDArray[np.float64]]:
        """Return name and values of the signal that judges a loop: its error where it has one, else its witness."""
        index = self.evidence.loops.index(loop)
        error = self.evidence.error[index]
        before = error[: onset(self.evidence) + 1]
        return ("error", error) if np.isfinite(before).any() else ("witness", self.evidence.witness[index])

    def has_error(self, loop: str) -> bool:
        """Return whether a loop has an error signal that is read all the time."""
        return self.signal(loop)[0] == "error"

    def closed(self, loop: str) -> NDArray[np.bool_]:
        """Return for each tick whether a loop was locked."""
        return np.array([state in CLOSED for state in self.evidence.states[self.evidence.loops.index(loop)]])

    def while_bad(self, loop: str) -> NDArray[np.float64]:
        """Return the readings of a loop from the first bad one of the lost loop on, while both were still closed."""
        start = onset(self.evidence)
        values, closed = self.signal(loop)[1], self.closed(loop) & self.closed(self.evidence.loss.loop)
        opened = np.flatnonzero(~closed[start:])
        # The tick in which it was opened read it before.
        end = start + int(opened[0]) + 1 if opened.size else len(values)
        readings = values[start:end]
        return np.asarray(readings[np.isfinite(readings)])

    def before(self, loop: str) -> NDArray[np.float64]:
        """Return the readings of a loop before the first bad one of the lost loop."""
        values = self.signal(loop)[1][: onset(self.evidence)]
        return np.asarray(values[np.isfinite(values)])

    # ---- what they show ---------------------------------------------------------------------------------------------

    def is_abrupt(self, loop: str) -> bool:
        """Return whether a loop went from quiet to far off within a tick or two."""
        signal, values = self.signal(loop)
        band = quiet_band(self.evidence, values, signal)
        before, bad = self.before(loop)[-SETTLED_TICKS:], self.while_bad(loop)[:2]
        if band is None or before.size == 0 or bad.size == 0:
            return False
        settled = all(band.holds(float(value)) for value in before[:-1])
        return settled and float(np.max(np.abs(bad - band.middle))) > FAR_BANDS * band.half_width

    def stayed(self, loop: str) -> bool:
        """Return whether a loop stayed in its quiet band while the lost one went."""
        signal, values = self.signal(loop)
        band = quiet_band(self.evidence, values, signal)
        bad = self.while_bad(loop)
        return band is not None and bad.size > 0 and all(band.holds(float(value)) for value in bad)

    def level(self, loop: str) -> float:
        """Return the witness of a loop in its bad readings over that before; nan where it has none."""
        if self.has_error(loop):
            return math.nan
        before, bad = self.before(loop), self.while_bad(loop)
        if before.size == 0 or bad.size == 0:
            return math.nan
        return float(np.median(bad) / np.median(before))

    def trend_per_s(self, loop: str) -> float:
        """Return how the signal of a loop moved before the loss, per s; 0 where its readings show no trend."""
        values = self.signal(loop)[1][: onset(self.evidence)]
        times = self.evidence.time_s[: onset(self.evidence)]
        good = np.isfinite(values)
        if int(good.sum()) < 2 * FEWEST:
            return 0.0
        t, y = times[good] - times[good].mean(), values[good] - values[good].mean()
        slope = float(t @ y / (t @ t))
        left = y - slope * t
        sigma = math.sqrt(float(left @ left) / (len(t) - 2) / float(t @ t))
        return slope if abs(slope) > TREND_SIGMAS * sigma else 0.0

    def swings(self, loop: str) -> bool:
        """Return whether a loop swung about its point, far more than before."""
        bad, before = self.while_bad(loop), self.before(loop)
        recent = np.concatenate([before[-2 * FEWEST :], bad])
        quiet = before[: -2 * FEWEST]
        if recent.size < 2 * FEWEST or quiet.size < FEWEST:
            return False
        centred = recent - float(np.median(quiet))
        turns = float(np.mean(np.diff(np.sign(centred)) != 0.0))
        least = max(SWING * float(np.std(quiet)), LEAST_BAND[self.signal(loop)[0]])
        loud = float(np.sqrt(np.mean(centred**2))) > least
        return loud and turns > SWING_TURNS and not self.is_abrupt(loop)

    def fell_silent(self, loop: str) -> bool:
        """Return whether the error of a loop became too quiet for one with light, or had been until it was lost."""
        if not self.has_error(loop):
            return False
        bad, before, again = self.while_bad(loop), self.before(loop)[-2 * FEWEST :], self.closed_again(loop)
        pairs = ((bad, self.before(loop)), (before, again))
        return any(
            few.size >= FEWEST and many.size >= FEWEST and float(np.std(few)) < SILENCE * float(np.std(many))
            for few, many in pairs
        )

    def closed_again(self, loop: str) -> NDArray[np.float64]:
        """Return the readings of a loop after it was locked again."""
        start = self._again(loop)
        values = self.signal(loop)[1][start:] if start is not None else np.empty(0)
        return np.asarray(values[np.isfinite(values)])

    def _again(self, loop: str) -> int | None:
        """Return the first tick after the loss in which a loop was locked again."""
        start, closed = onset(self.evidence), self.closed(loop)
        opened = np.flatnonzero(~closed[start:])
        if opened.size == 0:
            return None
        again = np.flatnonzero(closed[start + int(opened[0]) :])
        return start + int(opened[0]) + int(again[0]) if again.size else None

    # ---- outputs ----------------------------------------------------------------------------------------------------

    def output_drift_v_per_s(self, loop: str) -> float:
        """Return how fast the output went before the loss, from the looks at it in the seconds before."""
        outputs = self.evidence.output_v[self.evidence.loops.index(loop)][: onset(self.evidence) + 1]
        times = self.evidence.time_s[: onset(self.evidence) + 1]
        good = np.isfinite(outputs)
        outputs, times = outputs[good], times[good]
        looks = np.flatnonzero(np.diff(outputs) != 0.0) + 1
        if looks.size < 2:
            return 0.0
        return float((outputs[looks[-1]] - outputs[looks[0]]) / (times[looks[-1]] - times[looks[0]]))

    def output_before_v(self, loop: str) -> float:
        """Return the output as it was last seen before the loss; nan where nobody looked."""
        outputs = self.evidence.output_v[self.evidence.loops.index(loop)][: onset(self.evidence)]
        known = outputs[np.isfinite(outputs)]
        return float(known[-1]) if known.size else math.nan

    def jump_v(self, loop: str) -> float:
        """Return how far from its old output a loop was closed again; nan where it was not, within the evidence."""
        again = self._again(loop)
        if again is None:
            return math.nan
        outputs = self.evidence.output_v[self.evidence.loops.index(loop)][again:]
        known = outputs[np.isfinite(outputs)]
        return float(known[0]) - self.output_before_v(loop) if known.size else math.nan

    def failed_tries(self, loop: str) -> int:
        """Return how many tries to lock a loop again found nothing."""
        states = self.evidence.states[self.evidence.loops.index(loop)][onset(self.evidence) :]
        return max(0, sum(now in _GONE and before not in _GONE for before, now in pairwise(states)) - 1)

    def was(self, loop: str, state: str) -> bool:
        """Return whether a loop was in a state at or after the loss."""
        return state in self.evidence.states[self.evidence.loops.index(loop)][onset(self.evidence) :]


def _was_in_doubt(evidence: Evidence, mover: Mover) -> bool:
    """Return whether a loop that moved was in doubt, or worse, before the lost one was given up: others move a little
    and hold."""
    states = evidence.states[evidence.loops.index(mover.loop)]
    looks = zip(evidence.time_s.tolist(), states, strict=True)
    return any(state != "locked" for at, state in looks if mover.at - 0.5 <= at <= evidence.loss.detected_at)
