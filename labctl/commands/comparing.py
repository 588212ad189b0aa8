"""`labctl compare`: did the table change between two runs?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from labctl.commands.listings import WIDTH_OF_FILES, value_text
from labctl.store.catalogue import Catalogue
from labctl.store.comparison import DIFFER_BEYOND_SIGMAS, ChangedSetting, ComparedResult, RunComparison, compare_runs
from labctl.store.reader import RunReader

LONGEST_VALUE = 40


def print_comparison(first: str, second: str, runs: Path) -> None:
    """Print every result that two runs share with its difference, the largest in sigmas first, and what else differs.

    Raises `StoreError` where a run is not there or cannot be read.
    """
    catalogue = Catalogue(runs)
    one, other = RunReader(catalogue.find(first)), RunReader(catalogue.find(second))
    found = compare_runs(one, other)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH_OF_FILES)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    for run in (one, other):
        station = f"{run.manifest.station_name}, {run.manifest.backend} {run.manifest.scenario}".rstrip()
        say(f"{run.run_id}: {run.state}, created {run.manifest.created}; {station}")
    say(summary(found))
    if found.results:
        console.print(_results_table(found.results))
    for run, names in ((one, found.only_first), (other, found.only_second)):
        if names:
            say(f"Only {run.run_id} has: {', '.join(names)}.")
    for title, changed in (("setting", found.settings), ("circumstance", found.circumstances)):
        if changed:
            console.print(_settings_table(title, changed))


def summary(found: RunComparison) -> str:
    """Return in a sentence whether the table changed."""
    if not found.results:
        results = "The runs share no result."
    else:
        differing = sum(one.differs for one in found.results)
        results = (
            f"{differing} of {len(found.results)} results differ by more than {DIFFER_BEYOND_SIGMAS:.0f} sigma; chance "
            f"alone would let {_by_chance(len(found.results))}."
        )
    if not found.settings_compared:
        return f"{results} Neither run kept settings."
    return f"{results} {len(found.settings)} of {found.settings_compared} settings differ."


def _by_chance(results: int) -> str:
    expected = results * math.erfc(DIFFER_BEYOND_SIGMAS / math.sqrt(2.0))
    return f"{expected:.1f}"


def _results_table(results: Sequence[ComparedResult]) -> Table:
    table = Table()
    table.add_column("result", no_wrap=True)
    for column in ("first", "second", "second - first"):
        table.add_column(column, justify="right")
    table.add_column("sigmas", justify="right")
    table.add_column("", no_wrap=True)
    for one in results:
        table.add_row(one.first.name, _value(one, 0), _value(one, 1), _difference(one), _sigmas(one), _verdict(one))
    return table


def _value(one: ComparedResult, which: int) -> str:
    result = (one.first, one.second)[which]
    return value_text(result.value, result.sigma, result.unit)


def _difference(one: ComparedResult) -> str:
    if math.isnan(one.sigmas):
        return "other unit"
    sigma = math.hypot(one.first.sigma, one.second.sigma)
    return value_text(one.second.value - one.first.value, sigma, one.first.unit)


def _sigmas(one: ComparedResult) -> str:
    return "" if math.isnan(one.sigmas) else f"{one.sigmas:+.1f}"


def _verdict(one: ComparedResult) -> str:
    return "≠ differs" if one.differs else "= same"


def _settings_table(title: str, changed: Sequence[ChangedSetting]) -> Table:
    table = Table()
    table.add_column(title, no_wrap=True)
    for column in ("first", "second", "unit"):
        table.add_column(column)
    for one in changed:
        table.add_row(one.name, _short(one.first), _short(one.second), one.unit)
    return table


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
