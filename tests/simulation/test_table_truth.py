"""One seed, one night: truths and streams that do not depend on order, slow states that do not depend on who looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import NOMINAL_F0_HZ, build, locked_table, truth_of

from labctl.simulation.ports import Waveform
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import RMS_DELAY_S, Scenario, draw_truth, generator


def slow_state(table: SimulatedTable) -> dict[str, object]:
    """Return everything slow that the table has."""
    source = table.source
    state: dict[str, object] = {
        "time": round(table.now(), 6),
        "ticks": table._ticks,
        "crystal": table.oven.crystal_c,
        "plate": table.oven._plate_c,
        "oven": table.oven._drift.value,
        "length": source._length_drift.value,
        "phase": source._phase_drift.value,
        "length servo": source.length_servo.output_volts(),
        "phase servo": source.phase_servo.output_volts(),
        "pump": source._pump(),
    }
    for n, sensor in enumerate(table.sensors):
        state |= {
            f"path {n}": sensor._wander.value,
            f"thermal {n}": sensor._thermal.value,
            f"servo {n}": sensor.servo.output_volts(),
            f"tilt {n}": (sensor.pitch.tilt_rad, sensor.yaw.tilt_rad),
            f"light {n}": (sensor.probe_power_w, sensor.local_oscillator_w),
        }
    return state


READINGS: dict[str, Callable[[SimulatedTable], object]] = {
    "dc": lambda table: table.sensors[0].dc_volts(),
    "servo input": lambda table: table.sensors[0].servo.measured_volts(),
    "length servo input": lambda table: table.source.length_servo.measured_volts(),
    "transmission": lambda table: table.source.transmission_now(),
    "seed": lambda table: table.source.seed_monitor_volts(),
    "oven": lambda table: table.oven.object_temperature_c(),
    "record": lambda table: table.detectors.records([0], table.now(), 15.625e6, 1024, 8).tolist(),
}


# ---- truth and streams -----------------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_table_and_another_is_another() -> None:
    for scenario in Scenario:
        once, again = (draw_truth(7, scenario, list(NOMINAL_F0_HZ)) for _ in range(2))
        assert once == again
        other = draw_truth(8, scenario, list(NOMINAL_F0_HZ))
        assert {s.f0_hz for s in once.sensors}.isdisjoint(s.f0_hz for s in other.sensors)
        assert once.opa_resonance_v != other.opa_resonance_v


def test_the_scenario_changes_its_imperfection_alone() -> None:
    ideal = truth_of("ideal", seed=7)
    delays = truth_of("delays", seed=7)
    assert [replace(s, delay_s=0.0) for s in delays.sensors] == list(ideal.sensors)
    assert np.std([s.delay_s for s in delays.sensors]) == pytest.approx(RMS_DELAY_S)
    for scenario, fields in (("jitter", {"common_jitter_rad", "private_jitter_rad"}), ("loss", {"extra_transmission"})):
        other = asdict(truth_of(scenario, seed=7))
        differing = {name for name, value in asdict(ideal).items() if other[name] != value}
        assert differing == fields | {"scenario"}


@given(st.permutations(["oven", "sensor1 path", "sensor2 path", "records", "truth"]))
@settings(max_examples=20)
def test_streams_do_not_depend_on_the_order_in_which_they_are_made(names: list[str]) -> None:
    drawn = {name: generator(3, name).standard_normal() for name in names}
    assert drawn == {name: generator(3, name).standard_normal() for name in sorted(names)}
    assert len(set(drawn.values())) == len(drawn)
    assert generator(4, names[0]).standard_normal() != drawn[names[0]]


def test_the_truth_file_is_plain_json() -> None:
    truth = truth_of("delays", seed=7)
    read = json.loads(json.dumps(truth.to_json()))
    assert read["sensors"][2]["f0_hz"] == truth.sensors[2].f0_hz
    assert read["scenario"] == "delays"


def test_draws_are_spread_about_the_design() -> None:
    sensors = [s for seed in range(200) for s in truth_of("ideal", seed=seed).sensors]
    gamma = np.array([s.gamma_hz for s in sensors])
    assert gamma.mean() == pytest.approx(41.0, abs=3.3 * 0.41 / np.sqrt(len(gamma)))
    assert gamma.std(ddof=1) == pytest.approx(0.41, rel=3.3 / np.sqrt(2 * len(gamma)))
    assert np.mean([s.visibility for s in sensors]) == pytest.approx(0.951, abs=3e-4)
    assert all(s.visibility < 1.0 and s.weight == 0.25 for s in sensors)


# ---- time ------------------------------------------------------------------------------------------------------------


def test_a_hundred_short_steps_are_one_long_one() -> None:
    long, short = locked_table(truth_of("delays")), locked_table(truth_of("delays"))
    long.elapse(10.0)
    for _ in range(100):
        short.elapse(0.1)
    assert slow_state(long) == slow_state(short)


@given(st.lists(st.floats(1e-4, 3.0), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_slow_states_do_not_depend_on_how_time_is_cut(steps: list[float]) -> None:
    pieces, whole = build(truth_of("ideal", count=2)).table, build(truth_of("ideal", count=2)).table
    for step in steps:
        pieces.elapse(step)
    whole.elapse(pieces.now())
    assert slow_state(pieces) == slow_state(whole)


@pytest.mark.parametrize("name", READINGS)
def test_looking_changes_nothing_slow(name: str) -> None:
    watched, alone = locked_table(truth_of("delays")), locked_table(truth_of("delays"))
    for _ in range(30):
        watched.elapse(0.2)
        alone.elapse(0.2)
        READINGS[name](watched)
    assert slow_state(watched) == slow_state(alone)


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_does_not_depend_on_other_readings(name: str) -> None:
    watched, alone = locked_table(truth_of("delays")), locked_table(truth_of("delays"))
    for other in READINGS.keys() - {name}:
        for _ in range(3):
            READINGS[other](watched)
    assert READINGS[name](watched) == READINGS[name](alone)


def test_instruments_are_told_of_every_tick() -> None:
    table = build(truth_of("ideal", count=1)).table
    told: list[float] = []

    class Instrument:
        def advance(self, now: float) -> None:
            told.append(now)

    table.attach(Instrument())
    table.elapse(0.35)
    table.elapse(0.07)
    table.elapse(0.58)
    assert told == pytest.approx([0.1 * n for n in range(1, 11)])


def test_the_table_wakes_up_dark() -> None:
    table = build(truth_of("ideal")).table
    f = np.linspace(4.27e6, 4.28e6, 11)
    dark = table.detectors.output_psd(0, f, 10.0)
    table.set_shutter("local_oscillator", True)
    lit = table.detectors.output_psd(0, f, 10.0)
    assert 10.0 * np.log10(lit[0] / dark[0]) == pytest.approx(20.0, abs=2.0)
    table.set_shutter("no such shutter", True)
    assert (table.detectors.output_psd(0, f, 10.0) == lit).all()


# ---- waveforms of the scan generator ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["SINE", "TRIANGLE", "SAWU", "SAWD", "SQUARE", "DC"])
def test_waveforms_are_periodic_and_within_their_amplitude(shape: str) -> None:
    waveform = Waveform(shape, frequency_hz=10.0, amplitude_v=0.4, offset_v=0.1, on=True)
    t = np.linspace(0.001, 0.099, 981)
    volts = waveform.volts(t)
    assert volts == pytest.approx(waveform.volts(t + 0.1), abs=1e-9)
    assert volts.max() <= 0.5 + 1e-12
    assert volts.min() >= -0.3 - 1e-12
    assert volts.max() == pytest.approx(0.5, abs=0.01)
    assert not replace(waveform, on=False).volts(t).any()


def test_a_triangle_a_quarter_early_rises_for_half_a_period() -> None:
    waveform = Waveform("TRIANGLE", frequency_hz=1.0, amplitude_v=1.0, phase_deg=-90.0, on=True)
    half = waveform.volts(np.linspace(0.0, 0.5, 101))
    assert half[0] == pytest.approx(-1.0)
    assert half[-1] == pytest.approx(1.0)
    assert np.diff(half) == pytest.approx(np.full(100, 0.02))
