"""What tonight must do again: by age, parameters, quantities that moved, and what it rests on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_night import step

from labctl.configuration.recipe_file import Step
from labctl.store.records import Manifest, NamedResult, RunState, StepRecord, StepState
from labctl.store.writer import RunWriter
from procedures.freshness import PREPARES, DoneStep, History, done_steps, history_of, stale_steps

HOUR_S = 3600.0
NOW = 1.8e9


def done(name: str, hours_ago: float, **known: float) -> DoneStep:
    return DoneStep(name, NOW - hours_ago * HOUR_S, "run", {}, known)


def history(*steps: DoneStep, **results: float) -> History:
    named = {name: NamedResult(name, value, 0.1, "Hz", "", "a") for name, value in results.items()}
    return History({one.name: one for one in steps}, named)


F0 = {"f0_hz": 10.0}
LOCK, A, B = step("lock"), step("a", fresh_s=6 * HOUR_S), step("b", "a", fresh_s=24 * HOUR_S)
AFTER_LOCK = step("a", "lock", fresh_s=6 * HOUR_S)
OF_SENSOR_2 = step("c", fresh_s=6 * HOUR_S, sensor=2, moved=F0)
OF_ALL = step("c", fresh_s=6 * HOUR_S, moved=F0)
SENSOR_1, SENSOR_2 = "sensor1.f0_hz", "sensor2.f0_hz"

CASES: dict[str, tuple[list[Step], History, dict[str, str]]] = {
    "never done": ([A], history(), {"a": "was never done"}),
    "fresh": ([A, B], history(done("a", 2.0), done("b", 1.0)), {}),
    "just fresh": ([A], history(done("a", 6.0)), {}),
    "too old": ([A], history(done("a", 7.0)), {"a": "is 7.0 h old, and good for 6 h"}),
    "prepares": ([LOCK], history(done("lock", 0.1)), {"lock": PREPARES}),
    "other parameters": (
        [replace(A, parameters={"averages": 5})],
        history(done("a", 1.0)),
        {"a": "was done with other parameters"},
    ),
    "rests on what is stale": (
        [A, B],
        history(done("a", 7.0), done("b", 1.0)),
        {"a": "is 7.0 h old, and good for 6 h", "b": "rests on a, which is 7.0 h old, and good for 6 h"},
    ),
    "rests on what was done again": (
        [A, B],
        history(done("a", 1.0), done("b", 2.0)),
        {"b": "rests on a, which was done again since"},
    ),
    "what prepares never invalidates": (
        [LOCK, AFTER_LOCK],
        history(done("lock", 0.1), done("a", 1.0)),
        {"lock": PREPARES},
    ),
    "moved": (
        [OF_SENSOR_2],
        history(done("c", 1.0, **{SENSOR_2: 100.0}), **{SENSOR_2: 88.0}),
        {"c": "was done before sensor2.f0_hz moved by -12 Hz (allowed 10)"},
    ),
    "hardly moved": ([OF_SENSOR_2], history(done("c", 1.0, **{SENSOR_2: 100.0}), **{SENSOR_2: 110.0}), {}),
    "that of another sensor moved": (
        [OF_SENSOR_2],
        history(done("c", 1.0, **{SENSOR_1: 1.0, SENSOR_2: 1.0}), **{SENSOR_1: 99.0, SENSOR_2: 1.0}),
        {},
    ),
    "that of any sensor moved": (
        [OF_ALL],
        history(done("c", 1.0, **{SENSOR_1: 1.0, SENSOR_2: 1.0}), **{SENSOR_1: 1.0, SENSOR_2: 20.0}),
        {"c": "was done before sensor2.f0_hz moved by +19 Hz (allowed 10)"},
    ),
    "not known then": ([OF_ALL], history(done("c", 1.0), **{SENSOR_1: 1.0}), {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_why_a_step_is_stale(case: tuple[list[Step], History, dict[str, str]]) -> None:
    steps, known, expected = case
    assert stale_steps(steps, known, NOW) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.none() | st.floats(0.0, 10.0), st.booleans()), min_size=1, max_size=8))
def test_no_fresh_step_rests_on_a_stale_measurement(drawn: list[tuple[int, float | None, bool]]) -> None:
    """Whatever was done when: what is kept was done, in time, and after everything measured that it needs."""
    steps, earlier = [], []
    for number, (need, hours_ago, measures) in enumerate(drawn):
        needs = (f"s{need}",) if need < number else ()
        steps.append(step(f"s{number}", *needs, fresh_s=6 * HOUR_S if measures else None))
        if hours_ago is not None:
            earlier.append(done(f"s{number}", hours_ago))
    known = history(*earlier)
    stale = stale_steps(steps, known, NOW)
    by_name = {one.name: one for one in steps}
    for one in steps:
        if one.name in stale:
            continue
        assert known.steps[one.name].done_at >= NOW - 6 * HOUR_S
        for need in one.needs:
            if by_name[need].fresh_s is not None:
                assert need not in stale and known.steps[need].done_at <= known.steps[one.name].done_at


# ---- what earlier runs did -------------------------------------------------------------------------------------------

CREATED = "2026-01-02T03:04:05+00:00"
CREATED_S = 1767323045.0


def manifest(run_id: str, backend: str, created: str = CREATED, station: str = "bench") -> Manifest:
    return Manifest(run_id, created, "a night", "", station, "", backend)


ATTEMPTS = [
    StepRecord("a", "p", StepState.FAILED, 1, 10.0, 20.0),
    StepRecord("a", "p", StepState.DONE, 2, 20.0, 30.0, parameters={"averages": 5}),
    StepRecord("b", "p", StepState.DONE, 1, 30.0, 40.0),
    StepRecord("b", "p", StepState.FAILED, 2, 50.0, 60.0),  # its data came into doubt, and it was not done again
    StepRecord("c", "p", StepState.SKIPPED, 1, reason="kept: done in another run"),
]


@pytest.mark.parametrize(("backend", "done_at"), [("simulated", CREATED_S), ("hardware", 30.0)])
def test_a_step_counts_by_its_last_attempt_and_by_the_time_of_its_clock(backend: str, done_at: float) -> None:
    result = NamedResult("a.x", 1.5, 0.1, "", "", "a")
    assert done_steps(manifest("n", backend), ATTEMPTS, {"a.x": result}) == [
        DoneStep("a", done_at, "n", {"averages": 5}, {"a.x": 1.5})
    ]


def test_the_last_run_on_the_same_table_counts(tmp_path: Path) -> None:
    def run(name: str, day: int, value: float, station: str = "bench", backend: str = "hardware") -> None:
        created = f"2026-01-0{day}T03:04:05+00:00"
        writer = RunWriter.create(tmp_path, manifest(name, backend, created, station))
        writer.step(StepRecord("a", "p", StepState.DONE, 1, 0.0, float(day)))
        if day == 1:
            writer.step(StepRecord("b", "p", StepState.DONE, 1, 0.0, float(day)))
            writer.add_result(NamedResult("b.y", value, 0.1, "", "", "b"))
        writer.add_result(NamedResult("a.x", value, 0.1, "", "", "a"))
        writer.finish(RunState.COMPLETE, "", "")

    run("first", 1, 1.0)
    run("second", 2, 2.0)
    run("elsewhere", 3, 3.0, station="other bench")
    run("simulated", 4, 4.0, backend="simulated")
    (tmp_path / "no run").mkdir()
    found = history_of(tmp_path, "bench", "hardware")
    assert {name: (one.run_id, one.done_at) for name, one in found.steps.items()} == {
        "a": ("second", 2.0),
        "b": ("first", 1.0),
    }
    assert {name: result.value for name, result in found.results.items()} == {"a.x": 2.0, "b.y": 1.0}
    assert history_of(tmp_path / "nowhere", "bench", "hardware") == History()
