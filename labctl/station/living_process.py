"""A process that cannot be mistaken for another one with the same number, and whether it lives."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import Any, Self

from labctl.host import processes


@dataclass(frozen=True)
class LivingProcess:
    """A process, told apart from a later one with the same pid by its start time and the boot of the machine.

    `started` is in clock ticks since boot; it and `boot_id` are empty where the system does not tell them.
    """

    pid: int
    started: str
    boot_id: str
    host: str

    @classmethod
    def here(cls, *others: Any) -> Self:
        """Return the calling process; `others` are the fields that a subclass adds, in their order."""
        pid = os.getpid()
        return cls(pid, processes.started(pid), processes.boot(), platform.node(), *others)

    def is_alive(self) -> bool | None:
        """Return whether the process still exists; None when this machine cannot know."""
        if self.host != platform.node() or sys.platform == "win32":
            return None
        if self.boot_id != processes.boot() or not processes.lives(self.pid):
            return False
        return self.started == processes.started(self.pid)

    def is_same(self, other: LivingProcess) -> bool:
        """Return whether `other` is this process, whatever else is known of either."""
        mine = (self.pid, self.started, self.boot_id, self.host)
        return mine == (other.pid, other.started, other.boot_id, other.host)
