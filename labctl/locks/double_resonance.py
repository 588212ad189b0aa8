"""Find the temperature at which seed and pump of the source are resonant together with the lowest threshold.

Two walks of the length at neighbouring temperatures say by how much the seed misses each fringe of the pump and how
fast that changes: with it the double resonances within the oven's limits are forecast, and only these are visited. At
each the seed's fringe against pump phase gives the threshold; about the best one it gives the temperature.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.double_resonance import SeedLevel, mean_level, resonance_temperature, seed_level
from labctl.estimation.estimate import Estimate
from labctl.locks.fringe_looks import FringeLooks
from labctl.locks.length_walk import HELD_SHARE, LengthWalk, SourceCavity, hold_fringe, transmission_v, walk_length
from labctl.locks.oven_approach import LAGS, SLOWEST_TIME_CONSTANT_S, OvenApproach
from labctl.station.roles import Servo

SECOND_LOOK_K = 2.0  # nearer than pi / 4 of phase: the number of half turns is sure, and the sign
NEXT_LOOK_K = 3.0  # where nothing is known of a seed out of reach, it comes in within a few of these
MOST_LOOKS_FOR_SEED = 4
PHASE_SCAN_POINTS = 80
PHASE_SCAN_SHARE = 0.5  # of the range of the phase servo
TRIES = 3
VISIT_LINEWIDTHS = 0.5  # half widths by which a visit may miss: detuning drops out of the threshold, its drift does not
SURE_LINEWIDTHS = 3.0  # a walk as near as this is as good as one at the place
FINE_POINTS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # half widths about the middle
FINE_SCANS = 3  # a point: the crystal wobbles by a millikelvin within seconds
RECENTRE_POINTS = (-0.8, 0.0, 0.8)
EDGE_K = 0.4  # room for the fine points within the oven's limits


@dataclass(frozen=True)
class Place:
    """A double resonance that was visited: where the forecast has it (degC), and what the seed said there; None where
    it showed no gain."""

    forecast_c: Estimate
    level: SeedLevel | None

    def threshold_ratio(self, best: Place) -> Estimate:
        """Return the threshold here over that at `best`; refuses places without gain."""
        if self.level is None or best.level is None:
            raise AnalysisRefused("A place without parametric gain has no threshold.")
        here, there = self.level.merit, best.level.merit
        ratio = there.value / here.value
        sigma = 0.0 if self is best else ratio * math.hypot(here.relative_sigma, there.relative_sigma)
        return Estimate(ratio, sigma, "", "pump threshold over the lowest")


@dataclass(frozen=True)
class FineTuning:
    """Temperature of one double resonance, and (temperature in degC, seed) of the points that it comes from."""

    best_c: Estimate
    points: tuple[tuple[float, SeedLevel], ...]


@dataclass
class DoubleResonanceSearch:
    """One search; `tell` takes a sentence for the record, `on_progress` a fraction from 0 to 1."""

    cavity: SourceCavity
    phase_servo: Servo
    oven: OvenApproach
    tell: Callable[[str], None]
    on_progress: Callable[[float], None] = lambda fraction: None
    _held_peak_v: float = math.nan  # transmission of the fringe that the length is closed on; nan where it is on none
    looks: FringeLooks = field(init=False)

    def __post_init__(self) -> None:
        self.looks = FringeLooks(self.cavity.servo.output_limit_v)

    # ---- the search ------------------------------------------------------------------------------------------------

    def find(self) -> tuple[list[Place], Place]:
        """Visit every double resonance in reach and return all, upwards, and the one with the lowest threshold.

        Raises `LockError` where none is in reach or none has gain.
        """
        start_c = self._first_looks()
        forecast = self._forecast()
        told = ", ".join(f"{place.value:.2f}" for place in sorted(forecast.values(), key=lambda place: place.value))
        self.tell(f"Double resonances are to be expected at {told or 'no temperature'} degC.")
        order = shortest_tour(start_c, {number: place.value for number, place in forecast.items()})
        places = []
        for done, number in enumerate(order, start=1):
            places += self._visit(number)
            self.on_progress((done + 1.0) / (len(order) + 2.0))
        places.sort(key=lambda place: place.forecast_c.value)
        if not places:
            raise LockError(
                f"No double resonance is between {self.oven.low_c:g} and {self.oven.high_c:g} degC on the fringes that "
                "the piezo reaches.",
                remedy="Move the bias of the length piezo, or widen the limits of [oven].",
            )
        merits = [0.0 if place.level is None else place.level.merit.value for place in places]
        if not any(merits):
            raise LockError("No double resonance shows parametric gain.", remedy="Check the pump power.")
        return places, places[int(np.argmax(merits))]

    def fine_tune(self, about_c: float, points: Sequence[float] = FINE_POINTS) -> FineTuning:
        """Return the temperature of the double resonance about `about_c` (degC), from `points` in half widths to either
        side, approached upwards. Where the resonance is outside them they are moved there.

        Raises `LockError` where it cannot be found.
        """
        width_k = self.looks.half_width_k()
        self._held_peak_v = math.nan  # a loop that lasted from another place is on the fringe of that one
        for _ in range(TRIES):
            taken = [self._go_to(about_c + width_k * point) for point in points]
            try:
                best_c = resonance_temperature(
                    np.array([temperature_c for temperature_c, _ in taken]), [level.unpumped for _, level in taken]
                )
            except AnalysisRefused:
                about_c = max(taken, key=lambda point: point[1].unpumped.value)[0]
                continue
            return FineTuning(best_c, tuple(taken))
        raise LockError(f"The seed has no resonance about {about_c:.3f} degC.", remedy="Search anew.")

    def recentre(self, about_c: float) -> FineTuning:
        """Follow a drift: return the temperature of the double resonance that was at `about_c` (degC), from three
        points. Raises `LockError` where it is not there any more."""
        self._look()
        return self.fine_tune(about_c, RECENTRE_POINTS)

    def settle(self, temperature_c: float) -> None:
        """Bring the oven to a temperature (degC) and leave it there, from below."""
        self.oven.go(temperature_c)
        self.cavity.wait(LAGS * SLOWEST_TIME_CONSTANT_S)  # steady to 1 mK/s is some millikelvin away yet
        self.on_progress(1.0)

    # ---- looking ---------------------------------------------------------------------------------------------------

    def _first_looks(self) -> float:
        """Look at two temperatures, the second on the way to where the first sends us, and return it in degC."""
        low_c, high_c = self.oven.low_c, self.oven.high_c
        at_c = min(max(self.oven.present_c(), low_c), high_c)
        step_k = math.copysign(NEXT_LOOK_K, 0.5 * (low_c + high_c) - at_c)
        for _ in range(MOST_LOOKS_FOR_SEED):
            self.oven.go(at_c, quick=True)
            self._look()
            if self.looks.known:
                break
            at_c += step_k
        self.on_progress(0.05)
        forecast = {number: place.value for number, place in self._forecast().items()}
        to_c = forecast[shortest_tour(at_c, forecast)[0]] if forecast else at_c + step_k
        at_c += math.copysign(SECOND_LOOK_K, to_c - at_c)
        self.oven.go(at_c, quick=True)
        self._look()
        self.on_progress(0.1)
        return at_c

    def _look(self) -> LengthWalk:
        """Walk the length and take up what it shows."""
        self._held_peak_v = math.nan
        walk = walk_length(self.cavity)
        self.looks.add(self.oven.reading_c(), walk)
        return walk

    def _forecast(self) -> dict[int, Estimate]:
        return self.looks.places(self.oven.low_c + EDGE_K, self.oven.high_c - EDGE_K)

    # ---- a place ---------------------------------------------------------------------------------------------------

    def _visit(self, number: int) -> list[Place]:
        """Go to a double resonance, correct the forecast by a walk there, and see what the seed says; nothing where the
        forecast turns out to be outside the limits."""
        for _ in range(TRIES):
            from_c = self.looks.dispersion().temperature(number).value
            self.oven.go(from_c, quick=True)
            walk = self._look()
            forecast_c = self.looks.dispersion().temperature(number)
            missed = abs(forecast_c.value - from_c) / self.looks.half_width_k()
            if walk.seed_v is not None and missed < SURE_LINEWIDTHS:
                break
        if number not in self._forecast():
            self.tell(f"{forecast_c.value:.2f} degC is outside the limits of the oven.")
            return []
        if missed > VISIT_LINEWIDTHS:
            self.oven.go(forecast_c.value, quick=True)
        self._hold(walk)
        level = self._seen_again()
        if level is None:
            self.tell(f"At {forecast_c.value:.2f} degC the seed shows no parametric gain.")
            return [Place(forecast_c, None)]
        self.tell(
            f"At {forecast_c.value:.2f} degC the seed is amplified {level.gain.amplification.value:.2f} times, "
            f"x = {level.gain.x.value:.3f}."
        )
        return [Place(forecast_c, level)]

    def _go_to(self, temperature_c: float) -> tuple[float, SeedLevel]:
        """Settle at a temperature (degC), hold the fringe on which the seed is resonant, and return the temperature and
        what the seed says there. Raises `LockError` where the seed shows nothing."""
        self.oven.go(temperature_c)
        if not self._held():
            self._hold(self._look())
        try:
            return self._see(FINE_SCANS)
        except AnalysisRefused as refusal:
            raise LockError(
                f"At {temperature_c:.3f} degC the seed shows no parametric gain.", remedy="Search anew."
            ) from refusal

    def _hold(self, walk: LengthWalk) -> None:
        """Close the length on the fringe nearest to the seed."""
        for attempt in range(TRIES):
            try:
                hold_fringe(self.cavity, walk.pump_v[walk.nearest])
            except LockError:
                if attempt == TRIES - 1:
                    raise
                walk = self._look()
            else:
                self._held_peak_v = transmission_v(self.cavity)
                return

    def _held(self) -> bool:
        """Return whether the length still is on the fringe on which it was closed."""
        peak_v = self._held_peak_v
        return self.cavity.servo.state().closed and transmission_v(self.cavity) > HELD_SHARE * peak_v

    def _seen_again(self) -> SeedLevel | None:
        """Return what the seed says here, None where it shows no gain in any of some scans: a knock spoils one, and the
        place would be passed over for good."""
        for _ in range(TRIES):
            try:
                return self._see()[1]
            except AnalysisRefused:
                if not self._held():
                    self._hold(self._look())
        return None

    def _see(self, scans: int = 1) -> tuple[float, SeedLevel]:
        """Scan the pump phase and return the temperature meanwhile and the seed taken apart.

        Raises `AnalysisRefused` where there is no fringe.
        """
        reach_v = PHASE_SCAN_SHARE * self.phase_servo.output_limit_v
        outputs = np.linspace(-reach_v, reach_v, PHASE_SCAN_POINTS)
        temperatures_c = [self.oven.reading_c()]
        levels = []
        for _ in range(scans):
            self.phase_servo.set_output(float(outputs[0]))
            signal = self.phase_servo.sweep(outputs, self.cavity.seed.volts)
            levels.append(seed_level(outputs, signal, self.looks.dark_v))
            temperatures_c.append(self.oven.reading_c())
        return float(np.mean(temperatures_c)), mean_level(levels)


def shortest_tour(start_c: float, places_c: Mapping[int, float]) -> tuple[int, ...]:
    """Return the order of visits with the shortest way. The way back from the last place counts, half at its longest
    and half on average: any place may turn out to be the best."""

    def way_k(order: tuple[int, ...]) -> float:
        stops = [start_c, *(places_c[number] for number in order)]
        there = sum(abs(after - before) for before, after in itertools.pairwise(stops))
        back = [abs(place_c - stops[-1]) for place_c in places_c.values()] or [0.0]
        return 2.0 * there + max(back) + float(np.mean(back))

    return min(itertools.permutations(places_c), key=way_k)
