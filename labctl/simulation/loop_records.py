"""Records of the error signals of the homodyne loops: the DC output of each detector at a fast input, as a time
series."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.coloured_records import Sampling
from labctl.simulation.converters import FAST_INPUT_NOISE_V
from labctl.simulation.loop_phase import DETECTOR_BANDWIDTH_HZ, FastPhase, OpenLoop, noise_of_record, phases_of_lines
from labctl.simulation.sensor_plant import ELECTRONIC_NOISE_V, SensorPlant

_TICKS_KEPT = 128  # of the table: the longest record has 86


class LoopRecords:
    """Implements `FastInputs`: `sensors` maps input numbers to the sensors whose detectors are connected there.

    A record is the slow state of the table, plus the noise of the path as the loop leaves it, on the fringe, plus noise
    of detector and input. `advance` at every tick of the table lets an open path drift within a record; without it,
    everything slower than the tick stands still. `detector_v_per_rthz` is the noise of the detectors as a one-sided
    amplitude density at low frequency, in V / Hz^1/2.
    """

    def __init__(
        self, sensors: Mapping[int, SensorPlant], seed: int, *, detector_v_per_rthz: float | None = None
    ) -> None:
        self._sensors = dict(sensors)
        self._seed = seed
        if detector_v_per_rthz is None:
            detector_v_per_rthz = ELECTRONIC_NOISE_V / math.sqrt(DETECTOR_BANDWIDTH_HZ)
        self._detector_v2_per_hz = detector_v_per_rthz**2
        self._drift: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=_TICKS_KEPT)

    def advance(self, now: float) -> None:
        """Remember where the paths are at lab time `now`."""
        self._drift.append((now, tuple(sensor._path_rad for sensor in self._sensors.values())))

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts, shape (len(inputs), samples); an input without a sensor carries noise of the input alone."""
        sampling = Sampling(sample_rate_hz, samples, average)
        volts = np.empty((len(inputs), samples))
        for row, number in zip(volts, inputs, strict=True):
            stream = f"loop record {number}"
            rng = noise_of_record(self._seed, stream, started_at)
            row[:] = FAST_INPUT_NOISE_V / math.sqrt(average) * rng.standard_normal(samples)
            if number in self._sensors:
                row += self._signal(number, stream, rng, started_at, sampling)
        return volts

    def phase_of(self, number: int) -> FastPhase:
        """Return the truth of the loop at input `number`, as it is now."""
        sensor = self._sensors[number]
        phase = sensor.phase_rad(sensor.servo.output_volts())
        fringe_v = sensor._level(1.0) - sensor._level(0.0)
        return FastPhase(
            open_loop=OpenLoop.of(sensor.servo),
            loudness=sensor._room.loudness,
            volts_per_rad=-fringe_v * math.sin(phase),
            detector_v2_per_hz=self._detector_v2_per_hz,
            detector_pole_hz=2.0 / math.pi * DETECTOR_BANDWIDTH_HZ,
            swing_rad=sensor._piezo.servo_gain * math.pi / sensor.truth.volts_per_pi * sensor.servo.swing_v(),
        )

    def _signal(
        self, number: int, stream: str, rng: np.random.Generator, started_at: float, sampling: Sampling
    ) -> NDArray[np.float64]:
        sensor = self._sensors[number]
        fast, noise = self.phase_of(number).draw(rng, phases_of_lines(self._seed, stream), started_at, sampling)
        dark_v = sensor._level(0.0)
        fringe_v = sensor._level(1.0) - dark_v
        return np.asarray(dark_v + fringe_v * np.cos(self._slow_rad(number, started_at, sampling) + fast) + noise)

    def _slow_rad(self, number: int, started_at: float, sampling: Sampling) -> NDArray[np.float64]:
        """Return the phase without what is fast: a loop holds it where it is, an open path drifts."""
        sensor = self._sensors[number]
        phase = sensor.phase_rad(sensor.servo.output_volts())
        if sensor.servo.settings.closed or not self._drift:
            return np.full(sampling.samples, phase)
        column = list(self._sensors).index(number)
        ticks = np.array([at for at, _ in self._drift])
        paths = np.array([path[column] for _, path in self._drift])
        return np.asarray(phase - paths[-1] + np.interp(started_at + sampling.time_s(), ticks, paths))
