"""`python -m labctl.watchdog`: without the command line, whose memory a watchdog has no use for."""

from __future__ import annotations

import sys

from labctl.watchdog.watch import keep_watch

if __name__ == "__main__":
    sys.exit(keep_watch(sys.stdin.fileno()))
