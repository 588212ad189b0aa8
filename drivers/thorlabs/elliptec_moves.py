"""What packets on an Elliptec line would move, in degrees.

Jogs are unknown moves, since only the device knows how far they go; so are searches of frequencies, which shake it, and
what moves its home or address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from drivers.moves import Move, MoveKind, unknown_move
from drivers.thorlabs.elliptec import degrees_for, pulses

_QUESTION = re.compile(r"[0-9A-F](?:g[spvjo]|in|i1|i2)")
_PACKET = re.compile(
    r"(?P<address>[0-9A-F])(?:(?P<quiet>g[spvjo]|in|i1|i2|st|sv[0-9A-F]{2}|sj[0-9A-F]{8})"
    r"|(?P<home>ho[01])|(?P<move>m[ar])(?P<pulses>[0-9A-F]{8}))[\r\n]*"
)
_KINDS = {"ma": MoveKind.LEVEL, "mr": MoveKind.STEP}


def moves_of(command: str, scale_of: Callable[[int], int | None]) -> Sequence[Move]:
    """Return what `command`, one packet or several, would move.

    `scale_of` gives the pulses of a revolution at an address, None where nobody knows.
    """
    if _QUESTION.fullmatch(command):
        return ()
    found: list[Move] = []
    end = 0
    while end < len(command):
        packet = _PACKET.match(command, end)
        if packet is None:
            return [*found, *unknown_move(command[end:])]
        end = packet.end()
        found += _moves_of_packet(packet, scale_of)
    return found


def _moves_of_packet(packet: re.Match[str], scale_of: Callable[[int], int | None]) -> Sequence[Move]:
    address = int(packet["address"], 16)
    output = f"rotator_{address}.angle_deg"
    if packet["quiet"]:
        return ()
    if packet["home"]:
        return (Move(output, 0.0),)
    scale = scale_of(address)
    if scale is None:
        return unknown_move(packet[0])
    return (Move(output, degrees_for(pulses(packet["pulses"]), scale), _KINDS[packet["move"]]),)
