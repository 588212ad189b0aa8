"""A station file under inspection, perhaps without the parts that are known to be wrong already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from labctl.configuration.faults import Key

if TYPE_CHECKING:
    from pydantic import ValidationInfo

    from labctl.configuration.station_file import StationFile

EntryTable = Literal["instruments", "monitors", "loops"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A station, and the keys that were dropped from its file because their own values are wrong.

    Nothing may be reported that is only the consequence of a dropped key: that an instrument is unknown, for instance,
    when its table is there but has a wrong address.
    """

    station: StationFile
    dropped: frozenset[Key] = field(default_factory=frozenset)

    @staticmethod
    def dropped_in(info: ValidationInfo) -> frozenset[Key]:
        """The dropped keys that `checking` put into the context of a validation."""
        context: object = info.context
        dropped = context.get("dropped", frozenset()) if isinstance(context, dict) else frozenset()
        return frozenset(dropped)

    def is_named(self, table: EntryTable, name: str) -> bool:
        """Whether the file has this entry, right or wrong."""
        return name in getattr(self.station, table) or self.is_dropped(table) or self.is_dropped(table, name)

    def is_dropped(self, *key: str) -> bool:
        """Whether exactly this key was dropped."""
        return key in self.dropped
