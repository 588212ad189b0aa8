"""The piezo of a cavity's loop over the real wire: steps at once, within limits and slew, and a start that is
remembered."""

from __future__ import annotations

from itertools import pairwise

import pytest
from station_bench import Bench, open_bench

from labctl.errors import LimitError

SLEW_V_PER_S = 50.0


@pytest.fixture
def raised() -> Bench:
    bench = open_bench()
    bench.station.raise_piezos()
    bench.forget()
    return bench


def test_small_steps_are_taken_at_once(raised: Bench) -> None:
    piezo = raised.station.cavity_piezos["cavity1"]
    began_at = raised.clock.now()
    for volts in (75.2, 74.8, 75.2):
        piezo.step_to(volts)
        assert piezo.commanded_v == pytest.approx(volts)
    assert raised.clock.now() - began_at < 0.1
    assert [volts for _, volts in raised.voltages["cavity1"]] == pytest.approx([75.2, 74.8, 75.2], abs=3e-3)


def test_large_steps_wait_for_the_slew(raised: Bench) -> None:
    piezo = raised.station.cavity_piezos["cavity1"]
    for volts in (80.0, 85.0, 80.0, 75.0):
        piezo.step_to(volts)
    for (before, from_v), (at, to_v) in pairwise(raised.voltages["cavity1"]):
        assert abs(to_v - from_v) <= SLEW_V_PER_S * (at - before) + 3e-3


@pytest.mark.parametrize("volts", [-0.1, 150.1, 80.1, 69.0, float("nan")])
def test_what_is_too_far_is_refused_before_anything_is_sent(raised: Bench, volts: float) -> None:
    piezo = raised.station.cavity_piezos["cavity1"]
    with pytest.raises(LimitError, match=r"piezo cavity1: .*nothing was sent"):
        piezo.step_to(volts)
    assert raised.voltages["cavity1"] == [] and piezo.commanded_v == pytest.approx(75.0)


def test_nobody_steps_a_piezo_of_which_nobody_knows_where_it_is() -> None:
    bench = open_bench()
    with pytest.raises(LimitError, match="nobody knows where it is"):
        bench.station.cavity_piezos["cavity2"].step_to(1.0)
    assert bench.voltages["cavity2"] == []


def test_a_later_program_takes_up_what_was_left_and_nothing_else(raised: Bench) -> None:
    raised.station.cavity_piezos["cavity1"].ramp_to(83.456)
    raised.station.close()
    again = open_bench(raised.file, raised.link)
    piezo = again.station.cavity_piezos["cavity1"]
    assert not piezo.resume(95.0)  # it is not there
    assert again.voltages["cavity1"] == [] and piezo.commanded_v is None
    assert piezo.resume(83.456)
    assert [volts for _, volts in again.voltages["cavity1"]] == pytest.approx([83.456], abs=3e-3)
    assert piezo.resume(83.0) and not piezo.resume(95.0)  # now this program knows
    assert piezo.commanded_v == pytest.approx(83.456)


def test_raising_the_piezos_leaves_a_cavity_where_its_lock_put_it(raised: Bench) -> None:
    raised.station.cavity_piezos["cavity1"].ramp_to(100.0)
    raised.station.raise_piezos()
    assert raised.station.piezos["cavity1"].commanded_v == pytest.approx(100.0)
    assert raised.station.make_safe() == []
    assert raised.station.piezos["cavity1"].commanded_v == 0.0
    raised.station.raise_piezos()
    assert raised.station.piezos["cavity1"].commanded_v == pytest.approx(75.0)
