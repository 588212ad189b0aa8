"""The acquisition of a simulated Red Pitaya: a ring of samples per input that fills in lab time around a trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.instruments.redpitaya_deep_memory import DeepBuffer
from labctl.simulation.instruments.redpitaya_front_end import ADC_RATE_HZ, BUFFER_SAMPLES, FrontEnd, put, taken
from labctl.simulation.instruments.redpitaya_triggers import LevelWatch, level_input, search

MIDDLE = BUFFER_SAMPLES // 2

_SLACK_SAMPLES = 1e-3  # lab time is a float: what is due this much of a sample later is due now


class Acquisition:
    """The state machine of the inputs `numbers` of one board; times are in s of lab time.

    Samples are numbered from the first after a reset. Sample i is in place (i + 1) % 16384 of `ring`, which has a row
    for each input; those inputs whose buffer in `deep` is switched on write the same samples there.

    Time is followed when somebody looks. The voltages are captured when a reading needs them, so a record that is read
    after it is complete is captured once; only a level trigger captures while it waits. A record that was never read
    leaves nothing behind. `on_trigger` is told the time of every trigger.
    """

    def __init__(
        self, front: FrontEnd, numbers: Sequence[int], ring: NDArray[np.int16], deep: Mapping[int, DeepBuffer]
    ) -> None:
        self.numbers = tuple(numbers)
        self._front = front
        self._ring = ring
        self._deep = {number: deep[number] for number in self.numbers}
        self.on_trigger: Callable[[float], None] = lambda at: None
        self.reset()

    def reset(self) -> None:
        """Go to the state of ACQ:RST; the buffer keeps what it has."""
        self.delay = 0
        self.source = "DISABLED"
        self.triggered = False
        self.position_at_trigger = 0
        self.triggered_at = 0.0
        self.waits_since = 0.0
        self._decimation = 1
        self._averaging = True
        self._delay_ns: int | None = None
        self._running = False
        self._followed_until = 0.0
        self._written = 0
        self._captured = 0
        self._sampled = (self.rate_hz, 1)  # rate in Hz and average of the samples that are not captured yet
        self._ring_end: int | None = None
        self._watch: LevelWatch | None = None

    # ---- settings --------------------------------------------------------------------------------------------------

    @property
    def rate_hz(self) -> float:
        """Samples per second after decimation."""
        return ADC_RATE_HZ / self._decimation

    @property
    def decimation(self) -> int:
        """How many ADC samples make one."""
        return self._decimation

    @property
    def averaging(self) -> bool:
        """Whether they are averaged; otherwise one of them is kept."""
        return self._averaging

    def set_rate(self, now: float, *, decimation: int | None = None, averaging: bool | None = None) -> None:
        """Sample otherwise from `now` on; a delay that was set as a time stays one."""
        self.follow(now)
        if self._running:
            self._capture()
        self._decimation = self._decimation if decimation is None else decimation
        self._averaging = self._averaging if averaging is None else averaging
        if self._delay_ns is not None:
            self.set_delay_ns(self._delay_ns)

    def set_delay(self, samples: int) -> None:
        """End the record 8192 + `samples` samples after the trigger, none before it."""
        self.delay = max(samples, -MIDDLE)
        self._delay_ns = None

    def set_delay_ns(self, nanoseconds: int) -> None:
        """Delay by a time in ns, in whole samples."""
        self.set_delay(round(nanoseconds * 1e-9 * self.rate_hz))
        self._delay_ns = nanoseconds

    @property
    def delay_ns(self) -> int:
        """The delay in ns."""
        return round(self.delay / self.rate_hz * 1e9)

    # ---- run -------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Write samples from `now` on, and forget the trigger and its source."""
        self._captured = self._written
        self._running = True
        self._followed_until = now
        self._ring_end = None
        self._watch = None
        self.triggered = False
        self.source = "DISABLED"
        for buffer in self._deep.values():
            buffer.begin(self._written)

    def stop(self, now: float) -> None:
        """Write no more samples."""
        self.follow(now)
        self._running = False

    def wait_for(self, source: str, now: float) -> None:
        """Wait for `source`; NOW has already come."""
        if self._watch is not None:
            self.follow(now)
        self.source = source
        self.waits_since = now
        self._watch = None
        if source == "NOW":
            self.trigger(now)
        number = level_input(source)
        if number is not None and self._running and not self.triggered:
            self.follow(now)
            self._capture()  # what came before is not searched
            row = self.numbers.index(number) if number in self.numbers else 0
            self._watch = LevelWatch(source, row, lambda: self._front.threshold_codes(number))

    def trigger(self, now: float) -> None:
        """Trigger at `now`: the record ends 8192 + delay samples later. Nothing happens unless it runs untriggered."""
        self.follow(now)
        if not self._running or self.triggered:
            return
        self._trigger_at(self._written, self._written % BUFFER_SAMPLES)
        self.on_trigger(now)  # not the time of the sample: along a chain that would add up
        self.follow(now)

    def follow(self, now: float) -> None:
        """Let the buffer fill until `now`, and find the level that is waited for."""
        if not self._running:
            return
        due = max(0, int((now - self._followed_until) * self.rate_hz + _SLACK_SAMPLES))
        if self._watch is not None:
            self._seek(due)
        else:
            self._advance(due)

    def _advance(self, due: int) -> None:
        end = self._end()
        if end is not None:
            due = max(0, min(due, end - self._written))
        if due:
            self._sampled = (self.rate_hz, self._decimation if self._averaging else 1)
            self._followed_until += due / self.rate_hz
            self._written += due
        if end is not None and self._written >= end:
            self._running = False

    def _seek(self, due: int) -> None:
        """Take `due` samples while looking for the level; what comes after it is only written."""
        assert self._watch is not None
        first = self._written
        self._advance(due)
        for piece in search(self._watch, self._look, first, self._written):
            self._captured = piece.stop
            if piece.hit is not None:
                index = piece.start + piece.hit
                self._trigger_at(index, (index + 1) % BUFFER_SAMPLES)
                self.on_trigger(self.triggered_at)
                self._end_in_the_past()
            self._store(piece.start, piece.codes)

    def _trigger_at(self, index: int, position: int) -> None:
        self.triggered = True
        self.source = "DISABLED"
        self.position_at_trigger = position
        self.triggered_at = self._time_of(index)
        self._watch = None
        self._ring_end = index + max(0, MIDDLE + self.delay)
        for buffer in self._deep.values():
            buffer.trigger_at(index)

    def _end_in_the_past(self) -> None:
        """Take back what was written after the end of the record, since the trigger was noticed late."""
        end = self._end()
        if end is not None and end <= self._written:
            self._followed_until = self._time_of(end)
            self._written = end
            self._captured = min(self._captured, end)
            self._running = False

    def _end(self) -> int | None:
        """Return the index after the last sample that anybody wants, or None while there is no trigger."""
        if self._ring_end is None:
            return None
        return max([self._ring_end, *(buffer.end for buffer in self._deep.values() if buffer.end is not None)])

    def _time_of(self, index: int) -> float:
        return self._followed_until + (index - self._written) / self._sampled[0]

    # ---- what is read ----------------------------------------------------------------------------------------------

    def is_triggered(self, now: float) -> bool:
        """Return whether the trigger has come."""
        if self._watch is not None:
            self.follow(now)
        return self.triggered

    def is_filled(self, now: float) -> bool:
        """Return whether the record is complete."""
        self.follow(now)
        return self._ring_end is not None and self._written >= self._ring_end

    def write_position(self, now: float) -> int:
        """Return where the newest sample is in the buffer, at `now`."""
        self.follow(now)
        return self._ring_last() % BUFFER_SAMPLES

    def codes(self, number: int, first: int, count: int, now: float) -> NDArray[np.int16]:
        """Return `count` ADC codes of input `number` from position `first` of the ring on, at `now`."""
        self.follow(now)
        self._capture()
        return taken(self._ring[self.numbers.index(number)], first % BUFFER_SAMPLES, count)

    def is_deep_filled(self, number: int, now: float) -> bool:
        """Return whether the deep record of input `number` is complete."""
        self.follow(now)
        end = self._deep[number].end
        return end is not None and self._written >= end

    def deep_write_position(self, number: int, now: float) -> int:
        """Return where the next sample of input `number` goes in its deep buffer."""
        self.follow(now)
        return self._deep[number].position(self._deep[number].last(self._written))

    def capture(self, now: float) -> None:
        """Put everything that was sampled until `now` into the buffers."""
        self.follow(now)
        self._capture()

    # ---- samples ---------------------------------------------------------------------------------------------------

    def _ring_last(self) -> int:
        return self._written if self._ring_end is None else min(self._written, self._ring_end)

    def _capture(self) -> None:
        """Put the samples that were written since the last capture, and that still fit, into the buffers."""
        wanted = [self._ring_last() - BUFFER_SAMPLES]
        wanted += [buffer.last(self._written) - buffer.samples for buffer in self._deep.values() if buffer.recording]
        first, last = max(self._captured, min(wanted)), self._written
        self._captured = last
        # A part of a buffer comes first: what is captured and not kept lies before it, and the others follow on it.
        for stop in range(last - (last - first - 1) // BUFFER_SAMPLES * BUFFER_SAMPLES, last + 1, BUFFER_SAMPLES):
            self._store(first, self._look(first, stop))
            first = stop

    def _look(self, start: int, stop: int) -> NDArray[np.int16]:
        rate_hz, average = self._sampled
        return self._front.codes(self.numbers, self._time_of(stop), rate_hz, stop - start, average)

    def _store(self, first: int, codes: NDArray[np.int16]) -> None:
        kept = codes if self._ring_end is None else codes[:, : max(0, self._ring_end - first)]
        if kept.shape[1]:
            put(self._ring, first + 1, kept)
        for row, buffer in enumerate(self._deep.values()):
            buffer.store(first, codes[row])
