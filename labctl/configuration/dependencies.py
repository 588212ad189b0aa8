"""Who needs whom: order and cycles of named things, such as the loops of a table or the steps of a recipe."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping


def in_order_of_needs(needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Names with every name after those that it needs, and otherwise in the order given.

    `needs` maps each name to the names it needs; needs that are no name of the mapping are ignored. Members of a cycle,
    and whatever needs them, are left out: see `cycle_in`.
    """
    position = {name: index for index, name in enumerate(needs)}
    names = list(needs)
    waiting = {name: {need for need in needed if need in position} for name, needed in needs.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in names}
    for name, needed in waiting.items():
        for need in needed:
            needed_by[need].append(name)
    ready = [position[name] for name, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    ordered = []
    while ready:
        done = names[heapq.heappop(ready)]
        ordered.append(done)
        for name in needed_by[done]:
            waiting[name].discard(done)
            if not waiting[name]:
                heapq.heappush(ready, position[name])
    return tuple(ordered)


def cycle_in(needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """One cycle as the names along it, the first repeated at the end; empty if there is none."""
    free = set(in_order_of_needs(needs))
    stuck = [name for name in needs if name not in free]
    if not stuck:
        return ()
    # Everything that is stuck needs something stuck, so this walk comes back to where it has been.
    path: list[str] = []
    name = stuck[0]
    while name not in path:
        path.append(name)
        name = next(need for need in needs[name] if need in needs and need not in free)
    return (*path[path.index(name) :], name)
