"""A core that has a table and a watchdog and does nothing with them; a program of its own.

Arguments: station file, folder of the runs. Prints who watches over it and what is said of that, and ends with its
standard input: well, or with a defect where "defect" was written there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from labctl.configuration.toml_reading import load_station
from labctl.station.table_hold import Intent, table_held
from labctl.watchdog.guarding import guarded


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    file = load_station(Path(sys.argv[1]))
    with table_held(file, Intent.MOVE), guarded(file, Path(sys.argv[2]), say) as guard:
        assert guard is not None
        say(str(guard.pid))
        if "defect" in sys.stdin.read():
            raise ZeroDivisionError("a defect")
