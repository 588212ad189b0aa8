"""What the header says, as plain values: from what the core told last and the time of this machine."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

from labctl.bus.latest import Latest
from labctl.bus.messages import AlarmRow, CoreRow, RunRow, Severity
from labctl.dashboard.pace import pace
from labctl.dashboard.state_glyphs import STALE, UNKNOWN, Mark, alarm_text, is_shelved, run_mark, severity_mark

NO_LINK: Final = Mark("✗", "NO LINK", Severity.INVALID)
NO_DATA: Final = Mark("○", "NO DATA", Severity.MINOR)
LIVE: Final = Mark("●", "LIVE")

CLOCK_WITHIN_S: Final = 20 * 3600.0  # beyond it a clock time needs its weekday


@dataclass(frozen=True)
class Said:
    """A text, and how bad it is."""

    text: str
    severity: Severity = Severity.NONE


@dataclass(frozen=True)
class LiveSaid:
    """Whether what is shown is present, in letters to be read from afar, and since when."""

    mark: Mark
    detail: str


@dataclass(frozen=True)
class RunSaid:
    """The run in two lines, and how far it is, 0 to 1."""

    title: Said
    progress: str
    fraction: float


@dataclass(frozen=True)
class AlarmsSaid:
    """How many alarms nobody acknowledged, and the worst of them."""

    count: int
    heading: Said
    worst: str = ""


def clock_time(at: float) -> str:
    """Return the local time of day of `at`, in s since the epoch: "04:12:07"."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def duration(seconds: float) -> str:
    """Return a time span for reading: "33 ms", "4.2 s", "12 s", "3 min 20 s", "4 h 12 min", "2 d 3 h"."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1.0:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def run_said(latest: Latest, now: float) -> RunSaid:
    """Say which run goes on, how far it is and when it ends."""
    core, run = latest.core, latest.run
    if latest.is_gone(now) or core is None:
        return RunSaid(Said(f"{UNKNOWN.glyph} RUN UNKNOWN", Severity.INVALID), "no link", 0.0)
    if run is None:
        return RunSaid(Said("○ NO RUN"), "", 0.0)
    mark = run_mark(run.state)
    word = "RUN" if run.state == "running" else mark.word.upper()
    title = " ".join(part for part in (mark.glyph, word, run.title or run.run_id) if part)
    if run.reason and run.state in ("paused", "pausing", "stopped", "failed"):
        title += f": {run.reason}"
    goes_on = run.state in ("running", "paused", "pausing")
    share = f"{100 * run.fraction:.0f} %" if math.isfinite(run.fraction) else ""
    parts = [
        f"step {run.step_number}/{run.steps}" if run.steps else "",
        share if goes_on else "",
        _eta(core, run, now) if goes_on else "",
        run.step,  # last, because it is what a narrow window shortens
    ]
    progress = " · ".join(part for part in parts if part)
    return RunSaid(Said(title, mark.severity), progress, run.fraction if math.isfinite(run.fraction) else 0.0)


def _eta(core: CoreRow, run: RunRow, now: float) -> str:
    if not math.isfinite(run.eta_s) or run.eta_s < 0:
        return "ETA –"
    if run.state in ("paused", "pausing"):
        return f"{duration(run.eta_s)} left once resumed"
    if not core.speed > 0:
        return f"{duration(run.eta_s)} of lab time left"
    left_s = run.eta_s / pace(core)
    form = "%H:%M" if left_s < CLOCK_WITHIN_S else "%a %H:%M"
    at = time.strftime(form, time.localtime(now + left_s))
    return f"ETA {at} ({duration(max(left_s, 1.0))})"


def live_said(latest: Latest, now: float) -> LiveSaid:
    """Say how old the newest spectrum is, and whether the core is there."""
    if latest.heard_at == float("-inf"):
        return LiveSaid(NO_LINK, "yet")
    if latest.is_gone(now):
        return LiveSaid(NO_LINK, f"since\n{clock_time(latest.heard_at)}")
    taken = [spectrum.taken_at for spectrum in latest.spectra()]
    if not taken:
        return LiveSaid(NO_DATA, "no spectrum\nyet")
    age_s = latest.age_s(max(taken), now)
    if latest.is_stale(max(taken), now):
        return LiveSaid(STALE, duration(age_s))
    return LiveSaid(LIVE, f"{age_s * 1e3:.0f} ms")


def unacknowledged(latest: Latest, now: float) -> list[AlarmRow]:
    """Return the alarms that nobody acknowledged or put aside, the worst first."""
    core_now = now - latest.clock_offset_s
    rows = [row for row in latest.rows(AlarmRow) if not row.acknowledged and not is_shelved(row, core_now)]
    return sorted(rows, key=lambda row: (-row.severity, not row.active, -row.raised_at))


def alarms_said(latest: Latest, now: float) -> AlarmsSaid:
    """Say how many alarms wait for somebody, and the worst one."""
    if latest.is_gone(now):
        return AlarmsSaid(0, Said(f"{UNKNOWN.glyph} ALARMS UNKNOWN", Severity.INVALID), "no link")
    waiting = unacknowledged(latest, now)
    if waiting:
        worst, mark = waiting[0], severity_mark(waiting[0].severity)
        text = alarm_text(worst) + ("" if worst.active else " (over)")
        if worst.consequences:
            text += f" → {worst.consequences}"
        return AlarmsSaid(len(waiting), Said(f"{mark.glyph} {len(waiting)} UNACK", mark.severity), text)
    known = sum(row.active for row in latest.rows(AlarmRow))
    if known:
        return AlarmsSaid(0, Said(f"▪ {known} ALARM{'S' * (known > 1)}"), "acknowledged or put aside")
    return AlarmsSaid(0, Said("○ NO ALARMS"))


def tab_said(name: str, latest: Latest, now: float) -> Said:
    """Say on the tab of a table what its operator must not miss while another one is shown."""
    core = latest.core
    if latest.is_gone(now):
        return Said(f"{name} {NO_LINK.text}", Severity.INVALID)
    if core is not None and core.stopped:
        return Said(f"{name} ■ STOPPED", Severity.MAJOR)
    alarms = alarms_said(latest, now)
    if alarms.count:
        return Said(f"{name} {alarms.heading.text}", alarms.heading.severity)
    if live_said(latest, now).mark is STALE:
        return Said(f"{name} {STALE.text}", Severity.INVALID)
    return Said(name)


def control_said(core: CoreRow | None, has_control: bool) -> Said:
    """Say who may change things."""
    if has_control:
        return Said("● You have control")
    if core is None or not core.control_holder:
        return Said("○ Nobody has control")
    return Said(f"○ {core.control_holder} has control")


def link_lost_said(name: str, latest: Latest, now: float, waiting_since: float) -> str:
    """Return what covers the page while the core is gone."""
    if latest.heard_at == float("-inf"):
        return f"Attaching to {name} for {duration(now - waiting_since)}: nothing was heard of it yet"
    gone_s = max(0.0, now - latest.heard_at)
    return f"NO LINK to {name} for {gone_s:.0f} s – re-attaching; values are not current"
