"""The triggers of a simulated Red Pitaya: where a sampled signal crosses a level, and the edges of the trigger pin."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.instruments.redpitaya_front_end import BUFFER_SAMPLES

SOURCES = (
    "DISABLED",
    "NOW",
    *(f"{source}_{edge}" for source in ("CH1", "CH2", "CH3", "CH4", "EXT", "AWG") for edge in ("PE", "NE", "AE")),
)
MOST_PIECES = 32
"""Pieces of one buffer that one look may search without a gap; of a longer wait as many are spread over it."""
HOLDOFF_S = 500e-6  # of the external trigger, after a reset

_LEVEL = re.compile(r"CH(\d)_([PNA])E")
_EDGES = {"P": (True,), "N": (False,), "A": (True, False)}

Codes = NDArray[np.int16]
Look = Callable[[int, int], Codes]
"""Takes the samples from index `start` to before `stop` (at most a buffer), shape (inputs, stop - start)."""


def level_input(source: str) -> int | None:
    """Return the number of the input whose level `source` watches, or None."""
    match = _LEVEL.fullmatch(source)
    return int(match[1]) if match else None


def wants_edge(source: str, *, rising: bool) -> bool:
    """Return whether such an edge is one of those that `source` ("EXT_NE") waits for."""
    return rising in _EDGES[source[-2]]


class LevelWatch:
    """Watches one row of samples for the edges of `source` ("CH2_PE").

    A rising edge is the first sample at or above the level after one below level - hysteresis, a falling edge likewise
    upside down. The samples are those of the record, so what decimation leaves out is not seen.
    """

    def __init__(self, source: str, row: int, thresholds: Callable[[], tuple[float, float]]) -> None:
        match = _LEVEL.fullmatch(source)
        assert match is not None
        self._rising = _EDGES[match[2]]
        self._row = row
        self._thresholds = thresholds
        self.ready = [False] * len(self._rising)  # by direction: whether the signal has been on the other side

    def scan(self, codes: Codes) -> int | None:
        """Return the index of the first edge in `codes`, which go on from those of the call before."""
        level, hysteresis = self._thresholds()
        hits = [self._scan(place, codes[self._row], level, hysteresis) for place in range(len(self._rising))]
        return min((hit for hit in hits if hit is not None), default=None)

    def _scan(self, place: int, row: Codes, level: float, hysteresis: float) -> int | None:
        signal = row if self._rising[place] else -row
        level = level if self._rising[place] else -level
        start = 0
        if not self.ready[place]:
            start = _first(signal < level - hysteresis)
            if start == signal.size:
                return None
            self.ready[place] = True
        hit = start + _first(signal[start:] >= level)
        if hit == signal.size:
            return None
        self.ready[place] = False
        return hit


def _first(true: NDArray[np.bool_]) -> int:
    """Return the first index that is true, or the size where none is."""
    if true.size == 0:
        return 0
    place = int(np.argmax(true))
    return place if true[place] else int(true.size)


@dataclass(frozen=True)
class Piece:
    """Samples that were looked at: from index `start` on, with the place of the edge in them, or None."""

    start: int
    codes: Codes
    hit: int | None = None

    @property
    def stop(self) -> int:
        """Return the index after the last sample."""
        return self.start + int(self.codes.shape[1])


def search(watch: LevelWatch, look: Look, first: int, last: int) -> Iterator[Piece]:
    """Yield what was looked at of the samples `first` to before `last`, in order, up to the first edge.

    A short wait is searched without a gap. A longer one is probed at `MOST_PIECES` places: where the signal turns out
    to be on the other side after a gap, the gap is halved until the edge is found. What crosses twice within a gap is
    missed, as a bounded search must. What is not yielded was not kept.
    """
    if last - first > MOST_PIECES * BUFFER_SAMPLES:
        yield from _probe(watch, look, first, last)
        return
    while first < last:
        piece = _looked_at(watch, look, first, min(first + BUFFER_SAMPLES, last))
        yield piece
        if piece.hit is not None:
            return
        first = piece.stop


def _looked_at(watch: LevelWatch, look: Look, start: int, stop: int) -> Piece:
    codes = look(start, stop)
    return Piece(start, codes, watch.scan(codes))


def _probe(watch: LevelWatch, look: Look, first: int, last: int) -> Iterator[Piece]:
    end_of_last = first
    for start in np.linspace(first, last - BUFFER_SAMPLES, MOST_PIECES).astype(np.int64).tolist():
        ready = list(watch.ready)
        piece = _looked_at(watch, look, start, start + BUFFER_SAMPLES)
        if piece.hit == 0 and any(ready):
            piece = _halve(watch, look, ready, end_of_last, piece)
        if piece.hit is not None or piece.stop == last:
            before = max(first, piece.start - BUFFER_SAMPLES)
            if before < piece.start:
                yield Piece(before, look(before, piece.start))
            yield piece
            return
        end_of_last = piece.stop


def _halve(watch: LevelWatch, look: Look, ready: list[bool], low: int, found: Piece) -> Piece:
    """Return the piece with the edge, which lies between index `low`, before which there was none, and `found`."""
    while low < found.start:
        size = min(BUFFER_SAMPLES, found.start - low)
        start = low + (found.start - low - size) // 2
        watch.ready = list(ready)
        piece = _looked_at(watch, look, start, start + size)
        if piece.hit is None:
            ready, low = list(watch.ready), piece.stop
        elif piece.hit == 0 and start > low:
            found = piece
        else:
            return piece
    return found


class HeldOff:
    """What acts on the edges of the trigger pin, at most once within `holdoff_s` (s)."""

    def __init__(self, act: Callable[[bool, float], None]) -> None:
        self.holdoff_s = HOLDOFF_S
        self._act = act
        self._deaf_until = -math.inf

    def edge(self, *, rising: bool, now: float) -> None:
        """Act on an edge at `now`, unless one came too short before it."""
        if now >= self._deaf_until:
            self._deaf_until = now + self.holdoff_s
            self._act(rising, now)


class TriggerPin:
    """The pin of the external trigger; an edge comes when somebody sees that its level differs from the last time."""

    def __init__(self, level: Callable[[], int]) -> None:
        self._read = level
        self._level = level()
        self._listeners: list[HeldOff] = []

    def attach(self, listener: HeldOff) -> None:
        """Tell `listener` of every edge."""
        self._listeners.append(listener)

    def look(self, now: float) -> None:
        """Notice an edge since the last look."""
        level = self._read()
        if level == self._level:
            return
        self._level = level
        for listener in self._listeners:
            listener.edge(rising=level > 0, now=now)
