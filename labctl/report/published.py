"""Published number, model and measured result side by side, and how far apart they are."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.wording import (
    NOT_MEASURED,
    PLUS_MINUS,
    Mark,
    plain_number,
    printed_number,
    same_unit,
    shown_result,
    shown_unit,
    value_with_sigma,
    with_unit,
)
from labctl.store.records import NamedResult

VALUES_FILE = "published_values.toml"

AGREES_WITHIN_SIGMAS = 2.0
DISAGREES_BEYOND_SIGMAS = 3.0
LARGEST_SIGMAS_SHOWN = 99.0
ROUNDING_SIGMA_PER_STEP = 1.0 / math.sqrt(12.0)
"""Standard uncertainty of a number known only to the last digit printed: rectangular, one step wide."""

_SENSOR = "{n}"
_WHOLE = {"": 1.0, "1": 1.0, "%": 100.0, "percent": 100.0}


@dataclass(frozen=True)
class Reference:
    """A number from outside the run.

    `sigma`: its standard uncertainty, 0 where unknown; `text`: as it is to be shown.
    """

    value: float
    sigma: float
    text: str


@dataclass(frozen=True)
class Distance:
    """How far a measured value lies from a reference, in standard deviations of their difference, and in words."""

    sigmas: float
    mark: Mark
    text: str


@dataclass(frozen=True)
class Comparison:
    """One row. `measured` comes from the results of the run and from nowhere else; empty when there is none."""

    label: str
    result_name: str
    unit: str
    published: Reference | None
    model: Reference | None
    measured: str
    missing: str
    from_published: Distance | None
    from_model: Distance | None


@dataclass(frozen=True)
class Quantity:
    """One quantity of the publication with its rows, one a sensor where each sensor has its own."""

    name: str
    basis: str
    remark: str
    rows: tuple[Comparison, ...]

    @property
    def is_measured(self) -> bool:
        """Whether some procedure measures it, in this run or in another."""
        return any(row.result_name for row in self.rows)

    @property
    def shown_rows(self) -> tuple[Comparison, ...]:
        """The rows; sensors of which nothing was measured for one reason, against one number, share one."""
        first = self.rows[0]
        alike = {(row.measured, row.missing, row.published, row.model) for row in self.rows}
        if len(self.rows) < 2 or first.measured or len(alike) > 1 or not first.label.startswith("sensor"):
            return self.rows
        return (replace(first, label="each\u00a0sensor"),)


def published_quantities(run: RunContents) -> list[Quantity]:
    """Every published quantity beside what this run measured of it."""
    text = files("labctl.report").joinpath(VALUES_FILE).read_text(encoding="utf-8")
    return [_quantity(entry, run) for entry in tomllib.loads(text)["value"]]


def rows_by_result(quantities: Sequence[Quantity]) -> dict[str, Comparison]:
    """The rows by the name of their result."""
    return {row.result_name: row for quantity in quantities for row in quantity.rows if row.result_name}


def distance(measured: NamedResult, reference: Reference) -> Distance:
    """(measured - reference) over the uncertainty of the difference; both in the unit of the result."""
    sigma = math.hypot(measured.sigma, reference.sigma)
    difference = measured.value - reference.value
    if sigma == 0.0:
        return Distance(math.nan, Mark("?", "no uncertainty", "notice"), "no uncertainty to compare with")
    sigmas = difference / sigma
    mark = _mark(abs(sigmas))
    far = abs(sigmas) > LARGEST_SIGMAS_SHOWN
    size = f"> {LARGEST_SIGMAS_SHOWN:.0f}" if far else f"{abs(sigmas):.1f}"
    side = "" if abs(sigmas) < 0.05 else " above" if difference > 0 else " below"
    return Distance(sigmas, mark, f"{mark.word}, {size}\u00a0σ{side}")


def _mark(sigmas: float) -> Mark:
    if sigmas <= AGREES_WITHIN_SIGMAS:
        return Mark("=", "agrees", "calm")
    if sigmas <= DISAGREES_BEYOND_SIGMAS:
        return Mark("~", "borderline", "notice")
    return Mark("≠", "disagrees", "bad")


def _quantity(entry: Mapping[str, object], run: RunContents) -> Quantity:
    patterns = [str(pattern) for pattern in _as_list(entry.get("result", ""))]
    pattern = patterns[0]
    labels = [str(label) for label in _as_list(entry.get("labels", ""))]
    if _SENSOR in pattern:
        numbers = run.sensors or tuple(range(1, len(_as_list(entry.get("published", 0))) + 1))
        places = [(n - 1, f"sensor\u00a0{n}", pattern.replace(_SENSOR, str(n))) for n in numbers]
    else:
        names = patterns * len(labels) if len(patterns) == 1 else patterns
        places = [(index, label, name) for index, (label, name) in enumerate(zip(labels, names, strict=True))]
    rows = tuple(_row(entry, run, index, label, name) for index, label, name in places)
    remark = str(entry.get("remark", ""))
    if pattern and not _same_table(entry, run):
        remark += f" Holds for {entry['sensors']} sensors and is not compared: this run has {len(run.sensors)}."
    return Quantity(str(entry["quantity"]), str(entry.get("basis", "")), remark.strip(), rows)


def _row(entry: Mapping[str, object], run: RunContents, index: int, label: str, name: str) -> Comparison:
    unit = str(entry["unit"])
    published = _published(entry, index, unit)
    model = _model(entry, index, unit)
    result = run.results.get(name)
    if result is None:
        missing = f"{NOT_MEASURED}: {why_missing(name, run) if name else 'no procedure gives it'}"
        return Comparison(label, name, unit, published, model, "", missing, None, None)
    result = in_unit(result, unit)
    comparable = same_unit(result.unit, unit) and _same_table(entry, run)
    return Comparison(
        label,
        name,
        unit,
        published,
        model,
        with_unit(*shown_result(result)),
        "",
        _against_published(result, published, _at(entry.get("limit"), 0)) if comparable else None,
        distance(result, model) if model and comparable else None,
    )


def _against_published(result: NamedResult, published: Reference | None, limit: float | None) -> Distance | None:
    if limit is None:
        return distance(result, published) if published else None
    allowed = with_unit(plain_number(limit), result.unit)
    mark = Mark("✔", "within", "calm") if abs(result.value) <= limit else Mark("✖", "beyond", "bad")
    return Distance(math.nan, mark, f"{mark.word} {allowed}")


def in_unit(result: NamedResult, unit: str) -> NamedResult:
    """The result in `unit` where both are shares, of 1 or of 100 %; else as it is."""
    if result.unit == unit or not {result.unit, unit} <= set(_WHOLE):
        return result
    factor = _WHOLE[unit] / _WHOLE[result.unit]
    return replace(result, value=factor * result.value, sigma=factor * result.sigma, unit=unit)


def _same_table(entry: Mapping[str, object], run: RunContents) -> bool:
    """Numbers that hold for so many sensors say nothing about a table with more or fewer."""
    return "sensors" not in entry or len(run.sensors) in (0, entry["sensors"])


def _published(entry: Mapping[str, object], index: int, unit: str) -> Reference | None:
    value = _at(entry.get("published"), index)
    if value is None:
        return None
    sigma = _at(entry.get("published_sigma"), 0)
    step = _at(entry.get("published_step"), 0)
    factor = _at(entry.get("factor"), 0) or 1.0
    printed_step = step / factor if step else None
    text = printed_number(value / factor, printed_step)
    if sigma is not None:
        text += PLUS_MINUS + printed_number(sigma / factor, printed_step)
    known_to = (step or 0.0) * ROUNDING_SIGMA_PER_STEP if sigma is None else sigma
    return Reference(value, known_to, with_unit(text, str(entry.get("printed_unit", unit))))


def _model(entry: Mapping[str, object], index: int, unit: str) -> Reference | None:
    value = _at(entry.get("model"), index)
    if value is None:
        return None
    sigma = _at(entry.get("model_sigma"), 0)
    shown, factor = shown_unit(unit, value)
    number = plain_number(factor * value) if sigma is None else value_with_sigma(factor * value, factor * sigma)
    return Reference(value, sigma or 0.0, with_unit(number, shown))


def _at(numbers: object, index: int) -> float | None:
    """The number itself, or that of a list at `index`; None where there is none."""
    if numbers is None:
        return None
    if not isinstance(numbers, list):
        return float(str(numbers))
    return float(numbers[index]) if index < len(numbers) else None


def _as_list(entry: object) -> list[object]:
    return entry if isinstance(entry, list) else [entry]
