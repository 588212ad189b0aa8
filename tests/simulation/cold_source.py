"""A source on the simulated table as somebody left it: its crystal cold, and another one than the file thinks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ideal_table import OpenTable, open_table

from labctl.configuration.station_file import SourceLoop, StationFile
from labctl.configuration.toml_reading import station_text
from labctl.locks.double_resonance import DoubleResonanceSearch
from labctl.locks.length_walk import SourceCavity
from labctl.locks.oven_approach import OvenApproach
from labctl.simulation.truth import Truth

_STATION_TEXT = station_text(Path(__file__).parents[2] / "config" / "simulated.toml")
SETTLE_S = 1.0
LOW_C, HIGH_C, RAMP_K_PER_S = 15.0, 45.0, 0.02


def cold_station(seed: int, start: str = "cold") -> StationFile:
    """Return the station file that is shipped, of a table that was left cold."""
    content = json.loads(_STATION_TEXT)
    content["backend"] |= {"seed": seed, "scenario": "ideal", "start": start}
    return StationFile.model_validate(content)


@dataclass
class ColdSource:
    """The station of a cold table, and what a search for its double resonances works with."""

    opened: OpenTable
    cavity: SourceCavity
    oven: OvenApproach
    search: DoubleResonanceSearch
    told: list[str]

    @classmethod
    def open(cls, seed: int, start: str = "cold") -> ColdSource:
        opened = open_table(cold_station(seed, start), warmed=False)
        station = opened.station
        entry = station.file.loops["opa_length"]
        assert isinstance(entry, SourceLoop)
        cavity = SourceCavity(
            station.servos["opa_length"],
            station.scan,
            station.monitors["seed_power"],
            station.shutters["pump"],
            station.clock.sleep,
            entry.unity_gain,
        )
        oven = OvenApproach(station.oven, station.clock, station.clock.sleep, LOW_C, HIGH_C, RAMP_K_PER_S)
        told: list[str] = []
        search = DoubleResonanceSearch(cavity, station.servos["pump_phase"], oven, told.append)
        return cls(opened, cavity, oven, search, told)

    @property
    def truth(self) -> Truth:
        return self.opened.table.truth

    def keep_crystal_at(self, temperature_c: float) -> None:
        """Let the crystal be somewhere, whatever its controller says."""
        oven = self.opened.table.oven
        oven._nominal_c = oven._plate_c = oven.crystal_c = temperature_c
        oven.regulate = lambda nominal_c: None  # type: ignore[method-assign]
        self.opened.table.elapse(SETTLE_S)
