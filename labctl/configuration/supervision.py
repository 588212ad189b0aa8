"""What the supervisor of the loops needs to agree with: how often it looks, dithers that it steps, records that it
takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.configuration.faults import Finding
from labctl.configuration.inspection import Inspection
from labctl.configuration.servos import FastInputMean, SoftwareServo

if TYPE_CHECKING:
    from labctl.configuration.station_file import StationFile

SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 0.02, 1.0
"""Of the supervisor: a look at every loop takes some ten milliseconds, and a loss must be seen within seconds."""
DITHERS_PER_WAVELENGTH = 40.0
"""A wider dither leaves the top of a fringe."""
_REACH = 1e-9  # relative, of numbers that were computed


def supervision_findings(inspection: Inspection) -> Iterator[Finding]:
    """A period that is too short or too long, dithers that cannot be stepped, boards that record for others."""
    station = inspection.station
    period = station.supervisor.period
    if not SHORTEST_PERIOD_S <= period <= LONGEST_PERIOD_S:
        yield Finding(
            ("supervisor", "period"),
            f"{period:g} s is no time between two looks",
            f"a duration from {SHORTEST_PERIOD_S:g} s to {LONGEST_PERIOD_S:g} s",
        )
    yield from _dithers(inspection)
    yield from _boards_of_errors(station)


def _dithers(inspection: Inspection) -> Iterator[Finding]:
    station = inspection.station
    fastest = 1.0 / station.supervisor.period
    for name, loop in station.loops.items():
        if loop.kind != "cavity":
            continue
        if loop.servo.rate > fastest * (1.0 + _REACH):
            yield Finding(
                ("loops", name, "servo", "rate"),
                f"{loop.servo.rate:g} Hz is faster than the supervisor looks",
                f"a frequency up to {fastest:g} Hz (supervisor.period)",
            )
        if station.light is None:
            if not inspection.is_dropped("light"):
                yield Finding(
                    ("loops", name, "kind"),
                    "the wavelength is the ruler of a cavity's length, and nothing names it",
                    "a [light] table",
                )
        elif loop.servo.amplitude > (widest := station.light.wavelength / DITHERS_PER_WAVELENGTH):
            yield Finding(
                ("loops", name, "servo", "amplitude"),
                f"{1e9 * loop.servo.amplitude:g} nm leaves the top of the fringe",
                f"a length up to {1e9 * widest:g} nm",
            )


def _boards_of_errors(station: StationFile) -> Iterator[Finding]:
    """A board has one acquisition for all its fast inputs: two that record with it would spoil each other's."""
    digitizers = () if station.digitizer is None else station.digitizer.boards
    recording = {board.instrument: "[digitizer]" for board in digitizers}
    if station.scan is not None:
        recording[station.scan.instrument] = "[scan]"
    for name, loop in station.loops.items():
        if isinstance(loop.servo, SoftwareServo) and isinstance(loop.servo.input, FastInputMean):
            recording[loop.servo.input.instrument] = f"[loops.{name}.servo]"
    for name, loop in station.loops.items():
        if loop.kind == "homodyne" and loop.error is not None and loop.error.instrument in recording:
            board = loop.error.instrument
            yield Finding(
                ("loops", name, "error", "instrument"),
                f"{board} records for {recording[board]}, and its inputs share one acquisition",
                "a board of its own",
            )
