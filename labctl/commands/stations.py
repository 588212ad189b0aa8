"""Which station a command means, and the simulated table behind it with another seed or scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from labctl.configuration.fault_arguments import with_faults
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.errors import ConfigurationError


def default_station() -> Path:
    """Return the shipped station file of the simulated table."""
    return template_directory() / "simulated.toml"


def on_simulated_table(
    file: StationFile, seed: int | None, scenario: str | None, faults: Sequence[str] = ()
) -> StationFile:
    """Return the station on the simulated table, whatever its backend is, with another seed or scenario if given, and
    with more `faults` as the command line writes them.

    Raises `ConfigurationError` on an unknown scenario, and on faults that cannot be.
    """
    before = file.backend.model_dump() if isinstance(file.backend, SimulatedBackend) else {"kind": "simulated"}
    changes = {key: value for key, value in (("seed", seed), ("scenario", scenario)) if value is not None}
    try:
        backend = SimulatedBackend.model_validate({**before, **changes})
    except ValidationError as error:
        raise ConfigurationError(
            f"There is no scenario {scenario!r}.", remedy="There are ideal, delays, jitter and loss."
        ) from error
    return with_faults(file.model_copy(update={"backend": backend}), faults)
