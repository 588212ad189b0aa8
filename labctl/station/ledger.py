"""The settings ledger: what was asked of each instrument, to be held against what it says after it was away."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from drivers.base import Driver
from labctl.errors import LabError

RELATIVE_TOLERANCE = 0.06  # instruments round: the coarsest gain scale has two digits
ABSOLUTE_TOLERANCE = 1e-9


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

    def differences(self, driver: Driver, *, put_back: bool) -> list[Difference]:
        """Compare every setting with what the instrument says, and put back those that move nothing if asked to.

        A setting that cannot be read is skipped: there is nothing to compare. What moves light, heat, voltage or a
        stage is only reported.
        """
        found = []
        for path, wanted in self._wanted.get(driver.name, {}).items():
            owner, name = _resolve(driver, path)
            try:
                value = getattr(owner, name)
            except (LookupError, AttributeError):
                continue
            if not same(wanted, value):
                found.append(self._mend(driver, path, wanted, value, put_back=put_back))
        return found

    def _mend(self, driver: Driver, path: str, wanted: Any, value: Any, *, put_back: bool) -> Difference:
        owner, name = _resolve(driver, path)
        if not put_back:
            return Difference(driver.name, path, wanted, value, False, "only compared")
        if name in driver.moving_settings:
            return Difference(driver.name, path, wanted, value, False, "it moves something; the next step sets it")
        try:
            setattr(owner, name, wanted)
        except (LabError, ValueError) as error:
            return Difference(driver.name, path, wanted, value, False, str(error))
        return Difference(driver.name, path, wanted, value, True)


def same(wanted: Any, found: Any) -> bool:
    """Return whether a value read back is what was asked for, to the rounding of instruments."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return bool(wanted) == bool(found)
    if isinstance(wanted, int | float) and isinstance(found, int | float) and not isinstance(wanted, Enum):
        return math.isclose(wanted, found, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
    return str(wanted).upper() == str(found).upper()


def _resolve(driver: Driver, path: str) -> tuple[Any, str]:
    *channels, name = path.split(".")
    owner: Any = driver
    for channel in channels:
        owner = getattr(owner, channel)
    return owner, name
