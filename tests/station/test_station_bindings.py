"""Oven, mirrors, shutters, switch, digitizer, analyzer, monitors and length scan over the real wire."""

from __future__ import annotations

import math

import numpy as np
import pytest
from station_bench import Bench, open_bench, station_file

from drivers.newport.picomotor_8742 import PicomotorAxis
from drivers.redpitaya.stemlab import RedPitaya
from drivers.sweep import SweepSettings
from labctl.errors import BadReply, InstrumentError, LimitError, Refused
from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.instruments.meerstetter_tec import SimulatedTEC
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.table import AnalyzerInput

# ---- oven -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target_c", "ramp"),
    [(14.99, 0.02), (45.01, 0.02), (math.nan, 0.02), (35.0, 0.0201), (35.0, 0.0), (35.0, -0.01), (35.0, math.nan)],
)
def test_an_oven_target_beyond_the_limits_is_refused_before_anything_is_sent(
    bench: Bench, target_c: float, ramp: float
) -> None:
    with pytest.raises(LimitError, match=r"oven (target|ramp): .* of the station file"):
        bench.station.oven.set_target(target_c, ramp)
    assert bench.sent == {}


def test_the_oven_goes_to_its_target_no_faster_than_its_ramp(bench: Bench) -> None:
    oven = bench.station.oven
    assert not oven.regulating()
    started, start_c = bench.clock.now(), oven.temperature_c()
    oven.set_target(27.0, 0.02)
    assert oven.regulating()
    for _ in range(15):
        bench.clock.sleep(10.0)
        elapsed = bench.clock.now() - started
        assert oven.temperature_c() <= start_c + 0.02 * elapsed + 0.05
    assert oven.temperature_c() == pytest.approx(27.0, abs=0.02)


def test_the_controller_has_its_own_limits_and_its_flash_is_spared(bench: Bench) -> None:
    twin = bench.simulation.instruments["oven"]
    assert isinstance(twin, SimulatedTEC)
    for target_c in (30.0, 31.0, 32.0):
        bench.station.oven.set_target(target_c, 0.01)
        bench.clock.sleep(5.0)
    channel = bench.station._driver("oven").channels[1]
    assert (channel.lower_temperature_limit_c, channel.upper_temperature_limit_c) == (10.0, 50.0)
    assert channel.coarse_ramp_k_per_s == pytest.approx(0.01)
    assert twin._memory.writes == 0


def test_an_oven_that_is_switched_off_does_not_regulate(bench: Bench) -> None:
    bench.station.oven.set_target(30.0, 0.02)
    bench.clock.sleep(100.0)
    assert bench.table.oven.output_current_a() > 0.05
    bench.station._oven.switch_off()
    bench.clock.sleep(1.0)
    assert bench.table.oven.output_current_a() == 0.0
    assert not bench.station.oven.regulating()


# ---- mirrors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [2001, -2001, 10**9])
def test_too_many_steps_are_refused_before_anything_is_sent(bench: Bench, steps: int) -> None:
    with pytest.raises(LimitError, match=r"sensor1 steps: .* \[mirror_limits\] steps_per_move"):
        bench.station.mirrors["sensor1"].move("pitch", steps)
    assert bench.sent == {}


@pytest.mark.parametrize(("sensor", "axis"), [(1, "pitch"), (2, "yaw"), (3, "pitch"), (4, "yaw")])
def test_a_move_tilts_its_own_mirror_and_waits_for_the_end(bench: Bench, sensor: int, axis: str) -> None:
    def tilts() -> dict[tuple[int, str], float]:
        return {
            (number, name): getattr(plant, name).tilt_rad
            for number, plant in enumerate(bench.table.sensors, start=1)
            for name in ("pitch", "yaw")
        }

    before, started = tilts(), bench.clock.now()
    bench.station.mirrors[f"sensor{sensor}"].move(axis, 1000)
    after = tilts()
    moved = {which: after[which] - before[which] for which in before if after[which] != before[which]}
    assert list(moved) == [(sensor, axis)]
    step_rad = bench.table.truth.sensors[sensor - 1].step_rad[axis == "yaw"]
    assert moved[sensor, axis] == pytest.approx(1000 * step_rad, rel=0.02)
    assert 0.5 <= bench.clock.now() - started < 10.0  # at most 2000 steps a second
    bench.station.mirrors[f"sensor{sensor}"].move(axis, -1000)
    assert tilts()[sensor, axis] < after[sensor, axis]


def test_a_motion_without_end_is_stopped_and_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicomotorAxis, "is_moving", property(lambda axis: True))
    with pytest.raises(BadReply, match="sensor2: the yaw motor never reported the end of its motion"):
        bench.station.mirrors["sensor2"].move("yaw", 10)
    assert bytes(bench.sent["picomotors"]).rstrip().split(b"\r")[-2] == b"4ST"  # and the look for errors after it


