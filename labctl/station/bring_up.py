"""From a station file to an open station, real or simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.simulation.wiring import Simulation, simulate
from labctl.station.clock import Clock, SimulatedClock, WallClock
from labctl.station.opening import Answer, open_instruments
from labctl.station.paced_clock import PacedClock
from labctl.station.station import Station

FIRST_SEQUENCE = 1  # of framed protocols on the simulated table, so that the same seed puts the same bytes on the wire


@dataclass(frozen=True)
class Link:
    """What instruments are reached through: the clock, the VISA library, and the simulated table behind it if there
    is one."""

    clock: Clock
    visa_library: object
    simulation: Simulation | None

    def keep_truth(self, run: Path, write: Callable[[Path, bytes], None], *, ended: bool = False) -> None:
        """Keep what is true of a simulated table in the folder of a run, for a comparison afterwards; nothing is known
        of a real one.

        `write` makes a file durable; once the run has `ended`, what happened to the table is kept too.
        """
        if self.simulation is not None:
            self.simulation.write_truth(run, write, ended=ended)


def link_to(file: StationFile, pace: float = 0.0) -> Link:
    """Return clock and VISA library for a station file; a simulated table is switched on.

    With a `pace` the lab time of a simulated table goes so many times as fast as the wall clock; with 0 as fast as it
    can.
    """
    if isinstance(file.backend, SimulatedBackend):
        simulation = simulate(file)
        clock = SimulatedClock(simulation.table)
        return Link(PacedClock(clock, pace) if pace else clock, simulation.library, simulation)
    return Link(WallClock(file.backend.speed), file.backend.library, None)


def ask_instruments(file: StationFile, link: Link) -> dict[str, Answer]:
    """Open every instrument and return what each answered."""
    extra = {}
    if link.simulation is not None:
        extra = {
            name: {"first_sequence": FIRST_SEQUENCE}
            for name, instrument in file.instruments.items()
            if instrument.driver == "meerstetter-tec"
        }
    return open_instruments(file, link.visa_library, concurrent=link.clock.concurrent, **extra)


def open_station(file: StationFile, link: Link | None = None) -> Station:
    """Open every instrument of a station file.

    Raises `ConnectionLost` that lists all that failed.
    """
    link = link or link_to(file)
    return Station(file, ask_instruments(file, link), link.clock)
