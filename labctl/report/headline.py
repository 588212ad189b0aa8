"""The first lines of the report: what was measured, and what three cross-checks say about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labctl.errors import LabError
from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.wording import percent_of_shot, shown_result, value_with_sigma, with_unit
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels

SIGNIFICANT_SIGMAS = 3.0

_READINGS = (
    ("joint.raw_db", "Hardware sum", "spectrum analyzer"),
    ("joint.digital_db", "Sum of records", "digitizer, equal weights"),
    ("joint.rephased_db", "Re-phased sum", "digitizer, complex weights"),
    ("individual.mean_db", "One sensor alone", "analyzer, mean of all"),
    ("source.squeezing_db", "Source before losses", "inferred, losses removed"),
)


@dataclass(frozen=True)
class Reading:
    """One noise level relative to shot noise, or in `missing` why there is none."""

    label: str
    how: str
    number: str
    share: str
    missing: str


@dataclass(frozen=True)
class Check:
    """A sentence that compares two results of this run, with the evidence in standard deviations."""

    text: str
    evidence: str


def readings(run: RunContents) -> list[Reading]:
    """The noise reductions of the run, best known first."""
    return [_reading(run, *entry) for entry in _READINGS]


def checks(run: RunContents) -> list[Check]:
    """What the results say about each other; only those for which both sides were measured."""
    found = (_sums_agree(run), _gain_of_rephasing(run), _sum_expected_from_individual(run))
    return [check for check in found if check is not None]


def _reading(run: RunContents, name: str, label: str, how: str) -> Reading:
    result = run.results.get(name)
    if result is None:
        return Reading(label, how, "", "", why_missing(name, run))
    share = f"{percent_of_shot(result.value)} of shot-noise power" if result.unit == "dB" else ""
    return Reading(label, how, with_unit(*shown_result(result)), share, "")


def _sums_agree(run: RunContents) -> Check | None:
    raw, digital = _level(run, "joint.raw_db"), _level(run, "joint.digital_db")
    if raw is None or digital is None:
        return None
    difference = _difference(raw, digital)
    if _sigmas(difference) < SIGNIFICANT_SIGMAS:
        return Check("The hardware sum and the sum of records agree.", _evidence(difference))
    return Check(
        "The hardware sum and the sum of records differ: look at the summing amplifier.", _evidence(difference)
    )


def _gain_of_rephasing(run: RunContents) -> Check | None:
    """Raw and re-phased come from separate data, analyzer and digitizer, so their uncertainties are independent."""
    raw, best = _level(run, "joint.raw_db"), _level(run, "joint.rephased_db")
    if raw is None or best is None:
        return None
    gain = _difference(raw, best)
    if gain.value > 0 and _sigmas(gain) >= SIGNIFICANT_SIGMAS:
        text = (
            "Re-phasing lowers the noise of the sum, so the detectors' signals reach it at different times or with "
            "unequal gains."
        )
    else:
        text = "Re-phasing does not lower the noise of the sum: delays are not what limits it."
    return Check(text, _evidence(gain))


def _sum_expected_from_individual(run: RunContents) -> Check | None:
    """For M equal shares of one beam, V_joint = 1 - M (1 - V_individual)."""
    alone, raw = _level(run, "individual.mean_db"), _level(run, "joint.raw_db")
    m = len(run.sensors)
    if alone is None or raw is None or m < 2:
        return None
    ratio = from_decibels(alone)
    try:
        expected = in_decibels(Estimate(1 - m * (1 - ratio.value), m * ratio.sigma, "", ""))
    except LabError:
        return None
    difference = _difference(raw, expected)
    number = with_unit(value_with_sigma(expected.value, expected.sigma), "dB")
    lead = f"The spectra of the single sensors let {number} be expected in an ideal sum of {m}; the hardware sum "
    if _sigmas(difference) < SIGNIFICANT_SIGMAS:
        return Check(lead + "reaches it.", _evidence(difference))
    return Check(lead + ("falls short of it." if difference.value > 0 else "lies below it."), _evidence(difference))


def _level(run: RunContents, name: str) -> Estimate | None:
    found = run.results.get(name)
    return Estimate(found.value, found.sigma, "dB") if found is not None and found.unit == "dB" else None


def _difference(a: Estimate, b: Estimate) -> Estimate:
    return Estimate(a.value - b.value, math.hypot(a.sigma, b.sigma), "dB")


def _sigmas(difference: Estimate) -> float:
    if difference.sigma == 0.0:
        return math.inf if difference.value else 0.0
    return abs(difference.value) / difference.sigma


def _evidence(difference: Estimate) -> str:
    number = with_unit(value_with_sigma(difference.value, difference.sigma), "dB")
    return f"difference {number}, {_sigmas(difference):.1f}\u00a0σ"
