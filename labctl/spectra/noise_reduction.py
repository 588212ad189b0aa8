"""Noise relative to shot noise: dark subtraction, shot level, normalisation, clearance, noise reduction over a band.

Every decibel of squeezing that labctl reports, from the table or from a file, is made here:
S = (P_signal - P_dark) / (P_shot - P_dark), all three one-sided densities in V^2/Hz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import DB_PER_NEPER, Estimate, in_decibels
from labctl.spectra.trace import Band, Spectrum, Unit, require_same_conventions

SMALLEST_SHOT_K = 2.0
"""A shot trace with fewer averages cannot divide point by point: its mean of 1/P has no useful variance."""

FEWEST_SCATTER_PAIRS = 8
SMALLEST_SCATTER = 1e-9
"""Relative scatter below which points are numerically equal."""


class Mean(StrEnum):
    """Scale on which points are averaged over frequency."""

    POWER = "power"
    AMPLITUDE = "amplitude"
    DECIBEL = "decibel"


def subtract_dark(spectrum: Spectrum, dark: Spectrum) -> Spectrum:
    """`spectrum` minus the detector's dark noise, V^2/Hz (n,); noise can make single points negative.

    K becomes what the difference is worth at the mean level. Refuses unlike spectra and light that is not above dark.
    """
    require_same_conventions(spectrum, dark)
    total, background = spectrum.in_unit(Unit.V2_PER_HZ), dark.in_unit(Unit.V2_PER_HZ)
    p, d = float(total.values.mean()), float(background.values.mean())
    if p <= d:
        raise AnalysisRefused(
            f"{spectrum.name} does not stand above {dark.name}.", remedy="Check that light reaches the detector."
        )
    k = (p - d) ** 2 / (p**2 / total.acquisition.effective_k + d**2 / background.acquisition.effective_k)
    return replace(
        total,
        values=total.values - background.values,
        acquisition=replace(total.acquisition, effective_k=k),
    )


def shot_level(shot: Spectrum, band: Band, mean: Mean = Mean.POWER) -> Estimate:
    """One level for white shot noise, V^2/Hz or V rms per bin as `shot` is (dBm becomes V^2/Hz).

    Mean of power or of amplitude over the bins from the one nearest `band[0]` up to, but without, the one nearest
    `band[1]`. Sigma from K or from the points' scatter (so that a sloping level shows), whichever is larger, over the
    number of independent points. An amplitude mean of K-averaged noise is low by 1/(8K); that is not corrected.
    """
    if mean is Mean.DECIBEL:
        raise AnalysisRefused("The shot level is a mean of power or of amplitude, not of decibels.")
    part = shot.at(nearest_bins(shot, band))
    in_volts = part.unit is Unit.V_RMS_PER_BIN
    volts = part.values if in_volts else _amplitude(part)
    level_v = float(volts.mean()) if mean is Mean.AMPLITUDE else math.sqrt(float((volts**2).mean()))
    if level_v <= 0:
        raise AnalysisRefused(f"{shot.name} is zero between {band[0]:g} and {band[1]:g} Hz.")
    scatter = float((volts**2).std(ddof=1) / (volts**2).mean())
    per_point = max(scatter, 1 / math.sqrt(part.acquisition.effective_k))
    relative_power_sigma = per_point / math.sqrt(part.acquisition.independent_points(part.frequency_hz))
    value, relative = (level_v, relative_power_sigma / 2) if in_volts else (level_v**2, relative_power_sigma)
    return Estimate(
        value,
        value * relative,
        str(Unit.V_RMS_PER_BIN if in_volts else Unit.V2_PER_HZ),
        f"shot noise, {mean} mean of {len(volts)} bins, {part.frequency_hz[0]:g} to {part.frequency_hz[-1]:g} Hz",
    )


def nearest_bins(spectrum: Spectrum, band: Band) -> slice:
    """Bins from the one nearest the lower edge up to, but without, the one nearest the upper edge; two at least."""
    spectrum.mask(band)
    first = int(np.argmin(np.abs(spectrum.frequency_hz - band[0])))
    last = int(np.argmin(np.abs(spectrum.frequency_hz - band[1])))
    if last - first < 2:
        raise AnalysisRefused(f"{spectrum.name}: fewer than two bins between {band[0]:g} and {band[1]:g} Hz.")
    return slice(first, last)


def shot_normalise(signal: Spectrum, shot: Spectrum | Estimate, dark: Spectrum | None = None) -> Spectrum:
    """`signal` over shot noise, point by point: a power ratio (n,), 1 is shot noise.

    `shot` is a spectrum on the same axis, from which `dark` is taken too, or one level from `shot_level`, which must be
    free of dark noise when `dark` is given. Over a spectrum, K of the result is 1/(1/K_signal + 1/K_shot), and the
    excess of the mean of 1/P, 1/(K_shot - 1), is taken out; a level's uncertainty is common to all points and not in K.
    Refuses unlike spectra, K_shot <= 2 and points where shot noise is not above dark noise.
    """
    _require_volts(signal)
    clean = subtract_dark(signal, dark) if dark is not None else signal.in_unit(Unit.V2_PER_HZ)
    if isinstance(shot, Estimate):
        ratio = clean.values / _level_psd(shot, signal).value
        acquisition = clean.acquisition
        name = f"{signal.name} over its shot level"
    else:
        require_same_conventions(signal, shot)
        reference = subtract_dark(shot, dark) if dark is not None else shot.in_unit(Unit.V2_PER_HZ)
        k = reference.acquisition.effective_k
        if k <= SMALLEST_SHOT_K:
            raise AnalysisRefused(
                f"{shot.name} has K = {k:.3g} independent averages, too few to divide by point by point.",
                remedy="Average shot noise longer or divide by its level over a band.",
            )
        if (reference.values <= 0).any():
            raise AnalysisRefused(f"{shot.name} is not above dark noise at every point.", remedy="Average longer.")
        ratio = clean.values / reference.values * (1 - 1 / k)
        acquisition = replace(clean.acquisition, effective_k=1 / (1 / clean.acquisition.effective_k + 1 / k))
        name = f"{signal.name} over {shot.name}"
    return replace(signal, values=ratio, unit=Unit.RATIO_TO_SHOT, acquisition=acquisition, name=name)


def band_ratio(
    signal: Spectrum,
    shot: Spectrum | Estimate,
    dark: Spectrum | None = None,
    *,
    band: Band,
    exclude: Sequence[Band] = (),
    mean: Mean = Mean.POWER,
) -> Estimate:
    """Noise of `signal` relative to shot noise over `band` (edges included) less the excluded bands: a power ratio.

    `shot` and `dark` as in `shot_normalise`. POWER divides the mean powers; DECIBEL averages the points' decibels,
    which reads low by 2.17/K dB with the K of `shot_normalise`. Uncertainty: sum of the relative variances
    1/(K n_independent) of the traces used; the dark trace enters twice and is counted as one.
    Refuses what `shot_normalise` refuses.
    """
    if mean is Mean.AMPLITUDE:
        raise AnalysisRefused("Noise relative to shot noise is a mean of power or of decibels, not of amplitude.")
    _require_volts(signal)
    points = signal.mask(band, exclude)
    numerator = _mean_psd(signal, points)
    background = Estimate(0.0, 0.0)
    if dark is not None:
        require_same_conventions(signal, dark)
        background = _mean_psd(dark, points)
    if isinstance(shot, Estimate):
        denominator, dark_in_shot = _level_psd(shot, signal), 0.0
    else:
        require_same_conventions(signal, shot)
        denominator, dark_in_shot = _mean_psd(shot, points), 1.0
    shot_alone = denominator.value - dark_in_shot * background.value
    if shot_alone <= 0:
        raise AnalysisRefused("Shot noise does not stand above dark noise.", remedy="Check the local oscillator.")
    ratio = (numerator.value - background.value) / shot_alone
    sigma = (
        math.hypot(numerator.sigma, ratio * denominator.sigma, (1 - dark_in_shot * ratio) * background.sigma)
        / shot_alone
    )
    convention = f"power over shot noise, {mean} mean, {band[0]:g} to {band[1]:g} Hz"
    if mean is Mean.DECIBEL:
        decibels = spectrum_db(shot_normalise(signal, shot, dark).at(points))
        of_decibels = 10 ** (float(decibels.mean()) / 10)
        return Estimate(of_decibels, sigma * of_decibels / ratio, "", convention)
    return Estimate(ratio, sigma, "", convention)


def band_ratio_db(
    signal: Spectrum,
    shot: Spectrum | Estimate,
    dark: Spectrum | None = None,
    *,
    band: Band,
    exclude: Sequence[Band] = (),
    mean: Mean = Mean.POWER,
) -> Estimate:
    """`band_ratio` in decibels: negative below shot noise; sigma is 4.343 times the relative one."""
    return in_decibels(band_ratio(signal, shot, dark, band=band, exclude=exclude, mean=mean))


def spectrum_db(ratio: Spectrum) -> FloatArray:
    """Decibels (n,) of a ratio to shot noise; refuses points that are not positive."""
    if ratio.unit is not Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(f"{ratio.name} is in {ratio.unit}, not relative to shot noise.")
    if (ratio.values <= 0).any():
        raise AnalysisRefused(f"{ratio.name} is not positive at every point.", remedy="Average longer.")
    return np.asarray(10 * np.log10(ratio.values))


def lowest_point_db(ratio: Spectrum, level_relative_sigma: float = 0.0) -> tuple[float, Estimate]:
    """Frequency in Hz and decibels of the lowest point of a ratio to shot noise.

    Sigma is that of a single point (K) and of the level. The lowest of many noisy points lies below the lowest of the
    noise-free curve; that is not corrected, so use a band mean as evidence.
    """
    decibels = spectrum_db(ratio)
    lowest = int(np.argmin(decibels))
    sigma = DB_PER_NEPER * math.hypot(1 / math.sqrt(ratio.acquisition.effective_k), level_relative_sigma)
    convention = f"lowest of {len(decibels)} points, not corrected for the choice"
    return float(ratio.frequency_hz[lowest]), Estimate(float(decibels[lowest]), sigma, "dB", convention)


def clearance_db(shot: Spectrum, dark: Spectrum, band: Band, exclude: Sequence[Band] = ()) -> Estimate:
    """Shot noise (dark noise included) over dark noise in a band, dB."""
    require_same_conventions(shot, dark)
    points = shot.mask(band, exclude)
    light, background = _mean_psd(shot, points), _mean_psd(dark, points)
    if background.value <= 0:
        raise AnalysisRefused(f"{dark.name} is zero from {band[0]:g} to {band[1]:g} Hz.")
    ratio = light.value / background.value
    sigma = ratio * math.hypot(light.relative_sigma, background.relative_sigma)
    return in_decibels(Estimate(ratio, sigma, "", "shot plus dark over dark noise"))


def power_relative_sigma(level: Estimate) -> float:
    """Relative uncertainty of the power of a shot level: twice that of a level in volts."""
    return (2 if level.unit == str(Unit.V_RMS_PER_BIN) else 1) * level.relative_sigma


def averages_from_scatter(spectrum: Spectrum, band: Band, exclude: Sequence[Band] = ()) -> float:
    """Effective K from the scatter of the points in a band: the inverse relative variance of power.

    Taken from differences of points just far enough apart to be independent, so that a slow slope or a broad feature
    does not count as scatter. Needs 8 such differences, and some scatter.
    """
    points = spectrum.mask(band, exclude)
    power = spectrum.values if spectrum.unit is Unit.RATIO_TO_SHOT else spectrum.in_unit(Unit.V2_PER_HZ).values
    lag = max(1, math.ceil(spectrum.acquisition.correlation_reach_hz() / spectrum.spacing_hz))
    pairs = points[lag:] & points[:-lag]
    if pairs.sum() < FEWEST_SCATTER_PAIRS:
        raise AnalysisRefused(
            f"{spectrum.name} has too few points from {band[0]:g} to {band[1]:g} Hz to tell their scatter.",
            remedy="Take a wider band or give the number of averages.",
        )
    upper, lower = power[lag:][pairs], power[:-lag][pairs]
    if (upper + lower <= 0).any():
        raise AnalysisRefused(f"{spectrum.name} is not positive from {band[0]:g} to {band[1]:g} Hz.")
    variance = float((((upper - lower) / ((upper + lower) / 2)) ** 2).mean()) / 2
    if variance <= SMALLEST_SCATTER**2:
        raise AnalysisRefused(
            f"{spectrum.name} does not scatter from {band[0]:g} to {band[1]:g} Hz: it is not a measured spectrum.",
            remedy="Give the number of averages.",
        )
    return 1 / variance


def _mean_psd(spectrum: Spectrum, points: npt.NDArray[np.bool_]) -> Estimate:
    """Mean density over the chosen points; variance sum_ij P_i rho_ij P_j / (K n^2)."""
    part = spectrum.in_unit(Unit.V2_PER_HZ)
    p, f = part.values[points], part.frequency_hz[points]
    variance = float(p @ part.acquisition.correlated_sum(f, p)) / part.acquisition.effective_k
    return Estimate(float(p.mean()), math.sqrt(variance) / len(p), str(Unit.V2_PER_HZ))


def _level_psd(level: Estimate, signal: Spectrum) -> Estimate:
    """A shot level as density in V^2/Hz within the bandwidth of `signal`."""
    if level.value <= 0:
        raise AnalysisRefused(f"A shot level of {level} can divide nothing.")
    if level.unit == str(Unit.V2_PER_HZ):
        psd = level.value
    elif level.unit == str(Unit.V_RMS_PER_BIN):
        psd = level.value**2 / signal.acquisition.enbw_hz
    else:
        raise AnalysisRefused(f"A shot level in {level.unit or 'no unit'} is neither V^2/Hz nor V rms per bin.")
    return Estimate(psd, psd * power_relative_sigma(level), str(Unit.V2_PER_HZ))


def _amplitude(spectrum: Spectrum) -> FloatArray:
    psd = spectrum.in_unit(Unit.V2_PER_HZ).values
    if (psd < 0).any():
        raise AnalysisRefused(f"{spectrum.name} has negative densities, which have no amplitude.")
    return np.asarray(np.sqrt(psd))


def _require_volts(spectrum: Spectrum) -> None:
    if spectrum.unit is Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(f"{spectrum.name} is relative to shot noise already.")
