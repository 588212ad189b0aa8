"""The simulated table: one lab time, one slow plant, and the ports through which the simulated instruments touch
it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.disturbances import Disturbance
from labctl.simulation.coloured_records import Sampling
from labctl.simulation.detectors import Detectors
from labctl.simulation.disturbances import Disturber
from labctl.simulation.length_records import LengthRecords
from labctl.simulation.output_record import OutputRecord, OutputTrack
from labctl.simulation.oven_plant import OvenPlant
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.ports import Line, Waveform
from labctl.simulation.room import Room
from labctl.simulation.sensor_cavity import DESIGN_BIAS_V, SensorCavity
from labctl.simulation.sensor_plant import LightOnDetector, SensorPlant
from labctl.simulation.shared_records import RecordSource
from labctl.simulation.source_plant import TRANSMISSION_V, SourcePlant
from labctl.simulation.surroundings import Chamber, LaserLight, TonePort
from labctl.simulation.truth import SensorTruth, Truth, generator
from labctl.simulation.wave_plates import Mount, WavePlates

TICK_S = 0.1
LASER_LIKE_PROBE_W = 1e-3  # of the tunable laser, that gives the photodiodes as much light as the probe
CREEP_TICKS = 10  # piezos creep, and cavities follow, in steps of a second
AMBIENT_C = 25.0
DESIGN_WAVELENGTH_M = 1550e-9
SCAN_NOISE_V = 1.5e-3
_SLACK_S = 1e-9  # lab time is a float: a tick that is due this much later is due now


class _Advancing(Protocol):
    def advance(self, now: float) -> None: ...


class SimulatedTable:
    """The plant; implements `Timebase`.

    Slow states move on a fixed grid of `TICK_S`, each with its own random stream, so that what happens does not
    depend on how often somebody looks.
    """

    def __init__(
        self,
        truth: Truth,
        light: LightOnDetector,
        piezos: Mapping[str, PiezoChannel],
        servo_gain: float,
        disturbances: Sequence[Disturbance] = (),
        plates: Mapping[str, Mount] | None = None,
    ) -> None:
        self.truth = truth
        self.wave_plates = {} if plates is None else plates
        self.plates = WavePlates(truth, self.wave_plates)
        self.outputs = OutputRecord(self.now)
        self._now = 0.0
        self._ticks = 0
        self._instruments: list[_Advancing] = []
        self._piezos = list(piezos.values())
        spare = PiezoChannel(servo_gain)
        self.room = Room(TICK_S, len(truth.sensors))
        self.disturber = Disturber(disturbances, self.room, truth.seed)
        self.oven = OvenPlant(truth.seed, AMBIENT_C, TICK_S)
        self.source = SourcePlant(
            truth, piezos.get("opa_length", spare), piezos.get("pump_phase", spare), TICK_S, self.room
        )
        self.laser = LaserLight(self.now)
        self.sensors = [
            SensorPlant(
                number,
                sensor,
                truth.seed,
                light,
                piezos.get(f"lo{number}", spare),
                TICK_S,
                self.room,
                self._cavity(number, sensor, piezos.get(f"cavity{number}")),
            )
            for number, sensor in enumerate(truth.sensors, start=1)
        ]
        # What surrounds the table, by the names of the station file; nothing of it acts back.
        self.chambers: dict[str, Chamber] = {}
        self.tones: dict[str, TonePort] = {}
        self._design_probe_w = light.probe_power_w
        self._local_oscillator_w = light.local_oscillator_w
        self.detectors = Detectors(truth, self.source, self.sensors, light, self.tones)
        self.shutters = {"signal": False, "local_oscillator": False, "pump": False}
        self.shutter_tracks: dict[str, OutputTrack] = {}
        self.pump_track, self.local_oscillator_track = OutputTrack("W"), OutputTrack("W")
        self.set_shutter("pump", False)

    def _cavity(self, number: int, sensor: SensorTruth, piezo: PiezoChannel | None) -> SensorCavity:
        if piezo is None:  # built in, where it belongs
            piezo = PiezoChannel(0.0)
            piezo.drive(DESIGN_BIAS_V)
        readings = generator(self.truth.seed, f"sensor{number} transmission")
        return SensorCavity(sensor, piezo, self._wavelength_m, self.room, number - 1, readings)

    def _wavelength_m(self) -> float:
        """Return the wavelength of the light on the sensors, in m: of the tunable laser while it shines."""
        tuned_m = self.laser.wavelength_m() if self.laser.on else 0.0
        return tuned_m or DESIGN_WAVELENGTH_M

    def cavity_light(self, sensor: SensorPlant) -> float:
        """Return the power on a sensor over that of the probe by design; the tunable laser, which comes in where the
        probe does, takes its place while it shines."""
        if not self.laser.on:
            return sensor.probe_power_w / self._design_probe_w
        share = sensor.share / sensor.truth.weight if self.shutters["signal"] else 0.0
        return share * self.laser.power_w() / LASER_LIKE_PROBE_W

    def now(self) -> float:
        """Return lab time in s since the table was switched on."""
        return self._now

    def elapse(self, seconds: float) -> None:
        """Move lab time and the table on."""
        end = self._now + seconds
        while (self._ticks + 1) * TICK_S <= end + _SLACK_S:
            self._ticks += 1
            self._now = self._ticks * TICK_S
            self._advance()
        self._now = max(end, self._now)

    def attach(self, instrument: _Advancing) -> None:
        """Let an instrument act at every tick (sweeps, motion, ramps)."""
        self._instruments.append(instrument)

    def replace(self, instrument: object, wire: _Advancing) -> None:
        """Let `wire` act at every tick in place of the `instrument` behind it, which may not have acted."""
        if any(attached is instrument for attached in self._instruments):
            self._instruments = [wire if attached is instrument else attached for attached in self._instruments]
        else:
            self.attach(wire)

    def set_shutter(self, name: str, is_open: bool) -> None:
        """Open or close a shutter; shutters that the table does not know change nothing."""
        self.shutters[name] = is_open
        if name in self.shutter_tracks:
            self.shutter_tracks[name].at(float(is_open))
        self.source.pump_open = self.shutters["pump"]
        self.detectors.signal_open = self.shutters["signal"]
        self.detectors.local_oscillator_open = self.shutters["local_oscillator"]
        self._light_the_sensors()

    def _advance(self) -> None:
        self.disturber.advance(self._now)
        self.oven.advance()
        self.source.pump_dimmed = self.plates.dimmed("pump_power")
        self.source.crystal_c = self.oven.crystal_c + self.room.crystal_offset_k
        self.source.advance()
        self._light_the_sensors()
        for sensor in self.sensors:
            sensor.advance()
        if self._ticks % CREEP_TICKS == 0:
            self.oven.note_rate()
            for piezo in self._piezos:
                piezo.advance(CREEP_TICKS * TICK_S)
            for sensor in self.sensors:
                sensor.cavity.advance()
        for instrument in self._instruments:
            instrument.advance(self._now)

    def _light_the_sensors(self) -> None:
        probe_w = self._design_probe_w * self.source.probe_power_ratio() if self.shutters["signal"] else 0.0
        local_oscillator_w = self.local_oscillator_w() if self.shutters["local_oscillator"] else 0.0
        shares, extraction = self.plates.network_shares(), self.plates.extraction()
        for index, sensor in enumerate(self.sensors):
            sensor.share = float(shares[index])
            sensor.extraction = float(extraction[index])
            sensor.probe_power_w = probe_w * sensor.share / sensor.truth.weight
            sensor.local_oscillator_w = local_oscillator_w
            track = sensor.probe_track
            if not track.low <= sensor.probe_power_w <= track.high:
                track.seen(sensor.probe_power_w)
        if local_oscillator_w != self.local_oscillator_track.last:
            self.local_oscillator_track.at(local_oscillator_w)
        lit_w = self.truth.pump_power_w * self.room.light * self.source.pump_dimmed if self.source.pump_open else 0.0
        if lit_w != self.pump_track.last:
            self.pump_track.at(lit_w)

    def local_oscillator_w(self) -> float:
        """Return the power of the local oscillators in front of their shutter, in W each."""
        return self._local_oscillator_w * self.room.light * self.plates.dimmed("local_oscillator_power")

    def pump_w(self) -> float:
        """Return the power of the pump in front of its shutter, in W."""
        return self.truth.pump_power_w * self.room.light * self.plates.dimmed("pump_power")


class AnalyzerInput:
    """Implements `RfInput` and `RfLines`: the RF signal that the switch selects."""

    def __init__(self, detectors: Detectors, selected: Callable[[], str | None], floor_v2_per_hz: float = 0.0) -> None:
        self._detectors = detectors
        self._selected = selected
        self._floor_v2_per_hz = floor_v2_per_hz

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the one-sided PSD in V^2/Hz of what is connected now; an open switch gives nothing."""
        name = self._selected()
        if name == "sum":
            return self._detectors.summed_psd(frequency_hz, rbw_hz)
        if name is not None and name.startswith("bhd"):
            return self._detectors.output_psd(int(name.removeprefix("bhd")) - 1, frequency_hz, rbw_hz)
        return np.full(frequency_hz.shape, self._floor_v2_per_hz)

    def lines(self, start_hz: float, stop_hz: float) -> list[Line]:
        """Return the calibration tones from `start_hz` to `stop_hz` in what is connected now."""
        name = self._selected()
        if name == "sum":
            return self._detectors.summed_lines(start_hz, stop_hz)
        if name is not None and name.startswith("bhd"):
            return self._detectors.output_lines(int(name.removeprefix("bhd")) - 1, start_hz, stop_hz)
        return []


