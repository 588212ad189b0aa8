"""Shares of the light and the plates that change them."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.light_shares import equalising_shares, light_shares, plate_turns


def test_light_that_all_have_in_common_drops_out() -> None:
    rng = np.random.default_rng(5)
    true = np.array([0.24, 0.26, 0.3, 0.2])
    common = 1.0 + 0.2 * rng.standard_normal(400)
    volts = 2.0 * common[:, None] * true + 1e-3 * rng.standard_normal((400, 4))
    found = light_shares(volts, np.ones(4))
    assert sum(share.value for share in found) == pytest.approx(1.0)
    for share, value in zip(found, true, strict=True):
        assert share.sigma < 1e-4
        assert abs(share.value - value) < 4.0 * share.sigma


def test_darkness_and_too_few_readings_are_refused() -> None:
    with pytest.raises(AnalysisRefused, match="no light"):
        light_shares(np.zeros((20, 2)), np.ones(2))
    with pytest.raises(AnalysisRefused, match="10 readings"):
        light_shares(np.ones((3, 2)), np.ones(2))


def test_a_weak_sensor_gets_more_light_and_the_plates_turn_for_it() -> None:
    wanted = equalising_shares([1.0, 1.0, 0.5, 1.0])
    assert np.sqrt(wanted) * [1.0, 1.0, 0.5, 1.0] == pytest.approx([np.sqrt(wanted[0])] * 4)
    turns = plate_turns([0.25] * 4, wanted)
    assert [turn.from_deg for turn in turns] == pytest.approx([15.0, 17.632, 22.5], abs=1e-3)
    assert turns[0].is_to_take == pytest.approx(1.0 / 7.0) and turns[2].is_to_take == pytest.approx(0.8)
    assert turns[2].to_deg > turns[2].from_deg and turns[0].to_deg < turns[0].from_deg
