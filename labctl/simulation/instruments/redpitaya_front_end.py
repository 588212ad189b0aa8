"""The fast inputs of a simulated Red Pitaya: ranges, trigger thresholds, and volts turned into ADC codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.ports import FastInputs

ADC_RATE_HZ = 125e6
BUFFER_SAMPLES = 16384
FULL_SCALE_V: Mapping[str, float] = {"LV": 1.0, "HV": 20.0}
CODES_PER_FULL_SCALE = 8192
"""14 bit, signed: codes -8192 to 8191."""
HYSTERESIS_V = 0.005  # after a reset


class FrontEnd:
    """The fast inputs of one board, numbered from 1 to `count`.

    `gains` are the ranges that the server was told; `jumpers` are those as wired, by number: an input without one
    follows its gain. `levels_v` and `hysteresis_v` are the thresholds of the level triggers, by number.
    """

    def __init__(self, inputs: FastInputs, count: int, jumpers: Mapping[int, str]) -> None:
        self._inputs = inputs
        self._jumpers = jumpers
        self.numbers = tuple(range(1, count + 1))
        self.gains: dict[int, str] = {}
        self.levels_v: dict[int, float] = {}
        self.hysteresis_v: dict[int, float] = {}
        self.reset(self.numbers)

    def reset(self, numbers: Sequence[int]) -> None:
        """Put the inputs `numbers` into the state of ACQ:RST."""
        self.gains.update(dict.fromkeys(numbers, "LV"))
        self.levels_v.update(dict.fromkeys(numbers, 0.0))
        self.hysteresis_v.update(dict.fromkeys(numbers, HYSTERESIS_V))

    def full_scale_v(self, number: int) -> float:
        """Return the full scale that the server assumes for input `number`."""
        return FULL_SCALE_V[self.gains[number]]

    def volts(self, number: int, codes: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return what the server makes of `codes` of input `number`, in V."""
        return np.asarray(codes * np.float32(self.full_scale_v(number) / CODES_PER_FULL_SCALE))

    def set_level(self, number: int, volts: float) -> None:
        """Trigger input `number` at `volts`, or at the end of its range."""
        limit = self.full_scale_v(number)
        self.levels_v[number] = max(-limit, min(volts, limit))

    def set_hysteresis(self, number: int, volts: float) -> None:
        """Let a level trigger of input `number` be armed `volts` away from its level; what exceeds the range is
        ignored."""
        if abs(volts) <= self.full_scale_v(number):
            self.hysteresis_v[number] = volts

    def threshold_codes(self, number: int) -> tuple[float, float]:
        """Return level and hysteresis of input `number` in ADC codes, as the server computes them from its gain."""
        scale = CODES_PER_FULL_SCALE / self.full_scale_v(number)
        return self.levels_v[number] * scale, abs(self.hysteresis_v[number]) * scale

    def codes(
        self, numbers: Sequence[int], ended_at: float, rate_hz: float, kept: int, average: int
    ) -> NDArray[np.int16]:
        """Return the last `kept` ADC codes before `ended_at` (s), shape (len(numbers), kept), taken together.

        A whole buffer is captured whatever is kept, so that the table has one kind of record to make.
        """
        started_at = ended_at - BUFFER_SAMPLES / rate_hz
        volts = self._inputs.capture(numbers, started_at, rate_hz, BUFFER_SAMPLES, average)
        return self._quantise(numbers, volts[:, BUFFER_SAMPLES - kept :])

    def _quantise(self, numbers: Sequence[int], volts: NDArray[np.float64]) -> NDArray[np.int16]:
        ranges = [FULL_SCALE_V[self._jumpers.get(number, self.gains[number])] for number in numbers]
        scaled = volts * (CODES_PER_FULL_SCALE / np.array(ranges))[:, np.newaxis]
        np.rint(scaled, out=scaled)
        np.clip(scaled, -CODES_PER_FULL_SCALE, CODES_PER_FULL_SCALE - 1, out=scaled)
        return scaled.astype(np.int16)


def put(ring: NDArray[np.int16], position: int, values: NDArray[np.int16]) -> None:
    """Write `values` along the last axis of `ring` from `position` on, round its end; the newest ones stay."""
    size = ring.shape[-1]
    surplus = max(0, values.shape[-1] - size)
    values = values[..., surplus:]
    first = (position + surplus) % size
    head = min(values.shape[-1], size - first)
    ring[..., first : first + head] = values[..., :head]
    ring[..., : values.shape[-1] - head] = values[..., head:]


def taken(ring: NDArray[np.int16], position: int, count: int) -> NDArray[np.int16]:
    """Return `count` values of the one-dimensional `ring` from `position` on, round its end."""
    return np.asarray(ring.take(np.arange(position, position + count), mode="wrap"))
