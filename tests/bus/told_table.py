"""A table that is not there, told on a real bus by a process of its own.

As a program it is one of three: `publish` tells the night of `night_table` on a bare server until it is ended, `follow`
is a client that notes what it has, `tick` does nothing as often as `publish` tells, and so shows what of its gaps is
this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "dashboard"))

import night_table as night
from stub_table import alarm_row, core_row, run_row

from labctl.bus.client import BusClient, CoreAddress
from labctl.bus.commands import Command, Stop
from labctl.bus.messages import (
    AlarmRow,
    CalibrationRow,
    CoreRow,
    EventRow,
    LoopRow,
    QueueRow,
    ReadingRow,
    RunRow,
)
from labctl.bus.replies import Reply
from labctl.bus.server import BusServer
from labctl.bus.spectra import Curve, Kind, LiveSpectrum
from labctl.configuration.bus import Bus

CHANNELS = {"bhd1": -0.8, "bhd2": -0.8, "bhd3": -0.8, "bhd4": -0.8, "joint": -3.7, "rephased": -4.6}  # dB
REFERENCES: dict[Kind, float] = {"shot": 0.0, "dark": -20.0}  # dB
SHOT_V2_PER_HZ = 4e-14
STATES_EVERY_S, SLOW_EVERY_S = 0.1, 1.0
TICK_S = 0.02
EVENTS_KEPT = 200
DAY_EVERY_BEATS = 300
LOOKS = 480  # in the history of a loop


class ToldTable:
    """A night with four sensors whose values change; `points` for each spectrum, drawn anew for each telling.

    With `lively` alarms come and go, steps advance and events flow. Nothing is told of channels `without`.
    """

    def __init__(self, server: BusServer, points: int, lively: bool, without: Sequence[str] = ()) -> None:
        self._server = server
        self._axis = np.linspace(4.08e6, 4.56e6, points)
        self._random = np.random.default_rng(1)
        self._lively = lively
        self._levels_db = {name: level for name, level in CHANNELS.items() if name not in without}
        self._began_at = time.time()
        self.stopped_by = ""
        self._beats = self._events = 0
        self._states_at = self._slow_at = -np.inf
        for kind, level_db in REFERENCES.items():
            for channel in self._levels_db:
                server.tell_spectrum(self._spectrum(channel, level_db, kind))
        self._tell_day()

    def tell_spectra(self) -> None:
        """Tell all six."""
        for channel, level_db in self._levels_db.items():
            self._server.tell_spectrum(self._spectrum(channel, level_db, "psd"))

    def tell_rows(self) -> None:
        """Tell the heartbeat and the states ten times a second, and what changes slowly once."""
        now = time.time()
        if now - self._states_at >= STATES_EVERY_S:
            self._states_at = now
            self._beats += 1
            self._server.beat()
            self._tell_states(now)
        if now - self._slow_at >= SLOW_EVERY_S:
            self._slow_at = now
            self._tell_slow(now)

    def _spectrum(self, channel: str, level_db: float, kind: Kind) -> LiveSpectrum:
        noise: NDArray[np.float64] = self._random.standard_gamma(50.0, len(self._axis)) / 50.0
        power = SHOT_V2_PER_HZ * 10 ** (level_db / 10) * noise
        return LiveSpectrum(
            channel, kind, self._axis, power, 10.0, float("nan"), 50, 50, "power", "digitizer", "live", True, "",
            time.time(),
        )  # fmt: skip

    def _tell_states(self, now: float) -> None:
        tell = self._server.tell_rows
        times = {"started_at": self._began_at, "now": now, "lab_time_s": now - self._began_at}
        stop = {"stopped": bool(self.stopped_by), "stopped_by": self.stopped_by}
        tell(CoreRow, [core_row(pid=os.getpid(), **times, **stop)])
        noise = self._random.standard_normal(16)
        tell(
            LoopRow,
            [
                replace(row, error=0.01 * n, residual=row.residual * (1 + 0.1 * abs(n)), looked_at=now, since=now - 5e3)
                for row, n in zip(night.loop_rows(), noise, strict=False)
            ],
        )
        if self._lively:
            self._tell_lively(now)

    def _tell_lively(self, now: float) -> None:
        beats = self._beats
        if beats % 5 == 0:
            self._events += 1
            numbers = range(max(0, self._events - EVENTS_KEPT), self._events)
            self._server.tell_rows(
                EventRow, [EventRow(n, now, float(n), "info", "lo2", f"event {n} of many") for n in numbers]
            )
            for row in night.loop_rows():
                self._server.tell_curve(self._history(row.name, now))
        if beats % 10 == 0:
            rows = self._alarms(now)[: 1 + beats // 10 % 6]
            self._server.tell_rows(AlarmRow, [*rows, alarm_row(identity=1000 + beats, raised_at=now)])

    def _history(self, loop: str, now: float) -> Curve:
        columns = {name: self._random.standard_normal(LOOKS) for name in ("error", "witness", "output")}
        axis = np.linspace(-120.0, 0.0, LOOKS)
        return Curve(
            loop, "history", f"{loop}: the last minutes", "time", "s", "error", "rad", axis, columns, taken_at=now
        )

    def _tell_day(self) -> None:
        day = night.day_curve([row.name for row in night.loop_rows()])
        now = time.time()
        self._server.tell_curve(replace(day, x=day.x + (now - night.NOW), taken_at=now))

    def _tell_slow(self, now: float) -> None:
        if self._beats % DAY_EVERY_BEATS == 0:
            self._tell_day()
        tell, fraction = self._server.tell_rows, self._beats % 1000 / 1000
        tell(RunRow, [run_row(fraction=fraction, step_fraction=fraction, started_at=self._began_at)])
        tell(QueueRow, [replace(r, fraction=fraction) if r.state == "running" else r for r in night.queue_rows()])
        tell(ReadingRow, [replace(row, read_at=now) for row in night.reading_rows()])
        tell(CalibrationRow, [replace(row, measured_at=now - 4e3) for row in night.calibration_rows()])
        if not self._lively:
            tell(AlarmRow, self._alarms(now))

    def _alarms(self, now: float) -> list[AlarmRow]:
        later = now - night.NOW
        return [
            replace(
                row,
                raised_at=row.raised_at + later,
                cleared_at=row.cleared_at + later,
                shelved_until=row.shelved_until + later,
            )
            for row in night.alarm_rows()
        ]


def publish(
    port: int, points: int, spectra_hz: float, lively: bool, log: Path | None, without: Sequence[str] = ()
) -> None:
    """Tell the table on a bare server until this process is ended; print the port first."""

    def execute(command: Command, peer: str) -> Reply:
        if isinstance(command, Stop):
            table.stopped_by = f"{command.client} ({peer})"
        return Reply(f"{command.name} of {command.client} at {peer}.")

    server = BusServer(Bus(port=port), execute)
    table = ToldTable(server, points, lively, without)
    print(server.port, flush=True)  # noqa: T201 - how the one who started it learns the port

    def tell() -> None:
        table.tell_rows()
        table.tell_spectra()

    regularly(1.0 / spectra_hz, tell, log)


def follow(address: str, log: Path) -> None:
    """Follow a core as a screen does, and note ten times a second what is known of it."""
    client = BusClient(CoreAddress.parse(address), "follower")
    client.follow()
    latest = client.latest

    def known() -> dict[str, object]:
        now = time.time()
        newest = max((one.taken_at for one in latest.spectra()), default=float("-inf"))
        return {
            "gone": latest.is_gone(now),
            "age_s": latest.age_s(newest, now),
            "revision": latest.revision,
            "spectra": len(latest.spectra()),
            "pid": latest.core.pid if latest.core else 0,
        }

    regularly(STATES_EVERY_S, lambda: None, log, known)


def regularly(
    period_s: float, act: Callable[[], None], log: Path | None, known: Callable[[], Mapping[str, object]] = dict
) -> None:
    """Act every `period_s` until this process is asked to end; note the worst gap between two acts, and what is
    `known`, ten times a second."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    due = before = noted = time.monotonic()
    worst = 0.0
    with (log or Path(os.devnull)).open("a", encoding="utf-8") as lines:
        while not ended.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            worst, before = max(worst, now - before), now
            act()
            due = max(due + period_s, time.monotonic())
            if now - noted >= STATES_EVERY_S:
                lines.write(json.dumps({"at": time.time(), "gap_s": worst, **known()}) + "\n")
                lines.flush()
                worst, noted = 0.0, now


def main() -> None:
    """Be one of these processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("publish", "follow", "tick"))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--points", type=int, default=1001)
    parser.add_argument("--spectra-hz", type=float, default=50.0)
    parser.add_argument("--lively", action="store_true")
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--address", default="")
    parser.add_argument("--log", type=Path, default=None)
    given = parser.parse_args()
    match given.part:
        case "publish":
            publish(given.port, given.points, given.spectra_hz, given.lively, given.log, given.without)
        case "follow":
            follow(given.address, given.log)
        case _:
            regularly(TICK_S, lambda: None, given.log)


if __name__ == "__main__":
    main()
