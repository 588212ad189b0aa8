"""A simulated table that is switched on, its instruments, and the way to let them fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.faults import Finding
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_faults import InstrumentFault, channels_in_use, fault_findings, read_fault
from labctl.configuration.station_file import StationFile
from labctl.errors import ConfigurationError
from labctl.simulation.device_faults import switch_for
from labctl.simulation.faults import Fault, FaultyWire
from labctl.simulation.output_record import OutputRecord
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth_file import TRUTH_FILE, TruthFile
from labctl.simulation.visa_library import SimulatedVisaLibrary, simulated_library
from labctl.simulation.wire import WireInstrument


@dataclass(frozen=True)
class InjectedFault:
    """A fault that `Simulation.inject` put onto the table."""

    asked: InstrumentFault
    _fault: Fault
    _wire: FaultyWire

    def end(self) -> None:
        """End it now, before its time; nothing happens where it is over."""
        self._wire.end(self._fault)


@dataclass(frozen=True)
class Simulation:
    """A simulated table, its instruments, their wires as faults leave them, and the VISA library that serves these."""

    station: StationFile
    table: SimulatedTable
    instruments: dict[str, WireInstrument]
    wires: dict[str, WireInstrument]
    library: SimulatedVisaLibrary
    _rng: Callable[[str], np.random.Generator]
    _wake_up: Callable[[str], WireInstrument]
    _faults: list[tuple[str, Fault]] = field(default_factory=list)

    @classmethod
    def switched_on(
        cls,
        station: StationFile,
        table: SimulatedTable,
        instruments: Mapping[str, WireInstrument],
        faults: Sequence[InstrumentFault],
        rng: Callable[[str], np.random.Generator],
        wake_up: Callable[[str], WireInstrument],
    ) -> Simulation:
        """Return the simulation of `instruments` with the faults that were asked for; missing ones have no wire.

        `rng` gives the random numbers of a name, `wake_up` an instrument as after power-on. Raises `ConfigurationError`
        for faults that cannot be.
        """
        _require_none(fault_findings(Inspection(station), faults))
        missing = {fault.instrument for fault in faults if fault.kind is FaultKind.MISSING}
        wires = {name: instrument for name, instrument in instruments.items() if name not in missing}
        for wire in wires.values():
            if hasattr(wire, "advance"):
                table.attach(wire)
        library = simulated_library(table, {station.instruments[name].address: wire for name, wire in wires.items()})
        simulation = cls(station, table, dict(instruments), wires, library, rng, wake_up)
        table.outputs.was_cut_off = simulation._was_cut_off
        for fault in faults:
            if fault.kind is not FaultKind.MISSING:
                simulation._add(fault, began_s=0.0)
        return simulation

    @property
    def outputs(self) -> OutputRecord:
        """What every true output of the table was so far, by name."""
        return self.table.outputs

    def inject(
        self,
        instrument: str,
        kind: FaultKind | str,
        *,
        channel: int | str | None = None,
        after: float | str = 0.0,
        lasting: float | str | None = None,
    ) -> InjectedFault:
        """Let an instrument fail from `after` from now on, for `lasting` or until `end` of what is returned.

        Durations are in s of lab time, or text with a unit such as "20 min". `channel` is the one motor, servo or
        sensor meant, all of the instrument without. Connections that are open meet the fault as well. For tests and
        scripts, on the table that this process has switched on:

            link = link_to(file)
            station = open_station(file, link)
            link.simulation.inject("piezo_a", "silent", after="20 min", lasting=30.0)

        Raises `ConfigurationError` for a kind that the instrument cannot have, with those that it can.
        """
        fault = read_fault(
            {"instrument": instrument, "kind": kind, "channel": channel, "after": after, "lasting": lasting}
        )
        if fault.kind is FaultKind.MISSING:
            raise ConfigurationError(
                f"{instrument} was there when the table was switched on, so it cannot be missing.",
                remedy=f"Take {FaultKind.DROPPED}.",
            )
        if instrument in self.instruments and instrument not in self.wires:
            raise ConfigurationError(f"{instrument} is missing from the start and can have no other fault.")
        _require_none(fault_findings(Inspection(self.station), [fault]))
        return self._add(fault, began_s=self.table.now())

    def write_truth(self, run: Path, write: Callable[[Path, bytes], None], *, ended: bool = False) -> None:
        """Write the truth of the table into the folder of a run, which only tests and a later comparison read; once
        the run has `ended`, with what happened to the table. `write` makes it durable and may raise OSError."""
        table = self.table
        happened, outputs = (table.disturber.happened, table.outputs) if ended else (None, None)
        file = TruthFile.of(self.station, table.truth, happened, table.plates.angles_deg(), outputs)
        write(run / TRUTH_FILE, file.to_bytes())

    def _add(self, asked: InstrumentFault, began_s: float) -> InjectedFault:
        name = asked.instrument
        channels = channels_in_use(self.station, name) if asked.channel is None else [asked.channel]
        after_s = began_s + asked.after
        until_s = math.inf if asked.lasting is None else after_s + asked.lasting
        switch = switch_for(asked.kind, self.station.instruments[name].driver, channels)
        fault, wire = Fault(asked.kind, after_s, until_s, switch), self._faulty_wire(name)
        wire.add(fault)
        self._faults.append((name, fault))
        return InjectedFault(asked, fault, wire)

    def _was_cut_off(self, instrument: str, since: float, until: float) -> bool:
        """Return whether a fault of its wire, and not of the device, was there between two lab times."""
        return any(
            name == instrument and fault.switch is None and fault.after_s <= until and fault.until_s >= since
            for name, fault in self._faults
        )

    def _faulty_wire(self, name: str) -> FaultyWire:
        """Return the wire of an instrument as one that can fail; it takes the place of the sound one everywhere."""
        sound = self.wires[name]
        if isinstance(sound, FaultyWire):
            return sound
        wire = FaultyWire(sound, self.table, self._rng(f"fault {name}"), partial(self._wake_up, name))
        self.wires[name] = wire
        self.table.replace(sound, wire)
        self.library.replace(sound, wire)
        return wire


def _require_none(findings: Iterable[Finding]) -> None:
    if text := "\n".join(map(str, findings)):
        raise ConfigurationError(text)
