"""The six traces of a simulated X-series analyzer: fed by the same sweeps, each with a state of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from x_series_bench import K_OF_RBW_10_VBW_1, PSD_V2_PER_HZ, Bench, level_dbm

from labctl.simulation.instruments.x_series_receiver import Receiver

SWEEP_S = 1.5
NONE = 9.91e37


@pytest.fixture
def bench() -> Bench:
    """Return an analyzer that averages over 20 sweeps with trace 1, and has the others blank."""
    bench = Bench(seed=7)
    bench.set_up(averages=20)
    return bench


def trace(bench: Bench, number: int) -> NDArray[np.float64]:
    """Return a trace in mW."""
    return np.asarray(10 ** (bench.doubles(f"TRAC? TRACE{number}") / 10))


def sweep_by_sweep(bench: Bench, sweeps: int, shown: int) -> NDArray[np.float64]:
    """Let sweeps finish one at a time and return what a trace shows after each, shape (sweeps, points)."""
    seen = []
    for _ in range(sweeps):
        bench.time.elapse(SWEEP_S)
        bench.twin.advance(bench.time.now())
        seen.append(trace(bench, shown))
    return np.array(seen)


# ---- which are live -------------------------------------------------------------------------------------------------


def test_only_trace_1_is_live_after_preset(bench: Bench) -> None:
    bench.tell("SYST:PRES")
    for number in range(1, 7):
        live = int(number == 1)
        assert bench.ask(f"TRAC{number}:TYPE?;UPD?;DISP?") == f"WRIT;{live};{live}"
    bench.time.elapse(5.0)
    assert np.all(bench.doubles("TRAC? TRACE2") == NONE)


@pytest.mark.parametrize("message", ["TRAC3:TYPE WRIT", "DET:TRAC3 SAMP", "TRAC3:UPD ON"])
def test_what_makes_a_trace_live(bench: Bench, message: str) -> None:
    bench.tell(message)
    assert bench.ask("TRAC3:UPD?;DISP?;:TRAC2:UPD?") == "1;1;0"
    bench.sweep()
    assert np.all(trace(bench, 3) < 1)
    assert bench.ask("SYST:ERR?") == '+0,"No error"'


def test_a_trace_that_is_not_displayed_can_be_read(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE WRIT;DISP OFF")
    bench.sweep()
    assert bench.ask("TRAC2:UPD?;DISP?") == "1;0"
    assert np.all(trace(bench, 2) < 1)


# ---- the same sweeps ------------------------------------------------------------------------------------------------


def test_each_type_makes_its_own_of_the_same_sweeps(bench: Bench) -> None:
    bench.tell("TRAC1:TYPE WRIT", "TRAC2:TYPE AVER", "TRAC3:TYPE MAXH", "TRAC4:TYPE MINH")
    bench.tell(*(f"DET:TRAC{n} SAMP" for n in range(1, 5)), "INIT")
    sweeps = sweep_by_sweep(bench, 20, shown=1)
    assert bench.ask("STAT:OPER:COND?") == "0"
    assert len({sweep.tobytes() for sweep in sweeps}) == 20
    assert trace(bench, 2) == pytest.approx(sweeps.mean(axis=0), rel=1e-9)
    assert trace(bench, 3) == pytest.approx(sweeps.max(axis=0), rel=1e-9)
    assert trace(bench, 4) == pytest.approx(sweeps.min(axis=0), rel=1e-9)


def test_sweeps_that_finish_together_are_the_same_for_all_too(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE AVER", "TRAC3:TYPE MAXH;:DET:TRAC3 AVER", "TRAC4:TYPE MINH;:DET:TRAC4 AVER")
    bench.tell("AVER:COUN 200")
    average = 10 ** (bench.sweep() / 10)
    assert np.array_equal(trace(bench, 2), average)
    assert np.all(trace(bench, 4) < average) and np.all(average < trace(bench, 3))
    power = average / 10 ** (level_dbm(10) / 10)
    assert power.mean() == pytest.approx(1.0, abs=4 / math.sqrt(1001 * 200 * K_OF_RBW_10_VBW_1))
    # 1001 independent points: the spread of a variance.
    assert power.std() == pytest.approx(1 / math.sqrt(200 * K_OF_RBW_10_VBW_1), rel=4 / math.sqrt(2 * 1001))


def test_detectors_see_the_same_sweep(bench: Bench) -> None:
    # Each bucket is as wide as ten independent cells.
    bench.set_up(span_hz=1000 * 10 * 15.05, vbw_hz=10e3)
    for number, detector in enumerate(("SAMP", "POS", "NEG", "NORM"), start=1):
        bench.tell(f"TRAC{number}:TYPE WRIT;:DET:TRAC{number} {detector}")
    bench.tell("AVER:TYPE RMS")
    bench.sweep()
    sample, highest, lowest, normal = (trace(bench, number) for number in range(1, 5))
    assert np.all(lowest <= sample) and np.all(sample <= highest)
    assert np.mean(sample == lowest) == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 1001))
    assert np.array_equal(normal[0::2], highest[0::2]) and np.array_equal(normal[1::2], lowest[1::2])


def test_a_long_look_away_in_continuous_sweeping_is_an_exponential_average() -> None:
    bench = Bench(seed=8)
    bench.set_up(averages=20)
    bench.tell("TRAC2:TYPE MAXH", "INIT:CONT ON")
    bench.time.elapse(1e5)
    power = trace(bench, 1) / 10 ** (level_dbm(10) / 10)
    assert power.mean() == pytest.approx(1.0, abs=4 / math.sqrt(1001 * 39 * K_OF_RBW_10_VBW_1))
    # Weights 1/20 that decay: as good as 39 sweeps.
    assert power.std() == pytest.approx(1 / math.sqrt(39 * K_OF_RBW_10_VBW_1), rel=4 / math.sqrt(2 * 1001))


# ---- a state of its own ---------------------------------------------------------------------------------------------


def test_sending_the_type_restarts_that_trace_alone(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE WRIT;:DET:TRAC2 AVER", "TRAC3:TYPE AVER", "INIT:CONT ON")
    before = sweep_by_sweep(bench, 4, shown=2)
    bench.tell("TRAC3:TYPE AVER")
    assert np.all(bench.doubles("TRAC? TRACE3") == NONE)
    after = sweep_by_sweep(bench, 5, shown=2)
    assert trace(bench, 3) == pytest.approx(after.mean(axis=0), rel=1e-9)
    assert trace(bench, 1) == pytest.approx(np.vstack([before, after]).mean(axis=0), rel=1e-9)


def test_a_restarted_trace_gets_all_its_averages(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE AVER", "INIT")
    bench.time.elapse(10.2 * SWEEP_S)
    bench.tell("TRAC2:TYPE AVER;*OPC?")
    assert bench.twin.ready_at() == pytest.approx((10.2 + 20) * SWEEP_S)


def test_a_view_keeps_its_data_and_its_axis(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE AVER")
    bench.sweep()
    before = bench.doubles("FETC:SAN2?")
    bench.tell("TRAC2:UPD OFF", "FREQ:CENT 5 MHZ", "SWE:POIN 501", "AVER:TYPE LOG", "UNIT:POW DBM")
    bench.sweep()
    assert np.array_equal(bench.doubles("FETC:SAN2?"), before)
    assert bench.doubles("FETC:SAN1?")[0::2] == pytest.approx(np.linspace(4.95e6, 5.05e6, 501))
    bench.tell("TRAC2:UPD ON")
    assert np.all(bench.doubles("TRAC? TRACE2") == NONE)


def test_putting_a_trace_into_view_does_not_disturb_the_others(bench: Bench) -> None:
    bench.tell("TRAC2:TYPE WRIT;:DET:TRAC2 AVER", "INIT")
    first = sweep_by_sweep(bench, 5, shown=2)
    bench.tell("TRAC2:UPD OFF")
    assert np.array_equal(trace(bench, 2), first[-1])
    assert trace(bench, 1) == pytest.approx(first.mean(axis=0), rel=1e-9)
    assert bench.ask("STAT:OPER:COND?") == "8"


def test_a_sequence_lasts_as_long_as_any_trace_wants(bench: Bench) -> None:
    bench.tell("TRAC1:TYPE WRIT", "INIT;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(SWEEP_S)
    bench.ask("*OPC?")
    begin = bench.time.now()
    bench.tell("TRAC2:TYPE MAXH", "INIT;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(begin + 20 * SWEEP_S)


def test_clearing_averages_and_raising_the_count_hold_for_any_trace(bench: Bench) -> None:
    bench.tell("TRAC1:TYPE WRIT", "TRAC2:TYPE AVER;:DET:TRAC1 AVER")
    bench.sweep()
    begin = bench.time.now()
    bench.tell("AVER:COUN 25")
    assert bench.ask("STAT:OPER:COND?") == "8"
    bench.ask("*OPC?")
    assert bench.time.now() - begin == pytest.approx(5 * SWEEP_S)
    bench.tell("AVER:CLE")
    assert bench.ask("STAT:OPER:COND?") == "8"


# ---- couplings ------------------------------------------------------------------------------------------------------


def test_the_automatic_average_type_follows_all_live_traces(bench: Bench) -> None:
    bench.tell("SYST:PRES;:INIT:CONT OFF")
    assert bench.ask("AVER:TYPE?") == "LOG"
    bench.tell("TRAC2:TYPE AVER")
    assert bench.ask("DET:TRAC1?;:DET:TRAC2?;:AVER:TYPE?") == "NORM;AVER;RMS"
    bench.tell("TRAC2:UPD OFF")
    assert bench.ask("AVER:TYPE?") == "LOG"
    bench.tell("DET:TRAC3 AVER")
    assert bench.ask("DET:TRAC3:AUTO?;:DET:TRAC1:AUTO?;:AVER:TYPE?") == "0;1;RMS"
    bench.tell("DET:AUTO ON")
    assert bench.ask("DET:TRAC3:AUTO?;:DET:TRAC3?") == "1;NORM"
    bench.tell("DET:TRAC2:AUTO OFF")
    assert bench.ask("DET:TRAC2:AUTO?;:DET:TRAC2?") == "0;AVER"


def test_a_trace_that_moves_the_scale_of_the_others_starts_them_over(bench: Bench) -> None:
    bench.tell("SYST:PRES;:INIT:CONT OFF", "INIT", "*WAI")
    assert bench.ask("*OPC?") == "1"
    assert np.all(trace(bench, 1) < 1)
    bench.tell("TRAC2:TYPE AVER")
    assert np.all(bench.doubles("TRAC? TRACE1") == NONE)


# ---- data -----------------------------------------------------------------------------------------------------------


def test_every_query_for_a_trace_says_the_same(bench: Bench) -> None:
    bench.tell("TRAC5:TYPE WRIT")
    bench.sweep()
    pairs = bench.doubles("FETC:SAN5?")
    assert np.array_equal(bench.doubles("CALC:DATA5?"), pairs)
    assert np.array_equal(bench.doubles("TRAC:DATA? TRACE5"), pairs[1::2])
    begin = bench.time.now()
    assert not np.array_equal(bench.doubles("READ:SAN5?"), pairs)
    assert bench.time.now() - begin == pytest.approx(20 * SWEEP_S)


def test_a_trace_can_be_sent_as_text(bench: Bench) -> None:
    bench.tell("SWE:POIN 3", "TRAC:DATA TRACE4,-90,-91.5,-1.2E2")
    assert bench.ask("TRAC:DATA? TRACE4") == "-9.00000E+01,-9.15000E+01,-1.20000E+02"
    assert bench.ask("TRAC4:UPD?;DISP?") == "0;1"
    bench.tell("UNIT:POW V", "TRAC:DATA TRACE4,1,2 DBM,3")
    assert [float(v) for v in bench.ask("TRAC? TRACE4").split(",")] == pytest.approx([1, 0.28151, 3], rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "message", "error"),
    [
        ("FORM REAL,64", "TRAC TRACE2,-90,-91,-92", -161),
        ("FORM REAL,64", "TRAC TRACE2,#13abc", -161),
        ("FORM ASC", "TRAC TRACE2,#13abc", -121),
        ("FORM ASC", "TRAC TRACE2,-90,-91", -222),
        ("FORM ASC", "TRAC TRACE2,-90,-91,900", -222),
        ("FORM ASC", "TRAC TRACE2,-90,-91,-92 HZ", -131),
        ("FORM ASC", "TRAC TRACE7,-90,-91,-92", -224),
    ],
)
def test_what_is_sent_wrongly_is_refused(bench: Bench, setting: str, message: str, error: int) -> None:
    bench.tell("SWE:POIN 3", setting, message)
    assert bench.ask("SYST:ERR?").startswith(f"{error},")
    assert bench.ask("TRAC2:UPD?;DISP?") == "0;0"


# ---- the stream of a single trace -----------------------------------------------------------------------------------


def test_a_single_trace_takes_one_draw_of_all_its_sweeps() -> None:
    bench = Bench(seed=3)
    bench.set_up(averages=5)
    receiver = Receiver(
        3.6e9,
        start_hz=4.25e6,
        stop_hz=4.35e6,
        rbw_set_hz=10,
        vbw_set_hz=1,
        average_count=5,
        trace_type="AVER",
        detector_set="AVER",
        average_type_set="RMS",
    )
    expected = receiver.draw(receiver.noise(np.random.default_rng(3)), receiver.mean_power_w(bench.input), 5)
    assert np.array_equal(bench.sweep(), 10 * np.log10(expected / 1e-3))
    assert receiver.mean_power_w(bench.input)[0] == pytest.approx(1e-3 * 10 ** (level_dbm(10, PSD_V2_PER_HZ) / 10))


def test_traces_that_are_not_live_take_nothing_from_the_stream() -> None:
    plain, busy = Bench(seed=4), Bench(seed=4)
    for bench in (plain, busy):
        bench.set_up(averages=5)
    busy.tell("TRAC2:DISP ON", "TRAC3:UPD OFF", "DET:TRAC4:AUTO ON")
    first = [bench.sweep() for bench in (plain, busy)]
    assert np.all(busy.doubles("TRAC? TRACE2") == NONE)
    busy.doubles("FETC:SAN3?")
    second = [bench.sweep() for bench in (plain, busy)]
    assert np.array_equal(*first) and np.array_equal(*second)
