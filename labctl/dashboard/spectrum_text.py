"""The words of the spectrum panel: head line, notes in the plot, readouts of markers. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from labctl.bus.latest import Latest
from labctl.dashboard.markers import Marker, MarkerKind, Reading
from labctl.dashboard.shot_reference import CLEARANCE_DB
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_store import Trace
from labctl.dashboard.trace_style import channel_name

MOST_NOTES = 4
UNKNOWN = "–"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
SHORT_LIST = 4


def signed(value: float, decimals: int = 2, plus: bool = False) -> str:
    """Return a number with a true minus sign; "–" for nan."""
    if not math.isfinite(value):
        return UNKNOWN
    text = f"{value:{'+' if plus else ''}.{decimals}f}"
    return text.replace("-", "−")


def age(seconds: float) -> str:
    """Return an age in one unit: "12 s", "3 min", "2 h", "5 d"."""
    if not math.isfinite(seconds):
        return UNKNOWN
    for unit, length in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def clock_time(at: float, latest: Latest) -> str:
    """Return the time of day, of this machine, of something that the core stamped `at`."""
    if not math.isfinite(at):
        return "–:–:–"
    return datetime.fromtimestamp(at + latest.clock_offset_s).astimezone().strftime("%H:%M:%S")


def bandwidth(hertz: float) -> str:
    """Return a bandwidth: "10 Hz", "1.5 kHz"; "–" for nan."""
    if not math.isfinite(hertz):
        return UNKNOWN
    for unit, size in (("MHz", 1e6), ("kHz", 1e3)):
        if hertz >= size:
            return f"{hertz / size:.4g} {unit}"
    return f"{hertz:.4g} Hz"


def megahertz(hertz: float, resolution_hz: float) -> str:
    """Return a frequency in MHz with the digits that bins of `resolution_hz` deserve."""
    decimals = 3 if not resolution_hz > 0 else min(7, max(3, math.ceil(-math.log10(resolution_hz / 1e6))))
    return f"{hertz / 1e6:.{decimals}f} MHz"


def offset(hertz: float, resolution_hz: float) -> str:
    """Return a difference of frequencies, signed: "+1.20 kHz"."""
    unit, size = next(((u, s) for u, s in (("MHz", 1e6), ("kHz", 1e3)) if abs(hertz) >= s), ("Hz", 1.0))
    decimals = min(6, max(0, math.ceil(-math.log10(resolution_hz / size)))) if resolution_hz > 0 else 2
    return f"{signed(hertz / size, decimals, plus=True)} {unit}"


def head_parts(trace: Trace, scale: str, span_hz: tuple[float, float], shot_age: str) -> list[str]:
    """Return the parts of the head line, the most important first."""
    spectrum = trace.spectrum
    asked = f"/{spectrum.averages_asked}" if spectrum.averages_asked else ""
    video = f"  VBW {bandwidth(spectrum.vbw_hz)}" if math.isfinite(spectrum.vbw_hz) else "  VBW off"
    made = ""
    if trace.made_by.accumulates:
        made = f"  {trace.made_by.word} of {trace.count}"
    width = span_hz[1] - span_hz[0]
    decimals = min(6, max(2, math.ceil(-math.log10(width / 1e6)) + 1)) if width > 0 else 3
    parts = [
        channel_name(trace.channel),
        f"RBW {bandwidth(spectrum.rbw_hz)}{video}  avg {spectrum.averages}{asked} {spectrum.averaging}{made}",
        scale,
        f"{span_hz[0] / 1e6:.{decimals}f}–{span_hz[1] / 1e6:.{decimals}f} MHz",
        spectrum.source,
    ]
    return [*parts, f"shot {shot_age} old"] if shot_age else parts


def notes(
    traces: Sequence[Trace], without_shot: Sequence[str], relative: bool, stale: dict[str, str], wanted_relative: bool
) -> list[str]:
    """Return what is wrong with what the plot shows, a sentence each, at most five lines.

    `without_shot` are the channels that have no shot reference; `stale` says of channels when they were last alive.
    """
    lines: dict[str, list[str]] = {}
    for trace in traces:
        for text in _faults(trace, relative):
            lines.setdefault(text, []).append(trace.channel)
        if trace.channel in stale:
            lines.setdefault(f"STALE, last {stale[trace.channel]}", []).append(trace.channel)
    if without_shot and wanted_relative:
        remedy = "not shown relative to it" if relative else "absolute only"
        lines.setdefault(f"no shot reference, {remedy}", []).extend(without_shot)
    found = [f"{'◌' if text.startswith('STALE') else '▨'} {names(at)}: {text}" for text, at in lines.items()]
    return found if len(found) <= MOST_NOTES + 1 else [*found[:MOST_NOTES], f"and {len(found) - MOST_NOTES} more"]


def _faults(trace: Trace, relative: bool) -> list[str]:
    found = []
    if not trace.valid:
        found.append(f"not valid: {trace.reason or 'no reason given'}")
    elif trace.skipped and not trace.spectrum.valid and trace.mode is not TraceMode.VIEW:
        found.append(f"{trace.mode.word} waits: {trace.spectrum.reason or 'not valid'}")
    if trace.low_clearance and (relative or trace.dark is not None):
        found.append(_clearance_text(trace))
    return found


def _clearance_text(trace: Trace) -> str:
    if trace.dark is None:
        return "no dark noise, clearance unknown"
    worst = min(trace.low_clearance, key=lambda span: span.clearance_db)
    low, high = trace.low_clearance[0].low_hz, trace.low_clearance[-1].high_hz
    level = f"{signed(worst.clearance_db, 1)} dB" if math.isfinite(worst.clearance_db) else "unknown"
    return f"clearance {level} < {CLEARANCE_DB:.0f} dB, {low / 1e6:.3f}–{high / 1e6:.3f} MHz"


def names(channels: Sequence[str]) -> str:
    """Return the names of channels, shortened where there are many: "BHD 1, 2, 3, joint"."""
    numbers = [channel[3:] for channel in channels if channel.startswith("bhd") and channel[3:].isdigit()]
    others = [channel_name(channel) for channel in channels if not (channel[3:] in numbers and channel[:3] == "bhd")]
    if len(numbers) > SHORT_LIST:
        numbers = [*numbers[:2], "…", numbers[-1]]
    first = [f"BHD {', '.join(numbers)}"] if numbers else []
    return ", ".join([*first, *others])


def readout(marker: Marker, reading: Reading | None, reference: Reading | None, unit: str, names_trace: bool) -> str:
    """Return the line of a marker: "M1 4.3010 MHz −3.72 dB", "Δ2−1 +1.20 kHz +0.31 dB", "N3 ... −3.72 ± 0.05 dB"."""
    trace = f" {channel_name(marker.channel)}" if names_trace else ""
    if marker.kind is MarkerKind.DELTA:
        title = f"Δ{marker.number}−{marker.reference}{trace}"
        if reading is None or reference is None:
            return f"{title} {UNKNOWN}"
        difference = signed(reading.level_db - reference.level_db, plus=True)
        return f"{title} {offset(reading.frequency_hz - reference.frequency_hz, reading.bin_hz)} {difference} dB"
    title = f"{'N' if marker.kind is MarkerKind.NOISE else 'M'}{marker.number}{trace}"
    if reading is None:
        return f"{title} {UNKNOWN}"
    level = signed(reading.level_db)
    if math.isfinite(reading.sigma_db):
        decimals = 2 if reading.sigma_db >= 0.02 else 3
        level = f"{signed(reading.level_db, decimals)} ± {reading.sigma_db:.{decimals}f}"
    return f"{title} {megahertz(reading.frequency_hz, reading.bin_hz)} {level} {unit}"
