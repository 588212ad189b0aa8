"""The simulated X-series analyzer: what it says on the wire, and how long its sweeps take."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x_series_bench import K_OF_RBW_10_VBW_1, Bench, level_dbm

from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.instruments.x_series_receiver import RBW_STEPS_HZ, nearest_step


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- the wire -------------------------------------------------------------------------------------------------------


def test_identity_and_options(bench: Bench) -> None:
    assert bench.raw("*IDN?") == b"Agilent Technologies,N9020A,MY50000001,A.14.03\n"
    assert re.fullmatch(r'"\d+(,\w+)*"', bench.ask("*OPT?"))
    other = SimulatedXSeries(bench.time, bench.input, np.random.default_rng(1), model="N9030B", serial="MY1")
    assert ",N9030B,MY1," in other.identity


def test_preset_is_what_a_careless_driver_would_suffer(bench: Bench) -> None:
    state = "INIT:CONT?;:FORM?;:FORM:BORD?;:DET:TRAC1?;:AVER:TYPE?;:TRAC1:TYPE?;:SWE:POIN?;:AVER:COUN?;:UNIT:POW?"
    assert bench.ask(state) == "1;ASC,8;NORM;NORM;LOG;WRIT;1001;100;DBM"
    bench.tell("*RST")
    assert bench.ask("INIT:CONT?") == "0"
    bench.tell("SYST:PRES")
    assert bench.ask("INIT:CONT?") == "1"


def test_formats(bench: Bench) -> None:
    bench.set_up()
    reference = bench.sweep()
    assert bench.raw("TRAC? TRACE1").startswith(b"#48008")
    assert bench.raw("FETC:SAN1?").startswith(b"#516016")
    bench.tell("FORM:BORD SWAP")
    assert np.array_equal(np.frombuffer(bench.raw("TRAC? TRACE1")[6:-1], "<f8"), reference)
    bench.tell("FORM REAL,32")
    assert np.frombuffer(bench.raw("TRAC? TRACE1")[6:-1], "<f4") == pytest.approx(reference, rel=1e-6)
    bench.tell("FORM:BORD NORM;:FORM INT,32")
    assert np.frombuffer(bench.raw("TRAC? TRACE1")[6:-1], ">i4") / 1e3 == pytest.approx(reference, abs=5.1e-4)
    assert len(bench.raw("FETC:SAN?")) == len(b"#48008") + 2002 * 4 + 1
    bench.tell("FORM ASC")
    text = bench.ask("TRAC:DATA? TRACE1").split(",")
    assert all(re.fullmatch(r"[+-]\d\.\d{5}E[+-]\d\d", element) for element in text)
    assert [float(element) for element in text] == pytest.approx(reference, rel=5.1e-6)
    assert bench.ask("SYST:ERR?") == '+0,"No error"'


@pytest.mark.parametrize(
    ("sent", "answered"),
    [("INT,48", "INT,32"), ("REAL", "REAL,32"), ("REAL,16", "REAL,32"), ("real,64", "REAL,64"), ("ASCII", "ASC,8")],
)
def test_an_illegal_width_is_no_error(bench: Bench, sent: str, answered: str) -> None:
    bench.tell(f"FORM:TRAC:DATA {sent}")
    assert bench.ask("FORM:DATA?;:SYST:ERR?") == f'{answered};+0,"No error"'


def test_ascii_frequencies_have_six_digits_and_doubles_have_all(bench: Bench) -> None:
    bench.set_up(span_hz=1e3)
    bench.sweep()
    pairs = bench.doubles("FETC:SAN?")
    assert pairs[0::2] == pytest.approx(np.linspace(4.2995e6, 4.3005e6, 1001), abs=1e-6)
    bench.tell("FORM ASC")
    ascii_pairs = np.array(bench.ask("FETC:SAN?").split(","), dtype=float)
    assert np.max(np.abs(ascii_pairs[0::2] - pairs[0::2])) > 1.0


@pytest.mark.parametrize("unit", ["DBMV", "DBMA", "DBUV", "V", "W", "A"])
def test_units(bench: Bench, unit: str) -> None:
    bench.set_up()
    watts = 1e-3 * 10 ** (bench.sweep() / 10)
    expected = {
        "DBMV": 20 * np.log10(np.sqrt(watts * 50) / 1e-3),
        "DBMA": 20 * np.log10(np.sqrt(watts / 50) / 1e-3),
        "DBUV": 20 * np.log10(np.sqrt(watts * 50) / 1e-6),
        "V": np.sqrt(watts * 50),
        "W": watts,
        "A": np.sqrt(watts / 50),
    }
    bench.tell(f"UNIT:POW {unit}")
    assert bench.doubles("TRAC? TRACE1") == pytest.approx(expected[unit])


def test_out_of_range_is_clipped_and_reported(bench: Bench) -> None:
    bench.tell("SWE:POIN 50000", "BAND 20 MHZ", "FREQ:STOP 50 GHZ", "AVER:COUN 0", "POW:ATT 71 DB")
    assert bench.ask("SWE:POIN?") == "40001"
    assert bench.number("BAND?") == 8e6
    assert bench.number("FREQ:STOP?") == 3.6e9
    assert bench.ask("AVER:COUN?") == "1"
    assert bench.number("POW:ATT?") == 70
    assert [bench.ask("SYST:ERR?") for _ in range(6)] == ['-222,"Data out of range"'] * 5 + ['+0,"No error"']


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("TRAC? TRACE7", -224),
        ("TRAC7:TYPE AVER", -114),
        ("FETC:SAN7?", -114),
        ("DET:TRAC MEDIAN", -224),
        ("INST:SEL WLAN", -224),
        ("FREQ:CENT 4.3 SEC", -131),
        ("AVER:STAT ON", -113),
        ("INIT;INIT", -213),
        ("INST PNOISE;:INIT", -221),
        ("INST PNOISE;:READ:SAN?", -221),
    ],
)
def test_refusals(bench: Bench, message: str, error: int) -> None:
    bench.tell("*RST;*CLS")
    bench.tell(message)
    assert bench.twin.take() == b""
    assert bench.ask("SYST:ERR?").startswith(f"{error},")


def test_start_stop_center_and_span_move_each_other(bench: Bench) -> None:
    bench.tell("FREQ:STAR 4.2 MHZ", "FREQ:STOP 4.4 MHZ")
    assert (bench.number("FREQ:CENT?"), bench.number("FREQ:SPAN?")) == (4.3e6, 0.2e6)
    bench.tell("FREQ:CENT 5 MHZ", "FREQ:SPAN 10 KHZ")
    assert (bench.number("FREQ:STAR?"), bench.number("FREQ:STOP?")) == (4.995e6, 5.005e6)
    bench.tell("FREQ:SPAN 3")
    assert bench.number("FREQ:SPAN?") == 10
    bench.tell("FREQ:STAR 6 MHZ")
    assert bench.number("FREQ:STOP?") == 6e6 + 10
    bench.tell("FREQ:STOP 1 MHZ")
    assert bench.number("FREQ:STAR?") == 1e6 - 10
    bench.tell("FREQ:SPAN:FULL")
    assert (bench.number("FREQ:STAR?"), bench.number("FREQ:STOP?")) == (0, 3.6e9)
    bench.tell("FREQ:CENT 1 MHZ")
    assert (bench.number("FREQ:STAR?"), bench.number("FREQ:STOP?")) == (0, 2e6)


def test_zero_span_has_a_time_axis(bench: Bench) -> None:
    bench.set_up(span_hz=20e3)
    bench.tell("FREQ:SPAN:ZERO", "SWE:TIME 2 S", "SWE:POIN 101")
    assert bench.number("FREQ:SPAN?") == 0
    bench.sweep()
    assert bench.doubles("FETC:SAN?")[0::2] == pytest.approx(np.linspace(0, 2, 101))
    bench.tell("FREQ:SPAN:PREV")
    assert bench.number("FREQ:SPAN?") == 20e3


@pytest.mark.parametrize(
    ("asked", "taken"), [(10, 10), (1, 1), (14, 15), (97, 100), (2.5e6, 2.4e6), (3.4e6, 3e6), (6.5e6, 6e6)]
)
def test_rbw_comes_in_steps(bench: Bench, asked: float, taken: float) -> None:
    bench.tell(f"BAND {asked}")
    assert bench.number("BWID:RES?") == taken


@given(st.floats(1.0, 8e6))
def test_a_step_is_never_far_and_stays_itself(value: float) -> None:
    step = nearest_step(value, RBW_STEPS_HZ)
    assert abs(math.log(step / value)) < math.log(1.16)
    assert nearest_step(step, RBW_STEPS_HZ) == step


def test_couplings(bench: Bench) -> None:
    bench.tell("*RST;FREQ:CENT 4.3 MHZ;SPAN 106 KHZ")
    assert bench.ask("BAND:AUTO?;VID:AUTO?;:SWE:TIME:AUTO?;:SWE:TYPE:AUTO?;:AVER:TYPE:AUTO?") == "1;1;1;1;1"
    assert (bench.number("BAND?"), bench.number("BAND:VID?")) == (1e3, 1e3)
    bench.tell("BAND 10")
    assert bench.number("BAND:VID?") == 10
    bench.tell("BAND:VID 3;AUTO OFF")
    assert bench.ask("BAND:AUTO?;VID:AUTO?") == "0;0"
    bench.tell("BAND:AUTO ON;VID:AUTO ON")
    assert bench.number("BAND:VID?") == 1e3
    bench.tell("TRAC:TYPE AVER")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "AVER;RMS"
    bench.tell("DET:TRAC SAMP")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "SAMP;LOG"
    bench.tell("DET:AUTO ON")
    assert bench.ask("DET:TRAC?") == "AVER"


# ---- sweeping in lab time -------------------------------------------------------------------------------------------


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


# ---- anything on the wire -------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    bench = Bench()
    for piece in pieces:
        bench.twin.on_bytes(piece)
    bench.tell("", ":ABOR;*CLS")
    bench.time.elapse(5.0)
    bench.twin.take()
    assert ",N9020A," in bench.ask("*IDN?")


_COMMANDS = """
FREQ:CENT FREQ:SPAN FREQ:STAR FREQ:STOP FREQ:SPAN:PREV BAND BAND:VID BAND:TYPE SWE:POIN SWE:TIME SWE:TYPE AVER:COUN
AVER:TYPE DET:TRAC TRAC:TYPE TRAC? FETC:SAN? FORM INIT:CONT INIT ABOR READ:SAN? AVER:CLE UNIT:POW POW:ATT CONF:SAN INST
"""
_VALUES = """
0 1 7 1E3 4.3E6 1E30 -5 MAX MIN AVER WRIT MAXH POS NORM LOG SCAL FFT REAL,64 SA PNOISE TRACE1 W NOIS
"""


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_COMMANDS.split()), st.sampled_from(_VALUES.split()), st.floats(0, 3)), max_size=12
    )
)
def test_any_order_of_settings_is_survived(commands: list[tuple[str, str, float]]) -> None:
    bench = Bench()
    bench.tell("SWE:POIN 11")
    for header, value, seconds in commands:
        if (header, value) == ("SWE:POIN", "MAX"):
            continue  # right, but slow
        bench.tell(f"{header} {value}", header)
        bench.time.elapse(seconds)
        bench.twin.advance(bench.time.now())
        bench.twin.take()
    bench.tell("INST SA", ":ABOR;*RST;*CLS;:SWE:POIN 11")
    bench.time.elapse(5000.0)
    bench.twin.take()
    bench.set_up()
    assert np.all(bench.sweep() < 0)
