"""How the phase noise splits: common to all detectors, private to each, and what the locks say of themselves."""

from __future__ import annotations

import math

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.sections import Cell, Finding, Section, Table, columns, number_cell, shown
from labctl.report.wording import Mark
from labctl.store.records import NamedResult

_SAYS = Mark("→", "", "calm")


def jitter_split(run: RunContents) -> Section:
    """The parts of the phase noise and what each counts in the sum: theta^2 = common^2 + private^2 / M."""
    tables = [_parts(run)]
    if any(f"sensor{n}.lock_residual_rad" in run.results for n in run.sensors):
        tables.append(_residuals(run))
    return Section(
        "jitter",
        "Phase noise",
        "Phase noise: common, private, locks",
        "How much the phase between squeezed light and local oscillators shakes: together at all detectors (common), "
        "at each on its own (private), and as the locks see it. Private noise counts in the sum by one part in M.",
        tuple(found for found in (_which_counts(run), _what_locks_explain(run)) if found),
        tuple(tables),
    )


def _parts(run: RunContents) -> Table:
    common, private = _pair(run)
    m = max(len(run.sensors), 1)
    in_sum = {
        "joint.common_jitter_rad": common.value**2 if common else None,
        "joint.private_jitter_rad": private.value**2 / m if private else None,
    }
    known = [part for part in in_sum.values() if part is not None]
    total = sum(known) if len(known) == len(in_sum) else 0.0
    rows = []
    labels = {
        "joint.common_jitter_rad": "Common: source and pump phase",
        "joint.private_jitter_rad": "Private: local oscillator of each detector",
        "source.phase_noise_rad": "Source, from squeezing against pump power",
    }
    for name, label in labels.items():
        part = in_sum.get(name)
        share = f"{100.0 * part / total:.0f}\u00a0%" if part is not None and total > 0.0 else "–"
        rows.append((Cell(label), number_cell(run.results.get(name), why_missing(name, run)), Cell(share)))
    head = columns("", "rms", "Share of θ² in the sum", numbers=(1, 2))
    return Table(head, tuple(rows), "Phase noise between squeezed light and local oscillators")


def _residuals(run: RunContents) -> Table:
    rows = tuple(
        (Cell(f"Sensor\u00a0{n}"), number_cell(run.results.get(f"sensor{n}.lock_residual_rad"))) for n in run.sensors
    )
    return Table(columns("", "Residual of the lock, rms", numbers=(1,)), rows, "What the locks say of themselves")


def _which_counts(run: RunContents) -> Finding | None:
    common, private = _pair(run)
    if common is None or private is None:
        return None
    m = max(len(run.sensors), 1)
    total = math.sqrt(common.value**2 + private.value**2 / m)
    if not total > 0.0:
        return Finding(_SAYS, "No phase noise is resolved.")
    larger = "common" if common.value**2 >= private.value**2 / m else "private"
    where = "the source and its pump phase" if larger == "common" else "the local oscillators"
    return Finding(
        _SAYS,
        f"In the sum the phase shakes by {shown(total, _sigma_of(common, private, total, m), 'rad')} rms; the {larger} "
        f"part is the larger one, so {where} come first.",
    )


def _sigma_of(common: NamedResult, private: NamedResult, total: float, m: int) -> float:
    return math.hypot(common.value * common.sigma, private.value * private.sigma / m) / total


def _what_locks_explain(run: RunContents) -> Finding | None:
    _, private = _pair(run)
    residuals = [found.value for n in run.sensors if (found := run.results.get(f"sensor{n}.lock_residual_rad"))]
    if private is None or not residuals:
        return None
    seen = math.sqrt(sum(value**2 for value in residuals) / len(residuals))
    text = f"The locks of the local oscillators see {shown(seen, 0.0, 'rad')} rms"
    if private.value - 2.0 * private.sigma > seen:
        return Finding(Mark("▲", "more than seen", "notice"), f"{text}, less than the private phase noise: what lies "
                       "beyond their bandwidth or outside of them shakes too.")  # fmt: skip
    return Finding(_SAYS, f"{text}, which is enough for the private phase noise.")


def _pair(run: RunContents) -> tuple[NamedResult | None, NamedResult | None]:
    return run.results.get("joint.common_jitter_rad"), run.results.get("joint.private_jitter_rad")
