"""Squeezing from recordings of any laboratory: a signal and a shot-noise spectrum, each two columns of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import Acquisition, FloatArray
from labctl.spectra.estimate import DB_PER_NEPER, Estimate
from labctl.spectra.noise_reduction import (
    Mean,
    averages_from_scatter,
    band_ratio_db,
    lowest_point_db,
    nearest_bins,
    power_relative_sigma,
    shot_level,
    shot_normalise,
    spectrum_db,
    subtract_dark,
)
from labctl.spectra.text_file import TwoColumns, read_two_columns, require_same_axis_in_files
from labctl.spectra.trace import ANALYZER_IMPEDANCE_OHM, MILLIWATT, Band, Spectrum, Unit

E = TypeVar("E", bound=StrEnum)


class FileUnit(StrEnum):
    """Unit of the second column: V rms per bin, W per bin, V^2/Hz, dBm per bin, or dB over any one reference."""

    VOLT = "V"
    WATT = "W"
    V2_PER_HZ = "V^2/Hz"
    DBM = "dBm"
    DB = "dB"


@dataclass(frozen=True, eq=False)
class SqueezingAnalysis:
    """What a signal recording says about squeezing.

    shot_level: in the unit of the file; band_mean_db: mean of the points' decibels over the band; minimum_db: lowest
    point of the shot band, at minimum_frequency_hz; shot_in_band_db: shot recording over the band relative to
    the shot level, how far from white the reference is; frequency_hz, noise_db (n,): the whole spectrum relative to
    shot noise, without the points that are not above dark noise; point_sigma_db: uncertainty of one point of it;
    signal_averages, shot_averages: effective K, given or from scatter.
    """

    signal_path: Path
    shot_path: Path
    dark_path: Path | None
    band: Band
    shot_band: Band
    shot_level: Estimate
    band_mean_db: Estimate
    minimum_db: Estimate
    minimum_frequency_hz: float
    shot_in_band_db: Estimate
    frequency_hz: FloatArray
    noise_db: FloatArray
    point_sigma_db: float
    signal_averages: float
    shot_averages: float

    def to_json(self) -> dict[str, dict[str, float | str]]:
        """Value, sigma and unit of each number, under its own name; for the minimum `frequency_hz` too."""
        return {
            "shot_level": self.shot_level.to_json(),
            "band_mean_db": self.band_mean_db.to_json(),
            "minimum_db": {**self.minimum_db.to_json(), "frequency_hz": self.minimum_frequency_hz},
            "shot_in_band_db": self.shot_in_band_db.to_json(),
        }


def analyse_squeezing(
    signal_path: Path | str | TwoColumns,
    shot_path: Path | str | TwoColumns,
    dark_path: Path | str | TwoColumns | None = None,
    *,
    shot_band: Band,
    band: Band,
    shot_average: Mean | str = Mean.POWER,
    unit: FileUnit | str = FileUnit.VOLT,
    signal_averages: float | None = None,
    shot_averages: float | None = None,
    exclude: Sequence[Band] = (),
    enbw_hz: float | None = None,
) -> SqueezingAnalysis:
    """Noise of a signal recording relative to one shot-noise level, in dB.

    The level is the mean, of power or amplitude, of the shot recording from the bin nearest `shot_band[0]` up to, but
    without, the bin nearest `shot_band[1]`; `band` includes its edges. With a dark recording, its power is taken from
    both first. Uncertainties come from the scatter of neighbouring points, or from the numbers of averages where given
    (if the scatter of the shot points is larger, from that). `enbw_hz` of the recordings, 1.5 bins (Hann) if not given,
    only tells how many points are independent. Columns that were read already may stand for the paths. Raises
    AnalysisRefused for files that cannot be read, axes that differ, and bands outside them.
    """
    mean, file_unit = _choice(Mean, shot_average), _choice(FileUnit, unit)
    given = [signal_path, shot_path, *([dark_path] if dark_path is not None else [])]
    files = [file if isinstance(file, TwoColumns) else read_two_columns(file) for file in given]
    paths = [file.path for file in files]
    for other in files[1:]:
        require_same_axis_in_files(files[0], other)
    signal = _spectrum(files[0], file_unit, enbw_hz, signal_averages, band, exclude)
    shot = _spectrum(files[1], file_unit, enbw_hz, shot_averages, shot_band)
    dark = _spectrum(files[2], file_unit, enbw_hz, None, band, exclude) if dark_path is not None else None
    level_trace = shot if dark is None else subtract_dark(shot, dark).in_unit(Unit.V2_PER_HZ)
    level = shot_level(level_trace, shot_band, mean)
    relative = shot_normalise(signal, level, dark)
    lowest = relative.at(nearest_bins(relative, shot_band))
    frequency, minimum = lowest_point_db(lowest, power_relative_sigma(level))
    above_dark = relative.values > 0
    return SqueezingAnalysis(
        signal_path=paths[0],
        shot_path=paths[1],
        dark_path=paths[2] if dark is not None else None,
        band=band,
        shot_band=shot_band,
        shot_level=_in_file_unit(level, file_unit, signal.acquisition.enbw_hz),
        band_mean_db=band_ratio_db(signal, level, dark, band=band, exclude=exclude, mean=Mean.DECIBEL),
        minimum_db=minimum,
        minimum_frequency_hz=frequency,
        shot_in_band_db=band_ratio_db(shot, level, dark, band=band, exclude=exclude),
        frequency_hz=relative.frequency_hz[above_dark],
        noise_db=spectrum_db(relative.at(above_dark)),
        point_sigma_db=minimum.sigma,
        signal_averages=signal.acquisition.effective_k,
        shot_averages=shot.acquisition.effective_k,
    )


def write_spectrum_csv(analysis: SqueezingAnalysis, path: Path | str) -> None:
    """Write frequency, decibels relative to shot noise and their sigma, with a comment head that names the files.

    Refuses to write over a recording; raises AnalysisRefused when the file cannot be written.
    """
    path = Path(path)
    recordings = [analysis.signal_path, analysis.shot_path, analysis.dark_path]
    if any(recording is not None and recording.resolve() == path.resolve() for recording in recordings):
        raise AnalysisRefused(f"{path} is one of the recordings.", remedy="Choose another name for the result.")
    lines = [
        f"# signal: {analysis.signal_path.name}",
        f"# shot noise: {analysis.shot_path.name}, level {analysis.shot_level}",
        f"# dark noise: {analysis.dark_path.name if analysis.dark_path else 'not subtracted'}",
        "frequency_hz,noise_db,sigma_db",
    ]
    lines += [
        f"{f:.12g},{db:.12f},{analysis.point_sigma_db:.6f}"
        for f, db in zip(analysis.frequency_hz, analysis.noise_db, strict=True)
    ]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise AnalysisRefused(f"{path} cannot be written: {error}.", remedy="Choose another folder.") from error


def _choice(kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise AnalysisRefused(f"{text!r} is none of {', '.join(kind)}.") from None


def _spectrum(
    file: TwoColumns,
    unit: FileUnit,
    enbw_hz: float | None,
    averages: float | None,
    scatter_band: Band,
    exclude: Sequence[Band] = (),
) -> Spectrum:
    """The recording as a spectrum with K as given, or from its scatter in a band."""
    values = file.values
    if unit not in (FileUnit.DBM, FileUnit.DB) and (values < 0).any():
        raise AnalysisRefused(
            f"{file.path} holds negative values, which noise in {unit} cannot have.", remedy="Is the unit dB or dBm?"
        )
    match unit:
        case FileUnit.VOLT:
            kept = Unit.V_RMS_PER_BIN
        case FileUnit.WATT:
            kept, values = Unit.V_RMS_PER_BIN, np.sqrt(values * ANALYZER_IMPEDANCE_OHM)
        case FileUnit.V2_PER_HZ:
            kept = Unit.V2_PER_HZ
        case FileUnit.DBM | FileUnit.DB:  # the reference of dB cancels in every ratio
            kept = Unit.DBM
    spacing = float(np.diff(file.frequency).mean())
    acquisition = Acquisition.of_hann_records(spacing, 1, enbw_hz=enbw_hz)
    spectrum = Spectrum(file.frequency, values, kept, acquisition, name=file.path.name)
    k = averages_from_scatter(spectrum, scatter_band, exclude) if averages is None else averages
    count = 1 if averages is None else max(1, round(averages))
    return replace(spectrum, acquisition=replace(acquisition, effective_k=k, averages=count))


def _in_file_unit(level: Estimate, unit: FileUnit, enbw_hz: float) -> Estimate:
    """A shot level in V rms or V^2/Hz, in the unit of the file."""
    relative = power_relative_sigma(level)
    v2 = level.value**2 if level.unit == str(Unit.V_RMS_PER_BIN) else level.value * enbw_hz
    match unit:
        case FileUnit.VOLT:
            value = level.value if level.unit == str(Unit.V_RMS_PER_BIN) else math.sqrt(v2)
            sigma = value * relative / 2
        case FileUnit.WATT:
            value = v2 / ANALYZER_IMPEDANCE_OHM
            sigma = value * relative
        case FileUnit.V2_PER_HZ:
            value = v2 / enbw_hz
            sigma = value * relative
        case FileUnit.DBM | FileUnit.DB:
            value = 10 * math.log10(v2 / ANALYZER_IMPEDANCE_OHM / MILLIWATT)
            sigma = DB_PER_NEPER * relative
    return Estimate(value, sigma, str(unit), level.convention)
