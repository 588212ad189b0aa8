"""Which cores a command means: those that are named, else those of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.bus.client import LOOPBACK, CoreAddress
from labctl.core.card import CoreCard, cards
from labctl.errors import LabError


def local_cores() -> list[CoreAddress]:
    """Return the cores of this machine, the newest first."""
    return [address_of(card) for card in cards()]


def address_of(card: CoreCard) -> CoreAddress:
    """Return where the core of a card is reached from this machine."""
    return CoreAddress(LOOPBACK if card.host in ("0.0.0.0", "::") else card.host, card.port, card.prefix)


def addresses_of(connect: Sequence[str]) -> list[CoreAddress]:
    """Return the cores that are meant. Raises `LabError` where none is named and none runs here."""
    if connect:
        return [CoreAddress.parse(text) for text in connect]
    found = local_cores()
    if not found:
        raise LabError(
            "No core runs on this machine.", remedy="Start one with labctl serve, or name one with --connect."
        )
    return found
