"""A simulated table for the tests of the station: the shipped station file with changes, and a record of every byte
that an instrument is sent and every voltage that a piezo is given."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.simulation.table import SimulatedTable
from labctl.simulation.wire import WireInstrument
from labctl.simulation.wiring import Simulation
from labctl.station.bring_up import Link, link_to, open_station
from labctl.station.station import Station

CONFIG = Path(__file__).parents[2] / "config" / "simulated.toml"

_TEXT = station_text(CONFIG)


def station_file(faults: list[dict[str, Any]] | None = None, **changes: Mapping[str, Any]) -> StationFile:
    """Return the shipped station file with faults on its wires, and each table of `changes` merged into it."""
    content = json.loads(_TEXT)
    content["backend"] |= {"scenario": "ideal", "faults": faults or []}
    for table, change in changes.items():
        _merge(content.setdefault(table, {}), change)
    return StationFile.model_validate(content)


def _merge(content: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(content.get(key), dict):
            _merge(content[key], value)
        else:
            content[key] = value


@dataclass
class Bench:
    """An open station, the table behind it, and what was sent to whom since `forget`."""

    station: Station
    link: Link
    sent: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    order: list[str] = field(default_factory=list)

    @property
    def simulation(self) -> Simulation:
        assert self.link.simulation is not None
        return self.link.simulation

    @property
    def table(self) -> SimulatedTable:
        return self.simulation.table

    def forget(self) -> None:
        """Start the record anew."""
        self.sent.clear()
        self.order.clear()

    def record(self, name: str, wire: WireInstrument) -> None:
        """Keep what is sent to one instrument."""
        take_bytes: Callable[[bytes], None] = wire.on_bytes

        def on_bytes(data: bytes) -> None:
            self.sent[name] += data
            self.order.append(name)
            take_bytes(data)

        wire.on_bytes = on_bytes  # type: ignore[method-assign]


def open_bench(file: StationFile | None = None) -> Bench:
    """Switch the table of a station file on and open its instruments."""
    file = file or station_file()
    link = link_to(file)
    bench = Bench(open_station(file, link), link)
    for name, wire in bench.simulation.instruments.items():
        bench.record(name, wire)
    return bench
