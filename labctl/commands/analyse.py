"""`labctl analyse`: files from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from labctl.errors import ConfigurationError
from labctl.estimation.squeezing_file import FileUnit, SqueezingAnalysis, analyse_squeezing, write_spectrum_csv
from labctl.spectra.noise_reduction import Mean
from labctl.spectra.text_file import read_two_columns


def print_squeezing(
    signal: Path,
    shot: Path,
    dark: Path | None,
    shot_band: tuple[float, float] | None,
    shot_average: str,
    band: tuple[float, float] | None,
    unit: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Analyse, print, and write the spectrum if asked."""
    if shot_average not in (Mean.POWER, Mean.AMPLITUDE):
        raise ConfigurationError(f"--shot-average {shot_average!r} is unknown.", remedy="Use power or amplitude.")
    if unit not in tuple(FileUnit):
        raise ConfigurationError(f"--unit {unit!r} is unknown.", remedy=f"Use one of {', '.join(FileUnit)}.")
    whole = _whole_axis(signal)
    analysis = analyse_squeezing(
        signal,
        shot,
        dark,
        shot_band=shot_band or whole,
        band=band or whole,
        shot_average=Mean(shot_average),
        unit=FileUnit(unit),
    )
    if out is not None:
        write_spectrum_csv(analysis, out)
    typer.echo(json.dumps(analysis.to_json(), indent=1) if as_json else _text(analysis))


def _whole_axis(path: Path) -> tuple[float, float]:
    """Return the band of all points but the first, which may lie at zero frequency."""
    frequency = read_two_columns(path).frequency
    return float(frequency[min(1, len(frequency) - 1)]), float(frequency[-1])


def _text(analysis: SqueezingAnalysis) -> str:
    lines = [
        f"shot level   {analysis.shot_level}",
        f"band mean    {analysis.band_mean_db}  ({analysis.band[0]:g} to {analysis.band[1]:g} Hz)",
        f"minimum      {analysis.minimum_db}  at {analysis.minimum_frequency_hz:g} Hz",
    ]
    return "\n".join(lines)
