"""What markers of simulated spectrum analyzers measure on a trace: levels, peaks, noise density and band power."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray, Scale
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver
from labctl.simulation.instruments.analyzer_trace import Trace
from labctl.simulation.scpi import Call, ScpiInstrument

_WITHIN_HALF_A_POINT = 0.5 + 1e-9
_SEARCHES = {
    "MAXimum[:PEAK]": "MAX",
    "MAXimum:NEXT": "NEXT",
    "MAXimum:LEFT": "LEFT",
    "MAXimum:RIGHt": "RIGHT",
    "MINimum[:PEAK]": "MIN",
}


@dataclass(frozen=True)
class Screen:
    """A trace as markers see it: `axis` (n,) in Hz or s, `power_w` (n,) or None where it holds no sweep, the noise
    bandwidth behind it, and the scale whose bias on noise a noise marker takes off."""

    axis: FloatArray
    power_w: FloatArray | None
    enbw_hz: float
    noise_scale: Scale
    in_time: bool

    @classmethod
    def of(cls, trace: Trace, present: AnalyzerReceiver) -> Screen:
        """Return the screen of `trace`; while it holds nothing, that of the `present` settings."""
        receiver = trace.taken_with or present
        return cls(receiver.axis(), trace.power_w(), receiver.enbw_hz, receiver.noise_scale, receiver.span_hz == 0)

    @property
    def width(self) -> float:
        """Distance between the first point and the last, in units of the axis."""
        return float(self.axis[-1] - self.axis[0])

    @property
    def spacing(self) -> float:
        """Distance between two points; of the axis where there is one point."""
        return self.width / max(self.axis.size - 1, 1)

    def position(self, x: float) -> float:
        """Return where `x` is in trace points, from 0 on, a real number."""
        return (x - float(self.axis[0])) / self.spacing if self.spacing else 0.0

    def x_at(self, position: float) -> float:
        """Return x at a position in trace points."""
        return float(self.axis[0]) + position * self.spacing

    def index(self, x: float) -> int | None:
        """Return the point nearest to `x`, None where that is off the screen."""
        margin = _WITHIN_HALF_A_POINT * self.spacing
        if not self.axis[0] - margin <= x <= self.axis[-1] + margin:
            return None
        return min(max(round(self.position(x)), 0), self.axis.size - 1)

    def power_at(self, x: float) -> float:
        """Return the power in W at `x`; 0 off the screen and where the trace holds no sweep."""
        index = self.index(x)
        return 0.0 if index is None or self.power_w is None else float(self.power_w[index])

    def peaks(self, excursion_db: float, least_dbm: float = -math.inf) -> list[int]:
        """Return the peaks that are at least `least_dbm`, see `peaks`; none where the trace holds no sweep."""
        if self.power_w is None:
            return []
        dbm = 10 * np.log10(self.power_w / 1e-3)
        return [index for index in peaks(dbm.tolist(), excursion_db) if dbm[index] >= least_dbm]

    def extreme(self, find: Callable[[FloatArray], np.intp]) -> int | None:
        """Return the point that `find` (argmax or argmin) chooses; None where the trace holds no sweep."""
        return None if self.power_w is None else int(find(self.power_w))

    def noise_density(self, first: int, last: int) -> float:
        """Return the mean one-sided noise density over points `first` to `last` in W/Hz, free of the bias of averages
        on other scales than power; 0 where the trace holds no sweep."""
        if self.power_w is None:
            return 0.0
        scale = self.noise_scale
        shown = np.mean(scale.forward(self.power_w[first : last + 1]), keepdims=True)
        unbiased = shown - scale.mean if scale.additive else shown / scale.mean
        return float(scale.backward(unbiased)[0]) / self.enbw_hz

    def band_power(self, first: int, last: int) -> float:
        """Return the power in W in the band of points `first` to `last`: their sum times spacing over noise bandwidth.

        Over time it is their mean.
        """
        if self.power_w is None:
            return 0.0
        inside = self.power_w[first : last + 1]
        return float(inside.mean() if self.in_time else inside.sum() * self.spacing / self.enbw_hz)


def peaks(level_db: Sequence[float], excursion_db: float) -> list[int]:
    """Return the indices, ascending, of points that rise and fall by at least `excursion_db` on both sides.

    Of equal points the first counts. What rises before the first point or falls after the last is no peak.
    """
    found: list[int] = []
    best, lowest, rising = 0, level_db[0], False
    for index, value in enumerate(level_db):
        if rising:
            if value > level_db[best]:
                best = index
            elif value < level_db[best] and value <= level_db[best] - excursion_db:
                found.append(best)
                lowest, rising = value, False
        elif value > lowest and value >= lowest + excursion_db:
            best, rising = index, True
        else:
            lowest = min(lowest, value)
    return found


def search(screen: Screen, where: str, x: float, found: Sequence[int]) -> int | None:
    """Return the point that a marker at `x` goes to, None where there is none.

    `where` is MAX, the highest of the peaks `found`; NEXT, the highest of those lower than where it is; LEFT or RIGHT,
    the nearest there; MIN, the lowest point of all.
    """
    power = screen.power_w
    if power is None:
        return None
    at = screen.position(x)
    present = screen.power_at(x) or math.inf
    match where:
        case "MIN":
            return screen.extreme(np.argmin)
        case "LEFT":
            return max((index for index in found if index < at - 0.5), default=None)
        case "RIGHT":
            return min((index for index in found if index > at + 0.5), default=None)
        case "NEXT":
            found = [index for index in found if power[index] < present]
    return max(found, key=lambda index: power[index], default=None)


def register_searches(
    instrument: ScpiInstrument, root: str, numbers: tuple[int, int], go: Callable[[int, str], None], *, place: int = 0
) -> None:
    """Add the commands that send a marker to a peak; `go` takes its number and a word that `search` knows."""
    low, high = numbers
    for node, where in _SEARCHES.items():

        def handle(call: Call, where: str = where) -> None:
            go(call.suffix(low, high, place), where)

        instrument.register(f"{root}:{node}", handle)


def register_numbered(
    instrument: ScpiInstrument,
    pattern: str,
    numbers: tuple[int, int],
    get: Callable[[int], str] | None,
    set_: Callable[[int, str], None] | None,
    *,
    place: int = 0,
) -> None:
    """Add a setting that each trace or marker has its own of; its number, within `numbers`, is at `<n>` number `place`.

    `set_` takes the argument as it was sent.
    """
    low, high = numbers
    if set_ is not None:
        instrument.register(pattern, lambda call: set_(call.suffix(low, high, place), call.arguments[0]), arguments=1)
    if get is not None:
        instrument.register(pattern + "?", lambda call: get(call.suffix(low, high, place)))
