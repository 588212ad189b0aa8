"""`labctl analyse psd`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from labctl.commands.analyse_output import Curves, Fact, Findings, write_columns
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.cross_spectrum import SHORTEST_SEGMENT, cross_spectral_matrix
from labctl.spectra.estimate import Estimate
from labctl.spectra.recording import Recording, read_samples
from labctl.spectra.trace import Spectrum

SEGMENTS = 8
LARGEST_RATE_DIFFERENCE = 0.01
LARGEST_STEP_JITTER = 0.1
"""Of a step: uneven sampling beyond it makes the axis of the spectrum wrong."""
CLIPPED_SHARE = 1e-3
FEWEST_CLIPPED = 10


def psd_findings(
    path: Path,
    rate_hz: float | None,
    segment: int | None,
    band: tuple[float, float] | None,
    columns: str,
    out: Path | None,
) -> Findings:
    """One-sided density of a record, its rms, mean over a band and highest point; raises LabError in one sentence."""
    if rate_hz is not None and not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ConfigurationError(f"--rate {rate_hz:g} makes no sense.", remedy="Give samples a second.")
    recording = read_samples(path, columns=columns)
    rate = _rate(recording, rate_hz)
    samples = recording.y
    length = segment or max(SHORTEST_SEGMENT, len(samples) // SEGMENTS // 2 * 2)
    if len(samples) < length:
        raise AnalysisRefused(f"{path} holds {len(samples)} samples, fewer than a segment of {length}.")
    spectrum = cross_spectral_matrix(
        samples[None, :], rate, (rate / length / 2, rate / 2), segment_length=length
    ).channel(0)
    density = f"{recording.y_unit or 'V'}^2/Hz"
    chosen = spectrum.within(band) if band is not None else spectrum
    if out is not None:
        write_columns(
            out,
            [f"{path.name}: Welch, Hann, {length} samples a segment, one-sided, ENBW {_enbw(spectrum):.6g} Hz"],
            {"frequency_hz": spectrum.frequency_hz, f"psd ({density})": spectrum.values},
            [path],
        )
    facts: dict[str, Fact] = {
        "rate_hz": rate,
        "samples": len(samples),
        "segment": length,
        "averages": spectrum.acquisition.effective_k,
        "enbw_hz": _enbw(spectrum),
        "band_hz": [float(chosen.frequency_hz[0]), float(chosen.frequency_hz[-1])],
    }
    notes = recording.notes
    if not recording.y_unit:
        notes = (*notes, "the file does not say the unit of its values; volts were assumed.")
    curves = Curves(
        spectrum.frequency_hz, spectrum.values, "frequency (Hz)", f"PSD ({density})", log_x=True, log_y=True
    )
    return Findings(_numbers(recording, spectrum, chosen, density), facts, _clipping(recording), notes, curves)


def _numbers(recording: Recording, spectrum: Spectrum, chosen: Spectrum, density: str) -> dict[str, Estimate]:
    k = spectrum.acquisition.effective_k
    p, f = chosen.values, chosen.frequency_hz
    mean = float(p.mean())
    variance = float(p @ chosen.acquisition.correlated_sum(f, p)) / k / len(p) ** 2
    highest = int(np.argmax(p))
    power = float(np.var(recording.y))
    bin_hz = spectrum.spacing_hz
    rms_variance = float(spectrum.values @ spectrum.acquisition.correlated_sum(spectrum.frequency_hz, spectrum.values))
    rms = math.sqrt(power)
    rms_sigma = math.sqrt(rms_variance / k) * bin_hz / (2 * rms) if rms > 0 else 0.0
    resolution = bin_hz / math.sqrt(12)
    return {
        "rms": Estimate(rms, rms_sigma, recording.y_unit or "V", "about the mean, all frequencies"),
        "band_mean": Estimate(mean, math.sqrt(variance), density, "mean of the density over the band"),
        "peak_hz": Estimate(float(f[highest]), resolution, "Hz", "highest bin"),
        "peak": Estimate(float(p[highest]), float(p[highest]) / math.sqrt(k), density, "highest bin"),
    }


def _enbw(spectrum: Spectrum) -> float:
    return spectrum.acquisition.enbw_hz


def _rate(recording: Recording, given: float | None) -> float:
    """Samples a second, as given or as the column of time says."""
    if recording.x_unit == "" and recording.x_name == "" and len(recording.x) and given is not None:
        steps = np.diff(recording.x)
        if (steps == 1).all():
            return given
    if recording.x_unit not in ("s", ""):
        raise AnalysisRefused(f"{recording.path} has an axis in {recording.x_unit}, not in s.", remedy="Use --columns.")
    steps = np.diff(recording.x)
    if recording.x_unit == "" and (steps == 1).all():
        raise ConfigurationError(f"{recording.path} holds no time.", remedy="Give the samples a second with --rate.")
    step = float(steps.mean())
    if np.abs(steps - step).max() > LARGEST_STEP_JITTER * step:
        raise AnalysisRefused(
            f"{recording.path} is not evenly sampled: steps from {steps.min():.4g} to {steps.max():.4g} s.",
            remedy="Record with a constant rate.",
        )
    if given is not None and abs(given * step - 1) > LARGEST_RATE_DIFFERENCE:
        raise AnalysisRefused(
            f"{recording.path} was sampled at {1 / step:.6g} a second by its own axis, not at {given:.6g}.",
            remedy="Leave --rate out, or check it.",
        )
    return 1 / step if given is None else given


def _clipping(recording: Recording) -> tuple[str, ...]:
    y = recording.y
    at_ends = max(int((y == y.max()).sum()), int((y == y.min()).sum()))
    if at_ends > max(FEWEST_CLIPPED, CLIPPED_SHARE * len(y)) and len(np.unique(y)) > 2 * FEWEST_CLIPPED:
        return (f"{at_ends} samples sit at one extreme value: the record looks clipped.",)
    return ()
