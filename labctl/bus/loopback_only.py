"""Keeps the search socket of a server that is meant for this machine on this machine.

The PVAccess library serves TCP on the interface that it is told, but takes searches by UDP on all of them. Linux can
bind that socket to the loopback device afterwards; clients here, and those that know the TCP port, find the server all
the same.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from labctl.host.sockets import LOOPBACK_DEVICE, can_bind_to_device, keep_on_loopback

DEVICE: Final = LOOPBACK_DEVICE
OPEN_FILES: Final = Path("/proc/self/fd")


def keep_search_on_loopback(interface: str, search_port: int) -> str:
    """Bind the search sockets of this process to the loopback device, if `interface` is a loopback address.

    Return "", or why searches from other machines still reach this process; they learn that there is a server, and
    cannot connect to it.
    """
    if not ipaddress.ip_address(interface).is_loopback:
        return f"The server listens on {interface}, which is no loopback address."
    if not can_bind_to_device() or not OPEN_FILES.is_dir():
        return "This system cannot bind a socket to a device."
    found = 0
    for search in _udp_sockets(search_port):
        with closing(search):
            try:
                keep_on_loopback(search, DEVICE)
            except OSError as error:
                return f"The search socket could not be bound to the loopback device: {error.strerror}."
            found += 1
    return "" if found else f"No search socket on port {search_port} was found."


def _udp_sockets(port: int) -> Iterator[socket.socket]:
    """Yield duplicates of the UDP sockets of this process that are bound to a port; no other file is touched, for the
    locks of a file go when a duplicate of it is closed."""
    for entry in list(OPEN_FILES.iterdir()):
        with suppress(OSError):  # closed meanwhile
            if not str(entry.readlink()).startswith("socket:"):
                continue
            one = socket.socket(fileno=os.dup(int(entry.name)))
            if _is_udp(one) and one.getsockname()[1] == port:
                yield one
            else:
                one.close()


def _is_udp(one: socket.socket) -> bool:
    return one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_DGRAM
