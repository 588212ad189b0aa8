"""What a homodyne loop leaves, measured through its servo and a recorder, against what the table knows of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from ideal_table import OpenTable, lock_source, locked_table, open_table, station_at, truth_of

from labctl.errors import AnalysisRefused, ConfigurationError, ConnectionLost, LockError
from labctl.estimation.loop_gain import propose_gain
from labctl.estimation.loop_noise import band_rms
from labctl.locks.diagnostics import HomodyneDiagnostics, LoopNoise, swept_sine_gain, tracked_amplitude
from labctl.locks.error_records import error_recorder, sine_injection
from labctl.locks.homodyne import FringeCalibration, HomodyneLock
from labctl.simulation.loop_records import LoopRecords
from labctl.simulation.sensor_plant import SensorPlant
from labctl.simulation.table import SimulatedTable
from labctl.station.roles import ServoSetting

SIGMAS = 4.5
RATE_HZ = 125e6 / 1024
SAMPLES = 16384


@dataclass
class Plant:
    """One sensor of a table as servo, recorder and clock at once: no wire, so that its detector may be noisier."""

    table: SimulatedTable
    records: LoopRecords
    number: int = 1
    fails: bool = False
    looks: int = 0
    sample_rate_hz: float = RATE_HZ
    samples: int = SAMPLES

    @property
    def sensor(self) -> SensorPlant:
        return self.table.sensors[self.number - 1]

    def now(self) -> float:
        return self.table.now()

    def sleep(self, seconds: float) -> None:
        self.table.elapse(seconds)

    def record(self, count: int) -> np.ndarray:
        if self.fails:
            raise ConnectionLost("monitors", "went away")
        taken = []
        for _ in range(count):
            started_at = self.now()
            self.table.elapse(SAMPLES / RATE_HZ)
            taken.append(self.records.capture([self.number], started_at, RATE_HZ, SAMPLES, 1024)[0])
        return np.array(taken)

    def setting(self) -> ServoSetting | None:
        told = self.sensor.servo.settings
        if not told.closed:
            return None
        return ServoSetting(told.setpoint_v, told.proportional_gain * told.integral_gain)

    def close_loop(self, setpoint_v: float, integral_gain_per_s: float) -> None:
        servo = self.sensor.servo
        gain = abs(integral_gain_per_s / servo.settings.proportional_gain)
        servo.apply(replace(servo.settings, setpoint_v=setpoint_v, integral_gain=gain))

    def output_v(self) -> float:
        return self.sensor.servo.output_volts()

    def calibration(self) -> FringeCalibration:
        offset_v = self.sensor._level(0.0)
        amplitude_v = self.sensor._level(1.0) - offset_v
        step = 0.05
        near = [self.sensor.phase_rad(self.output_v() + v) for v in (-step, step)]
        turn = (near[1] - near[0]) / (2.0 * step)
        return FringeCalibration(offset_v, 1e-4, amplitude_v, 1e-3 * amplitude_v, math.pi / turn, turn, 0.0, self.now())

    def diagnostics(self, records: int = 8) -> HomodyneDiagnostics:
        return HomodyneDiagnostics(
            "lo1",
            self,  # type: ignore[arg-type]
            self,
            self,  # type: ignore[arg-type]
            quadrature=1,
            unity_gain_hz=3e3,
            records=records,
        )


def plant(seed: int = 1, detector_v_per_rthz: float | None = None) -> Plant:
    table = locked_table(truth_of("ideal", seed))
    sensors = dict(enumerate(table.sensors, start=1))
    return Plant(table, LoopRecords(sensors, seed, detector_v_per_rthz=detector_v_per_rthz))


def measured(one: Plant, *, blocked: bool = True) -> LoopNoise:
    calibration = one.calibration()
    detector = None
    if blocked:
        dark = Plant(one.table, one.records)
        one.table.set_shutter("signal", False)
        servo = one.sensor.servo
        closed = servo.settings
        servo.apply(replace(closed, closed=False, manual_output_v=servo.output_volts()))
        detector = dark.diagnostics().detector_noise(calibration)
        one.table.set_shutter("signal", True)
        one.table.elapse(0.1)
        # Back where it was: the path drifted meanwhile, so let the loop find its point from there.
        servo.apply(closed)
        one.table.elapse(1.0)
    return one.diagnostics().measure(calibration, detector)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_residual_and_unity_gain_agree_with_the_table(seed: int) -> None:
    one = plant(seed)
    found = measured(one, blocked=False)
    truth = one.records.phase_of(1)
    assert 10e-3 < truth.rms_rad() < 30e-3
    # Faster than the recorder averages there is some more, and it is small.
    assert found.residual.value == pytest.approx(
        truth.rms_rad(), abs=2.5 * found.residual.sigma + 0.01 * truth.rms_rad()
    )
    assert found.residual.relative_sigma < 0.08
    unity_gain_hz = truth.open_loop.unity_gain_hz()
    assert found.gain.unity_gain.value == pytest.approx(unity_gain_hz, rel=0.1)
    assert abs(found.gain.unity_gain.value - unity_gain_hz) < SIGMAS * found.gain.unity_gain.sigma
    assert abs(found.offset.value) < SIGMAS * found.offset.sigma + 2e-3
    assert "in loop" in found.residual.convention


def test_a_noisy_detector_hides_what_the_loop_writes_onto_the_path() -> None:
    one = plant(1, detector_v_per_rthz=1.5e-4)
    found = measured(one)
    truth = one.records.phase_of(1)
    # Within the band of the loop, where its own error signal shows little.
    band = (30.0, 1.5e3)
    f = np.linspace(*band, 4000)
    lines = [(50.0, 0.01), (100.0, 0.01), (180.0, 0.02), (320.0, 0.035), (640.0, 0.045)]
    left = {hz: abs(1.0 / (1.0 + complex(truth.open_loop.gain(np.array([hz]))[0]))) for hz, _ in lines}
    mean_square = float(np.trapezoid(truth._residual_psd(f), f)) + sum((rms * left[hz]) ** 2 for hz, rms in lines)
    wanted = math.sqrt(mean_square)
    told, naive = band_rms(found.spectrum, band), band_rms(found.error, band)
    assert told.value == pytest.approx(wanted, abs=2.5 * told.sigma)
    assert naive.value < 0.8 * wanted
    assert naive.value + 4.0 * naive.sigma < wanted
    assert 10e-3 < wanted < 30e-3
    assert "taken off" in found.residual.convention


def test_the_full_gain_is_put_back_whatever_happens() -> None:
    one = plant()
    calibration, gain = one.calibration(), one.sensor.servo.settings.integral_gain
    measured(one, blocked=False)
    assert one.sensor.servo.settings.integral_gain == pytest.approx(gain)
    diagnostics = one.diagnostics()
    lowered: list[float] = []

    def gone_once_lowered(count: int) -> np.ndarray:
        one.fails = one.sensor.servo.settings.integral_gain < 0.5 * gain
        lowered.append(one.sensor.servo.settings.integral_gain)
        return Plant.record(one, count)

    one.record = gone_once_lowered  # type: ignore[method-assign]
    with pytest.raises(ConnectionLost):
        diagnostics.measure(calibration)
    assert min(lowered) < 0.5 * gain
    assert one.sensor.servo.settings.integral_gain == pytest.approx(gain)


def test_a_loop_that_was_opened_meanwhile_is_left_alone() -> None:
    one = plant()
    calibration = one.calibration()

    def opened_once_lowered(count: int) -> np.ndarray:
        servo = one.sensor.servo
        if one.setting() is not None and one.looks:
            servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts()))
        one.looks += 1
        return Plant.record(one, count)

    one.record = opened_once_lowered  # type: ignore[method-assign]
    with contextlib.suppress(AnalysisRefused):  # what was recorded of an open loop need not make sense
        one.diagnostics().measure(calibration)
    assert one.looks == 2
    assert one.setting() is None


def test_an_oscillating_loop_is_named() -> None:
    one = plant()
    calibration = one.calibration()
    assert one.diagnostics().oscillation(calibration) is None
    setting = one.setting()
    assert setting is not None
    one.close_loop(setting.setpoint_v, 4.0 * setting.integral_gain_per_s)
    one.table.elapse(1.0)
    swing = one.diagnostics().oscillation(calibration)
    assert swing is not None
    truth = one.records.phase_of(1)
    assert swing.frequency_hz == pytest.approx(truth.open_loop.oscillation_hz(), abs=2.0 * RATE_HZ / SAMPLES)
    with pytest.raises(LockError, match=r"lo1 oscillates at 3\d{4} Hz") as refused:
        one.diagnostics().measure(calibration)
    assert "unity_gain" in refused.value.remedy


def test_an_open_or_lost_loop_is_refused() -> None:
    one = plant()
    calibration = one.calibration()
    one.table.room.loudness = 150.0
    with pytest.raises(LockError, match="turning points"):
        one.diagnostics().measure(calibration)
    servo = one.sensor.servo
    servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts()))
    with pytest.raises(LockError, match="not closed"):
        one.diagnostics().measure(calibration)


def test_the_amplitude_of_the_fringe_is_tracked_while_the_loop_holds() -> None:
    one = plant()
    calibration = one.calibration()
    then = measured(one, blocked=False)
    assert then.amplitude_v.value == pytest.approx(calibration.amplitude_v, abs=3.0 * then.amplitude_v.sigma)
    one.table.room.light = 0.8
    one.table.elapse(2.0)
    now = measured(one, blocked=False)
    found = tracked_amplitude(calibration, then, now)
    truth_v = one.sensor._level(1.0) - one.sensor._level(0.0)
    assert truth_v < 0.9 * calibration.amplitude_v
    assert found.value == pytest.approx(truth_v, abs=3.0 * found.sigma)
    assert found.relative_sigma < 0.06


# ---- on the wire ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened() -> Iterator[OpenTable]:
    table = open_table(station_at(5))
    lock_source(table.table)
    yield table
    table.station.close()


def test_a_loop_locked_on_the_wire_is_measured_there(opened: OpenTable) -> None:
    station, table = opened.station, opened.table
    entry = station.file.loops["lo1"]
    lock = HomodyneLock(
        "lo1", station.servos["lo1"], station.monitors["lo1"], station.clock, quadrature=1, unity_gain_hz=3e3
    )
    lock.acquire()
    assert lock.calibration is not None
    diagnostics = HomodyneDiagnostics(
        "lo1", lock.servo, error_recorder(station, "lo1"), station.clock, quadrature=1, unity_gain_hz=entry.unity_gain
    )
    found = diagnostics.measure(lock.calibration)
    truth = LoopRecords({1: table.sensors[0]}, 5).phase_of(1)
    assert found.residual.value == pytest.approx(truth.rms_rad(), abs=3.0 * found.residual.sigma)
    assert found.gain.unity_gain.value == pytest.approx(truth.open_loop.unity_gain_hz(), rel=0.1)
    proposal = propose_gain(found.gain)
    assert proposal.phase_margin_deg >= 45.0
    assert 0.5 < proposal.factor < 1.5
    assert lock.verify().locked


def test_a_swept_sine_shows_the_loop_of_the_length(opened: OpenTable) -> None:
    fit = swept_sine_gain(sine_injection(opened.station), 1e3, 2e-3)
    unity_gain_hz = opened.table.source.length_servo.unity_gain_hz()
    assert fit.unity_gain.value == pytest.approx(unity_gain_hz, rel=0.1)
    assert 80.0 < fit.phase_margin.value < 90.0
    recorder = error_recorder(opened.station, "opa_length")
    assert recorder.record(2).shape == (2, recorder.samples)


def test_what_nothing_records_is_said(opened: OpenTable) -> None:
    with pytest.raises(ConfigurationError, match="pump_phase"):
        error_recorder(opened.station, "pump_phase")
    with pytest.raises(ConfigurationError, match="no \\[scan\\]"):
        sine_injection(SimpleNamespace(file=SimpleNamespace(scan=None)))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="length servo"):
        sine_injection(opened.station).record(1e3, 0.5, 1)
