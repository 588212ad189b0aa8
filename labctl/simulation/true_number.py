"""One number that is true of a simulated table, under the name of the result that ought to find it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrueNumber:
    """What a named result ought to be, in its unit.

    `wander` is by how much, rms, what is true moves about `value` or is not known. `counted` is False where the
    distance says nothing new or has no proper uncertainty.
    """

    name: str
    value: float
    unit: str
    wander: float = 0.0
    remark: str = ""
    counted: bool = True
