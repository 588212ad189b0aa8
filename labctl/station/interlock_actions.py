"""What interlocks do to the table. Each action goes on past what fails, and returns one sentence for each failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, assert_never

from labctl.configuration.interlocks import Action
from labctl.errors import LabError
from labctl.station.bindings.environment import BoundOven
from labctl.station.bindings.ramped_oven import BoundRampedOven

if TYPE_CHECKING:
    from labctl.station.station import Station

TRIES: Final = 2  # of each device: a reply may be lost

HoldLocks = Callable[[str], None]
"""Has whoever brings loops back hold them; is given why."""


def act(station: Station, action: Action, why: str, hold_locks: list[HoldLocks]) -> list[str]:
    """Do what an interlock does when it trips and return what failed, one sentence each; never raises."""
    match action:
        case Action.ALARM | Action.PAUSE:
            return []
        case Action.HOLD:
            station.way.end_motions()
            return hold(station, why, hold_locks)
        case Action.DARK:
            return [*darken(station), *hold(station, why, hold_locks)]
        case Action.HEATER_OFF:
            return _tried("the oven", lambda: _heater_off(station))
        case Action.SAFE:
            return station.make_safe()
        case never:
            assert_never(never)


def hold(station: Station, why: str, hold_locks: list[HoldLocks]) -> list[str]:
    """Open every loop where it is; outputs stay."""
    problems = []
    for tell in hold_locks:
        problems += _tried("the locks", lambda tell=tell: tell(why))  # type: ignore[misc]
    for name in station.file.servo_loops:
        problems += _tried(f"servo {name}", lambda name=name: station.servos[name].hold())  # type: ignore[misc]
    return problems


def darken(station: Station) -> list[str]:
    """Close all shutters, switch laser and tones off."""
    problems = []
    for name in station.file.shutters:
        problems += _tried(f"shutter {name}", lambda name=name: station.shutters[name].begin_to_close())  # type: ignore[misc]
    if station.file.laser is not None:
        problems += _tried("laser", lambda: station.laser.switch_off())  # noqa: PLW0108 - it may not even be bound
    for name in station.file.tones:
        problems += _tried(f"tone {name}", lambda name=name: station.tones[name].switch_off())  # type: ignore[misc]
    return problems


def _heater_off(station: Station) -> None:
    oven = station.oven
    assert isinstance(oven, (BoundOven, BoundRampedOven))
    oven.switch_off()


def _tried(what: str, do: Callable[[], object]) -> list[str]:
    for attempt in range(1, TRIES + 1):
        try:
            do()
        except Exception as error:
            if attempt == TRIES or not isinstance(error, LabError):
                return [f"{what} could not be reached: {error}"]
        else:
            break
    return []
