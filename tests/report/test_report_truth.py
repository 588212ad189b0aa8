"""The section that sets true values beside the estimates: only when asked for, complete, and arithmetically right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from report_page import parse
from report_runs import F0_HZ, Night, write_night
from scipy.stats import chi2

from labctl.report.contents import read_run
from labctl.report.html import write_report
from labctl.report.truth_section import TruthSection, truth_section
from labctl.store.records import NamedResult

HEADING = "Truth of the simulated table"


@dataclass(frozen=True)
class Number:
    name: str
    value: float
    unit: str = ""
    wander: float = 0.0
    remark: str = ""
    counted: bool = True


@dataclass(frozen=True)
class Told:
    numbers: tuple[Number, ...]
    remarks: tuple[str, ...] = ("No disturbance was switched on.",)


TOLD = Told(
    (
        Number("source.pump_parameter", 0.5385),  # measured 0.5417 +- 0.0123
        Number("joint.raw_db", -3.6877, "dB"),  # -3.6541 +- 0.0112: 3 sigma above
        Number("joint.rephased_db", -4.5431, "dB", remark="Shares its records.", counted=False),
        Number("sensor1.f0_hz", F0_HZ[0] + 15.37, "Hz", wander=15.0, remark="It drifts."),  # 0.37 +- 0.24
        Number("sensor2.f0_hz", F0_HZ[1], "Hz", wander=15.0, remark="It drifts."),
        Number("sensor1.lock_residual_rad", 0.0200, "rad"),  # 0.0211 +- 0.0021
        Number("sensor1.no_such_result", 1.0),
    )
)

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_night(tmp_path_factory.mktemp("truth") / "runs", "night", Night(traces=False))


def section_of(run: Path, told: Told = TOLD) -> TruthSection:
    return truth_section(read_run(run), told)


def test_the_section_is_there_only_when_it_is_asked_for(run: Path) -> None:
    without = write_report(run).read_text(encoding="utf-8")
    assert HEADING not in without and "revealed" not in without
    with_it = write_report(run, None, TOLD).read_text(encoding="utf-8")
    page = parse(with_it)
    assert HEADING in page.text and "No disturbance was switched on." in page.text
    assert write_report(run).read_text(encoding="utf-8") == without
    links = {attributes.get("href") for tag, attributes in page.tags if tag == "a"}
    assert "#revealed" in links


def test_rows_show_truth_estimate_and_distance(run: Path) -> None:
    section = section_of(run)
    assert [group.title for group in section.groups] == ["Source, network and sums", "Sensor 1", "Sensor 2"]
    rows = {row.name: row for group in section.groups for row in group.rows}
    assert set(rows) == {number.name for number in TOLD.numbers[:-1]}
    raw = rows["joint.raw_db"]
    assert (raw.true, raw.estimate) == ("−3.688\u00a0dB", "−3.654\u00a0±\u00a00.011\u00a0dB")
    assert raw.distance is not None and raw.distance.sigmas == pytest.approx(3.0)
    drifting = rows["sensor1.f0_hz"]
    assert drifting.true == "4\u202f276\u202f115\u00a0±\u00a015\u00a0Hz"
    assert drifting.distance is not None
    assert drifting.distance.sigmas == pytest.approx(-15.0 / math.hypot(15.0, 0.24))
    residual = rows["sensor1.lock_residual_rad"]
    assert (residual.true, residual.estimate) == ("20.0\u00a0mrad", "21.1\u00a0±\u00a02.1\u00a0mrad")
    assert rows["joint.rephased_db"].distance is not None and rows["joint.rephased_db"].distance.sigmas == 0.0


def test_equal_remarks_share_one_note(run: Path) -> None:
    section = section_of(run)
    assert section.notes == ("Shares its records.", "It drifts.")
    rows = {row.name: row.remark for group in section.groups for row in group.rows}
    assert rows["sensor1.f0_hz"] == rows["sensor2.f0_hz"] == 2
    assert rows["joint.rephased_db"] == 1 and rows["joint.raw_db"] == 0


def test_chi_square_counts_what_is_to_be_counted(run: Path) -> None:
    pulls = [
        (0.5417 - 0.5385) / 0.0123,
        3.0,
        -15.0 / math.hypot(15.0, 0.24),
        0.37 / math.hypot(15.0, 0.24),
        0.0011 / 0.0021,
    ]
    total = sum(pull**2 for pull in pulls)
    chance = 100.0 * float(chi2.sf(total, 5))
    text = section_of(run).chi_square
    assert text.startswith(f"χ² = {total:.1f} for 5 numbers.")
    assert f" {chance:.2g}\u00a0% of all nights" in text
    impossible = Told((Number("joint.raw_db", 0.0, "dB"),))
    assert "less than 0.1\u00a0% of all nights" in section_of(run, impossible).chi_square
    nothing = Told((Number("joint.raw_db", 0.0, "dB", counted=False),))
    assert section_of(run, nothing).chi_square == "No result of this run counts for a χ²."


def test_results_without_a_true_value_are_named(run: Path) -> None:
    section = section_of(run)
    assert "oven.temperature_c" in section.without and "sensor3.f0_hz" in section.without
    assert "joint.raw_db" not in section.without
    text = parse(write_report(run, None, TOLD).read_text(encoding="utf-8")).text
    assert "Results without a true value here: individual.mean_db" in text


def test_another_unit_is_not_compared(tmp_path: Path) -> None:
    odd = NamedResult("joint.raw_db", 0.43, 0.01, "", "a ratio", "a_step")
    run = write_night(tmp_path / "runs", "odd", Night(traces=False, results=False, extra_results=[odd]))
    (group,) = section_of(run).groups
    assert group.rows[0].distance is None
    assert section_of(run).chi_square == "No result of this run counts for a χ²."


def test_a_run_without_results_still_has_its_remarks(tmp_path: Path) -> None:
    run = write_night(tmp_path / "runs", "empty", Night(traces=False, results=False, end=None))
    page = parse(write_report(run, None, TOLD).read_text(encoding="utf-8"))
    assert HEADING in page.text and "No result of this run counts" in page.text


def test_what_the_truth_says_is_text_and_nothing_else(run: Path) -> None:
    told = Told((Number("joint.raw_db", -3.7, "dB", remark="<script>1</script>"),), ("<img src=x>",))
    page = parse(write_report(run, None, told).read_text(encoding="utf-8"))
    assert "<script>1</script>" in page.text and "<img src=x>" in page.text
    assert not any(tag == "script" for tag, _ in page.tags)
