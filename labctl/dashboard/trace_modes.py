"""What a trace makes of the spectra that it is given, as on a spectrum analyzer; all of it on linear power."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from labctl.bus.spectra import LiveSpectrum

FloatArray = NDArray[np.float64]


class TraceMode(Enum):
    """What a trace shows; the value is the letter on its button."""

    WRITE = "W"
    AVERAGE = "A"
    MAX_HOLD = "M"
    MIN_HOLD = "m"
    VIEW = "V"
    BLANK = "B"

    @property
    def word(self) -> str:
        """Return the word of the mode."""
        return {"W": "write", "A": "average", "M": "max hold", "m": "min hold", "V": "view", "B": "blank"}[self.value]

    @property
    def accumulates(self) -> bool:
        """Return whether the trace is made of many spectra."""
        return self in (TraceMode.AVERAGE, TraceMode.MAX_HOLD, TraceMode.MIN_HOLD)


class TraceMemory:
    """One trace: `power` (n,) in V^2/Hz over `frequency_hz` (n,), made of `count` spectra, the last at `taken_at`.

    Write shows every spectrum, valid or not. Average, max hold and min hold take valid ones only, and start anew when
    the axis changes; `skipped` counts the others. View keeps what it shows. `newest` is the last spectrum that came.
    """

    def __init__(self, mode: TraceMode = TraceMode.WRITE) -> None:
        self.mode = mode
        self.made_by = mode  # what made that which a view keeps
        self.newest: LiveSpectrum | None = None
        self._clear()

    def take(self, spectrum: LiveSpectrum) -> None:
        """Take the next spectrum; one that was taken before is not counted again."""
        again = self.newest is not None and self.newest.taken_at == spectrum.taken_at
        self.newest = spectrum
        if self.mode is TraceMode.WRITE:
            self._write(spectrum)
        elif self.mode.accumulates and not again:
            self._accumulate(spectrum)

    def use_mode(self, mode: TraceMode) -> None:
        """Change the mode; average and holds begin with the newest spectrum, view keeps what is shown."""
        if mode is self.mode:
            return
        self.mode = mode
        if mode is not TraceMode.VIEW:
            self.made_by = mode
            self.restart()

    def restart(self) -> None:
        """Forget what was accumulated, and begin again with the newest spectrum."""
        self._clear()
        if self.newest is None or self.mode is TraceMode.BLANK:
            return
        if self.mode.accumulates:
            self._accumulate(self.newest)
        else:
            self._write(self.newest)

    @property
    def is_shown(self) -> bool:
        """Return whether there is something to draw."""
        return self.power is not None and self.mode is not TraceMode.BLANK

    def _clear(self) -> None:
        self.frequency_hz: FloatArray = np.empty(0)
        self.power: FloatArray | None = None
        self.valid = True
        self.reason = ""
        self.count = 0
        self.skipped = 0
        self.taken_at = float("nan")

    def _write(self, spectrum: LiveSpectrum) -> None:
        self.frequency_hz, self.power = spectrum.frequency_hz, spectrum.psd_v2_per_hz
        self.valid, self.reason = spectrum.valid, spectrum.reason
        self.count, self.taken_at = 1, spectrum.taken_at

    def _accumulate(self, spectrum: LiveSpectrum) -> None:
        power = spectrum.psd_v2_per_hz
        if not (spectrum.valid and np.isfinite(power).all()):
            self.skipped += 1
            return
        if self.power is None or not is_same_axis(self.frequency_hz, spectrum.frequency_hz):
            self.frequency_hz, self.power, self.count = spectrum.frequency_hz, np.array(power, dtype=np.float64), 0
        elif self.mode is TraceMode.AVERAGE:
            self.power = self.power + (power - self.power) / (self.count + 1)
        else:
            self.power = (np.maximum if self.mode is TraceMode.MAX_HOLD else np.minimum)(self.power, power)
        self.count += 1
        self.taken_at = spectrum.taken_at


def is_same_axis(one: FloatArray, other: FloatArray) -> bool:
    """Return whether two frequency axes are the same, point by point."""
    return one is other or np.array_equal(one, other)
