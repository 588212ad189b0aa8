"""What disturbs the optical table now: knocks, drifts, and how the laser's light has changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

KICK_PATH_RAD = 1.5
KICK_LENGTH_M = 3e-9
KICK_DECAY_S = 0.5
KICK_STAYS = 0.15  # share of a kick that does not come back
_GONE = 1e-30


class Knock:
    """A displacement that jumps and mostly comes back, in the unit of what it moves."""

    def __init__(self, tick_s: float) -> None:
        self._keep = math.exp(-tick_s / KICK_DECAY_S)
        self._passing = 0.0
        self._staying = 0.0
        self.value = 0.0

    def strike(self, size: float) -> None:
        """Jump by `size`."""
        self._passing += (1.0 - KICK_STAYS) * size
        self._staying += KICK_STAYS * size
        self.value = self._staying + self._passing

    def advance(self) -> None:
        """Come back for one tick."""
        if self._passing:
            self._passing = self._keep * self._passing if abs(self._passing) > _GONE else 0.0
            self.value = self._staying + self._passing


@dataclass
class Room:
    """What disturbances have done: read by the plants at every tick.

    `path` and `source_length` are knocks in rad and m; `path_drift_rad`, `cavity_drift_m`, `crystal_offset_k` and
    `laser_hop_hz` are how far things have gone; `light` is the laser's power over its usual one; `loudness` multiplies
    the noise of paths; `photodiode` is the quantum efficiency of each detector over that of a new one.
    """

    tick_s: float
    sensors: int
    path: list[Knock] = field(init=False)
    pump_path: Knock = field(init=False)
    source_length: Knock = field(init=False)
    path_drift_rad: list[float] = field(init=False)
    photodiode: list[float] = field(init=False)
    cavity_drift_m: list[float] = field(init=False)
    crystal_offset_k: float = 0.0
    laser_hop_hz: float = 0.0
    light: float = 1.0
    loudness: float = 1.0

    def __post_init__(self) -> None:
        self.path = [Knock(self.tick_s) for _ in range(self.sensors)]
        self.pump_path = Knock(self.tick_s)
        self.source_length = Knock(self.tick_s)
        self.path_drift_rad = [0.0] * self.sensors
        self.photodiode = [1.0] * self.sensors
        self.cavity_drift_m = [0.0] * self.sensors

    def advance(self) -> None:
        """Let what was knocked come back for one tick."""
        for knock in self.path:
            knock.advance()
        self.pump_path.advance()
        self.source_length.advance()

    def kick(self, rng: np.random.Generator, strength: float) -> None:
        """Knock everything."""
        draws = strength * rng.standard_normal(len(self.path) + 2)
        for knock, draw in zip(self.path, draws[2:], strict=True):
            knock.strike(KICK_PATH_RAD * float(draw))
        self.pump_path.strike(KICK_PATH_RAD * float(draws[0]))
        self.source_length.strike(KICK_LENGTH_M * float(draws[1]))
