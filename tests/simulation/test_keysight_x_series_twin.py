"""The simulated X-series analyzer: what it says on the wire, and what it survives there."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x_series_bench import Bench

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
        ("FETC:SAN9?", -114),
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


# ---- anything on the wire -------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
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
TRAC2:TYPE TRAC2:UPD TRAC3:DISP DET:TRAC3 DET:AUTO DET:TRAC2:AUTO TRAC FETC:SAN2? CALC:DATA3? FETC:SAN7? FETC:SAN8?
CALC:MARK:MODE CALC:MARK2:MODE CALC:MARK2:REF CALC:MARK:X CALC:MARK2:X:POS CALC:MARK:Y CALC:MARK2:Y? CALC:MARK:TRAC
CALC:MARK:FUNC CALC:MARK2:FUNC CALC:MARK:FUNC:BAND:SPAN CALC:MARK:MAX CALC:MARK2:MAX:NEXT CALC:MARK:MAX:LEFT
CALC:MARK:MIN CALC:MARK:AOFF CALC:MARK:TABL CALC:MARK:PEAK:TABL CALC:MARK:PEAK:EXC CALC:MARK:PEAK:THR
"""
_VALUES = """
0 1 7 1E3 4.3E6 1E30 -5 MAX MIN AVER WRIT MAXH POS NORM LOG SCAL FFT REAL,64 SA PNOISE TRACE1 W NOIS
DELT FIX OFF BPOW BDEN ON 2 TRACE2 TRACE2,-90,-91
"""


@settings(max_examples=50, deadline=None)
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
