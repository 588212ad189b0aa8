"""`labctl faults`: every fault that a simulated instrument can have, who can have it, and what comes of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from shutil import get_terminal_size

import typer

from labctl.commands.stations import default_station
from labctl.configuration.fault_arguments import EXAMPLE, SYNTAX
from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultDescription
from labctl.configuration.faults import choices
from labctl.configuration.instrument_faults import channels_in_use
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import load_station
from labctl.errors import LabError

WIDEST = 120  # columns
FIRST_COLUMN = 17


def print_faults(station: Path | None) -> None:
    """Print every kind, with the instruments of this station that can have it, and what its errors mean."""
    file = load_station(station or default_station())
    for kind, description in FAULTS.items():
        typer.echo(_wrapped(f"{kind}:", description.on_the_wire, FIRST_COLUMN))
        for heading, text in _rows(file, description):
            typer.echo(_wrapped(f"  {heading}", text, FIRST_COLUMN))
    typer.echo()
    for error in dict.fromkeys(error for description in FAULTS.values() for error in description.errors):
        typer.echo(_wrapped(error.__name__, _first_sentence(error), FIRST_COLUMN))
    typer.echo(f"\nOn the command line: --fault {SYNTAX}, as in --fault {EXAMPLE}; in a station file:\n")
    typer.echo("[backend]")
    typer.echo('faults = [{ instrument = "piezo_a", kind = "silent", after = "20 min", lasting = "30 s" }]')


def _rows(file: StationFile, description: FaultDescription) -> Iterator[tuple[str, str]]:
    yield "who", _who(file, description)
    yield "ends in", description.outcome
    yield f"{description.recovery}", description.response
    yield "afterwards", description.afterwards


def _who(file: StationFile, description: FaultDescription) -> str:
    if description.drivers == EVERY_DRIVER:
        return "every instrument"
    able = [name for name, instrument in file.instruments.items() if instrument.driver in description.drivers]
    here = ", ".join(_with_channels(file, name, description) for name in able) or "none"
    return f"{here} on this table; drivers {', '.join(sorted(description.drivers))}"


def _with_channels(file: StationFile, name: str, description: FaultDescription) -> str:
    channels = channels_in_use(file, name) if description.of_channel else ()
    return f"{name} (channel {choices(channels)})" if channels else name


def _first_sentence(error: type[LabError]) -> str:
    return (error.__doc__ or "").strip().split(".")[0]


def _wrapped(heading: str, text: str, column: int) -> str:
    return textwrap.fill(
        text,
        min(get_terminal_size().columns, WIDEST),
        initial_indent=f"{heading:<{column - 1}} ",
        subsequent_indent=" " * column,
        break_long_words=False,
        break_on_hyphens=False,
    )
