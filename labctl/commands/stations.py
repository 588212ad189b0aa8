"""Which station a command means, and the simulated table behind it with another seed or scenario."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.errors import ConfigurationError


def default_station() -> Path:
    """Return the shipped station file of the simulated table."""
    return template_directory() / "simulated.toml"


def on_simulated_table(file: StationFile, seed: int | None, scenario: str | None) -> StationFile:
    """Return the station on the simulated table, whatever its backend is, with another seed or scenario if given.

    Raises `ConfigurationError` on an unknown scenario.
    """
    before = file.backend.model_dump() if isinstance(file.backend, SimulatedBackend) else {"kind": "simulated"}
    changes = {key: value for key, value in (("seed", seed), ("scenario", scenario)) if value is not None}
    try:
        backend = SimulatedBackend.model_validate({**before, **changes})
    except ValidationError as error:
        raise ConfigurationError(
            f"There is no scenario {scenario!r}.", remedy="There are ideal, delays, jitter and loss."
        ) from error
    return file.model_copy(update={"backend": backend})
