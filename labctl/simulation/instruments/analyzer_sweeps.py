"""A simulated spectrum analyzer that sweeps in lab time, as far as makers agree on it."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver
from labctl.simulation.instruments.analyzer_trace import SweepSequence, TraceMemory
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi import ScpiInstrument
from labctl.simulation.wire import Timebase

FIRST_TRACE, LAST_TRACE = 1, 6
LOOK_PERIOD_S = 0.5  # short sweeps share one look at the input for this long

ReceiverT = TypeVar("ReceiverT", bound=AnalyzerReceiver)


class SweepingAnalyzer(ScpiInstrument, Generic[ReceiverT]):
    """Sweep sequences of trace 1 over lab time.

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
        self._trace = TraceMemory(rng, rf_input)
        self._sequence: SweepSequence | None = None
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
            # A continuously rewritten trace has no memory: it is drawn when somebody looks.
            if not self._rewrites():
                self._trace.add(self._receiver, due - sequence.finished)
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
        return self._receiver.sweep_time_s / self._speed

    def _may_sweep(self) -> bool:
        """Return whether the mode is one that sweeps."""
        raise NotImplementedError

    def _refuse_sweep(self) -> None:
        """Raise `ScpiError` where a sweep cannot start now."""
        raise NotImplementedError

    def _rewrites(self) -> bool:
        return self._continuous and self._receiver.trace_type == "WRIT"

    def _restart(self) -> None:
        self._refuse_sweep()
        self._trace.clear()
        self._begin()

    def _begin(self) -> None:
        self._looked_at = self.now()
        target = math.inf if self._continuous else self._receiver.sweeps_in_sequence
        self._sequence = SweepSequence(self.now(), self.sweep_s, target)

    def _changed(self) -> None:
        self._trace.clear()
        if self._sequence is not None:
            self._restart()

    def _look(self) -> None:
        """Bring the trace up to the present."""
        self.advance(self.now())
        if self._sequence is not None and self._rewrites() and self._sequence.finished > self._trace.sweeps:
            self._trace.add(self._receiver, self._sequence.finished - self._trace.sweeps)

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

    def _power_w(self, trace: int) -> FloatArray | None:
        """Return the displayed power of a trace in W, shape (points,), or None where it holds no sweep."""
        self._look()
        return self._trace.power_w(self._receiver) if trace == FIRST_TRACE else None
