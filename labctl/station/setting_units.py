"""Units of settings, from the docstrings of the drivers: "Control the start frequency in Hz (float ...)"."""

from __future__ import annotations

import re

from drivers.base import Driver
from labctl.station.ledger import resolve

UNITS = (
    *("Hz", "s", "V", "A", "W", "m", "K", "degC", "ohm", "dB", "dBm"),
    *("degrees", "percent", "points", "pulses", "samples", "steps"),
    *("1/s", "A/K", "A/(K s)", "A s/K", "K/s", "V/s", "V/V", "steps/s", "steps/s^2"),
)
_ASIDE = re.compile(r" \((?:[^()]|\([^()]*\))*\)")  # type, range and remarks
_UNIT = re.compile(
    rf"\bin ({'|'.join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))})(?! of \d)(?![\w/^])"
)


def unit_of(driver: Driver, path: str) -> str:
    """Return the unit of the setting `path` of a driver, "" where its docstring names none, as for choices."""
    try:
        owner, name = resolve(driver, path)
    except AttributeError:
        return ""
    return unit_in(getattr(getattr(type(owner), name, None), "__doc__", None) or "")


def unit_in(docstring: str) -> str:
    """Return the first unit that the summary of a docstring names outside parentheses."""
    found = _UNIT.search(_ASIDE.sub("", docstring.strip().partition("\n")[0]))
    return found[1] if found else ""
