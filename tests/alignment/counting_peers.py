"""How an alignment goes that trusts the count of steps: a simplex, and a walk that returns to the best count."""

from __future__ import annotations

import numpy as np
from mirror_models import MirrorModel
from numpy.typing import NDArray
from scipy.optimize import minimize

SIMPLEX_STEPS = 900
LINE_STEPS = np.arange(-6000, 6001, 1000)


class Counted:
    """A mirror whose places are counts of steps from where it started."""

    def __init__(self, model: MirrorModel) -> None:
        self.model = model
        self.count = np.zeros(len(model.axes), dtype=int)

    def go(self, place: NDArray[np.int_]) -> None:
        for axis, steps in zip(self.model.axes, place - self.count, strict=True):
            if steps:
                axis.move(int(steps))
        self.count = np.array(place)

    def power_at(self, place: NDArray[np.int_]) -> float:
        self.go(place)
        return self.model.power().value


def simplex(model: MirrorModel, most_readings: int) -> None:
    """Nelder-Mead on counts, left at what it takes for the best place."""
    counted = Counted(model)
    start = np.zeros(len(model.axes))
    found = minimize(
        lambda x: -counted.power_at(np.round(x).astype(int)),
        start,
        method="Nelder-Mead",
        options={
            "maxfev": most_readings,
            "initial_simplex": np.vstack([start, SIMPLEX_STEPS * np.eye(len(start))]),
            "xatol": 10.0,
            "fatol": 1e-3,
        },
    )
    counted.go(np.round(found.x).astype(int))


def walk_by_counts(model: MirrorModel, rounds: int = 3) -> None:
    """A line of every axis in turn, then back to the count at which the power was largest, finer in every round."""
    counted = Counted(model)
    for finer in range(rounds):
        for axis in range(len(model.axes)):
            places = [
                counted.count + steps // 3**finer * np.eye(len(model.axes), dtype=int)[axis] for steps in LINE_STEPS
            ]
            powers = [counted.power_at(place) for place in places]
            counted.go(places[int(np.argmax(powers))])
