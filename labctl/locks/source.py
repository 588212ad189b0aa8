"""Lock the squeezed-light source: its cavity length by Pound-Drever-Hall, then the phase between seed and pump."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.fringe import FringeFit, fit_fringe
from labctl.locks.quality import Verdict, judge_level
from labctl.station.clock import Clock
from labctl.station.roles import LengthScan, Monitor, ScanRecord, Servo

COARSE_AMPLITUDE_V = 0.9
FINE_AMPLITUDE_V = 0.12
PEAK_OVER_NOISE = 12.0
SAME_HEIGHT = 0.8  # of the highest peak: another resonance of the same mode
LINE_SHARE = 0.5  # of the transmission peak: where the error signal is taken as linear
TRANSMISSION_SHARE = 0.85
SETTLE_S = 0.3
VERIFY_READINGS = 20
VERIFY_PERIOD_S = 0.05
START_GAIN_SHARE = 0.2
PHASE_SCAN_POINTS = 80
ERROR_POINTS = 8  # to either side of the amplifying point
TOP_SHARE = 0.9  # of the fringe: the seed must be amplified by at least this share of the way to the maximum


@dataclass(frozen=True)
class LengthCalibration:
    """Resonance of the source cavity: slope of the error signal in V/V at the servo, peak transmission in V, width in
    V."""

    slope: float
    peak_v: float
    width_v: float
    at: float


class LengthLock:
    """Find the resonance with the fast scan, centre on it, and close the servo on the PDH error."""

    def __init__(
        self, name: str, servo: Servo, scan: LengthScan, witness: Monitor, clock: Clock, *, unity_gain_hz: float
    ) -> None:
        self.name = name
        self.servo = servo
        self.calibration: LengthCalibration | None = None
        self.witness_at_lock_v = math.nan
        self._scan = scan
        self._witness = witness
        self._clock = clock
        self._unity_gain_hz = unity_gain_hz

    def acquire(self) -> Verdict:
        """Lock and return the verdict.

        Raises `LockError` when no resonance is in reach or the loop does not hold.
        """
        output = self._find()
        for _ in range(3):
            self.servo.set_output(output)
            self._clock.sleep(SETTLE_S)
            sweep = self._scan.sweep(FINE_AMPLITUDE_V)
            output += _peak_position(sweep)
        self.servo.set_output(output)
        self.calibration = self._calibrate(self._scan.sweep(FINE_AMPLITUDE_V))
        gain = 2.0 * math.pi * self._unity_gain_hz / self.calibration.slope
        self.servo.state()  # what its registers remember of earlier is not of this lock
        self.servo.close_loop(0.0, START_GAIN_SHARE * gain)
        self._clock.sleep(SETTLE_S)
        self.servo.close_loop(0.0, gain)
        self._clock.sleep(SETTLE_S)
        held = float(np.mean(self._scan.sweep(0.0).transmission_v))
        if held < TRANSMISSION_SHARE * self.calibration.peak_v:
            share = 100 * held / self.calibration.peak_v
            raise _opened(self, f"{self.name}: locked at {share:.0f} % of the peak transmission: not on resonance.")
        self.witness_at_lock_v = float(np.mean(self._read_witness()))
        return _held(self)

    def verify(self) -> Verdict:
        """Judge the loop by the transmitted light and the servo."""
        if self.calibration is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        return judge_level(
            self.name, self._read_witness(), self.witness_at_lock_v, self.servo.state(), self.servo.output_limit_v
        )

    def witness(self) -> float:
        """Return one reading of the transmission relative to that at lock."""
        return self._witness.volts() / self.witness_at_lock_v

    def _read_witness(self) -> list[float]:
        return _read(self._witness, self._clock)

    def _find(self) -> float:
        """Step the output through its range, scanning at each place, and return where the resonance nearest to the
        middle is, so that drift has room."""
        reach = self.servo.output_limit_v - COARSE_AMPLITUDE_V
        peaks: list[tuple[float, float]] = []  # height, output
        for output in np.arange(-reach, reach + 1e-9, 1.6 * COARSE_AMPLITUDE_V):
            self.servo.set_output(float(output))
            self._clock.sleep(SETTLE_S)
            sweep = self._scan.sweep(COARSE_AMPLITUDE_V)
            height = float(sweep.transmission_v.max())
            if height > PEAK_OVER_NOISE * _noise_v(sweep.transmission_v):
                peaks.append((height, float(output) + _peak_position(sweep)))
        if not peaks:
            raise _opened(
                self,
                f"{self.name}: no resonance anywhere in the range of the piezo.",
                remedy="Check the pump beam and its shutter.",
            )
        enough = SAME_HEIGHT * max(height for height, _ in peaks)
        return min((output for height, output in peaks if height >= enough), key=abs)

    def _calibrate(self, sweep: ScanRecord) -> LengthCalibration:
        peak = int(np.argmax(sweep.transmission_v))
        top = float(sweep.transmission_v[peak])
        near = sweep.transmission_v > LINE_SHARE * top
        width = float(np.ptp(sweep.servo_v[near]))
        central = near & (np.abs(sweep.servo_v - sweep.servo_v[peak]) < 0.25 * width)
        if int(central.sum()) < 5:
            raise _opened(
                self,
                f"{self.name}: the resonance is too narrow for the scan.",
                remedy="Check that the peak is one of the cavity.",
            )
        slope = float(np.polyfit(sweep.servo_v[central], sweep.error_v[central], 1)[0])
        return LengthCalibration(slope, top, width, self._clock.now())


class PumpPhaseLock:
    """Scan the pump phase, find where the seed is amplified, learn the error signal's slope there, and close the
    servo."""

    def __init__(self, name: str, servo: Servo, witness: Monitor, clock: Clock, *, unity_gain_hz: float) -> None:
        self.name = name
        self.servo = servo
        self.fit: FringeFit | None = None
        self.witness_at_lock_v = math.nan
        self._witness = witness
        self._clock = clock
        self._unity_gain_hz = unity_gain_hz

    def acquire(self) -> Verdict:
        """Lock at amplification and return the verdict.

        Raises `LockError` when there is no gain to see or the loop does not hold.
        """
        fit = self._scan()
        self.fit = fit
        top = self._amplifying_output(fit)
        volts_per_pi = fit.v_pi_at(top).value
        slope = self._error_amplitude(top, volts_per_pi) * math.pi / volts_per_pi
        self.servo.set_output(top)
        gain = 2.0 * math.pi * self._unity_gain_hz / slope
        self.servo.close_loop(0.0, START_GAIN_SHARE * gain)
        self._clock.sleep(SETTLE_S)
        self.servo.close_loop(0.0, gain)
        self._clock.sleep(SETTLE_S)
        level = float(np.mean(_read(self._witness, self._clock)))
        needed = fit.offset.value + TOP_SHARE * fit.amplitude.value
        if level < needed:
            raise _opened(
                self,
                f"{self.name}: the seed monitor is at {level:.3f} V, below the {needed:.3f} V of the amplifying point.",
            )
        self.witness_at_lock_v = level
        return _held(self)

    def verify(self) -> Verdict:
        """Judge the loop by the seed monitor and the servo."""
        if self.fit is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        readings = _read(self._witness, self._clock)
        return judge_level(self.name, readings, self.witness_at_lock_v, self.servo.state(), self.servo.output_limit_v)

    def witness(self) -> float:
        """Return one reading of the seed monitor relative to that at lock."""
        return self._witness.volts() / self.witness_at_lock_v

    def _scan(self) -> FringeFit:
        outputs = np.linspace(-0.5 * self.servo.output_limit_v, 0.5 * self.servo.output_limit_v, PHASE_SCAN_POINTS)
        self.servo.set_output(float(outputs[0]))
        self._clock.sleep(SETTLE_S)
        signal = self.servo.sweep(outputs, self._witness.volts)
        try:
            return fit_fringe(outputs, signal)
        except AnalysisRefused as refusal:
            raise _opened(
                self,
                f"{self.name}: no parametric gain in the scan. {str(refusal).removesuffix(refusal.remedy).rstrip()}",
                remedy="Check oven temperature and pump power.",
            ) from refusal

    def _amplifying_output(self, fit: FringeFit) -> float:
        outputs = np.linspace(-0.4 * self.servo.output_limit_v, 0.4 * self.servo.output_limit_v, 4001)
        phases = np.array([fit.phase_at(float(v)).value for v in outputs])
        distance = np.abs(phases - 2.0 * math.pi * np.round(phases / (2.0 * math.pi)))
        candidates = outputs[distance < 0.05]
        if candidates.size == 0:
            raise _opened(
                self, f"{self.name}: the scan holds no amplifying point.", remedy="Raise the servo's output limit."
            )
        return float(candidates[np.argmin(np.abs(candidates))])

    def _error_amplitude(self, top: float, volts_per_pi: float) -> float:
        """Return the amplitude of the error signal over one turn about the amplifying point, in V; positive where it
        rises there.

        The turn is walked upwards: piezos lag, so where a sine has its peaks cannot be jumped to.
        """
        below = [self._error_at(top - volts_per_pi * k / ERROR_POINTS) for k in range(ERROR_POINTS, 0, -1)]
        above = [self._error_at(top + volts_per_pi * k / ERROR_POINTS) for k in range(1, ERROR_POINTS + 1)]
        amplitude = 0.5 * (max(*below, *above) - min(*below, *above))
        return math.copysign(amplitude, sum(above) - sum(below))

    def _error_at(self, output: float) -> float:
        """Return the error signal (as measured, minus the set point) at one output."""
        self.servo.set_output(output)
        self._clock.sleep(SETTLE_S)
        return -self.servo.state().error_v


def _held(loop: LengthLock | PumpPhaseLock) -> Verdict:
    """Return the verdict on a loop that was just closed. Raises `LockError` when it is not locked."""
    verdict = loop.verify()
    if not verdict.locked:
        raise _opened(loop, verdict.reason)
    return verdict


def _opened(
    loop: LengthLock | PumpPhaseLock,
    message: str,
    remedy: str = "The loop was opened; it will be tried again while the step has retries.",
) -> LockError:
    """Open the loop, its output 0, and return the error to raise."""
    loop.servo.set_output(0.0)
    return LockError(message, remedy=remedy)


def _noise_v(signal: NDArray[np.float64]) -> float:
    """Return the noise of a scan in V: from the median deviation, and no less than one step of the converter."""
    deviation = float(np.median(np.abs(signal - np.median(signal)))) * 1.4826
    steps = np.diff(np.unique(signal))
    return max(deviation, float(steps.min()) if steps.size else 0.0)


def _peak_position(sweep: ScanRecord) -> float:
    """Return where the transmission peaks, in V from the present servo output."""
    return float(sweep.servo_v[int(np.argmax(sweep.transmission_v))])


def _read(monitor: Monitor, clock: Clock) -> list[float]:
    readings = []
    for _ in range(VERIFY_READINGS):
        readings.append(monitor.volts())
        clock.sleep(VERIFY_PERIOD_S)
    return readings
