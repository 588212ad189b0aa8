"""The ports of this machine: is the one of the bus free, and can other machines reach what should be reached here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from labctl.configuration.bus import Bus
from labctl.doctor.findings import Check, Finding, Patient, Voice
from labctl.host import processes
from labctl.host.listeners import Listener, holders, listeners

GROUP = "ports"
OURS = "labctl"


def checks() -> list[Check]:
    """Return the checks of this group."""
    return [Check(GROUP, "bus", _bus), Check(GROUP, "listeners", _beyond_loopback)]


def _bus(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "bus")
    bus = _bus_of(patient)
    found = listeners()
    if found is None:
        yield say.ok("The system does not say which ports are in use.")
        return
    taken = [one for one in found if one.protocol == "tcp" and one.port == bus.port]
    if not bus.port or not taken:
        yield say.ok(f"Port {bus.port or 'any'} of {bus.interface} is free.")
        return
    yield say.warning(
        f"Port {bus.port} is in use by {_named(holders().get(taken[0].inode))}.",
        "A core that is served now takes another port and says so; end the other, or name a port in [bus].",
    )


def _beyond_loopback(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "listeners")
    found = listeners()
    if found is None:
        yield say.ok("The system does not say who listens.")
        return
    by_process = holders()
    ours = [
        (one, by_process[one.inode]) for one in found if one.inode in by_process and _is_ours(by_process[one.inode])
    ]
    outside = [(one, pid) for one, pid in ours if not one.on_loopback]
    allowed = not ipaddress.ip_address(_bus_of(patient).interface).is_loopback
    for one, pid in outside:
        text = f"{_named(pid)} listens on {_place(one)}, beyond this machine."
        if allowed:
            yield say.warning(text, "The station file asks for it; make sure that this network is yours.")
        else:
            yield say.fault(text, "End it, and start it without --interface.")
    if not outside:
        count = len(ours)
        yield say.ok(
            f"{count} of labctl, all on this machine alone." if count else "Nothing of labctl listens on this machine."
        )


def _bus_of(patient: Patient) -> Bus:
    return Bus() if patient.file is None else patient.file.bus


def _is_ours(pid: int) -> bool:
    words = processes.command_of(pid).split()
    return any(word.rpartition("/")[2] == OURS or word.startswith(f"{OURS}.") for word in words[:4])


def _place(one: Listener) -> str:
    return f"{one.protocol} {one.address}:{one.port}"


def _named(pid: int | None) -> str:
    if pid is None:
        return "a process of somebody else"
    return f"process {pid} ({processes.command_of(pid)[:80]})"
