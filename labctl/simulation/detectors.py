"""The homodyne detectors at radio frequency: spectra for the analyzer, sampled records for the digitizer, from one
slow state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.physics import homodyne
from labctl.simulation import detector_spectra
from labctl.simulation.baseband import Baseband
from labctl.simulation.detector_electronics import RF_VOLTS_PER_AMPERE
from labctl.simulation.detector_state import DetectorState, Electronics, MembraneModes
from labctl.simulation.membrane_drive import DRIVE, MembraneDrive, PiezoRing
from labctl.simulation.oscillator_tone import OscillatorModulator
from labctl.simulation.ports import Line
from labctl.simulation.probe_tone import DrivenTone, probe_tones
from labctl.simulation.records import Burst, Recorder
from labctl.simulation.sensor_plant import LightOnDetector, SensorPlant
from labctl.simulation.source_plant import SourcePlant
from labctl.simulation.truth import Truth


class Detectors:
    """Closed-form spectra and exact records of M detectors and of their analogue sum.

    `signal_open` and `local_oscillator_open` are the shutters, `tones` the outputs of generators by name, of which
    those that `Modulation` names drive the probe and `DRIVE` the membranes.
    """

    def __init__(
        self,
        truth: Truth,
        source: SourcePlant,
        sensors: Sequence[SensorPlant],
        light: LightOnDetector,
        tones: Mapping[str, DrivenTone] | None = None,
    ) -> None:
        self._truth = truth
        self._source = source
        self._sensors = tuple(sensors)
        self._light = light
        self._tones = {} if tones is None else tones
        self.signal_open = False
        self.local_oscillator_open = False
        each = [s.truth for s in sensors]
        self._gain = np.array([t.detector_gain for t in each])
        self._rejection = 10.0 ** (-np.array([t.common_mode_rejection_db for t in each]) / 20.0)
        self._propagation = np.array([t.propagation_efficiency for t in each])
        shot = self._shot_v2_per_hz(np.full(len(each), light.local_oscillator_w))
        self._electronics = Electronics(
            delay_s=np.array([t.delay_s for t in each]),
            dark_v2_per_hz=shot * 10.0 ** (np.array([t.dark_db for t in each]) / 10.0),
            usual_shot_v2_per_hz=shot,
        )
        # The second member of a degenerate pair, where it shows.
        self._pairs = np.array([n for n, t in enumerate(each) if t.doublet_share > 0.0], dtype=np.intp)
        self._split_hz = np.array([each[n].doublet_split_hz for n in self._pairs])
        self._pair_share = np.array([each[n].doublet_share for n in self._pairs])
        self._gamma_hz = np.array([t.gamma_hz for t in each] + [each[n].gamma_hz for n in self._pairs])
        self._recorder = Recorder(truth.seed, self._electronics, self._gamma_hz)
        self._ring = PiezoRing(truth.seed, len(each))
        self._modulator = OscillatorModulator(truth.seed)

    def output_psd(self, sensor: int, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the PSD of one detector (index from 0) in V^2/Hz, one-sided, through a Gaussian filter of width
        `rbw_hz`, without lines."""
        return detector_spectra.output_psd(self.state(), sensor, frequency_hz, rbw_hz)

    def summed_psd(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the PSD of the analogue sum, each input weighted by 1/sqrt(M), in V^2/Hz, one-sided, without
        lines."""
        return detector_spectra.summed_psd(self.state(), frequency_hz, rbw_hz)

    def output_lines(self, sensor: int, start_hz: float, stop_hz: float) -> list[Line]:
        """Return calibration tones and driven motion from `start_hz` to `stop_hz` at the output of one detector (index
        from 0)."""
        if self._no_tone_is_on():
            return []
        state = self.state()
        lines = [detector_spectra.output_line(state, sensor, tone) for tone in state.tones]
        lines += detector_spectra.driven_lines(state, sensor)
        lines += detector_spectra.oscillator_lines(state, sensor)
        return [line for line in lines if start_hz <= line.frequency_hz <= stop_hz]

    def summed_lines(self, start_hz: float, stop_hz: float) -> list[Line]:
        """Return calibration tones and driven motion from `start_hz` to `stop_hz` in the analogue sum."""
        if self._no_tone_is_on():
            return []
        state = self.state()
        lines = [detector_spectra.summed_line(state, tone) for tone in state.tones]
        lines += detector_spectra.driven_lines(state, None)
        lines += detector_spectra.oscillator_lines(state, None)
        return [line for line in lines if start_hz <= line.frequency_hz <= stop_hz]

    def _no_tone_is_on(self) -> bool:
        """Return whether no generator puts anything out: then there are no lines, and nothing to work out."""
        return not any(tone.waveform.on for tone in self._tones.values())

    def records(
        self, sensors: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts of the detectors `sensors` (indices from 0), shape (len(sensors), samples), sampled
        together; `average` raw samples make one."""
        volts = self._recorder.volts(self.state(), started_at, sample_rate_hz, samples, average)
        return volts[list(sensors)].astype(np.float64)

    def burst(self, started_at: float, sample_rate_hz: float, samples: int, full_scale_v: float = 1.0) -> Burst:
        """Return a long record of all detectors as 16 bit codes, raw samples that were averaged down to
        `sample_rate_hz`."""
        return self._recorder.burst(self.state(), started_at, sample_rate_hz, samples, full_scale_v)

    def baseband(self, center_hz: float, sample_rate_hz: float) -> Baseband:
        """Return the stream of a digital down-converter on all detectors, their slow state as it is now."""
        return Baseband(self.state(), self._truth.seed, center_hz, sample_rate_hz)

    def state(self) -> DetectorState:
        """Return the detectors as they are now."""
        squeezed, antisqueezed, source_jitter = self._source.quadratures()
        sensors = self._sensors
        angle = np.array([s.angle_from_squeezed_rad() for s in sensors])
        visibility = np.array([s.visibility() for s in sensors])
        worse = np.array([s.photodiode() for s in sensors])  # one photodiode of a pair; the other is as new
        sees = 0.5 * (1.0 + worse)  # of the photocurrent, and of the efficiency: amplitudes add, shot powers do
        lit_w = np.array([s.local_oscillator_w for s in sensors]) * self.local_oscillator_open
        leak = self._rejection + 0.5 * (1.0 - worse)
        efficiency = homodyne.detection_efficiency(self._propagation, self._light.quantum_efficiency, visibility)
        return DetectorState(
            electronics=self._electronics,
            squeezed=squeezed,
            antisqueezed=antisqueezed,
            share=np.array([s.share * s.extraction for s in sensors]) * efficiency * sees * self.signal_open,
            squeezed_angle_rad=angle + 0.5 * self._source.pump_phase_error_rad(),
            probe_angle_rad=angle,
            common_jitter_rad=float(np.hypot(source_jitter, self._truth.common_jitter_rad)),
            private_jitter_rad=np.hypot([s.residual_rad() for s in sensors], self._truth.private_jitter_rad),
            shot_v2_per_hz=self._shot_v2_per_hz(lit_w * sees),
            laser_leak=leak,
            fringe_v=self._fringe_v(lit_w, visibility) * sees,
            modes=self._modes(visibility, sees),
            tones=probe_tones(self._tones, self._truth.modulator_volts_per_pi),
            drive=self._drive(),
            oscillator_tone=self._modulator.tone(self._tones, leak * self._rf_volts(lit_w)),
        )

    def _drive(self) -> MembraneDrive | None:
        output = self._tones.get(DRIVE)
        return None if output is None else self._ring.drive(output.changes)

    def _rf_volts(self, local_oscillator_w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the currents of both photodiodes would give if they were added up, in V."""
        return np.asarray(RF_VOLTS_PER_AMPERE * self._gain * self._light.responsivity_a_per_w * local_oscillator_w)

    def _shot_v2_per_hz(self, local_oscillator_w: NDArray[np.float64]) -> NDArray[np.float64]:
        per_watt = homodyne.shot_noise_a2_per_hz(self._light.responsivity_a_per_w, 1.0)
        return np.asarray(per_watt * local_oscillator_w * (RF_VOLTS_PER_AMPERE * self._gain) ** 2)

    def _fringe_v(
        self, local_oscillator_w: NDArray[np.float64], visibility: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        probe_w = np.array([s.probe_power_w * s.extraction for s in self._sensors]) * self.signal_open
        amplitude_a = homodyne.fringe_amplitude_a(
            self._light.responsivity_a_per_w, 1.0, local_oscillator_w * probe_w, visibility
        )
        return np.asarray(RF_VOLTS_PER_AMPERE * self._gain * amplitude_a)

    def _modes(self, visibility: NDArray[np.float64], sees: NDArray[np.float64]) -> MembraneModes:
        each = self._sensors
        designed = np.array([s.truth.visibility for s in each])
        transduction = np.array([s.cavity.transduction for s in each])
        bright = self._source.probe_power_ratio() * self.signal_open
        light = np.array([s.share / s.truth.weight * s.extraction for s in each])
        peak = np.array([s.truth.peak_to_shot for s in each]) * bright * light * sees
        peak = peak * (transduction * visibility / designed) ** 2
        f0_hz = np.array([s.resonance_hz() for s in each])
        return MembraneModes(
            sensor=np.concatenate([np.arange(len(each)), self._pairs]),
            f0_hz=np.concatenate([f0_hz, f0_hz[self._pairs] + self._split_hz]),
            gamma_hz=self._gamma_hz,
            peak_to_shot=np.concatenate([peak, peak[self._pairs] * self._pair_share]),
        )
