"""One tone of known frequency in simultaneous records of M channels: complex amplitudes against each other.

The records of an untriggered digitizer begin at any phase of the tone, but all channels of a record at the same one, so
what the channels have against each other adds up over the records. Clocks of generator and digitizer differ by parts in
a million: the frequency is fitted within that, one for all channels and records.

Conventions: a channel holds Re[a e^{2 pi i f t}], a in V at the peak; a later channel has a smaller phase. Windows are
Hann's. Noise is read between 4 and 18 bins beside the tone, from the same records.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal.windows import hann
from scipy.stats import f as f_distribution

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import HANN_ENBW_BINS, FloatArray
from labctl.spectra.cross_spectral_matrix import ComplexArray

CLOCK_TOLERANCE = 20e-6
"""Largest relative difference of two quartz clocks that nobody has locked to each other."""
NOISE_BINS = np.array([*range(-18, -3, 2), *range(4, 19, 2)], dtype=np.float64)
"""Where noise is read, in bins from the tone; every second bin of a Hann window is nearly independent."""
LEAST_BINS = 40.0
"""Least distance of the tone from zero and from half the sample rate, in bins."""
NOISE_IS_SHOT = 0.05
"""What one detector's noise differs by from shot noise, relative, in amplitude: squeezing, and dark noise."""
GRID_PER_BIN = 4
REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class TonePhasors:
    """A tone in M channels, averaged over records.

    phasors (M,): complex amplitudes in V, all turned together so that the sum of their squares is real. sigma_v (M,):
    standard uncertainty of the real and of the imaginary part of each. noise_v2_per_hz (M,): noise beside the tone,
    one-sided. snr (M,): mean power of the tone over that of the noise in one record. false_alarm (M,): chance of as
    much without any tone. clock_offset: found over nominal frequency, less 1. coherence: share of the power at the
    tone, over all records and channels, that keeps its phases between channels from record to record.
    """

    frequency_hz: float
    records: int
    phasors: ComplexArray
    sigma_v: FloatArray
    noise_v2_per_hz: FloatArray
    snr: FloatArray
    false_alarm: FloatArray
    clock_offset: Estimate
    coherence: float

    @property
    def channels(self) -> int:
        """M."""
        return len(self.phasors)

    def depth_rad(self, channel: int, shot_noise_rad2_per_hz: float) -> Estimate:
        """Peak phase of the tone in rad, by the noise beside it, which is taken for shot noise of this one-sided PSD.

        Gains of the electronics do not enter. What squeezing and dark noise leave of that counts as uncertainty.
        """
        size_v = abs(self.phasors[channel])
        value = size_v * math.sqrt(shot_noise_rad2_per_hz / self.noise_v2_per_hz[channel])
        of_noise = 0.5 / math.sqrt(self.records * len(NOISE_BINS))
        relative = math.hypot(self.sigma_v[channel] / size_v, of_noise, NOISE_IS_SHOT)
        return Estimate(value, value * relative, "rad", "peak phase of the probe, by the noise beside it as shot noise")


def measure_tone(
    records: FloatArray, sample_rate_hz: float, frequency_hz: float, *, clock_tolerance: float = CLOCK_TOLERANCE
) -> TonePhasors:
    """Measure a tone of nominally `frequency_hz` in `records` (R, M, N) in V: R records of M channels.

    Refuses what is not finite, and records in which the tone has fewer than 40 bins of 1 / duration to zero or to half
    the sample rate. A tone that is not there is no error: see `false_alarm`.
    """
    records = np.asarray(records, dtype=np.float64)
    if records.ndim != 3 or 0 in records.shape or not np.isfinite(records).all():
        raise AnalysisRefused(f"Records of shape {records.shape} are not R records of M channels in V.")
    samples = records.shape[2]
    duration_s = samples / sample_rate_hz
    room_hz = min(frequency_hz, 0.5 * sample_rate_hz - frequency_hz)
    if not room_hz * duration_s >= LEAST_BINS:
        raise AnalysisRefused(
            f"Records of {samples} samples at {sample_rate_hz:g} samples/s are too short for a tone of "
            f"{frequency_hz:g} Hz, or too slow: it needs {LEAST_BINS:g} bins of 1 / duration to either side.",
            remedy="Take longer records or another frequency.",
        )
    projection = _Projection(records, sample_rate_hz)
    found_hz = _fitted_frequency(projection, frequency_hz, clock_tolerance * frequency_hz)
    beside = projection.amplitudes(found_hz + NOISE_BINS / duration_s)
    noise = np.mean(np.abs(beside) ** 2, axis=(0, 1))  # of a complex amplitude, in V^2
    if not (noise > 0.0).all():
        dead = ", ".join(str(channel) for channel in np.flatnonzero(noise <= 0.0) + 1)
        raise AnalysisRefused(f"There is no noise at all in channel {dead}.", remedy="Look at the digitizer's inputs.")
    amplitudes = projection.amplitudes(np.array([found_hz]))[0]
    return _combined(amplitudes, noise, frequency_hz, found_hz, duration_s, samples, clock_tolerance)


