"""What an audit of signs says to an operator: what is wrong and what to do, and what else was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.estimation.sign_audit import DetectorSign, Sight, SignAudit

OFF_QUADRATURE_RAD = 0.5  # what a fringe says of a loop that is not at its point
UNEVEN = 0.2  # of the median tone: visibilities and efficiencies differ by less


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a detector, and what to do about it."""

    finding: str
    remedy: str


RELOCK = "Turn the quadrature in the station file, or relock."
LOOK_AT_LIGHT = "Look at its local oscillator, its probe and its cable."
MEASURE_DELAYS = "Its delay is too long, or it has a filter that the others have not."
NAME_SIGNS = "Turn its output; or turn its quadrature in the station file and name the signs that are meant."


def complaints(audit: SignAudit) -> list[Complaint]:
    """Return one complaint for each detector without a sign or with the wrong one; none where all is right."""
    found = [_unseen(one) for one in audit.unseen]
    if not audit.evenly_split:
        return found + [_wrong(one, audit) for one in audit.wrong]
    wrong = audit.wrong
    right = [one for one in audit.signs if one.sight is Sight.CLEAR and one not in wrong]
    split = f"{_listed(wrong)} contradict {_listed(right)} in sign, and nothing absolute tells which are wrong"
    return [*found, Complaint(f"{split}: {audit.overall_reason}.", RELOCK)]


def as_one(found: Sequence[Complaint]) -> tuple[str, str]:
    """Return all findings as one text, and every remedy once."""
    return " ".join(one.finding for one in found), " ".join(dict.fromkeys(one.remedy for one in found))


def remarks(audit: SignAudit) -> list[str]:
    """Return one sentence for each thing that the signs do not depend on and an operator would want to know."""
    found = []
    if not audit.overall:
        found.append(
            f"The overall sign is not known: {audit.overall_reason}. Relative signs hold, and the noise of a sum "
            "depends on no more."
        )
    for one in audit.signs:
        if one.sight is not Sight.CLEAR:
            continue
        if _contradicted(one, audit) and one not in audit.wrong:
            found.append(
                f"{one.detector.name} has the intended sign, and its servo holds the slope of "
                f"{quadrature(-one.detector.intended)}: its output or its piezo is reversed."
            )
        if abs(one.share - 1.0) > UNEVEN:
            found.append(
                f"{one.detector.name} sees {100 * one.share:.0f} % of the tone that the others see, at the offset that "
                "its fringe tells: look at the level of its fringe at quadrature, its visibility and its power."
            )
    return found


def evidence(audit: SignAudit) -> str:
    """Return a sentence with signal-to-noise, false-alarm probability and confidence of the weakest detector."""
    clear = [one for one in audit.signs if one.sight is Sight.CLEAR]
    weakest = min(clear, key=lambda one: one.snr)
    return (
        f"Tone {10.0 * math.log10(weakest.snr):.0f} dB or more above the noise of a record in {_listed(clear)} (noise "
        f"alone: chance {max(one.false_alarm for one in clear):.0e}); a relative sign is wrong with a chance of "
        f"{max(one.chance_wrong for one in clear):.0e} or less"
        + (f", the overall one of {audit.overall_chance_wrong:.0e}." if audit.overall else ".")
    )


def quadrature(sign: int) -> str:
    """Return the quadrature of a sign as a station file writes it."""
    return "+pi/2" if sign > 0 else "-pi/2"


def _unseen(one: DetectorSign) -> Complaint:
    name, offset_rad = one.detector.name, one.detector.offset_rad
    if one.sight is Sight.UNDECIDED:
        doubt = (
            f"{name}: the phase of its tone decides for neither sign (wrong with a chance of {one.chance_wrong:.2g})."
        )
        return Complaint(doubt, MEASURE_DELAYS)
    if abs(offset_rad) > OFF_QUADRATURE_RAD:
        return Complaint(f"{name} sees no tone, {offset_rad:+.2f} rad off its quadrature.", RELOCK)
    chance = f"noise alone gives as much with a chance of {one.false_alarm:.2g}"
    return Complaint(f"{name} sees no tone ({chance}): it is dark or off its quadrature.", LOOK_AT_LIGHT)


def _wrong(one: DetectorSign, audit: SignAudit) -> Complaint:
    name, intended = one.detector.name, one.detector.intended
    is_at, wanted = quadrature(-intended), quadrature(intended)
    if not audit.overall:
        against = f"{name} has the sign of {is_at} where {wanted} is intended, against the other detectors."
        return Complaint(against, RELOCK)
    if _contradicted(one, audit):
        reversed_output = (
            f"{name} has the sign of {is_at} where {wanted} is intended, although its servo holds the slope of "
            f"{wanted}: its output or its piezo is reversed."
        )
        return Complaint(reversed_output, NAME_SIGNS)
    return Complaint(f"{name} is at {is_at} where {wanted} is intended.", RELOCK)


def _contradicted(one: DetectorSign, audit: SignAudit) -> bool:
    """Return whether its servo holds the slope of the other sign."""
    held = one.detector.held
    return bool(audit.overall) and held is not None and one.relative * audit.overall != held


def _listed(signs: Sequence[DetectorSign]) -> str:
    return ", ".join(one.detector.name for one in signs)
