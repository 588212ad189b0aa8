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
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.instruments.thorlabs_mdt693b import SimulatedMDT693B
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.ports import ServoSettings
from labctl.simulation.table import SimulatedTable
from labctl.simulation.wire import WireInstrument
from labctl.simulation.wiring import Simulation
from labctl.station.bring_up import Link, link_to, open_station
from labctl.station.clock import Clock
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

    file: StationFile
    link: Link
    station: Station
    sent: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    order: list[str] = field(default_factory=list)
    voltages: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clock(self) -> Clock:
        return self.station.clock

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
        self.voltages.clear()

    def piezo(self, name: str) -> PiezoChannel:
        """Return the piezo of a loop, or one that no servo drives, as the table has it."""
        entry = self.file.loops[name].piezo if name in self.file.loops else self.file.piezos[name]
        twin = self.simulation.instruments[entry.instrument]
        assert isinstance(twin, SimulatedMDT693B)
        piezo = twin._channels[entry.channel].piezo
        assert isinstance(piezo, PiezoChannel)
        return piezo

    def servo(self, name: str) -> AnalogServo:
        """Return the servo of a loop as the table has it."""
        source, sensors = self.table.source, self.table.sensors
        servos = {"opa_length": source.length_servo, "pump_phase": source.phase_servo}
        return servos[name] if name in servos else sensors[int(name.removeprefix("lo")) - 1].servo

    def record(self, name: str, wire: WireInstrument) -> None:
        """Keep what is sent to one instrument."""
        take_bytes: Callable[[bytes], None] = wire.on_bytes

        def on_bytes(data: bytes) -> None:
            self.sent[name] += data
            self.order.append(name)
            take_bytes(data)

        wire.on_bytes = on_bytes  # type: ignore[method-assign]

    def record_voltages(self, name: str) -> None:
        """Keep what an amplifier gives one piezo, with the time in s."""
        piezo = self.piezo(name)
        drive: Callable[[float], None] = piezo.drive

        def drive_and_note(volts: float) -> None:
            self.voltages[name].append((self.table.now(), volts))
            drive(volts)

        piezo.drive = drive_and_note  # type: ignore[method-assign]

    def record_outputs(self, name: str) -> list[tuple[float, float]]:
        """Keep, and return as it grows, the output of one servo now and after each setting, with the time in s."""
        servo = self.servo(name)
        apply: Callable[[ServoSettings], None] = servo.apply
        outputs = [(self.table.now(), servo.output_volts())]

        def apply_and_note(settings: ServoSettings) -> None:
            apply(settings)
            outputs.append((self.table.now(), servo.output_volts()))

        servo.apply = apply_and_note  # type: ignore[method-assign]
        return outputs


def open_bench(file: StationFile | None = None, link: Link | None = None) -> Bench:
    """Switch the table of a station file on (or take one that is), and open its instruments."""
    file = file or station_file()
    link = link or link_to(file)
    bench = Bench(file, link, open_station(file, link))
    for name, wire in bench.simulation.instruments.items():
        bench.record(name, wire)
    for name in [*file.loops, *file.piezos]:
        bench.record_voltages(name)
    return bench
