"""Wave plates on the simulated table: how each splits, dims or sends back the light that passes it.

Half-wave plates `network1`, `network2`, ... before polarizing beam splitters share the squeezed light among the
sensors, `pump_power` and `local_oscillator_power` set powers; quarter-wave plates `extraction1`, ... are passed twice
and decide how much of the light from a sensor its beam splitter sends to the detector. A table that has no such mount
has the plate fixed where it belongs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.truth import Truth, generator

LEAK_OF_P = 0.005  # of the polarization that should pass, into the tap
LEAK_OF_S = 0.001  # of the polarization that should be tapped, past it
LEFT_OFF_DEG = 0.1  # rms, how far from its place whoever aligned the table left a plate
PUMP_SHARE = 0.75  # of the light before it that the pump's plate lets through where the table was aligned
OSCILLATOR_SHARE = 0.8
EXTRACTION_ANGLE_DEG = 45.0  # of a quarter-wave plate from its axis: turns the polarization by a right angle
DIMMED = {"pump_power": PUMP_SHARE, "local_oscillator_power": OSCILLATOR_SHARE}


class Mount(Protocol):
    """Where a plate is: degrees from the home mark."""

    angle_deg: float

    def set_angle(self, angle_deg: float) -> None:
        """Turn to `angle_deg`."""
        ...


def tap(angle_deg: float) -> float:
    """Return the share that a beam splitter takes behind a half-wave plate at `angle_deg` from where it takes least."""
    turned = math.sin(math.radians(2.0 * angle_deg)) ** 2
    return turned * (1.0 - LEAK_OF_S) + (1.0 - turned) * LEAK_OF_P


def tap_angle_deg(share: float) -> float:
    """Return the angle at which a stage takes `share`."""
    turned = (share - LEAK_OF_P) / (1.0 - LEAK_OF_S - LEAK_OF_P)
    return math.degrees(0.5 * math.asin(math.sqrt(min(max(turned, 0.0), 1.0))))


class WavePlates:
    """The plates of a table of M sensors, in mounts that it has or fixed; `mounts` by the names of the station."""

    def __init__(self, truth: Truth, mounts: Mapping[str, Mount]) -> None:
        self._mounts = mounts
        self._count = len(truth.sensors)
        self._equal = np.array([sensor.weight for sensor in truth.sensors])
        self._stages = [f"network{stage}" for stage in range(1, self._count)]
        self._zero_deg = {name: truth.plate_zero_deg(name) for name in mounts}
        self._leave_as_aligned(truth.seed)
        self._known_at: tuple[float, ...] = ()
        self._known: tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]
        self._follow()

    def _leave_as_aligned(self, seed: int) -> None:
        """Turn every mount near to where the table works best."""
        rng = generator(seed, "wave plates as left")
        for name, mount in self._mounts.items():
            aim = self._aim_deg(name)
            if aim is not None:
                mount.set_angle(self._zero_deg[name] + aim + rng.normal(0.0, LEFT_OFF_DEG))

    def _aim_deg(self, name: str) -> float | None:
        if name in self._stages:
            stage = self._stages.index(name)
            return tap_angle_deg(self._equal[stage] / self._equal[stage:].sum())
        if name in DIMMED:
            return tap_angle_deg(DIMMED[name])
        return EXTRACTION_ANGLE_DEG if name.startswith("extraction") else None

    def network_shares(self) -> NDArray[np.float64]:
        """Return the share of the squeezed light and of the probe that each sensor gets, (M,)."""
        self._follow()
        return self._known[0]

    def extraction(self) -> NDArray[np.float64]:
        """Return the share of the light from each sensor that goes to its detector, (M,); 1 at the best angle."""
        self._follow()
        return self._known[1]

    def dimmed(self, name: str) -> float:
        """Return the light behind `pump_power` or `local_oscillator_power` over that where the table was aligned."""
        self._follow()
        return self._known[2][name]

    def angles_deg(self) -> dict[str, float]:
        """Return where every mount is, in degrees from its home mark."""
        return {name: mount.angle_deg for name, mount in self._mounts.items()}

    def _follow(self) -> None:
        """Work out what light goes where, again only when a plate has moved: it is asked for at every tick."""
        at = tuple([mount.angle_deg for mount in self._mounts.values()])
        if at != self._known_at or not hasattr(self, "_known"):
            self._known_at = at
            self._known = self._shares(), self._extraction(), {name: self._dimmed(name) for name in DIMMED}

    def _shares(self) -> NDArray[np.float64]:
        if not any(stage in self._mounts for stage in self._stages):
            return self._equal
        left = 1.0
        shares = np.empty(self._count)
        for index, stage in enumerate(self._stages):
            angle = self._from_zero(stage)
            taken = self._equal[index] / self._equal[index:].sum() if angle is None else tap(angle)
            shares[index] = left * taken
            left *= 1.0 - taken
        shares[-1] = left
        return shares

    def _extraction(self) -> NDArray[np.float64]:
        found = np.ones(self._count)
        for index in range(self._count):
            angle = self._from_zero(f"extraction{index + 1}")
            if angle is not None:
                found[index] = math.sin(math.radians(2.0 * angle)) ** 2
        return found

    def _dimmed(self, name: str) -> float:
        angle = self._from_zero(name)
        return 1.0 if angle is None else tap(angle) / DIMMED[name]

    def _from_zero(self, name: str) -> float | None:
        mount = self._mounts.get(name)
        return None if mount is None else mount.angle_deg - self._zero_deg[name]
