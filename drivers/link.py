"""The link of a driver: nothing goes out that its gate does not let pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymeasure.adapters import VISAAdapter


class Link(VISAAdapter):  # type: ignore[misc]
    """A VISA link that shows each command to `guard` before it is sent, whoever sends it and by whatever property or
    method of the driver; what `guard` raises keeps it from being sent."""

    guard: Callable[[str], None] | None = None

    def write(self, command: str, **kwargs: Any) -> None:
        """Send a command."""
        if self.guard is not None:
            self.guard(command)
        super().write(command, **kwargs)

    def write_bytes(self, content: bytes, **kwargs: Any) -> None:
        """Send bytes."""
        if self.guard is not None:
            self.guard(content.decode("latin-1"))
        super().write_bytes(content, **kwargs)

    def write_binary_values(self, command: str, values: Any, **kwargs: Any) -> None:
        """Send a command that ends in a binary block."""
        if self.guard is not None:
            self.guard(command)
        super().write_binary_values(command, values, **kwargs)
