"""One sensor's light path: fringe, visibility and mirrors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ideal_table import LIGHT, NOMINAL_F0_HZ, build, locked_table, nominal_sensor, phase_error_rad, truth_of

from labctl.physics.homodyne import fringe_amplitude_a
from labctl.simulation.acoustics import FREE_PATH_RAD, FREQUENCY_HZ, residual_phase_rad
from labctl.simulation.sensor_plant import ELECTRONIC_NOISE_V, MirrorTilt


def test_the_fringe_has_the_amplitude_of_the_physics() -> None:
    sensor = locked_table(truth_of("ideal", seed=2)).sensors[1]
    outputs = np.linspace(-3.0, 3.0, 6001)
    signal = np.array([sensor._fringe_volts(float(v)) for v in outputs])
    expected_v = LIGHT.dc_volts_per_ampere * float(
        fringe_amplitude_a(
            LIGHT.responsivity_a_per_w, LIGHT.local_oscillator_w, sensor.probe_power_w, sensor.visibility()
        )
    )
    assert (signal.max() - signal.min()) / 2.0 == pytest.approx(expected_v, rel=1e-5)
    assert (signal.max() + signal.min()) / 2.0 == pytest.approx(sensor.truth.dc_offset_v, abs=1e-5)
    assert expected_v == pytest.approx(0.37, abs=0.01)  # 0.37 mA at 5 uW and 5 mW


@pytest.mark.parametrize("quadrature", [1, -1])
def test_the_slope_of_the_fringe_tells_the_quadratures_apart(quadrature: int) -> None:
    table = locked_table(truth_of("ideal", seed=2), [quadrature] * 4)
    for sensor in table.sensors:
        assert abs(phase_error_rad(sensor, quadrature)) < 1e-3
        output_v = sensor.servo.output_volts()
        slope = sensor._fringe_volts(output_v + 1e-3) - sensor._fringe_volts(output_v - 1e-3)
        assert slope * quadrature < 0.0
        assert math.cos(sensor.angle_from_squeezed_rad()) == pytest.approx(quadrature, abs=1e-5)


def test_residual_phase_noise_free_and_locked() -> None:
    sensor = locked_table(truth_of("ideal", seed=2)).sensors[0]
    assert 8e-3 < sensor.residual_rad() < 30e-3
    integrators = [residual_phase_rad(f / (1j * FREQUENCY_HZ)) for f in (0.0, 10.0, 100.0, 1e3, 3e3, 1e4)]
    assert integrators == sorted(integrators, reverse=True)
    assert integrators[0] == FREE_PATH_RAD > 3 * integrators[-2]
    assert sensor.residual_rad() == pytest.approx(integrators[-2], rel=0.15)  # resonance and delay add a little


def test_the_detector_reads_the_fringe_with_its_noise() -> None:
    sensor = locked_table(truth_of("ideal", seed=2)).sensors[0]
    readings = np.array([sensor.dc_volts() for _ in range(2000)])
    amplitude_v = LIGHT.dc_volts_per_ampere * float(
        fringe_amplitude_a(
            LIGHT.responsivity_a_per_w, LIGHT.local_oscillator_w, sensor.probe_power_w, sensor.visibility()
        )
    )
    rms_v = math.hypot(amplitude_v * sensor.residual_rad(), ELECTRONIC_NOISE_V)
    assert abs(readings.mean() - sensor.truth.dc_offset_v) < 4.0 * rms_v / math.sqrt(2000)
    assert readings.std(ddof=1) == pytest.approx(rms_v, rel=3.3 / math.sqrt(2 * 2000))


@pytest.mark.parametrize(("tilt_rad", "visibility_squared"), [(0.1e-3, 0.989), (0.2e-3, 0.959), (0.5e-3, 0.787)])
def test_visibility_falls_with_tilt(tilt_rad: float, visibility_squared: float) -> None:
    table = build(truth_of("ideal", seed=2)).table
    sensor = table.sensors[0]
    sensor.pitch.tilt_rad, sensor.yaw.tilt_rad = 0.6 * tilt_rad, 0.8 * tilt_rad
    assert (sensor.visibility() / sensor.truth.visibility) ** 2 == pytest.approx(visibility_squared, abs=0.005)


def test_without_either_beam_there_is_no_fringe() -> None:
    table = locked_table(truth_of("ideal", seed=2))
    for shutter in ("signal", "local_oscillator"):
        table.set_shutter(shutter, False)
        readings = [sensor._fringe_volts(0.3) - sensor.truth.dc_offset_v for sensor in table.sensors]
        assert readings == [0.0] * 4
        table.set_shutter(shutter, True)


def test_mirror_steps_differ_by_direction_and_from_step_to_step() -> None:
    mirror = MirrorTilt(0.0, 0.4e-6, 0.8, np.random.default_rng(1))
    mirror.step(1000)
    forward = mirror.tilt_rad
    mirror.step(-1000)
    backward = forward - mirror.tilt_rad
    spread = 0.05 / math.sqrt(1000)
    assert forward == pytest.approx(0.4e-3, rel=4 * spread)
    assert backward == pytest.approx(0.32e-3, rel=4 * spread)
    singles = []
    for _ in range(1000):
        before = mirror.tilt_rad
        mirror.step(1)
        singles.append(mirror.tilt_rad - before)
    assert np.std(singles) / np.mean(singles) == pytest.approx(0.05, rel=0.1)


def test_a_nominal_sensor_is_what_the_design_says() -> None:
    sensor = nominal_sensor(NOMINAL_F0_HZ[0])
    efficiency = sensor.propagation_efficiency * LIGHT.quantum_efficiency * sensor.visibility**2
    assert efficiency == pytest.approx(0.822, abs=0.001)
