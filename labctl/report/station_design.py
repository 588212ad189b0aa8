"""What the station file of a run states of the table: the design of its sensors and what its light passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labctl.configuration.station_file import Detectors, Membranes, Sensor
from labctl.store.records import Manifest
from labctl.store.station_text import parsed_station

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class StationDesign:
    """The stated parts; None, or no sensors, where the run kept no such station file."""

    membranes: Membranes | None
    detectors: Detectors | None
    sensors: tuple[Sensor, ...]


def station_design(manifest: Manifest) -> StationDesign:
    """Read what a run's station file states; what it does not state is None."""
    text = parsed_station(manifest.station_file)
    listed = text.get("sensors")
    read = [_read(Sensor, entry) for entry in listed] if isinstance(listed, list) else []
    return StationDesign(
        _read(Membranes, text.get("membranes")),
        _read(Detectors, text.get("detectors")),
        tuple(sensor for sensor in read if sensor is not None),
    )


def _read(model: type[Model], entry: Any) -> Model | None:
    try:
        return model.model_validate(entry)
    except ValidationError:
        return None
