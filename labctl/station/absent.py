"""A driver in the place of an instrument that did not open, so that a station without it can be left safe."""

from __future__ import annotations

from typing import Any, NoReturn

from pymeasure.adapters import Adapter

from drivers.base import Driver
from labctl.configuration.station_file import Instrument
from labctl.errors import LabError
from labctl.station.driver_registry import REGISTRY


def absent_driver(name: str, instrument: Instrument, error: LabError) -> Driver:
    """Return a driver of the right kind that has nobody to talk to: each use raises `error` at once, and none waits."""
    entry = REGISTRY[instrument.driver]
    return entry.driver(_Nobody(error), name=name, **entry.keywords(instrument))


class _Nobody(Adapter):  # type: ignore[misc]
    """A link whose every use raises what the opening raised."""

    def __init__(self, error: LabError) -> None:
        super().__init__()
        self._error = error

    def write(self, command: str, **kwargs: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    def read(self, **kwargs: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    def write_bytes(self, content: bytes, **kwargs: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    def read_bytes(self, count: int = -1, break_on_termchar: bool = False, **kwargs: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    def write_binary_values(self, command: str, values: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    def flush_read_buffer(self) -> None:
        """Do nothing: nothing came."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
