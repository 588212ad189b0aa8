"""Which sign every homodyne detector has, from a tone on the probe that all of them see.

A detector at +pi/2 sees the tone as it is, one at -pi/2 turned by pi, and cable delays tau_j turn it by -2 pi f tau_j.
Two tones far apart tell one from the other: the sign is the phase at zero frequency. Delays are unknown but small,
p(tau) Gaussian; then p(sign | phases) = integral of prod_k exp[(cos r_k - 1) / sigma_k^2] p(tau) over tau,
r_k = theta_k + 2 pi f_k tau - (0 or pi), theta the phase against a reference detector.

The tone gives the signs up to a common one, and the noise of a sum depends on no more. The common sign needs something
absolute: the slopes that the servos hold, since a loop holds on the slope of its own gain's sign alone. This assumes
that every piezo makes the phase grow with the servo's output, and that DC and RF outputs of a detector have one sign; a
detector of which that is not true contradicts the others and is outvoted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.tone_phasors import TonePhasors
from labctl.spectra.acquisition import FloatArray

DELAY_SIGMA_S = 15e-9
"""Rms delay of a detector's cable and optics that nobody has measured."""
PHASE_FLOOR_RAD = 0.03
"""What filters and amplifiers differ by between detectors, and no delay explains; rms."""
DARK_SHARE = 0.25
"""Of the strongest tone, each over its own noise, in amplitude: a detector with less is dark or off its quadrature."""
LEAST_SNR = 100.0
LARGEST_FALSE_ALARM = 1e-6
LEAST_COHERENCE = 0.8
LEAST_CONFIDENCE = 0.999
WORST_MISFIT = 12.5
"""-ln of the likelihood of the better sign over its maximum: 5 sigma away from either."""
REVERSED_CHANCE = 0.05
"""That a detector's output or its piezo is reversed and nobody knows, before anything is measured."""
LEAST_OVERALL_CONFIDENCE = 0.9
AMPLITUDE_TOLERANCE = 0.2
_DELAY_REACH = 6.0  # standard deviations of the delay over which is integrated
_DELAY_STEPS = 4001
_SMALLEST_CHANCE = 1e-12  # nothing is surer than this


class Sight(StrEnum):
    """What a detector shows of the tone."""

    CLEAR = "clear"
    DARK = "dark"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Detector:
    """What is known of a detector beforehand: the `name` of its loop, and the sign that it is to have, +1 or -1.

    held: the sign of the quadrature whose slope its servo holds, None where nobody can tell. offset_rad: how far its
    fringe says that it is from its quadrature.
    """

    name: str
    intended: int
    held: int | None = None
    offset_rad: float = 0.0


@dataclass(frozen=True)
class DetectorSign:
    """What a detector was found to be.

    relative: its sign against the reference detector, 0 where it is not known; `chance_wrong` that it is the other one.
    delay: against the reference, in s. share: its tone over that of the median detector, each over its own noise and
    over |cos| of its offset, in amplitude. snr and false_alarm: of its weaker tone.
    """

    detector: Detector
    sight: Sight
    relative: int
    chance_wrong: float
    delay: Estimate
    share: float
    snr: float
    false_alarm: float

    @property
    def agrees(self) -> int:
        """Relative times intended sign, 0 where it is not known: the same for all detectors of a right pattern."""
        return self.relative * self.detector.intended


