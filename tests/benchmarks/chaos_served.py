"""Short nights on a table that another process serves: the core dies, its watchdog dies, the network is pulled.

The table lives on when a core is killed with SIGKILL: either somebody goes on with the run at once, or the watchdog
parks the table first and gives it up to who comes later. A watchdog that is killed must get a successor. The network is
pulled from every instrument on it at once. The recipe is a short one and its lab time `SPEED` times as fast as real
time, so that a night takes a minute or two; what is asked of it is what `chaos_nights.py` asks, but for the comparison.

Run: python tests/benchmarks/chaos_nights.py --served 5
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos_causes import Cause, cause_of_fault, that_need
from chaos_nights import CORE, Core, Night, judge
from chaos_plan import ChaosPlan, InjectedFault
from kill_nights import OnDisk

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import copy_templates
from labctl.configuration.toml_reading import load_station
from labctl.store.reader import RunReader

SPEED = 20.0  # s of lab time in a second
SENSORS = 2
GRACE_S = 3.0  # of wall time, until the watchdog parks
PATIENCE_S = 60.0
LOOK_S = 0.05
LONGEST_NIGHT_S = 600.0
KILLS_S = (5.0, 45.0)  # of wall time since the run began, between which something is killed
PULLED_AT_S, PULLED_FOR_S = (300.0, 900.0), (4.0, 15.0)  # of lab time since it is served; 20 s would trip an interlock
LAST_STEP = "joint_analyzer"
SHORT_RECIPE = Path(__file__).parents[1] / "commands" / "short_recipe.toml"


def served_night(seed: int, folder: Path) -> Night:
    """Live through one, and judge it."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    copy_templates(folder / "files", SENSORS)
    table, recipe = folder / "files" / "simulated.toml", folder / "short.toml"
    file = load_station(table)
    plan, pulled = _plan(rng, seed, file)
    recipe.write_text(_recipe(), encoding="utf-8")
    table.write_text(table.read_text(encoding="utf-8") + pulled, encoding="utf-8")
    night, began = Night(plan), time.monotonic()
    environment = {"LABCTL_TABLE_HOLDS": str(folder / "holds"), "LABCTL_WATCHDOG_GRACE_S": str(GRACE_S)}
    with _served(folder, table, seed) as station:
        runs = folder / "runs"
        runs.mkdir()
        core = Core(folder, runs, [str(station), "--recipe", str(recipe), "--runs", str(runs), "--no-bus"], environment)
        deeds: list[Callable[[], None]] = [lambda: _kill_watchdog(core, night)]
        acknowledged: list[OnDisk] = []
        deeds += [lambda: _kill_core(core, night, acknowledged, is_parked=rng.random() < 0.5)]
        moments = sorted(rng.uniform(*KILLS_S) for _ in deeds)
        rng.shuffle(deeds)
        core.start()
        try:
            until(core.run, "a run")
            since = time.monotonic()
            for at, deed in zip(moments, deeds, strict=True):
                if core.ended(since + at - time.monotonic()):
                    break
                deed()
            if not core.ended(LONGEST_NIGHT_S):
                night.wrong.append(f"it did not end within {LONGEST_NIGHT_S:g} s of wall time")
            judge(night, core, file, recipe, acknowledged, None)
        finally:
            core.end()
    night.wall_s = time.monotonic() - began
    return night


def _plan(rng: random.Random, seed: int, file: StationFile) -> tuple[ChaosPlan, str]:
    """Return what is pulled and when, and the text for the station file of the table."""
    at_s, for_s = rng.uniform(*PULLED_AT_S), rng.uniform(*PULLED_FOR_S)
    networked = [name for name, one in file.instruments.items() if one.address.startswith("TCPIP")]
    faults = tuple(InjectedFault(name, FaultKind.DROPPED, None, at_s, for_s) for name in networked)
    causes = [cause_of_fault(one.instrument, one.kind, None, at_s, file) for one in faults]
    # A core that is killed leaves light and loops as they are, so a resumed night has no excuse but the network.
    loops = frozenset(that_need({"opa_length"}, file)) if "scan" in networked else frozenset[str]()
    causes.append(Cause("the network", at_s, loops))
    plan = ChaosPlan(seed, faults, causes=tuple(causes))
    return plan, plan.backend_text()


def _recipe() -> str:
    """Return the short recipe up to the spectrum of the sum, with fewer averages."""
    text = SHORT_RECIPE.read_text(encoding="utf-8")
    end = text.index("[[step]]", text.index(f'name = "{LAST_STEP}"'))
    return re.sub(r"averages = (400|100)", "averages = 50", text[:end])


@contextmanager
def _served(folder: Path, table: Path, seed: int) -> Iterator[Path]:
    """Serve the table from a process of its own, its true outputs written down; yield the station file for others."""
    station = folder / "served.toml"
    arguments = ["simulate", str(table), "--speed", str(SPEED), "--seed", str(seed), "--write-station", str(station)]
    with (folder / "table.txt").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(CORE), str(folder / "outputs_of_table.jsonl"), str(folder / "no_jump"), *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until(station.is_file, "a served table")
        yield station
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _kill_core(core: Core, night: Night, acknowledged: list[OnDisk], *, is_parked: bool) -> None:
    assert core.process is not None
    log = core.runs / "watchdog.log"
    core.process.send_signal(signal.SIGKILL)
    core.process.wait()
    run = core.run()
    if run is not None:
        acknowledged.append(OnDisk.of(run))
    if core.ended_before():
        night.kills.append("after the end")
        return
    if is_parked:
        try:
            until(lambda: log.is_file() and "Parked in" in log.read_text("utf-8"), "a parked table")
        except TimeoutError as error:
            night.wrong.append(str(error))
    running = "" if run is None else next((s.name for s in RunReader(run).steps() if s.state == "running"), "")
    night.kills.append(f"core in {running or 'between steps'}, {'parked' if is_parked else 'gone on with at once'}")
    core.start()


def _kill_watchdog(core: Core, night: Night) -> None:
    assert core.process is not None
    pid = core.process.pid
    night.kills.append("watchdog")
    try:
        until(lambda: watchdogs_of(pid) or core.ended(0.0), "a watchdog of the core")  # it may just have been started
    except TimeoutError as error:
        night.wrong.append(str(error))
        return
    before = watchdogs_of(pid)
    for watchdog in before:
        os.kill(watchdog, signal.SIGKILL)
    try:
        until(lambda: set(watchdogs_of(pid)) - set(before) or core.ended(0.0), "another watchdog")
    except TimeoutError as error:
        if core.process.poll() is None:
            night.wrong.append(str(error))


def watchdogs_of(pid: int) -> list[int]:
    """Return the numbers of the watchdogs that a process has."""
    children = [pid_ for task in Path(f"/proc/{pid}/task").glob("*/children") for pid_ in task.read_text().split()]
    found = []
    for child in children:
        try:
            if b"labctl.watchdog" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
        except OSError:
            continue
    return found


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds. Raises `TimeoutError` where it does not come."""
    began, pause = time.monotonic(), threading.Event()
    while not holds():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"not within {PATIENCE_S:g} s: {what}")
        pause.wait(LOOK_S)
