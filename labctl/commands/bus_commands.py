"""The commands around the bus: serve a table, watch its values, list its channels, open the operator's screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConnectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--connect", metavar="HOST[:PORT][/PREFIX]", help="A core; can be repeated. Default: those of this machine."
    ),
]
StationArgument = Annotated[Path | None, typer.Argument(help="Station file; the simulated table if none is given.")]
RunsOption = Annotated[Path | None, typer.Option("--runs", help="Folder of the runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(serve)
    app.command()(dashboard)
    app.command()(watch)
    app.command()(bus)


def serve(
    station: StationArgument = None,
    runs: RunsOption = None,
    interface: Annotated[
        str | None, typer.Option("--interface", help="Address to listen on; default: the station file's, 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="TCP port; 0 takes any.")] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, help="Lab seconds per second of a simulated table.")
    ] = 1.0,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the simulated table.")] = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Scenario of the simulated table.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="Let a simulated instrument fail; see labctl faults.")
    ] = None,
) -> None:
    """Hold a table and let screens and scripts see and command it over EPICS PVAccess."""
    from labctl.commands.serving import serve_station

    raise typer.Exit(serve_station(station, runs, interface, port, speed, seed, scenario, fault or ()))


def dashboard(
    connect: ConnectOption = None,
    station: Annotated[
        Path | None, typer.Option("--station", help="Station file to start a core for if none answers.")
    ] = None,
    wall: Annotated[bool, typer.Option("--wall", help="Full screen with larger letters.")] = False,
    theme: Annotated[str, typer.Option("--theme", help="day, dark or red.")] = "dark",
) -> None:
    """Open the operator's screen."""
    from labctl.commands.dashboards import open_dashboard

    raise typer.Exit(open_dashboard(connect or (), station, wall, theme))


def watch(
    pattern: Annotated[str, typer.Argument(help="Names of channels, such as 'labctl:lo1:*'.")] = "*",
    connect: ConnectOption = None,
    once: Annotated[bool, typer.Option("--once", help="Print the present values and end.")] = False,
) -> None:
    """Print values of a core as they change."""
    from labctl.commands.watching import watch_values

    raise typer.Exit(watch_values(pattern, connect or (), once))


def bus(
    connect: ConnectOption = None,
    list_channels: Annotated[bool, typer.Option("--list", help="Print every channel.")] = False,
    archiver: Annotated[
        bool, typer.Option("--archiver", help="As the JSON that the EPICS Archiver Appliance takes.")
    ] = False,
) -> None:
    """Say which cores there are, or list the channels of one."""
    from labctl.commands.watching import list_bus

    raise typer.Exit(list_bus(connect or (), list_channels, archiver))
