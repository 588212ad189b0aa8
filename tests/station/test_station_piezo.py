"""Piezos over the real wire: every voltage that the table sees stays within the limits and the slew."""

from __future__ import annotations

import itertools
import math

import pytest
from station_bench import Bench, open_bench, station_file

from drivers.errors import NoReply
from labctl.errors import LimitError

SLEW_V_PER_S = station_file().piezo_limits.slew  # type: ignore[union-attr]
LARGEST_STEP_V = 0.1 * SLEW_V_PER_S  # what a tenth of a second may bring
ROUNDING_V = 3e-3  # a step of the amplifier's converter
READ_BACK_V = 1.25  # by which the monitor of an output may be wrong


def fastest(voltages: list[tuple[float, float]]) -> float:
    """Return the largest share of the slew that any stretch of a record takes, one step being free."""
    return max(
        (abs(after - before) - LARGEST_STEP_V) / (at - start) / SLEW_V_PER_S
        for i, (start, before) in enumerate(voltages)
        for at, after in voltages[i + 1 :]
    )


def largest_step(voltages: list[tuple[float, float]]) -> float:
    return max(abs(after - before) for (_, before), (_, after) in itertools.pairwise(voltages))


@pytest.mark.parametrize("volts", [-0.001, 150.001, 1e9, math.nan, -math.inf])
@pytest.mark.parametrize("name", ["cavity1", "lo2"])
def test_a_voltage_beyond_the_limits_is_refused_before_anything_is_sent(bench: Bench, name: str, volts: float) -> None:
    piezo = bench.station.piezos[name]
    with pytest.raises(LimitError, match=f"piezo {name}: .* nothing was sent"):
        piezo.ramp_to(volts)
    assert bench.sent == {}
    assert bench.voltages == {}
    assert piezo.commanded_v is None


def test_no_ramp_exceeds_the_slew(bench: Bench) -> None:
    piezo = bench.station.piezos["cavity1"]
    voltages = bench.voltages["cavity1"]
    for volts in (75.0, 150.0, 0.0, 3.3, 3.3, 149.999, 75.0):
        piezo.ramp_to(volts)
        assert piezo.commanded_v == pytest.approx(volts, abs=ROUNDING_V)
        assert bench.piezo("cavity1").volts_now() == pytest.approx(volts, abs=ROUNDING_V)
    assert largest_step(voltages) <= LARGEST_STEP_V + ROUNDING_V
    assert fastest(voltages) <= 1.0
    assert all(0.0 <= volts <= 150.0 for _, volts in voltages)


def test_an_interrupt_hurries_no_ramp(bench: Bench) -> None:
    piezo = bench.station.piezos["cavity1"]
    piezo.ramp_to(0.0)
    bench.clock.every(0.03, bench.clock.interrupt, "impatience")
    piezo.ramp_to(150.0)
    assert bench.piezo("cavity1").volts_now() == 150.0
    assert fastest(bench.voltages["cavity1"]) <= 1.0


def test_all_piezos_are_raised_to_their_bias_within_the_slew(bench: Bench) -> None:
    bench.station.raise_piezos()
    assert set(bench.voltages) == {*bench.file.loops, *bench.file.piezos}
    for voltages in bench.voltages.values():
        assert voltages[-1][1] == pytest.approx(75.0, abs=ROUNDING_V)
        assert largest_step([(0.0, 0.0), *voltages]) <= LARGEST_STEP_V + READ_BACK_V
        assert fastest(voltages) <= 1.0


def test_a_program_that_comes_back_goes_on_from_the_measured_output(bench: Bench) -> None:
    bench.station.piezos["cavity1"].ramp_to(100.0)
    bench.station.close()
    again = open_bench(bench.file, bench.link)
    piezo = again.station.piezos["cavity1"]
    assert piezo.commanded_v is None
    piezo.ramp_to(0.0)
    voltages = again.voltages["cavity1"]
    assert abs(voltages[0][1] - 100.0) <= LARGEST_STEP_V + READ_BACK_V
    assert fastest(voltages) <= 1.0
    assert piezo.commanded_v == 0.0


def test_what_a_servo_adds_is_no_set_point(bench: Bench) -> None:
    bench.station.piezos["lo1"].ramp_to(75.0)
    bench.station.servos["lo1"].set_output(4.0)  # 60 V at the piezo
    bench.station.close()
    again = open_bench(bench.file, bench.link)
    again.station.piezos["lo1"].ramp_to(75.0)
    voltages = [(0.0, 75.0), *again.voltages["lo1"]]
    assert largest_step(voltages) <= LARGEST_STEP_V + READ_BACK_V


def test_after_silence_the_set_point_is_not_known_and_is_found_again() -> None:
    bench = open_bench(station_file([{"instrument": "piezo_c", "kind": "silent", "after": 4.0}]))
    piezo = bench.station.piezos["cavity1"]
    with pytest.raises(NoReply, match="piezo_c: did not answer in time after"):
        piezo.ramp_to(150.0)
    assert piezo.commanded_v is None
    reached = bench.voltages["cavity1"][-1][1]
    assert 5.0 < reached < 150.0
    with pytest.raises(NoReply):
        piezo.ramp_to(0.0)  # asks where it is first
    assert bench.voltages["cavity1"][-1][1] == reached
