"""How a spectrum was taken: bandwidths, filter, detector, averaging, and how many independent averages that makes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx

from labctl.errors import AnalysisRefused

FloatArray = npt.NDArray[np.float64]

GAUSSIAN_ENBW_PER_RBW = math.sqrt(math.pi / math.log(2.0)) / 2
"""Equivalent noise bandwidth of a Gaussian filter over its -3 dB width: 1.0645."""
GAUSSIAN_SIGMA_PER_RBW = 1 / math.sqrt(8 * math.log(2.0))
"""Standard deviation of the Gaussian power response over its -3 dB width: 1 / 2.355."""
GAUSSIAN_INDEPENDENCE_PER_RBW = math.sqrt(4 * math.pi) * GAUSSIAN_SIGMA_PER_RBW
"""Width in frequency of one independent power sample behind a Gaussian filter, over RBW: 1.505."""
HANN_ENBW_BINS = 1.5
HANN_RBW_BINS = 1.4406
"""-3 dB width of the Hann window's power response, in bins of one over the record length."""
NEGLIGIBLE_CORRELATION = 1e-4
FFT_RECORD_TIMES_RBW = 1.5
"""Length of the record of one FFT times the RBW that it has."""


class FilterShape(StrEnum):
    """Shape of the resolution filter: an analyzer's Gaussian, or the window of an FFT."""

    GAUSSIAN = "gaussian"
    HANN = "hann"
    BOXCAR = "boxcar"


class Detector(StrEnum):
    """What one displayed point takes from the samples that fall on it."""

    SAMPLE = "sample"
    AVERAGE = "average"
    PEAK = "peak"
    NEGATIVE_PEAK = "negative_peak"


class Averaging(StrEnum):
    """The scale on which traces (or video) are averaged."""

    POWER = "power"
    LOG = "log"
    VOLTAGE = "voltage"
    NONE = "none"


