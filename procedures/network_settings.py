"""The wave plates of the network as they were calibrated: which angle gives which share, for whoever shares the light
in another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import ConfigurationError, LimitError
from labctl.estimation.wave_plate_scan import TapFit
from labctl.physics.network import tap_reflectivities
from labctl.spectra.estimate import Estimate
from labctl.store.records import NamedResult
from procedures.base import LabProcedure

RUN_UP_DEG: Final = 5.0  # every plate comes from this far below: arrivals from one side repeat much better
LEAST_RUN_DEG: Final = 1.0  # and with less a mount may come to rest from the other side
ARRIVAL_DEG: Final = 0.012  # rms of arrivals from one side, its encoder with it
PERIOD_DEG: Final = 90.0
NO_LIGHT: Final = 1e-6  # a stage that gets less is left where it is
REACH: Final = 0.02  # by how much of the light a tap may miss what was asked for: what leaks cannot be set
LARGEST_SUM_ERROR: Final = 1e-3


@dataclass(frozen=True)
class StageSetting:
    """One calibrated stage: angles in degrees of its mount, shares of the light that comes to it."""

    stage: int
    zero_deg: Estimate
    play_deg: float
    least: float
    largest: float

    @property
    def mount(self) -> str:
        """Return the name of its rotator."""
        return f"network{self.stage}"

    def angle_deg(self, tap: float) -> float:
        """Return where the mount must be told to go, from below, for a tap; the nearest that it can reach.

        Raises `LimitError` where that misses the tap by more than leaks explain.
        """
        reached = min(max(tap, self.least), self.largest)
        if abs(reached - tap) > REACH or not self.largest > self.least:
            raise LimitError(
                f"Stage {self.stage} of the network cannot take {100 * tap:.1f} % of its light: it takes "
                f"{100 * self.least:.1f} to {100 * self.largest:.1f} %.",
                remedy="Look at its wave plate and at the polarization before it, then calibrate it anew.",
            )
        turned = (reached - self.least) / (self.largest - self.least)
        from_below = self.zero_deg.value - 0.5 * self.play_deg
        return (from_below + math.degrees(0.5 * math.asin(math.sqrt(turned)))) % PERIOD_DEG + PERIOD_DEG

    def tap_at(self, angle_deg: float) -> Estimate:
        """Return the share that the stage takes at an angle that was reached from below, arrival included."""
        turned = math.radians(angle_deg - self.zero_deg.value + 0.5 * self.play_deg)
        rise = self.largest - self.least
        sigma_rad = math.radians(math.hypot(self.zero_deg.sigma, ARRIVAL_DEG))
        return Estimate(
            self.least + rise * math.sin(2.0 * turned) ** 2,
            abs(2.0 * rise * math.sin(4.0 * turned)) * sigma_rad,
            "",
            "by its angle",
        )

    @classmethod
    def of_fit(cls, stage: int, fit: TapFit) -> StageSetting:
        """Return the stage as it was just fitted."""
        return cls(stage, fit.zero_deg, fit.play_deg.value, fit.least.value, fit.largest.value)

    @classmethod
    def of_results(cls, stage: int, procedure: LabProcedure) -> StageSetting:
        """Return the stage by the last calibration. Raises `StoreError` where there is none."""

        def result(what: str) -> NamedResult:
            return procedure.on_bench.result(f"network.stage{stage}_{what}")

        zero, largest, extinction = result("zero_deg"), result("largest_tap").value, result("extinction").value
        estimate = Estimate(zero.value, zero.sigma, zero.unit, zero.convention)
        return cls(stage, estimate, result("play_deg").value, extinction * largest, largest)


class NetworkSettings:
    """Sets shares of the light on the sensors of a table. The caller holds the loops that a change of the light would
    disturb; with `homed` mounts and larger taps than before no sensor that is lit gets less meanwhile."""

    def __init__(self, procedure: LabProcedure, stages: Sequence[StageSetting]) -> None:
        self._procedure = procedure
        self._stages = {stage.stage: stage for stage in stages}

    @classmethod
    def of(cls, procedure: LabProcedure) -> NetworkSettings:
        """Return the settings by the last calibration, see `network_weights`. Raises `StoreError` where there is none,
        `ConfigurationError` where a stage has no mount."""
        sensors = procedure.on_bench.station.file.station.sensors
        require_mounts(procedure)
        return cls(procedure, [StageSetting.of_results(stage, procedure) for stage in range(1, sensors)])

    def set_weights(self, weights: ArrayLike) -> dict[int, float]:
        """Share the light by `weights` (M,), which add to 1; the last stage turns first. Return the angle of each stage
        that got light. Raises `LimitError` where a stage cannot, before anything turns."""
        w = checked_weights(weights, len(self._stages) + 1)
        angles = {}
        for stage, tap in wanted_taps(w).items():
            angles[stage] = self._stages[stage].angle_deg(tap)
        for stage in sorted(angles, reverse=True):
            self.turn(stage, angles[stage])
        return angles

    def turn(self, stage: int, angle_deg: float) -> None:
        """Turn one stage to an angle, from below. It runs up only where it does not come from below already, so that a
        larger tap is reached without a smaller one on the way."""
        mount = self._procedure.on_bench.station.rotators[self._stages[stage].mount]
        if not LEAST_RUN_DEG < angle_deg - mount.angle_deg() < PERIOD_DEG / 2:
            mount.move_to(angle_deg - RUN_UP_DEG)
        mount.move_to(angle_deg)


def require_mounts(procedure: LabProcedure) -> None:
    """Raise `ConfigurationError` where a stage of the network has no rotator."""
    station = procedure.on_bench.station
    missing = [f"network{k}" for k in range(1, station.file.station.sensors) if f"network{k}" not in station.rotators]
    if missing:
        raise ConfigurationError(
            f"This station has no rotator {missing[0]}: its light is shared by hand.",
            remedy=f"Add [rotators.{missing[0]}], or leave this step out.",
        )


def equal_weights(sensors: int, lit: int) -> NDArray[np.float64]:
    """Return equal shares among the first `lit` of `sensors`, (M,)."""
    return np.where(np.arange(sensors) < lit, 1.0 / lit, 0.0)


def checked_weights(weights: ArrayLike, sensors: int) -> NDArray[np.float64]:
    """Return weights (M,) that add to 1 exactly. Raises `ConfigurationError` for any others."""
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (sensors,) or not np.isfinite(w).all() or (w < 0.0).any() or abs(w.sum() - 1.0) > LARGEST_SUM_ERROR:
        raise ConfigurationError(
            f"The weights {w.tolist()} are not {sensors} shares that add to 1.", remedy="Give one for each sensor."
        )
    return np.asarray(w / w.sum())


def wanted_taps(weights: NDArray[np.float64]) -> dict[int, float]:
    """Return the tap of each stage, w_k / (1 - sum of w before), by number from 1; without those that get no light."""
    left = np.cumsum(weights[::-1])[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        taps = tap_reflectivities(weights)
    return {k: float(taps[k - 1]) for k in range(1, len(weights)) if left[k - 1] > NO_LIGHT}
