"""Who is using what: one holder at a time for each instrument."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from labctl.errors import LeaseError


class Leases:
    """Leases by role name; taking several is all or nothing."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._holders: dict[str, str] = {}

    @contextmanager
    def hold(self, roles: Sequence[str], holder: str) -> Iterator[None]:
        """Hold `roles` for the block. Raises `LeaseError` that names who has them."""
        with self._guard:
            taken = {role: self._holders[role] for role in roles if role in self._holders}
            if taken:
                what = ", ".join(f"{role} (by {who})" for role, who in taken.items())
                raise LeaseError(f"{holder} cannot start: in use are {what}.", remedy="Wait for it to end, or stop it.")
            self._holders.update(dict.fromkeys(roles, holder))
        try:
            yield
        finally:
            with self._guard:
                for role in roles:
                    self._holders.pop(role, None)

    def holders(self) -> dict[str, str]:
        """Return role -> holder."""
        with self._guard:
            return dict(self._holders)
