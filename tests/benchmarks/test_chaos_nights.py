"""The chaos nights can fail: what is lost, untruthful or beyond a limit is named; and what they draw is what they say.

And the soak: growth and lateness are told.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from chaos_causes import DISTURBED, cause_of_disturbance, cause_of_fault, that_need
from chaos_nights import Core, Night, lost, table, truthful, unexplained
from chaos_plan import DISTURBANCES, ChaosPlan, drawn_plan
from kill_nights import OnDisk
from soak_week import Reading, Task, judged

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.templates import copy_templates
from labctl.configuration.toml_reading import load_station
from labctl.simulation.output_limits import excesses
from labctl.simulation.output_record import Output
from labctl.store.records import StepRecord, StepState

SEEDS = range(1, 201)


@pytest.fixture(scope="module")
def station_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    copy_templates(folder, 2)
    return folder / "simulated.toml"


def test_every_kind_of_trouble_is_drawn_and_each_seed_is_the_same_again(station_path: Path) -> None:
    file = load_station(station_path)
    plans = [drawn_plan(seed, file) for seed in SEEDS]
    assert {fault.kind for plan in plans for fault in plan.faults} == set(FaultKind)
    for has in ("kills", "clock_jump", "disk_full", "screen", "disturbances"):
        assert any(getattr(plan, has) for plan in plans) and not all(getattr(plan, has) for plan in plans)
    assert drawn_plan(3, file) == plans[2] != plans[3]


def test_what_is_drawn_is_a_station_file(station_path: Path, tmp_path: Path) -> None:
    file = load_station(station_path)
    for seed in list(SEEDS)[:12]:
        plan = drawn_plan(seed, file)
        path = station_path.with_name(f"chaos{seed}.toml")
        path.write_text(station_path.read_text(encoding="utf-8") + plan.backend_text(), encoding="utf-8")
        loaded = load_station(path)
        assert len(loaded.backend.faults) == len(plan.faults)  # type: ignore[union-attr]
        assert len(loaded.backend.disturbances) == len(plan.disturbances)  # type: ignore[union-attr]


def test_a_reason_names_what_was_done_or_is_told(station_path: Path) -> None:
    file = load_station(station_path)
    plan = ChaosPlan(1, causes=(cause_of_fault("piezo_c", FaultKind.SILENT, None, 100.0, file),))
    assert truthful(plan, "lock_homodyne.1: piezo_c did not answer") == []
    assert truthful(plan, "lock_homodyne.1: lo1 cannot be locked") == []  # cavity1 hangs on it, and lo1 on that
    assert "names nothing" in truthful(plan, "lock_source: opa_length shows no fringe")[0]
    assert "names nothing" in truthful(plan, "piezo_cc: no lo11")[0]
    assert truthful(plan, " ") == ["it ended without a reason"]
    assert "names nothing" in truthful(plan, "the disk is full")[0]
    assert truthful(ChaosPlan(1, disk_full=(0.5, 0.1)), "the disk is full") == []


def test_a_channel_explains_its_own_loops_only(station_path: Path) -> None:
    file = load_station(station_path)
    railed = cause_of_fault("servos", FaultKind.RAILED_OUTPUT, "4", 0.0, file)
    assert railed.explains("lo2 is at its rail") and not railed.explains("lo1 is lost")
    assert {"opa_length", "pump_phase", "cavity1", "lo1"} <= that_need({"opa_length"}, file)
    doublet = cause_of_disturbance("membrane_doublet", 0.0, file)
    assert doublet.explains("ringdown.1: no decay") and not doublet.explains("ringdown.2: no decay")
    assert set(DISTURBED) == {shape.split('"')[1] for shape in DISTURBANCES}
    groups = {"LOOPS", "HOMODYNES", "CAVITIES"}
    for kind in DISTURBED:
        assert cause_of_disturbance(kind, 0.0, file).words.isdisjoint(groups)


def test_a_step_that_failed_before_its_cause_is_not_explained(station_path: Path) -> None:
    file = load_station(station_path)
    plan = ChaosPlan(1, causes=(cause_of_fault("piezo_c", FaultKind.SILENT, None, 100.0, file),))
    steps = [StepRecord("lock", "lock", StepState.FAILED, 1, 0.0, at, "piezo_c: silent") for at in (50.0, 150.0)]
    assert len(unexplained(plan, steps[:1], ["lock"], was_killed=False)) == 1
    assert unexplained(plan, steps[:1], ["lock"], was_killed=True) == []
    assert unexplained(plan, steps[1:], ["lock"], was_killed=False) == []
    assert unexplained(plan, steps[:1], [], was_killed=False) == []  # an optional one
    mended = [*steps[:1], StepRecord("lock", "lock", StepState.DONE, 2, 60.0, 90.0)]
    assert unexplained(plan, mended, ["lock"], was_killed=False) == []


def test_what_was_on_the_disk_and_is_not_is_lost() -> None:
    before = OnDisk({1: "shot", 2: "joint"}, Counter({"noise_floor": 1}), {}, "ringdown.m1")
    assert lost([before], before) == []
    after = OnDisk({1: "shot"}, Counter(), {}, "")
    assert lost([before], after) == ["traces lost: joint", "steps no longer done: noise_floor"]


def test_outputs_outlive_a_process_that_was_killed_while_it_wrote(station_path: Path, tmp_path: Path) -> None:
    good = Output("V", 0.0, 0.0, 75.0, 10.0, 5.0, 1.0)
    lines = [json.dumps({"name": "piezo.lo1.voltage", **asdict(good), "highest": high}) for high in (75.0, 160.0)]
    (tmp_path / "outputs1.jsonl").write_text("\n".join([*lines, lines[0][:30]]), encoding="utf-8")
    (tmp_path / "outputs2.jsonl").write_text(lines[0] + "\n", encoding="utf-8")
    first, second = Core(tmp_path, tmp_path, []).outputs()
    file = load_station(station_path)
    assert excesses(second, file) == []
    assert len(excesses(first, file)) == 1 and "160 V" in excesses(first, file)[0]


def test_the_table_says_what_was_wrong() -> None:
    nights = [Night(ChaosPlan(1), "complete", chi2=10.0, numbers=10), Night(ChaosPlan(2), "failed", wrong=["lost it"])]
    text = table(nights, 40.0)
    assert "WRONG: lost it" in text and "1 of 2 nights with nothing wrong" in text
    assert "chi2 per number 1.00 over 10 results" in text


def test_growth_and_lateness_are_told() -> None:
    def reading(hour: int, resident_mb: float, handles: int, threads: int) -> Reading:
        return Reading(hour, resident_mb, handles, threads, 1000, 1.0, 1.0)

    level = [reading(hour, 200.0 + 0.1 * hour, 14, 7) for hour in range(1, 30)]
    assert judged(level) == []
    assert "Memory grew by 25.0 MB" in judged([*level, reading(30, 225.2, 14, 7)])[0]
    assert "handles grew" in judged([*level, reading(30, 203.0, 20, 7)])[0]
    assert "Threads grew" in judged([*level, reading(30, 203.0, 14, 8)])[0]
    task = Task("locks", 0.5)
    task.late_s.extend([0.0] * 9980 + [0.6] * 5)
    task.took_s.extend([1e-3] * 9985)
    task.end_hour()
    assert not task.is_late and task.runs == 9985 and task.latest_s == 0.6
    task.late_s.extend([0.6] * 20)
    task.took_s.extend([1e-3] * 20)
    task.end_hour()
    assert task.is_late
    task.begin()
    assert not task.is_late and task.runs == 0
    task.note_late(0.6)
    assert sum(map(len, task.held_up.values())) == 1