# ---- shutters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["signal", "local_oscillator", "pump"])
def test_a_shutter_opens_and_closes_its_own_beam(bench: Bench, name: str) -> None:
    shutter = bench.station.shutters[name]
    others = {other: False for other in bench.table.shutters if other != name}
    assert not shutter.is_open()
    for is_open in (True, True, False, False):
        (shutter.open if is_open else shutter.close)()
        assert bench.table.shutters == others | {name: is_open}
        assert shutter.is_open() is is_open


def test_a_shutter_that_opens_at_low_level_ends_closed(bench: Bench) -> None:
    bench = open_bench(station_file(shutters={"pump": {"open_level": 0}}))
    shutter = bench.station.shutters["pump"]
    shutter.close()
    assert bench.table.shutters["pump"] is False
    assert bench.station._driver("scan").pins["DIO2_P"].level == 1
    shutter.open()
    assert bench.table.shutters["pump"] is True


def test_a_drive_line_that_does_not_follow_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = bench.station._driver("scan").pins["DIO0_P"]
    monkeypatch.setattr(type(pin), "level", property(lambda pin: 0, lambda pin, level: None))
    with pytest.raises(InstrumentError, match=r"shutter signal: its drive line does not follow.*Check the board's pin"):
        bench.station.shutters["signal"].open()


# ---- RF switch and analyzer -----------------------------------------------------------------------------------------


def selected(bench: Bench) -> str | None:
    """Return what is connected to the analyzer on the table."""
    twin = bench.simulation.instruments["analyzer"]
    assert isinstance(twin, SimulatedXSeries)
    source = twin.traces._rf_input
    assert isinstance(source, AnalyzerInput)
    return source._selected()


def test_the_switch_connects_what_it_is_asked_for(bench: Bench) -> None:
    switch = bench.station.rf_switch
    assert tuple(switch.positions) == ("bhd1", "bhd2", "bhd3", "bhd4", "sum")
    for position in ("sum", "bhd3", "bhd1", "bhd4", "bhd2", "sum", "sum"):
        switch.select(position)
        assert selected(bench) == position
    bench.forget()
    with pytest.raises(LimitError, match=r"no position 'bhd5'\. It has bhd1, bhd2, bhd3, bhd4, sum"):
        switch.select("bhd5")
    assert bench.sent == {}
    assert selected(bench) == "sum"


def test_a_sweep_that_takes_too_long_is_refused_with_the_arithmetic_and_not_started(bench: Bench) -> None:
    settings = SweepSettings(4.27e6, 4.37e6, 1001, 10.0, 1.0, 10000)
    with pytest.raises(LimitError, match=r"10000 sweeps over 100000 Hz at RBW 10 Hz and VBW 1 Hz take [\d.]+ h, more"):
        bench.station.analyzer.configure_sweep(settings)
    assert not bench.station.analyzer.is_sweeping()
    assert b"INIT:IMM" not in bench.sent["analyzer"]


def test_a_trace_is_taken_in_the_time_that_was_told(bench: Bench) -> None:
    bench.station.rf_switch.select("bhd1")
    analyzer = bench.station.analyzer
    accepted = analyzer.configure_sweep(SweepSettings(4.0e6, 4.6e6, 101, 10e3, 1e3, 10))
    assert accepted.rbw_hz == pytest.approx(10e3)
    duration = analyzer.duration_s()
    assert 0.0 < duration < 60.0
    analyzer.start()
    assert analyzer.is_sweeping()
    bench.clock.sleep(duration)
    assert not analyzer.is_sweeping()
    trace = analyzer.read_trace()
    assert trace.shape == (101,)
    analyzer.start()
    analyzer.abort()
    assert not analyzer.is_sweeping()


# ---- digitizer and monitors -----------------------------------------------------------------------------------------


def test_a_record_has_a_row_for_each_detector_at_its_rate(bench: Bench) -> None:
    digitizer = bench.station.digitizer
    assert digitizer.sample_rate_hz == 125e6 / 8
    record = digitizer.record()
    assert record.shape == (4, 16384)
    assert np.all(np.isfinite(record))
    assert np.all(record.std(axis=1) > 0.0)


def test_rows_come_in_the_order_of_the_detectors_whatever_their_inputs() -> None:
    file = station_file(digitizer={"inputs": {"bhd1": 4, "bhd2": 3, "bhd3": 2, "bhd4": 1}})
    bench = open_bench(file)
    straight, crossed = open_bench(), bench
    for each in (straight, crossed):
        each.station.shutters["local_oscillator"].open()
    np.testing.assert_allclose(
        crossed.station.digitizer.record().std(axis=1), straight.station.digitizer.record().std(axis=1), rtol=0.05
    )
    asked = bytes(crossed.sent["digitizer"])
    assert [asked.index(b"ACQ:SOUR%d:DATA" % number) for number in (4, 3, 2, 1)] == sorted(
        asked.index(b"ACQ:SOUR%d:DATA" % number) for number in (4, 3, 2, 1)
    )


