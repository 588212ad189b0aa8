"""How good an estimator is: over many seeds, Cramer-Rao bound / variance, bias, and coverage of its 68 % interval.

A module `efficiency_<family>.py` beside this one lists its `Row`s and ends with `print(table(rows()))`, so that
`python tests/benchmarks/efficiency_<family>.py` prints the family's table; a `test_efficiency_<family>.py` runs the
same rows with few seeds and asks `shortfalls` of each. Where one fit gives several rows, cache the fit by seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.estimate import Estimate

FULL_SEEDS = 400
SMALLEST_EFFICIENCY = 0.9
SMALLEST_EFFICIENCY_LONG = 0.95
LARGEST_BIAS_SIGMA = 0.2
COVERAGE = (0.64, 0.72)
EXPECTED_COVERAGE = 0.683
ALLOWED_STANDARD_ERRORS = 3.0
"""What a table of finitely many seeds may miss a requirement by, in its own standard errors."""

Trial = Callable[[int], Estimate | tuple[float, float]]
"""Draws data from a seed and estimates: an `Estimate`, or (value, sigma); sigma nan where the estimator has none."""


@dataclass(frozen=True)
class Row:
    """One parameter of one estimator.

    truth and crb_sigma: in the parameter's unit, crb_sigma from the Fisher information of the model of the data; naive:
    an estimator that stands in the table only to be compared; long: data so long that the bound must nearly be met.
    """

    name: str
    trial: Trial
    truth: float
    crb_sigma: float
    naive: bool = False
    long: bool = False


@dataclass(frozen=True)
class RowResult:
    """Over `seeds` trials, of which `refused` gave no number: efficiency = crb^2 / variance, bias in units of
    crb_sigma, coverage of value +- sigma (nan where the estimator has no sigma), mean and standard deviation."""

    efficiency: float
    bias_sigma: float
    coverage: float
    mean: float
    standard_deviation: float
    seeds: int
    refused: int

    @property
    def efficiency_error(self) -> float:
        """Standard error of the efficiency, sqrt(2 / (n - 1)) of itself for normal estimates."""
        return self.efficiency * math.sqrt(2 / (self.seeds - self.refused - 1))


def run_row(row: Row, seeds: Iterable[int] = range(FULL_SEEDS)) -> RowResult:
    """Run the trials of a row; a trial that raises AnalysisRefused is counted, not averaged."""
    found: list[tuple[float, float]] = []
    refused = 0
    for seed in seeds:
        try:
            got = row.trial(seed)
        except AnalysisRefused:
            refused += 1
            continue
        found.append((got.value, got.sigma) if isinstance(got, Estimate) else got)
    if len(found) < 2:
        raise AssertionError(f"{row.name}: {refused} of {refused + len(found)} trials were refused")
    value, sigma = np.array(found, dtype=np.float64).T
    covered = np.abs(value - row.truth) <= sigma
    return RowResult(
        efficiency=row.crb_sigma**2 / float(value.var(ddof=1)),
        bias_sigma=(float(value.mean()) - row.truth) / row.crb_sigma,
        coverage=float(covered.mean()) if np.isfinite(sigma).all() else math.nan,
        mean=float(value.mean()),
        standard_deviation=float(value.std(ddof=1)),
        seeds=refused + len(found),
        refused=refused,
    )


def shortfalls(row: Row, result: RowResult) -> list[str]:
    """What a result misses by more than `ALLOWED_STANDARD_ERRORS` of its own; a naive row owes nothing."""
    if row.naive:
        return []
    found = []
    n = result.seeds - result.refused
    needed = SMALLEST_EFFICIENCY_LONG if row.long else SMALLEST_EFFICIENCY
    allowed = ALLOWED_STANDARD_ERRORS
    if result.efficiency < needed * (1 - allowed * math.sqrt(2 / (n - 1))):
        found.append(f"{row.name}: efficiency {result.efficiency:.3f}, not {needed}")
    bias_error = result.standard_deviation / row.crb_sigma / math.sqrt(n)
    if abs(result.bias_sigma) > LARGEST_BIAS_SIGMA + allowed * bias_error:
        found.append(f"{row.name}: bias {result.bias_sigma:+.2f} sigma")
    slack = allowed * math.sqrt(EXPECTED_COVERAGE * (1 - EXPECTED_COVERAGE) / n)
    if not COVERAGE[0] - slack <= result.coverage <= COVERAGE[1] + slack:
        found.append(f"{row.name}: coverage {100 * result.coverage:.0f} %")
    if result.refused > 0.01 * result.seeds + allowed:
        found.append(f"{row.name}: {result.refused} of {result.seeds} trials refused")
    return found


def table(rows: Sequence[Row], seeds: Iterable[int] = range(FULL_SEEDS)) -> str:
    """Run every row and return the table as text; naive rows are marked with a tilde."""
    seeds = list(seeds)
    width = max(len(row.name) for row in rows) + 2
    lines = [
        f"{'':{width}}{'truth':>12}{'CRB sigma':>11}{'mean':>13}{'eff.':>7}{'+-':>6}{'bias/s':>8}{'cover':>7}{'no':>4}"
    ]
    for row in rows:
        got = run_row(row, seeds)
        coverage = "-" if math.isnan(got.coverage) else f"{100 * got.coverage:.0f} %"
        name = f"{'~ ' if row.naive else ''}{row.name}"
        lines.append(
            f"{name:{width}}{row.truth:12.6g}{row.crb_sigma:11.3g}{got.mean:13.6g}{got.efficiency:7.2f}"
            f"{got.efficiency_error:6.2f}{got.bias_sigma:+8.2f}{coverage:>7}{got.refused:4d}"
        )
    return "\n".join(lines)
