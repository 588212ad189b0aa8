"""Lock the length of the source cavity to its pump by Pound-Drever-Hall."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from labctl.errors import LockError
from labctl.locks.loop import ActuatorState, Capabilities, Reading, Tolerance, Verdict
from labctl.locks.quality import judge_actuator
from labctl.locks.scan_look import ScanLook
from labctl.locks.servo_loop import OPENED, SETTLE_S, ServoLoop
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.station.clock import Clock
from labctl.station.roles import LengthScan, Monitor, ScanRecord, Servo, ServoSetting

COARSE_AMPLITUDE_V = 0.9
FINE_AMPLITUDE_V = 0.12
FINE_SCANS = 3
NEIGHBOUR_V = 1.6 * COARSE_AMPLITUDE_V
PEAK_OVER_NOISE = 12.0
SAME_HEIGHT = 0.8  # of the highest peak: another resonance of the same mode; sidebands and other modes are lower
LINE_SHARE = 0.5  # of the transmission peak: where the error signal is taken as linear
TRANSMISSION_SHARE = 0.85
HELD_SHARE = 0.3  # of the transmission at lock: below this no change of the light explains it
HELD_ERROR_LINEWIDTHS = 0.1
SEED_READINGS = 8
SEED_BRIGHT_V = 8e-3  # at the seed monitor: off double resonance it shows its noise

TOLERANCE = Tolerance(largest_error=math.inf, mean=math.inf, rms=math.inf, least_witness=TRANSMISSION_SHARE)


@dataclass(frozen=True)
class LengthCalibration:
    """Resonance of the source cavity: slope of the error signal in V/V at the servo, peak transmission in V, width in
    V, the output where it was found in V, transmission at the monitor in V as the last closer look found it and as the
    acquisition did; lab time in s."""

    slope: float
    peak_v: float
    width_v: float
    output_v: float
    monitor_v: float
    acquired_v: float
    at: float


class LengthLock(ServoLoop):
    """Find the resonance with the fast scan, centre on it, and close the servo on the PDH error.

    Every second resonance of the pump is one of the seed as well: where `seed` is dark on one, the next is taken.
    """

    unit = "linewidths"
    tolerance = TOLERANCE

    def __init__(
        self,
        name: str,
        servo: Servo,
        scan: LengthScan,
        witness: Monitor,
        clock: Clock,
        *,
        unity_gain_hz: float,
        seed: Monitor | None = None,
    ) -> None:
        # The next resonance of the pump is none of the seed, and that after it is out of reach: no unwinding.
        super().__init__(name, servo, clock, unity_gain_hz, Capabilities(holds_alone=True, unwinds=False))
        self.calibration: LengthCalibration | None = None
        self._last_held_v = 0.0
        self._scan = scan
        self._witness = witness
        self._seed = seed

    def read(self) -> Reading:
        """Look at the transmission relative to that at lock."""
        at_lock_v = math.nan if self.calibration is None else self.calibration.monitor_v
        return Reading(self._clock.now(), math.nan, self._witness.volts() / at_lock_v)

    def confirm(self) -> Verdict:
        """Look at the error signal itself: a loop on resonance with less light is locked, and remembers the light."""
        if self.calibration is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        monitor_v = self._witness.volts()
        share = monitor_v / self.calibration.acquired_v
        if not share > HELD_SHARE:
            return Verdict(False, f"{self.name}: its light is at {100 * share:.0f} % of that at lock.")
        record = self._scan.sweep(0.0)
        error_v = float(np.mean(record.error_v)) / share
        off = abs(error_v / (self.calibration.slope * self.calibration.width_v))
        if off > HELD_ERROR_LINEWIDTHS:
            return Verdict(False, f"{self.name}: sits {off:.2f} linewidths off its resonance.")
        self.servo.forget_conditions()
        verdict = judge_actuator(self.name, self._closer_look())
        if verdict.locked:
            self.calibration = replace(self.calibration, monitor_v=monitor_v)
        return verdict

    def actuator(self) -> ActuatorState:
        """Look at the output, and keep where it holds."""
        state = super().actuator()
        self._last_held_v = state.output_v
        return state

    def remembered(self) -> Mapping[str, float]:
        """Return the calibration."""
        return {} if self.calibration is None else asdict(self.calibration)

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""
        self.calibration = LengthCalibration(**remembered)
        self._last_held_v = self.calibration.output_v

    def _lock_point(self) -> ServoSetting | None:
        return None if self.calibration is None else ServoSetting(0.0, self._gain_for(self.calibration.slope))

    # ---- acquisition ------------------------------------------------------------------------------------------------

    def _acquiring(self, reach: Reach) -> Acquisition:
        if reach is Reach.EVERYWHERE or self.calibration is None:
            yield from self._brightest((yield from self._resonances()))
            return
        # A servo that lost its light has run away: look where it was when it was seen last.
        around_v = (0.0,) if reach is Reach.HERE else (-NEIGHBOUR_V, NEIGHBOUR_V)
        for offset_v in around_v:
            start_v = self._within_reach(self._last_held_v + offset_v, COARSE_AMPLITUDE_V)
            self.servo.set_output(start_v)
            yield Step(LockState.SCAN, SETTLE_S)
            sweep = self._scan.sweep(COARSE_AMPLITUDE_V)
            if sweep.transmission_v.max() > SAME_HEIGHT * self.calibration.peak_v * LINE_SHARE:
                yield from self._lock_at(start_v + _peak_position(sweep), scans=1, at_once=True)
                if self._seed is not None and self._seed_v(self._seed) < SEED_BRIGHT_V:
                    raise LockError(f"{self.name}: the seed is dark on the resonance found here.", remedy=OPENED)
                return
        raise LockError(f"{self.name}: no resonance near the last one, {self._last_held_v:+.2f} V.", remedy=OPENED)

    def _brightest(self, outputs: list[float]) -> Acquisition:
        """Lock on the resonance nearest to the middle; where the seed is dark there, on the one with most seed."""
        seeds = []
        for output_v in outputs:
            yield from self._lock_at(output_v)
            if self._seed is None or len(outputs) == 1:
                return
            seeds.append(self._seed_v(self._seed))
            if seeds[-1] > SEED_BRIGHT_V:
                return
        best = int(np.argmax(seeds))
        if best != len(outputs) - 1:
            yield from self._lock_at(outputs[best])

    def _lock_at(self, output_v: float, scans: int = FINE_SCANS, *, at_once: bool = False) -> Acquisition:
        """Centre on the resonance near `output_v`, learn its error signal, and close."""
        for _ in range(scans):
            self.servo.set_output(output_v)
            yield Step(LockState.APPROACH, SETTLE_S)
            output_v = self._within_reach(output_v + _peak_position(self._scan.sweep(FINE_AMPLITUDE_V)), 0.0)
        self.servo.set_output(output_v)
        sweep = self._scan.sweep(FINE_AMPLITUDE_V)
        self.calibration = self._calibrate(sweep, output_v)
        self.scan_look = self._look_of(sweep)
        point = self._lock_point()
        assert point is not None
        yield from self._close(point, at_once=at_once)
        held_v = float(np.mean(self._scan.sweep(0.0).transmission_v))
        if held_v < TRANSMISSION_SHARE * self.calibration.peak_v:
            share = 100 * held_v / self.calibration.peak_v
            self._fail(f"{self.name}: locked at {share:.0f} % of the peak transmission: not on resonance.", OPENED)
        monitor_v = float(np.mean([self._witness.volts() for _ in range(SEED_READINGS)]))
        self.calibration = replace(self.calibration, monitor_v=monitor_v, acquired_v=monitor_v, at=self._clock.now())
        self._last_held_v = output_v

    def _seed_v(self, seed: Monitor) -> float:
        return float(np.mean([seed.volts() for _ in range(SEED_READINGS)]))

    def _resonances(self) -> Generator[Step, None, list[float]]:
        """Step the output through its range, scanning at each place, and return where the resonances of the highest
        mode are, that nearest to the middle first, so that drift has room."""
        reach_v = self.servo.output_limit_v - COARSE_AMPLITUDE_V
        peaks: list[tuple[float, float]] = []  # height, output
        for output in np.arange(-reach_v, reach_v + 1e-9, 1.6 * COARSE_AMPLITUDE_V):
            self.servo.set_output(float(output))
            yield Step(LockState.SCAN, SETTLE_S)
            sweep = self._scan.sweep(COARSE_AMPLITUDE_V)
            height = float(sweep.transmission_v.max())
            if height > PEAK_OVER_NOISE * _noise_v(sweep.transmission_v):
                peaks.append((height, float(output) + _peak_position(sweep)))
        yield Step(LockState.FIT)
        if not peaks:
            self._fail(
                f"{self.name}: no resonance anywhere in the range of the piezo.", "Check the pump beam and its shutter."
            )
        enough = SAME_HEIGHT * max(height for height, _ in peaks)
        outputs = sorted((output for height, output in peaks if height >= enough), key=abs)
        apart = [v for i, v in enumerate(outputs) if all(abs(v - w) > COARSE_AMPLITUDE_V for w in outputs[:i])]
        return [self._within_reach(output, 0.0) for output in apart]

    def _calibrate(self, sweep: ScanRecord, output_v: float) -> LengthCalibration:
        peak = int(np.argmax(sweep.transmission_v))
        top = float(sweep.transmission_v[peak])
        near = sweep.transmission_v > LINE_SHARE * top
        width = float(np.ptp(sweep.servo_v[near]))
        central = near & (np.abs(sweep.servo_v - sweep.servo_v[peak]) < 0.25 * width)
        if int(central.sum()) < 5:
            self._fail(
                f"{self.name}: the resonance is too narrow for the scan.", "Check that the peak is one of the cavity."
            )
        slope = float(np.polyfit(sweep.servo_v[central], sweep.error_v[central], 1)[0])
        return LengthCalibration(slope, top, width, output_v, math.nan, math.nan, self._clock.now())

    def _look_of(self, sweep: ScanRecord) -> ScanLook:
        """Return the error signal over the scan, with the slope at the resonance as its fit."""
        assert self.calibration is not None
        away_v = sweep.servo_v - _peak_position(sweep)
        near = np.abs(away_v) < 0.25 * self.calibration.width_v
        line = np.where(near, self.calibration.slope * away_v, math.nan)
        numbers = (
            f"slope = {self.calibration.slope:.3g} V/V",
            f"width = {1e3 * self.calibration.width_v:.0f} mV of servo output",
            f"transmission = {self.calibration.peak_v:.3f} V",
        )
        return ScanLook(
            "Pound-Drever-Hall error", "scan", "error", sweep.servo_v, sweep.error_v, line, numbers, self._clock.now()
        )

    def _within_reach(self, output_v: float, amplitude_v: float) -> float:
        limit_v = self.servo.output_limit_v - amplitude_v
        return min(max(output_v, -limit_v), limit_v)

    def _fail(self, message: str, remedy: str = OPENED) -> NoReturn:
        raise LockError(message, remedy=remedy)


def _noise_v(signal: NDArray[np.float64]) -> float:
    """Return the noise of a scan in V: from the median deviation, and no less than one step of the converter."""
    deviation = float(np.median(np.abs(signal - np.median(signal)))) * 1.4826
    steps = np.diff(np.unique(signal))
    return max(deviation, float(steps.min()) if steps.size else 0.0)


def _peak_position(sweep: ScanRecord) -> float:
    """Return where the transmission peaks, in V from the present servo output."""
    return float(sweep.servo_v[int(np.argmax(sweep.transmission_v))])
