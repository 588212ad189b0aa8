"""`labctl serve`: a core that holds a table, for screens and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from labctl.commands.signals import on_signals
from labctl.commands.stations import as_asked, default_station, text_of
from labctl.configuration.bus import Bus
from labctl.configuration.toml_reading import load_station
from labctl.core.core import Core
from labctl.core.serving import Service, serve
from labctl.errors import ConfigurationError
from procedures.execution import StopRequest


def serve_station(
    station: Path | None,
    runs: Path | None,
    interface: str | None,
    port: int | None,
    speed: float,
    seed: int | None,
    scenario: str | None,
    faults: Sequence[str],
) -> int:
    """Serve until SIGINT or SIGTERM; a run that goes on is stopped first, else the table is left as it is. Return the
    exit status. Raises `ConfigurationError` on an interface that is no address."""
    path = station or default_station()
    file = as_asked(load_station(path), seed, scenario, faults)
    file = file.model_copy(update={"bus": _bus_as_asked(file.bus, interface, port)})
    console = Console(soft_wrap=True)
    service = Service(file, text_of(path, seed, scenario, faults), runs or file.station.runs, speed)

    served: list[tuple[Core, StopRequest]] = []

    def ready(core: Core, end: StopRequest) -> None:
        served.append((core, end))
        where = f"{core.file.bus.interface}:{core.port}/{core.file.bus.prefix}"
        said = f"Serving {core.file.station.name} at {where}. Ctrl-C ends, and leaves the table as it is."
        console.print(said, highlight=False, markup=False)

    def end_it() -> None:
        if not served or served[0][1].asked():
            raise KeyboardInterrupt
        core, end = served[0]
        end.ask()
        running = core.run.stop
        if running is not None:
            running.ask()
            print("\nStopping the run: its data are kept. Once more aborts.", flush=True)  # noqa: T201

    with on_signals(end_it):
        serve(service, ready)
    return 0


def _bus_as_asked(bus: Bus, interface: str | None, port: int | None) -> Bus:
    changes = {key: value for key, value in (("interface", interface), ("port", port)) if value is not None}
    try:
        return Bus.model_validate({**bus.model_dump(), **changes})
    except ValidationError as error:
        raise ConfigurationError(
            f"{interface!r} is no address to listen on.",
            remedy="Give the IP address of an interface of this machine, such as 127.0.0.1.",
        ) from error
