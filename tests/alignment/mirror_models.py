"""Mirrors without a table: one that tilts a beam, and two that walk it, with uneven steps, play and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.sensor_plant import MirrorTilt
from labctl.spectra.estimate import Estimate

READING_SIGMA = 0.01  # relative, of the power


@dataclass
class ModelAxis:
    """An axis with a `MirrorTilt` behind it, in steps forward."""

    name: str
    tilt: MirrorTilt
    moves: list[int] = field(default_factory=list)

    def move(self, steps: int) -> None:
        assert steps != 0
        self.moves.append(steps)
        self.tilt.step(steps)


@dataclass
class MirrorModel:
    """Axes and the power that they give: exp(-2 |mixing @ tilt|^2), relative to the optimum; tilt in steps."""

    axes: list[ModelAxis]
    mixing: NDArray[np.float64]
    rng: np.random.Generator
    readings: int = 0

    def true_power(self) -> float:
        z = self.mixing @ np.array([axis.tilt.tilt_rad for axis in self.axes])
        return math.exp(-2.0 * float(z @ z))

    def power(self) -> Estimate:
        self.readings += 1
        true = self.true_power()
        sigma = READING_SIGMA * true + 3e-4
        return Estimate(max(0.0, true + sigma * float(self.rng.standard_normal())), sigma)


def one_mirror(seed: int, width_steps: float = 3600.0, *, share: float | None = None) -> MirrorModel:
    """Return pitch and yaw of one mirror; width: steps from the top to where the visibility is 1/e."""
    return _model(seed, np.eye(2) / width_steps, ["pitch", "yaw"], share)


def two_mirrors(seed: int, width_steps: float = 3600.0, *, angle_rad: float = 0.6) -> MirrorModel:
    """Return two mirrors that walk a beam: in either plane their axes shift and tilt it in directions that differ by
    `angle_rad` only, so that one makes good most of what the other does."""
    plane = np.array([[1.0, math.cos(angle_rad)], [0.0, math.sin(angle_rad)]]) / width_steps
    mixing = np.kron(np.eye(2), plane)
    return _model(seed, mixing, ["first pitch", "second pitch", "first yaw", "second yaw"], None)


def _model(seed: int, mixing: NDArray[np.float64], names: list[str], share: float | None) -> MirrorModel:
    rng = np.random.default_rng(seed)
    share = float(rng.uniform(0.03, 0.30)) if share is None else share
    direction = rng.standard_normal(len(names))
    z = math.sqrt(-0.5 * math.log(share)) * direction / np.linalg.norm(direction)
    start = np.linalg.solve(mixing, z)
    axes = [
        ModelAxis(
            name,
            MirrorTilt(
                float(at),
                1.0,
                1.0 + rng.uniform(-0.6, 0.6),
                np.random.default_rng(seed + 1000 + i),
                rng.uniform(5.0, 20.0),
            ),
        )
        for i, (name, at) in enumerate(zip(names, start, strict=True))
    ]
    return MirrorModel(axes, mixing, rng)
