"""The true outputs of a simulated table held against the limits of its station file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.configuration.station_file import StationFile
from labctl.simulation.instruments.thorlabs_mdt693b import ADC_GAIN_ERROR, ADC_OFFSET_V
from labctl.simulation.output_record import Output
from labctl.simulation.piezo import HIGHEST_V, LOWEST_V

AT_ONCE_S: Final = 0.1  # a step of what a slew gives in this time may be taken at once
OVEN_STEP_S: Final = 1.0  # the same for the ramp of an oven
DAC_STEPS_V: Final = 2.0 * 150.0 / 2**16  # of a piezo amplifier: where a step begins and where it ends
READ_BACK_V: Final = ADC_OFFSET_V + ADC_GAIN_ERROR * HIGHEST_V  # a ramp may begin where that says that it is
SERVO_STEP_V: Final = 1e-3
SERVO_V_PER_S: Final = 20.0  # of an open loop, whose output may take a step of SERVO_FREE_V at once
SERVO_FREE_V: Final = 0.5
MONITOR_ERROR_V: Final = 5e-3  # a ramp begins where the monitor of the module says that it is
CRYSTAL_NOISE_K: Final = 10e-3  # of the sensor that it is regulated by, over days
RELATIVE: Final = 1e-3  # of amplitudes and powers, which instruments keep with four digits
ANGLE_DEG: Final = 0.2  # how well a mount finds an angle
AMBIENT_C: Final = (20.0, 30.0)  # where an oven may be that nobody regulated yet


def excesses(record: Mapping[str, Output], station: StationFile) -> list[str]:
    """Return one sentence for each limit of the station file that a true output went beyond; none for a good night."""
    found = [*_piezos(record, station), *_servos(record, station), *_oven(record, station), *_laser(record, station)]
    return [*found, *_tones(record, station), *_mirrors(record, station), *_rotators(record, station)]


def _piezos(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    limits = station.piezo_limits
    if limits is None:
        return
    low, high = min(limits.minimum, LOWEST_V), min(limits.maximum, HIGHEST_V)  # at 0 V it is switched on, and at rest
    for name in (*station.loops, *station.piezos):
        for of in (f"piezo.{name}.setting", f"piezo.{name}.voltage"):
            yield from _range(record, of, low, high, DAC_STEPS_V, "[piezo_limits] minimum and maximum")
        output = record.get(f"piezo.{name}.setting")
        if output is not None:
            slack = READ_BACK_V + DAC_STEPS_V
            allowed, to_rest = limits.slew * AT_ONCE_S + slack, limits.fastest_to_safe * AT_ONCE_S + slack
            yield from _speed(f"piezo.{name}.setting", output, allowed, "[piezo_limits] slew")
            if output.excess_to_rest > to_rest:
                yield (
                    f"piezo.{name}.setting came to rest faster than {output.rate_to_rest:g} V/s: it was "
                    f"{output.excess_to_rest:.4g} V ahead of that, {to_rest:.4g} V are allowed "
                    f"({output.excess_to_rest_at:.2f} s; [piezo_limits] slew_to_safe)."
                )


def _servos(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    for name, loop in station.servo_loops.items():
        limit, key = loop.output_limit, f"[loops.{name}] output_limit"
        yield from _range(record, f"servo.{name}.output", -limit, limit, SERVO_STEP_V, key)
        yield from _open_servo(record, name, _free_to_rest_v(station))


def servo_v_per_s_to_rest(station: StationFile) -> float:
    """Return how fast an open loop may go to 0 V, in V/s: its steps follow each other as ever, and move the piezo
    behind it no further than a ramp to rest does in one."""
    return SERVO_V_PER_S * _free_to_rest_v(station) / SERVO_FREE_V


def _free_to_rest_v(station: StationFile) -> float:
    limits = station.piezo_limits
    return SERVO_FREE_V if limits is None else max(SERVO_FREE_V, limits.fastest_to_safe * AT_ONCE_S / limits.servo_gain)


def _open_servo(record: Mapping[str, Output], name: str, free_to_rest_v: float) -> Iterator[str]:
    for side in ("above", "below"):
        of = f"servo.{name}.open_{side}"
        if (output := record.get(of)) is None:
            continue
        slack = MONITOR_ERROR_V + SERVO_STEP_V
        yield from _speed(of, output, SERVO_FREE_V + slack, "the steps of an open loop")
        if output.excess_to_rest > free_to_rest_v + slack:
            yield (
                f"{of} came to rest faster than {output.rate_to_rest:g} V/s: it was {output.excess_to_rest:.4g} V "
                f"ahead of that, {free_to_rest_v:.4g} V are allowed ({output.excess_to_rest_at:.2f} s)."
            )


def _oven(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    oven = station.oven
    if oven is None:
        return
    # A controller that is switched on starts from where the object is, which nobody limits.
    low, high = min(oven.minimum, AMBIENT_C[0]), max(oven.maximum, AMBIENT_C[1])
    for name in ("oven.target", "oven.crystal", "oven.regulated"):
        yield from _range(record, name, low, high, CRYSTAL_NOISE_K, "[oven] minimum and maximum")
        output = record.get(name)
        if output is not None:
            yield from _speed(name, output, oven.ramp * OVEN_STEP_S + CRYSTAL_NOISE_K, "[oven] ramp")


def _laser(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    laser = station.laser
    if laser is not None:
        slack = RELATIVE * laser.maximum_power
        yield from _range(record, "laser.power", 0.0, laser.maximum_power, slack, "[laser] maximum_power")
        low, high, key = laser.minimum_wavelength, laser.maximum_wavelength, "[laser] minimum and maximum wavelength"
        yield from _range(record, "laser.wavelength", low, high, RELATIVE * (high - low), key)


def _tones(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    for name, tone in station.tones.items():
        high, key = tone.maximum_amplitude, f"[tones.{name}] maximum_amplitude"
        yield from _range(record, f"tone.{name}.amplitude", 0.0, high, RELATIVE * high, key)
        low, high, key = tone.minimum_frequency, tone.maximum_frequency, f"[tones.{name}] minimum and maximum frequency"
        yield from _range(record, f"tone.{name}.frequency", low, high, 0.0, key)


def _mirrors(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    limits = station.mirror_limits
    most = math.inf if limits is None else float(limits.steps_per_move)
    for name in station.mirrors:
        for axis in ("pitch", "yaw"):
            yield from _range(record, f"mirror.{name}.{axis}", -most, most, 0.0, "[mirror_limits] steps_per_move")


def _rotators(record: Mapping[str, Output], station: StationFile) -> Iterator[str]:
    for name, rotator in station.rotators.items():
        key = f"[rotators.{name}] maximum_deg"
        yield from _range(record, f"rotator.{name}.angle", 0.0, rotator.maximum_deg, ANGLE_DEG, key)


def _range(record: Mapping[str, Output], name: str, low: float, high: float, slack: float, key: str) -> Iterator[str]:
    output = record.get(name)
    if output is None:
        return
    for value, at in ((output.lowest, output.lowest_at), (output.highest, output.highest_at)):
        if not low - slack <= value <= high + slack:
            yield (
                f"{name} was at {value:.6g} {output.unit}, outside {low:g} to {high:g} {output.unit} "
                f"({at:.2f} s; {key})."
            )


def _speed(name: str, output: Output, allowed: float, key: str) -> Iterator[str]:
    if output.excess > allowed:
        yield (
            f"{name} changed faster than {output.rate:g} {output.unit}/s: it was {output.excess:.4g} {output.unit} "
            f"ahead of that, {allowed:.4g} {output.unit} are allowed ({output.excess_at:.2f} s; {key})."
        )
