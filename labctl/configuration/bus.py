"""How a core is reached: the `[bus]` table of a station file."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from labctl.configuration.faults import Allowed, refusal
from labctl.configuration.tables import Table

PORT = 5075  # of EPICS PVAccess
MAPPED_BITS = 96  # before the IPv4 address in an IPv6 address that stands for one
_PREFIX = r"^[A-Za-z][A-Za-z0-9_.-]{0,31}(:[A-Za-z][A-Za-z0-9_.-]{0,31}){0,3}$"


def _is_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise refusal(f"{text!r} is no IP address") from None
    return text


def _is_network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise refusal(f"{text!r} is neither an IP address nor a network") from None
    return text


Interface = Annotated[str, AfterValidator(_is_address), Allowed('the IP address of an interface, such as "127.0.0.1"')]
Network = Annotated[
    str, AfterValidator(_is_network), Allowed('an IP address or network, such as "10.1.2.3" or "10.1.2.0/24"')
]


class Bus(Table):
    """Where a core listens, how its channels begin, and from where commands other than the software stop are taken.

    `spectra_per_second` is how often a live spectrum is told at most.
    """

    prefix: Annotated[
        str, Field(pattern=_PREFIX), Allowed("up to 4 names of letters, digits, _, . and -, separated by colons")
    ] = "labctl"
    interface: Interface = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535), Allowed("a whole number from 0 (any) to 65535")] = PORT
    allow_control_from: Annotated[
        tuple[Network, ...], Field(strict=False, max_length=64), Allowed("a list of at most 64 addresses")
    ] = ("127.0.0.1", "::1")
    spectra_per_second: Annotated[float, Field(gt=0, le=50), Allowed("a number above 0 and up to 50")] = 20.0

    def may_control(self, peer: str) -> bool:
        """Return whether commands are taken from the IP address `peer`."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in _network(allowed) for allowed in self.allow_control_from)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network, as one of IPv4 where it is one of mapped addresses."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        return network if mapped is None else ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
    return network
