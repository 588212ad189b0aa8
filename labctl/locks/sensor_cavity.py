"""Hold the length of a sensor's cavity where the light behind it is at its top: a loop of this program, through a slow
dither of the cavity's piezo.

The light of the probe follows the seed. Where the station has a monitor of the seed, it is read at every step of the
dither and the witness is over it; without one, a change of the light looks like a change of the length in the witness,
never in the error.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from labctl.errors import LockError
from labctl.estimation.cavity_scan import CavityScanFit
from labctl.locks.cavity_scan import BELOW_SHARE, CavityScan, SteppedPiezo
from labctl.locks.dither import DitherLaw
from labctl.locks.dithering import Dithering
from labctl.locks.loop import ActuatorState, Capabilities, Reading, Tolerance, Verdict
from labctl.locks.quality import judge
from labctl.locks.scan_look import ScanLook, cavity_look
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.station.clock import Clock, wait_out
from labctl.station.roles import Monitor

CREEP_S: Final = 3.0  # after an approach the piezo creeps on: the fastest of it passes before anything is measured
SEED_READINGS: Final = 4
HELD_SHARE: Final = 0.3  # of the light at lock: a loop far down a fringe, where both sides are alike, has less
BLANKED_SHARE: Final = 0.2  # of the light at lock: with less, an error is no error
MOST_PROBES: Final = 2
PROBE_REACH: Final = 1.5  # of the probe: a top further away is measured again from nearer
LOOK_PERIOD_S: Final = 0.1
LOOK_READINGS: Final = 20
LEFT_THERE: Final = "The piezo was left where it is."

TOLERANCE: Final = Tolerance(
    largest_error=0.2,  # linewidths: 30 nm, where the transduction has fallen by a fifth
    mean=0.1,  # 15 nm, a twentieth of the transduction; the dither is in it
    rms=0.1,
    least_witness=0.8,
)


@dataclass(frozen=True)
class CavityCalibration:
    """What scan and probe showed: light at resonance in V, the seed then in V (0 without a monitor), finesse, V a
    fringe of the scan, m/V of small steps, centre of the dither in V, lab time in s."""

    top_v: float
    seed_v: float
    finesse: float
    spacing_v: float
    metres_per_volt: float
    centre_v: float
    at: float


class CavityLock:
    """One cavity: scan and fit, walk up to the resonance nearest to where the piezo rests, measure its peak, dither.

    `fit` is that of the last scan; a lock that was taken over has none.
    """

    unit = "linewidths"
    tolerance = TOLERANCE
    capabilities = Capabilities(holds_alone=False, unwinds=True, steps_itself=True)

    def __init__(
        self,
        name: str,
        piezo: SteppedPiezo,
        light: Monitor,
        seed: Monitor | None,
        clock: Clock,
        *,
        rest_v: float,
        wavelength_m: float,
        amplitude_m: float,
        period_s: float,
    ) -> None:
        self.name = name
        self.piezo = piezo
        self.calibration: CavityCalibration | None = None
        self.fit: CavityScanFit | None = None
        self.scan_look: ScanLook | None = None
        self._light = light
        self._seed = seed
        self._clock = clock
        self._scan = CavityScan(name, piezo, light, rest_v)
        self._dither = Dithering(piezo, light, clock, period_s)
        self._rest_v = rest_v
        self._half_wavelength_m = 0.5 * wavelength_m
        self._amplitude_m = amplitude_m
        self._seed_share = 1.0  # of the seed at lock, at the last step

    # ---- what it holds ----------------------------------------------------------------------------------------------

    @property
    def linewidth_m(self) -> float:
        """Return the full width at half maximum in m of length; nan before the first scan."""
        return math.nan if self.calibration is None else self._half_wavelength_m / self.calibration.finesse

    @property
    def error_m(self) -> float:
        """Return how much too long the cavity is at the centre of the dither, by its last two sides, in m; nan before
        them."""
        return self._dither.error_m

    @property
    def period_v(self) -> float:
        """Return the voltage of one fringe, in V."""
        return math.inf if self.calibration is None else self.calibration.spacing_v

    def _law(self, calibration: CavityCalibration) -> DitherLaw:
        return DitherLaw(
            self._half_wavelength_m / calibration.finesse,
            calibration.metres_per_volt,
            self._amplitude_m,
            self.piezo.low_v,
            self.piezo.high_v,
        )

    # ---- looking ----------------------------------------------------------------------------------------------------

    def read(self) -> Reading:
        """Look at the light once; the error is that of the last step of the dither, with the dither of now: how far the
        cavity is from resonance."""
        volts = self._light.volts()
        self._dither.note(volts)
        off_m = self.error_m + self._dither.excursion_m
        return Reading(self._clock.now(), off_m / self.linewidth_m, self._share(volts))

    def _share(self, volts: float) -> float:
        """Return the light over that at lock, corrected for the seed where that is known."""
        if self.calibration is None:
            return math.nan
        return volts / (self.calibration.top_v * self._seed_share) if self._seed_share > 0.0 else 0.0

    def actuator(self) -> ActuatorState:
        """Return where the centre of the dither is; nothing is sent."""
        dither, piezo = self._dither, self.piezo
        return ActuatorState(self._clock.now(), dither.on, dither.centre_v, piezo.low_v, piezo.high_v)

    def confirm(self) -> Verdict:
        """Look at both sides now: one that is at its top with less light is locked, and remembers the light."""
        if self.calibration is None or not self._dither.on:
            return Verdict(False, f"{self.name}: nothing dithers it.")
        self._look_at_seed()
        top_v = self._dither.look()
        share, error = self._share(top_v), self.error_m / self.linewidth_m
        if not share > HELD_SHARE:
            shown = 0.0 if math.isnan(share) else share  # two dark sides have no top between them
            return Verdict(False, f"{self.name}: its light is at {100 * shown:.0f} % of that at lock.")
        if not abs(error) <= self.tolerance.largest_error:
            return Verdict(False, f"{self.name}: is {error:+.2f} linewidths from resonance.", abs(error))
        self._remember(replace(self.calibration, top_v=top_v))
        return Verdict(True, residual=abs(error))

    def verify(self) -> Verdict:
        """Judge the loop from a window of readings taken now; who steps it goes on with that meanwhile."""
        if self.calibration is None:
            return Verdict(False, f"{self.name}: never calibrated.")
        readings = []
        for _ in range(LOOK_READINGS):
            readings.append(self.read())
            self._clock.sleep(LOOK_PERIOD_S)
        return judge(self.name, self.unit, self.tolerance, readings, self.actuator())

    def _look_at_seed(self) -> None:
        if self._seed is not None and self.calibration is not None and self.calibration.seed_v > 0.0:
            self._seed_share = self._seed.volts() / self.calibration.seed_v

    def _seed_now_v(self) -> float:
        """Return the seed in V, 0 where nothing shows it."""
        return 0.0 if self._seed is None else float(np.mean([self._seed.volts() for _ in range(SEED_READINGS)]))

    def _remember(self, calibration: CavityCalibration) -> None:
        """Take a calibration whose light is that of now."""
        self.calibration = replace(calibration, seed_v=self._seed_now_v())
        self._seed_share = 1.0

    # ---- holding and letting go -------------------------------------------------------------------------------------

    def step(self) -> None:
        """Where this side of the dither is over: correct the centre, and go to the other side."""
        if self.calibration is not None and self._dither.is_due():
            self._look_at_seed()
            self._dither.step(BLANKED_SHARE * self.calibration.top_v * self._seed_share)

    def hold(self) -> None:
        """End the dither, the piezo at its centre; nothing moves where it was not dithered."""
        self._dither.rest()

    def coast(self, output_v: float) -> None:
        """Move the piezo of a loop that is held, within its limits."""
        self.piezo.ramp_to(min(max(output_v, self.piezo.low_v), self.piezo.high_v))

    def release(self) -> None:
        """End the dither and let the piezo go to rest."""
        self._dither.end()
        self.piezo.ramp_to(self._rest_v)

    # ---- taking over ------------------------------------------------------------------------------------------------

    def adopt(self) -> bool:
        """Take over a piezo that was left on a resonance, and dither it from there; False where the light says that it
        is not."""
        calibration = self.calibration
        if calibration is None or not self.piezo.resume(calibration.centre_v):
            return False
        self._dither.begin(calibration.centre_v, self._law(calibration))
        if not self.confirm().locked:
            self.hold()
            return False
        return True

    def remembered(self) -> Mapping[str, float]:
        """Return the calibration, with the centre of the dither as it is now."""
        if self.calibration is None:
            return {}
        return asdict(replace(self.calibration, centre_v=self._centre_v(self.calibration)))

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""
        self.calibration = CavityCalibration(**remembered)
        self._dither.centre_v = self.calibration.centre_v

    def _centre_v(self, calibration: CavityCalibration) -> float:
        return calibration.centre_v if math.isnan(self._dither.centre_v) else self._dither.centre_v

    # ---- acquisition ------------------------------------------------------------------------------------------------

    def acquisition(self, reach: Reach = Reach.EVERYWHERE) -> Acquisition:
        """Return the steps to a cavity that is held; one that fails stays where it is."""
        yield Step(LockState.PRECHECK)
        self.hold()
        known = self.calibration
        if known is None or reach is Reach.EVERYWHERE:
            found = yield from self._scan.everywhere()
            self.fit = found.fit
            self.scan_look = cavity_look(found.drive_v, found.light_v, found.fit, self._clock.now())
            finesse, spacing_v = found.fit.finesse.value, found.spacing_v
            expected_v, about_v = found.fit.parameters["height"].value, found.resonance_v
            yield from self._scan.run_up(LockState.APPROACH)
        else:
            finesse, spacing_v, about_v = known.finesse, known.spacing_v, self._centre_v(known)
            expected_v = known.top_v * (self._seed_now_v() / known.seed_v if known.seed_v > 0.0 else 1.0)
        if known is None or reach is not Reach.HERE:
            about_v = yield from self._walk(about_v, spacing_v, expected_v, LockState.APPROACH)
        yield from self._engage(about_v, finesse, spacing_v, expected_v, LockState.ENGAGE)

    def unwinding(self, output_v: float) -> Acquisition:
        """Return the steps to the resonance one fringe nearer to the middle, which is found by its light."""
        if self.calibration is None:
            raise LockError(f"{self.name}: never calibrated.", remedy="Lock it first.")
        known, state = self.calibration, LockState.UNWIND
        yield Step(state)
        self.hold()
        middle_v = 0.5 * (self.piezo.low_v + self.piezo.high_v)
        target_v = output_v - math.copysign(known.spacing_v, output_v - middle_v)
        about_v = yield from self._walk(target_v, known.spacing_v, known.top_v, state)
        yield from self._engage(about_v, known.finesse, known.spacing_v, known.top_v, state)

    def _walk(
        self, resonance_v: float, spacing_v: float, top_v: float, state: LockState
    ) -> Generator[Step, None, float]:
        """Go well below a resonance and up to it by its light; return where its peak is."""
        begin_v = resonance_v - BELOW_SHARE * spacing_v
        about_v = yield from self._scan.up_to_peak(begin_v, spacing_v, top_v, state)
        yield Step(state, CREEP_S)
        return about_v

    def _engage(
        self, about_v: float, finesse: float, spacing_v: float, expected_v: float, state: LockState
    ) -> Acquisition:
        """Measure the peak from near, centre on it and begin to dither."""
        volts_per_metre = spacing_v / self._half_wavelength_m
        for _ in range(MOST_PROBES):
            peak = yield from self._scan.probe(about_v, volts_per_metre, state)
            away_v, about_v = abs(peak.centre_v - about_v), peak.centre_v
            if away_v < PROBE_REACH * self._scan.reach_v(volts_per_metre):
                break
        if not peak.top_v > HELD_SHARE * expected_v:
            raise LockError(
                f"{self.name}: the light here has a top of {100 * peak.top_v / expected_v:.0f} % of what is expected.",
                remedy="It is no resonance, or the light is less than it was.",
            )
        metres_per_volt = peak.metres_per_volt(self._half_wavelength_m / finesse)
        calibration = CavityCalibration(
            peak.top_v, 0.0, finesse, spacing_v, metres_per_volt, about_v, self._clock.now()
        )
        self._remember(calibration)
        law = self._law(calibration)
        yield from self._scan.ramp(law.within(about_v), state)
        self._dither.begin(about_v, law)
        self._dither.look()
        yield Step(state)
        self._dither.centre_now()

    def acquire(self, reach: Reach = Reach.EVERYWHERE) -> Verdict:
        """Lock, waiting for every step, and return the verdict of the look afterwards. Raises `LockError`."""
        for step in self.acquisition(reach):
            wait_out(self._clock, step.wait_s)
        verdict = self.verify()
        if not verdict.locked:
            self.hold()
            raise LockError(verdict.reason, remedy=LEFT_THERE)
        return verdict
