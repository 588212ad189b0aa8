"""Loops that labctl closes itself: which channels they take, and what their numbers must agree on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labctl.configuration.faults import Finding, Key, guess
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_kinds import HIGHEST_SOFTWARE_RATE_HZ, SLOW_OUTPUT_V
from labctl.configuration.servos import (
    FastInputMean,
    MonitorInput,
    OvenInput,
    PowerMeterInput,
    SlowOutput,
    SoftwareServo,
)

if TYPE_CHECKING:
    from labctl.configuration.station_file import ServoLoop, StationFile

STEPS_PER_UNITY_GAIN = 12.0
"""An integrator whose output is a period old when it is read keeps 60 degrees of phase at rate / 12."""
CORNER_OVER_UNITY_GAIN = 2.0
STEPS_PER_CORNER = 4.0
HIGHEST_FAST_GAIN = 0.5
"""Open-loop gain far above the corners: at the fastest step it must stay below 1, by a gain margin of 2."""
_REACH = 1e-9  # relative, of voltages that were computed


def software_loops(station: StationFile) -> Iterator[tuple[str, ServoLoop, SoftwareServo]]:
    """Name, loop and servo of each loop that labctl closes itself."""
    for name, loop in station.servo_loops.items():
        if isinstance(loop.servo, SoftwareServo):
            yield name, loop, loop.servo


def software_loop_findings(inspection: Inspection) -> Iterator[Finding]:
    """Inputs that are not there, outputs that do not reach, and loops that could not be kept."""
    for name, loop, servo in software_loops(inspection.station):
        here = ("loops", name, "servo")
        yield from _input_is_there(inspection, servo, (*here, "input"))
        yield from _board_is_free(inspection.station, servo, (*here, "input"))
        if isinstance(servo.output, SlowOutput):
            yield from _output_reaches(loop, servo.output, (*here, "output"))
        yield from _timing(loop, servo, name)
        yield from _corners(loop, servo, here)
        yield from _slew(inspection.station, servo, here)


def _input_is_there(inspection: Inspection, servo: SoftwareServo, here: Key) -> Iterator[Finding]:
    station, source = inspection.station, servo.input
    if isinstance(source, MonitorInput):
        yield from _named(inspection, "monitors", list(station.monitors), source.name, here)
    elif isinstance(source, PowerMeterInput):
        yield from _named(inspection, "power_meters", list(station.power_meters), source.name, here)
    if isinstance(source, PowerMeterInput) and station.light is None and not inspection.is_dropped("light"):
        yield Finding((*here, "kind"), "a power meter has to know its light", "a [light] table with its wavelength")
    if isinstance(source, OvenInput) and station.oven is None and not inspection.is_dropped("oven"):
        yield Finding((*here, "kind"), "there is no oven", "an [oven] table, or another input")


def _named(inspection: Inspection, table: str, known: list[str], name: str, here: Key) -> Iterator[Finding]:
    if name not in known and not inspection.is_dropped(table) and not inspection.is_dropped(table, name):
        yield Finding(
            (*here, "name"),
            f'nothing in [{table}] is called "{name}"{guess(name, known)}',
            f"one of {', '.join(known)}" if known else f"the name of a [{table}] table",
        )


def _board_is_free(station: StationFile, servo: SoftwareServo, here: Key) -> Iterator[Finding]:
    """A board has one acquisition for all its fast inputs: every step would spoil the record that another waits for."""
    if not isinstance(servo.input, FastInputMean):
        return
    digitizers = () if station.digitizer is None else station.digitizer.boards
    for role, entry in (*(("digitizer", board) for board in digitizers), ("scan", station.scan)):
        if entry is not None and entry.instrument == servo.input.instrument:
            yield Finding(
                (*here, "instrument"),
                f"{servo.input.instrument} records for [{role}], and its inputs share one acquisition",
                "a board of its own, or a monitor",
            )


def _output_reaches(loop: ServoLoop, output: SlowOutput, here: Key) -> Iterator[Finding]:
    lowest, highest = sorted(output.gain * (pin_v - output.offset) for pin_v in SLOW_OUTPUT_V)
    reach = loop.output_limit * (1.0 - _REACH)
    if lowest > -reach or highest < reach:
        yield Finding(
            (*here, "gain"),
            f"a pin of {SLOW_OUTPUT_V[0]:g} V to {SLOW_OUTPUT_V[1]:g} V gives {lowest:g} V to {highest:g} V at the "
            f"servo's output, and output_limit is {loop.output_limit:g} V",
            f"offset and gain that reach from {-loop.output_limit:g} V to {loop.output_limit:g} V",
        )


def _timing(loop: ServoLoop, servo: SoftwareServo, name: str) -> Iterator[Finding]:
    here = ("loops", name, "servo")
    if servo.rate > HIGHEST_SOFTWARE_RATE_HZ:
        yield Finding(
            (*here, "rate"),
            f"{servo.rate:g} Hz is faster than a wire answers",
            f"a frequency up to {HIGHEST_SOFTWARE_RATE_HZ:g} Hz",
        )
    if loop.unity_gain * STEPS_PER_UNITY_GAIN > servo.rate * (1.0 + _REACH):
        yield Finding(
            ("loops", name, "unity_gain"),
            f"{loop.unity_gain:g} Hz is too fast for a servo of {servo.rate:g} steps a second",
            f"a frequency up to {servo.rate / STEPS_PER_UNITY_GAIN:g} Hz (rate / {STEPS_PER_UNITY_GAIN:g})",
        )
    if servo.deadline is not None and servo.deadline <= servo.period_s:
        yield Finding(
            (*here, "deadline"),
            f"{servo.deadline:g} s is not longer than the {servo.period_s:g} s from one step to the next",
            f"a duration above {servo.period_s:g} s",
        )


def fast_gain(unity_gain_hz: float, zeros_hz: Sequence[float], pole_hz: float | None) -> float:
    """Open-loop gain far above all corners: 0 unless there are as many zeros as poles, the integrator's with them."""
    poles_hz = () if pole_hz is None else (pole_hz,)
    if len(zeros_hz) <= len(poles_hz):
        return 0.0
    return unity_gain_hz * math.prod(poles_hz) / math.prod(zeros_hz)


