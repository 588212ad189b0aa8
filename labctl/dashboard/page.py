"""What the window asks of a page, and what a page may ask of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from labctl.bus.latest import Latest
from labctl.bus.replies import Reply
from labctl.dashboard.look import Look


class Commander(Protocol):
    """Sends commands to the core that the page shows; fills in who asks, and the lease."""

    def send(
        self,
        command: str,
        then: Callable[[Reply], None] | None = None,
        refused: Callable[[str], None] | None = None,
        **arguments: object,
    ) -> None:
        """Send the command of that name (`labctl.bus.commands`) and return at once.

        Later, in the thread of the screen, `then` is given the reply, or `refused` the sentence why not, which the
        window shows as well.
        """
        ...

    @property
    def has_control(self) -> bool:
        """Return whether this window holds the control lease; without it only `stop`, notes and questions are taken."""
        ...


class Page(Protocol):
    """A page; it is a QWidget too."""

    title: str

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what the core told last; `now` is the wall time of this machine. Called while the page is visible, at
        most ten times a second; cheap where nothing changed."""
        ...

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        ...
