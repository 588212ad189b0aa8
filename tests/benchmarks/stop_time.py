"""How long it takes from the wish to stop until the last device of the table of four sensors is in its safe state.

In process: the table locked by the procedures, in lab time, where all wires share one line of time. Served: a table in
use behind the ports and pseudo terminals of `labctl simulate`, in wall time, with a thread for each instrument.

Run: python tests/benchmarks/stop_time.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import load_station
from labctl.station.bring_up import link_to, open_station
from labctl.station.station import Station
from labctl.store.records import StepState
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest, execute

CONFIG = Path(__file__).parents[2] / "config" / "simulated.toml"
TO_LOCK = ("warm_oven", "lock_source", "lock_all")
LONGEST_STEP_S = 3600.0
OUTPUTS_V = (1.6, -0.8, 2.0, -0.8, 0.5, -0.5)  # of the servos, as locks leave them
BARELY_PER_S = 0.01  # gain of loops that are closed and stay where they are
SERVED_WITHIN_S = 30.0


class _Nobody:
    """Is told how steps go."""

    def step_began(self, step: Step, attempt: int) -> None: ...

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None: ...


def in_process() -> tuple[float, list[str]]:
    """Return lab time in s, and what could not be made safe, of a table that is locked."""
    file = load_station(CONFIG)
    station = open_station(file, link_to(file))
    bench, stop = Bench.of(station, MemoryRecord()), StopRequest(station.clock)
    for name in TO_LOCK:
        execute(Step(name, name, None, (), 0, LONGEST_STEP_S, {}), bench, stop, _Nobody())
    began_at = station.clock.now()
    problems = station.make_safe()
    return station.clock.now() - began_at, problems


def served(repeats: int) -> Iterator[tuple[float, list[str]]]:
    """Yield wall time in s, and what could not be made safe, of a table in use that another process serves."""
    with served_table() as file:
        station = open_station(file, link_to(file))
        for _ in range(repeats):
            put_in_use(station)
            began_at = time.monotonic()
            problems = station.make_safe()
            yield time.monotonic() - began_at, problems
        station.close()


@contextmanager
def served_table() -> Iterator[StationFile]:
    """Serve the table in real time, and give the station file of who connects to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "served.toml"
        command = [sys.executable, "-m", "labctl", "simulate", str(CONFIG), "--speed", "1", "--write-station"]
        with subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL) as server:
            try:
                given_up_at = time.monotonic() + SERVED_WITHIN_S
                waiting = threading.Event()
                while not path.exists() and time.monotonic() < given_up_at:
                    waiting.wait(0.05)
                yield load_station(path)
            finally:
                server.terminate()


def put_in_use(station: Station) -> None:
    """Open the shutters, raise the piezos, and close every servo at an output as a lock has it."""
    amplifiers: dict[str, list[str]] = {}
    wired = {name: loop.piezo for name, loop in station.file.loops.items()} | dict(station.file.piezos)
    for name, entry in wired.items():
        amplifiers.setdefault(entry.instrument, []).append(name)
    together = [
        threading.Thread(target=lambda names: [station.piezos[name].ramp_to(75.0) for name in names], args=(behind,))
        for behind in amplifiers.values()
    ]
    for shutter in station.shutters.values():
        shutter.open()
    assert station.piezos  # bound before the threads use them
    for thread in together:
        thread.start()
    for servo, volts in zip(station.servos.values(), OUTPUTS_V, strict=True):
        servo.set_output(volts)
    for thread in together:
        thread.join()
    for servo in station.servos.values():
        servo.close_loop(0.0, BARELY_PER_S)


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="of the served table; the longest counts")
    seconds, problems = in_process()
    print(f"in process: {seconds:.3f} s of lab time", *problems, sep="\n  ")  # noqa: T201
    longest = -math.inf
    for seconds, problems in served(parser.parse_args().repeats):
        longest = max(longest, seconds)
        print(f"served: {seconds:.3f} s of wall time", *problems, sep="\n  ")  # noqa: T201
    print(f"served, longest: {longest:.3f} s of wall time")  # noqa: T201


if __name__ == "__main__":
    main()
