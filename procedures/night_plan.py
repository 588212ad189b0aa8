"""Which steps of a recipe a night has time for: the most value for the time, each with what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labctl.configuration.recipe_file import Step
from labctl.errors import ConfigurationError
from procedures.planned_times import duration_text

RESERVE = 0.1  # of the time, for locks that are lost and tries that are repeated


@dataclass(frozen=True)
class Fit:
    """What fits: lab time of the chosen steps in s, and why each of the others is left out."""

    chosen_s: float
    left_out: Mapping[str, str]


def fit_into(steps: Sequence[Step], expected_s: Mapping[str, float], available_s: float) -> Fit:
    """Return which steps to leave out of a night of `available_s` (s of lab time), a reserve taken off.

    Takes, again and again, the step that brings the most value for the time it and what it needs still take, as long
    as one fits.
    """
    by_name = {step.name: step for step in steps}
    usable_s = (1.0 - RESERVE) * available_s
    chosen: set[str] = set()
    used_s = 0.0
    while True:
        best: tuple[float, set[str], float] | None = None
        for step in steps:
            if step.name in chosen:
                continue
            with_needs = _with_needs(step, by_name) - chosen
            cost_s = sum(expected_s[name] for name in with_needs)
            value = sum(by_name[name].value for name in with_needs)
            if used_s + cost_s <= usable_s and (best is None or value / max(cost_s, 1.0) > best[0]):
                best = (value / max(cost_s, 1.0), with_needs, cost_s)
        if best is None:
            break
        chosen |= best[1]
        used_s += best[2]
    reason = f"no time in {duration_text(usable_s)}"
    return Fit(used_s, {step.name: reason for step in steps if step.name not in chosen})


def _with_needs(step: Step, by_name: Mapping[str, Step]) -> set[str]:
    found: set[str] = set()
    waiting = [step.name]
    while waiting:
        name = waiting.pop()
        if name not in found and name in by_name:
            found.add(name)
            waiting += by_name[name].needs
    return found


def seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from `now` to the next "07:00".

    Raises `ConfigurationError` where the text is no time of day.
    """
    try:
        wanted = datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ConfigurationError(f"{text!r} is no time of day.", remedy="Write it like 07:00.") from None
    until = now.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
    if until <= now:
        until += timedelta(days=1)
    return (until - now).total_seconds()
