"""Find the resonances of a sensor cavity: scan its piezo upwards, walk up to a peak by its light, and measure the
peak."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.cavity_scan import CavityScanFit, fit_cavity_scan
from labctl.locks.dither import Peak
from labctl.locks.states import LockState, Step
from labctl.station.roles import Monitor, PiezoDriver

# Shares of the range of the piezo. It is turned round well below the scan: a piezo that has just turned moves less.
RUN_UP_FROM: Final = 0.03
SCAN_FROM, SCAN_TO = 0.23, 0.77
SCAN_STEP: Final = 0.0047

DARK_NOISES: Final = 12.0  # a scan whose light spans less shows no light
LEAST_CONTRAST: Final = 0.5  # (highest - lowest) / (highest + lowest); finesse 5 has 0.84
LOW_SHARE: Final = 0.5  # of the top: between two resonances
HIGH_SHARE: Final = 0.7
PASSED_SHARE: Final = 0.9  # of the highest seen: beyond the peak
MOST_FRINGES: Final = 2.4  # that a walk to a peak takes, in V of the scan; small steps move less
WALK_STEPS: Final = 40  # a fringe; each is two exchanges on the wire
BELOW_SHARE: Final = 0.7  # of a fringe: where a walk up to a resonance begins
PROBE_M: Final = 30e-9  # to either side of the top, as the scan moved
PROBE_POINTS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)
PROBE_READINGS: Final = 6

Walk = Generator[Step, None, float]
"""Steps that end with a voltage."""


class SteppedPiezo(PiezoDriver, Protocol):
    """A piezo that may be stepped at once, as far as its slew lets."""

    @property
    def low_v(self) -> float:
        """Return the lowest voltage that may be asked for, in V."""
        ...

    @property
    def high_v(self) -> float:
        """Return the highest voltage that may be asked for, in V."""
        ...

    @property
    def largest_step_v(self) -> float:
        """Return the largest step, in V."""
        ...

    def step_to(self, volts: float) -> None:
        """Go to `volts` in one step, waiting first where the step before was large."""
        ...

    def resume(self, volts: float) -> bool:
        """Take `volts` for where the piezo was left, and return whether it is there; moves nothing."""
        ...


@dataclass(frozen=True)
class Found:
    """What a scan showed: the Airy fit, and the resonance nearest to where the piezo rests, in V of the scan."""

    fit: CavityScanFit
    resonance_v: float
    drive_v: NDArray[np.float64]
    light_v: NDArray[np.float64]

    @property
    def spacing_v(self) -> float:
        """Return the voltage of one fringe there, in V."""
        return self.fit.spacing_at(self.resonance_v).value


class CavityScan:
    """The moves of one piezo under the light behind its cavity; all of them yield as they go."""

    def __init__(self, name: str, piezo: SteppedPiezo, light: Monitor, rest_v: float) -> None:
        self._name = name
        self._piezo = piezo
        self._light = light
        self._rest_v = rest_v

    def ramp(self, volts: float, state: LockState) -> Generator[Step, None, None]:
        """Go to `volts` in the largest steps that the slew lets."""
        start_v = self._piezo.commanded_v
        if start_v is None:  # nobody knows where it is: once, in one go
            self._piezo.ramp_to(volts)
            return
        steps = max(1, int(np.ceil(abs(volts - start_v) / self._piezo.largest_step_v)))
        for value in np.linspace(start_v, volts, steps + 1)[1:]:
            self._piezo.step_to(float(value))
            yield Step(state)

    def everywhere(self) -> Generator[Step, None, Found]:
        """Scan upwards over more than a fringe and fit. Raises `LockError` where there is nothing to lock on."""
        low_v, range_v = self._piezo.low_v, self._piezo.high_v - self._piezo.low_v
        begin_v, end_v = low_v + SCAN_FROM * range_v, low_v + SCAN_TO * range_v
        yield from self.run_up(LockState.SCAN)
        yield from self.ramp(begin_v, LockState.SCAN)
        drive_v = np.linspace(begin_v, end_v, round((end_v - begin_v) / (SCAN_STEP * range_v)) + 1)
        seen_v = []
        for volts in drive_v:
            self._piezo.step_to(float(volts))
            seen_v.append(self._light.volts())
            yield Step(LockState.SCAN)
        yield Step(LockState.FIT)
        return self._fitted(drive_v, np.array(seen_v))

    def _fitted(self, drive_v: np.ndarray, seen_v: np.ndarray) -> Found:
        noise_v = float(np.std(np.diff(seen_v, n=3))) / np.sqrt(20.0)  # 1 + 9 + 9 + 1: of noise alone
        highest_v, lowest_v = (float(np.percentile(seen_v, share)) for share in (98.0, 2.0))
        if highest_v < DARK_NOISES * noise_v:
            raise LockError(
                f"{self._name}: there is no light behind the cavity: {1e3 * highest_v:.1f} mV at most.",
                remedy="Open the signal shutter, and lock the source.",
            )
        contrast = (highest_v - lowest_v) / (highest_v + lowest_v)
        if contrast < LEAST_CONTRAST:
            raise LockError(
                f"{self._name}: the light changes by a contrast of {contrast:.2f} over the scan; a cavity of finesse 5 "
                "shows 0.84.",
                remedy="Look at the alignment of the cavity, and at stray light on its photodiode.",
            )
        try:
            fit = fit_cavity_scan(drive_v, seen_v)
        except AnalysisRefused as refusal:
            finding = str(refusal).removesuffix(refusal.remedy).rstrip()
            raise LockError(f"{self._name}: {finding}", remedy=refusal.remedy) from refusal
        if fit.spacing.value > float(np.ptp(drive_v)) or not fit.resonances:
            raise LockError(
                f"{self._name}: the scan holds less than one fringe: {float(np.ptp(drive_v)):.0f} V of "
                f"{fit.spacing.value:.0f} V.",
                remedy="Check that the piezo moves, and its limits.",
            )
        nearest_v = min(fit.resonances, key=lambda volts: abs(volts - self._rest_v))
        return Found(fit, nearest_v, drive_v, seen_v)

    def run_up(self, state: LockState) -> Generator[Step, None, None]:
        """Turn round where a scan does: on the way up from here, volts are about those of the scan."""
        yield from self.ramp(self._piezo.low_v + RUN_UP_FROM * (self._piezo.high_v - self._piezo.low_v), state)

    def up_to_peak(self, begin_v: float, spacing_v: float, top_v: float, state: LockState) -> Walk:
        """Go to `begin_v`, then up until the light has risen to a peak and begins to fall; return the peak.

        A resonance is told from its light, first low, then high: volts mean little to a piezo with hysteresis.
        Raises `LockError` where there is none on the way.
        """
        yield from self.ramp(max(begin_v, self._piezo.low_v), state)
        begin_v = self._piezo.commanded_v or 0.0
        end_v = min(begin_v + MOST_FRINGES * spacing_v, self._piezo.high_v)
        step_v = spacing_v / WALK_STEPS
        drive_v: list[float] = []
        seen_v: list[float] = []
        was_low = False
        for volts in np.arange(begin_v, end_v, step_v):
            self._piezo.step_to(float(volts))
            light_v = self._light.volts()
            yield Step(state)
            was_low = was_low or light_v < LOW_SHARE * top_v
            if not was_low:
                continue
            drive_v.append(float(volts))
            seen_v.append(light_v)
            highest_v = max(seen_v)
            if highest_v > HIGH_SHARE * top_v and light_v < PASSED_SHARE * highest_v:
                return _peak_of(drive_v, seen_v).centre_v
        raise LockError(
            f"{self._name}: no resonance between {begin_v:.1f} V and {end_v:.1f} V of the piezo.",
            remedy="Its light is less than it was, or its piezo does not follow.",
        )

    def reach_v(self, volts_per_metre: float) -> float:
        """Return how far a probe goes to either side, in V."""
        return PROBE_M * volts_per_metre

    def probe(self, about_v: float, volts_per_metre: float, state: LockState) -> Generator[Step, None, Peak]:
        """Measure the peak about `about_v` in steps that are small for the piezo, upwards, and stay on its upper side;
        `volts_per_metre` is that of the scan.

        Raises `LockError` where there is no peak.
        """
        reach_v = self.reach_v(volts_per_metre)
        low_v, high_v = self._piezo.low_v + reach_v, self._piezo.high_v - reach_v
        about_v = min(max(about_v, low_v), high_v)
        yield from self.ramp(about_v + reach_v, state)  # from here down and up again the piezo goes one way
        drive_v = [about_v + share * reach_v for share in PROBE_POINTS]
        seen_v = []
        for volts in drive_v:
            self._piezo.step_to(volts)
            seen_v.append(float(np.mean([self._light.volts() for _ in range(PROBE_READINGS)])))
            yield Step(state)
        try:
            return Peak.through(drive_v, seen_v)
        except AnalysisRefused as refusal:
            finding = str(refusal).removesuffix(refusal.remedy).rstrip()
            raise LockError(f"{self._name}: {finding}", remedy=refusal.remedy) from refusal


def _peak_of(drive_v: Sequence[float], seen_v: Sequence[float]) -> Peak:
    """Return the peak through the points of a walk that are near its top."""
    top_v = max(seen_v)
    near = [(volts, light_v) for volts, light_v in zip(drive_v, seen_v, strict=True) if light_v > HIGH_SHARE * top_v]
    try:
        return Peak.through(*zip(*near, strict=True))
    except AnalysisRefused:  # a few readings of noise
        return Peak(drive_v[seen_v.index(top_v)], top_v, 0.0)
