"""The report as a file: complete, partial and crashed runs, hostile words, determinism, one file alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from report_page import Page, parse
from report_runs import Night, manifest, results, steps, traces, write_night

from labctl.errors import StoreError
from labctl.report.html import write_report
from labctl.report.wording import NOT_MEASURED
from labctl.store.records import (
    EventRecord,
    InstrumentSnapshot,
    NamedResult,
    RunState,
    SettingValue,
    StepRecord,
    StepState,
)
from labctl.store.writer import RunWriter

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\x1b[2J\u202egnp.exe $\\frac{1$ 日本"
UNPAIRED = f"\ud83d {HOSTILE}"  # half a letter, as a broken line may send
DIGIT = re.compile(r"[0-9]")


@pytest.fixture(scope="module")
def complete_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_night(tmp_path_factory.mktemp("complete") / "runs", "whole", Night())


@pytest.fixture(scope="module")
def complete(complete_run: Path) -> str:
    return write_report(complete_run).read_text(encoding="utf-8")


def page_of(run: Path) -> Page:
    return parse(write_report(run).read_text(encoding="utf-8"))


def partial_night() -> Night:
    """Stopped by the operator after failures, repetitions, an invalid trace, and with a hostile instrument."""
    journal = {step.name: step for step in steps(4)}
    journal["lock_source"] = replace(
        journal["lock_source"], state=StepState.FAILED, reason="No fringe was found in three scans."
    )
    journal["individual_spectrum.3"] = replace(
        journal["individual_spectrum.3"], state=StepState.FAILED, reason=f"Gave up: {HOSTILE}"
    )
    journal["individual_spectrum.4"] = replace(
        journal["individual_spectrum.4"], state=StepState.STOPPED, reason="stopped by the operator."
    )
    for name in ("joint_analyzer", "joint_digitizer", "source_squeezing"):
        journal[name] = StepRecord(name, journal[name].procedure, StepState.WAITING)
    journal["joint_analyzer"] = replace(
        journal["joint_analyzer"], state=StepState.SKIPPED, reason="needs lock_homodyne.4"
    )
    second = replace(
        journal["lock_source"], attempt=2, state=StepState.DONE, reason="", started_at=1850.0, ended_at=1900.0
    )
    kept = [trace for trace in traces(4) if trace.name.startswith(("sensor1.", "sensor2.", "sensor3."))]
    kept = [
        replace(trace, valid=False, invalid_reason="lo3 was out of lock for 12 s")
        if trace.name == "sensor3.signal"
        else trace
        for trace in kept
    ]
    return Night(
        title=HOSTILE,
        traces=False,
        results=False,
        steps=[*journal.values(), second],
        events=[
            EventRecord(1800.0, "warning", "lock_source", HOSTILE),
            EventRecord(9.0, "info", "x", "of no interest"),
        ],
        extra_traces=kept,
        extra_results=[
            result
            for result in results(4)
            if result.name.startswith(("sensor1.", "sensor2.", "oven."))
            and "al_db" not in result.name.replace("individual", "")
        ],
        end=RunState.STOPPED,
        reason="stopped by the operator",
        manifest={
            "station_name": HOSTILE,
            "backend": "visa",
            "recipe": HOSTILE,
            "instruments": [
                InstrumentSnapshot(HOSTILE, HOSTILE, HOSTILE, UNPAIRED, {HOSTILE: SettingValue(HOSTILE, 1.0, "read")})
            ],
        },
    )


def test_a_complete_run_tells_everything(complete: str) -> None:
    page = parse(complete)
    assert "✔ Run complete" in page.text
    assert NOT_MEASURED not in _part(complete, "headline")
    assert "Simulated table." in page.text and "scenario delays, seed 7" in page.text
    for number in (
        "−3.654\u00a0±\u00a00.011\u00a0dB",
        "−4.543\u00a0±\u00a00.032\u00a0dB",
        "−0.791\u00a0±\u00a00.004\u00a0dB",
    ):
        assert number in page.text
    assert "4\u202f276\u202f100.37\u00a0±\u00a00.24" in page.text  # Hz, thousands set apart
    assert "35.0012\u00a0±\u00a00.0021" in page.text and "°C" in page.text
    assert "No step failed or was repeated" in page.text
    assert "Keysight Technologies,N9020A,MY0001,A.1" in page.text and "1 of 2 settings could not be read" in page.text
    assert "0123abcd" in page.text and "labctl 0.1.0, numpy 2.0" in page.text
    assert "Lab time" in page.text and "2\u00a0h 20\u00a0min" in page.text  # fourteen steps of ten minutes


def test_disagreement_is_said_in_words(complete: str) -> None:
    cells = [cell.text for cell in parse(complete).cells]
    assert any(re.fullmatch(r"≠ disagrees, [0-9.]+\u00a0σ below", cell) for cell in cells)  # damping, against 50 Hz
    assert any(re.fullmatch(r"= agrees, [0-9.]+\u00a0σ( above| below)?", cell) for cell in cells)


def test_the_file_stands_alone(complete: str) -> None:
    page = parse(complete)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#")
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/svg+xml;base64,")
    assert "url(" not in complete and "@import" not in complete
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {(attributes["href"] or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert links <= targets
    for image in page.images:
        assert "<script" not in image and not re.search(r'href="(?!#)', image)


def test_every_figure_is_told_in_words_too(complete: str) -> None:
    pictures = [attributes for tag, attributes in parse(complete).tags if tag == "img"]
    assert len(pictures) >= 5
    assert all(len(picture["alt"] or "") > 60 for picture in pictures)
    assert any("−4.543" in (picture["alt"] or "") for picture in pictures)


def test_the_same_run_gives_the_same_bytes(complete: str, complete_run: Path, tmp_path: Path) -> None:
    again = write_report(complete_run, tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == complete


def test_a_published_number_is_never_a_measured_one(tmp_path: Path) -> None:
    """Nothing was measured, so no measured cell may hold a number except in the name of the step that is to blame."""
    page = page_of(write_night(tmp_path / "runs", "nothing", Night(traces=False, results=False)))
    assert len(page.measured) > 20
    for cell in page.measured:
        assert cell.startswith(NOT_MEASURED)
        assert not DIGIT.search(re.sub(r"step [a-z_]+(\.[0-9]+)?", "", cell))


@pytest.mark.usefixtures("undrawn")
def test_measured_cells_follow_the_results_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_night(tmp_path / "runs", "measured", Night(traces=False))
    before = page_of(run)
    original = files("labctl.report").joinpath("published_values.toml").read_text(encoding="utf-8")
    changed = re.sub(r"^(published|model) = -?[0-9.e]+$", r"\1 = 123.456", original, flags=re.MULTILINE)
    (tmp_path / "published_values.toml").write_text(changed, encoding="utf-8")
    monkeypatch.setattr("labctl.report.published.files", lambda package: tmp_path)
    after = page_of(run)
    assert "123.456" in after.text and "123.456" not in before.text
    assert after.measured == before.measured
    assert not any("123.456" in cell for cell in after.measured)


def test_a_partial_run_says_what_is_missing_and_why(tmp_path: Path) -> None:
    page = page_of(write_night(tmp_path / "runs", "partial", partial_night()))
    assert "■ Run stopped" in page.text and "stopped by the operator" in page.text
    assert "Simulated table" not in page.text and "real instruments (visa)" in page.text
    assert (
        "1 step failed, 1 step stopped, 1 step skipped, 2 steps not begun, 1 step repeated, 1 trace invalid"
        in page.text
    )
    assert "lo3 was out of lock for 12 s" in page.text and "No fringe was found in three scans." in page.text
    assert f"{NOT_MEASURED}: step joint_analyzer: skipped (needs lock_homodyne.4)" in page.measured
    assert "Sensor 3: The only trace sensor3.signal is invalid" in page.text
    assert "of no interest" not in page.text
    assert len(page.images) == 3  # spectra of sensors 1 and 2, reductions, timeline


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    run = write_night(tmp_path / "runs", "hostile", partial_night())
    text = write_report(run).read_text(encoding="utf-8")
    page = parse(text)
    assert not any(tag == "script" or attributes.get("src") == "x" for tag, attributes in page.tags)
    assert "<script>alert(1)</script>" in page.text and "{{ 7*7 }}" in page.text
    assert "\x1b" not in text and "\u202e" not in text and "\\x1b[2J\\u202egnp.exe" in page.text
    assert "default-src 'none'" in next(a["content"] or "" for tag, a in page.tags if a.get("http-equiv"))


def test_a_crashed_run_is_called_crashed(tmp_path: Path) -> None:
    journal = steps(4)[:8]
    journal[7] = replace(journal[7], state=StepState.RUNNING, ended_at=None)
    night = Night(traces=False, results=False, steps=journal, events=[EventRecord(4500.0, "info", "x", "y")], end=None)
    page = page_of(write_night(tmp_path / "runs", "crashed", night))
    assert "✖ Run crashed, 7 of 8 steps: The process ended without closing the run." in page.text
    assert "no end was recorded" in page.text and "1 step unfinished" in page.text
    assert "from 0:00:00 to 1:15:00" in page.text
    assert all(cell.startswith(NOT_MEASURED) for cell in page.measured)


def test_a_run_with_a_manifest_alone_has_a_report(tmp_path: Path) -> None:
    writer = RunWriter.create(
        tmp_path / "runs", manifest("bare", "", instruments=[], versions={}, parameters={}, git_commit=None)
    )
    page = page_of(writer.path)  # while it is still written
    assert "▶ Run still running" in page.text and "The run recorded no steps." in page.text
    assert "The run has no results." in page.text and "The run recorded no instruments." in page.text
    writer.close()
    (writer.path / "run.db").unlink()
    page = page_of(writer.path)
    assert "holds no run.db" in page.text and "✖ Run crashed" in page.text


@pytest.mark.usefixtures("undrawn")
def test_any_number_of_sensors(tmp_path: Path) -> None:
    page = page_of(write_night(tmp_path / "runs", "five", Night(sensors=5)))
    assert len(page.images) >= 5
    assert any("Sensor 5: a peak" in (attributes.get("alt") or "") for _, attributes in page.tags)
    assert "Holds for 4 sensors and is not compared: this run has 5." in page.text


def test_results_without_a_place_are_shown_all_the_same(tmp_path: Path) -> None:
    extra = NamedResult("laser.power_w", 1.25, 0.01, "W", "before the isolator", "a_step")
    page = page_of(write_night(tmp_path / "runs", "extra", Night(traces=False, results=False, extra_results=[extra])))
    assert (
        "laser.power_w" in page.text and "1.250\u00a0±\u00a00.010" in page.text and "before the isolator" in page.text
    )


@pytest.mark.usefixtures("undrawn")
def test_where_the_report_goes(tmp_path: Path) -> None:
    run = write_night(tmp_path / "runs", "goes", Night(traces=False, results=False))
    assert write_report(run) == run / "report.html"
    assert write_report(run, tmp_path / "other.html").read_bytes() == (run / "report.html").read_bytes()
    assert not list(run.glob(".report*"))  # nothing is left of writing it aside
    with pytest.raises(StoreError, match="is a folder"):
        write_report(run, tmp_path)
    with pytest.raises(StoreError, match="Cannot write the report"):
        write_report(run, tmp_path / "nowhere" / "report.html")
    with pytest.raises(StoreError, match="is no run"):
        write_report(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_unwritable_folder_is_named(complete_run: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="access is denied"):
        write_report(complete_run, tmp_path / "report.html")


def test_importing_the_report_loads_no_plotting() -> None:
    code = "import sys, labctl.report.html; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _part(text: str, section: str) -> str:
    """One section of the page."""
    found = re.search(rf'<section id="{section}">.*?</section>', text, flags=re.DOTALL)
    assert found is not None
    return found[0]
