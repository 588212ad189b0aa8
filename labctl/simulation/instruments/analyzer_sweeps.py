"""A simulated spectrum analyzer that sweeps in lab time, as far as makers agree on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from labctl.simulation.instruments.analyzer_markers import Screen
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver
from labctl.simulation.instruments.analyzer_trace import SweepSequence
from labctl.simulation.instruments.analyzer_traces import TraceBank
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import ScpiInstrument
from labctl.simulation.scpi_syntax import ScpiError
from labctl.simulation.wire import Timebase

LOOK_PERIOD_S = 1.0  # short sweeps share one look at the input for this long

ReceiverT = TypeVar("ReceiverT", bound=AnalyzerReceiver)


class SweepingAnalyzer(ScpiInstrument, Generic[ReceiverT]):
    """Sweep sequences over lab time, which feed six traces.

    Sweeps that finish between two calls of `advance` are all taken from the input as it is then, so the table calls it
    at every step while its state moves; without those calls the input is looked at when the host asks. `speed`: a sweep
    takes that many times less lab time than the instrument says.
    """

    def __init__(
        self,
        timebase: Timebase,
        rf_input: RfInput,
        rng: np.random.Generator,
        receiver: ReceiverT,
        speed: float,
    ) -> None:
        super().__init__(timebase)
        self._receiver = receiver
        self._speed = speed
        self._slowness = 1.0
        self.traces = TraceBank(rng, rf_input)
        self._sequence: SweepSequence | None = None
        self._looked_for = 0  # sweeps of the sequence that rewritten traces have shown
        self._continuous = True
        self._busy_until = -math.inf
        self._looked_at = -math.inf

    def advance(self, now: float) -> None:
        """Finish what sweeps are over at lab time `now` (s), with the input as it is at present."""
        sequence = self._sequence
        if sequence is None:
            return
        due = sequence.due(now)
        if due < sequence.target and now - self._looked_at < LOOK_PERIOD_S:
            return
        if due > sequence.finished:
            self._looked_at = now
            # Continuously rewritten traces have no memory: they are drawn when somebody looks.
            if not self._rewrites():
                self.traces.add(self.seen_by, due - sequence.finished)
            sequence.finished = due
        if due >= sequence.target:
            self._sequence = None

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; sweeps that are over by now are finished first."""
        self.advance(self.now())
        super().on_bytes(data)

    def operation_ends_at(self) -> float:
        """Return when change of mode and sweep sequence are over (continuous sweeping: the first sweep)."""
        return max(self._busy_until, -math.inf if self._sequence is None else self._sequence.ends_at)

    @property
    def sweep_s(self) -> float:
        """Lab time that one sweep takes, in s."""
        return self._receiver.sweep_time_s * self._slowness / self._speed

    def slow_down(self, factor: float) -> None:
        """Let sweeps take `factor` times as long as the instrument says, from the next sequence on."""
        self._slowness = factor

    def _may_sweep(self) -> bool:
        """Return whether the mode is one that sweeps."""
        raise NotImplementedError

    def _sweeps_wanted(self) -> int:
        """Return how many sweeps make one single measurement."""
        raise NotImplementedError

    def seen_by(self, trace: int) -> ReceiverT:
        """Return the receiver as the trace of that number sees it, a copy."""
        settings = self.traces[trace]
        return replace(self._receiver, trace_type=settings.kind, detector_set=settings.detector_set)

    def _screen(self, trace: int) -> Screen:
        """Return a trace as markers see it."""
        self._look()
        return Screen.of(self.traces[trace], self.seen_by(trace))

    def _refuse_sweep(self) -> None:
        """Raise `ScpiError` where a sweep cannot start now."""
        if not self._may_sweep():
            raise ScpiError(-221)

    def _rewrites(self) -> bool:
        return self._continuous and self.traces.only_rewritten

    def _restart(self) -> None:
        self._refuse_sweep()
        self.traces.clear()
        self._begin()

    def _begin(self) -> None:
        self._looked_at = self.now()
        self._looked_for = 0
        target = math.inf if self._continuous else self._sweeps_wanted()
        self._sequence = SweepSequence(self.now(), self.sweep_s, target)

    def changed(self) -> None:
        """Start over with all live traces, since the settings are others."""
        self.traces.clear()
        if self._sequence is not None:
            self._restart()

    def _trace_changed(self, number: int) -> None:
        """Start over with one trace; a running sequence begins anew, and the other traces keep what they have."""
        self.traces[number].clear()
        if self._sequence is not None:
            self._refuse_sweep()
            self._begin()

    def start_over(self, number: int, change: Callable[[], None]) -> None:
        """Run a change of one trace that starts it over, and others too where it moves what they are coupled to."""
        if self.traces.live not in ([], [number]):
            self._look()
        before = self._couplings()
        change()
        if self._moved(before, but=number):
            self.changed()
        else:
            self._trace_changed(number)

    def set_up(self, number: int, change: Callable[[], None]) -> None:
        """Run a change of how new sweeps come into a trace: a live one starts over, others keep what they have."""
        if self.traces[number].live:
            self.start_over(number, change)
        else:
            change()

    def couple(self, change: Callable[[], None]) -> None:
        """Run a change that may move the detector or average type of live traces, which then start over."""
        self._look()
        before = self._couplings()
        change()
        if self._moved(before):
            self.changed()

    def _couplings(self) -> dict[int, tuple[str, str]]:
        """Return detector and average type of each live trace."""
        live = {number: self.seen_by(number) for number in self.traces.live}
        return {number: (seen.detector, seen.average_type) for number, seen in live.items()}

    def _moved(self, before: dict[int, tuple[str, str]], but: int | None = None) -> bool:
        """Return whether a trace that was live `before`, and is not `but`, is coupled to something else now."""
        now = self._couplings().items()
        return any(number in before and before[number] != coupled for number, coupled in now if number != but)

    def _look(self) -> None:
        """Bring the traces up to the present."""
        self.advance(self.now())
        if self._sequence is not None and self._rewrites() and self._sequence.finished > self._looked_for:
            self.traces.add(self.seen_by, self._sequence.finished - self._looked_for)
            self._looked_for = self._sequence.finished

    def _set_continuous(self, continuous: bool) -> None:
        if continuous == self._continuous:
            return
        self._look()
        self._continuous = continuous
        self._sequence = None
        if continuous:
            self._restart()

    def _stop(self) -> None:
        """Stop the sequence; in continuous sweeping the next one starts at once."""
        self._sequence = None
        if self._continuous and self._may_sweep():
            self._restart()
