"""Stations for any number of sensors on the simulated table, as `labctl init --sensors` writes them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import numpy as np
from ideal_table import OpenTable, lock_homodyne, lock_source, open_table
from numpy.typing import NDArray

from labctl.configuration.station_file import StationFile
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.configuration.templates import template_directory

Draw = Callable[..., NDArray[np.float64]]


def content_for(sensors: int, seed: int = 1, scenario: str = "ideal") -> dict[str, Any]:
    """Return the content of a station file for so many sensors."""
    shipped = (template_directory() / "table.toml").read_text(encoding="utf-8")
    simulated = {"backend": {"kind": "simulated", "seed": seed, "scenario": scenario}}
    return tomllib.loads(table_of_sensors(shipped, sensors)) | simulated


def station_for(sensors: int, seed: int = 1, scenario: str = "ideal") -> StationFile:
    """Return the station file for so many sensors."""
    return StationFile.model_validate(content_for(sensors, seed, scenario))


def locked_table_for(sensors: int, seed: int, scenario: str = "ideal") -> OpenTable:
    """Open a table of so many sensors that somebody who knows its truth has locked."""
    opened = open_table(station_for(sensors, seed, scenario))
    lock_source(opened.table)
    lock_homodyne(opened.table)
    return opened


def keep_draws(opened: OpenTable) -> list[NDArray[np.float64]]:
    """Return a list that gets every record of all detectors that the table draws from now on."""
    drawn: list[NDArray[np.float64]] = []
    draw: Draw = opened.table.detectors.records

    def draw_and_keep(*arguments: Any) -> NDArray[np.float64]:
        drawn.append(draw(*arguments))
        return drawn[-1]

    opened.table.detectors.records = draw_and_keep  # type: ignore[method-assign]
    return drawn
