"""What somebody has to go to the table for: alignment, actuators near their ends, sensors that are not alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from labctl.estimation.sensor_consistency import ALLOWED
from labctl.locks.causes import CauseKind
from labctl.locks.losses import Evidence
from labctl.report.contents import RunContents
from labctl.report.published import in_unit
from labctl.report.sections import Cell, Finding, Section, Table, columns, shown
from labctl.report.wording import Mark, lab_time
from labctl.store.records import NamedResult, StepState

CLEAR_SIGMAS = 3.0
LEAST_FALL = 0.005  # of visibility: a percent of efficiency
POOR_VISIBILITY = 0.9  # costs a fifth of the light
NIGHTS_OF_A_TREND = 3
UNIFORMITY = "uniformity"  # the procedure that says what to turn
NEAR_THE_END = 0.85  # of the range of a servo's output
SERVO_RANGE_V = 4.5
"""What the servos are limited to where the run does not tell."""

NOW = Mark("✖", "now", "bad")
SOON = Mark("▲", "soon", "notice")
_NOTHING = Mark("✔", "nothing", "calm")

_LIGHT = (
    "Give it more or less light with the half-wave plates of the network, or move the light spot on the membrane; the "
    "length of its cavity does not help."
)
_TURN = {
    "gamma": "Damping cannot be turned: look at the vacuum and at how the membrane is clamped; else exchange it.",
    "coupling": _LIGHT,
    "linewidth": _LIGHT,
}
_RECENTRE = "Move its range back to the middle: bias of the piezo, temperature, or the path by hand."
_OUTSIDE = re.compile(r"(?P<actuator>\w[\w ]*): (?P<asked>-?[0-9.e+-]+ \w+) is outside (?P<range>[^;]+)")
_PARTS = {"gamma": "damping", "coupling": "coupling", "linewidth": "linewidth"}


def needs_hands(run: RunContents) -> Section:
    """The section; what cannot wait comes first."""
    rows = [*_uniformity(run), *_visibilities(run), *_actuators(run), *_at_limits(run), *_failures(run)]
    rows.sort(key=lambda row: row[0].mark is not NOW)
    findings = () if rows else (Finding(_NOTHING, "Nothing needs a hand on the table."),)
    head = columns("When", "Where", "What is seen", "What to turn")
    return Section(
        "hands",
        "Needs hands",
        "What needs hands",
        "What the program cannot mend itself: alignment that drifts, actuators near the end of their range, sensors "
        "that are not alike to 3\u00a0%, and what to turn for each.",
        findings,
        (Table(head, tuple(rows)),) if rows else (),
    )


def _row(mark: Mark, where: str, seen: str, turn: str) -> tuple[Cell, ...]:
    return Cell("", mark), Cell(where), Cell(seen), Cell(turn)


def _amount(result: NamedResult) -> str:
    return shown(result.value, result.sigma, result.unit)


def _uniformity(run: RunContents) -> Iterator[tuple[Cell, ...]]:
    """Sensors beyond 3 % of eq. (2), on resonance or off it."""
    for n in run.sensors:
        found = [run.results.get(f"sensor{n}.inconsistency{where}") for where in ("", "_off")]
        shares = [in_unit(one, "") for one in found if one is not None]
        share = max(shares, key=lambda one: abs(one.value), default=None)
        if share is None or abs(share.value) - ALLOWED <= share.sigma:
            continue  # inside, or nobody can tell
        when = NOW if abs(share.value) - ALLOWED > CLEAR_SIGMAS * share.sigma else SOON
        seen = f"Force noise {_percent(share)} off the design, more than {100.0 * ALLOWED:.0f}\u00a0%"
        parts = _parts_of(run, n)
        worst = max(parts, key=lambda part: abs(parts[part].value), default="")
        if worst:
            seen += f"; most by its {_PARTS[worst]} ({_percent(parts[worst])})"
        turn = _advice(run, n) or _TURN.get(worst, "Find out which of Γ, g₀ and κ it is.")
        yield _row(when, f"Sensor\u00a0{n}", f"{seen}.", turn)


def _advice(run: RunContents, sensor: int) -> str:
    """What the comparison with the design said of a sensor itself."""
    steps, start = {step.name for step in run.steps if step.procedure == UNIFORMITY}, f"sensor{sensor}: "
    told = [event for event in run.events if event.level == "warning" and event.source in steps]
    said = [event.text.removeprefix(start) for event in told if event.text.startswith(start)]
    return " ".join(text[:1].upper() + text[1:] for text in dict.fromkeys(said))


def _parts_of(run: RunContents, sensor: int) -> dict[str, NamedResult]:
    found = {part: run.results.get(f"sensor{sensor}.inconsistency_{part}") for part in _PARTS}
    return {part: in_unit(result, "") for part, result in found.items() if result is not None}


def _percent(share: NamedResult) -> str:
    return shown(100.0 * abs(share.value), 100.0 * share.sigma, "%")


def _visibilities(run: RunContents) -> Iterator[tuple[Cell, ...]]:
    for n in run.sensors:
        name = f"sensor{n}.visibility"
        tonight = run.results.get(name)
        if tonight is None:
            continue
        before = [night.results[name].value for night in reversed(run.earlier) if name in night.results]
        turn = f"Align the local oscillator of sensor {n} (align_sensor), or its mirrors by hand."
        here = f"Sensor\u00a0{n}"
        if tonight.value + tonight.sigma < POOR_VISIBILITY:
            lost = 100.0 * (1.0 - tonight.value**2)
            yield _row(NOW, here, f"Visibility {_amount(tonight)}: {lost:.0f}\u00a0% of the light is lost by it.", turn)
        elif _has_fallen(tonight, before):
            yield _row(SOON, here, f"Visibility {_amount(tonight)}, {np.mean(before):.3f} on average before.", turn)
        elif _keeps_falling(tonight, before):
            path = " → ".join(f"{value:.3f}" for value in [*before[-NIGHTS_OF_A_TREND:], tonight.value])
            yield _row(SOON, here, f"Visibility falls night by night: {path}. The alignment drifts.", turn)


def _has_fallen(tonight: NamedResult, before: Sequence[float]) -> bool:
    if len(before) < NIGHTS_OF_A_TREND:
        return False
    expected = math.hypot(float(np.std(before, ddof=1)), tonight.sigma / math.sqrt(len(before)))
    fall = float(np.mean(before)) - tonight.value
    return fall > LEAST_FALL and fall > CLEAR_SIGMAS * expected


def _keeps_falling(tonight: NamedResult, before: Sequence[float]) -> bool:
    values = [*before[-NIGHTS_OF_A_TREND:], tonight.value]
    falls = all(later < earlier for earlier, later in pairwise(values))
    return len(values) > NIGHTS_OF_A_TREND and falls and values[0] - values[-1] > 2.0 * LEAST_FALL


def _actuators(run: RunContents) -> Iterator[tuple[Cell, ...]]:
    """Loops whose output was at or near its end when a lock was lost."""
    limit = _servo_limit_v(run)
    near: dict[str, tuple[float, float, bool]] = {}
    for record in run.losses:
        highest, at_the_end = _highest_v(record.evidence), record.cause.kind is CauseKind.RAIL
        if at_the_end or highest >= NEAR_THE_END * limit:
            near[record.loss.loop] = (record.loss.at, highest, at_the_end)
    for loop, (at, highest, at_the_end) in near.items():
        seen = "ran into its end" if at_the_end else "was near its end"
        text = f"Its output {seen} ({highest:.1f} of {limit:.1f} V) at {lab_time(at)}."
        yield _row(NOW if at_the_end else SOON, loop, text, _RECENTRE)


def _highest_v(evidence: Evidence) -> float:
    """The largest output of the lost loop in the seconds around its loss; 0 where it is not known."""
    if evidence.loss.loop not in evidence.loops:
        return 0.0
    outputs = np.abs(evidence.output_v[evidence.loops.index(evidence.loss.loop)])
    return float(np.nanmax(outputs)) if np.isfinite(outputs).any() else 0.0


def _at_limits(run: RunContents) -> Iterator[tuple[Cell, ...]]:
    """Actuators that were asked for more than they have, once each."""
    asked: dict[str, tuple[str, int]] = {}
    for event in run.events:
        found = _OUTSIDE.search(event.text) if event.level in ("warning", "error") else None
        if found:
            seen = f"{found['actuator']} was asked for {found['asked']}, outside {found['range']}"
            asked[found["actuator"]] = (seen, asked.get(found["actuator"], ("", 0))[1] + 1)
    for actuator, (seen, times) in asked.items():
        yield _row(NOW, actuator, f"{seen} ({times} ×).", _RECENTRE)


def _servo_limit_v(run: RunContents) -> float:
    limits = [abs(one.value) for one in run.asked if one.setting.endswith(".upper_limit") and _is_number(one.value)]
    return float(min(limits)) if limits else SERVO_RANGE_V


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _failures(run: RunContents) -> Iterator[tuple[Cell, ...]]:
    last = {step.name: step for step in run.steps}
    for step in last.values():
        if step.state is StepState.FAILED:
            yield _row(NOW, step.name, step.reason or "no reason was recorded", "The reason says where to look.")
