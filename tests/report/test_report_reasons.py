"""Headline checks, incidents and conventions: what the report concludes from a run in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import Night, results, steps, write_night

from labctl.report.contents import RunContents, read_run
from labctl.report.conventions import meanings
from labctl.report.headline import checks, readings
from labctl.report.incidents import MOST_LISTED, incidents
from labctl.report.overview import overview
from labctl.store.records import EventRecord, NamedResult, RunState, StepState


def run_with(tmp_path: Path, changed: dict[str, tuple[float, float]] | None = None, **night: object) -> RunContents:
    found = [
        replace(result, value=changed[result.name][0], sigma=changed[result.name][1])
        if changed and result.name in changed
        else result
        for result in results(4)
    ]
    return read_run(
        write_night(tmp_path / "runs", "night", Night(traces=False, results=False, extra_results=found, **night))
    )  # type: ignore[arg-type]


def test_rephasing_that_helps_points_to_delays(tmp_path: Path) -> None:
    said = {check.text: check.evidence for check in checks(run_with(tmp_path))}
    (gain,) = [evidence for text, evidence in said.items() if text.startswith("Re-phasing lowers")]
    assert gain == "difference 0.889\u00a0±\u00a00.034\u00a0dB, 26.2\u00a0σ"
    assert any("sum of records agree." in text for text in said)
    assert any("falls short of it." in text for text in said)


def test_rephasing_that_does_not_help_clears_the_delays(tmp_path: Path) -> None:
    texts = [check.text for check in checks(run_with(tmp_path, {"joint.rephased_db": (-3.68, 0.03)}))]
    assert "Re-phasing does not lower the noise of the sum: delays are not what limits it." in texts


def test_sums_that_differ_are_called_so(tmp_path: Path) -> None:
    texts = [check.text for check in checks(run_with(tmp_path, {"joint.digital_db": (-4.4, 0.03)}))]
    assert "The hardware sum and the sum of records differ: look at the summing amplifier." in texts


def test_a_sum_without_a_logarithm_is_not_predicted(tmp_path: Path) -> None:
    """1 - 4 (1 - V) is negative for V = -2 dB: four such shares of one beam do not exist."""
    assert len(checks(run_with(tmp_path, {"individual.mean_db": (-2.0, 0.01)}))) == 2


def test_readings_without_results_give_reasons(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path / "runs", "night", Night(traces=False, results=False)))
    assert checks(run) == []
    assert [reading.number for reading in readings(run)] == [""] * 5
    assert readings(run)[0].missing == "step joint_analyzer was done without giving it"


def test_a_quiet_run_has_no_incidents(tmp_path: Path) -> None:
    found = incidents(run_with(tmp_path, events=[EventRecord(1.0, "info", "x", "locked")]))
    assert (found.steps, found.traces, found.events, found.storage) == ((), (), (), ())
    assert found.summary == "No step failed or was repeated, no trace was invalid, no warning was recorded."


def test_very_many_warnings_are_shortened(tmp_path: Path) -> None:
    found = incidents(
        run_with(tmp_path, events=[EventRecord(float(i), "warning", "health", str(i)) for i in range(260)])
    )
    assert len(found.events) == MOST_LISTED + 1
    assert "60 more" in [event.what for event in found.events]
    assert found.events[0].why == "0" and found.events[-1].why == "259"
    assert found.summary == "260 warnings."


def test_what_a_living_run_has_not_done_is_no_failure(tmp_path: Path) -> None:
    journal = [replace(step, state=StepState.WAITING, started_at=None, ended_at=None) for step in steps(4)]
    run = replace(run_with(tmp_path, steps=journal, end=None), state=RunState.RUNNING)
    assert {found.why for found in incidents(run).steps} == {"the run was still going on when this report was made"}


def test_problems_at_the_end_are_told(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    assert run.end is not None
    run = replace(
        run, end=replace(run.end, problems=("data.nc could not be written",), recovered_at="2026-01-03T09:00:00+00:00")
    )
    assert incidents(run).storage == ("data.nc could not be written",)
    assert "closed by recovery 2026-01-03 09:00 UTC" in dict(overview(run).facts)["Ended"]


@pytest.mark.parametrize(("backend", "simulated"), [("simulated", True), ("visa", False)])
def test_a_simulation_is_called_one(tmp_path: Path, backend: str, simulated: bool) -> None:
    found = overview(run_with(tmp_path, manifest={"backend": backend}))
    assert found.is_simulated is simulated
    facts = dict(found.facts)
    assert facts["Backend"].startswith("simulated table" if simulated else "real instruments")
    assert facts["Begun"] == "2026-01-02 21:04 UTC"


def test_sensors_that_mean_the_same_share_a_line(tmp_path: Path) -> None:
    other = NamedResult("sensor3.f0_hz", 4.3e6, 1.0, "Hz", "by ringdown", "ringdown.3")
    night = Night(
        traces=False,
        extra_results=[other, *(replace(r, source=f"spectrum.{r.name[6]}") for r in results(4) if "gamma" in r.name)],
    )
    found = meanings(read_run(write_night(tmp_path / "runs", "night", night)))
    f0 = [meaning for meaning in found if meaning.name == "sensorN.f0_hz"]
    assert [(meaning.convention, meaning.sources) for meaning in f0] == [
        ("as in the test", "a_step"),
        ("by ringdown", "ringdown.3"),
    ]
    (gamma,) = [meaning for meaning in found if meaning.name == "sensorN.gamma_hz"]
    assert gamma.sources == "spectrum.1 to .4"
