"""Lock the phase of a local oscillator at +pi/2 or -pi/2 on the DC fringe of its detector."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.errors import LockError
from labctl.estimation.fringe import FringeFit, fit_fringe, levels_of_turning_fringe
from labctl.locks.loop import Capabilities, Reading, Tolerance
from labctl.locks.scan_look import fringe_look
from labctl.locks.servo_loop import SETTLE_S
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.locks.turning_loop import TurningLoop
from labctl.locks.unwinding import RangeOfFringes
from labctl.station.clock import Clock
from labctl.station.roles import Monitor, Servo, ServoSetting

SCANS = 5
SCAN_POINTS = 64
SCAN_SHARE = 0.4  # of the servo's range: three or four fringes in two seconds, faster than the path drifts
CENTRE_SHARE = 0.35  # start within this share of the range, so that drift has room
ON_SLOPE = 0.4  # engage where the normalised signal is below this
APPROACH_STEPS = 12
NEAR_QUADRATURE_RAD = 0.05
ENGAGED_READINGS = 5
ENGAGED_RMS = 0.5  # of the amplitude; a free fringe has 0.71

TOLERANCE = Tolerance(
    largest_error=0.36,  # rad: the loop is still on its slope
    mean=0.15,  # a free fringe has mean 0 too, so the rms counts as well
    rms=0.35,
    least_witness=0.0,
)


@dataclass(frozen=True)
class FringeCalibration:
    """What the scans said: levels in V at the detector, V_pi in V at the servo, when (lab time, s).

    The phase is `turn_rad_per_v` v + `bow_rad_per_v2` v^2 up to a constant, v in V at the servo.
    """

    offset_v: float
    offset_sigma_v: float
    amplitude_v: float
    amplitude_sigma_v: float
    volts_per_pi: float
    turn_rad_per_v: float
    bow_rad_per_v2: float
    at: float

    def normalised(self, volts: float) -> float:
        """Return u = (y - offset) / amplitude: the cosine of the phase."""
        return (volts - self.offset_v) / self.amplitude_v

    @property
    def range(self) -> RangeOfFringes:
        """How the phase goes with the output."""
        return RangeOfFringes(self.turn_rad_per_v, self.bow_rad_per_v2)


class HomodyneLock(TurningLoop):
    """One loop: scan and fit, approach the chosen zero, close at low gain, raise it.

    `quadrature` is +1 for +pi/2 (the signal falls with phase there) and -1 for -pi/2. Phase grows with the servo
    output.
    """

    tolerance = TOLERANCE

    def __init__(
        self, name: str, servo: Servo, monitor: Monitor, clock: Clock, *, quadrature: int, unity_gain_hz: float
    ) -> None:
        super().__init__(name, servo, clock, unity_gain_hz, Capabilities(holds_alone=True, unwinds=True))
        self.calibration: FringeCalibration | None = None
        self.quadrature = quadrature
        self._monitor = monitor

    def read(self) -> Reading:
        """Look at the fringe once: the error in rad of phase, positive where the phase is too large."""
        volts = self._monitor.volts()
        if self.calibration is None:
            return Reading(self._clock.now(), math.nan, math.nan)
        u = min(max(self.calibration.normalised(volts), -1.0), 1.0)
        return Reading(self._clock.now(), -self.quadrature * math.asin(u), math.nan)

    @property
    def _range(self) -> RangeOfFringes | None:
        return None if self.calibration is None else self.calibration.range

    def remembered(self) -> Mapping[str, float]:
        """Return the calibration."""
        return {} if self.calibration is None else asdict(self.calibration)

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""
        self.calibration = FringeCalibration(**remembered)

    def _lock_point(self) -> ServoSetting | None:
        return None if self.calibration is None else self._lock_point_at(0.0, self.calibration)

    def _lock_point_at(self, output_v: float, calibration: FringeCalibration) -> ServoSetting:
        slope = -self.quadrature * calibration.amplitude_v * calibration.range.rad_per_v(output_v)
        return ServoSetting(calibration.offset_v, self._gain_for(slope))

    # ---- acquisition ------------------------------------------------------------------------------------------------

    def _acquiring(self, reach: Reach) -> Acquisition:
        if reach is not Reach.HERE or self.calibration is None:
            target = yield from self._calibrated(1 if reach is Reach.NEARBY and self.calibration else SCANS)
            yield from self._approach(target)
        assert self.calibration is not None
        centred_v = self._centre()
        yield from self._close(self._lock_point_at(centred_v, self.calibration), at_once=reach is Reach.HERE)

    def _calibrated(self, scans: int) -> Generator[Step, None, float]:
        """Scan, fit, keep the calibration, and return the output to lock at."""
        recorded = [(yield from self._scan())]
        while len(recorded) < scans:
            recorded.append((yield from self._scan()))
        yield Step(LockState.FIT)
        fits = [fit_fringe(outputs, signal) for outputs, signal in recorded]
        self.calibration = self._calibrate(fits, [signal for _, signal in recorded])
        self.scan_look = fringe_look(
            "fringe of the local oscillator", "DC level", *recorded[-1], fits[-1], self._clock.now()
        )
        return self._zero_crossing(fits[-1])

    def _scan(self) -> Generator[Step, None, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Step the output through part of its range, always upwards; return outputs and readings in V."""
        reach_v = SCAN_SHARE * self.servo.output_limit_v
        outputs = np.linspace(-reach_v, reach_v, SCAN_POINTS)
        self.servo.set_output(float(outputs[0]))
        yield Step(LockState.SCAN, SETTLE_S)
        signal = []
        for volts in self.servo.sweeping(outputs, self._monitor.volts):
            signal.append(volts)
            yield Step(LockState.SCAN)
        return outputs, np.array(signal)

    def _calibrate(self, fits: list[FringeFit], signals: list[NDArray[np.float64]]) -> FringeCalibration:
        """Return levels by the arcsine law from the readings of all scans together, of which one has too few near its
        extremes: the path shakes far more than the detector is noisy. Else medians over the scans. One scan alone keeps
        the levels' uncertainties of the calibration before."""
        offset_v, amplitude_v = levels_of_turning_fringe(np.concatenate(signals))
        offsets, amplitudes = (np.array(level) for level in zip(*map(levels_of_turning_fringe, signals), strict=True))
        before = self.calibration
        if len(signals) > 1 or before is None:
            spread = 1.0 / math.sqrt(len(signals))
            sigmas = [float(np.std(levels, ddof=1)) * spread for levels in (offsets, amplitudes)]
        else:
            sigmas = [before.offset_sigma_v * math.sqrt(SCANS), before.amplitude_sigma_v * math.sqrt(SCANS)]
        last = fits[-1]
        slopes = [math.pi / last.v_pi_at(v).value for v in (-1.0, 1.0)]
        return FringeCalibration(
            offset_v=offset_v,
            offset_sigma_v=sigmas[0],
            amplitude_v=amplitude_v,
            amplitude_sigma_v=sigmas[1],
            volts_per_pi=float(np.median([fit.v_pi.value for fit in fits])),
            turn_rad_per_v=0.5 * (slopes[0] + slopes[1]),
            bow_rad_per_v2=0.25 * (slopes[1] - slopes[0]),
            at=self._clock.now(),
        )

    def _zero_crossing(self, fit: FringeFit) -> float:
        """Return the output nearest to the middle of the range where the phase is the chosen quadrature."""
        reach = CENTRE_SHARE * self.servo.output_limit_v
        outputs = np.linspace(-reach, reach, 4001)
        phases = np.array([fit.phase_at(float(v)).value for v in outputs])
        distance = phases - self.quadrature * 0.5 * math.pi
        distance = np.abs(distance - 2.0 * math.pi * np.round(distance / (2.0 * math.pi)))
        candidates = outputs[distance < NEAR_QUADRATURE_RAD]
        if candidates.size == 0:
            raise LockError(
                f"{self.name}: the scan holds no point at the wanted quadrature.",
                remedy="Raise the servo's output limit.",
            )
        return float(candidates[np.argmin(np.abs(candidates))])

    def _approach(self, target: float) -> Iterator[Step]:
        """Come from below and stop on the slope; the path moves while we look, so look again at every step."""
        assert self.calibration is not None
        volts_per_pi = self.calibration.volts_per_pi
        output = target - 0.5 * volts_per_pi
        self.servo.set_output(output)
        yield Step(LockState.APPROACH, SETTLE_S)
        before = self.calibration.normalised(self._monitor.volts())
        step = volts_per_pi / APPROACH_STEPS
        for _ in range(3 * APPROACH_STEPS):
            output += step
            self.servo.set_output(output)
            now = self.calibration.normalised(self._monitor.volts())
            rising = now > before
            if abs(now) < ON_SLOPE and rising == (self.quadrature < 0) and abs(now - before) > 0.05:
                return
            before = now
            yield Step(LockState.APPROACH)
        raise LockError(
            f"{self.name}: no zero of the right slope near {target:+.2f} V.",
            remedy="The path drifts too fast to follow.",
        )

    def _require_engaged(self) -> None:
        """Raise `LockError` where the fringe still moves as a free one."""
        u = [math.sin(self.read().error) for _ in range(ENGAGED_READINGS)]
        rms = math.sqrt(sum(value * value for value in u) / len(u))
        if not rms < ENGAGED_RMS:
            raise LockError(
                f"{self.name}: the loop did not take hold: the fringe moves by {rms:.2f} of its amplitude.",
                remedy="Look at the error signal: light, polarity, gain.",
            )
