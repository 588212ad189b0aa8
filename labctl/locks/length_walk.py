"""Look at the source cavity over the whole range of its piezo: where the pump is resonant, and where the seed is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.double_resonance import lorentzian_line
from labctl.estimation.estimate import Estimate
from labctl.station.roles import LengthScan, Monitor, ScanRecord, Servo, Shutter

SEED_POINTS = 181  # of the walk: six within the half width of a seed of finesse 36
LINE_SHARE = 0.25  # of the seed's highest reading: what belongs to its line
EDGE_POINTS = 4  # a line that ends with the range has no place
SEED_OVER_NOISE = 20.0
SCAN_STEP_V = 0.8
SCAN_AMPLITUDE_V = 0.9
PEAK_OVER_NOISE = 12.0
SAME_HEIGHT = 0.8  # of the highest peak: another fringe of the same mode
APART_V = 0.3
EDGE_V = 0.4  # room for drift at either end of the range
CENTRING_AMPLITUDES_V = (0.45, 0.12, 0.12)
LINEAR_SHARE = 0.5  # of the transmission peak: where the error signal is taken as linear
FEWEST_LINEAR = 5
START_GAIN_SHARE = 0.2
HELD_SHARE = 0.85  # of the peak transmission
SETTLE_S = 0.3


@dataclass(frozen=True)
class SourceCavity:
    """What looking at the cavity needs: its servo and fast scan, the seed monitor, the pump's shutter if it has one.

    `wait` waits in lab time (s) and may raise to stop.
    """

    servo: Servo
    scan: LengthScan
    seed: Monitor
    pump: Shutter | None
    wait: Callable[[float], None]
    unity_gain_hz: float


@dataclass(frozen=True)
class LengthWalk:
    """Resonances in V of the servo's output, all on the rising branch of the piezo.

    pump_v: fringes of the pump, upwards, those too near to an end left out; seed_v: resonance of the seed without pump,
    None where the range has none; seed_half_width_v: its half width; dark_v: reading of the seed monitor off resonance.
    """

    pump_v: tuple[float, ...]
    seed_v: Estimate | None
    seed_half_width_v: float
    dark_v: float

    @property
    def half_turn_v(self) -> float:
        """Volts from one fringe of the pump to the next, half a turn of the seed; nan where only one was seen."""
        return float(np.mean(np.diff(self.pump_v))) if len(self.pump_v) > 1 else math.nan

    @property
    def nearest(self) -> int:
        """Index of the fringe nearest to the seed, or to the middle without one."""
        to_v = 0.0 if self.seed_v is None else self.seed_v.value
        return min(range(len(self.pump_v)), key=lambda k: abs(self.pump_v[k] - to_v))


def walk_length(cavity: SourceCavity) -> LengthWalk:
    """Walk the length upwards twice: the seed alone with the slow monitor, then the pump with the fast scan.

    The pump is blocked for the seed, whose power it would change on every fringe. Leaves the pump open, the servo at
    its top. Raises `LockError` where the pump has no fringe.
    """
    limit_v = cavity.servo.output_limit_v
    outputs = np.linspace(-limit_v, limit_v, SEED_POINTS)
    if cavity.pump is not None:
        cavity.pump.close()
    try:
        _to_the_bottom(cavity)
        readings = cavity.servo.sweep(outputs, cavity.seed.volts)
    finally:
        if cavity.pump is not None:
            cavity.pump.open()
    _to_the_bottom(cavity)
    return LengthWalk(_pump_fringes(cavity), *_seed_line(outputs, readings))


def hold_fringe(cavity: SourceCavity, output_v: float) -> None:
    """Close the length loop on the fringe at `output_v` of the last walk.

    Raises `LockError`, the loop open, where there is no fringe or the loop does not hold.
    """
    servo, limit_v = cavity.servo, cavity.servo.output_limit_v
    _to_the_bottom(cavity)
    for amplitude_v in CENTRING_AMPLITUDES_V:
        servo.set_output(output_v)
        cavity.wait(SETTLE_S)
        sweep = cavity.scan.sweep(amplitude_v)
        peak = int(np.argmax(sweep.transmission_v))
        if sweep.transmission_v[peak] < PEAK_OVER_NOISE * _noise_v(sweep.transmission_v):
            raise LockError("The fringe of the pump is gone.", remedy="Check the pump; then walk the length again.")
        output_v = min(max(output_v + float(sweep.servo_v[peak]), -limit_v), limit_v)
    servo.set_output(output_v)
    sweep = cavity.scan.sweep(CENTRING_AMPLITUDES_V[-1])
    gain = 2.0 * math.pi * cavity.unity_gain_hz / _error_slope(sweep)
    servo.state()  # what its registers remember of earlier is not of this lock
    for share in (START_GAIN_SHARE, 1.0):
        servo.close_loop(0.0, share * gain)
        cavity.wait(SETTLE_S)
    if transmission_v(cavity) < HELD_SHARE * float(sweep.transmission_v.max()):
        servo.set_output(0.0)
        raise LockError("The length does not hold on the fringe of the pump.", remedy="Look at its error signal.")


def transmission_v(cavity: SourceCavity) -> float:
    """Return the transmission of the pump now, in V."""
    return float(np.mean(cavity.scan.sweep(0.0).transmission_v))


def _to_the_bottom(cavity: SourceCavity) -> None:
    """Go to the lowest output by way of the highest: a piezo with memory then rises on the same branch every time."""
    limit_v = cavity.servo.output_limit_v
    for output_v in (limit_v, -limit_v):
        cavity.servo.set_output(output_v)
    cavity.wait(SETTLE_S)


def _seed_line(outputs_v: NDArray[np.float64], readings_v: NDArray[np.float64]) -> tuple[Estimate | None, float, float]:
    """Return place and half width of the seed's line, and the reading off it; no place where no whole line is there."""
    dark_v = float(np.median(np.sort(readings_v)[: len(readings_v) // 2]))
    noise_v = max(
        float(np.median(np.abs(np.diff(readings_v)))) * 1.4826 / math.sqrt(2.0), _converter_step_v(readings_v)
    )
    level = readings_v - dark_v
    top = int(np.argmax(level))
    if level[top] < SEED_OVER_NOISE * noise_v or not EDGE_POINTS <= top < len(level) - EDGE_POINTS:
        return None, math.nan, dark_v
    on_line = np.flatnonzero(level < LINE_SHARE * level[top])
    first = int(on_line[on_line < top].max(initial=-1)) + 1
    last = int(on_line[on_line > top].min(initial=len(level)))
    near = slice(first, last)
    try:
        line = lorentzian_line(outputs_v[near], level[near], np.full(last - first, noise_v))
    except AnalysisRefused:
        return None, math.nan, dark_v
    return Estimate(line.centre, line.sigma, "V", "servo output"), line.half_width, dark_v


def _pump_fringes(cavity: SourceCavity) -> tuple[float, ...]:
    """Return the fringes of the pump, upwards. Only what a scan shows above its middle is on the branch of the walk."""
    limit_v = cavity.servo.output_limit_v
    peaks: list[tuple[float, float]] = []  # height, output
    for output_v in np.arange(-limit_v, limit_v - EDGE_V, SCAN_STEP_V):
        cavity.servo.set_output(float(output_v))
        cavity.wait(SETTLE_S)
        sweep = cavity.scan.sweep(SCAN_AMPLITUDE_V)
        noise_v = _noise_v(sweep.transmission_v)
        above = np.flatnonzero(sweep.servo_v >= 0.0)
        peak = int(above[np.argmax(sweep.transmission_v[above])])
        if sweep.transmission_v[peak] > PEAK_OVER_NOISE * noise_v:
            peaks.append((float(sweep.transmission_v[peak]), float(output_v + sweep.servo_v[peak])))
    if not peaks:
        cavity.servo.set_output(0.0)
        raise LockError(
            "The pump has no fringe anywhere in the range of the length piezo.",
            remedy="Check the pump and its shutter.",
        )
    enough = SAME_HEIGHT * max(height for height, _ in peaks)
    places = sorted(output_v for height, output_v in peaks if height >= enough)
    new = [True, *(after - before > APART_V for before, after in itertools.pairwise(places))]
    inside = limit_v - EDGE_V
    return tuple(place for place, first in zip(places, new, strict=True) if first and abs(place) <= inside)


def _error_slope(sweep: ScanRecord) -> float:
    """Return the slope of the error signal on the fringe, in V per V of servo output."""
    peak = int(np.argmax(sweep.transmission_v))
    near = sweep.transmission_v > LINEAR_SHARE * sweep.transmission_v[peak]
    width_v = float(np.ptp(sweep.servo_v[near]))
    central = near & (np.abs(sweep.servo_v - sweep.servo_v[peak]) < 0.25 * width_v)
    if int(central.sum()) < FEWEST_LINEAR:
        raise LockError("The fringe is too narrow for the scan.", remedy="Check that it is one of the pump.")
    return float(np.polyfit(sweep.servo_v[central], sweep.error_v[central], 1)[0])


def _noise_v(signal: NDArray[np.float64]) -> float:
    """Return the noise of a scan in V from the median deviation, and no less than one step of the converter."""
    deviation = float(np.median(np.abs(signal - np.median(signal)))) * 1.4826
    return max(deviation, _converter_step_v(signal))


def _converter_step_v(signal: NDArray[np.float64]) -> float:
    steps = np.diff(np.unique(signal))
    return float(steps.min()) if steps.size else 0.0
