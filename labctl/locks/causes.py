"""Why a lock was lost: one sentence for the person who is woken, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np

from labctl.locks.first_movers import LEAST_BAND, Mover, Needs, ancestors, in_ms
from labctl.locks.loss_scene import Scene
from labctl.locks.losses import Evidence

THROWN_V: Final = 1.0  # of the output: further away than a loop that is closed again where it was
JUMP_V: Final = 0.25  # of the output: what no knock leaves behind and no drift does in the time of a relock
DARK: Final = 0.03  # of the light at lock: none
LEAST_STEP: Final = 0.06  # of the light: a smaller step is noise
LEAST_LIGHT_HELD: Final = 0.25  # of the light: with less a length loop is lost, and its light says nothing of the laser
STEADY: Final = 0.05  # of the light: a step stays where it went
SLOW_FALL: Final = 0.05  # of the light before: a witness that has gone so far
TRIES_IN_THE_DARK: Final = 2
AT_ONCE_LOOKS: Final = 2.5
SATURATED_RAD: Final = 1.3  # the level of a detector has left its fringe
EPOCH_S: Final = 1e8  # lab time beyond it is that of a wall clock
SURE, LIKELY, GUESS = 0.95, 0.8, 0.5


class CauseKind(StrEnum):
    """What makes locks go."""

    KNOCK = "knock"
    MODE_HOP = "mode hop"
    POWER_STEP = "power step"
    RAIL = "rail"
    LIGHT_GONE = "light gone"
    TEMPERATURE = "temperature"
    OSCILLATION = "oscillation"
    UPSTREAM = "upstream"
    DETECTOR = "detector"
    INSTRUMENT = "instrument away"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Cause:
    """Why a lock was lost.

    `confidence` is from 0 to 1; `order` the loops that moved while they were closed, `first_mover` the first of them or
    "" where none was seen.
    """

    kind: CauseKind
    sentence: str
    confidence: float
    first_mover: str
    order: tuple[Mover, ...]


@dataclass(frozen=True)
class _Finding:
    """What one rule makes of the subject of a scene; `text` goes on after its name."""

    kind: CauseKind
    text: str
    confidence: float


def explain(evidence: Evidence, needs: Needs) -> Cause:
    """Return why a lock was lost, as far as its seconds show; `needs` maps each loop to those that it needs.

    A loss is told best once the loop is locked again: only then is it known where its point has gone.
    """
    scene = Scene.of(evidence, needs)
    lost, subject = evidence.loss.loop, scene.subject
    found = next((finding for rule in _RULES if (finding := rule(scene)) is not None), _unexplained(scene))
    who = f"{lost} went with {subject}, which it needs; {subject}" if scene.is_upstream else lost
    first = scene.order[0].loop if scene.order else ""
    sentence = f"{clock_time(evidence.loss.at)}: {who} {found.text}."
    return Cause(found.kind, sentence, found.confidence, first, scene.order)


def _unexplained(scene: Scene) -> _Finding:
    seen = f"; what moved: {in_ms(scene.order)}" if scene.order else ""
    if scene.is_upstream:
        return _Finding(CauseKind.UPSTREAM, f"moved first, and nothing tells why{seen}", GUESS)
    reason = scene.evidence.loss.reason.removeprefix(f"{scene.subject}: ").rstrip(".")
    return _Finding(CauseKind.UNKNOWN, f"was lost and nothing tells why ({reason}){seen}", 0.0)


def clock_time(at: float) -> str:
    """Return a lab time as a person reads it: by the clock on the wall, or since a simulated table was switched on."""
    if at > EPOCH_S:
        return f"{datetime.fromtimestamp(at):%H:%M:%S}"
    return f"lab time {at:.1f} s"


# ---- rules, the most telling ones first ------------------------------------------------------------------------------


def _instrument(scene: Scene) -> _Finding | None:
    if scene.was(scene.subject, "fault"):
        return _Finding(CauseKind.INSTRUMENT, "lost an instrument, which did not answer", SURE)
    return None


def _rail(scene: Scene) -> _Finding | None:
    # What the output was when it was judged is in the reason; the looks at it before are two seconds apart.
    if scene.is_upstream or "limit" not in scene.evidence.loss.reason:
        return None
    drift = scene.output_drift_v_per_s(scene.subject)
    before_v = scene.output_before_v(scene.subject)
    went = f", after it had drifted to {before_v:+.2f} V by {drift:+.3f} V/s" if drift * before_v > 0.0 else ""
    return _Finding(CauseKind.RAIL, f"ran into the limit of its output{went}", SURE)


def _light_gone(scene: Scene) -> _Finding | None:
    silent = [loop for loop in scene.evidence.loops if scene.fell_silent(loop)]
    lost = scene.subject
    if lost in silent:
        who = "of all detectors" if len(silent) > 1 else f"of {lost} alone"
        return _Finding(CauseKind.LIGHT_GONE, f"has no light: the signal {who} is silent; look at shutters", LIKELY)
    # A knock leaves the point where a small scan finds it, and a hop leaves it elsewhere.
    moved = abs(scene.jump_v(lost)) > JUMP_V
    if scene.level(lost) < DARK and scene.failed_tries(lost) >= TRIES_IN_THE_DARK and not moved:
        return _Finding(
            CauseKind.LIGHT_GONE,
            "lost all its light and was not found again where it had been: a beam is blocked, a shutter closed",
            LIKELY,
        )
    return None


def _power_step(scene: Scene) -> _Finding | None:
    root = scene.root
    if root is None or scene.has_error(root):
        return None
    bad = scene.while_bad(root)
    level = scene.level(root)
    steady = bad.size >= 2 and float(np.ptp(bad[:3])) < STEADY * float(np.max(bad[:3]))
    if not steady or not LEAST_LIGHT_HELD < level < 1.0 - LEAST_STEP:
        return None
    witnesses = [loop for loop in scene.evidence.loops if not scene.has_error(loop) and loop != root]
    fell = all(not scene.level(loop) > 1.0 - LEAST_STEP for loop in witnesses)
    others = [loop for loop in scene.evidence.loops if scene.has_error(loop) and loop != scene.evidence.loss.loop]
    if not fell or any(scene.is_abrupt(loop) for loop in others):
        return None
    return _Finding(
        CauseKind.POWER_STEP, f"went when the light of the laser fell to {100 * level:.0f} % on all monitors", SURE
    )


def _oscillation(scene: Scene) -> _Finding | None:
    subject = scene.subject
    if scene.swings(subject):
        rms = float(np.std(scene.while_bad(subject)))
        return _Finding(
            CauseKind.OSCILLATION, f"began to swing about its point ({rms:.2f} rms): its gain is too high", LIKELY
        )
    # A closed loop follows a knock within a look, unless that throws it out of its range.
    thrown = not abs(scene.jump_v(subject)) < THROWN_V
    if not scene.has_error(subject) or not scene.is_abrupt(subject) or not _is_alone(scene) or thrown:
        return None
    return _Finding(
        CauseKind.OSCILLATION,
        "alone began to move about its point from one look to the next and was found there again: its gain is too high",
        GUESS,
    )


def _mode_hop(scene: Scene) -> _Finding | None:
    subject = scene.subject
    jump_v = scene.jump_v(subject)
    if subject != scene.root or not scene.is_abrupt(subject) or not abs(jump_v) > JUMP_V:
        return None
    return _Finding(
        CauseKind.MODE_HOP,
        f"was left by the laser, which hopped: its point jumped by {jump_v:+.2f} V at the output and stayed there",
        SURE,
    )


def _detector(scene: Scene) -> _Finding | None:
    subject = scene.subject
    if not scene.has_error(subject):
        return None
    bad = scene.while_bad(subject)
    if not bad.size or abs(float(np.mean(bad))) < LEAST_BAND["error"]:
        return None
    left = abs(float(np.mean(bad))) > SATURATED_RAD
    if not _is_alone(scene) or (scene.is_abrupt(subject) and not left):
        return None
    return _Finding(
        CauseKind.DETECTOR,
        f"walked {float(np.mean(bad)):+.2f} from its point while all others stayed: a photodiode or the balance of its "
        "detector fades",
        LIKELY if left or scene.trend_per_s(subject) else GUESS,
    )


def _knock(scene: Scene) -> _Finding | None:
    subject = scene.subject
    if not scene.is_abrupt(subject):
        return None
    order = _at_once(scene)
    others = [mover.loop for mover in order if mover.loop != subject]
    free = [loop for loop in others if subject not in ancestors(loop, scene.needs)]
    jump_v = scene.jump_v(subject)
    went = f": it, {_listed(others)} jumped within {_span_ms(order, scene.look_s):.0f} ms" if others else ""
    if math.isnan(jump_v):
        hop = "; if its point has moved when it is locked again, the laser hopped" if subject == scene.root else ""
        return _Finding(CauseKind.KNOCK, f"was knocked{went}{hop}", LIKELY if free else GUESS)
    back = f"; its point came back, to within {abs(jump_v):.2f} V at the output"
    return _Finding(CauseKind.KNOCK, f"was knocked{went}{back}", SURE if free or subject == scene.root else LIKELY)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _at_once(scene: Scene) -> list[Mover]:
    """Return the subject's move and those that cannot be told from it in time, in their order."""
    moved = [mover for mover in scene.order if mover.loop == scene.subject]
    start = moved[0].at if moved else scene.evidence.loss.at
    return [mover for mover in scene.order if mover in moved or abs(mover.at - start) < AT_ONCE_LOOKS * scene.look_s]


