"""Who may command the core: one lease at a time, lost by who no longer renews it."""

from __future__ import annotations

import hmac
import math
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from labctl.errors import LeaseError

# A screen renews it every few seconds, so that two lost messages cost nothing; after the crash of one, nobody is kept
# from the table for longer than it takes to walk to the next screen.
LEASE_S: Final = 10.0
TOKEN_BYTES: Final = 24


@dataclass
class _Holder:
    client: str
    peer: str
    token: str
    since: float
    until: float


class ControlLease:
    """The right to command, held by nobody or by one client.

    `lost(client, by)` is told the name of who lost it to a forced take, and to whom. Names prove nothing; the token
    does. Times are wall time in s. May be used by several threads.
    """

    def __init__(self, lost: Callable[[str, str], None] = lambda client, by: None) -> None:
        self._lost = lost
        self._guard = threading.Lock()
        self._holder: _Holder | None = None

    def take(self, client: str, peer: str, now: float, force: bool = False) -> str:
        """Take the lease and return its token. Raises `LeaseError` naming who has it, unless it is taken by force;
        also to the holder itself, for another window may go by the same name."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._guard:
            before = self._present(now)
            if before is not None and not force:
                raise LeaseError(
                    f"{before.client} at {before.peer} has control since {_time_of_day(before.since)}.",
                    remedy="Ask for it there, or take it by force.",
                )
            self._holder = _Holder(client, peer, token, now, now + LEASE_S)
        if before is not None:
            self._lost(before.client, client)
        return token

    def keep(self, token: str, now: float) -> float:
        """Renew the lease and return when it ends. Raises `LeaseError` to who does not hold it."""
        with self._guard:
            holder = self._require(token, now)
            holder.until = now + LEASE_S
            return holder.until

    def give(self, token: str) -> bool:
        """Give the lease back, and return whether it was held with this token; else nothing happens."""
        with self._guard:
            if self._holder is None or not _same(self._holder.token, token):
                return False
            self._holder = None
            return True

    def require(self, token: str, now: float) -> None:
        """Raise `LeaseError` to who does not hold the lease."""
        with self._guard:
            self._require(token, now)

    def holder(self, now: float) -> tuple[str, float]:
        """Return who holds the lease and until when; "" and nan for nobody."""
        with self._guard:
            holder = self._present(now)
            return ("", math.nan) if holder is None else (holder.client, holder.until)

    def _present(self, now: float) -> _Holder | None:
        holder = self._holder
        if holder is not None:
            holder.until = min(holder.until, now + LEASE_S)  # the clock of this machine may have been set back
            if now >= holder.until:
                holder = self._holder = None
        return holder

    def _require(self, token: str, now: float) -> _Holder:
        holder = self._present(now)
        if holder is not None and _same(holder.token, token):
            return holder
        begin = "You no longer have control" if token else "You do not have control"
        if holder is None:
            raise LeaseError(f"{begin}; nobody has.", remedy="Take control first.")
        raise LeaseError(
            f"{begin}: {holder.client} at {holder.peer} has it since {_time_of_day(holder.since)}.",
            remedy="Ask for it there, or take it by force.",
        )


def _same(one: str, other: str) -> bool:
    """Compare in a time that does not tell how much was right."""
    return hmac.compare_digest(one.encode(), other.encode(errors="replace"))


def _time_of_day(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
