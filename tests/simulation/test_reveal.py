"""What the results of a night ought to be: the decibels of an independent model, and honest words beside them."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ideal_table import NOMINAL_F0_HZ, nominal_sensor, station_at, truth_of

from labctl.simulation.design import design_of
from labctl.simulation.disturbances import Happening
from labctl.simulation.reveal import HAPPENINGS_TOLD, Revelation, TrueNumber, reveal
from labctl.simulation.truth import Truth
from labctl.simulation.truth_file import TRUTH_FILE, TruthFile

# Individual, raw sum, re-phased sum, conditional, in dB.
MODEL = {"delays": (-0.78, -3.76, -4.71, -1.71), "jitter": (-0.65, -3.69, -3.68, -1.22)}
TOLERANCE_DB = 0.05


def nominal(scenario: str, count: int = 4) -> Truth:
    """Return a table without spread, its crystal best where the oven holds it."""
    drawn = truth_of(scenario, count=count)
    pairs = zip(NOMINAL_F0_HZ, drawn.sensors, strict=False)
    sensors = tuple(nominal_sensor(f0, count, delay_s=sensor.delay_s) for f0, sensor in pairs)
    return replace(drawn, sensors=sensors, best_temperature_c=35.0, source_efficiency=0.885)


def revealed(
    folder: Path,
    truth: Truth,
    disturbances: tuple[dict[str, object], ...] = (),
    happened: tuple[Happening, ...] | None = (),
) -> Revelation:
    design = design_of(station_at(1))
    count = len(truth.sensors)
    design = replace(
        design,
        unity_gain_hz=design.unity_gain_hz[:count],
        quadratures=design.quadratures[:count],
        quantum_efficiency=0.99,
    )
    (folder / TRUTH_FILE).write_bytes(TruthFile(truth, design, disturbances, happened).to_bytes())
    return reveal(folder)


def by_name(revelation: Revelation) -> dict[str, TrueNumber]:
    names = [number.name for number in revelation.numbers]
    assert len(set(names)) == len(names)
    return dict(zip(names, revelation.numbers, strict=True))


@pytest.mark.parametrize("scenario", MODEL)
def test_the_nominal_table_ought_to_show_what_the_model_says(tmp_path: Path, scenario: str) -> None:
    numbers = by_name(revealed(tmp_path, nominal(scenario)))
    individual, raw, rephased, conditional = MODEL[scenario]
    for n in range(1, 5):
        assert numbers[f"sensor{n}.individual_db"].value == pytest.approx(individual, abs=TOLERANCE_DB)
        assert numbers[f"sensor{n}.marginal_db"].value == numbers[f"sensor{n}.individual_db"].value
        assert numbers[f"sensor{n}.conditional_db"].value == pytest.approx(conditional, abs=TOLERANCE_DB)
    assert numbers["individual.mean_db"].value == pytest.approx(individual, abs=TOLERANCE_DB)
    assert numbers["joint.raw_db"].value == pytest.approx(raw, abs=TOLERANCE_DB)
    assert numbers["joint.digital_db"].value == pytest.approx(raw, abs=TOLERANCE_DB)
    assert numbers["joint.rephased_db"].value == pytest.approx(rephased, abs=TOLERANCE_DB)
    assert numbers["source.squeezing_db"].value == pytest.approx(-7.05, abs=TOLERANCE_DB)
    assert numbers["network.channel_efficiency"].value == pytest.approx(0.92 * 0.99 * 0.95**2)


def test_each_sensor_has_the_numbers_of_its_own_truth(tmp_path: Path) -> None:
    truth = truth_of("delays", seed=8)
    numbers = by_name(revealed(tmp_path, truth))
    for n, sensor in enumerate(truth.sensors, start=1):
        assert numbers[f"sensor{n}.f0_hz"].value == sensor.f0_hz
        assert numbers[f"sensor{n}.gamma_hz"].value == sensor.gamma_hz
        assert numbers[f"sensor{n}.peak_to_shot"].value == sensor.peak_to_shot
        assert sensor.visibility * 0.98 < numbers[f"sensor{n}.visibility"].value <= sensor.visibility
        assert numbers[f"sensor{n}.clearance_db"].value == pytest.approx(-sensor.dark_db, abs=0.1)
        assert 8e-3 < numbers[f"sensor{n}.lock_residual_rad"].value < 14e-3
    assert numbers["source.pump_parameter"].value == truth.pump
    assert numbers["source.parametric_gain"].value == pytest.approx(1.0 / (1.0 - truth.pump) ** 2)


def test_what_cannot_be_known_is_said(tmp_path: Path) -> None:
    numbers = by_name(revealed(tmp_path, truth_of("jitter")))
    drifting = numbers["sensor1.f0_hz"]
    assert drifting.wander == 15.0 and drifting.counted and "drifts by 15 Hz rms" in drifting.remark
    peak = numbers["sensor1.peak_to_shot"]
    assert not peak.counted and "design value" in peak.remark
    assert "phase noise" in numbers["source.squeezing_db"].remark
    assert "not in the DC signal" in numbers["sensor1.lock_residual_rad"].remark
    assert all(number.wander >= 0.0 and math.isfinite(number.value) for number in numbers.values())
    # What follows from other results counts once.
    for name in ("individual.mean_db", "source.squeezing_db", "source.parametric_gain", "joint.digital_db"):
        assert not numbers[name].counted and numbers[name].remark


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_sensors_has_its_numbers(tmp_path: Path, count: int) -> None:
    numbers = by_name(revealed(tmp_path, nominal("ideal", count)))
    sensors = {int(found[1]) for name in numbers if (found := re.match(r"sensor(\d+)\.", name))}
    assert sensors == set(range(1, count + 1))
    assert numbers["joint.rephased_db"].value == pytest.approx(-4.69, abs=TOLERANCE_DB)
    if count == 1:
        assert numbers["sensor1.conditional_db"].value == pytest.approx(numbers["sensor1.marginal_db"].value)
        assert numbers["joint.raw_db"].value == pytest.approx(numbers["joint.rephased_db"].value)


def test_disturbances_and_what_happened_are_told(tmp_path: Path) -> None:
    kicks: dict[str, object] = {"kind": "kicks", "after": 60.0, "every": None, "strength": 1.0}
    happened = tuple(Happening(60.0 + n, "kicks") for n in range(HAPPENINGS_TOLD + 3))
    remarks = revealed(tmp_path, truth_of("ideal"), (kicks,), happened).remarks
    assert "Switched on besides: kicks (after 60, strength 1)." in remarks
    assert "kicks at 60.0 s, kicks at 61.0 s" in remarks[-1] and remarks[-1].endswith("and 3 more of lab time.")
    quiet = revealed(tmp_path, truth_of("ideal")).remarks
    assert "No disturbance was switched on." in quiet and not any("What happened" in remark for remark in quiet)
    cut_off = revealed(tmp_path, truth_of("ideal"), (), None).remarks
    assert any("did not come to its end" in remark for remark in cut_off)


def test_the_split_of_what_the_sum_loses_names_the_scenario(tmp_path: Path) -> None:
    for scenario in ("ideal", "delays", "jitter", "loss"):
        numbers = by_name(revealed(tmp_path, nominal(scenario)))
        lost = {cause: numbers[f"joint.lost_to_{cause}_db"].value for cause in ("delays", "jitter", "loss")}
        for cause, decibels in lost.items():
            assert (decibels > 0.5) == (cause == scenario) and decibels > -1e-9


def test_plates_are_taken_as_they_ended(tmp_path: Path) -> None:
    truth = nominal("ideal")
    zero_deg = {stage: truth.plate_zero_deg(f"network{stage}") for stage in (1, 2, 3)}
    ended = {f"network{stage}": zero_deg[stage] + 22.5 for stage in (1, 2, 3)}  # each takes half of what is left
    design = replace(design_of(station_at(1)), quantum_efficiency=0.99)
    (tmp_path / TRUTH_FILE).write_bytes(TruthFile(truth, design, (), (), ended).to_bytes())
    numbers = by_name(reveal(tmp_path))
    weights = [numbers[f"sensor{n}.weight"].value for n in range(1, 5)]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.005)
    assert numbers["network.stage2_zero_deg"].value == pytest.approx(zero_deg[2])
    assert numbers["sensor1.individual_db"].value < numbers["sensor4.individual_db"].value - 0.5


def test_force_and_cavity_of_the_nominal_sensor(tmp_path: Path) -> None:
    numbers = by_name(revealed(tmp_path, nominal("ideal")))
    assert numbers["sensor1.fsr_hz"].value == pytest.approx(299.8e9, rel=2e-3)
    assert numbers["sensor1.kappa_hz"].value == pytest.approx(58.9e9, rel=5e-3)
    assert numbers["sensor1.force_coherent_on"].value == pytest.approx(6.6e-15, rel=0.02)  # A 5, Gamma 41 Hz
    ratio = numbers["sensor1.force_entangled_off"].value / numbers["sensor1.force_coherent_off"].value
    assert 20.0 * math.log10(ratio) == pytest.approx(-4.69, abs=0.1)
