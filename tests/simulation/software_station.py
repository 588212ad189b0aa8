"""Station files whose first homodyne loop labctl closes itself, on the shipped simulated table."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text

RATE_HZ = 50.0
UNITY_GAIN_HZ = 3.0
MONITOR = {"kind": "monitor", "name": "lo1"}
SLOW_OUTPUT = {"kind": "slow_output", "instrument": "scan", "pin": "AOUT0", "offset": 0.9, "gain": 5.0}
PIEZO = {"kind": "piezo"}
FAST_INPUT = {"kind": "fast_input", "instrument": "spare", "input": 2, "range": "LV", "offset": 0.1, "gain": 0.5}

_TEXT = station_text(Path(__file__).parents[2] / "config" / "simulated.toml")
_SPARE_BOARD = {"driver": "redpitaya-125-14", "address": "TCPIP::10.0.0.9::5000::SOCKET", "model": "REDPITAYA"}
_METER = {"driver": "thorlabs-pm100", "address": "TCPIP::10.0.0.3::5025::SOCKET", "model": "PM100D"}


def software_station(
    seed: int = 1,
    source: dict[str, Any] = MONITOR,
    output: dict[str, Any] = SLOW_OUTPUT,
    *,
    quadrature: str = "+pi/2",
    unity_gain_hz: float = UNITY_GAIN_HZ,
    backend: dict[str, Any] | None = None,
    **servo: Any,
) -> StationFile:
    """Return the station; `servo` are further keys of the servo's table."""
    content = json.loads(_TEXT)
    content["backend"] |= {"seed": seed, "scenario": "delays"} | (backend or {})
    if source["kind"] == "fast_input":
        content["instruments"]["spare"] = _SPARE_BOARD
    if source["kind"] == "power_meter":
        content["instruments"]["meter"] = _METER
        content["power_meters"]["probe"] = {
            "instrument": "meter",
            "minimum_wavelength": 1.5e-6,
            "maximum_wavelength": 1.6e-6,
        }
    content["loops"]["lo1"] |= {
        "unity_gain": unity_gain_hz,
        "quadrature": quadrature,
        "servo": {"kind": "software", "input": source, "output": output, "rate": RATE_HZ} | servo,
    }
    return StationFile.model_validate(copy.deepcopy(content))
