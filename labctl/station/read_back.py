"""What an instrument says its settings are now, against what it was asked to be."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drivers.base import Driver
from labctl.errors import BadReply, LabError, Refused
from labctl.station.ledger import plain, resolve, same

_ANSWERED = (BadReply, Refused)  # errors of one question; others mean that nobody listens any more


class Verdict(StrEnum):
    """How a setting compares with what it was asked to be."""

    SAME = "same"
    DIFFERS = "differs"
    WRITE_ONLY = "write-only"
    """It can be set and not read: nobody can verify it."""
    UNREAD = "unread"
    """It could not be read now."""
    GONE = "gone"
    """The driver or the station has no such setting any more."""


@dataclass(frozen=True)
class Comparison:
    """One setting: what was asked, and what the instrument says (None unless it was read); `problem` says why not."""

    instrument: str
    setting: str
    wanted: Any
    found: Any
    verdict: Verdict
    problem: str = ""


def compare(driver: Driver, wanted: Mapping[str, Any]) -> list[Comparison]:
    """Read back each setting of `wanted` (path -> value) and compare; nothing is set, and nothing raised.

    An instrument that falls silent is asked no more: the rest is unread too.
    """
    comparisons: list[Comparison] = []
    lost: LabError | None = None
    for path, value in wanted.items():
        if lost is not None:
            comparisons.append(Comparison(driver.name, path, value, None, Verdict.UNREAD, str(lost)))
            continue
        try:
            comparisons.append(_compare_one(driver, path, value))
        except LabError as error:
            lost = None if isinstance(error, _ANSWERED) else error
            comparisons.append(Comparison(driver.name, path, value, None, Verdict.UNREAD, str(error)))
    return comparisons


def _compare_one(driver: Driver, path: str, wanted: Any) -> Comparison:
    try:
        owner, name = resolve(driver, path)
    except AttributeError:
        return Comparison(driver.name, path, wanted, None, Verdict.GONE, "the driver has no such channel")
    setting = inspect.getattr_static(type(owner), name, None)
    if not isinstance(setting, property):
        return Comparison(driver.name, path, wanted, None, Verdict.GONE, "the driver has no such setting")
    if setting.fget is None:
        return Comparison(driver.name, path, wanted, None, Verdict.WRITE_ONLY)
    try:
        found = plain(getattr(owner, name))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        if type(error) is LookupError:  # how pymeasure says that a property has no query
            return Comparison(driver.name, path, wanted, None, Verdict.WRITE_ONLY)
        return Comparison(driver.name, path, wanted, None, Verdict.UNREAD, f"{type(error).__name__}: {error}")
    return Comparison(driver.name, path, wanted, found, Verdict.SAME if same(wanted, found, name) else Verdict.DIFFERS)
