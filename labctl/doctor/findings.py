"""What a check found, and how checks are run: one that fails itself says so, and the others go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from labctl.configuration.station_file import StationFile
from labctl.errors import LabError

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What one check found: a sentence, and what to do about it in another."""

    group: str
    check: str
    verdict: Verdict
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at: this machine, where runs lie, and a station if one was named."""

    runs: Path
    file: StationFile | None = None
    found: dict[str, object] = field(default_factory=dict)
    """What one check leaves for others, such as the drivers of the instruments that answered."""


@dataclass(frozen=True)
class Check:
    """A check of a group; `look` yields what it finds."""

    group: str
    name: str
    look: Callable[[Patient], Iterable[Finding]]
    needs_station: bool = False


class Voice:
    """Says what a check found in its name."""

    def __init__(self, group: str, check: str) -> None:
        self._names = (group, check)

    def ok(self, text: str) -> Finding:
        """Return that all is well."""
        return Finding(*self._names, Verdict.OK, text)

    def warning(self, text: str, remedy: str) -> Finding:
        """Return what may spoil a night."""
        return Finding(*self._names, Verdict.WARNING, text, remedy)

    def fault(self, text: str, remedy: str) -> Finding:
        """Return what will spoil it."""
        return Finding(*self._names, Verdict.FAULT, text, remedy)


def examine(patient: Patient, checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield what the checks find, in their order."""
    for check in checks:
        if check.needs_station and patient.file is None:
            continue
        began_at = time.monotonic()
        try:
            yield from check.look(patient)
        except Exception as error:  # a check that is broken must not hide what the others find
            if not isinstance(error, LabError | OSError):
                log.exception("check %s failed", check.name, extra={"told": True})
            yield Finding(
                check.group,
                check.name,
                Verdict.WARNING,
                f"The check itself failed ({type(error).__name__}: {error}).",
                getattr(error, "remedy", "") or "Look at it by hand; the log has more.",
            )
        log.debug("check %s took %.3f s", check.name, time.monotonic() - began_at)


def worst(findings: Iterable[Finding]) -> int:
    """Return the exit status: 0 where all is well, 1 with warnings, 2 with faults."""
    order = [Verdict.OK, Verdict.WARNING, Verdict.FAULT]
    return max((order.index(one.verdict) for one in findings), default=0)