def _corners(loop: ServoLoop, servo: SoftwareServo, here: Key) -> Iterator[Finding]:
    """Corners near the unity gain, or faster than the steps, make another loop than the one that was asked for."""
    lowest, highest = CORNER_OVER_UNITY_GAIN * loop.unity_gain, servo.rate / STEPS_PER_CORNER
    corners: list[tuple[Key, float]] = [((*here, "zeros", index), zero) for index, zero in enumerate(servo.zeros)]
    if servo.pole is not None:
        corners.append(((*here, "pole"), servo.pole))
    for key, corner in corners:
        if not lowest * (1.0 - _REACH) <= corner <= highest * (1.0 + _REACH):
            yield Finding(
                key,
                f"a corner at {corner:g} Hz does not fit a unity gain of {loop.unity_gain:g} Hz and "
                f"{servo.rate:g} steps a second",
                f"a frequency from {lowest:g} Hz to {highest:g} Hz",
            )
    if len(servo.zeros) > 1 and servo.pole is None:
        yield Finding((*here, "pole"), "is missing, and two zeros alone differentiate", "a frequency, or one zero")
    elif len(servo.zeros) > 1 and (gain := fast_gain(loop.unity_gain, servo.zeros, servo.pole)) > HIGHEST_FAST_GAIN:
        yield Finding(
            (*here, "zeros"),
            f"with the pole they leave an open-loop gain of {gain:.2g} above all corners",
            f"zeros and a pole that leave {HIGHEST_FAST_GAIN:g} at most",
        )


def _slew(station: StationFile, servo: SoftwareServo, here: Key) -> Iterator[Finding]:
    limits = station.piezo_limits
    if limits is None or servo.slew is None or servo.slew * limits.servo_gain <= limits.slew * (1.0 + _REACH):
        return
    yield Finding(
        (*here, "slew"),
        f"{servo.slew:g} V/s with servo_gain {limits.servo_gain:g} moves the piezo by "
        f"{servo.slew * limits.servo_gain:g} V/s",
        f"a slew rate up to {limits.slew / limits.servo_gain:g} V/s (piezo_limits)",
    )