class DetectorInputs:
    """Implements `FastInputs` of the board that digitizes the detectors; `sensors` maps input numbers to detector
    indices."""

    def __init__(self, detectors: RecordSource, sensors: Mapping[int, int]) -> None:
        self._detectors = detectors
        self._sensors = dict(sensors)

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts, shape (len(inputs), samples); an input with no detector carries nothing."""
        volts = np.zeros((len(inputs), samples))
        wired = [row for row, number in enumerate(inputs) if number in self._sensors]
        if wired:
            chosen = [self._sensors[inputs[row]] for row in wired]
            volts[wired] = self._detectors.records(chosen, started_at, sample_rate_hz, samples, average)
        return volts


class LengthScan:
    """Implements `GeneratorPort` and `FastInputs` of the board that scans the source cavity and records its
    signals.

    A closed length loop works against what the generator adds and leaves noise; an open one stands still.
    """

    def __init__(
        self,
        source: SourcePlant,
        piezo: PiezoChannel,
        volts_per_volt: float,
        error_input: int,
        transmission_input: int,
        seed: int,
    ) -> None:
        self._source = source
        self._piezo = piezo
        self._volts_per_volt = volts_per_volt
        self._error_input = error_input
        self._transmission_input = transmission_input
        self._rng = generator(seed, "length scan")
        self._closed = LengthRecords(source, piezo, volts_per_volt, seed)
        self._waveform = Waveform()
        self.amplitude_track = OutputTrack("V")
        self._started_at = 0.0

    def generate(self, waveform: Waveform, started_at: float) -> None:
        """Take a new waveform over."""
        self._waveform = waveform
        self.amplitude_track.at(waveform.amplitude_v if waveform.on else 0.0)
        self._started_at = started_at

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return PDH error and transmission while the scan runs, shape (len(inputs), samples)."""
        time = started_at - self._started_at + np.arange(samples) / sample_rate_hz
        servo_v = self._source.length_servo.output_volts()
        noise_v = np.zeros(samples)
        if self._closed.loop().slope:
            sampling = Sampling(sample_rate_hz, samples, average)
            left_v, noise_v = self._closed.draw(self._waveform, time, started_at, sampling)
            piezo_v = self._piezo.motion_v(servo_v) + left_v
        else:
            piezo_v = self._piezo.motion_of(servo_v + self._volts_per_volt * self._waveform.volts(time))
        volts = SCAN_NOISE_V / math.sqrt(average) * self._rng.standard_normal((len(inputs), samples))
        for row, number in enumerate(inputs):
            if number == self._error_input:
                volts[row] += self._source.pdh_volts(piezo_v) + noise_v
            elif number == self._transmission_input:
                volts[row] += TRANSMISSION_V * self._source.transmission(piezo_v)
        return volts