def test_the_digitizer_averages_and_has_its_gain_whoever_used_it_before(bench: Bench) -> None:
    board = bench.station._driver("digitizer")
    board.averaging = False
    for number in board.inputs:
        board.inputs[number].gain = "HV"
    bench.station.digitizer.record()
    assert board.averaging  # without, decimation folds the noise of higher frequencies into the record
    assert {board.inputs[number].gain for number in board.inputs} == {"LV"}
    assert board.decimation == 8


def test_a_buffer_that_never_fills_is_an_error_and_no_hang(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    digitizer = bench.station.digitizer
    monkeypatch.setattr(RedPitaya, "filled", property(lambda board: 0))
    started = bench.clock.now()
    with pytest.raises(BadReply, match=r"digitizer: never filled its buffer after 'ACQ:TRig:FILL\?'"):
        digitizer.record()
    assert bench.clock.now() - started < 5.0


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_monitor_reads_volts_at_its_own_detector(bench: Bench, number: int) -> None:
    bench.station.shutters["local_oscillator"].open()
    offsets = [sensor.dc_offset_v for sensor in bench.table.truth.sensors]
    readings = [bench.station.monitors[f"lo{number}"].volts() for _ in range(50)]
    assert np.mean(readings) == pytest.approx(offsets[number - 1], abs=1.5e-3)
    sensors = {f"{kind}{number}" for kind in ("lo", "cavity") for number in range(1, 5)}
    assert set(bench.station.monitors) == sensors | {"opa_transmission", "seed_power"}


# ---- length scan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amplitude_v", [-0.1, 1.01, math.nan])
def test_a_scan_beyond_the_generator_is_refused_before_anything_is_sent(bench: Bench, amplitude_v: float) -> None:
    with pytest.raises(LimitError, match="length scan: "):
        bench.station.scan.sweep(amplitude_v)
    assert bench.sent == {}


def on_resonance(bench: Bench, servo_v: np.ndarray) -> float:
    """Return which of these outputs of the servo, walked in order from the present state, is nearest to resonance."""
    source = bench.table.source
    length_m = source.length_m(source._length_piezo.motion_of(servo_v))
    return float(servo_v[np.argmin(np.abs(length_m))])


@pytest.mark.parametrize("volts_per_volt", [1.0, -1.0, 0.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_resonance_is_found_at_its_voltage(seed: int, volts_per_volt: float) -> None:
    bench = open_bench(station_file(backend={"seed": seed}, scan={"volts_per_volt": volts_per_volt}))
    bench.station.piezos["opa_length"].ramp_to(75.0)
    bench.station.shutters["pump"].open()
    output_v = round(on_resonance(bench, np.linspace(-4.5, 4.5, 9001)) - 0.11, 3)
    bench.station.servos["opa_length"].set_output(output_v)
    scanned = np.linspace(-0.4, 0.4, 2049) * math.copysign(1.0, volts_per_volt)
    expected = on_resonance(bench, output_v + scanned) - output_v
    sweep = bench.station.scan.sweep(0.4)
    width = 0.4 / 15.0  # full width of the resonance in V at the servo
    peak = int(np.argmax(sweep.transmission_v))
    assert sweep.servo_v[peak] == pytest.approx(expected, abs=0.3 * width)
    assert sweep.transmission_v[peak] > 0.8
    assert sweep.servo_v.shape == sweep.error_v.shape == sweep.transmission_v.shape == (8192,)
    assert sweep.servo_v[0] == -0.4
    assert sweep.servo_v[-1] == pytest.approx(0.4, abs=2e-4)
    assert np.all(np.diff(sweep.servo_v) > 0.0)
    middle = np.abs(sweep.servo_v - sweep.servo_v[peak]) < 0.2 * width  # the error crosses zero there
    assert sweep.error_v[middle].min() < 0.0 < sweep.error_v[middle].max()


def test_the_generator_is_off_after_a_scan_even_one_that_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = bench.simulation.instruments["scan"]
    assert isinstance(twin, SimulatedRedPitaya)
    board = bench.station._driver("scan")
    bench.station.scan.sweep(0.1)
    assert not board.outputs[1].on
    monkeypatch.setattr(RedPitaya, "filled", property(lambda board: 0))
    with pytest.raises(Refused, match="no complete record"):
        bench.station.scan.sweep(0.1)
    assert not board.outputs[1].on