@dataclass(frozen=True)
class SignAudit:
    """The signs of all detectors.

    reference: index of the detector that the others are held against. overall: the sign of the reference, 0 where
    nothing absolute tells, and `overall_reason` why; `overall_chance_wrong` that it is the other one.
    """

    signs: tuple[DetectorSign, ...]
    reference: int
    overall: int
    overall_chance_wrong: float
    overall_reason: str = ""

    def sign(self, index: int) -> Estimate:
        """Sign of a detector, +1 or -1, with the standard deviation 2 sqrt(p (1 - p)) of a sign that is wrong with
        chance p; against the reference where the overall sign is not known. Refuses a detector without one."""
        found = self.signs[index]
        if found.sight is not Sight.CLEAR:
            raise AnalysisRefused(f"{found.detector.name} has no sign: its tone is {found.sight}.")
        chance = found.chance_wrong
        against = f"against {self.signs[self.reference].detector.name}, overall sign unknown"
        if self.overall:
            chance = min(0.5, chance + self.overall_chance_wrong)
            against = "+1 at +pi/2, -1 at -pi/2"
        return Estimate(found.relative * (self.overall or 1), 2.0 * math.sqrt(chance * (1.0 - chance)), "", against)

    @property
    def unseen(self) -> tuple[DetectorSign, ...]:
        """Detectors whose tone gives no sign."""
        return tuple(found for found in self.signs if found.sight is not Sight.CLEAR)

    @property
    def wrong(self) -> tuple[DetectorSign, ...]:
        """Detectors of the wrong sign. Without an overall sign those that are fewer; where one half contradicts the
        other, those that contradict the reference."""
        overall = self.overall
        if not overall:
            agreement = sum(found.agrees for found in self.signs)
            overall = int(math.copysign(1, agreement or self.signs[self.reference].agrees))
        return tuple(found for found in self.signs if found.agrees == -overall)

    @property
    def evenly_split(self) -> bool:
        """Whether one half contradicts the other and nothing absolute tells which is right."""
        return not self.overall and sum(found.agrees for found in self.signs) == 0

    @property
    def is_right(self) -> bool:
        """Whether every detector has a sign and the one that it is to have."""
        return not (self.unseen or self.wrong)


def audit_signs(
    tones: Sequence[TonePhasors],
    detectors: Sequence[Detector],
    *,
    delays_s: FloatArray | None = None,
    delay_sigma_s: float = DELAY_SIGMA_S,
) -> SignAudit:
    """Find the sign of every detector from one or more tones of different frequency on the same light.

    delays_s (M,): what is known of the delays, `delay_sigma_s` how well each is. Refuses tones that no detector sees at
    least 20 dB above its noise, and tones whose phases between detectors change from record to record.
    """
    _check(tones, detectors)
    snr = np.min([tone.snr for tone in tones], axis=0)
    false_alarm = np.max([tone.false_alarm for tone in tones], axis=0)
    seen = np.abs(np.cos([detector.offset_rad for detector in detectors]))
    strength = np.sqrt(snr)
    clear = (strength >= DARK_SHARE * strength.max()) & (false_alarm <= LARGEST_FALSE_ALARM)
    reference = int(np.argmax(strength))
    if not clear[reference]:
        raise AnalysisRefused("No detector sees all of the tones.", remedy="Look at the digitizer and its filters.")
    typical = float(np.median((strength / np.maximum(seen, DARK_SHARE))[clear]))
    known_s = np.zeros(len(detectors)) if delays_s is None else np.asarray(delays_s, dtype=np.float64)
    signs = []
    for index, detector in enumerate(detectors):
        relative, chance, delay, misfit = 1, _SMALLEST_CHANCE, Estimate(0.0, 0.0, "s"), 0.0
        if clear[index] and index != reference:
            known = float(known_s[index] - known_s[reference])
            relative, chance, delay, misfit = _against(tones, index, reference, known, math.sqrt(2.0) * delay_sigma_s)
        if misfit > WORST_MISFIT or not clear[index]:
            chance = 0.5
        undecided = chance > 1.0 - LEAST_CONFIDENCE
        sight = Sight.DARK if not clear[index] else Sight.UNDECIDED if undecided else Sight.CLEAR
        share = float(strength[index] / max(seen[index], DARK_SHARE) / typical)
        signs.append(
            DetectorSign(
                detector,
                sight,
                relative if sight is Sight.CLEAR else 0,
                chance,
                delay,
                share,
                float(snr[index]),
                float(false_alarm[index]),
            )
        )
    return SignAudit(tuple(signs), reference, *_overall(signs))


