"""From a cold, misaligned table to every loop locked, by the shipped recipe and nobody: what was reached, by the truth
of each table, and how long it took.

Run: python tests/benchmarks/cold_starts.py --seeds 100 [--first 1]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "simulation")]

from cold_source import cold_station  # noqa: E402
from ideal_table import OpenTable, open_table, phase_error_rad  # noqa: E402

from labctl.configuration.recipe_file import Step  # noqa: E402
from labctl.configuration.toml_reading import load_recipe  # noqa: E402
from labctl.simulation.table import SimulatedTable  # noqa: E402
from labctl.store.records import RunState, StepState  # noqa: E402
from procedures.bench import Bench, MemoryRecord  # noqa: E402
from procedures.overnight import RecipeRun, StopRequest  # noqa: E402
from procedures.step_queue import StepQueue  # noqa: E402

RECIPE = _TESTS.parent / "config" / "bring_up.toml"
ON_QUADRATURE_RAD = 0.05  # the fast noise of the path is not in it
ON_RESONANCE = 0.95  # of the pump in the source cavity: a sideband has a tenth
ON_LENGTH_M = 10e-9
LEAST_SHARE = 0.96  # of the power at best alignment
LOOKS, LOOK_S = 20, 0.5
SENSORS = 4


class Journal(MemoryRecord):
    """A record in memory that also takes steps and settings."""

    def step(self, record: object) -> None: ...

    def keep_settings(self, settings: object) -> None: ...


class Listener:
    """Keeps why steps failed and how often they were repeated."""

    def __init__(self) -> None:
        self.repeats = 0
        self.reasons: list[str] = []

    def step_began(self, step: Step, attempt: int) -> None:
        self.repeats += attempt > 1

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        if state is StepState.FAILED:
            self.reasons.append(f"{step.name}: {reason}")


@dataclass(frozen=True)
class ColdStart:
    """One table: whether every step was done, what is wrong by its truth all the same, lab and CPU time in s."""

    seed: int
    complete: bool
    reasons: tuple[str, ...]
    wrong: tuple[str, ...]
    lab_s: float
    cpu_s: float
    repeats: int
    oven_error_k: float
    least_share: float


def cold_start(seed: int) -> ColdStart:
    """Bring one table up and compare it with its truth."""
    began = time.process_time()
    opened = open_table(cold_station(seed), warmed=False)
    bench, listener = Bench.of(opened.station, Journal()), Listener()
    began_at = bench.clock.now()
    steps = load_recipe(RECIPE).expand(SENSORS)
    run = RecipeRun(StepQueue(steps), bench, bench.record, listener, StopRequest(bench.clock), leave_as_is=True)  # type: ignore[arg-type]
    outcome = run.run()
    lab_s = bench.clock.now() - began_at
    complete = outcome.state is RunState.COMPLETE
    wrong = wrong_by_truth(opened) if complete else ()
    table = opened.table
    shares = [(sensor.visibility() / sensor.truth.visibility) ** 2 for sensor in table.sensors]
    best_c = table.truth.best_temperature_c
    found = bench.record.results().get("oven.best_temperature_c")
    error_k = float("nan") if found is None else found.value - best_c
    opened.station.close()
    return ColdStart(
        seed,
        complete,
        tuple(listener.reasons),
        wrong,
        lab_s,
        time.process_time() - began,
        listener.repeats,
        error_k,
        min(shares),
    )


def wrong_by_truth(opened: OpenTable) -> tuple[str, ...]:
    """Return what calls itself locked and is not where it ought to be, over some seconds."""
    table, wrong = opened.table, set()
    for _ in range(LOOKS):
        opened.station.clock.sleep(LOOK_S)
        source = table.source
        if not source._resonance() > ON_RESONANCE:
            wrong.add(f"opa_length at {source._resonance():.2f} of its resonance")
        if not abs(source.pump_phase_error_rad()) < ON_QUADRATURE_RAD:
            wrong.add(f"pump_phase {source.pump_phase_error_rad():+.2f} rad off")
        for number, sensor in enumerate(table.sensors, start=1):
            if not abs(phase_error_rad(sensor, 1)) < ON_QUADRATURE_RAD:
                wrong.add(f"lo{number} {phase_error_rad(sensor, 1):+.2f} rad off")
            off_m = off_resonance_m(table, number)
            if not abs(off_m) < ON_LENGTH_M:
                wrong.add(f"cavity{number} {1e9 * off_m:+.0f} nm off")
            share = (sensor.visibility() / sensor.truth.visibility) ** 2
            if share < LEAST_SHARE:
                wrong.add(f"sensor{number} aligned to {share:.2f}")
    return tuple(sorted(wrong))


def off_resonance_m(table: SimulatedTable, number: int) -> float:
    """Return how much longer a cavity is than at the nearest resonance, in m."""
    cavity = table.sensors[number - 1].cavity
    return math.remainder(cavity.gap_m() - cavity._resonant_gap_m, 0.5 * cavity._design_m)


def table_of(starts: Sequence[ColdStart]) -> str:
    """Return what was reached over all tables."""
    good = [start for start in starts if start.complete and not start.wrong]
    lab_min = np.array([start.lab_s for start in good]) / 60.0
    lines = [
        f"{len(good)} of {len(starts)} tables locked without a person; {sum(bool(s.wrong) for s in starts)} of them "
        "called something locked that is not.",
    ]
    if good:
        errors_mk = 1e3 * np.abs([start.oven_error_k for start in good])
        lines += [
            f"lab time: median {np.median(lab_min):.1f} min, 95th percentile {np.percentile(lab_min, 95):.1f} min",
            f"oven: median {np.median(errors_mk):.1f} mK, largest {errors_mk.max():.1f} mK from the best place",
            f"worst alignment: {min(start.least_share for start in good):.3f} of the power",
            f"steps repeated: {sum(s.repeats for s in good)}; CPU {np.mean([s.cpu_s for s in good]):.0f} s a table",
        ]
    return "\n".join(lines)


def main() -> None:
    """Run the tables and print one line each, then the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    asked = parser.parse_args()
    starts = []
    for seed in range(asked.first, asked.first + asked.seeds):
        start = cold_start(seed)
        starts.append(start)
        state = "locked" if start.complete and not start.wrong else "WRONG" if start.complete else "FAILED"
        sys.stdout.write(
            f"{seed:4d} {state:7s} lab {start.lab_s / 60:6.1f} min  cpu {start.cpu_s:5.1f} s  "
            f"oven {1e3 * start.oven_error_k:+6.2f} mK  power {start.least_share:.3f}  repeats {start.repeats}  "
            + "; ".join([*start.wrong, *start.reasons])
            + "\n"
        )
        sys.stdout.flush()
    sys.stdout.write(table_of(starts) + "\n")


if __name__ == "__main__":
    main()
