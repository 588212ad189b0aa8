"""The loops of a station, built from its file."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.configuration.station_file import CavityLoop, HomodyneLoop
from labctl.errors import ConfigurationError
from labctl.locks.cavity_loops import cavity_lock
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.loop import Loop
from labctl.locks.opa_length import LengthLock
from labctl.locks.pump_phase import PumpPhaseLock
from labctl.locks.sensor_cavity import CavityLock
from labctl.locks.servo_loop import ServoLoop
from labctl.locks.supervisor import Supervisor
from labctl.station.bindings.environment import read_ahead
from labctl.station.roles import Monitor
from labctl.station.station import Station


@dataclass(frozen=True)
class Loops:
    """Locks of one table.

    A loop that the table does not have raises `ConfigurationError` when it is asked for.
    """

    by_name: dict[str, Loop]

    @property
    def source(self) -> list[ServoLoop]:
        """Return the loops of the source, in the order in which they are locked."""
        return [loop for loop in self.by_name.values() if isinstance(loop, LengthLock | PumpPhaseLock)]

    @property
    def homodyne(self) -> list[HomodyneLock]:
        """Return the homodyne loops, in the order of their sensors."""
        return [loop for loop in self.by_name.values() if isinstance(loop, HomodyneLock)]

    @property
    def on_probe(self) -> list[str]:
        """Return the names of the loops that the light on the sensors keeps: cavities and homodyne phases."""
        return [loop.name for loop in self.by_name.values() if isinstance(loop, CavityLock | HomodyneLock)]

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
        if isinstance(entry, CavityLoop):
            loops[name] = cavity_lock(station, name, _seed(station))
            continue
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
                name,
                station.servos[name],
                station.scan,
                witness,
                station.clock,
                unity_gain_hz=entry.unity_gain,
                seed=_seed(station),
            )
        elif entry.kind == "pump_phase":
            loops[name] = PumpPhaseLock(
                name, station.servos[name], witness, station.clock, unity_gain_hz=entry.unity_gain
            )
    loops |= {lock.name: lock for _, lock in sorted(homodyne, key=lambda item: item[0])}
    return Loops(loops)


def build_supervisor(station: Station, loops: Loops) -> Supervisor:
    """Return who looks after the loops of a station; nothing is looked at before somebody asks for a lock."""
    entries = station.file.loops
    witness = {name: monitor for name in loops.by_name if (monitor := entries[name].witness) is not None}
    return Supervisor(
        loops.by_name,
        {name: entries[name].needs for name in loops.by_name},
        station.clock,
        period_s=station.file.supervisor.period,
        relocks_per_hour={name: entries[name].relocks_per_hour for name in loops.by_name},
        read_ahead=lambda names: read_ahead(station.monitors[witness[name]] for name in names if name in witness),
    )


def _witness(station: Station, loop: str, name: str | None) -> Monitor:
    if name is None:
        raise ConfigurationError(
            f"[loops.{loop}] has no witness.", remedy="Name the [monitors] entry that shows the lock."
        )
    return station.monitors[name]


def _seed(station: Station) -> Monitor | None:
    """Return the monitor of the seed behind the cavity: the witness of the pump phase."""
    for loop in station.file.loops.values():
        if loop.kind == "pump_phase" and loop.witness is not None:
            return station.monitors[loop.witness]
    return None
