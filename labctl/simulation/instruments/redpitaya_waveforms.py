"""What a generator of a simulated Red Pitaya puts out: shapes, pulse width, arbitrary tables and bursts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.ports import Waveform
from labctl.simulation.waveform_shapes import SHAPES

DAC_RATE_HZ = 125e6
DAC_FULL_SCALE_V = 1.0
LONGEST_TABLE = 16384
WITHOUT_END = 65536
"""Repetitions of a burst that never stop."""
_MICROSECOND = 1e-6

_Volts = NDArray[np.float64]


@dataclass(frozen=True)
class Burst:
    """`cycles` periods every `period_s`, `repetitions` times (None: without end), `idle_v` in between and after."""

    cycles: int
    repetitions: int | None
    period_s: float
    idle_v: float

    def next_start(self, after_s: float) -> float | None:
        """Return when the first burst after `after_s` starts, both in s since the first one; None after the last."""
        number = max(0, int(np.floor(after_s / self.period_s)) + 1)
        return None if self.repetitions is not None and number >= self.repetitions else number * self.period_s


@dataclass(frozen=True, eq=False)
class ShapedWaveform(Waveform):
    """A waveform that the plain fields do not describe; for those who know these alone, they are the nearest: a square
    for pulses, the mean of a table, a burst that does not end.

    `duty` is of shape SQUARE, `table_v` holds one period in V instead of amplitude and shape.
    """

    duty: float = 0.5
    table_v: NDArray[np.float64] | None = None
    burst: Burst | None = None

    def volts(self, time_s: _Volts) -> _Volts:
        """Return what is put out at `time_s` after the start, in V into high impedance."""
        if not self.on:
            return np.zeros_like(time_s)
        if self.burst is None:
            return self.offset_v + self._shaped(time_s)
        number = np.floor(time_s / self.burst.period_s)
        into = time_s - number * self.burst.period_s
        active = (number >= 0) & (into * self.frequency_hz < self.burst.cycles)
        if self.burst.repetitions is not None:
            active &= number < self.burst.repetitions
        return self.offset_v + np.where(active, self._shaped(into), self.burst.idle_v)

    def _shaped(self, time_s: _Volts) -> _Volts:
        turn = time_s * self.frequency_hz + self.phase_deg / 360.0
        if self.table_v is not None:
            return np.asarray(self.table_v[((turn % 1.0) * self.table_v.size).astype(np.int64) % self.table_v.size])
        if self.shape == "SQUARE":
            return self.amplitude_v * np.where(turn % 1.0 < self.duty, 1.0, -1.0)
        return self.amplitude_v * SHAPES[self.shape](turn)


@dataclass
class Generator:
    """The settings of one output; nothing oscillates before its first trigger.

    `waveform` is as the output is driven, the amplitude and offset that were asked for are beside it: into 50 ohm,
    which halves them, twice as much is put out.
    """

    shape: str = "SINE"
    waveform: Waveform = field(default_factory=Waveform)
    started_at: float | None = None
    amplitude_v: float = 1.0
    offset_v: float = 0.0
    load: str = "INF"
    duty: float = 0.5
    table: NDArray[np.float64] = field(default_factory=lambda: np.zeros(LONGEST_TABLE))
    mode: str = "CONTINUOUS"
    cycles: int = 1
    repetitions: int = 1
    period_us: int = 1001  # one period of 1 kHz, and what the board adds
    initial_v: float = 0.0
    last_v: float = 0.0
    trigger_source: str = "INT"

    @property
    def load_factor(self) -> float:
        """What is put out for one volt that is asked for."""
        return 2.0 if self.load == "L50" else 1.0

    def lengthen_period(self) -> None:
        """Keep the period longer than its burst, as the board does without a word."""
        burst_us = self.cycles / max(self.waveform.frequency_hz, 1e-9) / _MICROSECOND
        if self.period_us - int(burst_us) <= 0:
            self.period_us = int(burst_us) + 1

    def burst(self) -> Burst | None:
        """Return the burst, in mode BURST."""
        if self.mode != "BURST":
            return None
        repetitions = None if self.repetitions >= WITHOUT_END else self.repetitions
        return Burst(self.cycles, repetitions, self.period_us * _MICROSECOND, self.last_v)

    def output(self) -> Waveform:
        """Return what comes out: a plain waveform where that says all."""
        waveform = replace(self.waveform, shape=self.shape)
        if self.started_at is None:
            offset_v = waveform.offset_v + self.initial_v
            return replace(_nearest(waveform, self), amplitude_v=0.0, offset_v=offset_v)
        burst = self.burst()
        plain = _nearest(waveform, self)
        if burst is None and self.shape not in ("PWM", "ARBITRARY"):
            return plain
        table_v = waveform.amplitude_v * self.table if self.shape == "ARBITRARY" else None
        return ShapedWaveform(
            **vars(plain), duty=self.duty if self.shape == "PWM" else 0.5, table_v=table_v, burst=burst
        )


def _nearest(waveform: Waveform, generator: Generator) -> Waveform:
    """Return the plain waveform that is nearest to the shape of `generator`."""
    if waveform.shape == "DC_NEG":
        return replace(waveform, shape="DC", amplitude_v=-waveform.amplitude_v)
    if waveform.shape == "PWM":
        return replace(waveform, shape="SQUARE")
    if waveform.shape == "ARBITRARY":
        return replace(waveform, shape="DC", amplitude_v=waveform.amplitude_v * float(np.mean(generator.table)))
    return waveform
