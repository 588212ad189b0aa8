"""The tunable laser on the sensor cavities: loops held meanwhile, light off and loops asked for again on every way
out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.errors import ConfigurationError, LabError
from labctl.locks.sensor_cavity import CavityLock
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S
from labctl.station.bindings.environment import read_ahead
from labctl.station.roles import TunableLaser
from procedures.base import LabProcedure


@dataclass(frozen=True)
class Cavity:
    """One cavity of the station: its sensor from 1, its loop, and the monitor of the light behind it by name."""

    sensor: int
    loop: CavityLock
    witness: str


def cavity_of(procedure: LabProcedure, sensor: int) -> Cavity:
    """Return the cavity of one sensor. Raises `ConfigurationError` where the station has no loop for it."""
    bench = procedure.on_bench
    for name, entry in bench.station.file.loops.items():
        loop = bench.loops.by_name.get(name)
        if entry.kind == "cavity" and entry.sensor == sensor and isinstance(loop, CavityLock):
            return Cavity(sensor, loop, entry.witness)
    raise ConfigurationError(
        f"This station has no loop for the cavity of sensor {sensor}.",
        remedy='Add a loop with kind = "cavity" to [loops].',
    )


def wavelength_m(procedure: LabProcedure) -> float:
    """Return the wavelength of the table's own light, in m. Raises `ConfigurationError` without one."""
    light = procedure.on_bench.station.file.light
    if light is None:
        raise ConfigurationError("A cavity's length is told by the wavelength.", remedy="Add [light].")
    return light.wavelength


def metres(frequency_hz: float) -> float:
    """Return the wavelength in vacuum of an optical frequency, in m."""
    return SPEED_OF_LIGHT_M_PER_S / float(frequency_hz)


def light_behind(procedure: LabProcedure, cavities: Sequence[Cavity], readings: int) -> NDArray[np.float64]:
    """Return the light behind every cavity in V, (cavities,), each the mean of `readings` taken together."""
    monitors = [procedure.on_bench.station.monitors[cavity.witness] for cavity in cavities]
    seen = np.empty((readings, len(monitors)))
    for row in seen:
        read_ahead(monitors)
        row[:] = [monitor.volts() for monitor in monitors]
    return np.asarray(seen.mean(axis=0))


@contextmanager
def held(procedure: LabProcedure) -> Iterator[None]:
    """Hold every loop that the light on the sensors keeps, for the laser shines on all of them, within the block; then
    lock what was wanted before again.

    After an error or a stop they are only asked for: they are locked while time goes on.
    """
    supervisor = procedure.on_bench.supervisor
    names = supervisor.that_need(procedure.on_bench.loops.on_probe)
    again = [name for name in names if supervisor.machines[name].wanted]
    supervisor.hold(names, "The laser measures the length.")
    try:
        yield
    except BaseException:
        supervisor.request(again)
        raise
    supervisor.bring_up(again, procedure.wait)


@contextmanager
def shining(procedure: LabProcedure, at_m: float, power_w: float) -> Iterator[TunableLaser]:
    """Let the laser shine at the wavelength `at_m` within the block; afterwards it is off, and tuned as it was."""
    laser = procedure.on_bench.station.laser
    before_m = laser.wavelength_m()
    try:
        laser.tune(at_m)
        laser.set_power(power_w)
        laser.switch_on()
        yield laser
    except BaseException:
        with suppress(LabError):  # the error that brought us here is the one to tell
            laser.switch_off()
            laser.tune(before_m)
        raise
    laser.switch_off()
    with suppress(LabError):  # somebody may have left it outside its limits
        laser.tune(before_m)
