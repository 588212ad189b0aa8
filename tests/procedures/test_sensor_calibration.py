"""Calibration of the sensor cavities, the balance of their light and their uniformity, on one simulated table."""

from __future__ import annotations

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import ConfigurationError
from labctl.locks.states import LockState
from labctl.store.records import NamedResult
from procedures.bench import Bench
from procedures.cavity_length import CavityLength
from procedures.power_balance import PowerBalance
from procedures.uniformity import Uniformity

SIGMAS = 4.5  # of 20 numbers, once in 7000 seeds


def events(bench: Bench) -> str:
    return "\n".join(event.text for event in bench.record.events)  # type: ignore[attr-defined]


def all_locked(table: LockedTable) -> bool:
    return all(machine.is_locked for machine in table.bench.supervisor.machines.values())


def test_lengths_and_linewidths_of_all_cavities_are_the_true_ones(table: LockedTable) -> None:
    station, bench = table.opened.station, table.fresh_bench()
    before_m = station.laser.wavelength_m()
    ran = table.run(CavityLength, bench)
    found = ran.record.named
    for number, sensor in enumerate(table.opened.table.sensors, start=1):
        cavity = sensor.cavity
        truth = {
            "fsr_hz": cavity.fsr_hz(),
            "length_m": cavity.optical_length_m(),
            "finesse": cavity.finesse(),
            "kappa_hz": cavity.linewidth_hz(),
            "fsr_two_colour_hz": cavity.fsr_hz(),
        }
        for what, true in truth.items():
            result = found[f"sensor{number}.{what}"]
            assert abs(result.value - true) < SIGMAS * result.sigma, (number, what)
        assert found[f"sensor{number}.length_m"].sigma < 2e-8
        assert found[f"sensor{number}.fsr_two_colour_hz"].sigma < 2e9
    traces = {trace.name: trace for trace in ran.record.traces}
    assert traces["sensor3.laser_scan"].values.shape == (4, 121)
    assert traces["sensor3.piezo_scan"].axis_unit == "V"
    assert all(trace.valid for trace in traces.values())
    assert not station.laser.is_on() and station.laser.wavelength_m() == pytest.approx(before_m, abs=1e-13)
    assert all_locked(table)
    assert ran.progress == sorted(ran.progress)
    assert "sigma apart" not in events(bench)


def test_a_stop_leaves_no_light_and_asks_for_the_loops_again(table: LockedTable) -> None:
    procedure = CavityLength.bind(table.fresh_bench())()
    procedure.set_parameters({"sensor": 2, "two_colours": False})
    station = table.opened.station
    procedure.should_stop = station.laser.is_on
    procedure.emit = lambda topic, what: None
    procedure.startup()
    procedure.execute()
    procedure.shutdown()
    assert procedure.was_stopped and not station.laser.is_on()
    machines = table.bench.supervisor.machines
    assert machines["cavity3"].state is LockState.HOLD  # the laser shone on that one too
    assert all(machine.wanted and not machine.parked for machine in machines.values())
    table.lock_all()


def test_a_sweep_without_its_source_is_kept_as_invalid_and_repeated(table: LockedTable) -> None:
    bench, shutter = table.fresh_bench(), table.opened.station.shutters["pump"]
    table.lock_all()

    def blink(seconds: float) -> None:
        shutter.close()
        table.after(seconds, shutter.open)

    procedure = CavityLength.bind(bench)()
    passes = procedure._passes

    def disturbed(*arguments: object) -> object:
        if not bench.record.traces:  # type: ignore[attr-defined]
            blink(3.0)
        return passes(*arguments)  # type: ignore[arg-type]

    procedure._passes = disturbed
    procedure.set_parameters({"sensor": 1, "two_colours": False, "span": 5e-9, "points": 60, "readings": 1})
    procedure.should_stop = lambda: False
    procedure.emit = lambda topic, what: None
    procedure.startup()
    procedure.measure()
    procedure.shutdown()
    assert [trace.valid for trace in bench.record.traces] == [False, True]  # type: ignore[attr-defined]
    assert "try 1 is invalid" in events(bench)
    table.lock_all()


def test_a_sensor_without_a_cavity_is_named(table: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="no loop for the cavity of sensor 9"):
        table.run(CavityLength, sensor=9)


def give(bench: Bench, sensor: int, **values: float) -> None:
    for what, value in values.items():
        name = f"sensor{sensor}.{what}"
        bench.record.add_result(NamedResult(name, value, 0.01 * value, "", "", "test"))


def test_the_shares_of_the_light_are_those_of_the_plates_and_say_what_to_turn(table: LockedTable) -> None:
    bench = table.fresh_bench()
    for sensor, g0 in enumerate((3.15e-10, 3.15e-10, 3.5e-10, 3.15e-10), start=1):
        give(bench, sensor, g0_over_kappa=g0)
    found = table.run(PowerBalance, bench, look=10.0).record.named
    true = np.array([sensor.share for sensor in table.opened.table.sensors])
    for number, share in enumerate(true / true.sum(), start=1):
        result = found[f"sensor{number}.probe_share"]
        assert abs(result.value - share) < SIGMAS * result.sigma
        assert result.sigma < 1e-3
    assert sum(found[f"sensor{n}.fringe_share"].value for n in range(1, 5)) == pytest.approx(1.0)
    assert "of sensor3 is off by" in events(bench) and "network3 by" in events(bench)


def test_a_sensor_off_the_design_is_told_with_what_to_turn(table: LockedTable) -> None:
    bench = table.fresh_bench()
    design = bench.station.file.membranes
    assert design is not None
    ratio = design.coupling / design.linewidth
    give(bench, 1, gamma_hz=design.damping, g0_over_kappa=ratio, kappa_hz=design.linewidth)
    give(bench, 2, gamma_hz=1.1 * design.damping, g0_over_kappa=ratio, kappa_hz=design.linewidth)
    give(bench, 3, gamma_hz=design.damping, g0_over_kappa=0.9 * ratio, kappa_hz=design.linewidth)
    give(bench, 4, gamma_hz=design.damping, kappa_hz=1.05 * design.linewidth)
    found = table.run(Uniformity, bench).record.named
    value = {name: result.value for name, result in found.items()}
    assert value["sensor1.inconsistency"] == pytest.approx(0.0, abs=1e-9)
    # On resonance thermal noise, five sixths of all, goes as Gamma, and imprecision as its square.
    assert value["sensor2.inconsistency_gamma"] == pytest.approx(0.5 * (0.1 * 5 + 0.21) / 6, abs=0.003)
    assert value["sensor3.inconsistency_coupling"] == pytest.approx(1 / 0.9 - 1, abs=0.005)
    assert value["sensor3.inconsistency"] < 0.03 < value["sensor3.inconsistency_off"]
    assert found["sensor3.inconsistency_coupling"].sigma == pytest.approx(0.0157, rel=0.1)
    assert value["sensor4.inconsistency_linewidth"] == pytest.approx(0.05, abs=0.003)
    assert "sensor4.inconsistency_coupling" not in value
    told = events(bench)
    assert "sensor2: too much damping" in told
    assert "sensor3: its imprecision is off by" in told and "1.2" in told
    assert "sensor4: coupling not measured yet, and left out" in told
    assert "sensor1: its" not in told
