"""What may go wrong on a simulated table besides its instruments: knocks, drifts, and light that changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from labctl.configuration.faults import Allowed
from labctl.configuration.quantities import (
    Duration,
    PositiveDuration,
    PositiveFrequency,
    PositiveLength,
    PositiveTemperatureDifference,
)
from labctl.configuration.tables import PositiveNumber, SensorNumber, Table

Share = Annotated[float, Field(gt=0, le=1), Allowed("a number above 0 and up to 1")]


class Occasional(Table):
    """Once, `after` s of lab time; or with `every` again and again from then on, at random, that many s apart in the
    mean."""

    after: Duration = 0.0
    every: PositiveDuration | None = None


class Kicks(Occasional):
    """Somebody knocks the table: every path and the source cavity jump and mostly come back; `strength` 1 moves a path
    by 1.5 rad rms and the cavity by 3 nm."""

    kind: Literal["kicks"]
    strength: PositiveNumber = 1.0


class DoorSlam(Occasional):
    """A hard knock, and three seconds in which everything shakes five times as much."""

    kind: Literal["door_slam"]


class ModeHop(Occasional):
    """The laser jumps by `jump` Hz, up or down: resonances move, and phases of paths that differ in length."""

    kind: Literal["mode_hop"]
    jump: PositiveFrequency = 1.2e9


class PowerDrop(Occasional):
    """The laser gives `share` of its power for `lasting` s."""

    kind: Literal["power_drop"]
    share: Share = 0.8
    lasting: PositiveDuration = 60.0


class OvenDrift(Table):
    """The crystal leaves the temperature of its sensor, evenly, by `per_hour` K an hour."""

    kind: Literal["oven_drift"]
    after: Duration = 0.0
    per_hour: PositiveTemperatureDifference = 0.05


class PathDrift(Table):
    """The local-oscillator path of one sensor, or of all, drifts by `rad_per_s`."""

    kind: Literal["path_drift"]
    after: Duration = 0.0
    sensor: SensorNumber | None = None
    rad_per_s: PositiveNumber = 0.8


class CavityDrift(Table):
    """The sensor cavities grow or shrink, each at a steady rate of its own: `per_minute` m rms."""

    kind: Literal["cavity_drift"]
    after: Duration = 0.0
    per_minute: PositiveLength = 3e-9


class MembraneDoublet(Table):
    """The membrane of `sensor` shows the second member of its degenerate pair, `split` Hz away, with `share` of its
    height."""

    kind: Literal["membrane_doublet"]
    sensor: SensorNumber
    split: PositiveFrequency = 400.0
    share: Share = 0.15


class DyingPhotodiode(Table):
    """One photodiode of the detector of `sensor` loses quantum efficiency, to 1/e in `lifetime` s."""

    kind: Literal["dying_photodiode"]
    sensor: SensorNumber
    after: Duration = 0.0
    lifetime: PositiveDuration = 7200.0


Disturbance = Annotated[
    Kicks | DoorSlam | ModeHop | PowerDrop | OvenDrift | PathDrift | CavityDrift | MembraneDoublet | DyingPhotodiode,
    Field(discriminator="kind"),
]
Disturbances = Annotated[tuple[Disturbance, ...], Field(strict=False, max_length=64), Allowed("a list of disturbances")]
