"""A piezo on one channel of a high-voltage amplifier whose external input a servo drives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.output_record import OutputTrack

LOWEST_V = 0.0
HIGHEST_V = 150.0

_PLAYS = 4
_PLAY_DECAY = 0.7
_CREEP_DECADES_S = (0.3, 3.0, 30.0, 300.0)
_TRACK_POINTS = 513  # of a scan; between them the motion is taken as straight


@dataclass(frozen=True)
class PiezoMaterial:
    """How a piezo follows its voltage.

    `hysteresis`: width of the loop of a full scan over its height. `creep_per_decade`: what is still to come of a
    step, per decade of time from 0.1 s on.
    """

    hysteresis: float = 0.0
    creep_per_decade: float = 0.0


RIGID = PiezoMaterial()
MIRROR_STACK = PiezoMaterial(hysteresis=0.03, creep_per_decade=0.003)
CAVITY_STACK = PiezoMaterial(hysteresis=0.12, creep_per_decade=0.015)


class PiezoChannel:
    """Implements `PiezoPort`: amplifier setting plus `servo_gain` times the servo's output, within what the amplifier
    can give; and the motion that comes of it, in volts of a piezo without memory.

    Memory is Prandtl and Ishlinskii's: a few elements with play, and elements that creep. What is asked with
    `motion_v` is what would happen from the present state; `moved` makes it happen.
    """

    def __init__(self, servo_gain: float, material: PiezoMaterial = RIGID) -> None:
        self.servo_gain = servo_gain
        self.setting_track, self.voltage_track = OutputTrack("V"), OutputTrack("V")
        self._setting_v = 0.0
        self._servo_output: Callable[[], float] = lambda: 0.0
        self._plays = _plays(material.hysteresis)
        self._play_v = [0.0] * len(self._plays)
        self._prompt = 1.0 - sum(weight for _, weight in self._plays)
        self._remember()
        self._creep = material.creep_per_decade
        self._creeping_v = [0.0] * (len(_CREEP_DECADES_S) if self._creep else 0)
        self._crept_v = 0.0

    def wire_servo(self, output: Callable[[], float]) -> None:
        """Connect the external input to a servo's output."""
        self._servo_output = output

    def drive(self, volts: float) -> None:
        """Set what the amplifier adds to its external input, in V."""
        servo_v = self._servo_output()
        before_v, self._setting_v = self.volts(servo_v), volts
        if before_v == self.volts(servo_v) and before_v in (LOWEST_V, HIGHEST_V):
            self.setting_track.begin_anew()  # where the servo holds it at an end of its range, it feels nothing
        self.setting_track.at(volts)
        self.moved(servo_v)

    def external_volts(self) -> float:
        """Return what the external input adds, in V at the piezo."""
        return self.servo_gain * self._servo_output()

    def volts(self, servo_v: float) -> float:
        """Return the voltage at the piezo with `servo_v` at the external input."""
        volts = self._setting_v + self.servo_gain * servo_v
        if LOWEST_V <= volts <= HIGHEST_V:
            return volts
        return LOWEST_V if volts < LOWEST_V else HIGHEST_V

    def volts_now(self) -> float:
        """Return the voltage at the piezo now."""
        return self.volts(self._servo_output())

    def motion_v(self, servo_v: float) -> float:
        """Return the motion with `servo_v` at the external input, coming straight from the present state."""
        return self._motion_at(self.volts(servo_v)) + self._crept_v

    def settled_v(self, volts: float) -> float:
        """Return the motion at `volts`, reached straight from the present state and left to creep for long."""
        return self._motion_at(volts) + self._creep * len(_CREEP_DECADES_S) * volts

    def _motion_at(self, volts: float) -> float:
        motion = self._prompt * volts
        if self._lowest_v <= volts <= self._highest_v:  # no element slips: most calls of a loop that holds
            return motion + self._held_v
        for (width, weight), play in zip(self._plays, self._play_v, strict=True):
            motion += weight * min(max(play, volts - width), volts + width)
        return motion

    def _remember(self) -> None:
        """Note what the elements with play add, and between which voltages none of them slips."""
        pairs = list(zip(self._plays, self._play_v, strict=True))
        self._held_v = sum(weight * play for (_, weight), play in pairs)
        self._lowest_v = max((play - width for (width, _), play in pairs), default=-math.inf)
        self._highest_v = min((play + width for (width, _), play in pairs), default=math.inf)

    def motion_of(self, servo_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the motion along a scan of the external input, which leaves the piezo where it was before."""
        volts = np.clip(self._setting_v + self.servo_gain * servo_v, LOWEST_V, HIGHEST_V)
        motion = self._prompt * volts + self._crept_v
        picked = np.unique(np.linspace(0, volts.size - 1, min(_TRACK_POINTS, volts.size)).astype(int))
        track = volts[picked].tolist()
        for (width, weight), start in zip(self._plays, self._play_v, strict=True):
            play, path = start, []
            for voltage in track:
                play = min(max(play, voltage - width), voltage + width)
                path.append(play)
            motion += weight * np.interp(np.arange(volts.size), picked, path)
        return motion

    def moved(self, servo_v: float) -> None:
        """Go to where `servo_v` at the external input leads."""
        volts = self.volts(servo_v)
        track = self.voltage_track
        if step := volts - track.last:  # told in full only where it is new: a closed loop comes here at every tick
            if track.low <= volts <= track.high and -track.jump <= step <= track.jump:
                track.last = volts
            else:
                track.at(volts)
        if self._lowest_v <= volts <= self._highest_v:
            return
        for k, (width, _) in enumerate(self._plays):
            self._play_v[k] = min(max(self._play_v[k], volts - width), volts + width)
        self._remember()

    def advance(self, seconds: float) -> None:
        """Creep on for `seconds`."""
        if not self._creeping_v:
            return
        volts = self.volts_now()
        for k, decade_s in enumerate(_CREEP_DECADES_S):
            self._creeping_v[k] += (volts - self._creeping_v[k]) * -math.expm1(-seconds / decade_s)
        self._crept_v = self._creep * sum(self._creeping_v)


def _plays(hysteresis: float) -> tuple[tuple[float, float], ...]:
    """Return (half width in V, weight) of elements with play whose loop over the full range is `hysteresis` wide in
    its middle."""
    if hysteresis == 0.0:
        return ()
    reach = HIGHEST_V - LOWEST_V
    halves = [reach * k / (2.0 * _PLAYS + 2.0) for k in range(1, _PLAYS + 1)]
    weights = [_PLAY_DECAY**k for k in range(_PLAYS)]
    width = sum(w * min(2.0 * half, reach - 2.0 * half) for half, w in zip(halves, weights, strict=True))
    return tuple((half, w * hysteresis * reach / width) for half, w in zip(halves, weights, strict=True))
