"""The error queue of the 8742: codes, the axis that they name, and what to do about them.

Source: 8742 user manual, error messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Error codes: below 100 of the controller; otherwise 100 times the axis plus one of the second table.
_REMEDIES = {
    3: "It has switched its outputs off at 85 degC: let it cool below 75 degC.",
    46: "Check the RS-485 cable.",
    47: "Check the RS-485 cable, and that no two controllers have the same address.",
    48: "Check the addresses of the chain in the station file.",
    49: "Wait for the scan of the chain to end.",
}
_AXIS_REMEDIES = {
    0: "Set its motor type, or start a motor check.",
    1: "Check the number of steps against the position count.",
    8: "Check the motor and its cable.",
    10: "Lower the velocity: 2000 steps/s, or 1750 steps/s for a Tiny motor.",
    11: "Lower the acceleration to 200000 steps/s^2.",
    14: "Only one motor of a controller moves at a time: wait until none is moving.",
}

_ENTRY = re.compile(r"\s*(\d+)\s*(?:,\s*(.*?)\s*)?", re.DOTALL)


@dataclass(frozen=True)
class ErrorEntry:
    """One entry of a controller's error queue; `axis` is None where the error belongs to no axis."""

    code: int
    text: str

    @property
    def axis(self) -> int | None:
        """Get the axis that the error belongs to (1 to 4)."""
        return self.code // 100 or None

    @property
    def remedy(self) -> str:
        """Get what to do next, "" where the text says it all."""
        return _REMEDIES.get(self.code, "") if self.axis is None else _AXIS_REMEDIES.get(self.code % 100, "")

    def __str__(self) -> str:
        where = "" if self.axis is None else f"axis {self.axis}: "
        return f"{where}{self.text} (error {self.code})"


def read_entry(reply: str) -> ErrorEntry | None:
    """Return the entry that a reply to `TB?` carries, None where the queue is empty; raises ValueError on garbage."""
    fields = _ENTRY.fullmatch(reply)
    if fields is None:
        raise ValueError(f"not an error entry: {reply!r}")
    code = int(fields[1])
    return ErrorEntry(code, fields[2] or "") if code else None
