"""Which sensor a force acted on: the one whose resonance the joint record shows excited.

All sensors are summed into one record, but each answers at its own frequency. A line found there is compared with
every sensor's resonance in frequency and width; what else could have made it is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate

SMALLEST_PROBABILITY = 0.99
LARGEST_DISTANCE_SIGMAS = 4.0
DRIFT_LINEWIDTHS = 0.5
"""How far a resonance may have drifted since its calibration, standard deviation in linewidths, if nothing is given."""


class Resonance(Protocol):
    """A calibrated or measured line: `ModeFit`, `Mode` and `ModeReading` are such."""

    @property
    def f0_hz(self) -> Estimate:
        """Centre, Hz."""

    @property
    def gamma_hz(self) -> Estimate:
        """FWHM, Hz."""


@dataclass(frozen=True)
class Line:
    """A resonance by its two numbers."""

    f0_hz: Estimate
    gamma_hz: Estimate


@dataclass(frozen=True)
class Attribution:
    """The sensor (counted as the caller counts) that a force acted on.

    probability: of it among the sensors, equal before; distance_sigmas: between line and resonance; probabilities: of
    all; offset_hz: line minus calibrated resonance, what the resonance has drifted.
    """

    sensor: int
    probability: float
    distance_sigmas: float
    offset_hz: Estimate
    probabilities: Mapping[int, float]


def attribute_force(line: Resonance, sensors: Mapping[int, Resonance], *, drift_hz: float | None = None) -> Attribution:
    """Attribute an excited line in the joint record to a sensor by its resonance.

    `drift_hz`: standard deviation of the resonances' drift since calibration, half a linewidth each if None. The
    likelihood is Gaussian in frequency and in ln of the width. Refuses where no resonance is near, where no sensor has
    99 % of the probability, and where there are no sensors.
    """
    if not sensors:
        raise AnalysisRefused("There are no calibrated resonances to compare with.", remedy="Calibrate the sensors.")
    scores = {number: _score(line, resonance, drift_hz) for number, resonance in sensors.items()}
    best = min(scores, key=lambda number: scores[number][1])
    distance = scores[best][0]
    if distance > LARGEST_DISTANCE_SIGMAS:
        nearest = sensors[best].f0_hz.value
        raise AnalysisRefused(
            f"The line at {line.f0_hz.value:.10g} Hz is on no sensor's resonance: the nearest, of sensor {best}, is at "
            f"{nearest:.10g} Hz, {distance:.1f} sigma away.",
            remedy="Look for an electrical tone, or calibrate the resonances again.",
        )
    lowest = scores[best][1]
    weights = {number: math.exp(min(0.0, lowest - score)) for number, (_, score) in scores.items()}
    total = sum(weights.values())
    probabilities = {number: weight / total for number, weight in weights.items()}
    if probabilities[best] < SMALLEST_PROBABILITY:
        rivals = sorted(probabilities, key=lambda number: -probabilities[number])[:2]
        raise AnalysisRefused(
            f"The line at {line.f0_hz.value:.10g} Hz may be of sensor {rivals[0]} or {rivals[1]} "
            f"({100 * probabilities[rivals[0]]:.0f} and {100 * probabilities[rivals[1]]:.0f} %).",
            remedy="Tune their resonances apart, or look at the sensors one by one.",
        )
    f0 = sensors[best].f0_hz
    offset = Estimate(line.f0_hz.value - f0.value, math.hypot(line.f0_hz.sigma, f0.sigma), "Hz", "line minus resonance")
    return Attribution(best, probabilities[best], distance, offset, probabilities)


def _score(line: Resonance, sensor: Resonance, drift_hz: float | None) -> tuple[float, float]:
    """Distance in frequency in standard deviations, and minus the log likelihood."""
    drift = DRIFT_LINEWIDTHS * sensor.gamma_hz.value if drift_hz is None else drift_hz
    sigma = math.sqrt(line.f0_hz.sigma**2 + sensor.f0_hz.sigma**2 + drift**2)
    if sigma <= 0:
        raise AnalysisRefused("Frequencies without uncertainty or drift cannot be compared.", remedy="Give a drift.")
    z = (line.f0_hz.value - sensor.f0_hz.value) / sigma
    if line.gamma_hz.value <= 0 or sensor.gamma_hz.value <= 0:
        raise AnalysisRefused("A line without width is no resonance.", remedy="Look for an electrical tone.")
    spread = math.hypot(line.gamma_hz.relative_sigma, sensor.gamma_hz.relative_sigma)
    width = math.log(line.gamma_hz.value / sensor.gamma_hz.value) / spread if spread > 0 else 0.0
    return abs(z), z**2 / 2 + width**2 / 2 + math.log(sigma)
