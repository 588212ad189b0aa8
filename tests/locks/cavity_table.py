"""A cold table for locks of sensor cavities: its probe lit as it is once the source is locked, and the truth about how
far each cavity is from resonance."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from ideal_table import OpenTable, open_table

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.locks.cavity_loops import cavity_lock
from labctl.locks.sensor_cavity import CavityLock
from labctl.locks.states import Acquisition, LockState

CONFIG = Path(__file__).parents[2] / "config" / "simulated.toml"
HALF_WAVELENGTH_M = 775e-9
TICK_S = 0.1

_TEXT = station_text(CONFIG)


def cold_station(seed: int, **backend: Any) -> StationFile:
    """Return the shipped station, cold: every cavity anywhere in its fringe, drifting by 3 nm a minute rms."""
    content = json.loads(_TEXT)
    content["backend"] |= {"seed": seed, "scenario": "ideal", "start": "cold"}
    content["backend"] |= {"disturbances": [{"kind": "cavity_drift"}]} | backend
    return StationFile.model_validate(content)


class CavityTable:
    """One open table and the locks of its cavities."""

    def __init__(self, seed: int = 1, **backend: Any) -> None:
        self.opened: OpenTable = open_table(cold_station(seed, **backend), warmed=False)
        self.station, self.table = self.opened.station, self.opened.table
        self.clock = self.station.clock
        self.light(1.0)
        seed_monitor = self.station.monitors["seed_power"]
        self.locks = [cavity_lock(self.station, f"cavity{number}", seed_monitor) for number in range(1, 5)]

    def light(self, share: float) -> None:
        """Let the source give this share of the light that it gives when it is locked."""
        source = self.table.source
        source.seed_power = lambda: share / (1.0 - self.table.truth.pump) ** 2  # type: ignore[method-assign]
        self.table._light_the_sensors()

    def off_m(self, lock: CavityLock) -> float:
        """Return how much longer a cavity is than at the nearest resonance, in m."""
        cavity = self.table.sensors[int(lock.name.removeprefix("cavity")) - 1].cavity
        return math.remainder(cavity.gap_m() - cavity._resonant_gap_m, HALF_WAVELENGTH_M)

    def push(self, lock: CavityLock, metres: float) -> None:
        """Make a cavity longer by so much, once: it drifts no more."""
        self.table.disturber._tasks.clear()
        self.table.room.cavity_drift_m[int(lock.name.removeprefix("cavity")) - 1] += metres

    def go(self, steps: Acquisition) -> list[LockState]:
        """Take the steps of an acquisition as a supervisor does, and return the states that it went through; what is
        held is stepped meanwhile."""
        states: list[LockState] = []
        for step in steps:
            if step.state not in states:
                states.append(step.state)
            self.wait(step.wait_s)
        return states

    def wait(self, seconds: float) -> None:
        """Let time pass and step what is held."""
        end = self.clock.now() + seconds
        while (left_s := end - self.clock.now()) > 0.0:
            self.clock.sleep(min(left_s, TICK_S))
            for lock in self.locks:
                lock.step()

    def hold(self, locks: list[CavityLock], seconds: float) -> np.ndarray:
        """Look at locks and step them ten times a second; return how far off each was in m, shape (looks, locks)."""
        off = np.empty((round(seconds / TICK_S), len(locks)))
        for row in off:
            for lock in locks:
                lock.read()
                lock.step()
            self.clock.sleep(TICK_S)
            row[:] = [self.off_m(lock) for lock in locks]
        return off

    def close(self) -> None:
        self.station.close()
