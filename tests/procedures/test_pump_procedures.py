"""The source against pump power: threshold, efficiency, and a pump that is back afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import Stopped, StoreError
from labctl.physics.opa import parametric_gain, quadrature_variances
from labctl.simulation.source_plant import SIDEBAND_OVER_HWHM
from labctl.store.records import NamedResult
from procedures.bench import Bench
from procedures.execution import StopRequest
from procedures.parametric_gain import ParametricGainAgainstPump
from procedures.squeezing_against_pump import SqueezingAgainstPump

TABLE_SENSORS = 2

SIGMAS = 4.5
RESTORED = 0.01  # of the power
LEARNING_S, DIMMED_S = 3.0, 20.0  # from the start


def dimmed(table: LockedTable) -> float:
    return float(table.opened.table.plates.dimmed("pump_power"))


def as_it_was(table: LockedTable, before: float) -> None:
    assert dimmed(table) == pytest.approx(before, rel=RESTORED)
    assert table.opened.station.shutters["pump"].is_open()
    table.lock_all()
    assert abs(table.opened.table.source.pump_phase_error_rad()) < 0.1


def with_visibilities(table: LockedTable) -> Bench:
    """Return a bench that knows the visibilities, as a night would by then; true ones, known well."""
    bench = table.fresh_bench()
    for number, sensor in enumerate(table.opened.table.sensors, start=1):
        name = f"sensor{number}.visibility"
        bench.record.add_result(NamedResult(name, sensor.visibility(), 2e-3, "", "", "lock"))
    return bench


def test_gain_and_threshold(table: LockedTable) -> None:
    before, truth = dimmed(table), table.opened.table.truth
    ran = table.run(ParametricGainAgainstPump, powers=2)
    assert all(machine.is_locked for machine in table.bench.supervisor.machines.values())
    named = ran.record.named
    x_true = truth.pump * math.sqrt(dimmed(table))
    for name, true in (
        ("source.threshold_w", truth.pump_threshold_w),
        ("source.pump_parameter", x_true),
        ("source.parametric_gain", float(parametric_gain(x_true, 0.0))),
    ):
        assert abs(named[name].value - true) < SIGMAS * named[name].sigma, name
    assert named["source.threshold_w"].sigma < 2e-3 * truth.pump_threshold_w
    against = {trace.name: trace for trace in ran.record.traces}
    pump, phase = against["source.gain_against_pump"], against["source.gain_against_phase"]
    assert pump.values.shape == (4, 2)
    assert pump.axis[0] == pytest.approx(0.1 * truth.pump_power_w, rel=0.1)
    assert pump.axis[-1] == pytest.approx(1.3 * truth.pump_power_w, rel=0.02)
    x = np.sqrt(pump.axis / truth.pump_threshold_w)
    assert pump.values[0] == pytest.approx(parametric_gain(x, 0.0), rel=0.01)
    assert pump.values[2] == pytest.approx(parametric_gain(x, math.pi), rel=0.01)
    assert phase.values.shape == (1, phase.axis.size)
    assert np.max(np.abs(phase.values[0] - parametric_gain(x_true, phase.axis))) < 0.15 * np.max(phase.values)
    as_it_was(table, before)


def test_squeezing_and_efficiency(table: LockedTable) -> None:
    before, truth = dimmed(table), table.opened.table.truth
    ran = table.run(SqueezingAgainstPump, with_visibilities(table), powers=3, records=10)
    named, eta = ran.record.named, truth.source_efficiency * truth.extra_transmission
    top = quadrature_variances(truth.pump * math.sqrt(dimmed(table)), SIDEBAND_OVER_HWHM, eta)[1]
    efficiency, high = named["source.total_efficiency"], named["source.antisqueezing_db"]
    assert abs(efficiency.value - eta) < SIGMAS * efficiency.sigma < 0.15
    assert abs(high.value - 10.0 * math.log10(top)) < SIGMAS * high.sigma < 0.6
    assert named["source.phase_noise_rad"].value < 0.1
    (trace,) = ran.record.traces
    true = quadrature_variances(np.sqrt(trace.axis / truth.pump_threshold_w), SIDEBAND_OVER_HWHM, eta)
    assert trace.values[0] == pytest.approx(true[0], rel=0.15)
    assert trace.values[2] == pytest.approx(true[1], rel=0.1)
    assert trace.conventions["sideband_over_hwhm"] == pytest.approx(SIDEBAND_OVER_HWHM, rel=2e-3)
    as_it_was(table, before)


def test_without_visibility_nothing_moves(table: LockedTable) -> None:
    angle = dict(table.opened.table.plates.angles_deg())
    with pytest.raises(StoreError, match="visibility"):
        table.run(SqueezingAgainstPump)
    assert table.opened.table.plates.angles_deg() == angle


@pytest.mark.parametrize("after_s", [LEARNING_S, DIMMED_S])
def test_a_stop_brings_the_pump_back(table: LockedTable, after_s: float) -> None:
    before, stop = dimmed(table), StopRequest(table.bench.clock)
    dimmed_by: list[float] = []

    def ask() -> None:
        dimmed_by.append(dimmed(table))
        stop.ask()

    run = table.step("parametric_gain", powers=5)
    table.after(after_s, ask)
    with pytest.raises(Stopped):
        run(stop)
    assert dimmed_by[0] != pytest.approx(before, rel=0.02)
    assert table.last.named == {}
    as_it_was(table, before)
