"""What a homodyne loop leaves, measured while it holds: residual phase, unity gain, whether it swings, and how large
its fringe is now.

The loop is never opened for it. Its gain is lowered for a second and put back: how the noise changes shows the loop,
whatever that noise is. That shows the fringe's amplitude as well, for the unity gain of an integrator is in proportion
to the slope of its plant. A step of the set point would not: the fringe follows a set point in volts whatever its
amplitude, and the few millivolts by which the output of the servo then differs drown in the drift of the path within
the half second that its monitor takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused, LabError, LockError
from labctl.estimation.estimate import Estimate
from labctl.estimation.loop_gain import LoopGainFit, gain_from_noise
from labctl.estimation.loop_noise import (
    NoiseSpectrum,
    Oscillation,
    band_rms,
    error_spectrum,
    find_oscillation,
    true_residual,
)
from labctl.estimation.swept_sine import gain_from_swept_sine, sine_response
from labctl.locks.error_records import ErrorRecorder, SineInjection, settled, sweep_frequencies
from labctl.locks.homodyne import FringeCalibration
from labctl.spectra.trace import Band
from labctl.station.clock import Clock
from labctl.station.roles import Servo, ServoSetting

RECORDS: Final = 16
LOWER_GAIN: Final = 0.35  # of the full one: a program that dies now leaves a loop that can still be taken over
ROUNDED: Final = 1.5  # a gain within this factor of the lower one is the one that was asked for
SETTLE_S: Final = 0.2
BAND_OVER_UNITY_GAIN: Final = 10.0
FIT_SHARE: Final = 0.45  # of the sample rate
LINEAR_BELOW: Final = 0.95  # of the amplitude: where the arcsine of the fringe still tells a phase ...
LARGEST_SHARE_BEYOND: Final = 1e-3  # ... and how many samples may be beyond
SWING_LEAST: Final = 0.03  # of the amplitude, rms: a loop that swings does it by more
ACTUATOR_RELATIVE_SIGMA: Final = 0.05  # a piezo moves less for a small voltage than a scan says: hysteresis
SINE_RECORDS: Final = 4


@dataclass(frozen=True, eq=False)
class LoopNoise:
    """What was found of one loop, at lab time `at` (s).

    `residual` is the rms phase in rad that the loop leaves in the band that its convention names; `in_loop` what its
    own error signal claims. `offset` is the mean phase from the quadrature in rad: the set point against the calibrated
    middle of the fringe, signed as the phase. `spectrum` (true) and `error` (in loop) are in rad^2/Hz. `amplitude_v` is
    the amplitude of the fringe now as the loop's gain shows it, good to a few percent; its changes are better known,
    see `tracked_amplitude`.
    """

    at: float
    residual: Estimate
    in_loop: Estimate
    offset: Estimate
    spectrum: NoiseSpectrum
    error: NoiseSpectrum
    gain: LoopGainFit
    amplitude_v: Estimate


class HomodyneDiagnostics:
    """Measures one homodyne loop through its servo and the recorder of its error signal.

    `quadrature` is +1 or -1 as in `HomodyneLock`; `unity_gain_hz` what the loop was set up for.
    """

    def __init__(
        self,
        name: str,
        servo: Servo,
        recorder: ErrorRecorder,
        clock: Clock,
        *,
        quadrature: int,
        unity_gain_hz: float,
        records: int = RECORDS,
    ) -> None:
        self.name = name
        self._servo = servo
        self._recorder = recorder
        self._clock = clock
        self._quadrature = quadrature
        self._unity_gain_hz = unity_gain_hz
        self._records = records

    def detector_noise(self, calibration: FringeCalibration) -> NoiseSpectrum:
        """Return the noise of the detector in rad^2/Hz of this fringe: to be called while the signal is blocked and the
        loop is held."""
        volts = self._recorder.record(self._records)
        return self._spectrum(volts, "V").scaled(1.0 / calibration.amplitude_v, "rad")

    def measure(self, calibration: FringeCalibration, detector: NoiseSpectrum | None = None) -> LoopNoise:
        """Measure the loop, which has to hold.

        Without `detector` the residual is that of the loop's own error signal, and says so. Raises `LockError` where
        the servo is not closed as labctl closes it, where the fringe is left, and where the loop oscillates;
        `AnalysisRefused` where the noise does not show the loop.
        """
        setting = self._servo.setting()
        if setting is None:
            raise LockError(f"{self.name}: its servo is not closed as an integrator.", remedy="Lock it first.")
        at = self._clock.now()
        output_v = self._servo.output_v()
        volts = self._recorder.record(self._records)
        self._require_steady(volts, calibration)
        phase = self._phase(volts, calibration)
        error = self._spectrum(phase, "rad")
        lower = self._at_lower_gain(setting, calibration)
        gain = gain_from_noise(error, lower, LOWER_GAIN, self._fit_band())
        return self._report(at, phase, error, gain, calibration, detector, setting, output_v)

    def oscillation(self, calibration: FringeCalibration) -> Oscillation | None:
        """Return how the loop swings, in units of the fringe's amplitude; None where it does not."""
        return self._oscillation(self._recorder.record(self._records), calibration)

    def _oscillation(self, volts: NDArray[np.float64], calibration: FringeCalibration) -> Oscillation | None:
        spectrum = self._spectrum(volts, "V").scaled(1.0 / calibration.amplitude_v, "")
        return find_oscillation(spectrum, self._unity_gain_hz, least_rms=SWING_LEAST)

    def _require_steady(self, volts: NDArray[np.float64], calibration: FringeCalibration) -> None:
        swing = self._oscillation(volts, calibration)
        if swing is not None:
            raise LockError(
                f"{self.name} oscillates at {swing.frequency_hz:.0f} Hz, by {swing.rms:.2f} of its fringe rms.",
                remedy="Lower its unity_gain.",
            )
        u = (volts - calibration.offset_v) / calibration.amplitude_v
        beyond = float(np.mean(np.abs(u) > LINEAR_BELOW))
        if beyond > LARGEST_SHARE_BEYOND:
            raise LockError(
                f"{self.name}: the fringe is at its turning points for {100 * beyond:.1f} % of the time.",
                remedy="Lock it first; or calibrate it anew, where the light has changed.",
            )

    def _at_lower_gain(self, setting: ServoSetting, calibration: FringeCalibration) -> NoiseSpectrum:
        """Return the error signal in rad at `LOWER_GAIN`; the full gain is put back whatever happens."""
        lowered = ServoSetting(setting.setpoint_v, LOWER_GAIN * setting.integral_gain_per_s)
        try:
            self._servo.close_loop(lowered.setpoint_v, lowered.integral_gain_per_s)
            self._clock.sleep(SETTLE_S)
            volts = self._recorder.record(self._records)
        except BaseException:
            with suppress(LabError):  # the error that brought us here is the one to tell
                self._raise_again(setting, lowered)
            raise
        self._raise_again(setting, lowered)
        self._clock.sleep(SETTLE_S)
        return self._spectrum(self._phase(volts, calibration), "rad")

    def _raise_again(self, setting: ServoSetting, lowered: ServoSetting) -> None:
        """Put the full gain back, unless somebody else has the loop by now: one that was lost meanwhile is not ours."""
        found = self._servo.setting()
        if found is not None and found.integral_gain_per_s / lowered.integral_gain_per_s < ROUNDED:
            self._servo.close_loop(setting.setpoint_v, setting.integral_gain_per_s)

    def _report(
        self,
        at: float,
        phase: NDArray[np.float64],
        error: NoiseSpectrum,
        gain: LoopGainFit,
        calibration: FringeCalibration,
        detector: NoiseSpectrum | None,
        setting: ServoSetting,
        output_v: float,
    ) -> LoopNoise:
        true = error
        if detector is not None:
            open_loop = gain.model.gain(error.frequency_hz)
            true = true_residual(error, open_loop, detector, open_loop_relative_sigma=gain.unity_gain.relative_sigma)
        band = (float(error.frequency_hz[0]), min(BAND_OVER_UNITY_GAIN * gain.unity_gain.value, self._fit_band()[1]))
        scale = calibration.amplitude_sigma_v / calibration.amplitude_v
        how = "in loop, noise of the detector left in" if detector is None else "noise of the detector taken off"
        mean = float(phase.mean())
        within_records = float(phase.mean(axis=1).std()) / math.sqrt(max(1, phase.shape[0] - 1))
        offset_sigma = math.hypot(within_records, calibration.offset_sigma_v / calibration.amplitude_v)
        return LoopNoise(
            at=at,
            residual=_with_scale(band_rms(true, band), scale, how),
            in_loop=_with_scale(band_rms(error, band), scale, "in loop"),
            offset=Estimate(mean, offset_sigma, "rad", "mean phase from the middle of the fringe"),
            spectrum=true,
            error=error,
            gain=gain,
            amplitude_v=amplitude_from_gain(gain, setting, calibration.range.rad_per_v(output_v)),
        )

    def _phase(self, volts: NDArray[np.float64], calibration: FringeCalibration) -> NDArray[np.float64]:
        u = np.clip((volts - calibration.offset_v) / calibration.amplitude_v, -1.0, 1.0)
        return np.asarray(-self._quadrature * np.arcsin(u))

    def _spectrum(self, records: NDArray[np.float64], unit: str) -> NoiseSpectrum:
        return error_spectrum(records, self._recorder.sample_rate_hz, segment=self._recorder.samples // 2, unit=unit)

    def _fit_band(self) -> Band:
        bin_hz = 2.0 * self._recorder.sample_rate_hz / self._recorder.samples
        return (2.0 * bin_hz, FIT_SHARE * self._recorder.sample_rate_hz)


def amplitude_from_gain(gain: LoopGainFit, setting: ServoSetting, rad_per_v: float) -> Estimate:
    """Return the amplitude of the fringe in V from the loop: A = 2 pi f_u / (g k), with the servo's integral gain g in
    1/s and the turn k of the phase in rad per V of its output."""
    found = gain.parameters["integrator"]
    value = float(2.0 * math.pi * found.value / abs(setting.integral_gain_per_s * rad_per_v))
    relative = math.hypot(found.relative_sigma, ACTUATOR_RELATIVE_SIGMA)
    return Estimate(value, value * relative, "V", "fringe amplitude, from the unity gain of the closed loop")


def tracked_amplitude(calibration: FringeCalibration, then: LoopNoise, now: LoopNoise) -> Estimate:
    """Return the amplitude of the fringe now, in V, from that of the calibration and two measurements of the closed
    loop: one soon after the calibration, one now. What the actuator does is the same in both and cancels."""
    ratio = now.amplitude_v.value / then.amplitude_v.value
    relative = math.hypot(
        now.gain.parameters["integrator"].relative_sigma,
        then.gain.parameters["integrator"].relative_sigma,
        calibration.amplitude_sigma_v / calibration.amplitude_v,
    )
    value = ratio * calibration.amplitude_v
    return Estimate(value, abs(value) * relative, "V", "fringe amplitude, tracked by the unity gain")


def swept_sine_gain(
    injection: SineInjection,
    unity_gain_hz: float,
    amplitude_v: float,
    *,
    check_stop: Callable[[], None] = lambda: None,
) -> LoopGainFit:
    """Measure the loop of the source's length with a sine at nine frequencies about its unity gain; `amplitude_v` in V
    at the servo's output, a small part of the resonance.

    Raises `AnalysisRefused` where the sine does not stand above the noise.
    """
    frequencies, responses, sigmas = [], [], []
    for frequency_hz in sweep_frequencies(unity_gain_hz):
        check_stop()
        records, first = settled(injection.record(frequency_hz, amplitude_v, SINE_RECORDS))
        found = sine_response(records, injection.sample_rate_hz, frequency_hz, amplitude_v, first)
        frequencies.append(frequency_hz)
        responses.append(found.response)
        sigmas.append(found.sigma)
    if max(abs(r) for r in responses) < 3.0 * min(sigmas):
        raise AnalysisRefused("The sine does not show in the error signal.", remedy="Take a larger one; is it wired?")
    clock_sigma_s = 1.0 / injection.sample_rate_hz
    return gain_from_swept_sine(
        np.array(frequencies), np.array(responses), np.array(sigmas), clock_sigma_s=clock_sigma_s
    )


def _with_scale(found: Estimate, relative_sigma: float, how: str) -> Estimate:
    """Add the uncertainty of the fringe's amplitude, and say what the number is."""
    sigma = math.hypot(found.sigma, found.value * relative_sigma)
    return replace(found, sigma=sigma, convention=f"{found.convention}; {how}")
