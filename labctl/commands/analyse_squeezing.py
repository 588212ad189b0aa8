"""`labctl analyse squeezing`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from labctl.commands.analyse_output import Curves, Findings
from labctl.commands.analyse_sources import chosen_unit, companion, open_source
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.squeezing_file import FileUnit, SqueezingAnalysis, analyse_squeezing, write_spectrum_csv
from labctl.spectra.acquisition import Acquisition
from labctl.spectra.column_units import Quantity
from labctl.spectra.noise_reduction import Mean
from labctl.spectra.recording import Recording, at_common_axis
from labctl.spectra.text_file import TwoColumns


@dataclass(frozen=True, eq=False)
class SqueezingFindings(Findings):
    """Findings whose JSON and text are those of the analysis itself."""

    analysis: SqueezingAnalysis | None = None

    def to_json(self) -> dict[str, object]:
        """The analysis, and "notes" where there are any."""
        assert self.analysis is not None
        return dict(self.analysis.to_json()) | ({"notes": list(self.notes)} if self.notes else {})

    def text(self) -> str:
        """Three numbers, then the remarks."""
        found = self.analysis
        assert found is not None
        lines = [
            f"shot level   {found.shot_level}",
            f"band mean    {found.band_mean_db}  ({found.band[0]:g} to {found.band[1]:g} Hz)",
            f"minimum      {found.minimum_db}  at {found.minimum_frequency_hz:g} Hz",
        ]
        return "\n".join(lines + [f"note: {sentence}" for sentence in self.notes])


def squeezing_findings(
    signal: Path,
    shot: Path | None,
    dark: Path | None,
    shot_band: tuple[float, float] | None,
    shot_average: str,
    band: tuple[float, float] | None,
    unit: str | None,
    columns: str,
    out: Path | None,
) -> Findings:
    """Analyse, and write the spectrum if asked; raises LabError in one sentence."""
    if shot_average not in (Mean.POWER, Mean.AMPLITUDE):
        raise ConfigurationError(f"--shot-average {shot_average!r} is unknown.", remedy="Use power or amplitude.")
    if shot is None:
        shot, dark = companion(signal, "shot"), dark or companion(signal, "dark")
        if shot is None:
            raise ConfigurationError("Squeezing needs a shot-noise recording.", remedy="Give it with --shot FILE.")
    paths = [signal, shot, *([dark] if dark is not None else [])]
    sources = [open_source(path, columns, axis=(Quantity.FREQUENCY,)) for path in paths]
    recordings, file_unit = _one_unit([source.recording for source in sources], unit)
    recordings = at_common_axis(recordings)
    known = [source.spectrum.acquisition if source.spectrum is not None else None for source in sources]
    whole = _whole_axis(recordings[0])
    files = [TwoColumns(r.path, r.x, r.y, r.header) for r in recordings]
    analysis = analyse_squeezing(
        files[0],
        files[1],
        files[2] if len(files) > 2 else None,
        shot_band=shot_band or whole,
        band=band or whole,
        shot_average=Mean(shot_average),
        unit=file_unit,
        signal_averages=_averages(known[0]),
        shot_averages=_averages(known[1]),
        enbw_hz=known[0].enbw_hz if known[0] is not None else None,
    )
    if out is not None:
        write_spectrum_csv(analysis, out)
    return SqueezingFindings({}, notes=_notes(recordings), curves=_curves(analysis), analysis=analysis)


def _one_unit(recordings: list[Recording], unit: str | None) -> tuple[list[Recording], FileUnit]:
    """All recordings in one unit. Files that do not say theirs are in the one that another says, else in volts."""
    said = {r.y_unit for r in recordings if r.y_unit}
    if unit is None and len(said) == 1:
        recordings = [r if r.y_unit else replace(r, y_unit=next(iter(said))) for r in recordings]
    if unit is None and not said:
        return recordings, FileUnit.VOLT
    found = [chosen_unit(unit, r) for r in recordings]
    units = {u for u, _ in found}
    if len(units) > 1:
        raise AnalysisRefused(
            f"The recordings are in {' and '.join(sorted(units))}.", remedy="Give all in one unit, or say --unit."
        )
    return [r for _, r in found], found[0][0]


def _averages(acquisition: Acquisition | None) -> float | None:
    return acquisition.effective_k if acquisition is not None else None


def _whole_axis(recording: Recording) -> tuple[float, float]:
    """Return the band of all points but the first, which may lie at zero frequency."""
    return float(recording.x[min(1, len(recording.x) - 1)]), float(recording.x[-1])


def _notes(recordings: list[Recording]) -> tuple[str, ...]:
    return tuple(f"{r.path.name}: {note}" for r in recordings for note in r.notes)


def _curves(analysis: SqueezingAnalysis) -> Curves:
    shot = analysis.noise_db * 0.0
    return Curves(
        analysis.frequency_hz,
        analysis.noise_db,
        "frequency (Hz)",
        "noise relative to shot noise (dB)",
        fit=shot,
        residuals=analysis.noise_db / analysis.point_sigma_db,
        residual_label="over shot (σ)",
        marks=(analysis.minimum_frequency_hz,),
        fit_label="shot noise",
        log_x=True,
    )
