"""No more commands from one client than an operator could mean."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

RATE_HZ: Final = 20.0  # a person clicks five times a second, a knob that is turned sends ten
BURST: Final = 60  # a page that opens asks for many things at once
NAMES_PER_PEER: Final = 4  # as much as so many clients may come from one address, whatever names they use
MOST_REMEMBERED: Final = 1024
TELL_EVERY_S: Final = 60.0
LONGEST_NAME: Final = 64

KeyT = TypeVar("KeyT")


@dataclass
class _Bucket:
    tokens: float
    at: float
    refused: int = 0  # since it was told
    told_at: float = -math.inf


class _Buckets(Generic[KeyT]):
    """Token buckets, the one used longest ago first."""

    def __init__(self, rate_hz: float, burst: float, most: int) -> None:
        self.rate_hz, self.burst = rate_hz, burst
        self._most = most
        self._by_key: OrderedDict[KeyT, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def fill(self, key: KeyT, now: float) -> _Bucket | None:
        """Return the bucket as full as it is at `now`; None where too many others are in use."""
        bucket = self._by_key.get(key)
        if bucket is None:
            if len(self._by_key) >= self._most and not self._forget_one(now):
                return None
            bucket = self._by_key[key] = _Bucket(self.burst, now)
        bucket.tokens = min(self.burst, bucket.tokens + self.rate_hz * max(0.0, now - bucket.at))
        bucket.at = now
        self._by_key.move_to_end(key)
        return bucket

    def look(self, key: KeyT) -> _Bucket | None:
        return self._by_key.get(key)

    def _forget_one(self, now: float) -> bool:
        """Forget the bucket used longest ago if it is full again: only that costs no memory of a flood."""
        key, bucket = next(iter(self._by_key.items()))
        is_full = bucket.tokens + self.rate_hz * max(0.0, now - bucket.at) >= self.burst
        if is_full:
            del self._by_key[key]
        return is_full


class FloodGuard:
    """Admits commands: a burst, then so many a second, for each client of each address.

    An address as a whole may send as much as four clients, so that new names gain nothing. What is refused costs
    nothing. The stop must never be asked about here: who receives commands lets it through unasked. Times are wall time
    in s. May be used by several threads.
    """

    def __init__(self, rate_hz: float = RATE_HZ, burst: int = BURST, most: int = MOST_REMEMBERED) -> None:
        self._clients = _Buckets[tuple[str, str]](rate_hz, burst, most)
        self._peers = _Buckets[str](NAMES_PER_PEER * rate_hz, NAMES_PER_PEER * burst, most)
        self._guard = threading.Lock()

    @property
    def remembered(self) -> int:
        """Return how many clients are remembered."""
        with self._guard:
            return len(self._clients)

    def admit(self, peer: str, client: str, now: float) -> bool:
        """Return whether a command of `client` at the address `peer` may be looked at."""
        peer, client = peer[:LONGEST_NAME], client[:LONGEST_NAME]
        with self._guard:
            whole = self._peers.fill(peer, now)
            if whole is None:
                return False
            if whole.tokens < 1.0:
                whole.refused += 1
                return False
            own = self._clients.fill((peer, client), now)
            if own is None or own.tokens < 1.0:
                (own or whole).refused += 1
                return False
            own.tokens -= 1.0
            whole.tokens -= 1.0
            return True

    def complaint(self, peer: str, client: str, now: float) -> str:
        """Return a sentence about a client that was refused, once a minute; "" in between and where it was not."""
        peer, client = peer[:LONGEST_NAME], client[:LONGEST_NAME]
        with self._guard:
            own, whole = self._clients.look((peer, client)), self._peers.look(peer)
            if own is not None and own.refused:
                return _told(own, f"{client} at {peer}", self._clients.rate_hz, now)
            if whole is not None and whole.refused:
                return _told(whole, f"{peer}, under several names,", self._peers.rate_hz, now)
            return ""


def _told(bucket: _Bucket, who: str, rate_hz: float, now: float) -> str:
    if abs(now - bucket.told_at) < TELL_EVERY_S:
        return ""
    refused, bucket.refused, bucket.told_at = bucket.refused, 0, now
    times = "was" if refused == 1 else "were"
    return f"{who} sends more than {rate_hz:g} commands a second; {refused} {times} refused."
