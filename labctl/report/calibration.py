"""Tables of what was calibrated: one column a sensor, and what belongs to the table as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.wording import shown_result, shown_unit

SENSORS_PER_BLOCK = 6  # columns that fit the page

_SENSOR_QUANTITIES = (
    ("f0_hz", "Resonance frequency f₀", "Hz"),
    ("gamma_hz", "Damping rate Γ, FWHM", "Hz"),
    ("peak_to_shot", "Thermal peak A over shot noise", ""),
    ("individual_db", "Noise beside the mode, analyzer", "dB"),
    ("marginal_db", "Noise alone, records (marginal)", "dB"),
    ("conditional_db", "Noise given the others (conditional)", "dB"),
    ("clearance_db", "Shot noise over dark noise", "dB"),
    ("visibility", "Homodyne visibility", ""),
    ("lock_residual_rad", "Residual phase of the lock, rms", "rad"),
)
_TABLE_QUANTITIES = (
    ("oven.temperature_c", "Crystal temperature", "degC"),
    ("source.pump_parameter", "Pump amplitude over threshold x", ""),
    ("source.parametric_gain", "Parametric gain of the seed", ""),
    ("source.squeezing_db", "Squeezing of the source", "dB"),
    ("network.channel_efficiency", "Channel efficiency", ""),
    ("joint.clearance_db", "Shot noise over dark noise, sum", "dB"),
)


@dataclass(frozen=True)
class Cell:
    """A value ± sigma, or why there is none."""

    text: str
    missing: str = ""


@dataclass(frozen=True)
class Row:
    """One quantity: its unit as shown and a cell for each column."""

    quantity: str
    unit: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Block:
    """Some sensors side by side."""

    sensors: tuple[int, ...]
    rows: tuple[Row, ...]


def sensor_blocks(run: RunContents) -> list[Block]:
    """The calibration of every sensor, so many columns at a time; empty when the run knows no sensor."""
    groups = [run.sensors[i : i + SENSORS_PER_BLOCK] for i in range(0, len(run.sensors), SENSORS_PER_BLOCK)]
    return [Block(group, tuple(_sensor_row(run, group, *entry) for entry in _SENSOR_QUANTITIES)) for group in groups]


def table_rows(run: RunContents) -> list[Row]:
    """What belongs to no single sensor, and every further result that no table of this report has a place for."""
    known = [Row(label, shown_unit(unit)[0], (_cell(run, name, unit),)) for name, label, unit in _TABLE_QUANTITIES]
    return [*known, *(_other_row(run, name) for name in _unplaced(run))]


def _sensor_row(run: RunContents, sensors: Sequence[int], suffix: str, label: str, unit: str) -> Row:
    return Row(label, shown_unit(unit)[0], tuple(_cell(run, f"sensor{n}.{suffix}", unit) for n in sensors))


def _cell(run: RunContents, name: str, unit: str) -> Cell:
    result = run.results.get(name)
    if result is None:
        return Cell("", why_missing(name, run))
    text, found_unit = shown_result(result)
    return Cell(text if result.unit == unit else f"{text} {found_unit}")


def _other_row(run: RunContents, name: str) -> Row:
    text, unit = shown_result(run.results[name])
    return Row(name, unit, (Cell(text),))


def _unplaced(run: RunContents) -> list[str]:
    placed = {name for name, _, _ in _TABLE_QUANTITIES}
    placed |= {f"sensor{n}.{suffix}" for n in run.sensors for suffix, _, _ in _SENSOR_QUANTITIES}
    placed |= {"joint.raw_db", "joint.digital_db", "joint.rephased_db", "individual.mean_db"}
    return sorted(set(run.results) - placed)
