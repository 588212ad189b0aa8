"""Serve the simulated table with its crystal warm, as `labctl simulate` serves a cold one; a program of its own.

Arguments: station file to write, speed, seed. Prints one line when all instruments are there, ends with SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from ideal_table import station_at, warm

from labctl.configuration.served_station import write_served_station
from labctl.configuration.templates import template_directory
from labctl.simulation.server import TableServer


def serve(written: Path, speed: float, seed: int) -> None:
    with TableServer(station_at(seed), speed=speed) as server:
        warm(server._table)
        write_served_station(written, template_directory() / "simulated.toml", server.addresses, speed)
        signal.signal(signal.SIGTERM, lambda number, frame: server.stop())
        print("serving", flush=True)  # noqa: T201
        server.serve()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
