"""Tonight against the nights before: mean and spread of each result, and where tonight lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.report.contents import RunContents
from labctl.report.sections import Cell, Finding, Section, Table, columns, shown
from labctl.report.wording import Mark

FEWEST_NIGHTS = 3  # fewer have no spread
USUAL_SPREADS, RARE_SPREADS = 2.0, 3.0

TABLE_RESULTS = (
    ("joint.raw_db", "Hardware sum"),
    ("joint.digital_db", "Sum of records"),
    ("joint.rephased_db", "Re-phased sum"),
    ("joint.missing_db", "Missing in the sum"),
    ("individual.mean_db", "One sensor alone"),
    ("source.squeezing_db", "Squeezing of the source"),
    ("source.pump_parameter", "Pump parameter"),
    ("source.parametric_gain", "Parametric gain"),
    ("network.channel_efficiency", "Channel efficiency"),
    ("joint.clearance_db", "Clearance over dark noise"),
    ("advantage.m4_percent", "Advantage, four sensors"),
)
SENSOR_RESULTS = (
    ("visibility", "visibility"),
    ("gamma_hz", "damping rate Γ"),
    ("f0_hz", "resonance f₀"),
    ("kappa_hz", "linewidth κ"),
    ("g0_over_kappa", "coupling g₀/κ"),
    ("conditional_db", "conditional noise"),
    ("inconsistency", "inconsistency"),
)
_FEW = Mark("…", "too few nights", "notice")
_USUAL = Mark("=", "as usual", "calm")
_UNUSUAL = Mark("~", "unusual", "notice")
_RARE = Mark("✖", "unlike before", "bad")


@dataclass(frozen=True)
class Placed:
    """A result of tonight among the same of earlier nights, oldest first, in the unit of the result."""

    label: str
    tonight: float
    sigma: float
    unit: str
    before: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the earlier nights; NaN without any."""
        return float(np.mean(self.before)) if self.before else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the earlier nights; NaN of fewer than two."""
        return float(np.std(self.before, ddof=1)) if len(self.before) > 1 else math.nan

    @property
    def spreads(self) -> float:
        """Distance from the mean in standard deviations of one more night, which is no less than its own uncertainty;
        NaN where there is no spread."""
        if len(self.before) < FEWEST_NIGHTS:
            return math.nan
        expected = max(self.spread, self.sigma) * math.sqrt(1.0 + 1.0 / len(self.before))
        distance = self.tonight - self.mean
        if expected > 0.0:
            return distance / expected
        return math.copysign(math.inf, distance) if distance else 0.0

    @property
    def mark(self) -> Mark:
        """Whether tonight is as usual."""
        size = abs(self.spreads)
        if math.isnan(size):
            return _FEW
        return _USUAL if size <= USUAL_SPREADS else _UNUSUAL if size <= RARE_SPREADS else _RARE


def past_nights(run: RunContents) -> Section:
    """Tonight's results among those of the complete nights before."""
    table = placed(run, TABLE_RESULTS)
    sensors = [
        one
        for n in run.sensors
        for one in placed(run, [(f"sensor{n}.{suffix}", f"Sensor {n}, {label}") for suffix, label in SENSOR_RESULTS])
    ]
    nights = len(run.earlier)
    which = f"the {nights} complete nights" if nights > 1 else "the one complete night" if nights else "earlier nights"
    tables = [Table(_HEAD, tuple(map(_row, table)))] if nights and table else []
    if nights and sensors:
        tables.append(Table(_HEAD, tuple(map(_row, sensors)), "Every sensor", folded=True))
    return Section(
        "nights",
        "Earlier nights",
        "Tonight against earlier nights",
        f"Mean and spread (one standard deviation) of each result in {which} of this station before this run, and "
        "where tonight lies among them.",
        _findings(run, [*table, *sensors]),
        tuple(tables),
        ("The line runs from the oldest night to this one, the dot.",) if tables else (),
    )


_HEAD = columns("", "Tonight", "Mean ± spread", "Nights", "Tonight is", "", numbers=(1, 2, 3))


def placed(run: RunContents, wanted: Sequence[tuple[str, str]]) -> list[Placed]:
    """The results of `wanted` (name, label) that this run has, among those of earlier nights in the same unit."""
    found = []
    for name, label in wanted:
        tonight = run.results.get(name)
        if tonight is None:
            continue
        past = [night.results[name] for night in reversed(run.earlier) if name in night.results]
        before = tuple(one.value for one in past if one.unit == tonight.unit)
        found.append(Placed(label, tonight.value, tonight.sigma, tonight.unit, before))
    return found


def _row(one: Placed) -> tuple[Cell, ...]:
    nights = len(one.before)
    typical = shown(one.mean, one.spread, one.unit) if nights > 1 else shown(one.mean, 0.0, one.unit) if nights else "–"
    return (
        Cell(one.label),
        Cell(shown(one.tonight, one.sigma, one.unit)),
        Cell(typical),
        Cell(str(nights)),
        Cell(_place(one), one.mark),
        Cell("", points=_points(one)),
    )


def _place(one: Placed) -> str:
    if not one.before:
        return ""
    lower = sum(value < one.tonight for value in one.before)
    higher = sum(value > one.tonight for value in one.before)
    if lower == higher == 0:
        return "equal to all"
    if lower == 0:
        where = "lowest of all"
    elif higher == 0:
        where = "highest of all"
    else:
        where = f"above {lower} of {len(one.before)}"
    if math.isnan(one.spreads) or math.isinf(one.spreads):
        return where
    side = "above" if one.spreads > 0 else "below"
    return f"{abs(one.spreads):.1f} spreads {side} the mean, {where}"


def _points(one: Placed) -> tuple[float, ...]:
    values = (*one.before, one.tonight)
    if len(values) < 2:
        return ()
    low, high = min(values), max(values)
    return tuple(round((value - low) / (high - low), 3) if high > low else 0.5 for value in values)


def _findings(run: RunContents, found: Sequence[Placed]) -> tuple[Finding, ...]:
    if not run.earlier:
        return (Finding(_FEW, "There is no earlier complete night of this station beside this run."),)
    if all(one.mark is _FEW for one in found):
        return (Finding(_FEW, f"A spread needs {FEWEST_NIGHTS} earlier nights with the same result."),)
    odd = [one for one in found if one.mark in (_UNUSUAL, _RARE)]
    if not odd:
        return (Finding(_USUAL, "Everything is as in the nights before."),)
    worst = max(odd, key=lambda one: abs(one.spreads))
    names = "; ".join(one.label[0].lower() + one.label[1:] for one in sorted(odd, key=lambda one: -abs(one.spreads)))
    return (Finding(worst.mark, f"{len(odd)} of {len(found)} results lie outside of what is usual: {names}."),)