def _check(tones: Sequence[TonePhasors], detectors: Sequence[Detector]) -> None:
    if not tones or any(tone.channels != len(detectors) for tone in tones):
        raise AnalysisRefused(f"An audit of {len(detectors)} detectors needs a tone in as many channels.")
    for tone in tones:
        strongest = int(np.argmax(tone.snr))
        if tone.snr[strongest] < LEAST_SNR or tone.false_alarm[strongest] > LARGEST_FALSE_ALARM:
            raise AnalysisRefused(
                f"The tone at {tone.frequency_hz:.6g} Hz is too weak: where it is strongest, in "
                f"{detectors[strongest].name}, it has {_decibels(tone.snr[strongest])} dB over the noise of a record "
                f"(needed: {_decibels(LEAST_SNR)}), and noise alone gives as much with a chance of "
                f"{tone.false_alarm[strongest]:.2g}.",
                remedy="Raise its amplitude, take more or longer records, and see that the probe is on.",
            )
        if tone.coherence < LEAST_COHERENCE:
            raise AnalysisRefused(
                f"The phases of the tone at {tone.frequency_hz:.6g} Hz between the detectors change from record to "
                f"record: {100 * (1 - tone.coherence):.0f} % of its power does not hold still.",
                remedy="Boards of a chain must sample together: take decimation 1. A loop may also have slipped.",
            )


def _against(
    tones: Sequence[TonePhasors], index: int, reference: int, known_s: float, sigma_s: float
) -> tuple[int, float, Estimate, float]:
    """Return sign, chance that it is wrong, delay and misfit of one detector against another."""
    apart_s = sigma_s * np.linspace(-_DELAY_REACH, _DELAY_REACH, _DELAY_STEPS)
    prior = -0.5 * (apart_s / sigma_s) ** 2
    fit = np.zeros((2, _DELAY_STEPS))
    for tone in tones:
        theta = float(np.angle(tone.phasors[index] * np.conj(tone.phasors[reference])))
        pair = [index, reference]
        relative_sigma = tone.sigma_v[pair] / np.maximum(np.abs(tone.phasors[pair]), np.finfo(np.float64).tiny)
        variance = float(np.sum(relative_sigma**2)) + 2.0 * PHASE_FLOOR_RAD**2
        residual = theta + 2.0 * math.pi * tone.frequency_hz * (known_s + apart_s)
        fit += (np.cos(residual - np.array([[0.0], [math.pi]])) - 1.0) / variance
    weight = fit + prior
    top = float(weight.max())
    evidence = np.exp(weight - top).sum(axis=1)
    better = int(np.argmax(evidence))
    posterior = np.exp(weight[better] - weight[better].max())
    posterior /= posterior.sum()
    mean_s = float(posterior @ apart_s)
    spread_s = math.sqrt(max(float(posterior @ (apart_s - mean_s) ** 2), 0.0))
    delay = Estimate(known_s + mean_s, spread_s, "s", "later than the reference detector")
    chance = max(float(evidence.min() / evidence.sum()), _SMALLEST_CHANCE)
    return (1, -1)[better], chance, delay, -float(weight[better].max())


def _overall(signs: Sequence[DetectorSign]) -> tuple[int, float, str]:
    """Return the sign of the reference, the chance that it is wrong, and why there is none."""
    votes = [
        found.relative * found.detector.held
        for found in signs
        if found.sight is Sight.CLEAR and found.detector.held is not None
    ]
    if not votes:
        return 0, 0.5, "no servo says which slope it holds"
    lead = sum(votes)
    odds = (REVERSED_CHANCE / (1.0 - REVERSED_CHANCE)) ** abs(lead)
    chance = max(odds / (1.0 + odds), _SMALLEST_CHANCE)
    if 1.0 - chance < LEAST_OVERALL_CONFIDENCE:
        return 0, chance, f"the slopes of {len(votes)} servos contradict each other, half of them for either sign"
    return (1 if lead > 0 else -1), chance, ""


def _decibels(ratio: float) -> str:
    return f"{10.0 * math.log10(ratio):.0f}" if ratio > 0.0 else "-inf"
