"""Spectra as a table with four detectors sends them: membrane lines on squeezed noise, sums, shot and dark noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.bus.latest import Latest
from labctl.bus.spectra import Kind, LiveSpectrum

SHOT_V2_PER_HZ = 4e-14
LINES_HZ = (4.276e6, 4.301e6, 4.337e6, 4.365e6)
LEVEL_DB = {"joint": -3.7, "rephased": -4.6}
NOW = 1_790_000_000.0

FloatArray = NDArray[np.float64]


def axis(points: int = 10_001) -> FloatArray:
    """Return 4.08 to 4.56 MHz."""
    return np.linspace(4.08e6, 4.56e6, points)


def spectrum(
    channel: str,
    power: FloatArray,
    kind: Kind = "psd",
    frequency_hz: FloatArray | None = None,
    *,
    valid: bool = True,
    reason: str = "",
    taken_at: float = NOW,
    averages: int = 50,
    averaging: str = "power",
) -> LiveSpectrum:
    """Return a spectrum with the settings of the table."""
    x = axis(len(power)) if frequency_hz is None else frequency_hz
    return LiveSpectrum(
        *(channel, kind, x, power, 10.0, float("nan"), averages, 50, averaging, "digitizer", "measure_joint", valid),
        *(reason, taken_at),
    )


def noise_power(channel: str, x: FloatArray, detectors: int = 4) -> FloatArray:
    """Return the mean power of a channel: its floor, and the lines of its membranes."""
    floor = 10 ** (LEVEL_DB.get(channel, -0.8) / 10)
    lines = np.zeros(len(x))
    for number in range(1, detectors + 1):
        line_hz = LINES_HZ[(number - 1) % len(LINES_HZ)] + 3e3 * ((number - 1) // len(LINES_HZ))
        share = 1.0 if channel == f"bhd{number}" else 1 / detectors if channel in LEVEL_DB else 0.0
        lines += share * 6.0 / (1 + ((x - line_hz) / 20.0) ** 2)
    return SHOT_V2_PER_HZ * (floor + lines)


def fill(
    latest: Latest,
    detectors: int = 4,
    points: int = 10_001,
    *,
    taken_at: float = NOW,
    seed: int = 1,
    only_psd: bool = False,
) -> None:
    """Put a spectrum of every channel, each point the average of 50."""
    random, x = np.random.default_rng(seed), axis(points)
    for channel in [*(f"bhd{number}" for number in range(1, detectors + 1)), "joint", "rephased"]:
        power = noise_power(channel, x, detectors) * random.gamma(50, 1 / 50, points)
        latest.put_spectrum(spectrum(channel, power, taken_at=taken_at))
        if not only_psd:
            shot = SHOT_V2_PER_HZ * random.gamma(500, 1 / 500, points)
            latest.put_spectrum(spectrum(channel, shot, "shot", taken_at=taken_at - 240))
            latest.put_spectrum(spectrum(channel, 0.01 * shot * random.gamma(50, 1 / 50, points), "dark"))
