"""The efficiency budget: what the light loses between network and detector, factor by factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.sections import Cell, Finding, Section, Table, columns, number_cell, shown
from labctl.report.station_design import StationDesign, station_design
from labctl.report.wording import Mark
from labctl.store.records import NamedResult

AGREES_WITHIN_SIGMAS = 2.0
_AGREES = Mark("=", "agrees", "calm")
_DIFFERS = Mark("≠", "differs", "bad")
_FACTORS = ("propagation", "quantum efficiency", "visibility", "extraction")


@dataclass(frozen=True)
class Factor:
    """A share of the light with its standard uncertainty, and whether the station file states it or the run measured
    it; extraction that nobody measured counts as 1."""

    value: float
    sigma: float
    origin: str

    @property
    def relative(self) -> float:
        """Relative uncertainty; 0 of nothing."""
        return self.sigma / self.value if self.value else 0.0


def efficiency_budget(run: RunContents) -> Section:
    """Propagation x quantum efficiency x visibility^2 x extraction of every sensor beside the channel efficiency."""
    design = station_design(run.manifest)
    budgets = {n: sensor_factors(run, design, n) for n in run.sensors}
    whole = {n: product_of(found) for n, found in budgets.items() if len(found) == len(_FACTORS)}
    return Section(
        "efficiency",
        "Efficiency",
        "Efficiency budget",
        "Which share of the light each detector sees: propagation × quantum efficiency × visibility² × extraction, "
        "and their product against the channel efficiency that the run found.",
        _findings(run, whole),
        (_table(run, budgets, whole),) if run.sensors else (),
        ("A factor is stated by the station file or measured in this run, as it says; 1 − η of vacuum noise enters.",),
    )


def sensor_factors(run: RunContents, design: StationDesign, sensor: int) -> dict[str, Factor]:
    """The factors of a sensor that are known, visibility squared already."""
    found: dict[str, Factor] = {}
    if sensor <= len(design.sensors):
        stated = design.sensors[sensor - 1].propagation_efficiency
        found["propagation"] = Factor(stated.value, stated.sigma, "stated")
    if design.detectors is not None:
        stated = design.detectors.quantum_efficiency
        found["quantum efficiency"] = Factor(stated.value, stated.sigma, "stated")
    visibility = run.results.get(f"sensor{sensor}.visibility")
    if visibility is not None:
        sigma = 2.0 * visibility.value * visibility.sigma
        found["visibility"] = Factor(visibility.value**2, sigma, "measured")
    extraction = run.results.get(f"sensor{sensor}.extraction")
    found["extraction"] = Factor(extraction.value, extraction.sigma, "measured") if extraction else _TAKEN_AS_ONE
    return found


_TAKEN_AS_ONE = Factor(1.0, 0.0, "taken as 1")


def product_of(factors: dict[str, Factor]) -> Factor:
    """The product of independent factors."""
    value = math.prod(factor.value for factor in factors.values())
    relative = math.hypot(*(factor.relative for factor in factors.values()))
    return Factor(value, value * relative, "product")


def _table(run: RunContents, budgets: dict[int, dict[str, Factor]], whole: dict[int, Factor]) -> Table:
    rows = []
    for n, found in budgets.items():
        cells = [_factor_cell(found.get(name), run, n) for name in _FACTORS]
        product = whole.get(n)
        last = Cell("–", soft=True) if product is None else Cell(shown(product.value, product.sigma, ""))
        rows.append((Cell(f"Sensor\u00a0{n}"), *cells, last))
    titles = ("", "Propagation", "Quantum efficiency", "Visibility²", "Extraction", "Product")
    return Table(columns(*titles, numbers=range(1, 6)), tuple(rows))


def _factor_cell(factor: Factor | None, run: RunContents, sensor: int) -> Cell:
    if factor is None:
        return Cell(f"not known: {why_missing(f'sensor{sensor}.visibility', run)}", soft=True)
    if factor is _TAKEN_AS_ONE:
        return Cell("not measured, 1 taken", soft=True)
    return Cell(f"{shown(factor.value, factor.sigma, '')} {factor.origin}")


def _findings(run: RunContents, whole: dict[int, Factor]) -> tuple[Finding, ...]:
    measured = run.results.get("network.channel_efficiency")
    if not whole or len(whole) < len(run.sensors):
        return ()
    mean = sum(product.value for product in whole.values()) / len(whole)
    # Stated efficiencies are the same for all sensors, so the uncertainty does not average out.
    sigma = mean * sum(product.relative for product in whole.values()) / len(whole)
    product = f"The product is {shown(mean, sigma, '')} on average"
    if measured is None:
        return (Finding(Mark("→", "", "calm"), f"{product}; {why_missing('network.channel_efficiency', run)}."),)
    agrees = abs(measured.value - mean) <= AGREES_WITHIN_SIGMAS * max(sigma, measured.sigma)
    text = f"{product}, the channel efficiency of this run {shown(measured.value, measured.sigma, '')}."
    if not agrees:
        text += " A factor is wrong or one is forgotten."
    found = [Finding(_AGREES if agrees else _DIFFERS, text)]
    source = run.results.get("source.total_efficiency")
    if source is not None:
        found.append(_with_the_source(source, measured))
    return tuple(found)


def _with_the_source(source: NamedResult, channel: NamedResult) -> Finding:
    value = source.value * channel.value
    sigma = math.hypot(source.sigma * channel.value, channel.sigma * source.value)
    return Finding(
        Mark("→", "", "calm"),
        f"With the source's own {number_cell(source).text}, {shown(value, sigma, '')} of the squeezed light is "
        "detected.",
    )
