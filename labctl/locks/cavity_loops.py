"""The length loops of a station's sensor cavities, built from its file."""

from __future__ import annotations

from labctl.configuration.station_file import CavityLoop
from labctl.errors import ConfigurationError
from labctl.locks.sensor_cavity import CavityLock
from labctl.station.roles import Monitor
from labctl.station.station import Station


def cavity_lock(station: Station, name: str, seed: Monitor | None) -> CavityLock:
    """Return the lock of one cavity of a station; `seed` shows the light that the probe follows.

    Raises `ConfigurationError` where the file has no such loop, or no wavelength.
    """
    entry, light = station.file.loops.get(name), station.file.light
    if not isinstance(entry, CavityLoop):
        raise ConfigurationError(f"This station has no loop of a cavity {name}.", remedy="Add it to [loops].")
    if light is None:
        raise ConfigurationError("A cavity's length is told by the wavelength.", remedy="Add [light].")
    return CavityLock(
        name,
        station.cavity_piezos[name],
        station.monitors[entry.witness],
        seed,
        station.clock,
        rest_v=entry.bias,
        wavelength_m=light.wavelength,
        amplitude_m=entry.servo.amplitude,
        period_s=entry.servo.period_s,
    )
