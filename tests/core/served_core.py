"""A core that is served in a thread of this process, its table warm, and a client of its bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from ideal_table import warm
from many_sensors import station_for
from pymeasure.experiment import IntegerParameter

from labctl.bus.client import BusClient, CoreAddress
from labctl.configuration.station_file import StationFile
from labctl.core import control, serving
from labctl.core.card import cards
from labctl.core.core import Core
from labctl.simulation.wiring import Simulation, simulate
from labctl.station import bring_up
from procedures.execution import StopRequest
from procedures.live_spectra import LiveSpectra

PATIENCE_S = 20.0
PACE = 300.0
SENSORS = 2  # fewer loops are locked sooner


def wait_until(what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait of this machine's time until something is so; fail with its source otherwise."""
    ends_at, pause = time.monotonic() + patience_s, threading.Event()
    while not what():
        assert time.monotonic() < ends_at, f"it did not come about within {patience_s:g} s"
        pause.wait(0.01)


@dataclass
class Served:
    """A core that runs, its client, and the table behind it."""

    core: Core
    end: StopRequest
    client: BusClient
    simulation: Simulation
    thread: threading.Thread
    runs: Path
    lease: str = ""

    def ask(self, command: str, **arguments: object) -> str:
        """Send a command over the bus, with the lease, and return what was answered."""
        return self.client.command(command, lease=self.lease, **arguments).text

    def take_control(self) -> None:
        """Have the lease; nobody needs to renew it while a test runs."""
        self.lease = self.client.command("take_control", force=True).text

    def close(self) -> None:
        """Ask it to end, with the run that goes on if there is one, and wait until it did."""
        self.end.ask()
        running = self.core.run.stop
        if running is not None:
            running.ask()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    @property
    def is_lit(self) -> bool:
        """Return whether the shutters let light in, as the simulated table itself knows."""
        return all(self.core.bench.station.shutters[name].is_open() for name in ("pump", "signal", "local_oscillator"))


def loopback(file: StationFile, **bus: object) -> StationFile:
    """Return a station file whose core takes any free port."""
    return file.model_copy(update={"bus": file.bus.model_copy(update={"port": 0, **bus})})


@contextmanager
def served_core(runs: Path, file: StationFile | None = None, pace: float = PACE) -> Iterator[Served]:
    """Serve a table for the block; no report is drawn of its runs."""
    file = loopback(file or station_for(SENSORS))
    simulation = simulate(file)
    warm(simulation.table)
    ready, there = [], threading.Event()
    failed: list[BaseException] = []

    def on_ready(core: Core, end: StopRequest) -> None:
        ready.append((core, end))
        there.set()

    def run() -> None:
        try:
            serving.serve(serving.Service(file, "", runs, pace), on_ready)
        except BaseException as error:
            failed.append(error)
        finally:
            there.set()

    with (
        patch.object(bring_up, "simulate", lambda again: simulation),
        patch.object(serving, "write_report_aside"),
        patch.object(control, "LEASE_S", 3600.0),
        patch.object(LiveSpectra, "reference_records", IntegerParameter("Records", default=50, minimum=50)),
    ):
        thread = threading.Thread(target=run, name="table")
        thread.start()
        assert there.wait(PATIENCE_S)
        if failed:
            raise failed[0]
        core, end = ready[0]
        client = BusClient(CoreAddress("127.0.0.1", core.port), "test")
        client.follow()
        served = Served(core, end, client, simulation, thread, runs)
        try:
            assert [card.port for card in cards()] == [core.port]
            yield served
        finally:
            served.close()
            client.close()
        assert cards() == []
        assert not failed
