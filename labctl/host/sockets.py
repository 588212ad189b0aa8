"""Options of sockets that not every system has."""

from __future__ import annotations

import socket

LOOPBACK_DEVICE = b"lo"


def claim(link: socket.socket) -> None:
    """Let a TCP socket be bound where one was a moment ago, and to an address that nobody else can bind meanwhile."""
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def acknowledge_at_once(link: socket.socket) -> None:
    """Keep a client that writes twice before it reads from waiting 40 ms, where the system delays acknowledgements."""
    if hasattr(socket, "TCP_QUICKACK"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def can_bind_to_device() -> bool:
    """Return whether a socket can be kept on one device."""
    return hasattr(socket, "SO_BINDTODEVICE")


def keep_on_loopback(link: socket.socket, device: bytes = LOOPBACK_DEVICE) -> None:
    """Keep a socket on the loopback device. Raises `OSError` where the system refuses or cannot."""
    option = getattr(socket, "SO_BINDTODEVICE", None)
    if option is None:
        raise OSError("this system cannot bind a socket to a device")
    link.setsockopt(socket.SOL_SOCKET, option, device)
