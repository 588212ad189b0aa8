"""The process of a chaos night: `labctl` with two seams that only such a night needs.

What the true outputs of the table were is written down line by line as it happens, so that it outlives kill -9; and the
wall clock jumps when it is told to. Everything else is the program as it is.

Run: python chaos_core.py OUTPUTS JUMPS ARGUMENTS...    (JUMPS is a file with seconds in it, once the clock has jumped)
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

LOOK_AGAIN_S = 0.2  # of the monotonic clock, between two looks at the file with the jump


def let_the_clock_jump(told: Path) -> None:
    """Let `time.time` be as many seconds ahead as the file `told` says.

    Monotonic time is as it is, as when somebody sets a computer's clock. So is `datetime.now`: its type is one that
    compiled libraries know, and it only stamps files.
    """
    real_time = time.time
    state = {"looked": 0.0, "ahead": 0.0}

    def ahead() -> float:
        if time.monotonic() - state["looked"] > LOOK_AGAIN_S:
            state["looked"] = time.monotonic()
            with suppress(OSError, ValueError):
                state["ahead"] = float(told.read_text(encoding="ascii") or 0.0)
        return state["ahead"]

    time.time = lambda: real_time() + ahead()


def write_outputs_down(told: Path) -> None:
    """Append each output that goes further or faster than before, as one line of JSON with its name."""
    from labctl.simulation import server
    from labctl.simulation.simulation import Simulation
    from labctl.station import bring_up

    simulate: Callable[..., Simulation] = vars(bring_up)["simulate"]
    handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def watched(*arguments: Any, **named: Any) -> Simulation:
        simulation = simulate(*arguments, **named)

        def write(name: str) -> None:
            output = simulation.outputs.get(name)
            if output is not None:
                os.write(handle, (json.dumps({"name": name, **asdict(output)}) + "\n").encode())

        for name in simulation.outputs:
            write(name)
        simulation.outputs.watch = write
        return simulation

    vars(bring_up)["simulate"] = vars(server)["simulate"] = watched


def main() -> None:
    """Be `labctl` with the arguments that are left."""
    outputs, jumps = Path(sys.argv[1]), Path(sys.argv[2])
    let_the_clock_jump(jumps)
    write_outputs_down(outputs)
    from labctl.cli import main as labctl

    sys.argv = ["labctl", *sys.argv[3:]]
    labctl()


if __name__ == "__main__":
    main()
