"""The receiver of a simulated Rohde & Schwarz analyzer: its steps, couplings and detectors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import LOG, POWER, VOLTAGE, FloatArray, NoiseDraw, Scale
from labctl.simulation.instruments.analyzer_receiver import FFT_RECORDS, AnalyzerReceiver

SWEEP_TIME_RANGE_S = (1e-6, 16000.0)
AVERAGES_OF_NO_COUNT = 10  # continuous averaging with a sweep count of 0
SCALES: dict[str, Scale] = {"POW": POWER, "VID": LOG, "LIN": VOLTAGE}
DETECTOR_OF_MODE = {"AVER": "SAMP", "MAXH": "POS", "MINH": "NEG"}

_AVERAGING_DETECTORS: dict[str, Scale] = {"RMS": POWER, "AVER": VOLTAGE}
_PEAK_DETECTORS = ("APE", "POS", "NEG")
_MOST_SWEEPS_ONE_BY_ONE = 32
_HARDLY_ANY_TIME = 1e-3  # times the bandwidth of the filter
_NO_FILTERING = 1.05  # samples in a point; one sample has no scale of its own
_STEPS_HZ = [float(mantissa * 10**decade) for decade in range(8) for mantissa in (1, 2, 3, 5)]
BANDWIDTH_STEPS_HZ = [step for step in _STEPS_HZ if step <= 10e6]


def time_averages(rbw_hz: float, time_s: float) -> float:
    """Return how many independent samples of the power behind the Gaussian filter are in a mean over `time_s`.

    K = T / Int_{-T}^{T} (1 - |t|/T) exp(-b t^2) dt with b = (pi B)^2 / (2 ln 2), B the RBW; the integral is
    sqrt(pi/b) erf(T sqrt(b)) - (1 - exp(-b T^2)) / (b T).
    """
    root_b = math.pi * rbw_hz / math.sqrt(2.0 * math.log(2.0))
    z = root_b * time_s
    if z < _HARDLY_ANY_TIME:
        return 1.0
    return max(1.0, z / (math.sqrt(math.pi) * math.erf(z) + math.expm1(-z * z) / z))


@dataclass
class FsvReceiver(AnalyzerReceiver):
    """Settings of the Spectrum application; `sweep_count` 0 is as good as 1 in single sweeps, `noise_marker` says
    whether a marker of this trace measures noise.

    The RMS and AVER detectors average power and voltage over all that one sweep sees of a point, past the video filter.
    The others show one value of the video signal, which the video filter averages in decibels. An FFT of twice the
    shortest time counts as two.
    """

    rbw_steps_hz = BANDWIDTH_STEPS_HZ
    vbw_steps_hz = BANDWIDTH_STEPS_HZ
    span_per_rbw = 100.0

    start_hz: float = 0.0
    average_count: int = AVERAGES_OF_NO_COUNT
    sweep_count: int = 0
    noise_marker: bool = False

    @property
    def detector(self) -> str:
        """Detector as set, or the one that goes with the noise marker or the trace mode."""
        automatic = "SAMP" if self.noise_marker else DETECTOR_OF_MODE.get(self.trace_type, "APE")
        return self.detector_set or automatic

    @property
    def average_type(self) -> str:
        """Averaging type as set; decibels after preset."""
        return self.average_type_set or "VID"

    @property
    def sweeps_in_sequence(self) -> int:
        """How many sweeps make one single measurement, whatever the trace does with them."""
        return max(self.sweep_count, 1)

    def set_sweep_count(self, count: int) -> None:
        """Set how many sweeps make one measurement, which is what an average takes."""
        self.sweep_count = count
        self.average_count = count or AVERAGES_OF_NO_COUNT

    @property
    def scale(self) -> Scale:
        """The scale on which sweeps are averaged."""
        return SCALES[self.average_type]

    @property
    def noise_scale(self) -> Scale:
        """The scale whose bias a noise marker takes off: that of the detector, else of averages, else of the video."""
        averaged = self.scale if self.trace_type == "AVER" else LOG
        return _AVERAGING_DETECTORS.get(self.detector, averaged)

    @property
    def filtering_vbw_hz(self) -> float:
        """Bandwidth of the video filter, infinite where it is bypassed."""
        return math.inf if self.detector in _AVERAGING_DETECTORS else self.vbw_hz

    @property
    def samples_per_point(self) -> float:
        """How many independent samples one sweep averages into a point."""
        if self.detector not in _AVERAGING_DETECTORS:
            return super().samples_per_point
        if self.sweep_type == "FFT":
            return max(1.0, self.sweep_time_s * self.rbw_hz / FFT_RECORDS)
        return time_averages(self.rbw_hz, self.sweep_time_s / max(self.points - 1, 1))

    def draw(self, noise: NoiseDraw, power: FloatArray, sweeps: float, line: FloatArray | None = None) -> FloatArray:
        """Return the mean of `sweeps` sweeps on `scale`, shape (points,): noise of mean power `power` in W, and lines
        of `line` times that.

        Where detector and average have different scales, the spread above 32 sweeps is that of 32.
        """
        scale = self.scale
        if self.detector in _PEAK_DETECTORS:
            highest = np.full(self.points, self.detector != "NEG")  # auto peak hands out its upper half
            return scale.at_level(noise.extreme_mean(scale, max(1, round(sweeps)), highest, line), power)
        within = _AVERAGING_DETECTORS.get(self.detector, LOG)
        if within is scale or noise.k < _NO_FILTERING:
            return scale.at_level(noise.mean(scale, sweeps, line), power)
        drawn = min(max(1, round(sweeps)), _MOST_SWEEPS_ONE_BY_ONE)
        shown = [scale.forward(within.backward(noise.mean(within, line=line))) for _ in range(drawn)]
        return scale.at_level(np.mean(shown, axis=0), power)
