"""`--log-traffic`: which instruments are meant, and their logs in the folder of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from labctl.commands.night_display import NightDisplay
from labctl.configuration.station_file import StationFile
from labctl.configuration.wiring import uses
from labctl.errors import ConfigurationError, StoreError
from labctl.station.station import Station
from labctl.station.traffic import TrafficLog, log_name


def instruments_meant(file: StationFile, names: Sequence[str]) -> tuple[str, ...]:
    """Return the instruments that `names` mean: an instrument itself, or all that a role needs.

    A role is a table of the station file ("oven", "loops.lo1", "loops.lo1.piezo", "shutters") or its last name ("lo1").
    Raises `ConfigurationError` where a name is neither.
    """
    roles = _roles(file)
    unknown = [name for name in names if name not in file.instruments and name not in roles]
    if unknown:
        short = ", ".join(role for role in roles if "." not in role)
        raise ConfigurationError(
            f"There is no instrument or role {', '.join(map(repr, unknown))}.",
            remedy=f"There are the instruments {', '.join(file.instruments)}, and the roles {short}.",
        )
    meant = [one for name in names for one in ([name] if name in file.instruments else roles[name])]
    return tuple(dict.fromkeys(meant))


def _roles(file: StationFile) -> dict[str, list[str]]:
    """Return the instruments behind each way to name a role."""
    roles: dict[str, list[str]] = {}
    for use in uses(file):
        *table, _ = map(str, use.key)
        ways = [".".join(table[: length + 1]) for length in range(len(table))]
        for way in dict.fromkeys((*ways, *table[1:2])):
            found = roles.setdefault(way, [])
            if use.instrument not in found:
                found.append(use.instrument)
    return roles


class LoggingDisplay(NightDisplay):
    """The display of a night that also sends the traffic of some instruments into its folder."""

    def __init__(self, console: Console, logs: Mapping[str, TrafficLog]) -> None:
        super().__init__(console)
        self._traffic_console = console
        self._logs = logs

    def night_began(self, run: Path, station: Station, expected_s: dict[str, float]) -> None:
        """Begin the logs; one that cannot be written is told and keeps nobody from measuring."""
        for name, log in self._logs.items():
            try:
                log.write_to(run / log_name(name), station.clock.now)
            except StoreError as error:
                self._traffic_console.print(str(error), highlight=False, markup=False)
        super().night_began(run, station, expected_s)
