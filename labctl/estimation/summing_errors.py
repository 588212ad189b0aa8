"""What an analogue sum loses: the joint noise that the single detectors promise, against the one that it shows.

M equal detectors on one squeezed beam, without jitter of their own: V_joint = 1 - M (1 - V_marginal). A sum with gains
g_j and delays t_j shows 1 - C (1 - V_joint) of it, C = |sum g_j e^{2 pi i f t_j}|^2 / (M sum g_j^2), which is
1 / (1 + cv^2) for gains alone and e^{-(2 pi f tau)^2} for delays of rms tau alone. Private phase jitter lowers the sum
as well: rule it out with `phase_jitter`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate

CLEAR_SQUEEZING_SIGMAS = 3.0
CLASH_SIGMAS = 4.0
RESOLVED_SIGMAS = 2.0


@dataclass(frozen=True)
class SummingErrors:
    """`expected` and `joint` variance of the sum and `coherence` C; what one cause alone would take to explain it."""

    expected: Estimate
    joint: Estimate
    coherence: Estimate
    frequency_hz: float

    @property
    def rms_delay_s(self) -> Estimate:
        """Rms delay between the channels if delays alone are at fault; refuses a sum without clear loss."""
        c = self._lossy()
        turn = 2 * math.pi * self.frequency_hz
        delay = math.sqrt(-math.log(c.value)) / turn
        sigma = c.relative_sigma / (2 * delay * turn**2)
        return Estimate(delay, sigma, "s", "rms over the channels, if delays alone are at fault")

    @property
    def gain_spread(self) -> Estimate:
        """Standard deviation of the gains over their mean if gains alone are at fault; refuses as `rms_delay_s`."""
        c = self._lossy()
        spread = math.sqrt(1 / c.value - 1)
        return Estimate(spread, c.sigma / (2 * spread * c.value**2), "", "if gains alone are at fault")

    def _lossy(self) -> Estimate:
        c = self.coherence
        if 1 - c.value < RESOLVED_SIGMAS * c.sigma:
            raise AnalysisRefused(
                f"The sum loses nothing that the noise would show: coherence {c}.", remedy="Average longer to see more."
            )
        return c


def expected_joint(marginals: Sequence[Estimate]) -> Estimate:
    """V_joint = 1 - M (1 - mean V_marginal) of equal shares; -0.8 +- 0.05 dB of four promises -4.8 +- 0.5 dB.

    Channels that share a state hardly share noise: their uncertainties are taken as independent. Refuses fewer than
    two, and marginals that leave nothing: a joint variance at or below 0.
    """
    m = len(marginals)
    if m < 2:
        raise AnalysisRefused(f"{m} channels have no sum.")
    mean = float(np.mean([v.value for v in marginals]))
    sigma = math.sqrt(sum(v.sigma**2 for v in marginals))
    joint = 1 - m * (1 - mean)
    if joint <= 0:
        raise AnalysisRefused(
            f"Marginal variances of {mean:.4g} in {m} channels promise a joint one of {joint:.3g}.",
            remedy="They do not share one squeezed beam equally, or are not relative to their own shot noise.",
        )
    return Estimate(joint, sigma, "", "joint variance that the marginals promise")


def summing_errors(marginals: Sequence[Estimate], joint: Estimate, frequency_hz: float) -> SummingErrors:
    """Compare the raw sum's variance with the marginals', all relative to their own shot noise, at one frequency.

    Refuses what `expected_joint` refuses, marginals without clear squeezing, a sum that beats their promise by more
    than 4 sigma, a sum not below shot noise, and a frequency that is not positive.
    """
    if not frequency_hz > 0:
        raise AnalysisRefused(f"A frequency of {frequency_hz:g} Hz turns no delay into phase.")
    expected = expected_joint(marginals)
    if 1 - expected.value < CLEAR_SQUEEZING_SIGMAS * expected.sigma:
        raise AnalysisRefused(
            f"The single channels show no clear squeezing: the joint variance they promise is {expected}.",
            remedy="Average longer, or check the locks.",
        )
    coherence = (1 - joint.value) / (1 - expected.value)
    sigma = math.hypot(joint.sigma, coherence * expected.sigma) / (1 - expected.value)
    if coherence - 1 > CLASH_SIGMAS * sigma:
        raise AnalysisRefused(
            f"The sum at {joint} is quieter than {expected}, which is all that its channels hold.",
            remedy="Are sum and channels relative to their own shot noise, from the same settings?",
        )
    if coherence <= 0:
        raise AnalysisRefused(
            f"The sum at {joint} is not below shot noise though its channels are.",
            remedy="Check the signs of the channels and the locks.",
        )
    return SummingErrors(
        expected, joint, Estimate(coherence, sigma, "", "share of the noise reduction kept"), frequency_hz
    )
