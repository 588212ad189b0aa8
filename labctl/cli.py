"""The commands. Each imports what it needs when it runs, so that help answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.commands import night_commands
from labctl.commands.analyse import analyse_app
from labctl.commands.bus_commands import register
from labctl.commands.ending import run_command
from labctl.commands.exit_codes import EXIT_CONFIGURATION
from labctl.commands.night_commands import (
    FaultOption,
    RunsOption,
    ScenarioOption,
    SeedOption,
    StationArgument,
    TrafficOption,
)
from labctl.logs import set_levels

app = typer.Typer(
    name="labctl",
    help="Runs an optical table: from cold to locked, measured and reported, on real or simulated instruments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(analyse_app, name="analyse")
register(app)
night_commands.register(app)


RunArgument = Annotated[str, typer.Argument(help="Run: its id, the beginning of it, 'last', or a folder.")]
LoopsArgument = Annotated[list[str] | None, typer.Argument(help="Names of loops, such as lo1.")]
StationOption = Annotated[Path | None, typer.Option("--station", help="Station file; default: the simulated table.")]
AllOption = Annotated[bool, typer.Option("--all", help="All loops of the station.")]
DEFAULT_RUNS = Path("runs")


@app.callback()
def _of_all_commands(
    log: Annotated[
        str, typer.Option("--log", metavar="ROOM=LEVEL,...", help="Levels of the log, such as station=debug,bus=info.")
    ] = "",
) -> None:
    """Runs an optical table: from cold to locked, measured and reported, on real or simulated instruments."""
    try:
        set_levels(log)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--log") from error


@app.command()
def run(
    procedure: Annotated[str, typer.Argument(help="Name of a procedure, such as individual_spectrum.")],
    parameters: Annotated[list[str] | None, typer.Argument(help="Its parameters as NAME=VALUE.")] = None,
    station: Annotated[
        Path | None, typer.Option("--station", help="Station file; default: the simulated table.")
    ] = None,
    runs: RunsOption = None,
    seed: SeedOption = None,
    scenario: ScenarioOption = None,
    from_cold: Annotated[
        bool | None,
        typer.Option(
            "--from-cold/--as-it-is", help="Run first what the procedure needs (default on the simulated table)."
        ),
    ] = None,
    fault: FaultOption = None,
    log_traffic: TrafficOption = None,
) -> None:
    """Run one procedure; without a name that exists, list them."""
    from labctl.commands.nights import single_run

    chosen = log_traffic or ()
    raise typer.Exit(
        single_run(
            procedure, parameters or [], station, runs, seed, scenario, from_cold, fault or (), log_traffic=chosen
        )
    )


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Station files and recipes.")]) -> None:
    """Check station files and recipes; name every fault at once."""
    from labctl.commands.checking import faults_of

    faults = [fault for file in files for fault in faults_of(file)]
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        typer.echo(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}.", err=True)
        raise typer.Exit(EXIT_CONFIGURATION)
    typer.echo("No faults.")


@app.command()
def instruments(
    station: StationArgument = None,
    fault: FaultOption = None,
    runs: RunsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask every instrument of a station who it is, and which settings are not as the last run left them."""
    from labctl.commands.listings import list_instruments

    raise typer.Exit(list_instruments(station, fault or (), runs, as_json))


