"""What every section of the page is made of: a title, a sentence that says what it shows, findings and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labctl.report.wording import Mark, shown_unit, value_with_sigma, with_unit
from labctl.store.records import NamedResult

NOTHING = "–"


@dataclass(frozen=True)
class Cell:
    """What one place of a table says: a text, led by a mark where it judges; `points` (each from 0 to 1) are drawn as a
    small line, the last of them as a dot."""

    text: str
    mark: Mark | None = None
    soft: bool = False
    points: tuple[float, ...] = ()


@dataclass(frozen=True)
class Column:
    """The head of a column; numbers stand to the right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; a `folded` one is shown on a click."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Finding:
    """A sentence that concludes something, with its mark."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Section:
    """A section of the page. `key` is its anchor; `short` its name in the list of sections."""

    key: str
    short: str
    title: str
    lead: str
    findings: tuple[Finding, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = field(default=())


def columns(*titles: str, numbers: Sequence[int] = ()) -> tuple[Column, ...]:
    """Columns by their titles; `numbers` are the places, from 0, of those that hold numbers."""
    return tuple(Column(title, place in numbers) for place, title in enumerate(titles))


def number_cell(result: NamedResult | None, why_not: str = "not measured") -> Cell:
    """Value ± sigma and unit of a result, or why there is none."""
    return Cell(why_not, soft=True) if result is None else Cell(shown(result.value, result.sigma, result.unit))


def shown(value: float, sigma: float, unit: str) -> str:
    """Value ± sigma with a unit as a reader wants it."""
    name, factor = shown_unit(unit, max(abs(value), sigma))
    return with_unit(value_with_sigma(factor * value, factor * sigma), name)
