"""A spectrum as the bus carries it, and a curve with its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["psd", "shot", "dark"]
"""The noise of a channel, its shot noise (signal blocked), its dark noise (local oscillator blocked)."""


@dataclass(frozen=True, eq=False)
class LiveSpectrum:
    """The latest spectrum of one channel: one-sided V^2/Hz (n,) over an ascending frequency axis (n,).

    Channels are "bhd1" ... "bhdM" (each homodyne detector), "joint" (their sum) and "rephased" (the sum with the
    complex weights of least noise). `valid` is the verdict of the locks that it needs, `reason` why not.
    """

    channel: str
    kind: Kind
    frequency_hz: NDArray[np.float64]
    psd_v2_per_hz: NDArray[np.float64]
    rbw_hz: float
    vbw_hz: float  # nan: no video filter
    averages: int  # done
    averages_asked: int  # 0: it goes on and on
    averaging: str  # "power", "log"
    source: str  # "digitizer", "analyzer"
    step: str
    valid: bool
    reason: str
    taken_at: float  # wall time of its last sample, s since the epoch


@dataclass(frozen=True, eq=False)
class Curve:
    """Something measured over something, with its fit: what the pages of a loop and of a sensor draw.

    `system` and `name` tell what it is: "lo1" and "history", "scan" or "psd"; "sensor2" and "scan", "ringdown", "mode"
    or "alignment"; "strip" and "day". `columns` are arrays as long as `x` by their names: a measured one ("error"), its
    fit ("fit"). `text` are the numbers that belong to it, a line each.
    """

    system: str
    name: str
    title: str
    x_label: str
    x_unit: str
    y_label: str
    y_unit: str
    x: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    text: str = ""
    valid: bool = True
    reason: str = ""
    taken_at: float = float("nan")
