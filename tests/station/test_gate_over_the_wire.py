"""The gate of a real station, for each kind of output: what is refused never reached the instrument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits_bench import HOSTILE, SmallTable, small_station

from labctl.commands.talking import _exchange
from labctl.configuration.fault_kinds import FaultKind
from labctl.errors import ConnectionLost, LabError, LimitError, LockError
from labctl.station.bindings.dithered_piezo import DitheredPiezo
from labctl.station.revival import revive

REFUSED = {
    "piezo_a": ["zvoltage=150", "xvoltage=20", "AV10", "restore", "zvoltage=5\rzvoltage=11"],
    "servos": [
        'SNDT 3,"MOUT 4.6"',
        'SNDT 3,"MOUT 1"',
        'SNDT 3,"ULIM 5"',
        'SNDT 3,"LLIM 1"',
        'SNDT 3,"ULIM -0.1"',
        'SNDT 3,"AMAN 1"',
        'BRDT "MOUT 0"',
    ],
    "oven": ["RS"],
    "laser": [":POW 12", ":WAV 1.4e-6", ":POW:UNIT 0", ":WAV:SWE 1", "*RST"],
    "tone": ["VOLT 5", "FREQ 1", "VOLT:OFFS 0.1", "APPL:SQU 2E6,0.1,0", "OUTP1:LOAD INF", "VOLT 0.1;FREQ 1"],
    "scan": ["SOUR1:VOLT 1.5", "DIG:PIN DIO7_N,1", "DIG:PIN:DIR IN,DIO0_P", "ANALOG:PIN AOUT3,1", "OUTPUT2:STATE ON"],
    "picomotors": ["1>1PR2001", "1>1PA100", "1>1MV+", "1>3PR1", "RS"],
    "rotators": ["0fw", "0so00001000", "0ma80000000"],
}


class Listening:
    """A table whose twins note every byte that reaches them."""

    def __init__(self) -> None:
        self.table = SmallTable(small_station())
        self.heard: list[tuple[str, bytes]] = []
        for name, wire in self.table.simulation.wires.items():
            wire.on_bytes = self._noting(name, wire.on_bytes)  # type: ignore[method-assign]

    def _noting(self, name: str, pass_on: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def on_bytes(data: bytes) -> None:
            self.heard.append((name, data))
            pass_on(data)

        return on_bytes

    def told(self, name: str, text: str) -> bool:
        """Return whether the instrument heard `text`, whatever its driver asked beside."""
        return any(owner == name and text.encode("latin-1") in data for owner, data in self.heard)


@pytest.fixture(scope="module")
def listening() -> Iterator[Listening]:
    found = Listening()
    yield found
    found.table.close()


@pytest.fixture
def table() -> Iterator[SmallTable]:
    """A table of its own for one test."""
    table = SmallTable(small_station())
    yield table
    table.close()


CASES = [(name, text) for name, texts in REFUSED.items() for text in texts]


@pytest.mark.parametrize(("name", "text"), CASES)
def test_a_line_beyond_the_limits_never_reaches_the_instrument(listening: Listening, name: str, text: str) -> None:
    listening.heard.clear()
    with pytest.raises(LimitError, match="nothing was sent"):
        listening.table.station.driver(name).write(text)
    assert not listening.told(name, text)
    assert listening.table.beyond() == []


@pytest.mark.parametrize(("name", "text"), CASES)
def test_who_talks_to_one_instrument_passes_the_gate_too(listening: Listening, name: str, text: str) -> None:
    if name == "picomotors":
        listening.table.station.clock.sleep(1.0)
    listening.heard.clear()
    with pytest.raises(LimitError, match=r"nothing was sent.*Asked for by labctl talk"):
        _exchange(listening.table.file, listening.table.link, name, text, write=True)
    assert not listening.told(name, text)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_of_any_line_what_is_refused_is_not_heard(listening: Listening, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(set(HOSTILE) - {"oven"})))
    text = data.draw(HOSTILE[name])
    driver = listening.table.station.driver(name)
    listening.heard.clear()
    try:
        listening.table.write(name, text)
    except LimitError:
        assert not listening.told(name, text) or not text
    except LabError:
        assert listening.told(name, text)
    else:
        assert listening.told(name, text)
    driver.reconnect()
    assert listening.table.beyond() == []


def test_a_limit_of_a_module_never_pushes_its_output(table: SmallTable) -> None:
    module = table.station.driver("servos").modules[1]  # type: ignore[attr-defined]
    table.station.servos["opa_length"].set_output(2.0)
    module.upper_limit = 2.0
    with pytest.raises(LimitError, match="the output is at 2 V, and that limit would push it; nothing was sent"):
        module.upper_limit = 1.0
    assert table.last("servo.opa_length.output") == 2.0
    assert table.beyond() == []


def test_a_loop_that_was_closed_within_other_limits_is_not_touched_and_its_output_comes_back(table: SmallTable) -> None:
    """Somebody closed it at its front panel, its own limits as they were when it left the factory."""
    servos, record = table.station.driver("servos"), table.simulation.outputs
    servos.gate_with(None)
    for line in ('SNDT 3,"MOUT -8;AMAN 0"', 'SNDT 3,"AMAN 1"'):
        servos.write(line)
    servos.gate_with(table.station.gate)
    for line in ('SNDT 3,"GAIN 149"', 'SNDT 3,"ICTL 1"', 'SNDT 3,"SETP 1"'):
        with pytest.raises(LimitError, match="its loop is closed, and its module would let the output go from -10 V"):
            servos.write(line)
    assert record["servo.lo1.output"].lowest == pytest.approx(-8.0, abs=0.1)
    assert table.station.make_safe() == []
    assert table.not_at_rest() == {}


def test_a_piezo_that_nobody_can_tell_from_its_servo_stays_where_it_is(table: SmallTable) -> None:
    """A set point that was never told, behind a servo at its end that does not reply: the output is the sum of both."""
    table.station.servos["opa_length"].close_loop(-9.9, -30.0)
    table.station.clock.sleep(1.0)
    before_v = table.last("piezo.opa_length.voltage")
    assert before_v > 60.0
    table.faults.append(table.simulation.inject("servos", FaultKind.DROPPED))
    problems = table.station.make_safe()
    assert any("piezo opa_length: its set point is not known" in problem for problem in problems), problems
    assert table.last("piezo.opa_length.voltage") == before_v
    table.end_faults()
    revive(table.station)
    assert table.station.make_safe() == []
    assert table.not_at_rest() == {}
    assert table.beyond() == []


def test_a_set_point_is_not_told_by_a_servo_that_runs_away_meanwhile(table: SmallTable) -> None:
    """The monitor of a closed loop is half a second old: the piezo is up already where the servo is still said to be
    at rest."""
    piezo = table.station.piezos["pump_phase"]
    table.station.servos["pump_phase"].close_loop(-1.0, -5000.0)
    with pytest.raises(LimitError, match="cannot be told while its servo is closed; nothing was sent"):
        table.write("piezo_a", "yvoltage=0.5")
    piezo.ramp_to(0.0)
    assert abs(table.last("piezo.pump_phase.voltage")) > 60.0  # by its servo alone
    assert table.simulation.outputs["piezo.pump_phase.setting"].highest == 0.0
    assert table.beyond() == []


def test_a_set_point_cannot_be_told_while_a_servo_moves_the_piezo_on_and_on(table: SmallTable) -> None:
    piezo, servo = table.station.piezos["opa_length"], table.station.servos["opa_length"]
    servo.set_output(-4.5)
    servo.close_loop(9.9, 0.1)
    before_v = table.last("piezo.opa_length.setting")
    with pytest.raises(LockError, match=r"set point is not known, and its servo moves it \(last from .* V to .* V\)"):
        piezo.ramp_to(10.0)
    assert table.last("piezo.opa_length.setting") == before_v
    servo.hold()
    piezo.ramp_to(10.0)
    assert table.beyond() == []


@pytest.mark.parametrize("name", ["arm", "cavity1"])
def test_an_amplifier_that_was_switched_off_unnoticed_is_not_sent_on_from_where_it_was(
    name: str, table: SmallTable
) -> None:
    piezo = table.station.piezos[name]
    piezo.ramp_to(20.0)
    table.faults.append(table.simulation.inject("piezo_b", FaultKind.POWER_CYCLE, lasting=2.0))
    table.station.clock.sleep(3.0)
    with pytest.raises(ConnectionLost, match="was switched off meanwhile, and its outputs are at 0 V"):
        piezo.step_to(21.0) if isinstance(piezo, DitheredPiezo) else piezo.ramp_to(21.0)
    assert table.last(f"piezo.{name}.setting") == 0.0
    piezo.ramp_to(21.0)
    assert table.last(f"piezo.{name}.setting") == pytest.approx(21.0, abs=0.01)
    assert table.beyond() == []


def test_on_the_way_to_rest_nothing_is_put_out_beyond_the_limits_whatever_a_monitor_says(table: SmallTable) -> None:
    """Nobody set the module up yet: its own limits are those of the factory."""
    table.faults.append(table.simulation.inject("servos", FaultKind.RAILED_OUTPUT))
    table.station.make_safe()
    assert table.simulation.outputs["servo.lo1.output"].highest <= 4.5
    assert table.beyond() == []


def test_a_ramp_waits_for_the_step_before_it(table: SmallTable) -> None:
    piezo = table.station.piezos["cavity1"]
    assert isinstance(piezo, DitheredPiezo)
    piezo.ramp_to(10.0)
    piezo.step_to(15.0)
    piezo.ramp_to(20.0)
    assert table.last("piezo.cavity1.setting") == pytest.approx(20.0, abs=0.01)
    assert table.beyond() == []
