"""What walks of the length at several temperatures say together: by how much the seed misses the fringes of the pump,
and at which temperatures it will not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from labctl.errors import LockError
from labctl.estimation.double_resonance import Dispersion, LengthOffset, fit_dispersion
from labctl.estimation.estimate import Estimate
from labctl.locks.length_walk import LengthWalk

EXPECTED_RATE = Estimate(0.2615, 0.013, "rad/K", "PPKTP, 10 mm, 1550 nm and 775 nm")
PHASE_SIGMA_RAD = 0.02  # of one walk: drift between its two ways
SCALE_SIGMA = 0.02  # of volts per half turn: what is left of the piezo's memory
UNSEEN_EDGE_V = 0.3  # at the ends of the range where a seed is not seen whole
FORECAST_SIGMAS = 2.0  # beyond the limits at which a place may yet turn out to be within


@dataclass
class FringeLooks:
    """Looks so far; `limit_v` is the largest output of the length servo."""

    limit_v: float
    dark_v: float = 0.0
    _half_turn_v: float = math.nan
    _half_width_v: float = math.nan
    _offsets: list[tuple[float, Estimate]] = field(default_factory=list)  # degC, V from the seed to a fringe
    _parities: frozenset[int] = frozenset()

    @property
    def known(self) -> bool:
        """True once a look said where the seed is."""
        return bool(self._offsets)

    def add(self, temperature_c: float, walk: LengthWalk) -> None:
        """Take up a walk at a temperature (degC). A seed out of reach is known to be just out of reach, once two
        fringes of the pump gave the scale."""
        self.dark_v = walk.dark_v
        if not math.isnan(walk.half_turn_v):
            self._half_turn_v = walk.half_turn_v
        if walk.seed_v is not None:
            self._half_width_v = walk.seed_half_width_v
            seed_v = walk.seed_v
        elif not math.isnan(self._half_turn_v):
            # the seed is back after two half turns: what is missing is symmetric about one from the middle
            missing_v = max(self._half_turn_v - self.limit_v, 0.0) + UNSEEN_EDGE_V
            seed_v = Estimate(self._half_turn_v, missing_v, "V")
        else:
            return
        if not self._offsets:
            self._parities = frozenset((k - walk.nearest) % 2 for k in range(len(walk.pump_v)))
        self._offsets.append((temperature_c, Estimate(walk.pump_v[walk.nearest] - seed_v.value, seed_v.sigma, "V")))

    def dispersion(self) -> Dispersion:
        """Return the phase of the seed on a fringe against temperature. Raises `LockError` before there is a look."""
        if not self._offsets:
            raise LockError("Nothing is known of the seed's resonance.", remedy="Check the seed beam and its monitor.")
        scale = math.pi / self._scale_v()
        return fit_dispersion(
            [
                LengthOffset(
                    temperature_c,
                    Estimate(
                        scale * offset.value,
                        math.hypot(PHASE_SIGMA_RAD, scale * offset.sigma, SCALE_SIGMA * scale * offset.value),
                        "rad",
                    ),
                )
                for temperature_c, offset in self._offsets
            ],
            EXPECTED_RATE,
        )

    def half_width_k(self) -> float:
        """Return the half width of the seed's resonance in temperature, in K. Raises `LockError` before it was seen."""
        if math.isnan(self._half_width_v):
            raise LockError("The seed shows no resonance.", remedy="Check the seed beam and its monitor.")
        return math.pi * self._half_width_v / self._scale_v() / abs(self.dispersion().rate_rad_per_k)

    def places(self, low_c: float, high_c: float) -> dict[int, Estimate]:
        """Return the double resonances on fringes in reach from `low_c` to `high_c` (degC) by number, those that may
        yet turn out to be within included."""
        dispersion = self.dispersion()
        beyond_k = math.pi / abs(dispersion.rate_rad_per_k)
        found = dispersion.temperatures(low_c - beyond_k, high_c + beyond_k)
        return {
            number: place
            for number, place in found.items()
            if number % 2 in self._parities
            and max(low_c - place.value, place.value - high_c) < FORECAST_SIGMAS * place.sigma
        }

    def _scale_v(self) -> float:
        """Return the volts of half a turn of the seed, from one fringe of the pump to the next; with one in reach, from
        what a change of temperature moves."""
        if not math.isnan(self._half_turn_v):
            return self._half_turn_v
        if len(self._offsets) < 2:
            return 2.0 * self.limit_v  # of the order; only to look once more
        (from_c, before), (to_c, after) = self._offsets[:2]
        return abs((after.value - before.value) / (to_c - from_c)) * math.pi / EXPECTED_RATE.value
