"""The light that the network sends to each sensor, as the monitors behind the sensor cavities show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import ConfigurationError
from labctl.locks.loop import Loop
from labctl.station.bindings.environment import read_ahead
from procedures.base import LabProcedure

READINGS: Final = 6  # of every monitor at one setting
MANY_SENSORS, FEW_READINGS = 8, 3  # more sensors are more to read, and more light to add up
SLOW_INPUT_FULL_SCALE_V: Final = 3.5  # of the boards that read the monitors; beyond it they show no more
USED_SHARE: Final = 0.97  # of the full scale
DARK_READINGS: Final = 96
FLOOR_SIGMAS: Final = 4.0  # of one reading above 0 V at the pin: below, a board shows no negative half of the noise
MEDIAN_SPREAD: Final = math.sqrt(math.pi / 2.0)  # uncertainty of a median over that of a mean
SHUTTER_S: Final = 0.2


@dataclass(frozen=True, eq=False)
class LightReading:
    """Volts (M,) of the monitors with their darkness taken off, at the seed of the first look where a monitor shows it,
    and which of them were beyond their range, or at its very bottom (M,)."""

    light: NDArray[np.float64]
    beyond: NDArray[np.bool_]


class NetworkLight:
    """Monitors of the sensor cavities of a table, and the monitor of the seed that the light is measured against.

    Raises `ConfigurationError` where a sensor has none.
    """

    def __init__(self, procedure: LabProcedure) -> None:
        self._procedure = procedure
        bench = procedure.on_bench
        file = bench.station.file
        self.count = file.station.sensors
        cavities = {entry.sensor: name for name, entry in file.loops.items() if entry.kind == "cavity"}
        missing = [n for n in range(1, self.count + 1) if n not in cavities or file.loops[cavities[n]].witness is None]
        if missing:
            raise ConfigurationError(
                f"Nothing shows the light on sensor {missing[0]}: it has no cavity loop with a monitor.",
                remedy="Add [monitors.cavity1] and [loops.cavity1] for every sensor.",
            )
        self.loops: list[Loop] = [bench.loops.by_name[cavities[n]] for n in range(1, self.count + 1)]
        names = [str(file.loops[cavities[n]].witness) for n in range(1, self.count + 1)]
        self._monitors = [bench.station.monitors[name] for name in names]
        entries = [file.monitors[name] for name in names]
        self._full_v = USED_SHARE * np.array([(SLOW_INPUT_FULL_SCALE_V - e.offset) / e.gain for e in entries])
        self._floor_v = np.array([-e.offset / e.gain for e in entries])
        seeds = [entry.witness for entry in file.loops.values() if entry.kind == "pump_phase" and entry.witness]
        self._seed = bench.station.monitors[seeds[0]] if seeds else None
        self._dark_v = np.zeros(self.count)
        self._seed_v = math.nan
        self._readings = FEW_READINGS if self.count > MANY_SENSORS else READINGS
        self._variances: list[float] = []
        self._seed_variances: list[float] = []

    def learn_dark(self) -> None:
        """Read every monitor without light; the loops that need it must be held. The median, since a board that shows
        nothing below 0 V cuts the noise there."""
        shutter = self._procedure.on_bench.station.shutters["signal"]
        shutter.close()
        try:
            self._procedure.wait(SHUTTER_S)
            self._dark_v = np.median(self._volts(DARK_READINGS)[0], axis=0)
        finally:
            shutter.open()
        self._procedure.wait(SHUTTER_S)

    def look(self) -> LightReading:
        """Return the light on every sensor."""
        volts, seeds = self._volts(self._readings)
        seed_v = float(seeds.mean())
        if math.isnan(self._seed_v):
            self._seed_v = seed_v
        self._variances.append(float(volts.var(axis=0, ddof=1).mean()))
        self._seed_variances.append(float(seeds.var(ddof=1)))
        mean_v = volts.mean(axis=0)
        light = (mean_v - self._dark_v) * (self._seed_v / seed_v if seed_v > 0.0 else math.nan)
        dim = mean_v < self._floor_v + FLOOR_SIGMAS * math.sqrt(self._readings) * self.sigma
        return LightReading(light, (mean_v > self._full_v) | dim)

    @property
    def sigma(self) -> float:
        """Return the standard uncertainty in V of one monitor in one look, by the scatter of all looks so far."""
        return math.sqrt(float(np.mean(self._variances)) / self._readings)

    @property
    def dark_sigma(self) -> float:
        """Return the standard uncertainty in V of the dark level of one monitor."""
        return MEDIAN_SPREAD * self.sigma * math.sqrt(self._readings / DARK_READINGS)

    @property
    def relative_sigma(self) -> float:
        """Return the relative uncertainty that the seed's monitor adds to all monitors of one look."""
        return math.sqrt(float(np.mean(self._seed_variances)) / self._readings) / self._seed_v

    def _volts(self, readings: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return readings (n, M) in V, and the seed (n,) in V read in turn with them (1 without a monitor)."""
        together = [*self._monitors, *([] if self._seed is None else [self._seed])]
        volts = np.empty((readings, len(together)))
        for row in volts:
            self._procedure.check_stop()
            read_ahead(together)
            row[:] = [monitor.volts() for monitor in together]
        return volts[:, : self.count], np.ones(readings) if self._seed is None else volts[:, -1]
