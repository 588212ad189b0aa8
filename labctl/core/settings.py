"""What an operator may change of a core while it runs, and undo: numbers within limits, none of which moves light, heat
or high voltage."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from labctl.bus.messages import SettingRow
from labctl.errors import LimitError

LIVE: Final = "live.on"
LIVE_AVERAGES: Final = "live.averages"
LIVE_REFERENCE_S: Final = "live.reference_age"
PACE: Final = "table.speed"


class Settings:
    """The settings by name, each with its limits; with a `pace` how fast the time of a simulated table goes.

    Live spectra are on from the start on a simulated table alone: they close and open shutters for their shot noise.
    """

    def __init__(self, pace: float = 0.0) -> None:
        rows = [
            SettingRow(LIVE, "Live spectra while nothing runs", float(pace > 0.0), "", 0.0, 1.0, True),
            SettingRow(LIVE_AVERAGES, "Averages of a live spectrum", 50.0, "", 1.0, 10000.0, True),
            SettingRow(LIVE_REFERENCE_S, "Take shot noise again after", 600.0, "s", 10.0, 86400.0, False),
        ]
        if pace:
            rows.append(SettingRow(PACE, "Lab seconds per second", pace, "", 0.1, 1e5, False))
        self._guard = threading.Lock()
        self._rows = {row.name: row for row in rows}

    @property
    def rows(self) -> list[SettingRow]:
        """Return all settings."""
        with self._guard:
            return list(self._rows.values())

    def value(self, name: str) -> float:
        """Return the value of a setting."""
        return self._rows[name].value

    def change(self, name: str, value: float) -> float:
        """Change a setting and return the value before. Raises `LimitError` naming what is allowed."""
        with self._guard:
            row = self._rows.get(name)
            if row is None:
                raise LimitError(f"There is no setting {name}.", remedy=f"There are {', '.join(self._rows)}.")
            if not row.low <= value <= row.high or (row.is_whole and value != round(value)):
                kind = "a whole number" if row.is_whole else "a number"
                raise LimitError(
                    f"{name} = {value:g} is not allowed.",
                    remedy=f"Allowed is {kind} from {row.low:g} to {row.high:g} {row.unit}".strip() + ".",
                )
            self._rows[name] = replace(row, value=value)
            return row.value
