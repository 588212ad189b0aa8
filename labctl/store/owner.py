"""Who holds a run folder: a process that cannot be mistaken for another one with the same number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from labctl.errors import StoreError
from labctl.station.living_process import LivingProcess
from labctl.store import json_codec


class Purpose(StrEnum):
    """Why a process holds a run folder."""

    RUN = "run"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Owner(LivingProcess):
    """A process that holds a run folder, and why."""

    purpose: Purpose

    @classmethod
    def this_process(cls, purpose: Purpose) -> Owner:
        """The calling process."""
        return cls.here(purpose)

    @classmethod
    def parse(cls, text: bytes) -> Owner | None:
        """The owner written in a lock file; None when it is empty or torn."""
        try:
            fields = json_codec.decode(text, "run.lock")
            return cls(
                int(fields["pid"]),
                str(fields["started"]),
                str(fields["boot_id"]),
                str(fields["host"]),
                Purpose(fields["purpose"]),
            )
        except (StoreError, KeyError, TypeError, ValueError, OverflowError):
            return None

    def text(self) -> bytes:
        """What `parse` reads."""
        return json_codec.as_bytes(json_codec.encode(asdict(self), "run.lock") + "\n")
