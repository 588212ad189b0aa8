"""What the receivers of simulated spectrum analyzers share: band, couplings, and noise as seen through them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labctl.simulation.analyzer_lines import lines_v2
from labctl.simulation.analyzer_noise import (
    CELL_PER_RBW,
    ENBW_PER_RBW,
    FloatArray,
    NoiseDraw,
    Scale,
    effective_averages,
    lagged,
    memory_in_frequency,
    memory_in_time,
)
from labctl.simulation.instruments.analyzer_units import IMPEDANCE_OHM
from labctl.simulation.ports import RfInput, RfLines

SMALLEST_SPAN_HZ = 10.0
ZERO_SPAN_TIME_S = 0.1
SWEEP_CONSTANT = 2.5  # swept time = k span / (RBW min(RBW, VBW))
FFT_RECORDS = 1.5  # FFT time = 1.5 / min(RBW, VBW)
FFT_UP_TO_RBW_HZ = 10e3
AUTO_ATTENUATION_DB = 10.0
LINE_REACH_PER_RBW = 4.0  # beyond, less than 1e-19 of a line comes through the filter


def nearest_step(value: float, steps: Sequence[float]) -> float:
    """Return the one of the ascending `steps` nearest to `value` in ratio."""
    above = bisect.bisect_left(steps, value)
    near = steps[max(above - 1, 0) : above + 1]
    return min(near, key=lambda step: abs(math.log(step / value)))


@dataclass
class AnalyzerReceiver:
    """Settings of a swept-spectrum measurement; None is an automatic coupling. Defaults are those of preset.

    `trace_type` and `detector_set` are those of one trace: each trace sees the receiver with its own. Subclasses give
    the steps and floors, `scale` and `draw`, and what else differs between makers.
    """

    rbw_steps_hz: ClassVar[Sequence[float]]
    vbw_steps_hz: ClassVar[Sequence[float]]
    span_per_rbw: ClassVar[float]
    largest_auto_rbw_hz: ClassVar[float] = 3e6
    shortest_sweep_s: ClassVar[float] = 1e-3
    floor_dbm_per_hz: ClassVar[float] = -155.0  # at 0 dB of attenuation
    preamplified_floor_dbm_per_hz: ClassVar[float] = -165.0

    highest_hz: float
    start_hz: float = 10e6
    stop_hz: float = math.inf
    rbw_set_hz: float | None = None
    vbw_set_hz: float | None = None
    points: int = 1001
    time_set_s: float | None = None
    type_set: str | None = None
    detector_set: str | None = None
    average_type_set: str | None = None
    attenuation_set_db: float | None = None
    preamplifier: bool = False
    trace_type: str = "WRIT"
    average_count: int = 100

    def __post_init__(self) -> None:
        self.stop_hz = min(self.stop_hz, self.highest_hz)

    def preset(self) -> None:
        """Return to the defaults."""
        vars(self).update(vars(type(self)(self.highest_hz)))

    # ---- what differs between makers --------------------------------------------------------------------------------

    @property
    def scale(self) -> Scale:
        """The scale on which traces are averaged."""
        raise NotImplementedError

    @property
    def detector(self) -> str:
        """Detector as set, or the automatic one."""
        raise NotImplementedError

    @property
    def average_type(self) -> str:
        """Averaging type as set, or the automatic one."""
        raise NotImplementedError

    @property
    def noise_scale(self) -> Scale:
        """The scale whose bias a noise marker takes off."""
        return self.scale

    @property
    def three_db_width_hz(self) -> float:
        """-3 dB width of the Gaussian resolution filter."""
        return self.rbw_hz

    @property
    def enbw_hz(self) -> float:
        """Equivalent noise bandwidth of the resolution filter."""
        return ENBW_PER_RBW * self.three_db_width_hz

    @property
    def filtering_vbw_hz(self) -> float:
        """Bandwidth of the video filter, infinite where it is bypassed."""
        return self.vbw_hz

    @property
    def samples_per_point(self) -> float:
        """How many independent samples one sweep averages into a point."""
        return effective_averages(self.three_db_width_hz, self.vbw_hz)

    def draw(self, noise: NoiseDraw, power: FloatArray, sweeps: float, line: FloatArray | None = None) -> FloatArray:
        """Return the mean of `sweeps` sweeps on `scale`, shape (points,): noise of mean power `power` in W, and lines
        of `line` times that."""
        raise NotImplementedError

    # ---- frequency --------------------------------------------------------------------------------------------------

    @property
    def center_hz(self) -> float:
        """Middle of the span."""
        return (self.start_hz + self.stop_hz) / 2

    @property
    def span_hz(self) -> float:
        """Width of the span; 0 is zero span, the axis is then time."""
        return self.stop_hz - self.start_hz

    def set_start(self, start_hz: float) -> None:
        """Move the start; the stop is pushed ahead where it must be."""
        self.start_hz = min(start_hz, self.highest_hz - SMALLEST_SPAN_HZ)
        self.stop_hz = max(self.stop_hz, self.start_hz + SMALLEST_SPAN_HZ)

    def set_stop(self, stop_hz: float) -> None:
        """Move the stop; the start is pushed ahead where it must be."""
        self.stop_hz = max(stop_hz, SMALLEST_SPAN_HZ)
        self.start_hz = min(self.start_hz, self.stop_hz - SMALLEST_SPAN_HZ)

    def set_band(self, center_hz: float, span_hz: float) -> None:
        """Set center and span; the span is narrowed where it would leave the range."""
        if span_hz == 0:
            self.start_hz = self.stop_hz = center_hz
            return
        least = SMALLEST_SPAN_HZ / 2
        center = min(max(center_hz, least), self.highest_hz - least)
        half = min(max(span_hz / 2, least), center, self.highest_hz - center)
        self.start_hz, self.stop_hz = center - half, center + half

    # ---- couplings --------------------------------------------------------------------------------------------------

    @property
    def rbw_hz(self) -> float:
        """Resolution bandwidth as set or coupled to the span."""
        if self.rbw_set_hz is not None:
            return self.rbw_set_hz
        wanted = min(max(self.span_hz / self.span_per_rbw, self.rbw_steps_hz[0]), self.largest_auto_rbw_hz)
        return nearest_step(wanted if self.span_hz else self.largest_auto_rbw_hz, self.rbw_steps_hz)

    @property
    def vbw_hz(self) -> float:
        """Video bandwidth as set or equal to the RBW."""
        return self.rbw_hz if self.vbw_set_hz is None else self.vbw_set_hz

    @property
    def sweep_type(self) -> str:
        """FFT or SWE."""
        if self.span_hz == 0:
            return "SWE"
        return self.type_set or ("FFT" if self.rbw_hz <= FFT_UP_TO_RBW_HZ else "SWE")

    @property
    def sweep_time_s(self) -> float:
        """Time of one sweep; FFTs take no less than their records are long."""
        slowest = min(self.rbw_hz, self.vbw_hz)
        if self.sweep_type == "FFT":
            return max(FFT_RECORDS / slowest, self.time_set_s or 0.0)
        if self.time_set_s is not None:
            return self.time_set_s
        if self.span_hz == 0:
            return ZERO_SPAN_TIME_S
        # Automatic times may be longer than what can be asked for by hand.
        return max(SWEEP_CONSTANT * self.span_hz / (self.rbw_hz * slowest), self.shortest_sweep_s)

    @property
    def attenuation_db(self) -> float:
        """Input attenuation."""
        return AUTO_ATTENUATION_DB if self.attenuation_set_db is None else self.attenuation_set_db

    # ---- what noise looks like --------------------------------------------------------------------------------------

    def axis(self) -> FloatArray:
        """Return the x value of each point: Hz, or s in zero span."""
        if self.span_hz == 0:
            return np.linspace(0.0, self.sweep_time_s, self.points)
        return np.linspace(self.start_hz, self.stop_hz, self.points)

    def mean_power_w(self, rf_input: RfInput) -> FloatArray:
        """Return the mean power of the noise at each point in W: noise bandwidth times input PSD plus own noise.

        Swept traces lag behind by the memory of the video filter, rate / (2 pi VBW).
        """
        width = self.three_db_width_hz
        floor_dbm = self.preamplified_floor_dbm_per_hz if self.preamplifier else self.floor_dbm_per_hz
        floor = 1e-3 * 10 ** ((floor_dbm + self.attenuation_db) / 10)
        density = rf_input.power_spectral_density(self._frequency(), width) / IMPEDANCE_OHM + floor
        return self._swept(np.asarray(density * ENBW_PER_RBW * width, dtype=np.float64))

    def line_share(self, rf_input: RfInput, power: FloatArray) -> FloatArray | None:
        """Return the power of lines at each point over that of the noise, `power` in W; None where no line is near."""
        width = self.three_db_width_hz
        reach = LINE_REACH_PER_RBW * width
        lines = rf_input.lines(self.start_hz - reach, self.stop_hz + reach) if isinstance(rf_input, RfLines) else ()
        if not lines:
            return None
        return self._swept(lines_v2(lines, self._frequency(), width) / IMPEDANCE_OHM) / power

    def _frequency(self) -> FloatArray:
        return np.linspace(self.start_hz, self.stop_hz, self.points)

    def _swept(self, power: FloatArray) -> FloatArray:
        if self.sweep_type == "FFT" or self.span_hz == 0 or self.points < 2:
            return power
        rate = self.span_hz / self.sweep_time_s
        return lagged(power, self.span_hz / (self.points - 1), rate / (2 * math.pi * self.filtering_vbw_hz))

    def noise(self, rng: np.random.Generator) -> NoiseDraw:
        """Return the noise of traces taken with these settings.

        Points of an FFT hang together over the RBW; those of a sweep also over the memory of the filters in time, taken
        as independent of the former; those of zero span over the latter alone.
        """
        width = self.three_db_width_hz
        k = self.samples_per_point
        steps = np.arange(self.points, dtype=np.float64)
        spacing_hz = self.span_hz / max(self.points - 1, 1)
        spacing_s = self.sweep_time_s / max(self.points - 1, 1)
        if self.sweep_type == "FFT":
            correlation = memory_in_frequency(width, steps * spacing_hz)
            samples = spacing_hz / (CELL_PER_RBW * width)
        else:
            correlation = memory_in_time(width, self.filtering_vbw_hz, steps * spacing_s)
            if self.span_hz:
                correlation = correlation * memory_in_frequency(width, steps * spacing_hz)
            samples = spacing_s * CELL_PER_RBW * width / k
        return NoiseDraw(rng, k, correlation, samples)
