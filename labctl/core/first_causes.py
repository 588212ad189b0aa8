"""Which of the loops that are down went down by themselves, and what each of them brought down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from labctl.locks.states import LockState

# A hop to the next fringe is the loop's own doing, and a loop that nobody asked for is missed by nobody.
NOT_DOWN: Final = frozenset({LockState.LOCKED, LockState.SUSPECT, LockState.UNWIND, LockState.OFF})


def first_causes(states: Mapping[str, str], needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the loops that are down although all that they need is up, and which others each of them brought down.

    `states` are words of `LockState`, `needs` the loops that each one needs. One that needs several of the first causes
    is brought down by each of them. Of loops that need each other the first counts as the cause.
    """
    down = [name for name, state in states.items() if state not in NOT_DOWN]
    above = {name: _all_needs(name, needs) for name in down}
    place = {name: index for index, name in enumerate(down)}

    def is_first(name: str) -> bool:
        return not any(
            name not in above[other] or place[other] < place[name] for other in above[name] & above.keys() - {name}
        )

    return {
        cause: tuple(name for name in down if cause in above[name] and name != cause)
        for cause in down
        if is_first(cause)
    }


def _all_needs(name: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    """Return what a loop needs, and what that needs."""
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        need = waiting.pop()
        if need not in found:
            found.add(need)
            waiting += needs.get(need, ())
    return found
