"""Where a dither that ends leaves its piezo."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from labctl.locks.dither import DitherLaw
from labctl.locks.dithering import Dithering

LAW = DitherLaw(linewidth_m=150e-9, metres_per_volt=15e-9, amplitude_m=4e-9, low_v=0.0, high_v=150.0)


@dataclass
class Piezo:
    commanded_v: float | None = 70.0
    asked_v: list[float] = field(default_factory=list)

    def step_to(self, volts: float) -> None:
        assert self.commanded_v is not None
        assert abs(volts - self.commanded_v) <= 5.0, "a step that is refused"
        self.commanded_v = volts
        self.asked_v.append(volts)


def dithered() -> tuple[Dithering, Piezo]:
    piezo = Piezo()
    clock = SimpleNamespace(now=lambda: 0.0)
    dithering = Dithering(piezo, SimpleNamespace(volts=lambda: 1.0), clock, 1.0)  # type: ignore[arg-type]
    dithering.begin(70.0, LAW)
    return dithering, piezo


def test_it_rests_at_its_centre() -> None:
    dithering, piezo = dithered()
    assert piezo.commanded_v != 70.0
    dithering.rest()
    assert (piezo.commanded_v, dithering.on) == (70.0, False)


@pytest.mark.parametrize("elsewhere_v", [0.0, 71.0, 75.1, None])
def test_a_piezo_that_somebody_else_moved_stays_where_it_is(elsewhere_v: float | None) -> None:
    dithering, piezo = dithered()
    piezo.commanded_v = elsewhere_v
    piezo.asked_v.clear()
    dithering.rest()
    assert (piezo.asked_v, dithering.on) == ([], False)
