"""Whose table it is once its core is dead. Nothing here needs instruments: a successor that comes soon costs little."""

from __future__ import annotations

import time
from typing import Final

from labctl.errors import LeaseError
from labctl.station.clock import WallClock
from labctl.station.table_hold import Intent, TableHold, holders_of
from labctl.watchdog.messages import Hello
from labctl.watchdog.watch import Log

LOOK_S: Final = 0.2  # wall time, between two looks for a successor


def table_of_the_dead(hello: Hello, log: Log, grace_s: float) -> TableHold | None:
    """Return the right to what nobody else has after `grace_s` (wall time), or None: somebody else looks after all.

    Who only looks at the table is waited for, and so is a core that is still dying.
    """
    died_at, clock = time.monotonic(), WallClock()
    while True:
        holders = holders_of(hello.instruments)
        others = {name: one for name, one in holders.items() if not one.is_same(hello.core)}
        movers = {name: one for name, one in others.items() if one.intent is not Intent.LOOK}
        if movers.keys() == hello.instruments.keys():
            who = " and ".join(dict.fromkeys(map(str, movers.values())))
            log.say(f"{who} has the table: nothing is left to do.")
            return None
        if time.monotonic() - died_at >= grace_s and holders == movers:
            free = {name: address for name, address in hello.instruments.items() if name not in movers}
            try:
                return TableHold.take(free, Intent.WATCH, f"watchdog of process {hello.core.pid}")
            except LeaseError:
                continue  # somebody came in between
        clock.sleep(LOOK_S)
