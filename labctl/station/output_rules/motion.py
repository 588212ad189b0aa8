"""What turns: picomotors of mirrors, and rotation mounts of wave plates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.base import Driver
from labctl.configuration.station_file import Rotator, StationFile
from labctl.station.gate import HourlyBudget, Rule, Rules
from labctl.station.limits import Limit

HOME_DEG: Final = 0.0


def mirror_rules(file: StationFile) -> Rules:
    """Return the rules of the picomotors: steps of one move, and of an hour."""
    limits = file.mirror_limits
    if limits is None:
        return
    most = limits.steps_per_move
    hourly = HourlyBudget(limits.steps_per_hour, "[mirror_limits] steps_per_hour")
    for name, mirror in file.mirrors.items():
        for tilt, axis in (("pitch", mirror.pitch), ("yaw", mirror.yaw)):
            limit = Limit(f"{tilt} of mirror {name}", -most, most, "steps", "[mirror_limits] steps_per_move")
            output = f"controller_{mirror.controller}.axis_{axis}.target_position"
            yield (mirror.instrument, output), Rule(limit, by_steps=True, hourly=hourly)


def rotator_rules(file: StationFile, drivers: Mapping[str, Driver]) -> Rules:
    """Return the rules of the rotation mounts: their angles, in degrees from home."""
    for name, entry in file.rotators.items():
        yield (
            (entry.instrument, f"rotator_{entry.address}.angle_deg"),
            Rule(angle_limit(name, entry), present=_angle_deg(entry, drivers)),
        )


def angle_limit(name: str, entry: Rotator) -> Limit:
    """Return the angles in degrees that a mount may be turned to."""
    return Limit(f"rotator {name}", HOME_DEG, entry.maximum_deg, "degrees", f"[rotators.{name}] maximum_deg")


def _angle_deg(entry: Rotator, drivers: Mapping[str, Driver]) -> Callable[[], float]:
    def present_deg() -> float:
        line: Any = drivers[entry.instrument]
        return float(line.rotators[entry.address].angle_deg)

    return present_deg
