"""What the tables of a station file must agree on beyond wiring: loops, sensors, voltages and temperatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.configuration.dependencies import cycle_in
from labctl.configuration.digitizer_chain import digitizer_findings
from labctl.configuration.faults import Finding, Key, guess
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_kinds import (
    LASER_POWERS_W,
    LASER_WAVELENGTHS_M,
    METER_WAVELENGTHS_M,
    PIEZO_LIMIT_V,
    SERVO_LIMIT_V,
    TONE_AMPLITUDES_V,
    TONE_FREQUENCIES_HZ,
)
from labctl.configuration.interlocks import interlock_findings
from labctl.configuration.servos import AnalogServo
from labctl.configuration.software_loops import software_loop_findings
from labctl.configuration.supervision import supervision_findings

if TYPE_CHECKING:
    from labctl.configuration.station_file import PiezoLimits, ServoLoop, StationFile


def consistency_findings(inspection: Inspection) -> Iterator[Finding]:
    """Loops that need or watch something unknown, sensors that are not there, values outside limits."""
    station = inspection.station
    yield from _needs_of_loops(inspection)
    yield from _witnesses(inspection)
    yield from digitizer_findings(station)
    yield from _kinds_of_loops(station)
    yield from _sensors(inspection)
    yield from _limits_present(inspection)
    if station.piezo_limits:
        yield from _piezo_limits(station.piezo_limits)
        yield from _piezo_voltages(station, station.piezo_limits)
    yield from _servo_swings(station)
    yield from software_loop_findings(inspection)
    yield from supervision_findings(inspection)
    yield from _oven_temperatures(station)
    yield from _light_and_tone_limits(station)
    yield from interlock_findings(inspection)


def _needs_of_loops(inspection: Inspection) -> Iterator[Finding]:
    loops = inspection.station.loops
    for name, loop in loops.items():
        for index, need in enumerate(loop.needs):
            if not inspection.is_named("loops", need):
                yield Finding(
                    ("loops", name, "needs", index),
                    f'no loop is called "{need}"{guess(need, loops)}',
                    f"one of {', '.join(loops)}",
                )
    if cycle := cycle_in({name: loop.needs for name, loop in loops.items()}):
        yield Finding(
            ("loops", cycle[0], "needs"),
            f"the loops need each other in a circle: {' -> '.join(cycle)}",
            "needs that come to an end",
        )


def _witnesses(inspection: Inspection) -> Iterator[Finding]:
    monitors = inspection.station.monitors
    for name, loop in inspection.station.loops.items():
        if loop.witness is not None and not inspection.is_named("monitors", loop.witness):
            yield Finding(
                ("loops", name, "witness"),
                f'no monitor is called "{loop.witness}"{guess(loop.witness, monitors)}',
                f"one of {', '.join(monitors)}" if monitors else "the name of a [monitors] table",
            )


def _kinds_of_loops(station: StationFile) -> Iterator[Finding]:
    """There is one source, and one local oscillator and one cavity for each sensor."""
    first: dict[tuple[str, int], str] = {}
    for name, loop in station.loops.items():
        sensor = loop.sensor if loop.kind == "homodyne" or loop.kind == "cavity" else 0
        other = first.setdefault((loop.kind, sensor), name)
        if other == name:
            continue
        if sensor:
            yield Finding(
                ("loops", name, "sensor"),
                f"{other} is the {loop.kind} loop of sensor {sensor} already",
                f"one {loop.kind} loop a sensor",
            )
        else:
            yield Finding(("loops", name, "kind"), f"{other} is the {loop.kind} loop already", f"one {loop.kind} loop")


def _sensors(inspection: Inspection) -> Iterator[Finding]:
    station = inspection.station
    if inspection.is_dropped("station"):
        return
    count = station.station.sensors
    if len(station.sensors) != count and not inspection.is_dropped("sensors"):
        yield Finding(
            ("sensors",),
            f"there are {len(station.sensors)} [[sensors]] tables, but station.sensors is {count}",
            f"{count} [[sensors]] tables",
        )
    for name, loop in station.loops.items():
        if (loop.kind == "homodyne" or loop.kind == "cavity") and loop.sensor > count:
            yield Finding(("loops", name, "sensor"), f"there is no sensor {loop.sensor}", f"a sensor from 1 to {count}")
    for index, disturbance in enumerate(getattr(station.backend, "disturbances", ())):
        sensor = getattr(disturbance, "sensor", None)
        if sensor is not None and sensor > count:
            yield Finding(
                ("backend", "disturbances", index, "sensor"),
                f"there is no sensor {sensor}",
                f"a sensor from 1 to {count}",
            )


def _limits_present(inspection: Inspection) -> Iterator[Finding]:
    station = inspection.station
    if (station.loops or station.piezos) and station.piezo_limits is None and not inspection.is_dropped("piezo_limits"):
        yield Finding(
            ("piezo_limits",),
            "is missing, although loops or piezos are there",
            "a table with minimum, maximum, slew and servo_gain",
        )
    if station.mirrors and station.mirror_limits is None and not inspection.is_dropped("mirror_limits"):
        yield Finding(("mirror_limits",), "is missing, although mirrors are there", "a table with steps_per_move")


def _piezo_limits(limits: PiezoLimits) -> Iterator[Finding]:
    for side, volts in (("minimum", limits.minimum), ("maximum", limits.maximum)):
        if not 0 <= volts <= PIEZO_LIMIT_V:
            yield Finding(
                ("piezo_limits", side), f"{volts:g} V is outside the piezo driver", f"0 V to {PIEZO_LIMIT_V:g} V"
            )
    if limits.minimum >= limits.maximum:
        yield Finding(
            ("piezo_limits", "minimum"),
            f"{limits.minimum:g} V is not below the maximum, {limits.maximum:g} V",
            f"a voltage below {limits.maximum:g} V",
        )


def _piezo_voltages(station: StationFile, limits: PiezoLimits) -> Iterator[Finding]:
    within = f"{limits.minimum:g} V to {limits.maximum:g} V (piezo_limits)"
    for name, loop in station.servo_loops.items():
        lowest, highest = _swing(loop, limits)
        if lowest < limits.minimum or highest > limits.maximum:
            yield Finding(
                ("loops", name, "bias"),
                f"bias {loop.bias:g} V with output_limit {loop.output_limit:g} V and servo_gain {limits.servo_gain:g} "
                f"swings the piezo from {lowest:g} V to {highest:g} V",
                within,
            )
    at_rest = {("loops", name, "bias"): loop.bias for name, loop in station.loops.items() if loop.kind == "cavity"}
    at_rest |= {("piezos", name, "bias"): piezo.bias for name, piezo in station.piezos.items()}
    for key, bias in at_rest.items():
        if not limits.minimum <= bias <= limits.maximum:
            yield Finding(key, f"{bias:g} V is outside the limits", within)


def _swing(loop: ServoLoop, limits: PiezoLimits) -> tuple[float, float]:
    reach = loop.output_limit * limits.servo_gain
    return loop.bias - reach, loop.bias + reach


def _servo_swings(station: StationFile) -> Iterator[Finding]:
    for name, loop in station.servo_loops.items():
        if isinstance(loop.servo, AnalogServo) and loop.output_limit > SERVO_LIMIT_V:
            yield Finding(
                ("loops", name, "output_limit"),
                f"{loop.output_limit:g} V is more than the servo has",
                f"a voltage up to {SERVO_LIMIT_V:g} V",
            )


def _oven_temperatures(station: StationFile) -> Iterator[Finding]:
    oven = station.oven
    if oven is None:
        return
    if oven.minimum >= oven.maximum:
        yield Finding(
            ("oven", "minimum"),
            f"{oven.minimum:g} degC is not below the maximum, {oven.maximum:g} degC",
            f"a temperature below {oven.maximum:g} degC",
        )
    elif not oven.minimum <= oven.target <= oven.maximum:
        yield Finding(
            ("oven", "target"),
            f"{oven.target:g} degC is outside the oven's limits",
            f"{oven.minimum:g} degC to {oven.maximum:g} degC",
        )


def _light_and_tone_limits(station: StationFile) -> Iterator[Finding]:
    if laser := station.laser:
        wavelengths = (laser.minimum_wavelength, laser.maximum_wavelength)
        yield from _limits_within(("laser",), "wavelength", wavelengths, LASER_WAVELENGTHS_M, "m")
        powers = (laser.minimum_power, laser.maximum_power)
        yield from _limits_within(("laser",), "power", powers, LASER_POWERS_W, "W")
    for name, tone in station.tones.items():
        frequencies = (tone.minimum_frequency, tone.maximum_frequency)
        yield from _limits_within(("tones", name), "frequency", frequencies, TONE_FREQUENCIES_HZ, "Hz")
        amplitudes = (tone.minimum_amplitude, tone.maximum_amplitude)
        yield from _limits_within(("tones", name), "amplitude", amplitudes, TONE_AMPLITUDES_V, "V")
    for name, meter in station.power_meters.items():
        wavelengths = (meter.minimum_wavelength, meter.maximum_wavelength)
        yield from _limits_within(("power_meters", name), "wavelength", wavelengths, METER_WAVELENGTHS_M, "m")


def _limits_within(
    here: Key, what: str, limits: tuple[float, float], reach: tuple[float, float], unit: str
) -> Iterator[Finding]:
    """Minimum and maximum in order, and both within what the instrument does."""
    lowest, highest = limits
    for side, value in (("minimum", lowest), ("maximum", highest)):
        if not reach[0] <= value <= reach[1]:
            yield Finding(
                (*here, f"{side}_{what}"),
                f"{value:g} {unit} is outside the instrument",
                f"{reach[0]:g} {unit} to {reach[1]:g} {unit}",
            )
    if lowest > highest:
        yield Finding(
            (*here, f"minimum_{what}"),
            f"{lowest:g} {unit} is above the maximum, {highest:g} {unit}",
            f"a {what} up to {highest:g} {unit}",
        )
