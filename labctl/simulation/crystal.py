"""The crystal of the source against temperature: where seed and pump are resonant together, and what each such place
asks of the pump."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SEED_PHASE_PER_KELVIN_RAD = 0.2615  # of the seed's round trip, with the pump held resonant
PHASE_MATCHING_PER_KELVIN_RAD = 0.2615
SUCCESSIVE_K = math.pi / SEED_PHASE_PER_KELVIN_RAD  # from one double resonance to the next, of the other parity
OVEN_RANGE_C = (15.0, 45.0)  # of the ovens that such crystals come in
OVEN_MARGIN_K = 1.0  # no double resonance so near to an end that it is a matter of taste
PHASE_MATCHING_RANGE_C = (25.0, 40.0)
THRESHOLD_RATIOS = (1.2, 6.0)  # over the lowest, of the other double resonances in the range of the oven
RESONANCE_RANGES_V = ((25.0, 48.0), (102.0, 125.0))  # either way the next fringe is well in the range of the piezo too
THERMAL_LENGTH_M_PER_K = (0.5e-9, 1.5e-9)
_MOST_DRAWS = 10_000


@dataclass(frozen=True)
class CrystalTruth:
    """Temperature and place of the double resonance with the lowest threshold, and what makes it so.

    The edge phase is that between pump and seed at the crystal's cut end. Perfect phase matching is
    `phase_matching_offset_k` above the best temperature. The cavity grows with temperature by `thermal_m_per_k`.
    """

    best_temperature_c: float
    phase_matching_offset_k: float
    edge_phase_rad: float
    opa_resonance_v: float
    thermal_m_per_k: float


@dataclass(frozen=True)
class DoubleResonance:
    """One double resonance: `parity` is that of its fringe of the pump counted from the best one, 0 or 1, and
    `threshold_ratio` its threshold over the lowest."""

    temperature_c: float
    parity: int
    threshold_ratio: float


def double_pass_gain(error_k: float, edge_phase_rad: float) -> float:
    """Return `physics.double_resonance.double_pass_gain` for one temperature above that of perfect phase matching."""
    half = 0.5 * PHASE_MATCHING_PER_KELVIN_RAD * error_k
    matching = math.sin(half) / half if half else 1.0
    return (matching * math.cos(half + 0.5 * edge_phase_rad)) ** 2


def threshold_ratio(error_k: float, phase_matching_offset_k: float, edge_phase_rad: float) -> float:
    """Return the threshold `error_k` above the best temperature over that at it, both on double resonance."""
    gain = double_pass_gain(error_k - phase_matching_offset_k, edge_phase_rad)
    return double_pass_gain(-phase_matching_offset_k, edge_phase_rad) / gain if gain else math.inf


def double_resonances(
    best_temperature_c: float, phase_matching_offset_k: float, edge_phase_rad: float
) -> tuple[DoubleResonance, ...]:
    """Return all double resonances in the range of the oven, upwards."""
    first, last = ((end_c - best_temperature_c) / SUCCESSIVE_K for end_c in OVEN_RANGE_C)
    return tuple(
        DoubleResonance(
            best_temperature_c + k * SUCCESSIVE_K,
            k % 2,
            threshold_ratio(k * SUCCESSIVE_K, phase_matching_offset_k, edge_phase_rad),
        )
        for k in range(math.ceil(first), math.floor(last) + 1)
    )


def draw_crystal(rng: np.random.Generator) -> CrystalTruth:
    """Draw a crystal with two or three double resonances in the range of its oven, clearly unlike in threshold, and a
    cavity whose piezo reaches fringes of both parities."""
    low_c, high_c = OVEN_RANGE_C
    for _ in range(_MOST_DRAWS):
        first_c = low_c + rng.uniform(0.0, SUCCESSIVE_K)
        places_c = np.arange(first_c - SUCCESSIVE_K, high_c + SUCCESSIVE_K, SUCCESSIVE_K)
        if np.any(np.abs(places_c - low_c) < OVEN_MARGIN_K) or np.any(np.abs(places_c - high_c) < OVEN_MARGIN_K):
            continue
        inside_c = [float(place_c) for place_c in places_c if low_c < place_c < high_c]
        matching_c, edge_rad = rng.uniform(*PHASE_MATCHING_RANGE_C), rng.uniform(-math.pi, math.pi)
        gains = [double_pass_gain(place_c - matching_c, edge_rad) for place_c in inside_c]
        best = int(np.argmax(gains))
        ratios = [gains[best] / gain if gain else math.inf for k, gain in enumerate(gains) if k != best]
        if all(THRESHOLD_RATIOS[0] < ratio < THRESHOLD_RATIOS[1] for ratio in ratios):
            return CrystalTruth(
                best_temperature_c=inside_c[best],
                phase_matching_offset_k=matching_c - inside_c[best],
                edge_phase_rad=edge_rad,
                opa_resonance_v=rng.uniform(*RESONANCE_RANGES_V[int(rng.integers(2))]),
                thermal_m_per_k=rng.uniform(*THERMAL_LENGTH_M_PER_K),
            )
    raise AssertionError("no crystal fits its oven")
