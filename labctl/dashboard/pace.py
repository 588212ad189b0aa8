"""How fast the time of a table goes: a simulated one is asked for more than a machine may be able to compute."""

from __future__ import annotations

import math

from labctl.bus.messages import CoreRow


def pace(core: CoreRow | None) -> float:
    """Return lab seconds per wall second: what the core was asked for, or what it managed on the average since it
    began where that is less; 0 where nobody paces it, 1 before a core was heard."""
    if core is None:
        return 1.0
    passed_s = core.now - core.started_at
    if core.speed <= 1.0 or not passed_s > 0.0 or not math.isfinite(core.lab_time_s):
        return core.speed
    return min(core.speed, max(core.lab_time_s / passed_s, 1.0))
