"""One spectrum and its conventions: units, bands, log-average correction, and refusal to mix unlike spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, polygamma

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import (
    Acquisition,
    Averaging,
    Detector,
    FilterShape,
    FloatArray,
    effective_averages,
)
from labctl.spectra.estimate import DB_PER_NEPER

__all__ = [
    "Acquisition",
    "Averaging",
    "Band",
    "Detector",
    "FilterShape",
    "FloatArray",
    "Spectrum",
    "Unit",
    "correct_log_average",
    "dbm_to_psd",
    "effective_averages",
    "log_average_bias_db",
    "psd_to_dbm",
    "require_same_axis",
    "require_same_conventions",
]

Band = tuple[float, float]
"""Lower and upper edge in Hz, both included."""

ANALYZER_IMPEDANCE_OHM = 50.0
MILLIWATT = 1e-3
AXIS_TOLERANCE = 1e-3
"""Largest difference between two frequency axes, in units of the point spacing, that counts as the same axis."""
BANDWIDTH_TOLERANCE = 1e-3
"""Largest relative difference between two resolution bandwidths that counts as the same."""


class Unit(StrEnum):
    """Unit of a spectrum's values. Densities are one-sided."""

    V2_PER_HZ = "V^2/Hz"
    V_RMS_PER_BIN = "V"
    DBM = "dBm"
    RATIO_TO_SHOT = "ratio to shot"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A trace: `frequency_hz` (n,) strictly ascending, `values` (n,) in `unit`, and how it was taken.

    V rms per bin and dBm are levels within the equivalent noise bandwidth; dBm is into 50 ohm. The arrays are
    read-only copies. Raises AnalysisRefused for shapes that differ, fewer than two points, numbers that are not
    finite or an axis that does not ascend.
    """

    frequency_hz: FloatArray
    values: FloatArray
    unit: Unit
    acquisition: Acquisition
    name: str = "spectrum"

    def __post_init__(self) -> None:
        frequency = np.array(self.frequency_hz, dtype=np.float64)
        values = np.array(self.values, dtype=np.float64)
        if frequency.ndim != 1 or frequency.shape != values.shape or len(frequency) < 2:
            raise AnalysisRefused(
                f"{self.name}: a spectrum needs two or more points and one value for each frequency, "
                f"not shapes {frequency.shape} and {values.shape}."
            )
        if not (np.isfinite(frequency).all() and np.isfinite(values).all()):
            raise AnalysisRefused(f"{self.name}: some frequencies or values are not finite numbers.")
        if not (np.diff(frequency) > 0).all():
            raise AnalysisRefused(f"{self.name}: the frequency axis does not ascend.")
        frequency.flags.writeable = False
        values.flags.writeable = False
        object.__setattr__(self, "frequency_hz", frequency)
        object.__setattr__(self, "values", values)

    @property
    def spacing_hz(self) -> float:
        """Mean distance between neighbouring points."""
        return float(self.frequency_hz[-1] - self.frequency_hz[0]) / (len(self.frequency_hz) - 1)

    @property
    def point_sigma(self) -> FloatArray:
        """Standard uncertainty (n,) of each point in its own unit, from K: P/sqrt(K), V/(2 sqrt(K)), 4.343 dB/sqrt(K).

        That of the noise of the trace alone, without what is common to all points. To first order, so for K well
        above 1; of a trace from which dark noise was taken K is that at its mean level.
        """
        relative = 1 / math.sqrt(self.acquisition.effective_k)
        match self.unit:
            case Unit.DBM:
                return np.full(len(self.values), DB_PER_NEPER * relative)
            case Unit.V_RMS_PER_BIN:
                return np.asarray(np.abs(self.values) * relative / 2)
            case Unit.V2_PER_HZ | Unit.RATIO_TO_SHOT:
                return np.asarray(np.abs(self.values) * relative)

    def in_unit(self, unit: Unit) -> Spectrum:
        """The same spectrum in another unit; a ratio to shot has no other unit, a negative density no dBm or volt."""
        if unit is self.unit:
            return self
        return replace(self, values=self._from_psd(self._to_psd(), unit), unit=unit)

    def mask(self, band: Band, exclude: Sequence[Band] = ()) -> npt.NDArray[np.bool_]:
        """True (n,) for points inside `band` and outside every excluded one.

        Refuses a band that reaches a whole point spacing beyond the spectrum, and one without points.
        """
        low, high = band
        if not low < high:
            raise AnalysisRefused(f"{self.name}: a band from {low:g} to {high:g} Hz is empty.")
        f = self.frequency_hz
        margin = self.spacing_hz  # a neighbouring point would lie within the band beyond this
        if low < f[0] - margin or high > f[-1] + margin:
            raise AnalysisRefused(
                f"{self.name}: the band {low:g} to {high:g} Hz leaves the spectrum, which spans "
                f"{f[0]:g} to {f[-1]:g} Hz."
            )
        inside = (f >= low) & (f <= high)
        for out_low, out_high in exclude:
            inside &= ~((f >= out_low) & (f <= out_high))
        if not inside.any():
            raise AnalysisRefused(f"{self.name}: no point is left between {low:g} and {high:g} Hz.")
        return inside

    def within(self, band: Band, exclude: Sequence[Band] = ()) -> Spectrum:
        """The part of the spectrum inside `band` and outside the excluded ones; needs two points."""
        return self.at(self.mask(band, exclude))

    def at(self, points: npt.NDArray[np.bool_] | slice) -> Self:
        """The spectrum at the chosen points only."""
        return replace(self, frequency_hz=self.frequency_hz[points], values=self.values[points])

    def _to_psd(self) -> FloatArray:
        match self.unit:
            case Unit.V2_PER_HZ:
                return self.values
            case Unit.V_RMS_PER_BIN:
                return self.values**2 / self.acquisition.enbw_hz
            case Unit.DBM:
                return dbm_to_psd(self.values, self.acquisition.enbw_hz)
            case Unit.RATIO_TO_SHOT:
                raise AnalysisRefused(f"{self.name} is a ratio to shot noise and has no volts.")

    def _from_psd(self, psd: FloatArray, unit: Unit) -> FloatArray:
        match unit:
            case Unit.V2_PER_HZ:
                return psd
            case Unit.V_RMS_PER_BIN:
                if (psd < 0).any():
                    raise AnalysisRefused(f"{self.name}: a negative density has no V rms.")
                return np.asarray(np.sqrt(psd * self.acquisition.enbw_hz))
            case Unit.DBM:
                return psd_to_dbm(psd, self.acquisition.enbw_hz)
            case Unit.RATIO_TO_SHOT:
                raise AnalysisRefused(f"{self.name} needs a shot-noise spectrum to become a ratio to shot.")


def dbm_to_psd(level_dbm: npt.ArrayLike, enbw_hz: float) -> FloatArray:
    """One-sided V^2/Hz from noise levels in dBm (50 ohm) within `enbw_hz`."""
    power_w = MILLIWATT * 10 ** (np.asarray(level_dbm, dtype=np.float64) / 10)
    return np.asarray(power_w * ANALYZER_IMPEDANCE_OHM / enbw_hz)


def psd_to_dbm(psd_v2_per_hz: npt.ArrayLike, enbw_hz: float) -> FloatArray:
    """Noise levels in dBm (50 ohm) within `enbw_hz` from one-sided V^2/Hz; refuses values that are not positive."""
    psd = np.asarray(psd_v2_per_hz, dtype=np.float64)
    if not (psd > 0).all():
        raise AnalysisRefused("A density that is not positive has no dBm.")
    return np.asarray(10 * np.log10(psd * enbw_hz / ANALYZER_IMPEDANCE_OHM / MILLIWATT))


def log_average_bias_db(k: float = 1.0) -> float:
    """Mean of 10 log10 of K-averaged noise power, minus 10 log10 of its mean: 4.343 (psi(K) - ln K).

    -2.507 dB for K = 1, -0.449 dB for K = 5. Noise only: a steady tone is not biased.
    """
    if not k > 0:
        raise AnalysisRefused(f"An average over K = {k!r} makes no sense.")
    return DB_PER_NEPER * (float(digamma(k)) - math.log(k))


def correct_log_average(spectrum: Spectrum, k_before_log: float = 1.0) -> Spectrum:
    """Turn a log-averaged noise trace into the power average it stands for.

    `k_before_log` is the K of the power that went into each logarithm: 1 for log video and for log trace averages of
    a wide VBW, more if power was averaged first. The new effective K is smaller by 1 / (k trigamma(k)), 0.61 at k = 1,
    because the logarithm wastes information. Wrong on tones. Refuses traces that are not log averages.
    """
    if spectrum.acquisition.averaging is not Averaging.LOG:
        raise AnalysisRefused(
            f"{spectrum.name} is a {spectrum.acquisition.averaging} average; only a log average takes this correction."
        )
    gain = 10 ** (-log_average_bias_db(k_before_log) / 10)
    efficiency = 1 / (k_before_log * float(polygamma(1, k_before_log)))
    acquisition = replace(
        spectrum.acquisition,
        averaging=Averaging.POWER,
        effective_k=spectrum.acquisition.effective_k * efficiency,
    )
    match spectrum.unit:
        case Unit.DBM:
            values = spectrum.values - log_average_bias_db(k_before_log)
        case Unit.V_RMS_PER_BIN:
            values = spectrum.values * math.sqrt(gain)
        case Unit.V2_PER_HZ:
            values = spectrum.values * gain
        case Unit.RATIO_TO_SHOT:
            raise AnalysisRefused(f"{spectrum.name}: correct the log average before dividing by shot noise.")
    return replace(spectrum, values=values, acquisition=acquisition)


def require_same_axis(a: Spectrum, b: Spectrum) -> None:
    """Refuse two spectra whose frequency axes differ by more than a thousandth of a point spacing."""
    if len(a.frequency_hz) != len(b.frequency_hz):
        raise AnalysisRefused(
            f"{a.name} has {len(a.frequency_hz)} points and {b.name} has {len(b.frequency_hz)}.",
            remedy="Record both with the same span and points.",
        )
    worst = int(np.argmax(np.abs(a.frequency_hz - b.frequency_hz)))
    fa, fb = float(a.frequency_hz[worst]), float(b.frequency_hz[worst])
    if abs(fa - fb) > AXIS_TOLERANCE * a.spacing_hz:
        raise AnalysisRefused(
            f"{a.name} and {b.name} have different frequency axes: point {worst + 1} is at {fa:.10g} and {fb:.10g} Hz.",
            remedy="Record both with the same span and points.",
        )


def require_same_conventions(a: Spectrum, b: Spectrum) -> None:
    """Refuse two spectra that cannot be subtracted or divided: axis, resolution, filter, detector or averaging scale.

    The number of averages may differ, and VBW too where powers are averaged; on a scale of logarithms or voltages, and
    behind a peak detector, VBW sets the level. One of a power average and a single trace are the same scale.
    """
    require_same_axis(a, b)
    p, q = a.acquisition, b.acquisition
    clashes: list[str] = []
    for what, x, y in (("RBW", p.rbw_hz, q.rbw_hz), ("ENBW", p.enbw_hz, q.enbw_hz)):
        if abs(x - y) > BANDWIDTH_TOLERANCE * max(x, y):
            clashes.append(f"{what} {x:g} Hz and {y:g} Hz")
    if p.filter_shape is not q.filter_shape:
        clashes.append(f"filter {p.filter_shape} and {q.filter_shape}")
    if p.detector is not q.detector:
        clashes.append(f"detector {p.detector} and {q.detector}")
    if _scale(p.averaging) is not _scale(q.averaging):
        clashes.append(f"averaging {p.averaging} and {q.averaging}")
    if _level_depends_on_vbw(p) and _level_depends_on_vbw(q) and not _same_vbw(p.vbw_hz, q.vbw_hz):
        clashes.append(f"VBW {_vbw_text(p.vbw_hz)} and {_vbw_text(q.vbw_hz)}")
    if (a.unit is Unit.RATIO_TO_SHOT) is not (b.unit is Unit.RATIO_TO_SHOT):
        clashes.append(f"unit {a.unit} and {b.unit}")
    if clashes:
        raise AnalysisRefused(
            f"{a.name} and {b.name} were taken differently: {'; '.join(clashes)}.",
            remedy="Record both with the same settings.",
        )


def _level_depends_on_vbw(acquisition: Acquisition) -> bool:
    peaks = acquisition.detector in (Detector.PEAK, Detector.NEGATIVE_PEAK)
    return peaks or acquisition.averaging in (Averaging.LOG, Averaging.VOLTAGE)


def _same_vbw(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= BANDWIDTH_TOLERANCE * max(a, b)


def _vbw_text(vbw_hz: float | None) -> str:
    return "none" if vbw_hz is None else f"{vbw_hz:g} Hz"


def _scale(averaging: Averaging) -> Averaging:
    return Averaging.POWER if averaging is Averaging.NONE else averaging
