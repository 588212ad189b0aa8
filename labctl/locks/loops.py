"""The loops of a station, built from its file."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import ConfigurationError
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.source import LengthLock, PumpPhaseLock
from labctl.locks.watch import Loop
from labctl.station.roles import Monitor
from labctl.station.station import Station


@dataclass(frozen=True)
class Loops:
    """Locks of one table.

    A loop that the table does not have raises `ConfigurationError` when it is asked for.
    """

    by_name: dict[str, Loop]

    @property
    def source(self) -> list[Loop]:
        """Return the loops of the source, in the order in which they are locked."""
        return [loop for loop in self.by_name.values() if not isinstance(loop, HomodyneLock)]

    @property
    def homodyne(self) -> list[HomodyneLock]:
        """Return the homodyne loops, in the order of their sensors."""
        return [loop for loop in self.by_name.values() if isinstance(loop, HomodyneLock)]

    @property
    def on_fringe(self) -> frozenset[str]:
        """Return the names of the loops whose witness is a fringe signal (0 when locked) and not a level (1 when
        locked)."""
        return frozenset(loop.name for loop in self.homodyne)

    def of_sensor(self, sensor: int) -> HomodyneLock:
        """Return the homodyne loop of one sensor, counted from 1."""
        loops = self.homodyne
        if not 1 <= sensor <= len(loops):
            raise ConfigurationError(
                f"This station has no homodyne loop of sensor {sensor}.", remedy=f"It has {len(loops)}."
            )
        return loops[sensor - 1]


def build_loops(station: Station) -> Loops:
    """Return the loops of a station, each after those that it needs."""
    file = station.file
    loops: dict[str, Loop] = {}
    homodyne: list[tuple[int, HomodyneLock]] = []
    for name in file.loops_in_order:
        entry = file.loops[name]
        witness = _witness(station, name, entry.witness)
        if isinstance(entry, HomodyneLoop):
            quadrature = 1 if entry.quadrature == "+pi/2" else -1
            lock = HomodyneLock(
                name,
                station.servos[name],
                witness,
                station.clock,
                quadrature=quadrature,
                unity_gain_hz=entry.unity_gain,
            )
            homodyne.append((entry.sensor, lock))
        elif entry.kind == "opa_length":
            loops[name] = LengthLock(
                name, station.servos[name], station.scan, witness, station.clock, unity_gain_hz=entry.unity_gain
            )
        else:
            loops[name] = PumpPhaseLock(
                name, station.servos[name], witness, station.clock, unity_gain_hz=entry.unity_gain
            )
    loops |= {lock.name: lock for _, lock in sorted(homodyne, key=lambda item: item[0])}
    return Loops(loops)


def _witness(station: Station, loop: str, name: str | None) -> Monitor:
    if name is None:
        raise ConfigurationError(
            f"[loops.{loop}] has no witness.", remedy="Name the [monitors] entry that shows the lock."
        )
    return station.monitors[name]
