"""Where an interlock is: well, in doubt, tripped. Nothing here knows of instruments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """OK until a look finds it bad, DOUBTFUL while that lasts no longer than its grace, TRIPPED then."""

    OK = "ok"
    DOUBTFUL = "doubtful"
    TRIPPED = "tripped"


@dataclass(frozen=True)
class Standing:
    """The phase of an interlock; lab times in s: since when it is bad, when it tripped, since when it is well again."""

    phase: Phase = Phase.OK
    bad_since: float = math.nan
    tripped_at: float = math.nan
    well_since: float = math.nan

    def after(self, *, is_bad: bool, now: float, grace_s: float, latches: bool) -> Standing:
        """Return the standing after a look at lab time `now`.

        Bad trips when it has lasted for more than the grace, or at once where there is none. What is tripped is over
        when it has been well for as long; one that latches is never over by itself.
        """
        if self.phase is Phase.TRIPPED:
            return self._tripped_after(is_bad, now, grace_s, latches)
        if not is_bad:
            return Standing()
        since = self.bad_since if self.phase is Phase.DOUBTFUL else now
        if grace_s and now - since <= grace_s:
            return Standing(Phase.DOUBTFUL, bad_since=since)
        return Standing(Phase.TRIPPED, bad_since=since, tripped_at=now)

    def _tripped_after(self, is_bad: bool, now: float, grace_s: float, latches: bool) -> Standing:
        if is_bad:
            return replace(self, well_since=math.nan)
        since = now if math.isnan(self.well_since) else self.well_since
        if not latches and now - since >= grace_s:
            return Standing()
        return replace(self, well_since=since)

    @property
    def is_gone(self) -> bool:
        """Whether it is tripped and the last look found it well."""
        return self.phase is Phase.TRIPPED and not math.isnan(self.well_since)
