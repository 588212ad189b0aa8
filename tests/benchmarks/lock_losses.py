"""What the supervisor of the locks is worth: disturbed nights of the simulated table, losses made on purpose, and the
operating points of the rule of loss.

Run: python tests/benchmarks/lock_losses.py --hours 2 --seeds 31 32
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "simulation"), str(_TESTS / "benchmarks")]

from disturbed_night import disturbances, live_through  # noqa: E402
from night_score import LONGEST_FALSE_S, NightScore, score  # noqa: E402
from recorded_losses import recorded_losses  # noqa: E402
from staged_losses import staged_losses  # noqa: E402

from labctl.locks.replay import OperatingPoint, operating_points, with_largest_error, with_least_witness  # noqa: E402

LARGEST_ERRORS_RAD = (0.1, 0.2, 0.36, 0.5, 0.8)
LEAST_WITNESSES = (0.97, 0.85, 0.5)
IN_A_ROW = (1, 2, 3, 5)
ASKED_LOCKED, ASKED_CAUSES = 0.98, 0.90


def say(text: str = "") -> None:
    """Print a line at once: a night takes minutes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def nights(seeds: Sequence[int], hours: float, drift_rad_per_s: float) -> bool:
    """Live through nights and return whether all is as asked."""
    scores = []
    for seed in seeds:
        night = live_through(seed, hours, disturbances(drift_rad_per_s))
        scores.append(score(night))
        say(f"seed {seed}, {hours:g} h, drift {drift_rad_per_s:g} rad/s, {night.cpu_s:.0f} s of CPU {night.error}")
        tell_night(scores[-1])
    judged = [(truth, cause) for one in scores for _, truth, cause in one.causes if truth is not None]
    right = sum(one.right for one in scores)
    valid = float(np.mean([one.valid for one in scores]))
    false = max(one.longest_false_s for one in scores)
    say(f"all: valid {100 * valid:.2f} % (asked {100 * ASKED_LOCKED:.0f} %), causes right {right} of {len(judged)}")
    say(f"     longest time valid while truly unlocked {false:.1f} s (asked {LONGEST_FALSE_S:g} s)")
    return valid >= ASKED_LOCKED and right >= ASKED_CAUSES * len(judged) and false <= LONGEST_FALSE_S


def tell_night(one: NightScore) -> None:
    """Print one night."""
    say(f"  valid {100 * one.valid:.2f} %, truly locked {100 * one.locked:.2f} %")
    say(f"  valid while truly unlocked {one.false_s:.1f} s in all, {one.longest_false_s:.1f} s at once")
    say(f"  {one.hops} hops, {one.hops_s:.0f} s not valid without a loss; {one.losses} losses, {one.relocks} relocks,")
    say(f"  {one.stalls} stalls, {one.false_alarms} losses of a loop that truly held")
    if one.delays_s:
        say(f"  from true loss to decision: median {np.median(one.delays_s):.2f} s, longest {max(one.delays_s):.2f} s")
    if one.back_s:
        say(f"  from loss to all locked: median {np.median(one.back_s):.1f} s, longest {max(one.back_s):.1f} s")
    for loop, truth, cause in one.causes:
        mark = "?" if truth is None else "ok" if cause.kind is truth else "NO"
        say(f"    {mark:3s}{loop}: {truth or 'nothing done'} | {cause.sentence}")


def staged(seeds: Sequence[int]) -> None:
    """Make losses on purpose and print what is said of them."""
    for seed in seeds:
        say(f"losses made on purpose, seed {seed}")
        for one in staged_losses(seed):
            say(f"  {one.what}: {one.truth}; {len(one.said)} lost")
            for cause in one.said:
                say(f"    {'ok' if cause.kind is one.truth else 'NO':3s}{cause.sentence}")


def rule_of_loss(seeds: Sequence[int], episodes: int) -> None:
    """Replay recorded losses through the rule of loss and print its operating points."""
    found = [recorded_losses(seed, episodes) for seed in seeds]
    homodyne = [one for record in found for name in record if name.startswith("lo") for one in record[name][1]]
    say("homodyne loops: largest error, bad in a row")
    tolerance = found[0]["lo1"][0]
    for point in operating_points(homodyne, with_largest_error(tolerance, LARGEST_ERRORS_RAD), IN_A_ROW):
        tell_point(f"{point.tolerance.largest_error:.2f} rad", point)
    for name in ("opa_length", "pump_phase"):
        say(f"{name}: least witness, bad in a row")
        recordings = [one for record in found for one in record[name][1]]
        tolerance = found[0][name][0]
        for point in operating_points(recordings, with_least_witness(tolerance, LEAST_WITNESSES), IN_A_ROW):
            tell_point(f"{100 * point.tolerance.least_witness:.0f} %", point)


def tell_point(threshold: str, point: OperatingPoint) -> None:
    """Print one operating point."""
    say(
        f"  {threshold:>9s} x{point.bad_in_a_row}: {point.missed} of {point.losses} missed, delay "
        f"{point.median_delay_s:.2f} s median, {point.longest_delay_s:.2f} s longest, "
        f"{point.false_alarms_per_hour:.1f} false alarms an hour"
    )


def main() -> int:
    """Run what is asked for and return 1 where a night was not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31])
    parser.add_argument("--drift", type=float, default=0.01, help="of all paths, in rad/s")
    parser.add_argument("--what", choices=("nights", "staged", "rule", "all"), default="all")
    parser.add_argument("--episodes", type=int, default=48, help="recorded losses a seed")
    asked = parser.parse_args()
    good = True
    if asked.what in ("nights", "all"):
        good = nights(asked.seeds, asked.hours, asked.drift)
    if asked.what in ("staged", "all"):
        staged(asked.seeds)
    if asked.what in ("rule", "all"):
        rule_of_loss(asked.seeds, asked.episodes)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
