"""labctl's one error family. Every error that reaches an operator derives from `LabError`."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.errors import (
    BadReply,
    ConnectionLost,
    InstrumentError,
    LabError,
    NoReply,
    Refused,
    WrongInstrument,
    plain,
)

__all__ = [
    "AnalysisRefused",
    "BadReply",
    "ConfigurationError",
    "ConnectionLost",
    "InstrumentError",
    "InterlockOpen",
    "LabError",
    "LeaseError",
    "LimitError",
    "LockError",
    "MissingResult",
    "NoReply",
    "RecordRefused",
    "Refused",
    "StationNotOpened",
    "StepTimeout",
    "Stopped",
    "StoreError",
    "StoreFull",
    "WrongInstrument",
    "plain",
]


class StationNotOpened(ConnectionLost):
    """Some instruments of a station did not open; the text has one line for each."""

    def __init__(self, failures: Mapping[str, LabError], instruments: int) -> None:
        lines = "".join(f"\n  {error}" for error in failures.values())
        LabError.__init__(self, f"{len(failures)} of {instruments} instruments did not open; nothing was moved.{lines}")
        self.instrument = ", ".join(failures)
        self.command = ""
        self.reply = None
        self.failures = dict(failures)


class ConfigurationError(LabError):
    """A station file or recipe is wrong; the text lists every fault found, one a line."""


class StoreError(LabError):
    """A run folder cannot be made, written or read."""


class StoreFull(StoreError):
    """The disk has no room for what is to be kept; all that was kept before is safe."""


class MissingResult(StoreError):
    """A result that a step needs is not there; the record itself is well."""


class RecordRefused(StoreError):
    """What a step wants to keep cannot be kept as it is, such as a result that is not finite; the record is well."""


class LimitError(LabError):
    """A command would leave the limits of the station file; nothing was sent."""


class InterlockOpen(LabError):
    """Something would move while an interlock keeps the table as it is; nothing was sent."""


class LeaseError(LabError):
    """An instrument is in use by somebody else."""


class LockError(LabError):
    """A loop could not be locked, or fell out of lock and did not come back."""


class AnalysisRefused(LabError):
    """Data do not carry the number that was asked of them; the text says why."""


class StepTimeout(LabError):
    """A step of a recipe took longer than it may."""


class Stopped(LabError):
    """The operator asked to stop."""
