"""What surrounds the optical table: vacuum, wave plates, a tunable laser, tones and the light on a power meter.

Each has random numbers of its own, so that to add one changes nothing else, and nothing here acts back on the table.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from labctl.simulation.output_record import OutputTrack
from labctl.simulation.ports import GaugeStatus, Waveform
from labctl.simulation.probe_tone import INTO_50_OHM
from labctl.simulation.slow_noise import OrnsteinUhlenbeck

CHAMBER_PA = 3e-5
PRESSURE_SPREAD = 0.15  # rms of the logarithm
PRESSURE_CORRELATION_S = 900.0
METER_NOISE = 1e-3  # relative rms of a reading
METER_FLOOR_W = 1e-9
CHANGES_KEPT = 32


class Chamber:
    """Implements `PressurePort`: a pressure that drifts slowly about that of a chamber under pumps."""

    def __init__(self, rng: np.random.Generator, tick_s: float) -> None:
        self._drift = OrnsteinUhlenbeck(rng, PRESSURE_SPREAD, PRESSURE_CORRELATION_S, tick_s)

    def advance(self, now: float) -> None:
        """Move on by one tick."""
        self._drift.advance()

    def pressure_pa(self) -> float:
        """Return the pressure in Pa."""
        return CHAMBER_PA * math.exp(self._drift.value)

    def status(self) -> GaugeStatus:
        """Return that the gauge works."""
        return GaugeStatus.OK


class WavePlate:
    """Implements `RotatorPort`; keeps the angle in degrees from the home mark, 0 to 360."""

    def __init__(self) -> None:
        self.angle_track = OutputTrack("deg")
        self.angle_deg = 0.0
        self._was_turned = False

    def set_angle(self, angle_deg: float) -> None:
        """Turn to `angle_deg`."""
        self.angle_deg = angle_deg % 360.0
        self.angle_track.at(self.angle_deg)
        self._was_turned = True

    def left_at_deg(self) -> float | None:
        """Return where somebody turned it to."""
        return self.angle_deg if self._was_turned else None


class LaserLight:
    """Implements `LaserPort`: wavelength (m) on its way, power (W), and whether light comes out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._from_m = self._to_m = 0.0
        self._from_s = self._to_s = 0.0
        self._set_power_w = 0.0
        self.power_track, self.wavelength_track = OutputTrack("W"), OutputTrack("m")
        self.on = False

    def tune(self, wavelength_m: float, seconds: float) -> None:
        """Move the wavelength evenly to `wavelength_m` within `seconds`; the first time it is there at once."""
        here_m = self.wavelength_m() or wavelength_m
        self._from_m, self._to_m = here_m, wavelength_m
        self._from_s = self._now()
        self._to_s = self._from_s + seconds
        self._note()

    def set_power(self, power_w: float) -> None:
        """Set the power in W that comes out while the laser is on."""
        self._set_power_w = power_w
        self._note()

    def switch(self, on: bool) -> None:
        """Let light out, or none."""
        self.on = on
        self._note()

    def _note(self) -> None:
        self.power_track.at(self.power_w())
        if self.on:
            self.wavelength_track.at(self._from_m)
            self.wavelength_track.at(self._to_m)

    def wavelength_m(self) -> float:
        """Return the wavelength now, in m."""
        if self._now() >= self._to_s:
            return self._to_m
        part = (self._now() - self._from_s) / (self._to_s - self._from_s)
        return self._from_m + part * (self._to_m - self._from_m)

    def power_w(self) -> float:
        """Return the power that comes out, in W."""
        return self._set_power_w if self.on else 0.0


class TonePort:
    """Implements `GeneratorPort`; keeps what is put out, and its latest changes: each as when it came (lab time `now`),
    what is put out from then on, and where its phase is counted from (both s)."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self.waveform = Waveform()
        self.amplitude_track, self.frequency_track = OutputTrack("V"), OutputTrack("Hz")
        self.started_at = 0.0
        self.changes: deque[tuple[float, Waveform, float]] = deque(maxlen=CHANGES_KEPT)
        self._now = now

    def generate(self, waveform: Waveform, started_at: float) -> None:
        """Put out `waveform` from lab time `started_at` (s) on."""
        self.waveform = waveform
        self.started_at = started_at
        self.amplitude_track.at(INTO_50_OHM * waveform.amplitude_v if waveform.on else 0.0)
        if waveform.on:
            self.frequency_track.at(waveform.frequency_hz)
        self.changes.append((started_at if self._now is None else self._now(), waveform, started_at))


class MeteredLight:
    """Implements `PowerPort`: light of a fixed wavelength, with the noise of the head."""

    def __init__(self, watts: Callable[[], float], wavelength_m: float, rng: np.random.Generator) -> None:
        self._watts = watts
        self._wavelength_m = wavelength_m
        self._rng = rng

    def power_w(self) -> float:
        """Return one reading in W."""
        relative, floor = self._rng.standard_normal(2)
        return self._watts() * (1.0 + METER_NOISE * float(relative)) + METER_FLOOR_W * float(floor)

    def wavelength_m(self) -> float:
        """Return the wavelength in m."""
        return self._wavelength_m
