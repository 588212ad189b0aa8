"""The clocks of this machine: what is written beside every record must be the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from labctl.doctor.findings import Check, Finding, Patient, Voice
from labctl.host.resources import kept_clock
from labctl.station.clock import WallClock
from labctl.store.catalogue import Catalogue

GROUP = "clock"
LOOKS = 6
LOOK_S = 0.02
MOST_JUMP_S = 5e-3
LARGE_ERROR_S = 1.0
YEAR_OF_THIS_PROGRAM = 2026


def checks() -> list[Check]:
    """Return the checks of this group."""
    return [Check(GROUP, "kept", _kept), Check(GROUP, "steady", _steady), Check(GROUP, "date", _date)]


def _kept(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "kept")
    kept = kept_clock()
    if kept is None:
        yield say.ok("The system does not say whether a time server keeps its clock.")
    elif not kept.is_kept:
        yield say.warning("No time server keeps the clock of this machine.", "Switch NTP on: timedatectl set-ntp true")
    elif kept.most_error_s > LARGE_ERROR_S:
        yield say.warning(f"The clock may be {kept.most_error_s:.1f} s off.", "Look at the time server: timedatectl")
    else:
        yield say.ok(f"A time server keeps it, to {1e3 * kept.most_error_s:.0f} ms at worst.")


def _steady(patient: Patient) -> Iterator[Finding]:
    """Compare the wall clock with the one that only goes forward; a machine that is put to sleep or set shows it."""
    say = Voice(GROUP, "steady")
    clock = WallClock()
    differences = []
    for look in range(LOOKS):
        if look:
            clock.sleep(LOOK_S)
        differences.append(time.time() - time.monotonic())
    jump_s = max((abs(later - earlier) for earlier, later in pairwise(differences)), default=0.0)
    if jump_s > MOST_JUMP_S:
        yield say.warning(
            f"The wall clock jumped by {1e3 * jump_s:.1f} ms while it was looked at.", "Do not set it during a night."
        )
    else:
        yield say.ok("The wall clock goes as evenly as the steady one.")


def _date(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "date")
    now = datetime.now().astimezone()
    text = f"{now:%Y-%m-%d %H:%M:%S}, time zone {now:%Z} (UTC{now:%z})."
    if now.year < YEAR_OF_THIS_PROGRAM:
        yield say.fault(text, "Set the date: the order of runs rests on it.")
        return
    newest = Catalogue(patient.runs).list()[:1] if patient.runs.is_dir() else []
    if newest and newest[0].created and datetime.fromisoformat(newest[0].created) > now:
        yield say.warning(
            f"{text} Run {newest[0].run_id} is from later.",
            "Set the clock, or the newest run will seem to be an older.",
        )
        return
    yield say.ok(text)
