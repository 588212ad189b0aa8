"""The coupling over the wire: against the truth, with two modes in the line, and with the tone off afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from ideal_table import station_at
from procedure_bench import Ran
from signed_table import SignedTable

from labctl.configuration.disturbances import MembraneDoublet
from labctl.errors import AnalysisRefused, BadReply, ConfigurationError
from labctl.simulation.design import design_of
from labctl.simulation.working_point import WorkingPoint
from labctl.store.records import NamedResult
from procedures.optomechanical_coupling import TONE, MeasureOptomechanicalCoupling

SIGMAS = 4.0
SIGMA_OF_VOLTS_PER_PI = 0.03


@pytest.fixture(scope="module")
def table() -> Iterator[SignedTable]:
    table = SignedTable.make()
    yield table
    table.opened.station.close()


def tone_is_on(table: SignedTable) -> bool:
    return table.opened.table.tones[TONE].waveform.on


def true_point(table: SignedTable) -> WorkingPoint:
    return WorkingPoint(table.opened.table.truth, design_of(table.opened.station.file))


def statistics_alone(table: SignedTable, result: NamedResult, true: float) -> float:
    """Return how far a result is from the truth in units of what remains when V_pi is known."""
    known = table.opened.table.truth.modulator_volts_per_pi / 5.0
    sigma = math.sqrt(result.sigma**2 - (SIGMA_OF_VOLTS_PER_PI * result.value) ** 2)
    return (result.value / known - true) / sigma


def texts(ran: Ran, level: str) -> str:
    return " ".join(event.text for event in ran.record.events if event.level == level)


@pytest.mark.parametrize(("seed", "scenario", "number"), [(8, "delays", 1), (9, "jitter", 3)])
def test_the_coupling_is_that_of_the_table(seed: int, scenario: str, number: int) -> None:
    table = SignedTable.make(seed, scenario)
    point = true_point(table)
    ran = table.run(MeasureOptomechanicalCoupling, sensor=number, averages=100)
    found = ran.record.named[f"sensor{number}.g0_over_kappa"]
    assert abs(statistics_alone(table, found, float(point.g0_over_kappa()[number - 1]))) < SIGMAS
    assert SIGMA_OF_VOLTS_PER_PI < found.sigma / found.value < 1.4 * SIGMA_OF_VOLTS_PER_PI
    assert "V_pi" in found.convention and "the same for all sensors" in found.convention
    phase = ran.record.named[f"sensor{number}.phase_rms_rad"]
    assert abs(phase.value - math.sqrt(point.thermal_phase_variance()[number - 1])) < SIGMAS * phase.sigma
    assert 1e-6 < phase.value < 4e-6
    assert texts(ran, "warning") == ""
    assert not tone_is_on(table)
    table.opened.station.close()


def test_what_is_kept(table: SignedTable) -> None:
    bench = table.fresh_bench()
    f0_hz = table.opened.table.truth.sensors[1].f0_hz
    bench.known["sensor2.f0_hz"] = NamedResult("sensor2.f0_hz", f0_hz, 1.0, "Hz", "", "earlier")
    bench.known["sensor2.kappa_hz"] = NamedResult("sensor2.kappa_hz", 58.9e9, 0.3e9, "Hz", "", "earlier")
    ran = table.run(MeasureOptomechanicalCoupling, bench, sensor=2, averages=60)
    (trace,) = ran.record.traces
    assert trace.name == "sensor2.tone" and trace.valid and trace.values_unit == "dBm"
    assert trace.conventions["averaging"] == "power"
    tone_hz = trace.axis[int(np.argmax(trace.values))]
    assert tone_hz == pytest.approx(f0_hz + 350.0, abs=5.0)
    ratio, g0 = ran.record.named["sensor2.g0_over_kappa"], ran.record.named["sensor2.g0_hz"]
    assert g0.value == pytest.approx(58.9e9 * ratio.value)
    assert 15.0 < g0.value < 30.0 and g0.sigma > g0.value * ratio.sigma / ratio.value
    assert len(ran.rows) == trace.axis.size
    assert MeasureOptomechanicalCoupling.bind(bench)().expected_s() < 120.0


def test_a_second_mode_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    file = station_at(5, "delays")
    doublet = MembraneDoublet(kind="membrane_doublet", sensor=1, split=500.0, share=0.3)
    split = file.model_copy(update={"backend": file.backend.model_copy(update={"disturbances": [doublet]})})
    monkeypatch.setattr("signed_table.station_at", lambda seed, scenario: split)
    table = SignedTable.make()
    ran = table.run(MeasureOptomechanicalCoupling, sensor=1, offset=-350.0, averages=150)
    true = float(true_point(table).g0_over_kappa()[0])
    assert "a second mode from" in texts(ran, "warning")
    assert abs(statistics_alone(table, ran.record.named["sensor1.g0_over_kappa"], true)) < SIGMAS
    table.opened.station.close()


def test_a_tone_that_is_too_weak_is_refused(table: SignedTable) -> None:
    with pytest.raises(AnalysisRefused, match="not clear of noise"):
        table.run(MeasureOptomechanicalCoupling, sensor=1, amplitude=1e-3, averages=10, span=1000.0)
    assert not tone_is_on(table)


def test_a_tone_on_the_mode_is_refused(table: SignedTable) -> None:
    with pytest.raises(AnalysisRefused):
        table.run(MeasureOptomechanicalCoupling, sensor=1, offset=20.0, averages=20)
    assert not tone_is_on(table)


def test_a_failing_analyzer_leaves_the_tone_off(table: SignedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    bench = table.fresh_bench()
    bench.known["sensor1.f0_hz"] = NamedResult("sensor1.f0_hz", 4.276e6, 1.0, "Hz", "", "earlier")

    def fail() -> bool:
        seen.append(tone_is_on(table))
        raise BadReply("analyzer", "lost its way")

    monkeypatch.setattr(table.opened.station.analyzer, "is_sweeping", fail)
    with pytest.raises(BadReply, match="lost its way"):
        table.run(MeasureOptomechanicalCoupling, bench, sensor=1)
    assert seen == [True] and not tone_is_on(table)


def test_a_tone_of_unknown_depth_is_refused(table: SignedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table.opened.station.file
    unknown = file.tones[TONE].model_copy(update={"volts_per_pi": None})
    monkeypatch.setattr(table.opened.station, "file", file.model_copy(update={"tones": {**file.tones, TONE: unknown}}))
    with pytest.raises(ConfigurationError, match="no volts_per_pi"):
        table.run(MeasureOptomechanicalCoupling, sensor=1)
