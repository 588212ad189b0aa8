"""The meter of the local oscillators: what its pick-off takes and how it is calibrated, nobody knows exactly."""

from __future__ import annotations

from collections.abc import Callable

from labctl.simulation.truth import generator

SPREAD = 0.01  # relative rms


def picked_off(watts: Callable[[], float], seed: int) -> Callable[[], float]:
    """Return what the meter makes of the power `watts` of one local oscillator, in W."""
    share = 1.0 + float(generator(seed, "local oscillator pick-off").normal(0.0, SPREAD))
    return lambda: share * watts()