@dataclass(frozen=True)
class Acquisition:
    """Conventions of one trace.

    rbw_hz: -3 dB width of the power response of the resolution filter; enbw_hz: its equivalent noise bandwidth;
    vbw_hz: video bandwidth, None when there is no video filter; averages: traces or records averaged;
    effective_k: K such that each point of a power average is distributed as Gamma(shape K, scale S/K);
    independent_spacing_hz: distance beyond which points of a *swept* trace are independent
    (see `swept_independent_spacing`), None for FFT spectra, where the filter itself correlates neighbours.
    """

    rbw_hz: float
    enbw_hz: float
    filter_shape: FilterShape
    averaging: Averaging
    averages: int
    effective_k: float
    vbw_hz: float | None = None
    detector: Detector = Detector.SAMPLE
    independent_spacing_hz: float | None = None

    def __post_init__(self) -> None:
        numbers = {"rbw_hz": self.rbw_hz, "enbw_hz": self.enbw_hz, "effective_k": self.effective_k}
        numbers |= {"averages": float(self.averages)}
        if self.vbw_hz is not None:
            numbers["vbw_hz"] = self.vbw_hz
        if self.independent_spacing_hz is not None:
            numbers["independent_spacing_hz"] = self.independent_spacing_hz
        for name, value in numbers.items():
            if not (math.isfinite(value) and value > 0):
                raise AnalysisRefused(f"A spectrum with {name} = {value!r} makes no sense.")

    @classmethod
    def of_analyzer(
        cls,
        rbw_hz: float,
        vbw_hz: float,
        averages: int = 1,
        *,
        averaging: Averaging = Averaging.POWER,
        detector: Detector = Detector.SAMPLE,
        sweep_rate_hz_per_s: float | None = None,
        detector_time_s: float | None = None,
        log_video: bool = False,
    ) -> Self:
        """Conventions of a spectrum analyzer's trace behind its Gaussian filter.

        Give `sweep_rate_hz_per_s` for a swept trace; without it, neighbours correlate as in FFT mode.
        `detector_time_s` is how long the detector averages for one point, where that and not the video filter does (the
        RMS and average detectors of Rohde & Schwarz); `log_video` where the video filter averages decibels whatever
        `averaging` is (their other detectors). These three are what a driver's `PointAveraging` holds.
        """
        if detector_time_s is not None:
            samples = per_trace = detector_averages(rbw_hz, detector_time_s, fft=sweep_rate_hz_per_s is None)
        else:
            samples = effective_averages(rbw_hz, vbw_hz)
            per_trace = averages_of_log_video(samples, averaging) if log_video else samples
        return cls(
            rbw_hz=rbw_hz,
            enbw_hz=GAUSSIAN_ENBW_PER_RBW * rbw_hz,
            filter_shape=FilterShape.GAUSSIAN,
            averaging=averaging,
            averages=averages,
            effective_k=averages * per_trace,
            vbw_hz=vbw_hz,
            detector=detector,
            independent_spacing_hz=None
            if sweep_rate_hz_per_s is None
            else _independent_spacing(rbw_hz, samples, sweep_rate_hz_per_s),
        )

    @classmethod
    def of_hann_records(
        cls, bin_spacing_hz: float, averages: int, *, effective_k: float | None = None, enbw_hz: float | None = None
    ) -> Self:
        """Conventions of power-averaged Hann-windowed FFT records; bin spacing = one over the record length."""
        enbw = HANN_ENBW_BINS * bin_spacing_hz if enbw_hz is None else enbw_hz
        return cls(
            rbw_hz=enbw * HANN_RBW_BINS / HANN_ENBW_BINS,
            enbw_hz=enbw,
            filter_shape=FilterShape.HANN,
            averaging=Averaging.POWER,
            averages=averages,
            effective_k=float(averages) if effective_k is None else effective_k,
            detector=Detector.AVERAGE,
        )

    def power_correlation(self, offset_hz: FloatArray) -> FloatArray:
        """Correlation coefficient of the powers of two points `offset_hz` apart, same shape as the offsets.

        |autocorrelation of the filter's amplitude response|^2: exp(-d^2/4s^2) for the Gaussian, sinc^2 for the
        boxcar, and for Hann the 4/9 and 1/36 at one and two bins.
        """
        if self.independent_spacing_hz is not None:
            return np.asarray(np.exp(-math.pi * (offset_hz / self.independent_spacing_hz) ** 2), dtype=np.float64)
        match self.filter_shape:
            case FilterShape.GAUSSIAN:
                s = GAUSSIAN_SIGMA_PER_RBW * self.rbw_hz
                return np.asarray(np.exp(-(offset_hz**2) / (4 * s**2)), dtype=np.float64)
            case FilterShape.BOXCAR:
                return np.asarray(np.sinc(offset_hz / self.enbw_hz) ** 2, dtype=np.float64)
            case FilterShape.HANN:
                bins = offset_hz * HANN_ENBW_BINS / self.enbw_hz
                amplitude = np.sinc(bins) + (2 / 3) * (np.sinc(bins - 1) + np.sinc(bins + 1))
                amplitude = amplitude + (1 / 6) * (np.sinc(bins - 2) + np.sinc(bins + 2))
                return np.asarray(amplitude**2, dtype=np.float64)

    def correlation_reach_hz(self) -> float:
        """Offset beyond which `power_correlation` is taken as zero."""
        if self.independent_spacing_hz is not None:
            return self.independent_spacing_hz * math.sqrt(-math.log(NEGLIGIBLE_CORRELATION) / math.pi)
        match self.filter_shape:
            case FilterShape.GAUSSIAN:
                return 2 * GAUSSIAN_SIGMA_PER_RBW * self.rbw_hz * math.sqrt(-math.log(NEGLIGIBLE_CORRELATION))
            case FilterShape.BOXCAR:
                return 8 * self.enbw_hz  # sinc^2 tails: the rest adds 1 % to the sum
            case FilterShape.HANN:
                return 3 * self.enbw_hz / HANN_ENBW_BINS

    def correlated_sum(self, frequency_hz: FloatArray, weights: FloatArray) -> FloatArray:
        """R w with R the correlation matrix of points at `frequency_hz` (n,), ascending; `weights` (n,) or (n, p)."""
        total = np.array(weights, dtype=np.float64)
        reach = self.correlation_reach_hz()
        for lag in range(1, len(frequency_hz)):
            offset = frequency_hz[lag:] - frequency_hz[:-lag]
            if offset.min() > reach:
                break
            rho = np.where(offset <= reach, self.power_correlation(offset), 0.0)
            rho = rho if weights.ndim == 1 else rho[:, None]
            total[:-lag] += rho * weights[lag:]
            total[lag:] += rho * weights[:-lag]
        return total

    def independent_points(self, frequency_hz: FloatArray) -> float:
        """Number of independent points n^2 / sum_ij rho_ij among the points at `frequency_hz` (n,), ascending.

        The mean of those n points has relative variance 1 / (K * independent_points). For dense points it is the
        span over 1.505 RBW (Gaussian) or 1.944 bins (Hann); it never exceeds n.
        """
        n = len(frequency_hz)
        if n == 0:
            return 0.0
        return min(float(n), n**2 / float(self.correlated_sum(frequency_hz, np.ones(n)).sum()))