def _combined(
    amplitudes: ComplexArray,
    noise: FloatArray,
    nominal_hz: float,
    found_hz: float,
    duration_s: float,
    samples: int,
    clock_tolerance: float,
) -> TonePhasors:
    """Add up amplitudes (R, M) whose common phase is another in every record; `noise` (M,) is their mean square."""
    count = len(amplitudes)
    over_noise = np.mean(np.abs(amplitudes) ** 2, axis=0) / noise
    cells = 1.0 + 2.0 * clock_tolerance * nominal_hz * duration_s  # independent frequencies that were looked at
    chance = f_distribution.sf(over_noise, 2 * count, 2 * count * len(NOISE_BINS))
    white = amplitudes / np.sqrt(noise)
    _, strength, right = np.linalg.svd(white, full_matrices=False)
    phasors = right[0] * strength[0] / math.sqrt(count) * np.sqrt(noise)
    phasors = phasors * np.exp(-0.5j * np.angle(np.sum(phasors**2)))
    return TonePhasors(
        frequency_hz=nominal_hz,
        records=count,
        phasors=np.asarray(phasors),
        sigma_v=np.sqrt(0.5 * noise / count),
        noise_v2_per_hz=noise * duration_s / (2.0 * HANN_ENBW_BINS),
        snr=np.maximum(over_noise - 1.0, 0.0),
        false_alarm=np.minimum(1.0, cells * chance),
        clock_offset=_clock_offset(nominal_hz, found_hz, white, duration_s, samples),
        coherence=float(strength[0] ** 2 / np.sum(strength**2)),
    )


class _Projection:
    """Windowed records, and their complex amplitudes at any frequency."""

    def __init__(self, records: FloatArray, sample_rate_hz: float) -> None:
        self._shape = records.shape[:2]
        window = hann(records.shape[2], sym=False)
        self._windowed = (records * (2.0 * window / window.sum())).reshape(-1, records.shape[2])
        self._time_s = np.arange(records.shape[2]) / sample_rate_hz

    def amplitudes(self, frequency_hz: FloatArray) -> ComplexArray:
        """Return complex amplitudes in V, shape (F, R, M)."""
        turn = 2.0 * math.pi * np.outer(self._time_s, frequency_hz)
        found = self._windowed @ np.cos(turn) - 1j * (self._windowed @ np.sin(turn))
        return np.asarray(found.T.reshape(-1, *self._shape))


def _fitted_frequency(projection: _Projection, nominal_hz: float, tolerance_hz: float) -> float:
    """Return the frequency within the tolerance at which all channels and records together have the most power."""
    bin_hz = 1.0 / (projection._time_s[-1] + projection._time_s[1])
    step_hz = bin_hz / GRID_PER_BIN
    reach = max(1, math.ceil(tolerance_hz / step_hz))
    grid_hz = nominal_hz + np.linspace(-tolerance_hz, tolerance_hz, 2 * reach + 1)
    best_hz = float(grid_hz[np.argmax(_power(projection, grid_hz))])
    for _ in range(REFINEMENTS):
        low, here, high = _power(projection, best_hz + step_hz * np.array([-1.0, 0.0, 1.0]))
        bend = low - 2.0 * here + high
        move = 0.5 * (low - high) / bend if bend < 0.0 else 0.0
        best_hz += step_hz * min(max(move, -1.0), 1.0)
        best_hz = min(max(best_hz, nominal_hz - tolerance_hz), nominal_hz + tolerance_hz)
        step_hz *= 0.25
    return best_hz


def _power(projection: _Projection, frequency_hz: FloatArray) -> FloatArray:
    """Return the power over all records, every channel in units of its own mean, shape of `frequency_hz`."""
    power = np.sum(np.abs(projection.amplitudes(frequency_hz)) ** 2, axis=1)
    mean = np.maximum(power.mean(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(np.sum(power / mean, axis=1))


def _clock_offset(nominal_hz: float, found_hz: float, white: ComplexArray, duration_s: float, samples: int) -> Estimate:
    """Return found over nominal frequency less 1; `white` (R, M) are the amplitudes over the rms of their noise.

    The phase of a windowed sine runs with its frequency: sigma_f = sum(w) (sum w^2 t^2 / sum w^2)^1/2 /
    (2 pi 2^1/2 sum w t^2 rho), rho^2 the sum of all |white|^2, t from the middle of the record.
    """
    window = hann(samples, sym=False)
    time_s = (np.arange(samples) / samples - 0.5) * duration_s
    spread = math.sqrt(float(np.sum((window * time_s) ** 2) / np.sum(window**2)))
    lever = float(np.sum(window * time_s**2) / np.sum(window))
    rho = math.sqrt(float(np.sum(np.abs(white) ** 2)))
    sigma_hz = spread / (2.0 * math.pi * math.sqrt(2.0) * lever * max(rho, 1.0))
    offset = float(found_hz / nominal_hz - 1.0)
    return Estimate(offset, sigma_hz / nominal_hz, "", "digitizer's frequency of the tone over the generator's, less 1")
