"""Balance, rejection, linearity of shot noise and visibility of the detectors, measured over the wire."""

from __future__ import annotations

import math

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import LimitError, Stopped
from labctl.simulation.oscillator_tone import OSCILLATOR_POWER
from labctl.store.records import NamedResult
from procedures.detector_balance import MeasureDetectorBalance
from procedures.execution import StopRequest
from procedures.lock_homodyne import LockHomodyne
from procedures.oscillator_light import dimming, power_meter
from procedures.shot_noise_linearity import MeasureShotNoiseLinearity

SIGMAS = 4.5  # of a result from its truth, for 20 results of fixed seeds: less than one in 7000 by chance
SENSORS = range(1, 5)
POWER_LEFT = 0.01
DIMMED = 0.8  # so much that less would leave a visibility above 1


def assert_as_it_was(table: LockedTable, power_w: float) -> None:
    plant = table.opened.table
    assert plant.local_oscillator_w() == pytest.approx(power_w, rel=POWER_LEFT)
    assert not plant.tones[OSCILLATOR_POWER].waveform.on
    assert all(plant.shutters.values())


def assert_locked(table: LockedTable) -> None:
    assert all(machine.is_locked for machine in table.bench.supervisor.machines.values())


def test_shot_noise_goes_with_the_power(table: LockedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = table.opened.table
    power_w = plant.local_oscillator_w()
    blind = plant.detectors._gain.copy()
    blind[1] *= 0.05  # an amplifier that lost its gain: its shot noise lies below its dark noise
    monkeypatch.setattr(plant.detectors, "_gain", blind)
    ran = table.run(MeasureShotNoiseLinearity)
    for number in (1, 3, 4):
        exponent = ran.record.named[f"sensor{number}.shot_exponent"]
        intercept = ran.record.named[f"sensor{number}.dark_intercept"]
        assert exponent.value == pytest.approx(1.0, abs=SIGMAS * exponent.sigma)
        assert intercept.value == pytest.approx(1.0, abs=SIGMAS * intercept.sigma)
        assert 1e-3 < exponent.sigma < 0.01
    assert "sensor2.shot_exponent" not in ran.record.named
    warnings = [event.text for event in ran.record.events if event.level == "warning"]
    assert [text for text in warnings if "Detector 2 is not limited by shot noise" in text] == warnings
    traces = {trace.name: trace for trace in ran.record.traces}
    assert set(traces) == {f"sensor{n}.shot_against_power" for n in SENSORS}
    trace = traces["sensor1.shot_against_power"]
    assert trace.values.shape == (2, 6) == (2, trace.axis.size)
    assert np.all(np.diff(trace.axis) > 0.0)
    assert trace.axis[-1] / trace.axis[0] == pytest.approx(25.0, rel=0.1)
    assert_as_it_was(table, power_w)
    assert_locked(table)
    assert ran.progress == sorted(ran.progress)


def test_a_stop_while_it_is_dim_restores_the_power(table: LockedTable) -> None:
    plant = table.opened.table
    table.lock_all()
    power_w, dimmest = plant.local_oscillator_w(), [math.inf]
    stop = StopRequest(table.bench.clock)

    def ask() -> None:
        dimmest[0] = plant.local_oscillator_w() / power_w
        if dimmest[0] < 0.5:
            stop.ask()
        else:
            table.after(0.2, ask)

    run = table.step("shot_noise_linearity", records=20)
    table.after(3.0, ask)
    with pytest.raises(Stopped):
        run(stop)
    assert dimmest[0] < 0.5
    assert_as_it_was(table, power_w)
    assert table.last.named == {}


def test_more_than_the_plate_lets_through_is_refused_and_the_power_restored(table: LockedTable) -> None:
    power_w = table.opened.table.local_oscillator_w()
    procedure = MeasureShotNoiseLinearity.bind(table.bench)()
    procedure.should_stop = lambda: False
    with pytest.raises(LimitError, match="lets through up to"), dimming(procedure, power_meter(procedure)) as dimmer:
        assert dimmer.set_power(0.2 * dimmer.before_w) == pytest.approx(0.2 * dimmer.before_w, rel=0.03)
        dimmer.set_power(2.0 * dimmer.before_w)
    assert_as_it_was(table, power_w)


def test_balance_and_rejection(table: LockedTable) -> None:
    plant = table.opened.table
    table.lock_all()
    plant.room.photodiode[2] = worse = 0.9
    plant.elapse(0.1)
    try:
        ran = table.run(MeasureDetectorBalance)
    finally:
        plant.room.photodiode[2] = 1.0
    assert_as_it_was(table, plant.local_oscillator_w())
    assert_locked(table)
    for number, sensor in zip(SENSORS, plant.sensors, strict=True):
        balance = ran.record.named[f"sensor{number}.balance"]
        rejection_db = ran.record.named[f"sensor{number}.common_mode_rejection_db"]
        unequal = (1.0 - worse) / (1.0 + worse) if number == 3 else 0.0
        leak = 10.0 ** (-sensor.truth.common_mode_rejection_db / 20.0)
        leak = leak / (0.5 * (1.0 + worse)) if number == 3 else leak
        assert balance.value == pytest.approx(unequal, abs=SIGMAS * balance.sigma)
        assert balance.sigma < 1e-4 + 0.02 * unequal
        assert rejection_db.value == pytest.approx(-20.0 * math.log10(leak + unequal), abs=SIGMAS * rejection_db.sigma)
        assert 0.25 < rejection_db.sigma < 0.35  # 3 % of the modulator's V_pi is 0.26 dB
    assert not [event for event in ran.record.events if event.level == "warning"]


def test_a_tone_that_is_cut_off_gives_no_rejection(table: LockedTable) -> None:
    plant = table.opened.table
    plant.room.photodiode[0] = 0.85
    plant.elapse(0.1)
    try:
        ran = table.run(MeasureDetectorBalance, amplitude=1.0, records=5, readings=5)
    finally:
        plant.room.photodiode[0] = 1.0
    assert "sensor1.common_mode_rejection_db" not in ran.record.named
    assert "sensor2.common_mode_rejection_db" in ran.record.named
    assert any("Detector 1 shows so much of the tone" in event.text for event in ran.record.events)


def test_the_visibility_is_told_by_meter_and_measured_share(table: LockedTable) -> None:
    table.lock_all()
    bench = table.fresh_bench()
    stated = table.run(LockHomodyne, bench, sensor=2).record.named["sensor2.visibility"]
    bench.known["sensor2.weight"] = NamedResult("sensor2.weight", 0.3, 0.0003, "", "", "network")
    shared = table.run(LockHomodyne, bench, sensor=2).record.named["sensor2.visibility"]
    assert shared.value == pytest.approx(stated.value * math.sqrt(0.25 / 0.3), rel=1e-3)
    assert shared.sigma / shared.value < stated.sigma / stated.value
    truth = table.opened.table.sensors[1].visibility()
    assert stated.value == pytest.approx(truth, abs=SIGMAS * stated.sigma)
    assert 0.005 < stated.sigma / stated.value < 0.01
    procedure = MeasureShotNoiseLinearity.bind(bench)()
    procedure.should_stop = lambda: False
    with dimming(procedure, power_meter(procedure)) as dimmer:
        dimmer.set_power(DIMMED * dimmer.before_w)
        dimmed = table.run(LockHomodyne, bench, sensor=2).record.named["sensor2.visibility"]
    # The fringe was scanned with all the light: by less of it, the visibility would be larger.
    assert dimmed.value == pytest.approx(shared.value / math.sqrt(DIMMED), rel=0.02)
