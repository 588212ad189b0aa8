"""`labctl analyse KIND FILE...`: recordings from elsewhere, and traces of labctl's own runs written RUN/TRACE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.commands.analyse_output import Findings

analyse_app = typer.Typer(
    help="Analyse recordings: text and CSV files of two or more columns, or traces of runs written RUN/TRACE.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BandOption = tuple[float, float] | None
File = Annotated[Path, typer.Argument(metavar="FILE", help="Text file, or RUN/TRACE.")]
Columns = Annotated[
    str, typer.Option("--columns", metavar="X,Y", help="Numbers (from 1) or names of axis and value columns.")
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="V|W|dBm|dB", help="Unit of the values; default: as the file says.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw data, fit and residuals into a picture.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Write the spectrum as CSV.")]
Band = Annotated[BandOption, typer.Option("--band", metavar="LO HI", help="Hz; only this part of the spectrum.")]


def _finish(findings: Findings, as_json: bool, plot: Path | None, *files: Path | None) -> None:
    from labctl.commands.analyse_output import show

    show(findings, as_json=as_json, plot=plot, inputs=[file for file in files if file is not None])


def _begin(plot: Path | None) -> None:
    from labctl.commands.analyse_output import check_plot_name

    check_plot_name(plot)


@analyse_app.command()
def squeezing(
    signal: Annotated[Path, typer.Argument(help="Two columns: frequency and noise; or RUN/TRACE.")],
    shot: Annotated[
        Path | None, typer.Option("--shot", help="Shot noise on the same axis; of a run's NAME.signal its NAME.shot.")
    ] = None,
    dark: Annotated[Path | None, typer.Option("--dark", help="Dark noise on the same axis, to be subtracted.")] = None,
    shot_band: Annotated[
        BandOption, typer.Option("--shot-band", metavar="LO HI", help="Hz; where the shot level is taken.")
    ] = None,
    shot_average: Annotated[str, typer.Option("--shot-average", help="power or amplitude.")] = "power",
    band: Annotated[BandOption, typer.Option("--band", metavar="LO HI", help="Hz; band of the mean.")] = None,
    unit: Unit = None,
    columns: Columns = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the spectrum in dB as CSV.")] = None,
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Noise relative to shot noise, in dB, with uncertainties."""
    from labctl.commands.analyse_squeezing import squeezing_findings

    _begin(plot)
    found = squeezing_findings(signal, shot, dark, shot_band, shot_average, band, unit, columns, out)
    _finish(found, as_json, plot, signal, shot, dark)


@analyse_app.command()
def mode(
    file: File,
    near: Annotated[float | None, typer.Option("--near", metavar="HZ", help="The mode nearest to it.")] = None,
    band: Band = None,
    rbw: Annotated[
        float | None, typer.Option("--rbw", metavar="HZ", help="Resolution bandwidth; default: as the file says.")
    ] = None,
    unit: Unit = None,
    columns: Columns = "",
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Frequency, linewidth, quality factor and height of a mechanical mode in a noise spectrum."""
    from labctl.commands.analyse_mode import mode_findings

    _begin(plot)
    _finish(mode_findings(file, near, band, rbw, unit, columns), as_json, plot, file)


@analyse_app.command()
def ringdown(
    file: File,
    f0: Annotated[float | None, typer.Option("--f0", metavar="HZ", help="Frequency of the mode, for Q.")] = None,
    unit: Unit = None,
    columns: Columns = "",
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Linewidth and quality factor from a free decay: time against amplitude (V) or power (W, dBm, dB)."""
    from labctl.commands.analyse_ringdown import ringdown_findings

    _begin(plot)
    _finish(ringdown_findings(file, f0, unit, columns), as_json, plot, file)


@analyse_app.command()
def cavity(
    file: File,
    axis: Annotated[
        str, typer.Option("--axis", metavar="wavelength-nm|frequency-hz|volt|second", help="What was scanned.")
    ],
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Input power over the same scan, to be divided out.")
    ] = None,
    sidebands: Annotated[
        float | None, typer.Option("--sidebands", metavar="HZ", help="Modulation frequency of sidebands, as a ruler.")
    ] = None,
    columns: Columns = "",
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Free spectral range, linewidth and finesse from a scan in transmission; the length from an optical axis."""
    from labctl.commands.analyse_scans import cavity_findings

    _begin(plot)
    _finish(cavity_findings(file, axis, reference, sidebands, columns), as_json, plot, file, reference)


@analyse_app.command()
def fringe(file: File, columns: Columns = "", as_json: Json = False, plot: Plot = None) -> None:
    """Half-wave voltage, amplitude, offset and contrast of an interference fringe against a piezo's voltage or time."""
    from labctl.commands.analyse_scans import fringe_findings

    _begin(plot)
    _finish(fringe_findings(file, columns), as_json, plot, file)


@analyse_app.command("shot-linearity")
def shot_linearity(
    file: File,
    dark: Annotated[
        float | None, typer.Option("--dark", metavar="NOISE", help="Noise without light, in the file's unit.")
    ] = None,
    unit: Unit = None,
    columns: Columns = "",
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Exponent of noise power against light power, with and without dark noise; 1 is shot noise."""
    from labctl.commands.analyse_shot_linearity import shot_linearity_findings

    _begin(plot)
    _finish(shot_linearity_findings(file, dark, unit, columns), as_json, plot, file)


@analyse_app.command()
def psd(
    file: File,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="HZ", help="Samples a second; needed without a column of time.")
    ] = None,
    segment: Annotated[
        int | None, typer.Option("--segment", metavar="SAMPLES", min=16, help="Default: an eighth of the record.")
    ] = None,
    band: Band = None,
    columns: Columns = "",
    out: Out = None,
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """Power spectral density of a record of samples: Welch, Hann, half overlapping, one-sided."""
    from labctl.commands.analyse_psd import psd_findings

    _begin(plot)
    _finish(psd_findings(file, rate, segment, band, columns, out), as_json, plot, file)
