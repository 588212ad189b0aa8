"""The sweeps of a simulated X-series analyzer: how long they take, and what they leave in trace 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
from x_series_bench import K_OF_RBW_10_VBW_1, Bench, level_dbm


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("span", "rbw", "vbw", "kind", "seconds"),
    [
        (1e3, 10, 1, "SWE", 250.0),
        (10e3, 10, 1, "SWE", 2500.0),
        (10e3, 10, 10, "SWE", 250.0),
        (10e3, 10, 1000, "SWE", 250.0),
        (10e3, 10, 1, "FFT", 1.5),
        (1e3, 10, 1, "FFT", 1.5),
        (1e3, 10, 100, "FFT", 0.15),
        (1e6, 100e3, 100e3, "SWE", 1e-3),
    ],
)
def test_sweep_time(bench: Bench, span: float, rbw: float, vbw: float, kind: str, seconds: float) -> None:
    bench.set_up(span_hz=span, rbw_hz=rbw, vbw_hz=vbw)
    bench.tell(f"SWE:TYPE {kind}")
    assert bench.number("SWE:TIME?") == pytest.approx(seconds)
    begin = bench.time.now()
    bench.sweep()
    assert bench.time.now() - begin == pytest.approx(seconds, rel=1e-5)


def test_narrow_filters_choose_the_fft(bench: Bench) -> None:
    bench.set_up(rbw_hz=10e3, vbw_hz=10e3)
    assert bench.ask("SWE:TYPE?") == "FFT"
    bench.tell("BAND 11 KHZ")
    assert bench.ask("SWE:TYPE?") == "SWE"


def test_a_sweep_time_by_hand(bench: Bench) -> None:
    bench.set_up(rbw_hz=100e3, vbw_hz=100e3)
    bench.tell("SWE:TIME 300 MS")
    assert bench.number("SWE:TIME?") == 0.3
    bench.tell("SWE:TIME:AUTO ON")
    assert bench.number("SWE:TIME?") == 1e-3


def test_opc_waits_for_all_averages_and_the_sweeping_bit_tells(bench: Bench) -> None:
    bench.set_up(averages=50)
    bench.tell("INIT;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(75.0)
    bench.time.elapse(74.9)
    assert bench.twin.take() == b""
    bench.time.elapse(0.2)
    assert bench.twin.take() == b"1\n"
    bench.tell("INIT")
    assert bench.ask("STAT:OPER:COND?") == "8"
    bench.time.elapse(75.0)
    assert bench.ask("STAT:OPER:COND?") == "0"


def test_an_abort_frees_opc_and_leaves_part_of_the_average(bench: Bench) -> None:
    bench.set_up(averages=50)
    bench.tell("INIT;*OPC?")
    bench.time.elapse(15.1)
    bench.tell("ABOR")
    assert bench.twin.take() == b"1\n"
    assert bench.ask("STAT:OPER:COND?") == "0"
    assert len(bench.input.rbw_hz) == 1
    spread = 10 ** (bench.doubles("TRAC? TRACE1") / 10)
    assert spread.std() / spread.mean() == pytest.approx(1 / math.sqrt(10 * K_OF_RBW_10_VBW_1), rel=0.1)


def test_speed_compresses_lab_time_only() -> None:
    bench = Bench(speed=100.0)
    bench.set_up(averages=50)
    assert bench.number("SWE:TIME?") == 1.5
    bench.sweep()
    assert bench.time.now() == pytest.approx(0.75, rel=1e-3)


def test_each_sweep_sees_the_input_of_its_own_time(bench: Bench) -> None:
    bench.set_up(averages=4)
    bench.tell("INIT")
    for step in range(1, 65):
        bench.time.elapse(0.1)
        bench.twin.advance(bench.time.now())
        bench.input.factor = 1.0 if step < 20 else 100.0
    mean = np.mean(10 ** (bench.doubles("TRAC? TRACE1") / 10))
    # The first sweep ends at 1.5 s, before the input rises at 2 s; three follow.
    expected = 10 ** (level_dbm(10) / 10) * (1 + 3 * 100) / 4
    assert mean == pytest.approx(expected, rel=4 / math.sqrt(1001 * K_OF_RBW_10_VBW_1 * 3))
    assert len(bench.input.rbw_hz) == 4


def test_a_change_of_settings_clears_and_restarts(bench: Bench) -> None:
    bench.set_up()
    bench.sweep()
    bench.tell("BAND:VID 3")
    assert np.all(bench.doubles("TRAC? TRACE1") == 9.91e37)
    bench.set_up(averages=10)
    bench.tell("INIT")
    bench.time.elapse(10.0)
    begin = bench.time.now()
    bench.tell("FREQ:CENT 4.31 MHZ;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(begin + 15.0)


def test_a_higher_count_goes_on_and_a_lower_one_stops(bench: Bench) -> None:
    bench.set_up(averages=10)
    bench.sweep()
    begin = bench.time.now()
    bench.tell("AVER:COUN 30")
    assert bench.ask("STAT:OPER:COND?") == "8"
    bench.ask("*OPC?")
    assert bench.time.now() - begin == pytest.approx(30.0)
    bench.tell("INIT")
    bench.time.elapse(15.1)
    bench.tell("AVER:COUN 5")
    assert bench.ask("STAT:OPER:COND?") == "0"


def test_average_clear_starts_again(bench: Bench) -> None:
    bench.set_up(averages=2)
    bench.sweep()
    bench.tell("AVER:CLE")
    assert bench.ask("STAT:OPER:COND?") == "8"
    bench.tell("ABOR;:TRAC:TYPE WRIT;:AVER:CLE")
    assert bench.ask("STAT:OPER:COND?") == "0"


def test_read_starts_and_waits(bench: Bench) -> None:
    bench.set_up(averages=2)
    begin = bench.time.now()
    pairs = bench.doubles("READ:SAN1?")
    assert bench.time.now() - begin == pytest.approx(3.0)
    assert pairs.size == 2002
    assert np.all(pairs[1::2] < 0)


def test_a_change_of_mode_takes_time(bench: Bench) -> None:
    bench.tell("INST:SEL PNOISE")
    begin = bench.time.now()
    assert bench.ask("*OPC?") == "1"
    assert bench.time.now() - begin == pytest.approx(1.0)
    bench.tell('INST:SEL "SA"')
    assert bench.ask("INST:SEL?;CAT?;:CONF?") == 'SA;"SA 1,PNOISE 14,BASIC 8";SAN'


def test_continuous_sweeping_rewrites_only_with_time(bench: Bench) -> None:
    bench.set_up()
    bench.tell("TRAC:TYPE WRIT;:INIT:CONT ON")
    assert np.all(bench.doubles("TRAC? TRACE1") == 9.91e37)
    bench.time.elapse(1.6)
    first = bench.doubles("TRAC? TRACE1")
    assert np.array_equal(bench.doubles("TRAC? TRACE1"), first)
    bench.time.elapse(1.5)
    assert not np.array_equal(bench.doubles("TRAC? TRACE1"), first)
    bench.tell("INIT:CONT OFF")
    assert bench.ask("STAT:OPER:COND?") == "0"


def test_continuous_averaging_becomes_exponential(bench: Bench) -> None:
    bench.set_up(averages=5)
    bench.tell("INIT:CONT ON")
    for factor, seconds in ((1.0, 7.6), (100.0, 7.5)):
        bench.input.factor = factor
        bench.time.elapse(seconds)
        bench.twin.advance(bench.time.now())
    kept = 0.8**5
    expected = 10 ** (level_dbm(10) / 10) * (kept + (1 - kept) * 100)
    assert np.mean(10 ** (bench.doubles("TRAC? TRACE1") / 10)) == pytest.approx(expected, rel=0.05)


def test_holding_traces(bench: Bench) -> None:
    bench.set_up(averages=10)
    average = bench.sweep().mean()
    bench.tell("TRAC:TYPE MAXH;:DET:TRAC AVER;:AVER:TYPE RMS")
    highest = bench.sweep().mean()
    bench.tell("TRAC:TYPE MINH;:DET:TRAC AVER;:AVER:TYPE RMS")
    lowest = bench.sweep().mean()
    assert lowest < average - 2.0 and average + 2.0 < highest
