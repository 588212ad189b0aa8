"""Locked is a measurement: the verdict on a loop from a window of readings and the state of what it moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.locks.loop import ActuatorState, Reading, Tolerance, Verdict

__all__ = ["Verdict", "Window", "is_bad", "judge", "judge_actuator"]

RAIL_MARGIN = 0.05  # of half the range: closer to a rail than this no loop counts as locked
QUIET_SHARE = 0.25  # of the residual at lock: a signal more quiet than this is no fringe any more
FEWEST_TO_BE_QUIET = 8


@dataclass(frozen=True)
class Window:
    """What a window of readings showed: mean and rms of the error, mean and lowest witness, and the worst error."""

    mean: float
    rms: float
    largest: float
    witness: float
    least_witness: float

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Window:
        """Return the numbers of `readings`; nan where the loop has no such signal, or a reading is no number."""
        errors = [reading.error for reading in readings]
        witnesses = [reading.witness for reading in readings]
        count = len(readings)
        mean_square = sum(error * error for error in errors) / count
        return cls(
            mean=sum(errors) / count,
            rms=math.sqrt(mean_square),
            largest=max(errors, key=abs),
            witness=sum(witnesses) / count,
            least_witness=min(witnesses),
        )


def is_bad(reading: Reading, tolerance: Tolerance) -> bool:
    """Return whether one reading is beyond tolerance; a loop with neither error nor witness is never good."""
    if math.isnan(reading.error):
        return not reading.witness >= tolerance.least_witness
    # An error that no measurement gave is not a good one: comparisons with nan are false.
    beyond = not abs(reading.error) <= tolerance.largest_error
    return beyond or reading.witness < tolerance.least_witness


def judge(
    name: str,
    unit: str,
    tolerance: Tolerance,
    readings: Sequence[Reading],
    actuator: ActuatorState | None,
    residual_at_lock: float = 0.0,
) -> Verdict:
    """Judge a loop by a window of readings, and by where its output is if somebody looked.

    A free fringe has mean 0 as a locked one has, so the rms counts; a fringe without light is more quiet than any lock.
    """
    if not readings:
        return Verdict(False, f"{name}: nobody has looked at it yet.")
    window = Window.of(readings)
    if math.isnan(window.rms) and math.isnan(window.witness):
        return Verdict(False, f"{name}: its signals are no numbers.")
    if not math.isnan(window.rms):
        if not abs(window.mean) <= tolerance.mean:
            return Verdict(False, f"{name}: sits {window.mean:+.2f} {unit} from its lock point.", window.rms)
        if not window.rms <= tolerance.rms:
            return Verdict(
                False, f"{name}: moves by {window.rms:.2f} {unit} rms about its lock point, as a free one.", window.rms
            )
        # A loop with a witness shows by it that there is light.
        silent = math.isnan(window.witness) and window.rms < QUIET_SHARE * residual_at_lock
        if silent and len(readings) >= FEWEST_TO_BE_QUIET:
            return Verdict(False, f"{name}: its signal is too quiet for a lock: no light?", window.rms)
    if window.witness < tolerance.least_witness:
        return Verdict(False, f"{name}: its light is at {100 * window.witness:.0f} % of that at lock.", window.rms)
    return judge_actuator(name, actuator, window.rms)


def judge_actuator(name: str, actuator: ActuatorState | None, residual: float = math.nan) -> Verdict:
    """Judge a loop by what it moves alone; locked where nobody looked."""
    if actuator is None:
        return Verdict(True, residual=residual)
    if not actuator.closed:
        return Verdict(False, f"{name}: the servo is open.", residual)
    if actuator.at_limit or actuator.margin < RAIL_MARGIN:
        return Verdict(False, f"{name}: the servo output is at its limit ({actuator.output_v:+.2f} V).", residual)
    return Verdict(True, residual=residual)
