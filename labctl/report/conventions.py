"""What each number and each trace of a run means, in the words that the run stored with it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.wording import lab_time, plain_number, shown_unit
from labctl.store.records import ConventionValue, TraceInfo

GENERAL = (
    ("Noise density", "one-sided: all power at positive frequencies"),
    ("Decibel", "of power, 10 log₁₀; relative to shot noise 0 dB is shot noise and less is squeezed"),
    (
        "Relative to shot noise",
        "(signal − dark) / (shot − dark), so the electronics are taken out; quadrature variance 1 is shot noise",
    ),
    ("Rates", "Γ and bandwidths in Hz as full width at half maximum, not rad/s"),
    ("Line shape", "energy Lorentzian; the analyzer's resolution filter is part of the fit and not of Γ"),
    (
        "Uncertainty",
        "one standard deviation; digits by the rule of the Particle Data Group. Systematic effects only where the "
        "convention of a number names them",
    ),
    (
        "Force noise",
        "N/√Hz, two-sided as the publication prints it: √2 less than one-sided; referred to the membrane",
    ),
    ("Inconsistency", "eq. (2): how far √S of the force noise is from that of the design, as a share of it"),
    ("Delay of a detector", "positive: its signal comes later than the mean of all"),
    ("Marginal, conditional, joint", "one detector alone; one given the records of all others; a sum of all"),
    ("Lab time", "h:mm:ss by the clock of the table, which for a simulated table is not the wall clock"),
)

_SENSOR = re.compile(r"sensor[0-9]+\b")
_ANY_SENSOR = "sensorN"


@dataclass(frozen=True)
class Meaning:
    """Results that share unit, convention and origin."""

    name: str
    unit: str
    convention: str
    sources: str


@dataclass(frozen=True)
class TraceLine:
    """One stored trace: when, in what unit, taken how, and whether its locks held."""

    name: str
    step: str
    when: str
    size: str
    unit: str
    how: str
    valid: bool
    invalid_reason: str


def meanings(run: RunContents) -> list[Meaning]:
    """Name, unit and convention of every result; sensors that agree share one line."""
    sources: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, result in sorted(run.results.items()):
        key = (_SENSOR.sub(_ANY_SENSOR, name), shown_unit(result.unit)[0], result.convention)
        if result.source not in sources[key]:
            sources[key].append(result.source)
    return [Meaning(*key, _together(found)) for key, found in sources.items()]


def _together(steps: list[str]) -> str:
    """Names of steps in short: "lock_homodyne.1 to .4" for those that differ only in their last number."""
    numbers: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        stem, _, number = step.rpartition(".")
        numbers[stem if number.isdecimal() else step].append(number if number.isdecimal() else "")
    return ", ".join(_numbered(stem, found) for stem, found in numbers.items())


def _numbered(stem: str, numbers: list[str]) -> str:
    if numbers == [""]:
        return stem
    return f"{stem}.{numbers[0]}" if len(numbers) == 1 else f"{stem}.{numbers[0]} to .{numbers[-1]}"


def trace_lines(run: RunContents) -> list[TraceLine]:
    """Every stored trace in the order of arrival."""
    return [
        TraceLine(
            info.name,
            info.step,
            f"{lab_time(info.started_at)} – {lab_time(info.ended_at)}",
            " × ".join(str(size) for size in info.shape),
            info.values_unit,
            _how_taken(info),
            info.valid,
            info.invalid_reason,
        )
        for info in run.traces
    ]


def _how_taken(info: TraceInfo) -> str:
    return "; ".join(f"{_spelled(key)} {_value(value)}" for key, value in _ordered(info.conventions).items())


def _ordered(conventions: Mapping[str, ConventionValue]) -> Mapping[str, ConventionValue]:
    return dict(sorted(conventions.items()))


def _spelled(key: str) -> str:
    for suffix, unit in (("_hz", "Hz"), ("_ohm", "Ω")):
        if key.endswith(suffix):
            return f"{key.removesuffix(suffix).replace('_', ' ')} in {unit}"
    return key.replace("_", " ")


def _value(value: ConventionValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain_number(value) if isinstance(value, int | float) else value
