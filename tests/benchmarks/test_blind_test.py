"""The blind test can fail: pulls that are off are named, lost nights are told, and two whole nights are as they ought
to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blind_test import Night, Pull, as_asked, markdown, nights_of, pooled, pull_of, quantity_of, tallies

from labctl.simulation.true_number import TrueNumber
from labctl.store.records import NamedResult

LOOSE = (0.5, 1.8)  # of chi-square per degree of freedom of two nights, whose sensors share some of it


def night(seed: int, shift: float, width: float, counted: bool = True) -> Night:
    rng = np.random.default_rng(seed)
    pulls = [
        Pull(
            name, seed, float(shift + width * rng.standard_normal()), 0.01, 0.1, "Hz", counted, "" if counted else "why"
        )
        for name in ("sensor*.gamma_hz",) * 4 + ("joint.raw_db",) * 2
    ]
    return Night(seed, "complete", "", 1.0, tuple(pulls))


def test_honest_pulls_pass_and_others_do_not() -> None:
    honest = [night(seed, 0.0, 1.0) for seed in range(50)]
    assert as_asked(honest)
    assert pooled(tallies(honest)) == (pytest.approx(1.0, abs=0.15), 300)
    assert not as_asked([night(seed, 0.0, 1.5) for seed in range(50)])
    assert not as_asked([night(seed, 0.0, 0.6) for seed in range(50)])
    assert not as_asked([night(seed, 0.6, 0.8) for seed in range(50)])
    assert "mean off" in markdown([night(seed, 0.8, 0.8) for seed in range(50)])


def test_what_is_not_counted_is_listed_with_its_reason() -> None:
    nights = [night(1, 3.0, 1.0, counted=False), night(2, 0.0, 1.0), Night(3, "lost", "it broke", 1.0)]
    text = markdown(nights)
    assert "(1) not pooled: why" in text and "Seed 3 (lost): it broke" in text
    assert "2 of 3 nights complete." in text


def test_a_pull_counts_the_wander_of_the_truth() -> None:
    found = NamedResult("sensor2.f0_hz", 108.0, 3.0, "Hz", "", "step")
    pull = pull_of(1, found, TrueNumber("sensor2.f0_hz", 100.0, "Hz", wander=4.0))
    assert (pull.sigmas, pull.counted, pull.quantity) == (pytest.approx(1.6), True, "sensor*.f0_hz")
    assert not pull_of(1, found, TrueNumber("sensor2.f0_hz", 100.0, "kHz")).counted
    assert quantity_of("joint.delay3_s") == "joint.delay*_s"
    assert quantity_of("network.stage2_tap") == "network.stage*_tap"
    assert quantity_of("advantage.m4_joint_db") == "advantage.m*_joint_db"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_nights(tmp_path: Path) -> None:
    nights = nights_of([301, 302], tmp_path, None, 4, 2)
    assert [night.state for night in nights] == ["complete", "complete"], markdown(nights)
    chi2, count = pooled(tallies(nights))
    assert count > 60
    assert LOOSE[0] < chi2 < LOOSE[1], markdown(nights)
