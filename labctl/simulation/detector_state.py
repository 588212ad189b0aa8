"""M homodyne detectors at one moment of the slow table: what their spectra and their samples follow from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.shared_state import SharedState, shared_state
from labctl.simulation.membrane_drive import MembraneDrive
from labctl.simulation.oscillator_tone import OscillatorTone
from labctl.simulation.probe_tone import ProbeTone

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MembraneModes:
    """Mechanical modes near the analysis band, all arrays (K,): the first of every sensor, then those that a few have
    besides. `peak_to_shot` is A in the phase quadrature of the probe, with the light as it is."""

    sensor: NDArray[np.intp]
    f0_hz: FloatArray
    gamma_hz: FloatArray
    peak_to_shot: FloatArray


@dataclass(frozen=True, eq=False)
class Electronics:
    """What a detector has for life, arrays (M,): delay of its cable, white dark noise at its input, and the shot noise
    of the usual local oscillator behind its gain, which are the units of a baseband stream. V^2/Hz, one-sided."""

    delay_s: FloatArray
    dark_v2_per_hz: FloatArray
    usual_shot_v2_per_hz: FloatArray


@dataclass(frozen=True, eq=False)
class DetectorState:
    """Light on M detectors and what they make of it; arrays (M,).

    `share` is efficiency times network weight, `squeezed_angle_rad` the angle of the measured quadrature from the
    squeezed one, `probe_angle_rad` that from the phase quadrature of the probe. Jitters are rms: the common one shakes
    the ellipse for all, the private one the local oscillator of each. `laser_leak` is the amplitude of the laser's
    excess noise that the balance leaves, `fringe_v` the RF volts for one rad of probe phase, `drive` what shakes the
    membranes on purpose, `oscillator_tone` what shakes the power of the local oscillators.
    """

    electronics: Electronics
    squeezed: float
    antisqueezed: float
    share: FloatArray
    squeezed_angle_rad: FloatArray
    probe_angle_rad: FloatArray
    common_jitter_rad: float
    private_jitter_rad: FloatArray
    shot_v2_per_hz: FloatArray
    laser_leak: FloatArray
    fringe_v: FloatArray
    modes: MembraneModes
    tones: tuple[ProbeTone, ...] = ()
    drive: MembraneDrive | None = None
    oscillator_tone: OscillatorTone | None = None

    @property
    def count(self) -> int:
        """M."""
        return len(self.share)

    def light(self) -> SharedState:
        """Return the covariance of the detectors, shot noise = 1, averaged over the jitters."""
        return shared_state(
            self.squeezed,
            self.antisqueezed,
            self.share,
            self.squeezed_angle_rad,
            self.common_jitter_rad,
            self.private_jitter_rad,
        )

    def mode_peaks(self) -> FloatArray:
        """Return the peak of each mode over shot noise in the measured quadrature, A <cos^2>, shape (K,)."""
        kept = 0.5 * (1.0 + np.exp(-2.0 * self.private_jitter_rad**2) * np.cos(2.0 * self.probe_angle_rad))
        return np.asarray(self.modes.peak_to_shot * kept[self.modes.sensor])

    def tone_volts(self, tone: ProbeTone) -> FloatArray:
        """Return the amplitude of a tone in each detector in V, before its bandwidth, averaged over the jitter."""
        in_phase, in_amplitude = tone.per_angle()
        kept = np.exp(-0.5 * self.private_jitter_rad**2)
        angle = self.probe_angle_rad
        return np.asarray(self.fringe_v * kept * (in_phase * np.cos(angle) + in_amplitude * np.sin(angle)))

    def driven_volts(self) -> NDArray[np.complex128]:
        """Return the amplitude in V, with its phase, at which the drive moves the light on each detector, before its
        bandwidth, averaged over the jitter; (M,)."""
        volts = np.zeros(self.count, dtype=complex)
        if self.drive is not None:
            modes = self.modes
            # Twice the mean square of a line: A S_shot pi Gamma / 2.
            size_v = np.sqrt(modes.peak_to_shot * self.shot_v2_per_hz[modes.sensor] * np.pi * modes.gamma_hz)
            np.add.at(volts, modes.sensor, size_v * self.drive.steady(modes.sensor, modes.f0_hz, modes.gamma_hz))
        return np.asarray(volts * np.exp(-0.5 * self.private_jitter_rad**2) * np.cos(self.probe_angle_rad))
