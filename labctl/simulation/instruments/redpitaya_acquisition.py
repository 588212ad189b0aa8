"""The acquisition of a simulated Red Pitaya: a ring of samples per input that fills in lab time around a trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.ports import FastInputs

ADC_RATE_HZ = 125e6
BUFFER_SAMPLES = 16384
MIDDLE = BUFFER_SAMPLES // 2
FULL_SCALE_V: Mapping[str, float] = {"LV": 1.0, "HV": 20.0}
CODES_PER_FULL_SCALE = 8192
"""14 bit, signed: codes -8192 to 8191."""

_SLACK_SAMPLES = 1e-3  # lab time is a float: what is due this much of a sample later is due now


@dataclass(frozen=True)
class _Stretch:
    """Samples that were written at one rate but not captured yet."""

    samples: int
    ended_at: float
    rate_hz: float
    average: int


class Acquisition:
    """The fast inputs of one board, numbered from 1 to `count`; times are in s of lab time.

    Time is followed when somebody looks. The voltages are captured when a reading needs them, so a record that is read
    after it is complete is captured once. A record that was never read leaves nothing behind.
    `jumpers` are the ranges as wired, by input; an input without one follows the gain that the server was told.
    """

    def __init__(self, inputs: FastInputs, count: int, jumpers: Mapping[int, str]) -> None:
        self._inputs = inputs
        self._numbers = tuple(range(1, count + 1))
        self._jumpers = jumpers
        self._ring = np.zeros((count, BUFFER_SAMPLES), dtype=np.int16)
        self.reset()

    def reset(self) -> None:
        """Go to the state of ACQ:RST; the buffer keeps what it has."""
        self.gains = dict.fromkeys(self._numbers, "LV")
        self.trigger_level_v = 0.005
        self.delay = 0
        self.source = "DISABLED"
        self.triggered = False
        self.filled = False
        self.position_at_trigger = 0
        self._position = 0
        self._decimation = 1
        self._averaging = True
        self._running = False
        self._followed_until = 0.0
        self._remaining: int | None = None
        self._pending: _Stretch | None = None

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
        """Sample otherwise from `now` on."""
        self.follow(now)
        if self._running:
            self._capture()
        self._decimation = self._decimation if decimation is None else decimation
        self._averaging = self._averaging if averaging is None else averaging

    # ---- run -------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Write samples from `now` on, and forget the trigger and its source."""
        self._pending = None
        self._running = True
        self._followed_until = now
        self._remaining = None
        self.triggered = False
        self.filled = False
        self.source = "DISABLED"

    def stop(self, now: float) -> None:
        """Write no more samples."""
        self.follow(now)
        self._running = False

    def wait_for(self, source: str, now: float) -> None:
        """Wait for `source`; NOW has already come."""
        self.source = source
        if source == "NOW":
            self.trigger(now)

    def trigger(self, now: float) -> None:
        """Trigger at `now`: the record ends 8192 + delay samples later. Nothing happens unless it runs untriggered."""
        self.follow(now)
        if not self._running or self.triggered:
            return
        self.triggered = True
        self.source = "DISABLED"
        self.position_at_trigger = self._position
        self._remaining = max(0, MIDDLE + self.delay)
        self.follow(now)

    def follow(self, now: float) -> None:
        """Let the buffer fill until `now`."""
        if not self._running:
            return
        written = max(0, int((now - self._followed_until) * self.rate_hz + _SLACK_SAMPLES))
        if self._remaining is not None:
            written = min(written, self._remaining)
            self._remaining -= written
            if self._remaining == 0:
                self._running = False
                self.filled = True
        if written:
            self._followed_until += written / self.rate_hz
            self._position = (self._position + written) % BUFFER_SAMPLES
            waiting = self._pending.samples if self._pending else 0
            average = self._decimation if self._averaging else 1
            self._pending = _Stretch(waiting + written, self._followed_until, self.rate_hz, average)

    # ---- what is read ----------------------------------------------------------------------------------------------

    def write_position(self, now: float) -> int:
        """Return where the newest sample is in the buffer, at `now`."""
        self.follow(now)
        return self._position

    def codes(self, number: int, first: int, count: int, now: float) -> NDArray[np.int16]:
        """Return `count` ADC codes of input `number` from position `first` of the ring on, at `now`."""
        self.follow(now)
        self._capture()
        row: NDArray[np.int16] = self._ring[number - 1]
        first %= BUFFER_SAMPLES
        return np.concatenate((row[first : first + count], row[: max(0, first + count - BUFFER_SAMPLES)]))

    def full_scale_v(self, number: int) -> float:
        """Return the full scale that the server assumes for input `number`."""
        return FULL_SCALE_V[self.gains[number]]

    def _capture(self) -> None:
        """Put the samples that were written since the last capture into the ring."""
        stretch, self._pending = self._pending, None
        if stretch is None:
            return
        started_at = stretch.ended_at - BUFFER_SAMPLES / stretch.rate_hz
        volts = self._inputs.capture(self._numbers, started_at, stretch.rate_hz, BUFFER_SAMPLES, stretch.average)
        kept = min(stretch.samples, BUFFER_SAMPLES)
        codes = self._quantise(volts[:, BUFFER_SAMPLES - kept :])
        first = (self._position - kept + 1) % BUFFER_SAMPLES
        split = min(kept, BUFFER_SAMPLES - first)
        self._ring[:, first : first + split] = codes[:, :split]
        self._ring[:, : kept - split] = codes[:, split:]

    def _quantise(self, volts: NDArray[np.float64]) -> NDArray[np.int16]:
        ranges = [FULL_SCALE_V[self._jumpers.get(number, self.gains[number])] for number in self._numbers]
        scaled = volts * (CODES_PER_FULL_SCALE / np.array(ranges))[:, np.newaxis]
        np.rint(scaled, out=scaled)
        np.clip(scaled, -CODES_PER_FULL_SCALE, CODES_PER_FULL_SCALE - 1, out=scaled)
        return scaled.astype(np.int16)
