"""Interlocks: what may not last on the table, for how long it may, and what labctl does about it.

`grace` is how long a condition may last (s), `action` what is done then:

- "alarm": it is told;
- "pause": nothing is measured while it lasts;
- "hold": every servo loop is opened where it is, outputs stay, and nothing is measured while it lasts;
- "dark": shutters are closed, laser and tones switched off, and loops held;
- "heater_off": the oven's output is switched off;
- "safe": the whole table is made safe.

After the last three nothing moves until a person has reset the interlock.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from labctl.configuration.faults import Allowed, Finding, Key, choices, guess, refusal, shown
from labctl.configuration.inspection import Inspection
from labctl.configuration.quantities import Duration, PositivePower, PositivePressure, Temperature, Voltage
from labctl.configuration.tables import Name, Table

if TYPE_CHECKING:
    from labctl.configuration.station_file import StationFile


class Action(StrEnum):
    """What an interlock does when it trips, the mildest first."""

    ALARM = "alarm"
    PAUSE = "pause"
    HOLD = "hold"
    DARK = "dark"
    HEATER_OFF = "heater_off"
    SAFE = "safe"

    @property
    def latches(self) -> bool:
        """Whether a person has to reset it."""
        return self in (Action.DARK, Action.HEATER_OFF, Action.SAFE)

    @property
    def pauses(self) -> bool:
        """Whether nothing is measured while it stands."""
        return self is not Action.ALARM


_ACTIONS: Final = choices(f'"{action}"' for action in Action)


def _as_action(value: object) -> Action:
    if isinstance(value, str) and value in tuple(Action):
        return Action(value)
    raise refusal(f"{shown(value)} is no action{guess(value, Action) if isinstance(value, str) else ''}", _ACTIONS)


class _Interlock(Table):
    """An interlock: what is bad may last for `grace` (s) before `action` is taken. A reading that fails is bad too."""

    grace: Duration
    action: Annotated[Action, BeforeValidator(_as_action), Allowed(_ACTIONS)]


class VacuumInterlock(_Interlock):
    """A pressure above `above` (Pa), or a gauge that gives none."""

    kind: Literal["vacuum"]
    gauge: Name
    above: PositivePressure


class OvenInterlock(_Interlock):
    """An oven outside `low` to `high` (degC), without a temperature, or whose controller reports a fault."""

    kind: Literal["oven"]
    low: Temperature
    high: Temperature


class LaserOffInterlock(_Interlock):
    """A monitor below `below` (V) while the shutter of its light is open."""

    kind: Literal["laser_off"]
    monitor: Name
    shutter: Name
    below: Voltage


class PowerInterlock(_Interlock):
    """A power meter above `above` (W), as soon as it was told a wavelength within its limits."""

    kind: Literal["power"]
    meter: Name
    above: PositivePower


class LockLostInterlock(_Interlock):
    """A loop that is wanted, was locked and is no more, or that has given up."""

    kind: Literal["lock_lost"]
    loop: Name


class NoReplyInterlock(_Interlock):
    """An instrument that does not answer."""

    kind: Literal["no_reply"]
    instrument: Name


Interlock = Annotated[
    VacuumInterlock | OvenInterlock | LaserOffInterlock | PowerInterlock | LockLostInterlock | NoReplyInterlock,
    Field(discriminator="kind"),
]

_NAMED: Final = {
    "gauge": "gauges",
    "monitor": "monitors",
    "shutter": "shutters",
    "meter": "power_meters",
    "loop": "loops",
    "instrument": "instruments",
}
"""Key of an interlock -> the table that has the entry which it names."""


def interlock_findings(inspection: Inspection) -> Iterator[Finding]:
    """Interlocks on something that is not there, on an oven without a range, or that act on what the table has not."""
    station = inspection.station
    for name, interlock in station.interlocks.items():
        here: Key = ("interlocks", name)
        for key, table in _NAMED.items():
            named = getattr(interlock, key, None)
            if named is not None:
                yield from _unknown(inspection, (*here, key), table, named)
        if isinstance(interlock, OvenInterlock):
            yield from _oven(inspection, here, interlock)
        if interlock.action is Action.HEATER_OFF and not _has_oven(inspection):
            yield Finding((*here, "action"), "there is no oven whose heater could be switched off", "another action")


def _unknown(inspection: Inspection, key: Key, table: str, named: str) -> Iterator[Finding]:
    known = getattr(inspection.station, table)
    if named not in known and not inspection.is_dropped(table) and not inspection.is_dropped(table, named):
        listed = f"one of {', '.join(known)}" if known else f"the name of a [{table}] table"
        yield Finding(key, f'nothing in [{table}] is called "{named}"{guess(named, known)}', listed)


def _oven(inspection: Inspection, here: Key, interlock: OvenInterlock) -> Iterator[Finding]:
    if not _has_oven(inspection):
        yield Finding((*here, "kind"), "there is no oven", "an interlock on something that is there, or an [oven]")
    if interlock.low >= interlock.high:
        yield Finding(
            (*here, "low"),
            f"{interlock.low:g} degC is not below high, {interlock.high:g} degC",
            f"a temperature below {interlock.high:g} degC",
        )
    elif (oven := inspection.station.oven) is not None and not _contains(interlock, oven.target):
        yield Finding(
            here,
            f"the oven's target, {oven.target:g} degC, is outside {interlock.low:g} degC to {interlock.high:g} degC",
            "a range around the target",
        )


def _contains(interlock: OvenInterlock, temperature_c: float) -> bool:
    return interlock.low < temperature_c < interlock.high


def _has_oven(inspection: Inspection) -> bool:
    station: StationFile = inspection.station
    return station.oven is not None or inspection.is_dropped("oven")
