"""What a truthful reason for a bad end may name: for every fault and disturbance its instrument and what hangs on that.

A word admits a reason only where it stands there as a whole, and only from when its cause began.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.servos import AnalogServo
from labctl.configuration.station_file import StationFile

READ_BY_LOOPS = {"opa_transmission": "opa_length", "seed_power": "pump_phase"}  # others are called as their loop
WORDS_OF_CHANNELS = {
    FaultKind.RAILED_OUTPUT: ("rail",),
    FaultKind.STUCK_MOTOR: ("motor",),
    FaultKind.OPEN_SENSOR: (),
}
WAKES_UP_DARK = {"scan": ("light", "shutter"), "oven": ("oven", "opa_length")}
"""What is gone when an instrument wakes up after a power cycle, beside the instrument itself."""
HANDS_LIGHT_ON = {"rotators": ("light", "power", "pump"), "laser": ("wavelength", "length")}
DISTURBED = {
    "kicks": ("LOOPS",),
    "door_slam": ("LOOPS",),
    "mode_hop": ("LOOPS", "laser"),
    "power_drop": ("LOOPS", "light", "power", "threshold"),
    "oven_drift": ("oven", "opa_length", "pump_phase", "gain"),
    "path_drift": ("pump_phase", "HOMODYNES"),
    "cavity_drift": ("CAVITIES", "HOMODYNES"),
    "membrane_doublet": ("sensor 1", "STEPS 1"),
    "dying_photodiode": ("lo2", "sensor 2", "STEPS 2"),
}


@dataclass(frozen=True)
class Cause:
    """Something that was done to a night, from `since_s` of lab time on, and words of which a reason has one."""

    what: str
    since_s: float
    words: frozenset[str]

    def explains(self, reason: str, at_s: float | None = None) -> bool:
        """Return whether a reason that was given at this lab time (None: any) names this cause."""
        if at_s is not None and at_s < self.since_s:
            return False
        return any(re.search(_pattern(word), reason, re.IGNORECASE) for word in self.words)


def _pattern(word: str) -> str:
    if word.startswith("STEPS "):
        return rf"\w\.{word.removeprefix('STEPS ')}\b"
    return rf"(?<![\w]){re.escape(word)}(?![\w])"


def cause_of_fault(
    instrument: str, kind: FaultKind, channel: str | None, since_s: float, station: StationFile
) -> Cause:
    """Return the cause that a fault of an instrument is."""
    words = {instrument, str(station.instruments[instrument].address)}
    words |= set(_roles(instrument, channel, station))
    words |= {f"interlock {name}" for name in _interlocks_that_read(words, station)}
    words |= set(WORDS_OF_CHANNELS.get(kind, ()))
    if kind is FaultKind.POWER_CYCLE:
        words |= set(WAKES_UP_DARK.get(instrument, ()))
    words |= set(HANDS_LIGHT_ON.get(instrument, ()))
    words |= set(that_need(set(_loops_on(instrument, channel, station)), station))
    return Cause(f"{instrument}:{kind}", since_s, frozenset(words))


def cause_of_disturbance(kind: str, since_s: float, station: StationFile) -> Cause:
    """Return the cause that a disturbance of the table is."""
    loops = station.loops
    groups = {
        "LOOPS": list(loops),
        "HOMODYNES": [name for name, loop in loops.items() if loop.kind == "homodyne"],
        "CAVITIES": [name for name, loop in loops.items() if loop.kind == "cavity"],
    }
    words = [word for given in DISTURBED[kind] for word in groups.get(given, [given])]
    return Cause(kind, since_s, frozenset(words))


def that_need(names: set[str], station: StationFile) -> set[str]:
    """Return these loops and all that cannot be locked without them."""
    found = set(names)
    for name in station.loops_in_order:
        if found & set(station.loops[name].needs):
            found.add(name)
    return found


def explained(causes: Sequence[Cause], reason: str, at_s: float | None = None) -> bool:
    """Return whether any cause explains a reason."""
    return any(cause.explains(reason, at_s) for cause in causes)


def _roles(instrument: str, channel: str | None, station: StationFile) -> Iterator[str]:
    """Yield the names of what is behind an instrument, or behind one channel of it."""
    tables = (station.tones, station.rotators, station.monitors, station.shutters, station.gauges, station.mirrors)
    for table in (*tables, station.power_meters):
        for name, entry in table.items():
            if entry.instrument != instrument:
                continue
            numbers = {str(getattr(entry, key)) for key in ("address", "channel") if hasattr(entry, key)}
            if hasattr(entry, "controller"):
                numbers = {f"{entry.controller}.{axis}" for axis in (entry.pitch, entry.yaw)}
            if channel is None or channel in numbers:
                yield name
                if name.startswith("sensor"):
                    yield f"sensor {name.removeprefix('sensor')}"


def _interlocks_that_read(names: Set[str], station: StationFile) -> Iterator[str]:
    """Yield the interlocks that read one of these: a reading that fails trips them."""
    for name, interlock in station.interlocks.items():
        if {str(getattr(interlock, key, "")) for key in ("gauge", "monitor", "meter", "instrument")} & names:
            yield name


def _loops_on(instrument: str, channel: str | None, station: StationFile) -> Iterator[str]:
    """Yield the loops that act or see through an instrument, or through one servo of it."""
    for name, loop in station.loops.items():
        servo = loop.servo
        if isinstance(servo, AnalogServo) and servo.instrument == instrument and channel in (None, str(servo.slot)):
            yield name
        if loop.piezo.instrument == instrument:
            yield name
    seen = [name for name, monitor in station.monitors.items() if monitor.instrument == instrument]
    yield from (READ_BY_LOOPS.get(name, name) for name in seen if READ_BY_LOOPS.get(name, name) in station.loops)
