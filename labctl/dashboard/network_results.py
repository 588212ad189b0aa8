"""What the results of a run say of the network: levels relative to shot noise, advantage, RMSE, weights.

A level is current only while the detector's clearance over its dark noise exceeds 10 dB and every lock that it needs is
locked now; otherwise it is kept, with the reason why it is in doubt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from labctl.bus.messages import LoopRow, ResultRow
from labctl.physics.sensing import rmse

LEAST_CLEARANCE_DB: Final = 10.0
STALE: Final = "STALE"
NEPER: Final = 10.0 / math.log(10.0)
"""A relative change of power, in dB."""
SOURCE_KINDS: Final = frozenset({"opa_length", "pump_phase"})

SeriesName = Literal["marginal", "individual", "conditional", "raw", "digital", "rephased", "source"]


@dataclass(frozen=True)
class Series:
    """A kind of level: the result it is from, with `{n}` for the sensor, and how it is called."""

    name: SeriesName
    result: str
    short: str
    long: str


OF_A_SENSOR: Final = (
    Series("marginal", "sensor{n}.marginal_db", "marginal", "one sensor alone, records"),
    Series("individual", "sensor{n}.individual_db", "individual", "one sensor alone, analyzer"),
    Series("conditional", "sensor{n}.conditional_db", "conditional", "one sensor given the others"),
)
OF_ALL: Final = (
    Series("raw", "joint.raw_db", "raw", "hardware sum, analyzer"),
    Series("digital", "joint.digital_db", "digital", "sum of records, equal weights"),
    Series("rephased", "joint.rephased_db", "re-phased", "sum of records, complex weights"),
    Series("source", "source.squeezing_db", "source", "source before losses"),
)
INDIVIDUAL_MEAN: Final = "individual.mean_db"
_SENSOR: Final = re.compile(r"sensor([1-9][0-9]*)\.(.+)")
_SENSOR_LEVEL: Final = re.compile(r"sensor([1-9][0-9]*)\.(?:marginal|individual|conditional)_db")
_LEVELS_OF_ALL: Final = frozenset({INDIVIDUAL_MEAN, *(series.result for series in OF_ALL)})
_NATURAL: Final = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Level:
    """A noise level in dB relative to shot noise, of a sensor or (0) of all; `doubt`: why it does not hold now."""

    series: Series
    sensor: int
    result: ResultRow
    doubt: str


@dataclass(frozen=True)
class Advantage:
    """How far the joint noise is below that of one sensor, in dB, with `sensors` M."""

    series: Series
    sensors: int
    value: float
    sigma: float
    doubt: str


@dataclass(frozen=True)
class Line:
    """A number of the network and how it is called; nan where it was not measured."""

    label: str
    value: float
    sigma: float
    unit: str
    doubt: str = ""
    note: str = ""


class Doubts:
    """Says why a level does not hold now; `is_stale` tells of a loop whether its last look is too old."""

    def __init__(
        self, results: Mapping[str, ResultRow], loops: Sequence[LoopRow], is_stale: Callable[[LoopRow], bool]
    ) -> None:
        self._results = results
        self._sensors = sensors_in(results)
        self._homodynes = [loop for loop in loops if loop.kind == "homodyne"]
        self._source = [loop for loop in loops if loop.kind in SOURCE_KINDS]
        self._fault = {loop.name: _fault(loop, is_stale(loop)) for loop in (*self._source, *self._homodynes)}

    def of(self, name: str) -> str:
        """Return why the level of that name does not hold now, "" where it does or where it is no level."""
        found = _SENSOR_LEVEL.fullmatch(name)
        if found is None and name not in _LEVELS_OF_ALL:
            return ""
        sensor = int(found[1]) if found else 0
        # What is conditioned on the others needs the locks of all.
        only = sensor if sensor and not name.endswith(".conditional_db") else 0
        return self._of_locks(only) or self._of_clearance(name, sensor)

    def _of_locks(self, sensor: int) -> str:
        homodynes = [loop for loop in self._homodynes if sensor in (0, loop.sensor)]
        if not homodynes:
            return f"no homodyne lock of sensor {sensor} is known" if sensor else "the locks are not known"
        bad = [loop.name for loop in (*self._source, *homodynes) if self._fault[loop.name]]
        if len(bad) == 1:
            return self._fault[bad[0]]
        if len(bad) > 1:
            shown = ", ".join(name.upper() for name in bad[:3])
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            all_stale = all(self._fault[name].endswith(STALE) for name in bad)
            return f"{shown}{more} are {STALE if all_stale else 'not locked'}"
        return ""

    def _of_clearance(self, name: str, sensor: int) -> str:
        if sensor:
            names = [f"sensor{sensor}.clearance_db"]
        elif name.startswith("joint."):
            names = ["joint.clearance_db"]
        else:
            names = [f"sensor{n}.clearance_db" for n in self._sensors] or ["joint.clearance_db"]
        for clearance in names:
            place = "the sum" if clearance.startswith("joint.") else f"sensor {_SENSOR.fullmatch(clearance)[1]}"  # type: ignore[index]
            found = self._results.get(clearance)
            if found is None or math.isnan(found.value):
                return f"the clearance of {place} is not measured"
            if not found.value > LEAST_CLEARANCE_DB:
                return f"the clearance of {place} is {found.value:.1f} dB, not above {LEAST_CLEARANCE_DB:.0f} dB"
        return ""


def _fault(loop: LoopRow, is_stale: bool) -> str:
    if is_stale:
        return f"{loop.name.upper()} is {STALE}"
    return "" if loop.state == "locked" else f"{loop.name.upper()} is not locked ({loop.state})"


def by_name(rows: Sequence[ResultRow]) -> dict[str, ResultRow]:
    """Return the results by name, in natural order: sensor2 before sensor10."""
    return {row.name: row for row in sorted(rows, key=lambda row: natural(row.name))}


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers in names as numbers."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _NATURAL.split(name))


def sensors_in(results: Mapping[str, ResultRow]) -> list[int]:
    """Return the sensors that the results name."""
    return sorted({int(found[1]) for name in results if (found := _SENSOR.fullmatch(name))})


def levels(results: Mapping[str, ResultRow], doubts: Doubts) -> tuple[Level, ...]:
    """Return all levels there are, sensor by sensor, then those of all."""
    wanted = [(series, n) for n in sensors_in(results) for series in OF_A_SENSOR] + [(series, 0) for series in OF_ALL]
    named = [(series, n, series.result.format(n=n)) for series, n in wanted]
    return tuple(
        Level(series, n, results[name], doubts.of(name)) for series, n, name in named if _is_measured(results, name)
    )


def advantages(results: Mapping[str, ResultRow], doubts: Doubts, sensors: int) -> tuple[Advantage, ...]:
    """Return the advantage of each joint level over the mean of one sensor alone; none where that was not measured."""
    if not _is_measured(results, INDIVIDUAL_MEAN) or sensors < 1:
        return ()
    alone = results[INDIVIDUAL_MEAN]
    found = []
    for series in OF_ALL[:3]:
        if _is_measured(results, series.result):
            joint = results[series.result]
            doubt = doubts.of(series.result) or doubts.of(INDIVIDUAL_MEAN)
            found.append(
                Advantage(series, sensors, alone.value - joint.value, math.hypot(_sigma(alone), _sigma(joint)), doubt)
            )
    return tuple(found)


def expected_advantage_db(joint_db: float, sensors: float) -> float:
    """Return the advantage in dB if a beam with that joint noise is split evenly over so many sensors.

    One output then shows 1 - (1 - V) / M of shot noise, V that of all together.
    """
    joint = 10.0 ** (joint_db / 10.0)
    return 10.0 * math.log10((1.0 - (1.0 - joint) / sensors) / joint)


def best_joint(results: Mapping[str, ResultRow]) -> ResultRow | None:
    """Return the joint level that lost least on its way: re-phased, else digital, else raw."""
    names = ("joint.rephased_db", "joint.digital_db", "joint.raw_db")
    return next((results[name] for name in names if _is_measured(results, name)), None)


def errors_of_the_mean(results: Mapping[str, ResultRow], doubts: Doubts, sensors: int) -> tuple[Line, ...]:
    """Return the RMSE sqrt(V / 4M) of the mean displacement, of every joint level and of sensors that share nothing."""
    wanted = [(series.result, f"{series.short} sum") for series in OF_ALL[:3]]
    wanted.append((INDIVIDUAL_MEAN, "each sensor for itself"))
    lines = []
    for name, label in wanted:
        if sensors >= 1 and _is_measured(results, name):
            row = results[name]
            value = float(rmse(10.0 ** (row.value / 10.0), float(sensors)))
            lines.append(Line(label, value, value * _sigma(row) / NEPER / 2.0, "", doubts.of(name), f"from {name}"))
    if lines:
        lines.append(Line("coherent light", float(rmse(1.0, float(sensors))), 0.0, "", note="shot noise, V = 1"))
    return tuple(lines)


def weights(results: Mapping[str, ResultRow]) -> tuple[Line, ...]:
    """Return the weights of the sensors in the sum; none where they were not measured."""
    return tuple(
        Line(f"sensor {n}", row.value, row.sigma, row.unit, note=row.convention)
        for n in sensors_in(results)
        if (row := results.get(f"sensor{n}.weight")) is not None
    )


def forces(results: Mapping[str, ResultRow]) -> tuple[Line, ...]:
    """Return everything about forces: results named force.* or sensorN.force_*."""
    found = []
    for name, row in results.items():
        of_sensor = _SENSOR.fullmatch(name)
        if name.startswith("force."):
            label = name.removeprefix("force.")
        elif of_sensor and of_sensor[2].startswith("force_"):
            label = f"sensor {of_sensor[1]} {of_sensor[2].removeprefix('force_')}"
        else:
            continue
        found.append(Line(label.replace("_", " "), row.value, row.sigma, row.unit, note=row.convention))
    return tuple(found)


def _is_measured(results: Mapping[str, ResultRow], name: str) -> bool:
    return name in results and math.isfinite(results[name].value)


def _sigma(row: ResultRow) -> float:
    return row.sigma if math.isfinite(row.sigma) else 0.0
