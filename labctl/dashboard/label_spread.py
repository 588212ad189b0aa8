"""Labels beside the ends of traces, moved apart so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence


def settled_order(before: Sequence[str], names: Sequence[str], wanted: Sequence[float], slack: float) -> list[int]:
    """Return the order of labels from the top: that of `before`, changed where they are further apart than `slack`.

    So labels of traces that lie on each other do not change places with the noise.
    """
    place = {name: index for index, name in enumerate(before)}
    order = sorted(range(len(names)), key=lambda index: place.get(names[index], len(place)))
    for _ in order:
        for upper in range(len(order) - 1):
            one, other = order[upper], order[upper + 1]
            if wanted[one] - wanted[other] > slack:
                order[upper], order[upper + 1] = other, one
    return order


def spread(
    wanted: Sequence[float], heights: Sequence[float], low: float, high: float, order: Sequence[int] | None = None
) -> list[float]:
    """Return the centres of labels that want to be at `wanted`, moved as little as keeps them apart, in their order.

    Neighbours that touch share their displacement. All stay between `low` and `high` where they fit into it.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index]) if order is None else order
    blocks: list[tuple[float, float, list[int]]] = []  # centre, height, members
    for index in order:
        block = _inside(wanted[index], heights[index], [index], low, high)
        while blocks and blocks[-1][0] + blocks[-1][1] / 2 > block[0] - block[1] / 2:
            block = _joined(blocks.pop(), block, low, high)
        blocks.append(block)
    centres = [0.0] * len(wanted)
    for centre, height, members in blocks:
        top = centre - height / 2
        for index in members:
            centres[index] = top + heights[index] / 2
            top += heights[index]
    return centres


def _joined(
    upper: tuple[float, float, list[int]], lower: tuple[float, float, list[int]], low: float, high: float
) -> tuple[float, float, list[int]]:
    height = upper[1] + lower[1]
    wanted = (upper[0] * upper[1] + lower[0] * lower[1]) / height
    return _inside(wanted, height, upper[2] + lower[2], low, high)


def _inside(
    centre: float, height: float, members: list[int], low: float, high: float
) -> tuple[float, float, list[int]]:
    return max(low + height / 2, min(high - height / 2, centre)), height, members
