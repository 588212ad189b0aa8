"""What disturbs the simulated table, as its station file asks: each disturbance acts on the states that it moves on
glass, with random numbers of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from labctl.configuration import disturbances as wanted
from labctl.simulation.room import Room
from labctl.simulation.truth import generator

SLAM_STRENGTH = 3.0
SLAM_NOISE = 5.0  # times the noise of a quiet room
SLAM_SHAKES_S = 3.0
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_MINUTE = 60.0

_Occasional = wanted.Kicks | wanted.DoorSlam | wanted.ModeHop | wanted.PowerDrop


@dataclass(frozen=True)
class Happening:
    """What happened: lab time in s and kind, for those who look for causes afterwards."""

    at: float
    kind: str


class Disturber:
    """Lets the disturbances of a station file happen to a `Room`; `advance` once a tick."""

    def __init__(self, disturbances: Sequence[wanted.Disturbance], room: Room, seed: int) -> None:
        self.happened: list[Happening] = []
        self._room = room
        self._tasks = [
            self._task(disturbance, generator(seed, f"disturbance {number}"))
            for number, disturbance in enumerate(disturbances)
        ]

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        self._room.advance()
        for task in self._tasks:
            task(now)

    def _task(self, disturbance: wanted.Disturbance, rng: np.random.Generator) -> Callable[[float], None]:
        match disturbance:
            case wanted.Kicks():
                return self._occasions(disturbance, rng, lambda now: self._room.kick(rng, disturbance.strength))
            case wanted.DoorSlam():
                return self._door(disturbance, rng)
            case wanted.ModeHop():
                return self._occasions(disturbance, rng, lambda now: self._hop(rng, disturbance.jump))
            case wanted.PowerDrop():
                return self._power(disturbance, rng)
            case wanted.OvenDrift() | wanted.PathDrift() | wanted.DyingPhotodiode():
                return self._drift(disturbance)
            case wanted.CavityDrift():
                return self._cavities(disturbance, rng)
            case wanted.MembraneDoublet():
                return lambda now: None  # a property of the membrane, drawn with the truth

    def _occasions(
        self, when: _Occasional, rng: np.random.Generator, happen: Callable[[float], None]
    ) -> Callable[[float], None]:
        due = when.after
        if when.every is not None:
            due += float(rng.exponential(when.every))

        def task(now: float) -> None:
            nonlocal due
            while now >= due:
                self.happened.append(Happening(now, when.kind))
                happen(now)
                due = math.inf if when.every is None else due + float(rng.exponential(when.every))

        return task

    def _door(self, slam: wanted.DoorSlam, rng: np.random.Generator) -> Callable[[float], None]:
        quiet_at = -math.inf

        def bang(now: float) -> None:
            nonlocal quiet_at
            quiet_at = now + SLAM_SHAKES_S
            self._room.kick(rng, SLAM_STRENGTH)
            self._room.loudness = SLAM_NOISE

        occasions = self._occasions(slam, rng, bang)

        def task(now: float) -> None:
            nonlocal quiet_at
            occasions(now)
            if now >= quiet_at > 0.0:
                quiet_at = -math.inf
                self._room.loudness = 1.0

        return task

    def _hop(self, rng: np.random.Generator, jump_hz: float) -> None:
        self._room.laser_hop_hz += math.copysign(jump_hz, float(rng.uniform(-1.0, 1.0)))

    def _power(self, drop: wanted.PowerDrop, rng: np.random.Generator) -> Callable[[float], None]:
        back_at = math.inf

        def fall(now: float) -> None:
            nonlocal back_at
            back_at = now + drop.lasting
            self._room.light = drop.share

        occasions = self._occasions(drop, rng, fall)

        def task(now: float) -> None:
            nonlocal back_at
            if now >= back_at:
                back_at = math.inf
                self._room.light = 1.0
            occasions(now)

        return task

    def _drift(self, drift: wanted.OvenDrift | wanted.PathDrift | wanted.DyingPhotodiode) -> Callable[[float], None]:
        room = self._room

        def task(now: float) -> None:
            gone_s = max(0.0, now - drift.after)
            if isinstance(drift, wanted.OvenDrift):
                room.crystal_offset_k = drift.per_hour * gone_s / SECONDS_PER_HOUR
            elif isinstance(drift, wanted.DyingPhotodiode):
                room.photodiode[drift.sensor - 1] = math.exp(-gone_s / drift.lifetime)
            else:
                moved = range(room.sensors) if drift.sensor is None else [drift.sensor - 1]
                for sensor in moved:
                    room.path_drift_rad[sensor] = drift.rad_per_s * gone_s

        return task

    def _cavities(self, drift: wanted.CavityDrift, rng: np.random.Generator) -> Callable[[float], None]:
        rates = (drift.per_minute / SECONDS_PER_MINUTE * rng.standard_normal(self._room.sensors)).tolist()

        def task(now: float) -> None:
            gone_s = max(0.0, now - drift.after)
            self._room.cavity_drift_m[:] = [rate * gone_s for rate in rates]

        return task
