"""Lock the phase of a local oscillator at +pi/2 or -pi/2 on the DC fringe of its detector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.fringe import FringeFit, fit_fringe, levels_of_turning_fringe
from labctl.locks.quality import Verdict, judge_fringe
from labctl.station.clock import Clock
from labctl.station.roles import Monitor, Servo

SCANS = 5
SCAN_POINTS = 64
SCAN_SHARE = 0.4  # of the servo's range: three or four fringes in two seconds, faster than the path drifts
CENTRE_SHARE = 0.35  # start within this share of the range, so that drift has room
START_GAIN_SHARE = 0.2  # of the final unity gain
SETTLE_S = 0.3
VERIFY_READINGS = 25
VERIFY_PERIOD_S = 0.05
ON_SLOPE = 0.4  # engage where the normalised signal is below this
APPROACH_STEPS = 12
NEAR_QUADRATURE_RAD = 0.05


@dataclass(frozen=True)
class FringeCalibration:
    """What the scans said: levels in V at the detector, V_pi in V at the servo, when (lab time, s)."""

    offset_v: float
    offset_sigma_v: float
    amplitude_v: float
    amplitude_sigma_v: float
    volts_per_pi: float
    at: float

    def normalised(self, volts: float) -> float:
        """Return u = (y - offset) / amplitude: the cosine of the phase."""
        return (volts - self.offset_v) / self.amplitude_v


class HomodyneLock:
    """One loop: scan and fit, approach the chosen zero, close at low gain, raise it, verify.

    `quadrature` is +1 for +pi/2 (the signal falls with phase there) and -1 for -pi/2. Phase grows with the servo
    output.
    """

    def __init__(
        self, name: str, servo: Servo, monitor: Monitor, clock: Clock, *, quadrature: int, unity_gain_hz: float
    ) -> None:
        self.name = name
        self.servo = servo
        self.calibration: FringeCalibration | None = None
        self._monitor = monitor
        self._clock = clock
        self._quadrature = quadrature
        self._unity_gain_hz = unity_gain_hz

    def acquire(self) -> Verdict:
        """Lock, and return the verdict of the check afterwards.

        Raises `LockError` when there is no fringe to lock on or the loop does not hold; the servo is then left open,
        its output 0.
        """
        try:
            return self._acquire()
        except AnalysisRefused as refusal:
            self.servo.set_output(0.0)
            finding = str(refusal).removesuffix(refusal.remedy).rstrip()
            raise LockError(f"{self.name}: {finding}", remedy=refusal.remedy) from refusal
        except LockError:
            self.servo.set_output(0.0)
            raise

    def _acquire(self) -> Verdict:
        scans = [self._scan() for _ in range(SCANS)]
        fits = [fit_fringe(outputs, signal) for outputs, signal in scans]
        fit = fits[-1]
        self.calibration = self._calibrate(fits, [signal for _, signal in scans])
        target = self._zero_crossing(fit)
        self._approach(target, fit.v_pi.value)
        slope = -self._quadrature * self.calibration.amplitude_v * math.pi / fit.v_pi_at(target).value
        gain = 2.0 * math.pi * self._unity_gain_hz / slope
        self.servo.state()  # what its registers remember of earlier is not of this lock
        self.servo.close_loop(self.calibration.offset_v, START_GAIN_SHARE * gain)
        self._clock.sleep(SETTLE_S)
        self.servo.close_loop(self.calibration.offset_v, gain)
        self._clock.sleep(SETTLE_S)
        verdict = self.verify()
        if not verdict.locked:
            raise LockError(
                verdict.reason, remedy="The loop was opened; it will be tried again while the step has retries."
            )
        return verdict

    def verify(self) -> Verdict:
        """Judge the loop from a window of readings now."""
        if self.calibration is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        readings = []
        for _ in range(VERIFY_READINGS):
            readings.append(self.calibration.normalised(self._monitor.volts()))
            self._clock.sleep(VERIFY_PERIOD_S)
        return judge_fringe(self.name, readings, self.servo.state(), self.servo.output_limit_v)

    def witness(self) -> float:
        """Return one reading of the normalised fringe signal; nan before the first calibration."""
        return self.calibration.normalised(self._monitor.volts()) if self.calibration else math.nan

    def _scan(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Step the output through part of its range, always upwards; return outputs and readings in V."""
        reach = SCAN_SHARE * self.servo.output_limit_v
        outputs = np.linspace(-reach, reach, SCAN_POINTS)
        self.servo.set_output(float(outputs[0]))
        self._clock.sleep(SETTLE_S)
        return outputs, self.servo.sweep(outputs, self._monitor.volts)

    def _calibrate(self, fits: list[FringeFit], signals: list[NDArray[np.float64]]) -> FringeCalibration:
        """Return medians over the scans, levels from the arcsine law: the path shakes far more than the detector is
        noisy."""
        offsets, amplitudes = (np.array(level) for level in zip(*map(levels_of_turning_fringe, signals), strict=True))
        spread = 1.0 / math.sqrt(len(signals))
        return FringeCalibration(
            offset_v=float(np.median(offsets)),
            offset_sigma_v=float(np.std(offsets, ddof=1)) * spread,
            amplitude_v=float(np.median(amplitudes)),
            amplitude_sigma_v=float(np.std(amplitudes, ddof=1)) * spread,
            volts_per_pi=float(np.median([fit.v_pi.value for fit in fits])),
            at=self._clock.now(),
        )

    def _zero_crossing(self, fit: FringeFit) -> float:
        """Return the output nearest to the middle of the range where the phase is the chosen quadrature."""
        reach = CENTRE_SHARE * self.servo.output_limit_v
        outputs = np.linspace(-reach, reach, 4001)
        phases = np.array([fit.phase_at(float(v)).value for v in outputs])
        distance = phases - self._quadrature * 0.5 * math.pi
        distance = np.abs(distance - 2.0 * math.pi * np.round(distance / (2.0 * math.pi)))
        candidates = outputs[distance < NEAR_QUADRATURE_RAD]
        if candidates.size == 0:
            raise LockError(
                f"{self.name}: the scan holds no point at the wanted quadrature.",
                remedy="Raise the servo's output limit.",
            )
        return float(candidates[np.argmin(np.abs(candidates))])

    def _approach(self, target: float, volts_per_pi: float) -> None:
        """Come from below and stop on the slope; the path moves while we look, so look again at every step."""
        assert self.calibration is not None
        output = target - 0.5 * volts_per_pi
        self.servo.set_output(output)
        self._clock.sleep(SETTLE_S)
        before = self.calibration.normalised(self._monitor.volts())
        step = volts_per_pi / APPROACH_STEPS
        for _ in range(3 * APPROACH_STEPS):
            output += step
            self.servo.set_output(output)
            now = self.calibration.normalised(self._monitor.volts())
            rising = now > before
            if abs(now) < ON_SLOPE and rising == (self._quadrature < 0) and abs(now - before) > 0.05:
                return
            before = now
        raise LockError(
            f"{self.name}: no zero of the right slope near {target:+.2f} V.",
            remedy="The path drifts too fast to follow.",
        )
