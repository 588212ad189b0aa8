"""Simulated tables set up by somebody who knows their truth: warm, lit and locked at once, no lock ever acquired."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.ports import ServoSettings
from labctl.simulation.sensor_plant import LightOnDetector, SensorPlant
from labctl.simulation.source_plant import PUMP_LENGTH_FSR_M, SourcePlant
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import Scenario, SensorTruth, Truth, draw_truth
from labctl.station.bring_up import link_to, open_station
from labctl.station.station import Station

_CONFIG = Path(__file__).parents[2] / "config"
RECIPE = _CONFIG / "overnight.toml"
_STATION_TEXT = station_text(_CONFIG / "simulated.toml")
NOMINAL_F0_HZ = (4.276e6, 4.301e6, 4.338e6, 4.365e6)
LIGHT = LightOnDetector(
    probe_power_w=5e-6,
    local_oscillator_w=5e-3,
    responsivity_a_per_w=1.24,
    dc_volts_per_ampere=1000.0,
    quantum_efficiency=0.99,
)
SERVO_GAIN = 15.0
BIAS_V = 75.0
OUTPUT_LIMIT_V = 4.5
LENGTH_UNITY_GAIN_HZ = 1e3
PUMP_UNITY_GAIN_HZ = 500.0
HOMODYNE_UNITY_GAIN_HZ = 3e3
SETTLE_S = 1.0
LONG_AGO_S = 1e5
GRID_V = np.linspace(-OUTPUT_LIMIT_V, OUTPUT_LIMIT_V, 9001)


def nominal_sensor(f0_hz: float, count: int = 4, **changes: float) -> SensorTruth:
    """Return a sensor with the design values and no spread, its mirrors aligned."""
    values: dict[str, object] = {
        "f0_hz": f0_hz,
        "gamma_hz": 41.0,
        "peak_to_shot": 5.0,
        "weight": 1.0 / count,
        "propagation_efficiency": 0.92,
        "visibility": 0.95,
        "detector_gain": 1.0,
        "delay_s": 0.0,
        "dc_offset_v": 0.0,
        "dark_db": -20.0,
        "volts_per_pi": 14.9,
        "piezo_bow": 0.1,
        "misalignment_rad": (0.0, 0.0),
        "step_rad": (0.4e-6, 0.4e-6),
        "backward_ratio": (0.9, 0.9),
    }
    return SensorTruth(**(values | changes))  # type: ignore[arg-type]


def truth_of(scenario: str, seed: int = 1, count: int = 4) -> Truth:
    """Return the truth that a station file with this seed and scenario has."""
    return draw_truth(seed, Scenario(scenario), list(NOMINAL_F0_HZ[:count]))


@dataclass
class IdealTable:
    """A table of its own, without instruments, and its piezos."""

    table: SimulatedTable
    piezos: dict[str, PiezoChannel]


def build(truth: Truth) -> IdealTable:
    """Return a table with every piezo at the middle of its range; cold, dark and open."""
    loops = ["opa_length", "pump_phase", *(f"lo{n}" for n in range(1, len(truth.sensors) + 1))]
    piezos = {name: PiezoChannel(SERVO_GAIN) for name in loops}
    table = SimulatedTable(truth, LIGHT, piezos, SERVO_GAIN)
    servos = [table.source.length_servo, table.source.phase_servo, *(s.servo for s in table.sensors)]
    for piezo, servo in zip(piezos.values(), servos, strict=True):
        piezo.wire_servo(servo.output_volts)
        piezo.drive(BIAS_V)
        servo.apply(ServoSettings(closed=False))
    return IdealTable(table, piezos)


def locked_table(truth: Truth, quadratures: Iterable[int] | None = None) -> SimulatedTable:
    """Return a table of its own at its working point."""
    table = build(truth).table
    for shutter in ("signal", "local_oscillator", "pump"):
        table.set_shutter(shutter, True)
    warm(table)
    lock_source(table)
    lock_homodyne(table, quadratures)
    return table


def warm(table: SimulatedTable) -> None:
    """Put the crystal at its best temperature and keep it there, whatever a temperature controller says."""
    oven = table.oven
    oven.regulate(table.truth.best_temperature_c)
    oven._plate_c = oven.crystal_c = table.truth.best_temperature_c
    oven.regulate = lambda nominal_c: None  # type: ignore[method-assign]
    for piezo in table._piezos:
        piezo.advance(LONG_AGO_S)  # what creeps has crept
    table.elapse(SETTLE_S)


def lock_source(table: SimulatedTable) -> None:
    """Close both loops of the source where they belong."""
    source: SourcePlant = table.source
    length_m = source.length_m(np.array([source._length_piezo.motion_v(float(v)) for v in GRID_V]))
    on_resonance = np.abs(length_m - PUMP_LENGTH_FSR_M * np.round(length_m / PUMP_LENGTH_FSR_M)) < 0.2e-9
    close(source.length_servo, _nearest_to_middle(on_resonance), 0.0, LENGTH_UNITY_GAIN_HZ)
    table.elapse(SETTLE_S)
    phase = np.array([source._phase_rad(float(v)) for v in GRID_V])
    close(source.phase_servo, _nearest_to_middle(_wrapped(phase) < 0.01), 0.0, PUMP_UNITY_GAIN_HZ)
    table.elapse(SETTLE_S)


def lock_homodyne(table: SimulatedTable, quadratures: Iterable[int] | None = None) -> None:
    """Close every homodyne loop at +pi/2 (+1) or -pi/2 (-1), all at +pi/2 unless said otherwise."""
    signs = [1] * len(table.sensors) if quadratures is None else list(quadratures)
    for sensor, sign in zip(table.sensors, signs, strict=True):
        phase = np.array([sensor.phase_rad(float(v)) for v in GRID_V]) - sign * math.pi / 2.0
        output_v = _nearest_to_middle(_wrapped(phase) < 0.01)
        close(sensor.servo, output_v, sensor.truth.dc_offset_v, HOMODYNE_UNITY_GAIN_HZ)
    table.elapse(SETTLE_S)


def close(servo: AnalogServo, output_v: float, setpoint_v: float, unity_gain_hz: float) -> None:
    """Close a loop at an output with the polarity that holds it there."""
    limits = {"lower_limit_v": -OUTPUT_LIMIT_V, "upper_limit_v": OUTPUT_LIMIT_V}
    servo.apply(ServoSettings(closed=False, manual_output_v=output_v, **limits))
    gain = 2.0 * math.pi * unity_gain_hz / servo._slope(output_v)
    servo.apply(
        ServoSettings(
            proportional_gain=math.copysign(0.1, gain),
            integral_gain=abs(gain) / 0.1,
            proportional_on=False,
            integral_on=True,
            setpoint_v=setpoint_v,
            manual_output_v=output_v,
            **limits,
        )
    )


def phase_error_rad(sensor: SensorPlant, quadrature: int) -> float:
    """Return how far the phase of a sensor is from +pi/2 or -pi/2, from -pi to pi."""
    return math.remainder(sensor.phase_rad(sensor.servo.output_volts()) - quadrature * math.pi / 2.0, 2.0 * math.pi)


def _wrapped(phase_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each phase from the nearest multiple of 2 pi."""
    return np.asarray(np.abs(phase_rad - 2.0 * np.pi * np.round(phase_rad / (2.0 * np.pi))))


def _nearest_to_middle(suitable: NDArray[np.bool_]) -> float:
    outputs = GRID_V[suitable]
    return float(outputs[np.argmin(np.abs(outputs))])


def station_at(seed: int, scenario: str = "ideal", **loop_changes: str) -> StationFile:
    """Return the station file that is shipped, with another seed and scenario; `lo2="-pi/2"` sets a quadrature."""
    content = json.loads(_STATION_TEXT)
    content["backend"] |= {"seed": seed, "scenario": scenario}
    for name, quadrature in loop_changes.items():
        content["loops"][name]["quadrature"] = quadrature
    return StationFile.model_validate(content)


@dataclass
class OpenTable:
    """The shipped station on the wire of a simulated table that is warm, lit and has its piezos up."""

    station: Station
    table: SimulatedTable


def open_table(file: StationFile, *, warmed: bool = True) -> OpenTable:
    """Open a station and bring its table to where locks may start, or leave its oven cold and under control."""
    link = link_to(file)
    assert link.simulation is not None
    station, table = open_station(file, link), link.simulation.table
    station.raise_piezos()
    for shutter in station.shutters.values():
        shutter.open()
    if warmed:
        warm(table)
    return OpenTable(station, table)
