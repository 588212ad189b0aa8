"""What the sum loses, and force resolution: on a locked table, from the data that other steps left on the bench."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import MissingResult, StoreError
from labctl.estimation.mechanical_mode import fit_mode
from labctl.physics.line_shape import filtered_lorentzian
from labctl.simulation.design import design_of
from labctl.simulation.working_point import WorkingPoint
from labctl.spectra.acquisition import Acquisition
from labctl.spectra.trace import Spectrum, Unit
from labctl.store.records import NamedResult
from procedures import individual_spectrum
from procedures.bench import Bench, MemoryRecord
from procedures.force import ForceResolution
from procedures.kept_records import ModeSpectrum
from procedures.sum_diagnosis import SumDiagnosis

SIGMAS = 4.5
RECORDS = 80


def earlier(bench: Bench, name: str, value: float, sigma: float, unit: str = "") -> None:
    bench.record.add_result(NamedResult(name, value, sigma, unit, "", "earlier"))


def with_earlier_results(table: LockedTable, bench: Bench) -> WorkingPoint:
    """Put what earlier steps would have found on the bench, and return what is true."""
    truth = table.opened.table.truth
    point = WorkingPoint(truth, design_of(table.opened.station.file))
    marginal, visibility = 10.0 * np.log10(point.light().marginal()), point.visibility()
    for index, sensor in enumerate(truth.sensors):
        earlier(bench, f"sensor{index + 1}.individual_db", float(marginal[index]), 0.008, "dB")
        earlier(bench, f"sensor{index + 1}.visibility", float(visibility[index]), 0.004)
        earlier(bench, f"sensor{index + 1}.f0_hz", sensor.f0_hz, 1.0, "Hz")
    earlier(bench, "joint.raw_db", 10.0 * math.log10(float(point.plain_sum(point.middle_hz()))), 0.017, "dB")
    earlier(bench, "source.pump_parameter", truth.pump, 0.004)
    return point


@pytest.fixture(scope="module", params=["delays", pytest.param("jitter", marks=pytest.mark.slow)])
def scenario_table(request: pytest.FixtureRequest) -> Iterator[LockedTable]:
    locked = LockedTable.make(5, request.param)
    yield locked
    locked.opened.station.close()


def test_the_cause_of_what_the_sum_loses(scenario_table: LockedTable) -> None:
    bench = scenario_table.fresh_bench()
    point = with_earlier_results(scenario_table, bench)
    ran = scenario_table.run(SumDiagnosis, bench, records=RECORDS)
    found = ran.record.named
    delay_s = point.delay_s() - point.delay_s().mean()
    for number, delay in enumerate(delay_s, start=1):
        assert abs(found[f"joint.delay{number}_s"].value - delay) < min(SIGMAS * found["joint.delay1_s"].sigma, 1.2e-9)
    if point.truth.scenario == "delays":
        assert found["joint.rms_delay_s"].value == pytest.approx(13.3e-9, abs=0.5e-9)
        assert 0.75 < found["joint.lost_to_delays_db"].value < 1.1
        assert found["joint.missing_db"].value > 0.7
        assert "lost to delays between the detectors" in ran.record.events[-1].text
        assert "phase noise" not in ran.record.events[-1].text
    else:
        common = found["joint.common_jitter_rad"]
        assert abs(common.value - point.common_jitter_rad()) < SIGMAS * common.sigma < 0.15
        assert "lost to phase noise" in ran.record.events[-1].text
    taken = len(ran.record.traces)
    again = scenario_table.run(SumDiagnosis, bench, records=RECORDS)
    assert len(again.record.traces) == taken  # the records are on the bench
    assert all(math.isfinite(result.value) and result.sigma >= 0.0 for result in found.values())


def mode_spectrum(gamma_hz: float, peak: float, floor: float) -> ModeSpectrum:
    axis = 4.3e6 + np.linspace(-1000.0, 1000.0, 401)
    acquisition = Acquisition.of_analyzer(10.0, 100.0, 2000)
    values = floor + peak * filtered_lorentzian(axis, 4.3e6, gamma_hz, 10.0)
    values = values * np.random.default_rng(3).gamma(acquisition.effective_k, 1.0 / acquisition.effective_k, axis.shape)
    spectrum = Spectrum(axis, values, Unit.RATIO_TO_SHOT, acquisition, name="mode")
    return ModeSpectrum(spectrum, fit_mode(spectrum))


def test_force_resolution(scenario_table: LockedTable) -> None:
    bench = scenario_table.fresh_bench()
    gamma_hz, peak, floor = 41.0, 5.0, 0.835
    for sensor in range(1, 5):
        bench.mode_spectra[sensor] = mode_spectrum(gamma_hz, peak, floor)
        earlier(bench, f"sensor{sensor}.conditional_db", -1.71, 0.03, "dB")
    with pytest.raises(StoreError, match=r"joint\.raw_db"):
        scenario_table.run(ForceResolution, bench)
    earlier(bench, "joint.raw_db", -3.7, 0.02, "dB")
    ran = scenario_table.run(ForceResolution, bench, detuning=1600.0)
    found = {name: result for name, result in ran.record.named.items() if result.source != "earlier"}
    thermal = math.sqrt(2.0 * 2.0 * math.pi * gamma_hz * 1.69e-11 * 1.380649e-23 * 300.0)  # two-sided
    variances = {"coherent": 1.0, "separable": floor, "entangled": 10.0**-0.37, "conditional": 10.0**-0.171}
    for kind, variance in variances.items():
        for where, detuning_hz in (("on", 0.0), ("off", 1600.0)):
            result = found[f"sensor2.force_{kind}_{where}"]
            true = thermal * math.sqrt(1.0 + variance * (1.0 + (2.0 * detuning_hz / gamma_hz) ** 2) / peak)
            assert abs(result.value - true) < SIGMAS * result.sigma < 0.1 * true
            assert result.unit == "N/sqrt(Hz)" and "two-sided" in result.convention
    assert found["force.detuning_hz"].value == 1600.0
    trace = next(trace for trace in ran.record.traces if trace.name == "sensor2.force")
    assert trace.values.shape == (4, trace.axis.size)
    assert float(np.mean(trace.values[0] > trace.values[1])) == 1.0 > float(np.mean(trace.values[0] < trace.values[2]))
    on = np.abs(trace.axis - 4.3e6) < 10.0
    assert trace.values[0][on].mean() == pytest.approx(thermal * math.sqrt(1.2), rel=0.05)


def test_force_resolution_from_what_is_stored(scenario_table: LockedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = scenario_table.fresh_bench()
    for sensor in range(1, 5):
        earlier(bench, f"sensor{sensor}.conditional_db", -1.71, 0.03, "dB")
        monkeypatch.setattr(individual_spectrum, "PART_AVERAGES", 30 if sensor == 2 else 300)  # 2 is taken in parts
        scenario_table.run(individual_spectrum.IndividualSpectrum, bench, sensor=sensor, averages=60)
    earlier(bench, "joint.raw_db", -3.7, 0.02, "dB")
    record = scenario_table.run(ForceResolution, bench).record
    known = record.results()
    forces = [record.trace(f"sensor{sensor}.force").values for sensor in range(1, 5)]

    bench.mode_spectra.clear()  # as after a process that went away
    check_same(known, scenario_table.run(ForceResolution, bench).record.results())
    for sensor in (1, 3, 4):
        assert record.trace(f"sensor{sensor}.force").values == pytest.approx(forces[sensor - 1], rel=1e-6)

    tonight = scenario_table.fresh_bench()  # the steps are kept as fresh: results are taken over, traces are not
    for result in known.values():
        tonight.record.add_result(result)
    with pytest.raises(MissingResult, match="No spectrum of sensor 1 is stored"):
        scenario_table.run(ForceResolution, tonight)
    other = MemoryRecord(traces=record.traces)
    other.add_result(replace(known["sensor1.f0_hz"], value=1.0))
    tonight.earlier_runs = lambda: [other, record]
    check_same(known, scenario_table.run(ForceResolution, tonight).record.results())


def check_same(known: Mapping[str, NamedResult], again: Mapping[str, NamedResult]) -> None:
    for name, result in known.items():
        assert again[name].value == pytest.approx(result.value, rel=1e-9), name
        # how the numbers of a mode that was taken in parts are correlated comes from the average of the parts
        assert again[name].sigma == pytest.approx(result.sigma, rel=0.02 if "sensor2" in name else 1e-6), name


def test_a_spectrum_that_was_not_taken_is_asked_for(scenario_table: LockedTable) -> None:
    with pytest.raises(StoreError, match="No spectrum of sensor 1"):
        scenario_table.run(ForceResolution)
