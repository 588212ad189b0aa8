"""Gauges behind their role: pressures in Pa whatever the controller shows, and why there is none."""

from __future__ import annotations

import pytest
from light_bench import GaugeBench

from labctl.errors import BadReply
from labctl.simulation.instruments.mks_937b import UNITS_PA as TWIN_UNITS_PA
from labctl.simulation.ports import GaugeStatus
from labctl.station.bindings.vacuum import UNITS_PA, BoundMksGauge
from labctl.station.roles import Gauge, PressureReading, PressureState


def bound(bench: GaugeBench, channel: int = 1) -> BoundMksGauge:
    return BoundMksGauge("chamber", bench.driver().channels[channel])


@pytest.mark.parametrize("unit", ["TORR", "mBAR", "PASCAL", "MICRON"])
def test_a_pressure_is_in_pascal_whatever_the_unit(unit: str) -> None:
    bench = GaugeBench()
    gauge: Gauge = bound(bench)
    bench.say(f"@253U!{unit};FF".encode())
    reading = gauge.read()
    assert reading.state is PressureState.VALID
    assert reading.pressure_pa == pytest.approx(1e-4, rel=5e-3)
    assert float(reading.said) == pytest.approx(1e-4 / TWIN_UNITS_PA[unit], rel=5e-3)


def test_the_units_are_those_of_the_books() -> None:
    assert {unit.value: pascal for unit, pascal in UNITS_PA.items()} == pytest.approx(
        {"TORR": 133.322368, "mBAR": 100.0, "PASCAL": 1.0, "MICRON": 0.133322368}
    )


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        (GaugeStatus.UNDER_RANGE, PressureState.UNDER_RANGE, "LO<E-11"),
        (GaugeStatus.OVER_RANGE, PressureState.OVER_RANGE, "OVER"),
        (GaugeStatus.SENSOR_OFF, PressureState.SENSOR_OFF, "OFF"),
        (GaugeStatus.NO_SENSOR, PressureState.NO_SENSOR, "NOGAUGE"),
        (GaugeStatus.SENSOR_ERROR, PressureState.SENSOR_ERROR, "MISCONN"),
    ],
)
def test_without_a_pressure_it_says_why(status: GaugeStatus, state: PressureState, said: str) -> None:
    bench = GaugeBench()
    bench.ion.state = status
    assert bound(bench).read() == PressureReading(state, None, said)


def test_an_empty_socket_and_a_gauge_below_zero() -> None:
    bench = GaugeBench()
    assert bound(bench, channel=4).read().state is PressureState.NO_SENSOR
    bench.pirani.pascal = -0.3
    assert bound(bench, channel=2).read() == PressureReading(PressureState.UNDER_RANGE, None, "-2.25E-03")


def test_a_word_that_nobody_knows_is_an_error_and_no_state() -> None:
    bench = GaugeBench()
    gauge = bound(bench)
    bench.twin._pressure = lambda number: "HELLO"  # type: ignore[attr-defined]
    with pytest.raises(BadReply, match="HELLO"):
        gauge.read()
