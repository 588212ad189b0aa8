"""What the window asks of the way to one core."""

from __future__ import annotations

from typing import Protocol

from labctl.bus.latest import Latest
from labctl.dashboard.page import Commander


class TableLink(Protocol):
    """One core that the window is attached to, or keeps trying to attach to."""

    @property
    def name(self) -> str:
        """Return the name as the operator wrote it: "host:5075/labctl"."""
        ...

    @property
    def latest(self) -> Latest:
        """Return what the core told last; the same object for the life of the link."""
        ...

    @property
    def commander(self) -> Commander:
        """Return what sends commands to this core; the same object for the life of the link."""
        ...

    @property
    def is_connected(self) -> bool:
        """Return whether a command sent now would reach the core, as far as this side knows."""
        ...

    def start(self) -> None:
        """Begin to attach, and return at once; attach again whenever the core comes back, until `close`."""
        ...

    def stop(self) -> None:
        """Send the software stop at once, without waiting. Without a link it is lost, not kept for later."""
        ...

    def close(self) -> None:
        """Detach for good; no callback comes after it."""
        ...
