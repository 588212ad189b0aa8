"""Published, model and measured numbers side by side."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from report_runs import Night, write_night
from whole_paper import whole_night

from labctl.report.contents import read_run
from labctl.report.origins import _PROCEDURES, procedure_of, why_missing, why_unmeasured
from labctl.report.published import (
    ROUNDING_SIGMA_PER_STEP,
    Reference,
    distance,
    published_quantities,
    rows_by_result,
)
from labctl.store.records import NamedResult
from procedures.catalogue import PROCEDURES


def result(value: float, sigma: float, unit: str = "dB", name: str = "joint.raw_db") -> NamedResult:
    return NamedResult(name, value, sigma, unit, "", "a_step")


@pytest.mark.parametrize(
    ("value", "word", "sigmas", "side"),
    [
        (-3.65, "agrees", "1.0", "above"),
        (-3.80, "agrees", "2.0", "below"),
        (-3.82, "borderline", "2.4", "below"),
        (-3.50, "disagrees", "4.0", "above"),
        (-90.0, "disagrees", "> 99", "below"),
    ],
)
def test_distance_in_sigma_and_in_words(value: float, word: str, sigmas: str, side: str) -> None:
    found = distance(result(value, 0.03), Reference(-3.7, 0.04, "−3.7"))
    assert found.text == f"{word}, {sigmas}\u00a0σ {side}"
    assert found.mark.word == word
    assert found.sigmas == pytest.approx((value + 3.7) / 0.05)


def test_without_any_uncertainty_nothing_is_claimed() -> None:
    found = distance(result(-3.7, 0.0), Reference(-3.7, 0.0, "−3.7"))
    assert math.isnan(found.sigmas) and "no uncertainty" in found.text


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    return write_night(tmp_path / "runs", "nothing", Night(traces=False, results=False))


def with_results(tmp_path: Path, *found: NamedResult, sensors: int = 4) -> Path:
    night = Night(sensors=sensors, traces=False, results=False, extra_results=list(found))
    return write_night(tmp_path / "runs", "some", night)


def test_a_printed_number_counts_with_its_rounding(tmp_path: Path) -> None:
    run = read_run(with_results(tmp_path, result(-3.76, 0.0)))
    row = rows_by_result(published_quantities(run))["joint.raw_db"]
    assert row.published is not None and row.published.text == "−3.7\u00a0dB"
    assert row.published.sigma == pytest.approx(0.1 * ROUNDING_SIGMA_PER_STEP)
    assert row.from_published is not None and row.from_published.sigmas == pytest.approx(-0.06 / (0.1 / math.sqrt(12)))
    assert row.from_model is not None and row.from_model.sigmas == pytest.approx(9.3)  # -4.69 +- 0.10


def test_each_sensor_has_its_own_printed_number(tmp_path: Path) -> None:
    run = read_run(with_results(tmp_path, result(4.30101e6, 1.0, "Hz", "sensor2.f0_hz")))
    rows = rows_by_result(published_quantities(run))
    assert rows["sensor2.f0_hz"].published == Reference(4.301e6, 1e3 * ROUNDING_SIGMA_PER_STEP, "4.301\u00a0MHz")
    assert rows["sensor2.f0_hz"].measured == "4\u202f301\u202f010.0\u00a0±\u00a01.0\u00a0Hz"
    assert rows["sensor3.f0_hz"].measured == ""


def test_another_number_of_sensors_is_not_compared(tmp_path: Path) -> None:
    run = read_run(
        with_results(tmp_path, result(-1.7, 0.1, "dB", "sensor1.conditional_db"), result(-3.7, 0.1), sensors=6)
    )
    rows = rows_by_result(published_quantities(run))
    assert rows["sensor1.conditional_db"].measured and rows["sensor1.conditional_db"].from_model is None
    assert rows["joint.raw_db"].from_model is not None  # the sum of equal shares does not depend on their number


def test_another_unit_is_not_compared(tmp_path: Path) -> None:
    row = rows_by_result(published_quantities(read_run(with_results(tmp_path, result(-3.7, 0.1, "V")))))["joint.raw_db"]
    assert row.measured.endswith("V") and row.from_published is None and row.from_model is None


def test_the_file_of_published_values_is_consistent(nothing: Path) -> None:
    quantities = published_quantities(read_run(nothing))
    rows = rows_by_result(quantities)
    assert {"joint.raw_db", "joint.rephased_db", "source.squeezing_db", "sensor4.gamma_hz"} <= set(rows)
    for name, row in rows.items():
        assert "no procedure" not in row.missing, name
    for quantity in quantities:
        for row in quantity.rows:
            assert row.published is not None or row.model is not None
            assert row.published is None or row.published.sigma > 0.0 or not row.result_name
    without = {quantity.name for quantity in quantities if not quantity.is_measured}
    assert without == {"Thermal force noise, two-sided", "Vacuum", "Acquisition"}


def test_the_published_values_say_what_the_model_gives(nothing: Path) -> None:
    """The model numbers of the file, again from their formulae."""
    v = 10**-0.71
    joint = 1 - 0.82 * (1 - v)
    decibels = {
        "joint.raw_db": joint,
        "individual.mean_db": 1 - (1 - joint) / 4,
        "sensor1.conditional_db": 1 / (1 + (1 - joint) / (4 * joint)),
    }
    rows = rows_by_result(published_quantities(read_run(nothing)))
    for name, ratio in decibels.items():
        model = rows[name].model
        assert model is not None and model.value == pytest.approx(10 * math.log10(ratio), abs=0.01), name
    efficiency = rows["network.channel_efficiency"].model
    assert efficiency is not None and efficiency.value == pytest.approx(0.92 * 0.99 * 0.95**2, abs=5e-4)


def test_every_number_of_a_whole_night_stands_beside_the_published_one(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path / "runs", "whole", whole_night()))
    rows = rows_by_result(published_quantities(run))
    measured = {name for name, row in rows.items() if row.measured}
    assert {"network.stage2_tap", "advantage.m3_percent", "advantage.m4_rmse_separable", "sensor4.g0_hz"} <= measured
    coherent = rows["sensor1.force_coherent_on"]  # stored in N/sqrt(Hz), printed in fN
    assert coherent.measured == "6.70\u00a0±\u00a00.05\u00a0fN/√Hz"
    assert coherent.from_published is not None and abs(coherent.from_published.sigmas) < 1e-6
    linewidth = rows["sensor2.kappa_hz"]
    assert linewidth.published is not None and linewidth.published.text == "60\u00a0GHz"
    assert linewidth.measured == "59.00\u00a0±\u00a00.05\u00a0GHz"


def test_a_limit_judges_in_place_of_the_printed_number(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path / "runs", "whole", whole_night()))  # 1.2, 2.4, 3.6, 4.8 %
    rows = rows_by_result(published_quantities(run))
    found = [rows[f"sensor{n}.inconsistency"].from_published for n in (1, 4)]
    assert [one.text for one in found if one] == ["within 3\u00a0%", "beyond 3\u00a0%"]
    assert rows["sensor1.inconsistency"].measured == "1.20\u00a0±\u00a00.20\u00a0%"  # stored as a share of 1


def test_sensors_without_a_measurement_share_a_line(tmp_path: Path) -> None:
    run = read_run(with_results(tmp_path))
    shown = {quantity.name: quantity.shown_rows for quantity in published_quantities(run)}
    assert [row.label for row in shown["Cavity linewidth κ"]] == ["each\u00a0sensor"]
    assert len(shown["Resonance frequency"]) == 4  # each has a printed number of its own


def test_reasons_name_the_step(tmp_path: Path) -> None:
    run = read_run(with_results(tmp_path))
    assert why_missing("sensor3.f0_hz", run) == "step individual_spectrum.3 was done without giving it"
    assert why_missing("sensor3.colour", run) == "no step of the run gives it"
    assert why_unmeasured("ringdown", run) == "no step of the run is a ringdown"


def test_every_procedure_of_the_origins_exists() -> None:
    assert set(_PROCEDURES.values()) <= set(PROCEDURES)


@pytest.mark.parametrize(
    ("result", "procedure"),
    [
        ("sensor12.visibility", "lock_homodyne"),
        ("sensor3.extraction_deg", "extraction_efficiency"),
        ("network.stage2_extinction", "network_weights"),
        ("advantage.m16_percent", "network_scaling"),
        ("joint.delay3_s", "sum_diagnosis"),
        ("audit.sensor4_sign", "audit_signs"),
        ("source.pump_parameter", "lock_source"),
        ("joint.night_drift_db_per_h", "joint_stability"),
        ("joint.delight3_s", None),
    ],
)
def test_a_result_is_known_by_its_name_without_its_numbers(result: str, procedure: str | None) -> None:
    assert procedure_of(result) == procedure
