"""The servos that labctl is itself: from an entry of the station file to a servo on the station's own roles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from labctl.configuration.servos import (
    FastInputMean,
    MonitorInput,
    OvenInput,
    PiezoOutput,
    PowerMeterInput,
    ServoInput,
    SlowOutput,
    SoftwareServo,
)
from labctl.configuration.station_file import PiezoLimits, ServoLoop
from labctl.station.bindings import software_servo
from labctl.station.bindings.biquad import integrator_with
from labctl.station.bindings.converters import FastMean, PowerInVolts, SlowDac, SteeredPiezo, slow_full_scale_v

if TYPE_CHECKING:
    from labctl.station.station import Station


def bind_software_servo(
    name: str,
    loop: ServoLoop,
    servo: SoftwareServo,
    limits: PiezoLimits,
    station: Station,
    tell: Callable[[str], None],
) -> software_servo.SoftwareServo:
    """Return the servo of a loop that labctl closes itself, on the clock of `station`; nothing is sent."""
    put, present_v = _output(name, servo, station)
    read, full_scale_v = _input(servo.input, station)
    return software_servo.SoftwareServo(
        name,
        put,
        read,
        station.clock,
        period_s=servo.period_s,
        output_limit_v=loop.output_limit,
        slew_v_per_s=servo.slew_v_per_s(limits.slew, limits.servo_gain),
        input_limit_v=full_scale_v,
        present_v=present_v,
        deadline_s=servo.deadline,
        law=integrator_with(servo.zeros, servo.pole),
        tell=tell,
        way=station.way,
    )


def _output(
    name: str, servo: SoftwareServo, station: Station
) -> tuple[Callable[[float], None], Callable[[], float] | float]:
    """Return how volts are put out, and where the output is before."""
    match servo.output:
        case SlowOutput() as slow:
            dac = SlowDac(station.driver(slow.instrument), slow.pin, slow.offset, slow.gain)
            return dac.put, dac.volts
        case PiezoOutput():
            piezo = station.piezos[name]
            assert isinstance(piezo, SteeredPiezo)
            return piezo.steer, 0.0
        case never:
            assert_never(never)


def _input(source: ServoInput, station: Station) -> tuple[Callable[[], float], float]:
    """Return how volts are read, and the magnitude that is beyond the input's range."""
    match source:
        case MonitorInput():
            entry = station.file.monitors[source.name]
            return station.monitors[source.name].volts, slow_full_scale_v(entry.offset, entry.gain)
        case FastInputMean():
            board = station.driver(source.instrument)
            mean = FastMean(board, source.input, source.range, source.offset, source.gain)
            return mean.volts, mean.full_scale_v
        case PowerMeterInput():
            assert station.file.light is not None  # as the station file was checked
            meter = station.power_meters[source.name]
            return PowerInVolts(meter, station.file.light.wavelength, source.volts_per_watt).volts, math.inf
        case OvenInput():
            oven, volts_per_kelvin = station.oven, source.volts_per_kelvin
            assert station.file.oven is not None
            target_c = station.file.oven.target
            return lambda: volts_per_kelvin * (oven.temperature_c() - target_c), math.inf
        case never:
            assert_never(never)