@app.command()
def lock(
    loops: LoopsArgument = None,
    station: StationOption = None,
    everything: AllOption = False,
    runs: RunsOption = None,
    from_cold: Annotated[
        bool | None,
        typer.Option("--from-cold/--as-it-is", help="Warm the oven first (default on the simulated table)."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep them locked and show them until Ctrl-C.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent, rehearsed on the simulated table.")
    ] = False,
) -> None:
    """Lock loops and all that they need; what holds already is taken over as it is."""
    if dry_run:
        from labctl.commands.dry_run import rehearse_locking

        raise typer.Exit(rehearse_locking(loops or (), station, runs, everything))
    from labctl.commands.locking import lock_loops

    raise typer.Exit(lock_loops(loops or (), station, runs, everything, from_cold, watch))


@app.command()
def unlock(
    loops: LoopsArgument = None,
    station: StationOption = None,
    everything: AllOption = False,
    runs: RunsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Open the loops that need them too, without a question.")] = False,
) -> None:
    """Open loops, and all that need them."""
    from labctl.commands.locking import unlock_loops

    raise typer.Exit(unlock_loops(loops or (), station, runs, everything, yes))


@app.command()
def locks(
    station: StationArgument = None,
    runs: RunsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one line a second.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking until Ctrl-C.")] = False,
) -> None:
    """Look at every loop: what is locked, how well, for how long yet, and why the rest is not. Nothing moves."""
    from labctl.commands.locking import show_locks

    raise typer.Exit(show_locks(station, runs, as_json, watch))


@app.command()
def simulate(
    station: StationArgument = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Lab seconds per wall second; locks can be acquired up to about 60.")
    ] = 1.0,
    port_base: Annotated[
        int, typer.Option("--port-base", min=0, max=65535, help="TCP port of the first instrument; 0: any free ones.")
    ] = 0,
    interface: Annotated[
        str | None, typer.Option("--interface", metavar="ADDR", help="IPv4 address to serve on; default: loopback.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when all are there.")] = False,
    write_station: Annotated[
        Path | None, typer.Option("--write-station", metavar="FILE", help="Write a station file for other programs.")
    ] = None,
    seed: SeedOption = None,
    scenario: ScenarioOption = None,
    fault: FaultOption = None,
) -> None:
    """Serve the simulated instruments of a station on TCP ports and pseudo terminals, until Ctrl-C."""
    from labctl.commands.simulating import serve_table

    serve_table(station, speed, port_base, interface, as_json, write_station, seed, scenario, fault or ())


@app.command()
def table(
    station: StationArgument = None,
    seed: SeedOption = None,
    scenario: ScenarioOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.png", help="Where to.")] = Path("table.png"),
) -> None:
    """Draw what the simulated table is doing, as one page of figures; it shows the truth of that seed."""
    from labctl.commands.portraits import draw_table

    typer.echo(str(draw_table(station, seed, scenario, out)))


@app.command()
def faults(station: StationArgument = None) -> None:
    """List the faults that simulated instruments can have, and what comes of each."""
    from labctl.commands.fault_list import print_faults

    print_faults(station)


@app.command()
def talk(
    instrument: Annotated[str, typer.Argument(help="Name of an instrument in the station file.")],
    command: Annotated[str, typer.Argument(help="What to send, without terminator, framing or checksum.")],
    station: Annotated[Path | None, typer.Option("--station", help="Station file.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Send a command that is no question.")] = False,
    log: Annotated[Path | None, typer.Option("--log", help="Append what goes over the wire to a file.")] = None,
    fault: FaultOption = None,
) -> None:
    """Send one raw command to an instrument and print its reply."""
    from labctl.commands.talking import talk_to

    talk_to(instrument, command, station, write, log, fault or ())


@app.command("runs")
def list_runs(runs: RunsOption = None) -> None:
    """List the runs, newest first."""
    from labctl.commands.listings import print_runs

    print_runs(runs or DEFAULT_RUNS)


@app.command()
def show(ident: RunArgument = "last", runs: RunsOption = None) -> None:
    """Show one run: how it ended, its steps, traces and results."""
    from labctl.commands.listings import print_run

    print_run(ident, runs or DEFAULT_RUNS)


