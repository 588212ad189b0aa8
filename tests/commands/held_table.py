"""Serve a simulated table that is warm and whose servo loops hold, and write what they remember; a program of its own.

Arguments: station file to write, folder of the runs, speed, seed, and "open" for a table with all loops open. Prints
one line when all instruments are there, ends with SIGTERM. The loops are acquired before anybody is served, as fast as
lab time goes by itself.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from ideal_table import open_table, station_at

from labctl.configuration.served_station import write_served_station
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.locks.loops import build_loops
from labctl.locks.supervisor import Supervisor
from labctl.simulation import server
from labctl.simulation.wiring import Simulation, simulate
from labctl.station import bring_up
from labctl.store.lock_memory import LockMemory, RememberedLocks


def prepared(file: StationFile, locked: bool) -> tuple[Simulation, RememberedLocks]:
    """Return a table with its servo loops locked or open, and what they remember."""
    simulation = simulate(file)
    bring_up.simulate = lambda again: simulation
    opened = open_table(file)
    loops = {name: loop for name, loop in build_loops(opened.station).by_name.items() if loop.capabilities.holds_alone}
    clock = opened.station.clock
    supervisor = Supervisor(loops, {name: file.loops[name].needs for name in loops}, clock)
    if locked:
        supervisor.bring_up(loops, clock.sleep)
    remembered = RememberedLocks(supervisor.remembered(), {}, clock.now(), time.time())
    supervisor.stop()
    opened.station.close()
    return simulation, remembered


def serve(written: Path, runs: Path, speed: float, seed: int, *, locked: bool) -> None:
    file = station_at(seed)
    simulation, remembered = prepared(file, locked)
    LockMemory.of(runs, file.station.name).keep(remembered)
    server.simulate = lambda again: simulation
    with server.TableServer(file, speed=speed) as served:
        write_served_station(written, template_directory() / "simulated.toml", served.addresses, speed)
        signal.signal(signal.SIGTERM, lambda number, frame: served.stop())
        print("serving", flush=True)  # noqa: T201
        served.serve()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), locked="open" not in sys.argv[5:])
