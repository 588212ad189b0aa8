"""The receiver of a simulated X-series analyzer: settings with their couplings, and noise as seen through it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import (
    CELL_PER_RBW,
    ENBW_PER_RBW,
    LOG,
    POWER,
    VOLTAGE,
    FloatArray,
    NoiseDraw,
    Scale,
    effective_averages,
    lagged,
    memory_in_frequency,
    memory_in_time,
)
from labctl.simulation.ports import RfInput

IMPEDANCE_OHM = 50.0
SMALLEST_SPAN_HZ = 10.0
SWEEP_TIME_RANGE_S = (1e-3, 4000.0)
ZERO_SPAN_TIME_S = 0.1
SWEEP_CONSTANT = 2.5  # swept time = k span / (RBW min(RBW, VBW))
FFT_RECORDS = 1.5  # FFT time = 1.5 / min(RBW, VBW)
FFT_UP_TO_RBW_HZ = 10e3
SPAN_PER_RBW = 106.0
LARGEST_AUTO_BANDWIDTH_HZ = 3e6
FLOOR_DBM_PER_HZ = -155.0  # at 0 dB of attenuation
PREAMPLIFIED_FLOOR_DBM_PER_HZ = -165.0
THREE_DB_WIDTH_PER_RBW = {
    "DB3": 1.0,
    "DB6": 1 / math.sqrt(2),
    "IMP": 1 / (math.sqrt(2) * ENBW_PER_RBW),
    "NOIS": 1 / ENBW_PER_RBW,
}
SCALES: dict[str, Scale] = {"RMS": POWER, "LOG": LOG, "SCAL": VOLTAGE}

_E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)
_STEPS_HZ = [float(mantissa * 10**decade) / 10 for decade in range(7) for mantissa in _E24]
RBW_STEPS_HZ = [*(step for step in _STEPS_HZ if step <= 3e6), 4e6, 5e6, 6e6, 8e6]
VBW_STEPS_HZ = [*RBW_STEPS_HZ, 50e6]


def nearest_step(value: float, steps: Sequence[float]) -> float:
    """Return the one of the ascending `steps` nearest to `value` in ratio."""
    above = bisect.bisect_left(steps, value)
    near = steps[max(above - 1, 0) : above + 1]
    return min(near, key=lambda step: abs(math.log(step / value)))


@dataclass
class Receiver:
    """Settings of the swept-spectrum measurement; None is an automatic coupling. Defaults are those of preset."""

    highest_hz: float
    start_hz: float = 10e6
    stop_hz: float = math.inf
    rbw_set_hz: float | None = None
    vbw_set_hz: float | None = None
    bandwidth_type: str = "DB3"
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
        vars(self).update(vars(Receiver(self.highest_hz)))

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
        """Resolution bandwidth as set or coupled to the span, in the terms of `bandwidth_type`."""
        if self.rbw_set_hz is not None:
            return self.rbw_set_hz
        wanted = min(max(self.span_hz / SPAN_PER_RBW, RBW_STEPS_HZ[0]), LARGEST_AUTO_BANDWIDTH_HZ)
        return nearest_step(wanted if self.span_hz else LARGEST_AUTO_BANDWIDTH_HZ, RBW_STEPS_HZ)

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
        return max(SWEEP_CONSTANT * self.span_hz / (self.rbw_hz * slowest), SWEEP_TIME_RANGE_S[0])

    @property
    def detector(self) -> str:
        """Detector as set, or the one that goes with the trace type."""
        return self.detector_set or ("AVER" if self.trace_type == "AVER" else "NORM")

    @property
    def average_type(self) -> str:
        """Averaging type as set, or power for the average detector and log-power else."""
        return self.average_type_set or ("RMS" if self.detector == "AVER" else "LOG")

    @property
    def attenuation_db(self) -> float:
        """Input attenuation."""
        return 10.0 if self.attenuation_set_db is None else self.attenuation_set_db

    @property
    def sweeps_in_sequence(self) -> int:
        """How many sweeps make one single measurement."""
        return 1 if self.trace_type == "WRIT" else self.average_count

    # ---- what noise looks like --------------------------------------------------------------------------------------

    @property
    def three_db_width_hz(self) -> float:
        """-3 dB width of the Gaussian resolution filter."""
        return self.rbw_hz * THREE_DB_WIDTH_PER_RBW[self.bandwidth_type]

    def axis(self) -> FloatArray:
        """Return the x value of each point: Hz, or s in zero span."""
        if self.span_hz == 0:
            return np.linspace(0.0, self.sweep_time_s, self.points)
        return np.linspace(self.start_hz, self.stop_hz, self.points)

    def mean_power_w(self, rf_input: RfInput) -> FloatArray:
        """Return the mean power of each point in W: noise bandwidth times input PSD plus own noise.

        Swept traces lag behind by the memory of the video filter, rate / (2 pi VBW).
        """
        frequency = np.linspace(self.start_hz, self.stop_hz, self.points)
        width = self.three_db_width_hz
        floor_dbm = PREAMPLIFIED_FLOOR_DBM_PER_HZ if self.preamplifier else FLOOR_DBM_PER_HZ
        floor = 1e-3 * 10 ** ((floor_dbm + self.attenuation_db) / 10)
        density = rf_input.power_spectral_density(frequency, width) / IMPEDANCE_OHM + floor
        power = np.asarray(density * ENBW_PER_RBW * width, dtype=np.float64)
        if self.sweep_type == "FFT" or self.span_hz == 0 or self.points < 2:
            return power
        rate = self.span_hz / self.sweep_time_s
        return lagged(power, self.span_hz / (self.points - 1), rate / (2 * math.pi * self.vbw_hz))

    def noise(self, rng: np.random.Generator) -> NoiseDraw:
        """Return the noise of traces taken with these settings.

        Points of an FFT hang together over the RBW; those of a sweep also over the memory of the filters in time, taken
        as independent of the former; those of zero span over the latter alone.
        """
        width = self.three_db_width_hz
        k = effective_averages(width, self.vbw_hz)
        steps = np.arange(self.points, dtype=np.float64)
        spacing_hz = self.span_hz / max(self.points - 1, 1)
        spacing_s = self.sweep_time_s / max(self.points - 1, 1)
        if self.sweep_type == "FFT":
            correlation = memory_in_frequency(width, steps * spacing_hz)
            samples = spacing_hz / (CELL_PER_RBW * width)
        else:
            correlation = memory_in_time(width, self.vbw_hz, steps * spacing_s)
            if self.span_hz:
                correlation = correlation * memory_in_frequency(width, steps * spacing_hz)
            samples = spacing_s * CELL_PER_RBW * width / k
        return NoiseDraw(rng, k, correlation, samples)

    @property
    def scale(self) -> Scale:
        """The scale on which video and traces are averaged."""
        return SCALES[self.average_type]
