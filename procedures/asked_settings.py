"""What was asked of the instruments, from the station's ledger into the record of the run, as it changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from labctl.errors import StoreError
from labctl.station.ledger import Asked
from labctl.station.setting_units import unit_of
from labctl.station.station import Station
from labctl.store.records import AskedSetting

AT_THE_END = "make safe"


class SettingsRecord(Protocol):
    """Where settings are kept; a run on disk is one."""

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        """Keep what settings were asked to be; a later value of the same setting replaces an earlier one."""
        ...


class SettingsKeeper:
    """Stores what was asked since the last time, whenever it is told to: after a crash the record is as old as that.

    May be told by several threads. `step` is what the settings asked for meanwhile are put down to.
    """

    def __init__(self, station: Station, record: SettingsRecord) -> None:
        self.step = ""
        self._station = station
        self._record = record
        self._kept: dict[tuple[str, str], Asked] = {}
        self._one_at_a_time = threading.Lock()

    def keep(self) -> None:
        """Store what is new; raises `StoreError`, and then it is still new the next time."""
        with self._one_at_a_time:
            new = [one for one in self._station.ledger.asked() if self._kept.get((one.instrument, one.setting)) != one]
            self._record.keep_settings([self._entry(one) for one in new])
            self._kept |= {(one.instrument, one.setting): one for one in new}

    def keep_last(self) -> StoreError | None:
        """Store what making the table safe has changed; returns the error, so that it hides no other on the way out."""
        self.step = AT_THE_END
        try:
            self.keep()
        except StoreError as error:
            return error
        return None

    def _entry(self, one: Asked) -> AskedSetting:
        unit = unit_of(self._station.driver(one.instrument), one.setting)
        return AskedSetting(one.instrument, one.setting, one.value, unit, self.step)
