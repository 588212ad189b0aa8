"""Piezos: their range, and how fast they may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from drivers.base import Driver
from drivers.thorlabs.mdt693b import PiezoChannel as PiezoOutput
from labctl.configuration.station_file import Piezo, PiezoChannel, StationFile
from labctl.errors import LimitError
from labctl.station.bindings.piezo import MEASURED_WITHIN_V, RAMP_STEP_S, set_point_behind
from labctl.station.gate import Rule, Rules, Slew
from labctl.station.limits import Limit

SENT_STEP_V: Final = 1e-3  # what an MDT69x is told


ServoVolts = Callable[[str], tuple[float, float]]
"""What the servo of a loop adds to its piezo, in V, and how old that may be, in s; it raises where nobody knows."""


def piezo_rules(file: StationFile, drivers: Mapping[str, Driver], servo_at_piezo_v: ServoVolts) -> Rules:
    """Return the rules of all piezos; see `output_rules`."""
    limits = file.piezo_limits
    if limits is None:
        return
    key = "[piezo_limits] {0}"
    slew = Slew(limits.slew, limits.slew * RAMP_STEP_S, SENT_STEP_V, limits.fastest_to_safe, "V", key.format("slew"))
    for name, entry in wired_piezos(file):
        limit = Limit(f"piezo {name}", limits.minimum, limits.maximum, "V", key.format("minimum and maximum"))
        present_v = _set_point_v(name, drivers, entry, servo_at_piezo_v)
        confirm = partial(_require_uninterrupted, drivers, entry.instrument)
        yield (entry.instrument, f"{entry.channel}.voltage"), Rule(limit, slew, present=present_v, confirm=confirm)


def wired_piezos(file: StationFile) -> Iterator[tuple[str, PiezoChannel | Piezo]]:
    """Return the piezo of each loop, and those that no loop drives."""
    yield from ((name, loop.piezo) for name, loop in file.loops.items())
    yield from file.piezos.items()


def _set_point_v(
    name: str, drivers: Mapping[str, Driver], entry: PiezoChannel | Piezo, servo_at_piezo_v: ServoVolts
) -> Callable[[], float]:
    """Return how a set point is found, which cannot be read back: the measured output less what a servo adds.

    What a closed servo adds is known as it was a while ago: it only tells that the set point is where it was told to
    be. Raises `LimitError` where it does not.
    """

    def present_v() -> float:
        amplifier: Any = drivers[entry.instrument]
        channel: PiezoOutput = amplifier.channels[entry.channel]
        if (found_v := channel.found_set_point()) is not None:
            return found_v
        added_v, lag_s = servo_at_piezo_v(name)
        seen_v, told_v = set_point_behind(channel, float(channel.measured_voltage), added_v), channel.commanded_voltage
        if not lag_s:
            return seen_v
        if told_v is not None and abs(seen_v - told_v) <= MEASURED_WITHIN_V:
            return told_v
        raise LimitError(
            f"piezo {name}: where its set point is cannot be told while its servo is closed; nothing was sent.",
            remedy="Hold or release the loop, then try again.",
        )

    return present_v


def _require_uninterrupted(drivers: Mapping[str, Driver], instrument: str) -> None:
    amplifier: Any = drivers[instrument]
    amplifier.require_uninterrupted()
