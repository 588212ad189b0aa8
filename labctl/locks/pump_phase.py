"""Lock the phase between seed and pump where the seed is amplified."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.fringe import FringeFit, fit_fringe
from labctl.estimation.parametric_gain import ParametricGain, gain_of_scan
from labctl.locks.loop import Capabilities, Reading, Tolerance, Verdict
from labctl.locks.quality import judge_actuator
from labctl.locks.scan_look import fringe_look
from labctl.locks.servo_loop import OPENED, SETTLE_S
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.locks.turning_loop import TurningLoop
from labctl.locks.unwinding import RangeOfFringes
from labctl.station.clock import Clock
from labctl.station.roles import Monitor, Servo, ServoSetting

SCAN_POINTS = 80
ERROR_POINTS = 8  # to either side of the amplifying point
TOP_SHARE = 0.9  # of the fringe: the seed must be amplified by at least this share of the way to the maximum
LEVEL_READINGS = 20
FEW_READINGS = 5
LEVEL_PERIOD_S = 0.05
HELD_SHARE = 0.35  # of the seed at lock: only an amplifying loop has so much, whatever the laser's power
BRIGHTER_SHARE = 1.6  # more pump than at the scan makes the error signal steeper, by more than this
HELD_ERROR = 0.2  # of the amplitude of the error signal

TOLERANCE = Tolerance(largest_error=math.inf, mean=math.inf, rms=math.inf, least_witness=0.85)


@dataclass(frozen=True)
class PumpPhaseCalibration:
    """Signed amplitude of the error signal in V, phase over the output (see `RangeOfFringes`), seed monitor in V
    as the last closer look found it and as the acquisition did, lab time in s."""

    error_v: float
    turn_rad_per_v: float
    bow_rad_per_v2: float
    seed_v: float
    acquired_v: float
    at: float

    @property
    def range(self) -> RangeOfFringes:
        """How the phase goes with the output."""
        return RangeOfFringes(self.turn_rad_per_v, self.bow_rad_per_v2)


class PumpPhaseLock(TurningLoop):
    """Scan the pump phase, find where the seed is amplified, learn the error signal's slope there, and close the
    servo."""

    tolerance = TOLERANCE

    def __init__(self, name: str, servo: Servo, witness: Monitor, clock: Clock, *, unity_gain_hz: float) -> None:
        super().__init__(name, servo, clock, unity_gain_hz, Capabilities(holds_alone=True, unwinds=True))
        self.fit: FringeFit | None = None
        self.gain: ParametricGain | None = None  # of the seed in the last scan
        self.calibration: PumpPhaseCalibration | None = None
        self._witness = witness

    def read(self) -> Reading:
        """Look at the seed monitor relative to that at lock."""
        at_lock_v = math.nan if self.calibration is None else self.calibration.seed_v
        return Reading(self._clock.now(), math.nan, self._witness.volts() / at_lock_v)

    def confirm(self) -> Verdict:
        """Look at the servo's own error: a loop that holds with less light is locked, and remembers the light."""
        if self.calibration is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        seed_v = self._witness.volts()
        share = seed_v / self.calibration.acquired_v
        if not share > HELD_SHARE:
            return Verdict(False, f"{self.name}: the seed is at {100 * share:.0f} % of that at lock.")
        self.servo.forget_conditions()
        state, limit_v = self.servo.state(), self.servo.output_limit_v
        if abs(state.error_v) > HELD_ERROR * abs(self.calibration.error_v):
            return Verdict(False, f"{self.name}: its error signal is at {state.error_v:+.3f} V.")
        if not state.closed or state.at_limit or abs(state.output_v) > limit_v * 0.99:
            return judge_actuator(self.name, self._closer_look())
        self.calibration = replace(self.calibration, seed_v=seed_v)
        return Verdict(True)

    @property
    def _range(self) -> RangeOfFringes | None:
        return None if self.calibration is None else self.calibration.range

    def remembered(self) -> Mapping[str, float]:
        """Return the calibration."""
        return {} if self.calibration is None else asdict(self.calibration)

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""
        self.calibration = PumpPhaseCalibration(**remembered)

    def half_a_turn_away(self, output_v: float) -> tuple[float, ServoSetting]:
        """Return output and setting of the point at which the seed is de-amplified, half a turn from the lock point at
        `output_v`, towards the middle of the range. Raises `LockError` for a loop that was never calibrated."""
        if self.calibration is None:
            raise LockError(f"{self.name}: never calibrated.", remedy="Lock it first.")
        away_v = output_v - math.copysign(math.pi / self.calibration.range.rad_per_v(output_v), output_v)
        point = self._lock_point_at(away_v, self.calibration)
        return away_v, ServoSetting(point.setpoint_v, -point.integral_gain_per_s)

    def _lock_point(self) -> ServoSetting | None:
        return None if self.calibration is None else self._lock_point_at(0.0, self.calibration)

    def _lock_point_at(self, output_v: float, calibration: PumpPhaseCalibration) -> ServoSetting:
        return ServoSetting(0.0, self._gain_for(calibration.error_v * calibration.range.rad_per_v(output_v)))

    # ---- acquisition ------------------------------------------------------------------------------------------------

    def _acquiring(self, reach: Reach) -> Acquisition:
        if reach is Reach.HERE and self.calibration is not None:
            top_v = self._centre()
            needed_v = HELD_SHARE * self.calibration.acquired_v
            readings = FEW_READINGS
        else:
            fit = self.fit = yield from self._scanned()
            top_v = self._amplifying_output(fit)
            needed_v = fit.offset.value + TOP_SHARE * fit.amplitude.value
            readings = LEVEL_READINGS
            yield from self._calibrate(fit, top_v)
        assert self.calibration is not None
        yield from self._close(self._lock_point_at(top_v, self.calibration), at_once=reach is Reach.HERE)
        levels = []
        for _ in range(readings):
            levels.append(self._witness.volts())
            yield Step(LockState.TIGHTEN, LEVEL_PERIOD_S)
        level_v = float(np.mean(levels))
        if level_v < needed_v:
            raise LockError(
                f"{self.name}: the seed monitor is at {level_v:.3f} V, below the {needed_v:.3f} V of the amplifying "
                "point.",
                remedy=OPENED,
            )
        if reach is Reach.HERE and level_v > BRIGHTER_SHARE * self.calibration.acquired_v:
            raise LockError(
                f"{self.name}: the seed is amplified more than when the error signal was learnt.", remedy=OPENED
            )
        acquired_v = self.calibration.acquired_v if reach is Reach.HERE else level_v
        self.calibration = replace(self.calibration, seed_v=level_v, acquired_v=acquired_v, at=self._clock.now())

    def _scanned(self) -> Generator[Step, None, FringeFit]:
        outputs = np.linspace(-0.5 * self.servo.output_limit_v, 0.5 * self.servo.output_limit_v, SCAN_POINTS)
        self.servo.set_output(float(outputs[0]))
        yield Step(LockState.SCAN, SETTLE_S)
        signal = []
        for volts in self.servo.sweeping(outputs, self._witness.volts):
            signal.append(volts)
            yield Step(LockState.SCAN)
        yield Step(LockState.FIT)
        try:
            fit = fit_fringe(outputs, np.array(signal))
        except AnalysisRefused as refusal:
            raise LockError(
                f"{self.name}: no parametric gain in the scan. {str(refusal).removesuffix(refusal.remedy).rstrip()}",
                remedy="Check oven temperature and pump power.",
            ) from refusal
        try:
            self.gain = gain_of_scan(fit, outputs, np.array(signal))
        except AnalysisRefused:  # it locks all the same
            self.gain = None
        self.scan_look = fringe_look("parametric gain", "seed", outputs, np.array(signal), fit, self._clock.now())
        return fit

    def _amplifying_output(self, fit: FringeFit) -> float:
        outputs = np.linspace(-0.4 * self.servo.output_limit_v, 0.4 * self.servo.output_limit_v, 4001)
        phases = np.array([fit.phase_at(float(v)).value for v in outputs])
        distance = np.abs(phases - 2.0 * math.pi * np.round(phases / (2.0 * math.pi)))
        candidates = outputs[distance < 0.05]
        if candidates.size == 0:
            raise LockError(
                f"{self.name}: the scan holds no amplifying point.", remedy="Raise the servo's output limit."
            )
        return float(candidates[np.argmin(np.abs(candidates))])

    def _calibrate(self, fit: FringeFit, top_v: float) -> Acquisition:
        """Learn the amplitude of the error signal over one turn about the amplifying point, in V; positive where it
        rises there.

        The turn is walked upwards: piezos lag, so where a sine has its peaks cannot be jumped to.
        """
        volts_per_pi = fit.v_pi_at(top_v).value
        errors = []
        for k in (*range(-ERROR_POINTS, 0), *range(1, ERROR_POINTS + 1)):
            self.servo.set_output(top_v + volts_per_pi * k / ERROR_POINTS)
            yield Step(LockState.APPROACH, SETTLE_S)
            errors.append(-self.servo.state().error_v)
        amplitude_v = 0.5 * (max(errors) - min(errors))
        rises = sum(errors[ERROR_POINTS:]) > sum(errors[:ERROR_POINTS])
        slopes = [math.pi / fit.v_pi_at(v).value for v in (-1.0, 1.0)]
        self.calibration = PumpPhaseCalibration(
            error_v=amplitude_v if rises else -amplitude_v,
            turn_rad_per_v=0.5 * (slopes[0] + slopes[1]),
            bow_rad_per_v2=0.25 * (slopes[1] - slopes[0]),
            seed_v=math.nan,
            acquired_v=math.nan,
            at=self._clock.now(),
        )
        self.servo.set_output(top_v)
