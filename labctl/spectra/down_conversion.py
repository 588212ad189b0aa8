"""Design of a digital down-conversion: from real samples to complex ones around any centre, and what it guarantees.

Two stages. The first multiplies by the oscillator exp(-2 pi i f_c t) and decimates by `first_decimation` behind moving
averages whose notches are spread over the bands that would fold into the wanted one; the oscillator is folded into
its taps. The second, a Kaiser low-pass, decimates the rest and makes good the droop of the first. Where a single
stage costs less, it is the low-pass alone. Frequencies that fold outside the band are not stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.anti_alias import (
    amplitude_response,
    kaiser_half_length,
    kaiser_low_pass,
    padded,
    spread_moving_averages,
    spread_response,
)
from labctl.spectra.decimation_kernels import TAPS_MULTIPLE
from labctl.spectra.trace import Band

STOP_BAND_DB = 90.0
RIPPLE_DB = 0.01
OUTPUT_RATE_PER_WIDTH = 1.25
"""Least output rate over the width of the band: the transition of the last filter has the rest."""
DESIGN_MARGIN_DB = 3.0
HIGHEST_ORDER = 8
WIDEST_NOTCH = 0.2
"""Largest half width of the band over the rate behind the first stage."""
TAPS_PER_OUTPUT_OVERHEAD = 32
"""What one output costs beside its taps, in taps."""
CHECKED_POINTS = 33
PASS_BAND_POINTS = 1025
CHECKED_IMAGES = 100


@dataclass(frozen=True, eq=False)
class DownConversion:
    """A designed down-conversion of real samples to complex ones of rate `output_rate_hz`, centred on the band.

    first_taps, last_taps: real symmetric taps; `last_taps` is empty where one stage does it all. ripple_db: largest
    deviation of the gain from 1 inside the band. stop_band_db: least attenuation of any input frequency that folds
    into the band. Both are computed from the taps. Made by `design_down_conversion`.
    """

    sample_rate_hz: float
    band: Band
    first_decimation: int
    first_taps: FloatArray
    last_decimation: int
    last_taps: FloatArray
    ripple_db: float
    stop_band_db: float

    @property
    def decimation(self) -> int:
        """Input samples for each output sample."""
        return self.first_decimation * self.last_decimation

    @property
    def output_rate_hz(self) -> float:
        """Complex samples per second and channel."""
        return self.sample_rate_hz / self.decimation

    @property
    def centre_hz(self) -> float:
        """Input frequency that comes out at zero."""
        return (self.band[0] + self.band[1]) / 2

    @property
    def reach(self) -> int:
        """Input samples that one output sample depends on."""
        last = max(len(self.last_taps), 1)
        return len(self.first_taps) + self.first_decimation * (last - 1)

    @property
    def delay_samples(self) -> float:
        """Input samples from the first that an output depends on to the moment that it stands for."""
        return (self.reach - 1) / 2

    @property
    def cycles_per_step(self) -> Fraction:
        """Turns of the oscillator in one output of the first stage, exactly."""
        return Fraction(self.centre_hz) * self.first_decimation / Fraction(self.sample_rate_hz)


def design_down_conversion(
    sample_rate_hz: float,
    band: Band,
    *,
    stop_band_db: float = STOP_BAND_DB,
    ripple_db: float = RIPPLE_DB,
    decimation: int | None = None,
) -> DownConversion:
    """The cheapest design that keeps `ripple_db` in the band and `stop_band_db` for all that folds into it.

    Without `decimation` it is the largest product of 2, 3 and 5 that leaves an output rate of 1.25 band widths, of
    whole Hz where there is one down to half of that. Refuses a band that is empty or not between zero and half the
    rate, a decimation that leaves no transition, and demands that no design meets.
    """
    low, high = band
    if not (0 <= low < high <= sample_rate_hz / 2):
        raise AnalysisRefused(
            f"A band from {low:g} to {high:g} Hz does not lie between zero and half of {sample_rate_hz:g} samples/s.",
            remedy="Choose a band below half the sample rate.",
        )
    width = high - low
    factor = _decimation(sample_rate_hz, width) if decimation is None else decimation
    if factor < 1:
        raise AnalysisRefused(f"Decimation by {factor} makes no sense.", remedy="Use 1 or more.")
    if factor > 1 and sample_rate_hz / factor <= width:
        raise AnalysisRefused(
            f"Decimation by {factor} leaves {sample_rate_hz / factor:g} complex samples/s for a band of {width:g} Hz.",
            remedy=f"Use {int(sample_rate_hz / OUTPUT_RATE_PER_WIDTH / width)} or less.",
        )
    if factor == 1:
        return DownConversion(sample_rate_hz, band, 1, np.ones(1), 1, np.empty(0), 0.0, math.inf)
    half = width / 2 / sample_rate_hz
    for extra_db in (DESIGN_MARGIN_DB, 4 * DESIGN_MARGIN_DB, 8 * DESIGN_MARGIN_DB):
        first, order = min(_splits(factor, half, stop_band_db + extra_db))[1:]
        found = _designed(sample_rate_hz, band, factor, first, order, stop_band_db + extra_db)
        if found.ripple_db <= ripple_db and found.stop_band_db >= stop_band_db:
            return found
    raise AnalysisRefused(
        f"No design was found with a ripple of {ripple_db:g} dB and a stop band of {stop_band_db:g} dB; "
        f"the last had {found.ripple_db:.3g} and {found.stop_band_db:.4g} dB.",
        remedy="Ask for less; single precision ends near 120 dB.",
    )


def _decimation(sample_rate_hz: float, width_hz: float) -> int:
    most = max(1, math.floor(sample_rate_hz / (OUTPUT_RATE_PER_WIDTH * width_hz)))
    smooth = [n for n in range(most, most // 2, -1) if _is_smooth(n)]
    whole = [n for n in smooth if (sample_rate_hz / n).is_integer()]
    return (whole or smooth)[0]


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def _splits(factor: int, half: float, stop_db: float) -> Iterator[tuple[float, int, int]]:
    """(cost, first decimation, order of its moving averages; 0 for one stage), cost in taps per input sample."""
    stop = 1 / factor - half
    yield _per_sample(2 * kaiser_half_length(half, stop, stop_db) + 1, factor), factor, 0
    for first in range(2, factor):
        if factor % first == 0 and half * first <= WIDEST_NOTCH:
            order = _order(first, half, stop_db)
            if order is not None:
                taps = order * (first - 1) + 1
                rest = 2 * kaiser_half_length(half * first, stop * first, stop_db) + 1
                yield _per_sample(taps, first) + _per_sample(rest, factor), first, order


def _per_sample(taps: int, decimation: int) -> float:
    return (taps + -taps % TAPS_MULTIPLE + TAPS_PER_OUTPUT_OVERHEAD) / decimation


def _order(decimation: int, half: float, stop_db: float) -> int | None:
    """Least order whose notches stop the bands k / D +- half by `stop_db`."""
    worst = np.linspace(-half, half, CHECKED_POINTS) + 1 / decimation
    for order in range(2, HIGHEST_ORDER + 1):
        left = float(np.abs(spread_response(worst, decimation, order, half)).max())
        if -20 * math.log10(left) >= stop_db:
            return order
    return None


def _designed(sample_rate_hz: float, band: Band, factor: int, first: int, order: int, stop_db: float) -> DownConversion:
    half = (band[1] - band[0]) / 2 / sample_rate_hz
    stop = 1 / factor - half
    if order == 0:
        low_pass = kaiser_low_pass(half, stop, stop_db, None)
        first_taps, last_taps = low_pass, np.empty(0)
    else:
        before = (first, order, half)
        first_taps = spread_moving_averages(*before)
        last_taps = low_pass = kaiser_low_pass(half * first, stop * first, stop_db, before)

    last = factor // first
    v = np.linspace(-half, half, PASS_BAND_POINTS)
    inside = amplitude_response(v, low_pass) if order == 0 else np.empty(0)
    if order > 0:
        inside = spread_response(v, first, order, half) * amplitude_response(v * first, low_pass)
    left = _left_of_folding(factor, half, first, order, low_pass)
    return DownConversion(
        sample_rate_hz,
        band,
        first,
        first_taps,
        last,
        last_taps,
        ripple_db=float(np.abs(20 * np.log10(np.abs(inside))).max()),
        stop_band_db=-20 * math.log10(left),
    )


def _left_of_folding(factor: int, half: float, first: int, order: int, low_pass: FloatArray) -> float:
    """Largest response in the bands k / factor +- half, k = 1 ... factor - 1.

    The low-pass behind the moving averages repeats every `last` bands. Of their own images the nearest are enough:
    each average falls as 1 / sin(pi nu).
    """
    last = factor // first
    v = np.linspace(-half, half, CHECKED_POINTS)
    if order == 0:
        bands = np.arange(1, factor)[:, None] / factor + v
        return float(np.abs(amplitude_response(bands.ravel(), low_pass)).max())
    bands = np.arange(last)[:, None] / factor + v
    behind = np.abs(amplitude_response((bands * first).ravel(), low_pass)).reshape(bands.shape)
    worst = 0.0
    for image in range(-min(first // 2, CHECKED_IMAGES), min(first // 2, CHECKED_IMAGES) + 1):
        left = np.abs(spread_response(bands + image / first, first, order, half)) * behind
        worst = max(worst, float((left[1:] if image == 0 else left).max(initial=0.0)))
    return worst


def folded_taps(conversion: DownConversion) -> tuple[FloatArray, FloatArray]:
    """Real and imaginary part of the first stage's taps times the oscillator, padded for the compiled loop."""
    n = np.arange(len(conversion.first_taps))
    turns = conversion.centre_hz / conversion.sample_rate_hz * n
    folded = padded(conversion.first_taps * np.exp(-2j * math.pi * turns), TAPS_MULTIPLE)
    return np.asarray(folded.real, dtype=np.float64), np.asarray(folded.imag, dtype=np.float64)
