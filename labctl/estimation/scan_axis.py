"""The axis of a scan: volts, seconds, frequency or wavelength, in one direction, and its coordinate from -1 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S
from labctl.spectra.acquisition import FloatArray

NANOMETRE = 1e-9


class Axis(StrEnum):
    """What was scanned. Volts and seconds drive a piezo, which bows; a laser's frequency or wavelength is measured."""

    VOLT = "volt"
    SECOND = "second"
    FREQUENCY_HZ = "frequency-hz"
    WAVELENGTH_NM = "wavelength-nm"

    @property
    def is_optical(self) -> bool:
        """Whether the axis is the light's own frequency, so that fringes are c / 2L apart."""
        return self in (Axis.FREQUENCY_HZ, Axis.WAVELENGTH_NM)

    @property
    def unit(self) -> str:
        """Unit of the coordinate that fits use; wavelengths are turned into Hz."""
        return {Axis.VOLT: "V", Axis.SECOND: "s"}.get(self, "Hz")


@dataclass(frozen=True, eq=False)
class Scan:
    """`position` (n,) ascending in the axis's unit, `signal` (n,) with it, and `x` (n,) from -1 to 1 about `middle`."""

    position: FloatArray
    signal: FloatArray
    unit: str

    @property
    def middle(self) -> float:
        """Middle of the scanned range."""
        return float(self.position[0] + self.position[-1]) / 2

    @property
    def half(self) -> float:
        """Half the scanned range."""
        return float(self.position[-1] - self.position[0]) / 2

    @property
    def x(self) -> FloatArray:
        """(position - middle) / half."""
        return np.asarray((self.position - self.middle) / self.half)


def ordered_scan(
    position: npt.ArrayLike, signal: npt.ArrayLike, *, fewest: int, what: str, axis: Axis = Axis.VOLT
) -> Scan:
    """Return the scan with its axis ascending, wavelengths turned into frequency.

    Refuses arrays that do not match, fewer than `fewest` samples, numbers that are not finite, and a scan that turns.
    """
    v, y = np.asarray(position, dtype=np.float64), np.asarray(signal, dtype=np.float64)
    if v.ndim != 1 or v.shape != y.shape or len(v) < fewest:
        raise AnalysisRefused(f"{what} needs {fewest} pairs of {axis} and signal, not {v.shape}, {y.shape}.")
    if not (np.isfinite(v).all() and np.isfinite(y).all()):
        raise AnalysisRefused(f"{what} holds numbers that are not finite.")
    if axis.is_optical and not (v > 0).all():
        raise AnalysisRefused(f"{what} holds a {axis} that is not positive.", remedy="Is the axis another one?")
    if axis is Axis.WAVELENGTH_NM:
        v = SPEED_OF_LIGHT_M_PER_S / (v * NANOMETRE)
    steps = np.diff(v)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise AnalysisRefused(f"{what} turns round or stands still.", remedy="Scan in one direction only.")
    return Scan(v, y, axis.unit) if steps[0] > 0 else Scan(v[::-1], y[::-1], axis.unit)
