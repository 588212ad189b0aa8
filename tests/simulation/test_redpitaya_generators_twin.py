"""The generators of the simulated Red Pitaya: shapes, bursts, triggers and what the table sees of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from redpitaya_bench import Bench

from drivers.errors import Refused
from labctl.simulation.ports import Waveform


def volts(bench: Bench, time_s: Any) -> NDArray[np.float64]:
    """Return what comes out at lab times `time_s`."""
    waveform, started_at = bench.out.history[-1]
    time = np.atleast_1d(np.asarray(time_s, dtype=np.float64)) - started_at
    return waveform.volts(time)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.say("SOUR1:FREQ:FIX 100", "SOUR1:VOLT 0.5", "SOUR1:VOLT:OFFS 0.25", "OUTPUT1:STATE ON")
    return bench


# ---- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "query", "reply", "error"),
    [
        ("SOUR1:DCYC 0.25", "SOUR1:DCYC?", "0.25", 0),
        ("SOUR1:DCYC -0.1", "SOUR1:DCYC?", "0.5", -200),
        ("SOUR1:BURS:STAT BURST", "SOUR1:BURS:STAT?", "BURST", 0),
        ("SOUR1:BURS:STAT STREAM", "SOUR1:BURS:STAT?", "CONTINUOUS", 9516),
        ("SOUR1:BURS:STAT ON", "SOUR1:BURS:STAT?", "CONTINUOUS", -109),
        ("SOUR1:BURS:NCYC 3", "SOUR1:BURS:NCYC?", "3", 0),
        ("SOUR1:BURS:NCYC 0", "SOUR1:BURS:NCYC?", "1", 9506),
        ("SOUR1:BURS:NCYC 50001", "SOUR1:BURS:NCYC?", "1", 9506),
        ("SOUR1:BURS:NOR 65536", "SOUR1:BURS:NOR?", "65536", 0),
        ("SOUR1:BURS:NOR 65537", "SOUR1:BURS:NOR?", "1", 9506),
        ("SOUR1:BURS:INT:PER 25000", "SOUR1:BURS:INT:PER?", "25000", 0),
        ("SOUR1:BURS:INT:PER 9000", "SOUR1:BURS:INT:PER?", "10001", 0),  # a period lasts 10 ms
        ("SOUR1:BURS:INT:PER 500000001", "SOUR1:BURS:INT:PER?", "10001", 9506),
        ("SOUR1:INITValue -0.5", "SOUR1:INITValue?", "-0.5", 0),
        ("SOUR1:INITValue 1.5", "SOUR1:INITValue?", "0", 9506),
        ("SOUR1:BURS:LASTValue 0.125", "SOUR1:BURS:LASTV?", "0.125", 0),
        ("SOUR1:LOAD L50", "SOUR1:LOAD?", "L50", 0),
        ("SOUR1:LOAD 50", "SOUR1:LOAD?", "INF", -109),
        ("SOUR1:TRig:SOUR EXT_PE", "SOUR1:TRig:SOUR?", "EXT_PE", 0),
        ("SOUR1:TRig:SOUR GATED", "SOUR1:TRig:SOUR?", "INT", 9515),
        ("SOUR1:FUNC PWM", "SOUR1:FUNC?", "PWM", 0),
        ("SOUR1:TRAC:DATA:DATA 0.5,-1,1", "SOUR1:TRAC:DATA:DATA?", "{0.500000,-1.000000,1.000000}", 0),
        ("SOUR1:TRAC:DATA:DATA 0.5,1.5;:SOUR1:FUNC SINE", "SOUR1:FUNC?", "SINE", 9517),
        ("SOUR:TRig:EXT:DEBouncer:US 20", "SOUR:TRig:EXT:DEB?", "20", 0),
        ("SOUR:TRig:EXT:DEBouncer:US -1", "SOUR:TRig:EXT:DEB?", "500", 9515),
    ],
)
def test_settings_and_refusals(bench: Bench, command: str, query: str, reply: str, error: int) -> None:
    assert bench.say(command) == b""
    assert (bench.errors() or [0])[0] == error
    assert bench.ask(query) == reply


def test_the_period_of_a_burst_grows_with_it(bench: Bench) -> None:
    bench.say("SOUR1:BURS:INT:PER 25000", "SOUR1:BURS:NCYC 5")
    assert bench.ask("SOUR1:BURS:INT:PER?") == "50001"
    bench.say("SOUR1:FREQ:FIX 10")
    assert bench.ask("SOUR1:BURS:INT:PER?") == "500001"


def test_a_table_in_binary_and_its_greatest_length(bench: Bench) -> None:
    bench.say("ACQ:DATA:FORMAT BIN", "ACQ:DATA:BYTE:ORDER LEND", "SOUR1:TRAC:DATA:DATA 0.5,-0.25")
    assert bench.say("SOUR1:TRAC:DATA:DATA?") == b"#18" + np.array([0.5, -0.25], dtype="<f4").tobytes()
    bench.say("SOUR1:TRAC:DATA:DATA " + ",".join(["0.123456"] * 16384))
    assert bench.errors() == []
    bench.say("SOUR1:TRAC:DATA:DATA " + ",".join(["0"] * 16385))
    assert bench.errors() == [-108]


def test_a_reset_forgets_all(bench: Bench) -> None:
    bench.say("SOUR1:BURS:STAT BURST", "SOUR1:DCYC 0.1", "SOUR1:LOAD L50", "SOUR1:TRig:SOUR EXT_PE", "GEN:RST")
    states = bench.say("SOUR1:BURS:STAT?", "SOUR1:DCYC?", "SOUR1:LOAD?", "SOUR1:TRig:SOUR?", "SOUR1:BURS:INT:PER?")
    assert states == b"CONTINUOUS\r\n0.5\r\nINF\r\nINT\r\n1001\r\n"


# ---- what comes out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG"])
def test_plain_shapes_reach_the_table_as_they_always_did(bench: Bench, shape: str) -> None:
    bench.say(f"SOUR1:FUNC {shape}", "SOUR1:PHAS 30", "SOUR1:TRig:INT")
    waveform, _ = bench.out.history[-1]
    sign = -1.0 if shape == "DC_NEG" else 1.0
    assert waveform == Waveform(shape.removesuffix("_NEG"), 100.0, sign * 0.5, 0.25, 30.0, on=True)


@pytest.mark.parametrize("shape", ["SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG"])
def test_a_burst_begins_as_the_continuous_wave(bench: Bench, shape: str) -> None:
    bench.say(f"SOUR1:FUNC {shape}", "SOUR1:PHAS -50", "SOUR1:TRig:INT")
    time = np.linspace(0.0, 0.0099, 200)
    continuous = volts(bench, time)
    bench.say("SOUR1:BURS:NCYC 1", "SOUR1:BURS:INT:PER 30000", "SOUR1:BURS:STAT BURST", "SOUR1:TRig:INT")
    np.testing.assert_allclose(volts(bench, time), continuous, atol=1e-12)


def test_a_train_of_bursts(bench: Bench) -> None:
    bench.say("SOUR1:BURS:STAT BURST", "SOUR1:BURS:NCYC 2", "SOUR1:BURS:NOR 3", "SOUR1:BURS:INT:PER 50000")
    bench.say("SOUR1:BURS:LASTValue -0.125")
    bench.time.elapse(1.0)
    bench.say("SOUR1:TRig:INT")
    sine = 0.25 + 0.5 * np.sin(2 * np.pi * 100.0 * 0.0023)
    idle = 0.25 - 0.125
    at = {
        0.0023: sine,
        0.0123: sine,
        0.0223: idle,
        0.0499: idle,
        0.0523: sine,
        0.1123: sine,
        0.1323: idle,
        0.1523: idle,
    }
    np.testing.assert_allclose(volts(bench, 1.0 + np.array(list(at))), list(at.values()), atol=1e-6)
    bench.say("SOUR1:BURS:NOR 65536")
    np.testing.assert_allclose(volts(bench, 1.0 + 1000 * 0.05 + 0.0023), sine, atol=1e-6)
    bench.say("OUTPUT1:STATE OFF")
    assert volts(bench, 1.0023) == 0.0


@pytest.mark.parametrize("duty", [0.0, 0.1, 0.75, 1.0])
def test_pulse_width(bench: Bench, duty: float) -> None:
    bench.say("SOUR1:FUNC PWM", f"SOUR1:DCYC {duty}", "SOUR1:TRig:INT")
    out = volts(bench, np.arange(1000) * 1e-5)
    assert set(np.round(out, 6)) <= {0.75, -0.25}
    assert np.mean(out > 0.0) == pytest.approx(duty, abs=2e-3)


def test_an_arbitrary_shape(bench: Bench) -> None:
    bench.say("SOUR1:TRAC:DATA:DATA 1,0.5,-1,0", "SOUR1:FUNC ARBITRARY", "SOUR1:TRig:INT")
    time = 1e-2 * (np.arange(8) + 0.5) / 4
    np.testing.assert_allclose(volts(bench, time), 0.25 + 0.5 * np.array([1, 0.5, -1, 0] * 2))
    bench.say("SOUR1:TRAC:DATA:DATA -1,1")
    np.testing.assert_allclose(volts(bench, [0.001, 0.006]), [-0.25, 0.75])
    waveform, _ = bench.out.history[-1]
    assert (waveform.shape, waveform.amplitude_v) == ("DC", 0.0)  # its mean, for who knows no tables


def test_before_the_start_there_is_the_initial_value(bench: Bench) -> None:
    bench.say("SOUR1:INITValue 0.5")
    np.testing.assert_allclose(volts(bench, [0.0, 0.3]), 0.75)
    bench.say("SOUR1:TRig:INT")
    assert volts(bench, 0.0) == 0.25


def test_into_fifty_ohm_twice_as_much_is_driven(bench: Bench) -> None:
    bench.say("SOUR1:VOLT 0.1", "SOUR1:VOLT:OFFS 0", "SOUR1:LOAD L50", "SOUR1:VOLT 0.4", "SOUR1:TRig:INT")
    waveform, _ = bench.out.history[-1]
    assert waveform.amplitude_v == pytest.approx(0.8)
    assert bench.ask("SOUR1:VOLT?") == "0.4"
    bench.say("SOUR1:VOLT 0.6")
    assert bench.errors() == [9506]


# ---- triggers --------------------------------------------------------------------------------------------------------


def test_an_edge_of_the_trigger_pin_starts_it(bench: Bench) -> None:
    bench.say("SOUR1:TRig:SOUR EXT_NE", "DIG:PIN:DIR OUT,DIO0_P")
    bench.say("ACQ:START", "ACQ:TRig AWG_PE")
    bench.time.elapse(1.0)
    bench.say("DIG:PIN DIO0_P,1")
    assert bench.out.history[-1][0].amplitude_v == 0.0
    bench.time.elapse(1.0)
    bench.say("DIG:PIN DIO0_P,0")
    waveform, started_at = bench.out.history[-1]
    assert (waveform.amplitude_v, started_at) == (0.5, 2.0)
    assert bench.ask("ACQ:TRig:STAT?") == "TD"


def test_other_boards_have_none_of_it() -> None:
    four = Bench(variant="4-input")
    for command in ("SOUR1:DCYC 0.5", "SOUR1:BURS:STAT BURST", "SOUR1:TRAC:DATA:DATA 0,1", "SOUR1:TRig:SOUR INT"):
        assert four.say(command) == b""
        assert four.errors() == [9500]


# ---- the driver on the twin ------------------------------------------------------------------------------------------


def test_driver_bursts_pulses_and_tables(bench: Bench) -> None:
    board = bench.open()
    board.initialise()
    out = board.outputs[1]
    out.configure("PWM", 1000.0, 0.5)
    out.duty_cycle = 0.2
    assert out.duty_cycle == pytest.approx(0.2)
    out.configure_burst(3, 4, 0.02)
    assert (out.mode, out.burst_cycles, out.burst_repetitions, out.burst_period) == ("BURST", 3, 4, 0.02)
    with pytest.raises(ValueError, match="as long as"):
        out.configure_burst(20, 1, 0.02)
    out.start()
    _, started_at = bench.out.history[-1]
    np.testing.assert_allclose(volts(bench, started_at + np.array([1e-4, 5e-4, 4e-3])), [0.5, -0.5, 0.0])
    table = np.sin(np.linspace(0.0, 3.0, 16384))
    out.set_table(table)
    np.testing.assert_allclose(out.read_table(), table, atol=1e-6)
    out.function = "ARBITRARY"
    with pytest.raises(Refused, match="9506"):
        out.load = "L50"
        out.amplitude = 0.7
    out.trigger_source = "EXT_PE"
    out.initial_value, out.last_value = -0.1, 0.1
    assert (out.trigger_source, out.load) == ("EXT_PE", "L50")
    assert (out.initial_value, out.last_value) == (pytest.approx(-0.1), pytest.approx(0.1))
