"""`labctl simulate`: the simulated table on TCP ports and pseudo terminals, for any program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from labctl.commands.signals import on_signals
from labctl.commands.stations import default_station, on_simulated_table
from labctl.configuration.served_station import write_served_station
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.toml_reading import load_station
from labctl.simulation.server import LOOPBACK, TableServer

WIDTH_OF_FILES = 120  # columns where the output is no terminal


def serve_table(
    station: Path | None,
    speed: float,
    port_base: int,
    interface: str | None,
    as_json: bool,
    write_station: Path | None,
    seed: int | None,
    scenario: str | None,
    faults: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM."""
    path = station or default_station()
    file = on_simulated_table(load_station(path), seed, scenario, faults)
    with TableServer(
        file, speed=speed, port_base=port_base, interface=LOOPBACK if interface is None else interface, on_trouble=_warn
    ) as server:
        if write_station is not None:
            write_served_station(write_station, path, server.addresses, speed)
        with on_signals(server.stop):
            tell = _print_json if as_json else _print_table
            tell(file, server.addresses, speed, write_station)
            server.serve()


def _print_json(file: StationFile, addresses: dict[str, str], speed: float, written: Path | None) -> None:
    backend = file.backend.model_dump(include={"seed", "scenario"})
    instruments = {
        name: {"driver": instrument.driver, "model": instrument.model, "address": addresses[name]}
        for name, instrument in file.instruments.items()
    }
    station_file = None if written is None else str(written)
    head = {"station": file.station.name, "speed": speed, **backend, "station_file": station_file}
    head["faults"] = _faults(file)
    typer.echo(json.dumps({**head, "instruments": instruments}))


def _print_table(file: StationFile, addresses: dict[str, str], speed: float, written: Path | None) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_FILES)
    table = Table(title=file.station.name)
    for heading in ("instrument", "model", "address"):
        table.add_column(heading, no_wrap=True)
    for name, instrument in file.instruments.items():
        table.add_row(name, instrument.model, addresses[name])
    console.print(table)
    pace = "real time" if speed == 1 else f"lab time runs {speed:g} times as fast as real time"
    lines = [f"Serving {len(addresses)} instruments, {pace}. Ctrl-C ends."]
    if faults := _faults(file):
        lines.append(f"With the faults {', '.join(faults)}.")
    if written is not None:
        lines.append(f"Station file for other programs: {written}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _faults(file: StationFile) -> list[str]:
    return list(map(str, file.backend.faults)) if isinstance(file.backend, SimulatedBackend) else []


def _warn(text: str) -> None:
    typer.echo(f"labctl: {text}", err=True)
