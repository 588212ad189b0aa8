"""Results, calibrations and traces of runs, as rows, spectra and curves of the bus."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from labctl.bus.messages import CalibrationRow, ResultRow
from labctl.configuration.station_file import StationFile
from labctl.store.records import NamedResult

LABELS: Final[Mapping[str, str]] = {
    "f0_hz": "f₀",
    "gamma_hz": "Γ",
    "kappa_hz": "κ",
    "fsr_hz": "FSR",
    "g0_over_kappa": "g₀/κ",
    "visibility": "visibility",
    "visibility_after": "aligned",
    "finesse": "finesse",
    "lock_residual_rad": "phase rms",
    "clearance_db": "clearance",
    "parametric_gain": "gain",
    "pump_parameter": "pump σ",
    "squeezing_db": "squeezing",
}
"""Quantities that are calibrations, by the last part of the name of their result, with what a person calls them."""

LEAST_VISIBILITY: Final = 0.9  # of a fringe: less costs a decibel
LEAST_CLEARANCE_DB: Final = 10.0  # of shot over dark noise: what a squeezing is shown above
_SENSOR = re.compile(r"(?:sensor|cavity|lo)(\d+)$")


@dataclass(frozen=True)
class Measured:
    """A result with the run that gave it, and when, in wall time (s since the epoch)."""

    result: NamedResult
    run_id: str
    at: float


def result_rows(measured: Mapping[str, Measured]) -> list[ResultRow]:
    """Return every result by name."""
    return [
        ResultRow(one.result.name, one.result.value, one.result.sigma, one.result.unit, one.result.convention,
                  one.result.source, one.at)
        for _, one in sorted(measured.items())
    ]  # fmt: skip


def calibration_rows(measured: Mapping[str, Measured], file: StationFile) -> list[CalibrationRow]:
    """Return the results that are calibrations, with the window in which each may be used."""
    rows = []
    for name, one in sorted(measured.items()):
        system, _, quantity = name.rpartition(".")
        found = _SENSOR.match(system)
        if quantity not in LABELS or not (found or system == "source"):
            continue
        sensor = int(found[1]) if found else 0
        low, high = _window(sensor, quantity, file)
        result = one.result
        rows.append(
            CalibrationRow(
                sensor=sensor,
                quantity=quantity.removesuffix("_hz"),
                label=LABELS[quantity],
                value=result.value,
                sigma=result.sigma,
                unit=result.unit,
                low=low,
                high=high,
                measured_at=one.at,
                step=result.source,
                run_id=one.run_id,
                convention=result.convention,
            )
        )
    return rows


def _window(sensor: int, quantity: str, file: StationFile) -> tuple[float, float]:
    """Return where a calibrated quantity should be; nan where nobody says."""
    match quantity:
        case "f0_hz" if 1 <= sensor <= len(file.sensors):
            entry = file.sensors[sensor - 1]
            return entry.resonance - 0.5 * entry.search_span, entry.resonance + 0.5 * entry.search_span
        case "visibility" | "visibility_after":
            return LEAST_VISIBILITY, 1.0
        case "clearance_db":
            return LEAST_CLEARANCE_DB, math.nan
        case _:
            return math.nan, math.nan
