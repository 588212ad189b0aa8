"""Which addresses are listened on, and by which process."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labctl.host.sockets import LOOPBACK_DEVICE

PROC: Final = Path("/proc")
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x301
_ALL_STATES: Final = 0xFFFFFFFF
_NETLINK_BYTES: Final = 1 << 16
_PATIENCE_S: Final = 1.0
_DEVICE_AND_INODE: Final = struct.Struct("=40xI24xI")  # of `struct inet_diag_msg`
_TCP_LISTENS: Final = "0A"
_UDP_UNCONNECTED: Final = "07"


@dataclass(frozen=True)
class Listener:
    """A socket that takes what others send: "tcp" or "udp", its address and port, its number in the kernel, and the
    device that it is bound to, "" for all."""

    protocol: str
    address: str
    port: int
    inode: int
    device: str = ""

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches it: by its address, or because it is bound to the loopback device."""
        if self.device == LOOPBACK_DEVICE.decode():
            return True
        address = ipaddress.ip_address(self.address)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def listeners(pid: int | None = None) -> list[Listener] | None:
    """Return what is listened on in the network of this process, or by one process; None where the system does not
    tell, and for a process that is somebody else's."""
    if not (PROC / "net/tcp").exists():
        return None
    found = list(_all())
    if pid is None:
        return found
    try:
        inodes = set(_sockets_of(pid))
    except OSError:
        return None
    return [one for one in found if one.inode in inodes]


def holders() -> dict[int, int]:
    """Return the process that has each socket, by the number in the kernel; of the processes that are ours to see."""
    found: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                found |= dict.fromkeys(_sockets_of(int(entry.name)), int(entry.name))
    return found


def _sockets_of(pid: int) -> Iterator[int]:
    for entry in list((PROC / str(pid) / "fd").iterdir()):
        with suppress(OSError):  # closed meanwhile
            target = os.readlink(entry)  # noqa: PTH115 - it is no path
            if target.startswith("socket:["):
                yield int(target[8:-1])


def _all() -> Iterator[Listener]:
    devices = _devices_of_udp()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        with suppress(OSError):  # no IPv6
            lines = (PROC / "net" / name).read_text().splitlines()[1:]
            for fields in map(str.split, lines):
                if fields[3] == (_TCP_LISTENS if name.startswith("tcp") else _UDP_UNCONNECTED):
                    host, _, port = fields[1].partition(":")
                    inode = int(fields[9])
                    yield Listener(name[:3], _address(host), int(port, 16), inode, devices.get(inode, ""))


def _devices_of_udp() -> dict[int, str]:
    """Return to which device each UDP socket is bound, by its number; /proc/net does not tell, so the kernel is asked
    by `sock_diag(7)`. Empty where it does not answer."""
    found: dict[int, str] = {}
    with suppress(OSError, AttributeError):
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack("=BBBxI48x", family, socket.IPPROTO_UDP, 0, _ALL_STATES)
            header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
                link.settimeout(_PATIENCE_S)
                link.send(header + request)
                for answer in _answers(link):
                    device, inode = _DEVICE_AND_INODE.unpack_from(answer)
                    if device:
                        found[inode] = socket.if_indextoname(device)
    return found


def _answers(link: socket.socket) -> Iterator[bytes]:
    while True:
        data = link.recv(_NETLINK_BYTES)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind != _SOCK_DIAG_BY_FAMILY or length < 16:  # the end, or an error
                return
            yield data[16:length]
            data = data[(length + 3) & ~3 :]


def _address(text: str) -> str:
    """Return an address from words of 32 bits, each in the order of this machine's bytes."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))
