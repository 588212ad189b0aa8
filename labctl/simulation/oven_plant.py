"""The crystal oven: a thermoelectric controller's plate, and the crystal that follows it."""

from __future__ import annotations

import math

from labctl.simulation.output_record import OutputTrack
from labctl.simulation.slow_noise import OrnsteinUhlenbeck
from labctl.simulation.truth import generator

PLATE_LAG_S = 8.0  # closed loop of the controller
CRYSTAL_LAG_S = 1.5
OFF_LAG_S = 300.0  # back to ambient with the output off
SENSOR_NOISE_K = 1.0e-3
SENSOR_NOISE_CORRELATION_S = 3.0
READING_NOISE_K = 0.2e-3
AMPERE_PER_KELVIN = 0.12  # element current for one kelvin away from ambient


class OvenPlant:
    """Implements `ThermalPort`: two poles from the regulated plate to the crystal, and a noisy sensor."""

    def __init__(self, seed: int, ambient_c: float, tick_s: float) -> None:
        self._readings = generator(seed, "oven sensor")  # apart from what drifts: to look must change nothing
        self._ambient_c = ambient_c
        self._tick_s = tick_s
        self._nominal_c: float | None = None
        self.target_track, self.crystal_track = OutputTrack("degC"), OutputTrack("degC")
        self.rate_track, self.heater_track = OutputTrack("degC"), OutputTrack("")
        self.heater_track.at(0.0)
        self._plate_c = ambient_c
        self.crystal_c = ambient_c
        self._drift = OrnsteinUhlenbeck(generator(seed, "oven"), SENSOR_NOISE_K, SENSOR_NOISE_CORRELATION_S, tick_s)

    def advance(self) -> None:
        """Move on by one tick."""
        towards, lag = (self._ambient_c, OFF_LAG_S) if self._nominal_c is None else (self._nominal_c, PLATE_LAG_S)
        self._plate_c += (towards - self._plate_c) * -math.expm1(-self._tick_s / lag)
        wobble = self._drift.advance() if self._nominal_c is not None else 0.0
        self.crystal_c += (self._plate_c + wobble - self.crystal_c) * -math.expm1(-self._tick_s / CRYSTAL_LAG_S)
        if not self.crystal_track.low <= self.crystal_c <= self.crystal_track.high:
            self.crystal_track.seen(self.crystal_c)

    def note_rate(self) -> None:
        """Note how fast the crystal changes while it is regulated; without, it cools as fast as it will."""
        if self._nominal_c is not None:
            self.rate_track.at(self.crystal_c)

    def regulate(self, nominal_c: float | None) -> None:
        """Regulate to `nominal_c` (degC), or switch off with None."""
        if (nominal_c is None) != (self._nominal_c is None):
            self.target_track.begin_anew()
            self.rate_track.begin_anew()
            self.heater_track.at(float(nominal_c is not None))
        if nominal_c is not None and nominal_c != self._nominal_c:
            self.target_track.at(nominal_c)
        self._nominal_c = nominal_c

    def object_temperature_c(self) -> float:
        """Return the reading of the sensor, in degC."""
        return self._plate_c + self._drift.value + READING_NOISE_K * float(self._readings.standard_normal())

    def sink_temperature_c(self) -> float:
        """Return the temperature of the heat sink, in degC."""
        return self._ambient_c + 0.3 * abs(self.output_current_a())

    def output_current_a(self) -> float:
        """Return the current of the element, in A."""
        return 0.0 if self._nominal_c is None else AMPERE_PER_KELVIN * (self._plate_c - self._ambient_c)
