"""A core on the simulated table in this process, without a bus: what the desk and the publication work on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ideal_table import station_at, warm

from labctl.bus.commands import COMMANDS
from labctl.bus.replies import Reply
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe
from labctl.core.command_desk import CommandDesk
from labctl.core.control import ControlLease
from labctl.core.core import Core, RunNow
from labctl.core.flood import FloodGuard
from labctl.core.settings import Settings
from labctl.core.stored_runs import StoredRuns
from labctl.core.traffic_tail import TrafficTail
from labctl.station.clock import wait_out
from procedures.catalogue import known_procedures
from procedures.night import table_in_use
from procedures.step_queue import StepQueue

HERE = "127.0.0.1"


@dataclass
class Bench:
    """A core, its desk, and a client that asks it."""

    core: Core
    desk: CommandDesk
    lease: str = ""
    peer: str = HERE

    def ask(self, command: str, **arguments: object) -> Reply:
        """Have a command done as the bus does: checked, then handed on."""
        given = {"client": "screen", **arguments}
        kind = COMMANDS[command]
        if "lease" in kind.model_fields and "lease" not in given:
            given["lease"] = self.lease
        return self.desk.execute(kind.model_validate(given), self.peer)

    def take_control(self) -> None:
        self.lease = self.ask("take_control").text

    def fresh(self) -> None:
        """Begin anew, on the same table."""
        core = self.core
        core.queue, core.settings, core.run = StepQueue(), Settings(), RunNow()
        core.lease, core.flood = ControlLease(core._control_lost), FloodGuard()
        core.board.latch = type(core.board.latch)()
        core.board.alarms = type(core.board.alarms)()
        core.held.clear()
        core.start_asked.clear()
        core.safe_asked.clear()
        self.desk.traffic.close()
        self.lease, self.peer = "", HERE

    def after(self, seconds: float) -> None:
        """Let the table go on, as its thread does: what was asked of it is done."""
        self.core.make_safe_if_asked()
        wait_out(self.core.bench.clock, seconds)

    @property
    def events(self) -> list[str]:
        return [row.text for row in self.core.board.events.rows()]


@contextmanager
def core_on_table(runs: Path, file: StationFile | None = None) -> Iterator[Bench]:
    """Hold a table in this process for the block: warm, dark and open."""
    with table_in_use(file or station_at(3)) as table:
        assert table.link.simulation is not None
        warm(table.link.simulation.table)
        core = Core(table, runs)
        traffic = TrafficTail(core.file.instruments)
        recipes = {"bring_up": load_recipe(template_directory() / "bring_up.toml", known_procedures())}
        try:
            yield Bench(core, CommandDesk(core, StoredRuns(runs), traffic, recipes))
        finally:
            traffic.close()
            core.close()
