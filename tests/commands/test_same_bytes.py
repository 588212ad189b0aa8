"""The same seed puts the same bytes on the wires, at the same lab times; another seed does not."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

from in_process import run_labctl

from labctl.simulation.visa_library import SimulatedVisaLibrary

LOCKS = """[[step]]
name = "lock_source"
"""
RECIPE = f"""title = "as far as a lock"
[[step]]
name = "warm_oven"
procedure = "warm_oven"
[[step]]
name = "noise_floor"
procedure = "noise_floor"
parameters = {{ averages = 50 }}
{LOCKS}procedure = "lock_source"
needs = ["warm_oven"]
[[step]]
name = "lock_homodyne"
procedure = "lock_homodyne"
needs = ["lock_source"]
parameters = {{ sensor = 2 }}
"""


class Tap:
    """Listens on every wire that this thread talks on: a table that an earlier test of this process has left behind may
    have a thread of its own."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._thread = threading.get_ident()

    def hear(self, *parts: object) -> None:
        if threading.get_ident() == self._thread:
            self.heard.append(repr(parts).encode())


def tapped_write(tap: Tap) -> Any:
    real = SimulatedVisaLibrary.write

    def write(library: SimulatedVisaLibrary, session: Any, data: bytes) -> Any:
        tap.hear("to", session, library.timebase.now(), bytes(data))
        return real(library, session, data)

    return write


def tapped_read(tap: Tap) -> Any:
    real = SimulatedVisaLibrary.read

    def read(library: SimulatedVisaLibrary, session: Any, count: int) -> Any:
        data, status = real(library, session, count)
        tap.hear("from", session, library.timebase.now(), bytes(data), int(status))
        return data, status

    return read


def bytes_of_a_night(folder: Path, seed: int, content: str = RECIPE) -> tuple[list[bytes], bytes]:
    """Return all traffic, piece by piece, and the file of the results."""
    folder.mkdir()
    recipe = folder / "recipe.toml"
    recipe.write_text(content, encoding="utf-8")
    tap = Tap()
    with (
        patch.object(SimulatedVisaLibrary, "write", tapped_write(tap)),
        patch.object(SimulatedVisaLibrary, "read", tapped_read(tap)),
    ):
        done = run_labctl("overnight", "--recipe", recipe, "--runs", folder / "runs", "--seed", seed, "--no-report")
    assert "Run complete" in done.stdout, done.stdout + done.stderr
    (results,) = (folder / "runs").glob("*/results.json")
    return tap.heard, results.read_bytes()


def test_the_same_seed_puts_the_same_bytes_on_the_wires(tmp_path: Path) -> None:
    first, second = bytes_of_a_night(tmp_path / "first", 3), bytes_of_a_night(tmp_path / "second", 3)
    other = bytes_of_a_night(tmp_path / "other", 4, RECIPE.partition(LOCKS)[0])
    for number, (one, same) in enumerate(zip(first[0], second[0], strict=False)):
        assert one == same, f"piece {number}, after {first[0][max(0, number - 3) : number]}"
    assert len(first[0]) == len(second[0]) > 5000
    assert first[1] == second[1]
    assert first[0][: len(other[0])] != other[0]  # it ends before the locks
    same, others = json.loads(first[1]), json.loads(other[1])
    assert len(others) > 5 and all(same[name]["value"] != others[name]["value"] for name in others)
