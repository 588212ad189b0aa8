"""The receiver of a simulated X-series analyzer: its steps, couplings and detectors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import ENBW_PER_RBW, LOG, POWER, VOLTAGE, FloatArray, NoiseDraw, Scale
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver, nearest_step

__all__ = ["RBW_STEPS_HZ", "SWEEP_TIME_RANGE_S", "VBW_STEPS_HZ", "Receiver", "nearest_step"]

SWEEP_TIME_RANGE_S = (1e-3, 4000.0)
THREE_DB_WIDTH_PER_RBW = {
    "DB3": 1.0,
    "DB6": 1 / math.sqrt(2),
    "IMP": 1 / (math.sqrt(2) * ENBW_PER_RBW),
    "NOIS": 1 / ENBW_PER_RBW,
}
SCALES: dict[str, Scale] = {"RMS": POWER, "LOG": LOG, "SCAL": VOLTAGE}

_PEAK_DETECTORS = ("POS", "NEG", "NORM")
_E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)
_STEPS_HZ = [float(mantissa * 10**decade) / 10 for decade in range(7) for mantissa in _E24]
RBW_STEPS_HZ = [*(step for step in _STEPS_HZ if step <= 3e6), 4e6, 5e6, 6e6, 8e6]
VBW_STEPS_HZ = [*RBW_STEPS_HZ, 50e6]


@dataclass
class Receiver(AnalyzerReceiver):
    """Settings of the swept-spectrum measurement.

    `bandwidth_type` says what the RBW is the width of, `average_type_auto` the average type that the traces and markers
    together ask for, `marker_function` whether a marker of this trace measures noise or the power in a band.
    """

    rbw_steps_hz = RBW_STEPS_HZ
    vbw_steps_hz = VBW_STEPS_HZ
    span_per_rbw = 106.0
    shortest_sweep_s = SWEEP_TIME_RANGE_S[0]

    bandwidth_type: str = "DB3"
    average_type_auto: str = "LOG"
    marker_function: bool = False

    @property
    def detector(self) -> str:
        """Detector as set, or the one that goes with the marker and the trace type."""
        automatic = "AVER" if self.trace_type == "AVER" or self.marker_function else "NORM"
        return self.detector_set or automatic

    @property
    def average_type(self) -> str:
        """Averaging type as set, or the automatic one."""
        return self.average_type_set or self.average_type_auto

    @property
    def three_db_width_hz(self) -> float:
        """-3 dB width of the Gaussian resolution filter."""
        return self.rbw_hz * THREE_DB_WIDTH_PER_RBW[self.bandwidth_type]

    @property
    def scale(self) -> Scale:
        """The scale on which video and traces are averaged."""
        return SCALES[self.average_type]

    def draw(self, noise: NoiseDraw, power: FloatArray, sweeps: float, line: FloatArray | None = None) -> FloatArray:
        """Return the mean of `sweeps` sweeps on `scale`, shape (points,): noise of mean power `power` in W, and lines
        of `line` times that."""
        if self.detector not in _PEAK_DETECTORS:
            return self.scale.at_level(noise.mean(self.scale, sweeps, line), power)
        highest = np.full(self.points, self.detector == "POS")
        if self.detector == "NORM":
            highest[::2] = True  # noise: peaks and pits by turns
        return self.scale.at_level(noise.extreme_mean(self.scale, max(1, round(sweeps)), highest, line), power)
