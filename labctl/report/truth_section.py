"""The section of a report that sets true values beside the estimates, for a run whose truth somebody hands in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scipy.stats import chi2

from labctl.report.contents import RunContents
from labctl.report.published import Distance, Reference, distance
from labctl.report.wording import PLUS_MINUS, plain_number, shown_result, shown_unit, value_with_sigma, with_unit
from labctl.store.records import NamedResult

_SENSOR = re.compile(r"sensor([0-9]+)\.")


class TrueNumber(Protocol):
    """What a named result ought to be, in its unit: `wander` is by how much, rms, what is true moves about `value`;
    `counted` says whether its distance belongs into chi-square."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def wander(self) -> float: ...
    @property
    def remark(self) -> str: ...
    @property
    def counted(self) -> bool: ...


class Revelation(Protocol):
    """What was true of the table of a run: numbers by the names of results, and sentences."""

    @property
    def numbers(self) -> Sequence[TrueNumber]: ...
    @property
    def remarks(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class TruthRow:
    """One result beside its true value; `counted` is False for one that chi-square leaves out."""

    name: str
    true: str
    estimate: str
    distance: Distance | None
    counted: bool
    remark: int


@dataclass(frozen=True)
class TruthGroup:
    """Rows that belong together: the table as a whole, or one sensor."""

    title: str
    rows: tuple[TruthRow, ...]


@dataclass(frozen=True)
class TruthSection:
    """The section; rows give their remark by its number in `notes`, counted from 1, 0 for none."""

    groups: tuple[TruthGroup, ...]
    chi_square: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    without: tuple[str, ...]


def truth_section(run: RunContents, revelation: Revelation) -> TruthSection:
    """Set every result of a run beside its true value; results without one are named."""
    pairs = [(number, run.results[number.name]) for number in revelation.numbers if number.name in run.results]
    notes = tuple(dict.fromkeys(number.remark for number, _ in pairs if number.remark))
    rows = [_row(number, found, notes) for number, found in pairs]
    groups: dict[str, list[TruthRow]] = {}
    for row in rows:
        groups.setdefault(_group(row.name), []).append(row)
    known = {number.name for number in revelation.numbers}
    return TruthSection(
        tuple(TruthGroup(title, tuple(members)) for title, members in groups.items()),
        _chi_square([row.distance.sigmas for row in rows if row.counted and row.distance is not None]),
        notes,
        tuple(revelation.remarks),
        tuple(sorted(set(run.results) - known)),
    )


def _row(number: TrueNumber, found: NamedResult, notes: Sequence[str]) -> TruthRow:
    unit, factor = shown_unit(number.unit, max(abs(found.value), found.sigma))
    value, wander = factor * number.value, factor * number.wander
    text = value_with_sigma(value, wander) if wander else _to_the_digit_of(value, factor * found.sigma)
    return TruthRow(
        name=number.name,
        true=with_unit(text, unit),
        estimate=with_unit(*shown_result(found)),
        distance=distance(found, Reference(number.value, number.wander, text)) if found.unit == number.unit else None,
        counted=number.counted,
        remark=notes.index(number.remark) + 1 if number.remark else 0,
    )


def _to_the_digit_of(value: float, sigma: float) -> str:
    """Return an exact value to the last digit that an estimate with `sigma` is given to."""
    rounded, plus_minus, _ = value_with_sigma(value, sigma).partition(PLUS_MINUS)
    return rounded if plus_minus and "(" not in rounded else plain_number(value)


def _group(name: str) -> str:
    found = _SENSOR.match(name)
    return f"Sensor {found[1]}" if found else "Source, network and sums"


def _chi_square(pulls: Sequence[float]) -> str:
    """Return the sum of the squared distances, and how probable a larger one is, in a sentence."""
    counted = [pull for pull in pulls if math.isfinite(pull)]
    if not counted:
        return "No result of this run counts for a χ²."
    total = sum(pull**2 for pull in counted)
    beyond = float(chi2.sf(total, len(counted)))
    return (
        f"χ² = {total:.1f} for {len(counted)} numbers. Were every uncertainty right, {_chance(beyond)} of all nights "
        "would give a larger one."
    )


def _chance(probability: float) -> str:
    return "less than 0.1\u00a0%" if probability < 1e-3 else f"{100.0 * probability:.2g}\u00a0%"
