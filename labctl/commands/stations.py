"""Which station a command means, and the simulated table behind it with another seed or scenario."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from labctl.configuration.fault_arguments import fault_entry, with_faults
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import copy_templates, template_directory
from labctl.configuration.toml_reading import station_text
from labctl.errors import ConfigurationError


def default_station() -> Path:
    """Return the shipped station file of the simulated table."""
    return template_directory() / "simulated.toml"


@contextmanager
def files_of_sensors(sensors: int | None) -> Iterator[Path | None]:
    """Yield a folder with station file and recipe for a simulated table of so many sensors; None where none is asked
    for. It is gone after the block.

    Raises `ConfigurationError` for a number that a table cannot have.
    """
    if sensors is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="labctl-") as folder:
        copy_templates(Path(folder), sensors)
        yield Path(folder)


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


def as_asked(file: StationFile, seed: int | None, scenario: str | None, faults: Sequence[str]) -> StationFile:
    """Return the station with another seed or scenario, and with more faults, if given.

    Raises `ConfigurationError` on a real table that is given a seed or a scenario, on an unknown scenario, and on
    faults that cannot be.
    """
    if seed is None and scenario is None:
        return with_faults(file, faults)
    if not isinstance(file.backend, SimulatedBackend):
        raise ConfigurationError(
            "Only the simulated table has a seed and a scenario.", remedy="Leave --seed and --scenario out."
        )
    return on_simulated_table(file, seed, scenario, faults)


def text_of(station: Path, seed: int | None, scenario: str | None, faults: Sequence[str]) -> str:
    """Return a station file as one text with nothing left to look up, changed as `as_asked` does."""
    text = json.loads(station_text(station))
    if faults:
        text["backend"]["faults"] = [*text["backend"].get("faults", []), *map(fault_entry, faults)]
    text["backend"] |= {key: value for key, value in (("seed", seed), ("scenario", scenario)) if value is not None}
    return json.dumps(text, indent=1, sort_keys=True)