def effective_averages(rbw_hz: float, vbw_hz: float) -> float:
    """Effective number K of independent power averages in one analyzer point, from RBW and VBW (>= 1).

    K = 1 / [pi v Int exp(-2 pi v |t|) exp(-pi^2 B^2 t^2 / (2 ln 2)) dt] for a one-pole video filter of bandwidth v
    on the power behind a Gaussian filter of -3 dB width B; the integral is sqrt(pi/b) erfcx(a / 2 sqrt(b)).
    """
    if not (rbw_hz > 0 and vbw_hz > 0):
        raise AnalysisRefused(f"RBW {rbw_hz!r} Hz and VBW {vbw_hz!r} Hz must both be positive.")
    a = 2 * math.pi * vbw_hz
    b = (math.pi * rbw_hz) ** 2 / (2 * math.log(2.0))
    integral = math.sqrt(math.pi / b) * float(erfcx(a / (2 * math.sqrt(b))))
    return max(1.0, 1 / (math.pi * vbw_hz * integral))


def detector_averages(rbw_hz: float, time_s: float, *, fft: bool) -> float:
    """Number K of independent power averages in one point that a detector averages over `time_s` of a sweep (>= 1).

    In an FFT the time is filled with records of 1.5 / RBW one after another, each of which is one average. Swept, with
    B the RBW and T the time on one point: K = T / Int_{-T}^{T} (1 - |t|/T) exp(-b t^2) dt, b = (pi B)^2 / (2 ln 2); the
    integral is sqrt(pi/b) erf(T sqrt(b)) - (1 - exp(-b T^2)) / (b T), and K is 1.505 B T for long times.
    """
    if not (rbw_hz > 0 and time_s > 0):
        raise AnalysisRefused(f"RBW {rbw_hz!r} Hz and a detector time of {time_s!r} s must both be positive.")
    if fft:
        return max(1.0, time_s * rbw_hz / FFT_RECORD_TIMES_RBW)
    b = (math.pi * rbw_hz) ** 2 / (2 * math.log(2.0))
    z = math.sqrt(b) * time_s
    if z < NEGLIGIBLE_CORRELATION:
        return 1.0
    return max(1.0, z / (math.sqrt(math.pi) * math.erf(z) + math.expm1(-z * z) / z))


def averages_of_log_video(k: float, averaging: Averaging) -> float:
    """Effective number of averages of a video signal that is the mean of `k` logarithms of noise power.

    Averaged in decibels it is `k`. Power p = exp(mean ln p_i) is skewed: its relative variance is
    [Gamma(1+2/k) / Gamma(1+1/k)^2]^k - 1, more than 1/k, and that of the voltage the same with half the exponents. The
    level is low by up to 2.507 dB all the same, which no average mends.
    """
    if averaging is Averaging.LOG:
        return k
    exponent = 0.5 if averaging is Averaging.VOLTAGE else 1.0
    return _relative_variance_of_log_mean(exponent, 1.0) / _relative_variance_of_log_mean(exponent, k)


def _relative_variance_of_log_mean(exponent: float, k: float) -> float:
    step = exponent / k
    return math.expm1(k * (math.lgamma(1 + 2 * step) - 2 * math.lgamma(1 + step)))


def swept_independent_spacing(rbw_hz: float, vbw_hz: float, sweep_rate_hz_per_s: float) -> float:
    """Distance in Hz between independent points of a swept trace.

    The sweep spends 1.505 RBW / rate seconds on each RBW-wide cell, which holds that time times 1.505 RBW independent
    samples; each displayed point has used up K of them.
    """
    return _independent_spacing(rbw_hz, effective_averages(rbw_hz, vbw_hz), sweep_rate_hz_per_s)


def _independent_spacing(rbw_hz: float, samples: float, sweep_rate_hz_per_s: float) -> float:
    if not sweep_rate_hz_per_s > 0:
        raise AnalysisRefused(f"A sweep rate of {sweep_rate_hz_per_s!r} Hz/s makes no sense.")
    return samples * sweep_rate_hz_per_s / (GAUSSIAN_INDEPENDENCE_PER_RBW * rbw_hz)
