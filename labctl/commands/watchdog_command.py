"""`labctl watchdog`: what a core starts beside itself; nobody calls it by hand."""

from __future__ import annotations

import sys

from labctl.watchdog.watch import keep_watch


def watch_over_core() -> int:
    """Watch over the core at the other end of the standard input; return the exit status."""
    return keep_watch(sys.stdin.fileno())
