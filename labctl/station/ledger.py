"""The settings ledger: what was asked of each instrument, to be held against what it says after it was away, and kept
with the run for those who come after it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from drivers.base import Driver
from labctl.errors import LabError

RELATIVE_TOLERANCE = 1e-5  # six digits, as the coarsest replies have
COARSE_TOLERANCES = {
    "gain": 0.06,  # two digits
    "rate": 0.06,
    "bandwidth": 0.06,  # steps of 10 %
    "power": 3e-3,  # steps of 0.01 dB
    "wavelength": 4e-4,  # some power meters know whole nanometres
    "limit": 3e-3,  # steps of 10 mV
}
"""Relative rounding of settings whose name has this word, in front of `RELATIVE_TOLERANCE`."""
FINE_SETTINGS = frozenset({"wavelength_setpoint"})  # those that `COARSE_TOLERANCES` would judge too kindly
ABSOLUTE_TOLERANCE = 1e-12  # wavelengths in m are small numbers


@dataclass(frozen=True)
class Difference:
    """A setting that is not what was asked for; `mended` says whether it was put back, `problem` why not."""

    instrument: str
    setting: str
    wanted: Any
    found: Any
    mended: bool
    problem: str = ""

    def __str__(self) -> str:
        end = "put back" if self.mended else f"left as it is ({self.problem})"
        return f"{self.instrument}.{self.setting}: wanted {self.wanted}, found {self.found}; {end}."


@dataclass(frozen=True)
class Asked:
    """What a setting was last asked to be, as plain as a file can hold it: number, text, truth value, list or None."""

    instrument: str
    setting: str
    value: Any


class SettingsLedger:
    """Last value asked for of every setting, by instrument, in the order in which settings were first made."""

    def __init__(self) -> None:
        self._wanted: dict[str, dict[str, Any]] = {}

    def keeper_for(self, instrument: str) -> Callable[[str, Any], None]:
        """Return what a driver's `on_setting` calls."""
        wanted = self._wanted.setdefault(instrument, {})

        def keep(path: str, value: Any) -> None:
            wanted[path] = value

        return keep

    def wanted(self, instrument: str) -> dict[str, Any]:
        """Return setting -> value last asked for."""
        return dict(self._wanted.get(instrument, {}))

    def asked(self) -> list[Asked]:
        """Return what every setting of every instrument was last asked to be."""
        return [
            Asked(instrument, setting, plain(value))
            for instrument, wanted in self._wanted.items()
            for setting, value in wanted.copy().items()  # other threads go on setting
        ]

    def differences(self, driver: Driver, *, put_back: bool) -> list[Difference]:
        """Compare every setting with what the instrument says, and put back those that move nothing if asked to.

        A setting that cannot be read is skipped: there is nothing to compare. What moves light, heat, voltage or a
        stage is only reported.
        """
        found = []
        for path, wanted in self._wanted.get(driver.name, {}).items():
            owner, name = resolve(driver, path)
            try:
                value = getattr(owner, name)
            except (LookupError, AttributeError):
                continue
            if not same(wanted, value, name):
                found.append(self._mend(driver, path, wanted, value, put_back=put_back))
        return found

    def _mend(self, driver: Driver, path: str, wanted: Any, value: Any, *, put_back: bool) -> Difference:
        owner, name = resolve(driver, path)
        if not put_back:
            return Difference(driver.name, path, wanted, value, False, "only compared")
        if name in driver.moving_settings:
            return Difference(driver.name, path, wanted, value, False, "it moves something; the next step sets it")
        try:
            setattr(owner, name, wanted)
        except (LabError, ValueError) as error:
            return Difference(driver.name, path, wanted, value, False, str(error))
        return Difference(driver.name, path, wanted, value, True)


def same(wanted: Any, found: Any, setting: str = "") -> bool:
    """Return whether a value read back is what was asked for, to the rounding of instruments at this setting."""
    wanted, found = plain(wanted), plain(found)
    if isinstance(wanted, bool) or isinstance(found, bool):
        return bool(wanted) == bool(found)
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return math.isclose(wanted, found, rel_tol=_tolerance(setting), abs_tol=ABSOLUTE_TOLERANCE)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(same(*pair, setting) for pair in zip(wanted, found, strict=True))
    return str(wanted).upper() == str(found).upper()


def plain(value: Any) -> Any:
    """Return a value as a file can hold it and as it comes back from there; what is nothing of the kind as text."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, tuple | list | np.ndarray):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def resolve(driver: Driver, path: str) -> tuple[Any, str]:
    """Return the driver or the channel of it that has the setting `path`, and the name it has there.

    Raises AttributeError where the driver has no such channel.
    """
    *channels, name = path.split(".")
    owner: Any = driver
    for channel in channels:
        owner = getattr(owner, channel)
    return owner, name


def _tolerance(setting: str) -> float:
    name = setting.rpartition(".")[2]
    words = () if name in FINE_SETTINGS else name.split("_")
    return max((COARSE_TOLERANCES[word] for word in words if word in COARSE_TOLERANCES), default=RELATIVE_TOLERANCE)