@app.command()
def report(
    ident: RunArgument = "last",
    runs: RunsOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; in the run's folder if not given.")
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Set what was true of a simulated table beside the estimates.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Write its figures as PNG files too, and what they plot as CSV.")
    ] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write its figures as one PDF too, beside the report.")] = False,
) -> None:
    """Write the report of a run: one HTML file that stands alone."""
    from labctl.report.html import write_report
    from labctl.store.catalogue import Catalogue

    folder, revelation = Catalogue(runs or DEFAULT_RUNS).find(ident), None
    if reveal:
        from labctl.commands.revealing import revelation_of

        revelation = revelation_of(folder)
    place = write_report(folder, output, revelation, figures=figures, pdf=pdf)
    typer.echo(str(place))
    if pdf:
        typer.echo(str(place.with_suffix(".pdf")))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Run: its id, the beginning of it, 'last', or a folder.")],
    second: Annotated[str, typer.Argument(help="The run to compare it with, given likewise.")],
    runs: RunsOption = None,
) -> None:
    """Did the table change? Every result that two runs share, furthest apart first, and the settings that differ."""
    from labctl.commands.comparing import print_comparison

    print_comparison(first, second, runs or DEFAULT_RUNS)


@app.command()
def calibrations(
    sensor: Annotated[int, typer.Argument(min=1, help="Number of the sensor, from 1.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw them over the dates.")] = None,
    runs: RunsOption = None,
) -> None:
    """List what all runs found of one sensor, by quantity and date."""
    from labctl.commands.calibration_history import print_calibrations

    print_calibrations(sensor, runs or DEFAULT_RUNS, plot)


@app.command()
def export(
    ident: RunArgument,
    to: Annotated[str, typer.Option("--to", metavar="csv|netcdf|mat", help="Format.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; by default named after the run, here.")
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Write a run for other programs: a folder of CSV files, a NetCDF file or a MATLAB file."""
    from labctl.commands.exporting import export as export_run

    typer.echo(str(export_run(ident, runs or DEFAULT_RUNS, to, output)))


@app.command()
def recover(ident: RunArgument, runs: RunsOption = None) -> None:
    """Close a crashed run: write the data.nc, results.json and end.json that it could not."""
    from labctl.store.catalogue import Catalogue
    from labctl.store.recover import recover as recover_run

    recovered = recover_run(Catalogue(runs or DEFAULT_RUNS).find(ident))
    typer.echo(f"{recovered.run_id}: {recovered.state}, {recovered.coverage}. {recovered.reason}")


@app.command()
def doctor(
    station: Annotated[
        Path | None, typer.Argument(help="Station file; without it only this machine is looked at.")
    ] = None,
    runs: RunsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what would spoil a night: this machine, its disk and clock, the instruments, what earlier runs left.
    Instruments are only asked. The exit status is 0 where all is well, 1 with warnings, 2 with faults."""
    from labctl.commands.doctor import print_findings

    raise typer.Exit(print_findings(station, runs, as_json))


@app.command()
def verify(
    idents: Annotated[list[str], typer.Argument(help="Runs: ids, the beginnings of ids, 'last', or folders.")],
    runs: RunsOption = None,
) -> None:
    """Is a run what it was when it was written? Hold all its files and records against their checksums."""
    from labctl.commands.verifying import verify_runs

    raise typer.Exit(verify_runs(idents, runs or DEFAULT_RUNS))


@app.command()
def archive(
    ident: RunArgument,
    runs: RunsOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let it be written again.")] = False,
) -> None:
    """Verify a run and make it read-only."""
    from labctl.commands.verifying import archive_run

    archive_run(ident, runs or DEFAULT_RUNS, undo=undo)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the files; made if it is not there.")],
    sensors: Annotated[
        int | None,
        typer.Option("--sensors", min=1, max=64, help="Sensors of the table, with instruments for all; default: 4."),
    ] = None,
) -> None:
    """Copy the station files and the recipe that labctl comes with, to be changed."""
    from labctl.configuration.templates import copy_templates

    for copied in copy_templates(folder, sensors):
        typer.echo(str(copied))


@app.command(hidden=True)
def watchdog() -> None:
    """Watch over the process at the other end of the standard input, and park its table where it dies."""
    from labctl.commands.watchdog_command import watch_over_core

    raise typer.Exit(watch_over_core())


def main() -> None:
    """Run the command line: one sentence for the operator whatever goes wrong, never a traceback.

    Set LABCTL_DEBUG=1 to see tracebacks.
    """
    run_command(app)
