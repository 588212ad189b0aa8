"""Each procedure alone, small, on a locked table over the real wire: named finite results, traces with conventions."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np
import pytest
from ideal_table import LIGHT, open_table, station_at
from procedure_bench import LockedTable, Ran

from labctl.errors import AnalysisRefused, ConfigurationError, LockError, StepTimeout, StoreError
from labctl.estimation.network import remove_loss
from labctl.locks.states import LockState
from labctl.simulation.design import design_of
from labctl.simulation.working_point import WorkingPoint
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels
from labctl.store.records import NamedResult
from procedures.audit_signs import AuditSigns
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.individual_spectrum import IndividualSpectrum
from procedures.joint_spectrum_analyzer import JointSpectrumAnalyzer
from procedures.joint_spectrum_digitizer import JointSpectrumDigitizer
from procedures.lock_homodyne import LockHomodyne
from procedures.lock_source import LockSource
from procedures.noise_floor import NoiseFloor
from procedures.source_squeezing import SourceSqueezing
from procedures.warm_oven import WarmOven

SIGMAS = 4.5
ANALYZER_CONVENTIONS = {
    "rbw_hz": float,
    "enbw_hz": float,
    "vbw_hz": float,
    "filter": str,
    "detector": str,
    "averaging": str,
    "averages": int,
    "effective_averages": float,
    "impedance_ohm": float,
    "rf_input": str,
    "sidedness": str,
}
ON_LOCKED_LIGHT = ("search", "signal")  # in the names of traces, which say what loops they needed


def check_results(ran: Ran, names: Collection[str]) -> None:
    assert set(ran.record.named) == set(names)
    for name, result in ran.record.named.items():
        assert result.name == name
        assert math.isfinite(result.value)
        assert 0.0 < result.sigma < math.inf
        assert result.convention
        assert result.source


def check_traces(ran: Ran, names: Collection[str]) -> None:
    assert sorted(trace.name for trace in ran.record.traces) == sorted(names)
    for trace in ran.record.traces:
        assert (trace.axis_name, trace.axis_unit) == ("frequency", "Hz")
        assert (np.diff(trace.axis) > 0.0).all()
        assert np.isfinite(trace.values).all()
        assert trace.values.shape[-1] == trace.axis.size
        assert trace.valid
        assert trace.invalid_reason == ""
        assert trace.ended_at > trace.started_at >= 0.0
        assert trace.conventions["sidedness"] == "one-sided"
        assert trace.conventions["averaging"] == "power"


def check_analyzer_traces(ran: Ran, averages: Collection[int]) -> None:
    for trace in ran.record.traces:
        assert trace.values_unit == "dBm"
        kind = trace.name.partition(".")[2]
        needed = {"locks": str} if kind.startswith(ON_LOCKED_LIGHT) else {}
        told = {name: type(value) for name, value in trace.conventions.items()}
        assert told == ANALYZER_CONVENTIONS | needed, trace.name
        rbw_hz = float(trace.conventions["rbw_hz"])
        assert np.diff(trace.axis) == pytest.approx(rbw_hz / 4.0, rel=1e-3)
        assert trace.conventions["enbw_hz"] == pytest.approx(1.0645 * rbw_hz, rel=1e-3)
        assert trace.conventions["averages"] in averages
        assert float(trace.conventions["effective_averages"]) >= int(trace.conventions["averages"])


def check_progress(ran: Ran) -> None:
    assert ran.progress == sorted(ran.progress)
    assert ran.progress[0] >= 0.0
    assert ran.progress[-1] <= 100.0


def test_noise_floor(table: LockedTable) -> None:
    ran = table.run(NoiseFloor, averages=50)
    ports = ["sensor1", "sensor2", "sensor3", "sensor4", "joint"]
    check_results(ran, [f"{port}.clearance_db" for port in ports])
    check_traces(ran, [f"{port}.{kind}_floor" for port in ports for kind in ("dark", "shot")])
    check_analyzer_traces(ran, {50})
    check_progress(ran)
    assert [trace.conventions["rf_input"] for trace in ran.record.traces[:5]] == ["bhd1", "bhd2", "bhd3", "bhd4", "sum"]
    for number, sensor in enumerate(table.opened.table.truth.sensors, start=1):
        found = ran.record.named[f"sensor{number}.clearance_db"]
        dark = 10.0 ** (sensor.dark_db / 10.0)
        own = 10.0 ** ((-145.0 - -100.0) / 10.0)  # the analyzer's own noise, against about -100 dBm/Hz of shot noise
        assert found.value == pytest.approx(
            10.0 * math.log10((1.0 + dark) / (dark + own)), abs=SIGMAS * found.sigma + 0.02
        )
    assert len(ran.rows) == 5


@pytest.fixture
def cold() -> Iterator[LockedTable]:
    opened = open_table(station_at(6), warmed=False)
    yield LockedTable(opened, Bench.of(opened.station, MemoryRecord()))
    opened.station.close()


def test_warm_oven(cold: LockedTable) -> None:
    ran = cold.run(WarmOven, target=26.0, ramp=0.02, tolerance=0.01, window=10.0)
    check_results(ran, ["oven.temperature_c"])
    found = ran.record.named["oven.temperature_c"]
    assert found.value == pytest.approx(26.0, abs=0.005)
    assert found.sigma == pytest.approx(1e-3, rel=0.7)  # of one reading
    temperatures = [row["Temperature"] for row in ran.rows]
    assert temperatures[0] < 25.2
    assert all(abs(t - 26.0) <= 0.01 for t in temperatures[-5:])


def test_warm_oven_gives_up_in_the_end(cold: LockedTable) -> None:
    with pytest.raises(StepTimeout, match=r"not settled at 35\.000 degC after 1\d s"):
        cold.run(WarmOven, target=35.0, patience=10.0)


def test_lock_source(table: LockedTable) -> None:
    table.bench.supervisor.release(["opa_length"])
    ran = table.run(LockSource)
    check_results(ran, ["source.pump_parameter", "source.parametric_gain"])
    truth = table.opened.table.truth
    x, gain = ran.record.named["source.pump_parameter"], ran.record.named["source.parametric_gain"]
    assert abs(x.value - truth.pump) < SIGMAS * x.sigma
    assert gain.value == pytest.approx(1.0 / (1.0 - x.value) ** 2)
    assert [event.text.split(":")[0] for event in ran.record.events] == ["opa_length", "pump_phase"]
    assert all("Locked" in event.text for event in ran.record.events)
    assert len(ran.rows) == 2


def test_lock_homodyne(table: LockedTable) -> None:
    ran = table.run(LockHomodyne, sensor=2)
    check_results(ran, ["sensor2.lock_residual_rad", "sensor2.visibility"])
    plant = table.opened.table.sensors[1]
    visibility = ran.record.named["sensor2.visibility"]
    assert abs(visibility.value - plant.visibility()) < SIGMAS * visibility.sigma
    residual = ran.record.named["sensor2.lock_residual_rad"]
    assert abs(residual.value - plant.residual_rad()) < SIGMAS * residual.sigma + 2e-3  # the monitor's own noise


def test_individual_spectrum(table: LockedTable) -> None:
    ran = table.run(IndividualSpectrum, sensor=3, averages=100)
    quantities = ["f0_hz", "gamma_hz", "peak_to_shot", "individual_db", "clearance_db"]
    check_results(ran, [f"sensor3.{name}" for name in quantities])
    check_traces(ran, [f"sensor3.{kind}" for kind in ("search", "signal", "shot", "dark")])
    check_analyzer_traces(ran, {30, 100, 20})
    check_progress(ran)
    truth = table.opened.table.truth.sensors[2]
    for name, true in (("f0_hz", truth.f0_hz), ("gamma_hz", truth.gamma_hz), ("individual_db", -0.78)):
        found = ran.record.named[f"sensor3.{name}"]
        assert abs(found.value - true) < SIGMAS * found.sigma
    assert len(ran.rows) == 801


def test_joint_spectrum_on_the_analyzer(table: LockedTable) -> None:
    ran = table.run(JointSpectrumAnalyzer, averages=50, rbw=200.0, resonance_rbw=20.0, resonance_averages=10)
    check_results(ran, ["joint.raw_db"])
    resonances = [f"joint.signal_at_sensor{n}" for n in range(1, 5)]
    check_traces(ran, ["joint.signal", "joint.shot", "joint.dark", *resonances])
    check_analyzer_traces(ran, {50, 20, 10})
    check_progress(ran)
    raw = ran.record.named["joint.raw_db"]
    assert abs(raw.value - -3.76) < SIGMAS * raw.sigma + 0.1


def test_joint_spectrum_on_the_digitizer(table: LockedTable) -> None:
    ran = table.run(JointSpectrumDigitizer, records=20)
    per_sensor = [f"sensor{n}.{kind}_db" for n in range(1, 5) for kind in ("marginal", "conditional")]
    check_results(ran, ["joint.digital_db", "joint.rephased_db", *per_sensor])
    check_traces(ran, [f"joint.matrix_{kind}" for kind in ("signal", "shot", "dark")])
    check_progress(ran)
    for trace in ran.record.traces:
        assert trace.values.shape == (16, trace.axis.size)
        assert trace.values_unit == "V^2/Hz"
        assert trace.conventions["channels"] == 4
        assert trace.conventions["window"] == "hann"
    digital, rephased = (ran.record.named[f"joint.{name}_db"] for name in ("digital", "rephased"))
    assert abs(digital.value - -3.76) < SIGMAS * digital.sigma + 0.1
    assert abs(rephased.value - -4.70) < SIGMAS * rephased.sigma + 0.1
    assert rephased.value < digital.value


def test_a_sensor_that_does_not_work_is_left_out(table: LockedTable) -> None:
    bench = table.fresh_bench()
    bench.left_out = frozenset({3})
    bench.supervisor.release(["lo3"])
    signs = table.run(AuditSigns, bench, records=2)
    assert [row["Sensor"] for row in signs.rows] == [1.0, 2.0, 4.0]
    found = {name for name in signs.record.named if name.endswith("_sign")}
    assert found == {f"audit.sensor{n}_sign" for n in (1, 2, 4)}
    assert not any("sensor 3" in one.convention or "sensor3" in one.name for one in signs.record.named.values())

    joint = table.run(JointSpectrumDigitizer, bench, records=40).record
    assert bench.supervisor.machines["lo3"].state is LockState.OFF
    names = [f"sensor{n}.{kind}_db" for n in (1, 2, 4) for kind in ("marginal", "conditional")]
    assert {name for name in joint.named if "_db" in name} == {"joint.digital_db", "joint.rephased_db", *names}
    matrix = joint.trace("joint.matrix_signal")
    assert matrix.values.shape[0] == 16
    assert (matrix.conventions["left_out"], matrix.conventions["channels"]) == ("3", 4)
    assert "lo3" not in str(matrix.conventions["locks"])
    point = WorkingPoint(table.opened.table.truth, design_of(table.opened.station.file))
    three = float(point.light().summed([1.0, 1.0, 0.0, 1.0], point.delay_s(), point.middle_hz()))
    digital = joint.named["joint.digital_db"]
    assert digital.convention.endswith("without sensors 3")
    assert abs(digital.value - 10.0 * math.log10(three)) < SIGMAS * digital.sigma + 0.05
    for number in (1, 2, 4):
        alone = joint.named[f"sensor{number}.marginal_db"]
        assert abs(alone.value - 10.0 * math.log10(point.light().marginal()[number - 1])) < SIGMAS * alone.sigma + 0.02
    assert bench.joint_records is None  # what others make of them takes all sensors for well
    table.lock_all()


def test_expected_times_follow_the_parameters(table: LockedTable) -> None:
    def expected_s(procedure: type[LabProcedure], **parameters: object) -> float:
        bound = procedure.bind(table.fresh_bench())()
        bound.set_parameters(parameters)
        return bound.expected_s()

    def took_s(procedure: type[LabProcedure], **parameters: int) -> float:
        began_at = table.bench.clock.now()
        table.run(procedure, None, **parameters)
        return table.bench.clock.now() - began_at

    table.lock_all()
    assert expected_s(AuditSigns) == pytest.approx(took_s(AuditSigns), rel=0.3)
    assert expected_s(NoiseFloor, averages=400) == pytest.approx(took_s(NoiseFloor, averages=400), rel=0.2)
    assert expected_s(NoiseFloor, averages=4000) > 7.0 * expected_s(NoiseFloor, averages=400)
    assert expected_s(SourceSqueezing) < 1.0 < expected_s(LockHomodyne) < expected_s(LockSource)


def test_source_squeezing_from_earlier_results(table: LockedTable) -> None:
    bench = table.fresh_bench()
    sensors = table.opened.table.sensors
    for number, sensor in enumerate(sensors, start=1):
        bench.record.add_result(NamedResult(f"sensor{number}.individual_db", -0.78, 0.01, "dB", "", "earlier"))
        bench.record.add_result(
            NamedResult(f"sensor{number}.visibility", sensor.visibility(), 0.007, "", "", "earlier")
        )
    bench.record.add_result(NamedResult("joint.rephased_db", -4.70, 0.03, "dB", "", "earlier"))
    ran = table.run(SourceSqueezing, bench)
    found = {name: result for name, result in ran.record.named.items() if result.source != "earlier"}
    assert set(found) == {"individual.mean_db", "network.channel_efficiency", "source.squeezing_db"}
    assert found["individual.mean_db"].value == pytest.approx(-0.78)
    assert found["individual.mean_db"].sigma == pytest.approx(0.01 / 2.0)
    efficiency = found["network.channel_efficiency"]
    assert efficiency.value == pytest.approx(0.92 * LIGHT.quantum_efficiency * 0.951**2, rel=0.01)
    source = found["source.squeezing_db"]
    assert abs(source.value - -7.05) < SIGMAS * source.sigma
    expected = in_decibels(
        remove_loss(from_decibels(Estimate(-4.70, 0.03, "dB")), Estimate(efficiency.value, efficiency.sigma))
    )
    assert (source.value, source.sigma) == (pytest.approx(expected.value), pytest.approx(expected.sigma))


def test_source_squeezing_says_what_is_missing(table: LockedTable) -> None:
    with pytest.raises(StoreError, match=r"no result sensor1\.individual_db yet"):
        table.run(SourceSqueezing)


def test_a_sensor_that_the_table_does_not_have(table: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="no homodyne loop of sensor 7"):
        table.run(LockHomodyne, sensor=7)


def test_an_unbound_procedure_says_so() -> None:
    with pytest.raises(ConfigurationError, match="LockSource has no station"):
        LockSource().startup()


def test_leases_come_back_after_a_failure(table: LockedTable) -> None:
    leases = table.opened.station.leases
    with leases.hold(["analyzer"], "somebody"), pytest.raises(Exception, match="analyzer \\(by somebody\\)"):
        table.run(NoiseFloor)
    assert leases.holders() == {}
    with pytest.raises(ConfigurationError):
        table.run(IndividualSpectrum, span=1e6, rbw=1.0)
    assert leases.holders() == {}
    with pytest.raises(AnalysisRefused):
        table.run(IndividualSpectrum, averages=1, sensor=4)
    assert leases.holders() == {}
    mirror = table.opened.table.sensors[0].pitch
    aligned_rad, mirror.tilt_rad = mirror.tilt_rad, 0.1
    with pytest.raises(LockError, match="lo1: No fringe"):
        table.run(LockHomodyne, sensor=1)
    mirror.tilt_rad = aligned_rad
    assert leases.holders() == {}


def test_a_seed_that_is_hardly_amplified_is_no_lock() -> None:
    shipped = station_at(1)
    assert shipped.light is not None
    opened = open_table(
        shipped.model_copy(update={"light": shipped.light.model_copy(update={"seed_gain_expected": 40.0})})
    )
    with pytest.raises(LockError, match=r"not about 40 times\. Check oven temperature and pump power"):
        LockedTable(opened, Bench.of(opened.station, MemoryRecord())).run(LockSource)
    opened.station.close()
