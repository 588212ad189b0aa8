"""Bring loops up one after the other, each after those that it needs, as far as they can be brought up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from labctl.configuration.station_file import StationFile
from labctl.errors import LockError
from labctl.station.station import Station
from procedures.bench import Bench

Locked = Callable[[str, float], None]
"""Who is told that a loop is locked: its name and how long it took, in s of lab time."""


def prepare(station: Station, names: Sequence[str]) -> None:
    """Raise the piezos of these loops to where they rest, and let in the light that they need.

    A piezo that is there already does not move; that of a sensor cavity is raised only from rest, for its lock puts it
    elsewhere.
    """
    for name in names:
        piezo = station.piezos[name]
        if name not in station.cavity_piezos or not piezo.commanded_v:
            piezo.ramp_to(station.file.loops[name].bias)
    for name in beams_of(station.file, names):
        if not station.shutters[name].is_open():
            station.shutters[name].open()


def beams_of(file: StationFile, names: Iterable[str]) -> list[str]:
    """Return the shutters that must be open for these loops: the pump for all, the others for those of sensors."""
    kinds = {file.loops[name].kind for name in names}
    wanted = ["pump"] if kinds else []
    if kinds & {"homodyne", "cavity"}:
        wanted += ["local_oscillator", "signal"]
    return [name for name in wanted if name in file.shutters]


def bring_up_all(
    bench: Bench, names: Iterable[str], wait: Callable[[float], None], on_locked: Locked
) -> Mapping[str, LockError]:
    """Lock loops and all that they need, and return what kept those from it that are not; the others are locked.

    A loop that needs one of these is not tried. `wait` is how the caller waits, and may raise to stop.
    """
    supervisor = bench.supervisor
    failures: dict[str, LockError] = {}
    order = supervisor.with_needs(names)
    for name in order:
        if missing := [need for need in supervisor.with_needs([name]) if need in failures]:
            failures[name] = LockError(f"{name}: was not tried, for it needs {missing[0]}.")
            continue
        if (failure := _bring_up(bench, name, wait, on_locked)) is not None:
            failures[name] = failure
    # What was lost while others were acquired is on its way back.
    lost = [name for name in order if name not in failures and not supervisor.machines[name].is_locked]
    again = {name: _bring_up(bench, name, wait, on_locked) for name in lost}
    return failures | {name: failure for name, failure in again.items() if failure is not None}


def _bring_up(bench: Bench, name: str, wait: Callable[[float], None], on_locked: Locked) -> LockError | None:
    began_at = bench.clock.now()
    before = bench.supervisor.machines[name].is_locked
    try:
        bench.supervisor.bring_up([name], wait)
    except LockError as error:
        return error
    if not before:
        on_locked(name, bench.clock.now() - began_at)
    return None
