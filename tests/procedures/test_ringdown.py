"""Membranes are shaken, let go and watched over the wire: what is found, and that the drive is off afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from procedure_bench import Ran
from signed_table import SignedTable

from labctl.errors import AnalysisRefused, BadReply, ConfigurationError
from labctl.store.records import NamedResult
from procedures.bench import Bench
from procedures.individual_spectrum import IndividualSpectrum
from procedures.ringdown import DRIVE, Ringdown

SIGMAS = 4.0  # 1e-4 of all tables lie beyond


@pytest.fixture(scope="module")
def table() -> Iterator[SignedTable]:
    table = SignedTable.make()
    yield table
    table.opened.station.close()


def drive_is_on(table: SignedTable) -> bool:
    return table.opened.table.tones[DRIVE].waveform.on


def with_result(table: SignedTable, name: str, value: float, sigma: float) -> Bench:
    bench = table.fresh_bench()
    bench.known[name] = NamedResult(name, value, sigma, "Hz", "", "earlier")
    return bench


def warnings(ran: Ran) -> str:
    return " ".join(event.text for event in ran.record.events if event.level == "warning")


def test_thermal_line_and_decay_give_one_linewidth() -> None:
    table, number = SignedTable.make(21, "jitter"), 4
    true_hz = table.opened.table.truth.sensors[number - 1].gamma_hz
    bench = table.fresh_bench()
    table.run(IndividualSpectrum, bench, sensor=number, averages=40)
    table.lock_all()
    record = table.run(Ringdown, bench, sensor=number).record
    thermal, decay = (record.named[f"sensor{number}.{name}"] for name in ("gamma_hz", "gamma_ringdown_hz"))
    for found in (thermal, decay):
        assert abs(found.value - true_hz) < SIGMAS * found.sigma
    assert decay.sigma < 0.012 * decay.value < thermal.sigma
    difference = record.named[f"sensor{number}.gamma_difference_sigmas"]
    apart = (decay.value - thermal.value) / np.hypot(decay.sigma, thermal.sigma)
    assert difference.value == pytest.approx(apart) and difference.sigma == 1.0
    assert not drive_is_on(table)
    table.opened.station.close()


def test_what_is_kept(table: SignedTable) -> None:
    ran = table.run(Ringdown, sensor=2, shots=2)
    gamma = ran.record.named["sensor2.gamma_ringdown_hz"]
    assert gamma.unit == "Hz" and "FWHM" in gamma.convention
    assert "sensor2.gamma_difference_sigmas" not in ran.record.named  # nothing to compare with
    assert [trace.name for trace in ran.record.traces] == ["sensor2.search", "sensor2.ringdown", "sensor2.ringdown"]
    trace = ran.record.traces[-1]
    assert trace.valid and trace.axis_unit == "s" and trace.values_unit == "V"
    assert trace.values.shape == trace.axis.shape and np.iscomplexobj(trace.values)
    assert trace.axis[-1] > 0.05
    size = np.abs(trace.values)
    assert size[:20].mean() > 10.0 * size[-200:].mean()
    assert [row["Decay"] for row in ran.rows] == [1.0, 2.0]
    assert ran.progress[-1] == 100.0 and warnings(ran) == ""
    assert Ringdown.bind(table.bench)().expected_s() < 60.0


def test_a_linewidth_that_disagrees_is_told(table: SignedTable) -> None:
    ran = table.run(Ringdown, with_result(table, "sensor1.gamma_hz", 50.0, 0.5), sensor=1, shots=2)
    assert ran.record.named["sensor1.gamma_difference_sigmas"].value < -5.0
    assert "the thermal line 50 +- 0.5 Hz" in warnings(ran) and "sigma apart" in warnings(ran)


def test_a_stale_frequency_is_looked_for_anew(table: SignedTable) -> None:
    truth = table.opened.table.truth.sensors[2]
    ran = table.run(Ringdown, with_result(table, "sensor3.f0_hz", truth.f0_hz + 20e3, 1.0), sensor=3, shots=2)
    gamma = ran.record.named["sensor3.gamma_ringdown_hz"]
    assert abs(gamma.value - truth.gamma_hz) < SIGMAS * gamma.sigma
    assert any(trace.name == "sensor3.search" for trace in ran.record.traces)


def test_a_ring_that_moves_nothing_is_driven_harder_and_then_refused(
    table: SignedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = table.opened.table.detectors._ring
    weak = ring._answer.copy()
    weak[0] *= 0.1
    monkeypatch.setattr(ring, "_answer", weak)
    ran = table.run(Ringdown, sensor=1, shots=1, amplitude=0.02)
    assert any("Driven at" in event.text for event in ran.record.events)
    assert "sensor1.gamma_ringdown_hz" in ran.record.named
    monkeypatch.setattr(ring, "_answer", 0.0 * weak)
    with pytest.raises(AnalysisRefused, match=r"sensor1\.ringdown"):
        table.run(Ringdown, sensor=1, shots=1)
    assert not drive_is_on(table)


def test_a_record_that_is_saturated_is_not_driven_harder(table: SignedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = table.opened.table.detectors._ring
    monkeypatch.setattr(ring, "_answer", 5.0 * ring._answer)
    with pytest.raises(ConfigurationError, match=r"saturated.*Drive with less than 1 V"):
        table.run(Ringdown, sensor=1, amplitude=1.0)
    assert not drive_is_on(table)


def test_a_failing_digitizer_leaves_the_drive_off_and_the_averaging_on(
    table: SignedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = table.opened.station.driver("digitizer")
    seen = []

    def fail() -> bool:
        seen.append(board.averaging)
        raise BadReply("digitizer", "lost its way")

    monkeypatch.setattr(board, "is_filled", fail)
    with pytest.raises(BadReply, match="lost its way"):
        table.run(Ringdown, sensor=1)
    assert seen == [False]
    assert board.averaging
    assert not drive_is_on(table)


def test_a_stop_leaves_the_drive_off(table: SignedTable) -> None:
    bound = Ringdown.bind(table.fresh_bench())()
    bound.set_parameters({})
    bound.should_stop = lambda: drive_is_on(table)
    bound.emit = lambda topic, what: None
    bound.startup()
    bound.execute()
    bound.shutdown()
    assert bound.was_stopped and not drive_is_on(table)


def test_a_station_without_the_drive_is_told_so(table: SignedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(table.opened.station.tones, DRIVE)
    with pytest.raises(ConfigurationError, match=r"no \[tones\.membrane_drive\]"):
        table.run(Ringdown)