def _is_alone(scene: Scene) -> bool:
    return all(mover.loop == scene.subject for mover in _at_once(scene))


def _span_ms(order: Sequence[Mover], look_s: float) -> float:
    """Return the time from the first mover to the last, in ms, in whole looks."""
    looks = max(1, math.ceil((order[-1].at - order[0].at) / look_s - 0.1))
    return 1e3 * look_s * looks


def _temperature(scene: Scene) -> _Finding | None:
    subject, root = scene.subject, scene.root
    if (
        root is None
        or set(scene.needs.get(subject, ())) != {root}
        or scene.has_error(subject)
        or not scene.stayed(root)
    ):
        return None
    trend = scene.trend_per_s(subject)
    if not (scene.level(subject) < 1.0 - SLOW_FALL or trend < 0.0):
        return None
    return _Finding(
        CauseKind.TEMPERATURE,
        f"lost its seed slowly ({100 * 60 * trend:+.1f} % a minute) while {root} kept its light: look at oven and "
        "crystal",
        LIKELY if trend < 0.0 else GUESS,
    )


_RULES: Final[tuple[Callable[[Scene], _Finding | None], ...]] = (
    _instrument,
    _rail,
    _light_gone,
    _power_step,
    _detector,
    _oscillation,
    _mode_hop,
    _knock,
    _temperature,
)
