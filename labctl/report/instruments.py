"""The instruments as they were found when the run began."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.wording import lab_time, plain_number
from labctl.store.records import InstrumentSnapshot, SettingValue


@dataclass(frozen=True)
class SettingLine:
    """One setting: its value, when it was obtained (lab time) and how."""

    name: str
    value: str
    when: str
    how: str


@dataclass(frozen=True)
class InstrumentLine:
    """One instrument; `trouble` says how many of its settings could not be read."""

    name: str
    driver: str
    address: str
    identity: str
    settings: tuple[SettingLine, ...]
    trouble: str


def instrument_lines(run: RunContents) -> list[InstrumentLine]:
    """Every instrument of the manifest, and those identified after the run began."""
    return [_line(snapshot) for snapshot in run.instruments]


def _line(snapshot: InstrumentSnapshot) -> InstrumentLine:
    settings = tuple(
        SettingLine(name, _shown(setting), lab_time(setting.at), setting.how)
        for name, setting in sorted(snapshot.settings.items())
    )
    failed = sum(setting.how == "failed" for setting in settings)
    trouble = f"{failed} of {len(settings)} settings could not be read" if failed else ""
    return InstrumentLine(snapshot.name, snapshot.driver, snapshot.address, snapshot.identity, settings, trouble)


def _shown(setting: SettingValue) -> str:
    value = setting.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return plain_number(float(value))
