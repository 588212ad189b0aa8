"""The simulated FSV and FSW: raw bytes, sweeps in lab time, and what they survive.

Means are compared within 4 standard errors, fixed seeds.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from fsv_bench import NO_ERROR, FsvBench
from hypothesis import given, settings
from hypothesis import strategies as st
from x_series_bench import level_dbm

from labctl.simulation.instruments.fsv_receiver import BANDWIDTH_STEPS_HZ


@pytest.fixture
def bench() -> FsvBench:
    return FsvBench()


# ---- the wire -------------------------------------------------------------------------------------------------------


def test_identity_and_options(bench: FsvBench) -> None:
    assert bench.raw("*IDN?") == b"Rohde&Schwarz,FSW-13,1312.8000K13/100005,2.60\n"
    assert bench.ask("*OPT?") == "B4,B24,K7"
    assert FsvBench(model="FSV-7", serial="1307.9002K07/101").ask("*IDN?").split(",")[1] == "FSV-7"


def test_preset_is_what_a_careless_driver_would_suffer(bench: FsvBench) -> None:
    state = "INIT:CONT?;:FORM?;:DET1?;:AVER:TYPE?;:DISP:TRAC1:MODE?;:SWE:POIN?;:SWE:COUN?;:CALC:UNIT:POW?;:SWE:TYPE?"
    assert bench.ask(state) == "1;ASC,0;APE;VID;WRIT;1001;0;DBM;AUTO"
    assert (bench.number("FREQ:STAR?"), bench.number("FREQ:STOP?")) == (0.0, 13.6e9)


def test_a_number_may_follow_its_header_without_a_space(bench: FsvBench) -> None:
    bench.tell("FREQ:CENT4.3E6;SPAN1.0E4", "BAND:RES10", "BAND:VID1.0;:SWE:COUN25", "SWE:TIME:AUTO ON")
    assert bench.ask("SYST:ERR?") == NO_ERROR
    read = [bench.number(query) for query in ("FREQ:CENT?", "FREQ:SPAN?", "BAND?", "BAND:VID?", "SWE:COUN?")]
    assert read == [4.3e6, 1e4, 10.0, 1.0, 25.0]


def test_blocks_are_little_endian_singles_and_text_says_the_same(bench: FsvBench) -> None:
    bench.set_up("SWE:POIN 256")
    assert bench.ask("FORM?") == "ASC,0"
    trace = bench.sweep()
    assert bench.ask("FORM?") == "REAL,32"
    assert bench.raw("TRAC1:DATA? TRACE1").startswith(b"#41024")
    bench.tell("FORM ASC")
    assert np.array(bench.ask("TRAC? TRACE1").split(","), dtype=float) == pytest.approx(trace, abs=1e-5)
    assert np.array(bench.ask("TRAC:X? TRACE1").split(","), dtype=float) == pytest.approx(
        np.linspace(4.25e6, 4.35e6, 256), rel=1e-8
    )


@pytest.mark.parametrize(
    ("unit", "convert"),
    [
        ("DBMV", lambda w: 20 * np.log10(np.sqrt(w * 50) / 1e-3)),
        ("DBUV", lambda w: 20 * np.log10(np.sqrt(w * 50) / 1e-6)),
        ("DBUA", lambda w: 20 * np.log10(np.sqrt(w / 50) / 1e-6)),
        ("V", lambda w: np.sqrt(w * 50)),
        ("W", lambda w: w),
        ("A", lambda w: np.sqrt(w / 50)),
    ],
)
def test_units(bench: FsvBench, unit: str, convert: object) -> None:
    bench.set_up()
    watts = 1e-3 * 10 ** (bench.sweep() / 10)
    bench.tell(f"CALC:UNIT:POW {unit}")
    assert callable(convert)
    assert bench.singles("TRAC? TRACE1") == pytest.approx(convert(watts), rel=1e-5, abs=1e-5 if unit[:2] == "DB" else 0)


def test_a_percentage_scale_makes_percentages(bench: FsvBench) -> None:
    bench.set_up("DISP:TRAC:Y:RLEV -60 DBM")
    levels = bench.sweep()
    bench.tell("DISP:TRAC:Y:SPAC PERC")
    assert bench.singles("TRAC? TRACE1") == pytest.approx(100 * 10 ** ((levels + 60) / 20), rel=1e-5)


def test_a_blank_trace_holds_nothing(bench: FsvBench) -> None:
    bench.set_up()
    bench.sweep()
    assert np.all(bench.singles("TRAC? TRACE2") > 9e37)
    bench.tell("DISP:TRAC1:MODE BLAN")
    assert bench.ask("DISP:TRAC1:MODE?;:DISP:TRAC2:MODE?") == "BLAN;BLAN"
    assert np.all(bench.singles("TRAC? TRACE1") > 9e37)


@pytest.mark.parametrize(
    ("message", "query"),
    [
        ("SWE:POIN 100", "SWE:POIN?"),
        ("SWE:POIN 100002", "SWE:POIN?"),
        ("BAND 20 MHZ", "BAND?"),
        ("FREQ:STOP 50 GHZ", "FREQ:STOP?"),
        ("SWE:COUN -1", "SWE:COUN?"),
        ("SWE:TIME 16001", "SWE:TIME?"),
        ("INP:ATT 80 DB", "INP:ATT?"),
        ("DISP:TRAC:Y:RLEV 31", "DISP:TRAC:Y:RLEV?"),
    ],
)
def test_what_is_out_of_range_changes_nothing(bench: FsvBench, message: str, query: str) -> None:
    before = bench.ask(query)
    bench.tell(message)
    assert bench.ask("SYST:ERR?") == '-222,"Data out of range"'
    assert bench.ask(query) == before


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("TRAC? TRACE7", -224),
        ("TRAC? 1", -224),
        ("DISP:TRAC7:MODE AVER", -114),
        ("DET7 RMS", -114),
        ("DET MEDIAN", -224),
        ("AVER:TYPE RMS", -224),
        ("FORM REAL,64", -224),
        ("FORM:BORD SWAP", -113),
        ("FREQ:CENT 4.3 SEC", -131),
        ("INST:SEL 'Nobody'", -224),
        ("INST:SEL WLAN", -224),
        ("INST:CRE SAN,Spectrum", -104),
        ("INST:CRE SAN,'Spectrum'", -224),
        ("INST:DEL 'Spectrum'", -224),
    ],
)
def test_refusals(bench: FsvBench, message: str, error: int) -> None:
    bench.tell("*CLS", message)
    assert bench.twin.take() == b""
    assert bench.ask("SYST:ERR?").startswith(f"{error},")


@pytest.mark.parametrize(("asked", "taken"), [(10, 10), (1, 1), (14, 10), (15, 20), (4e3, 5e3), (8e6, 10e6)])
def test_bandwidths_come_in_steps(bench: FsvBench, asked: float, taken: float) -> None:
    bench.tell(f"BAND {asked};:BAND:VID {asked}")
    assert (bench.number("BAND?"), bench.number("BAND:VID?")) == (taken, taken)
    assert taken in BANDWIDTH_STEPS_HZ


def test_couplings(bench: FsvBench) -> None:
    bench.tell("FREQ:CENT 4.3 MHZ;SPAN 100 KHZ")
    assert bench.ask("BAND:AUTO?;VID:AUTO?;:SWE:TIME:AUTO?;:DET:AUTO?;:INP:ATT:AUTO?") == "1;1;1;1;1"
    assert (bench.number("BAND?"), bench.number("BAND:VID?")) == (1e3, 1e3)
    for mode, detector in (("WRIT", "APE"), ("AVER", "SAMP"), ("MAXH", "POS"), ("MINH", "NEG")):
        bench.tell(f"DISP:TRAC:MODE {mode}")
        assert bench.ask("DET?") == detector
    bench.tell("DET RMS", "DISP:TRAC:MODE AVER")
    assert bench.ask("DET?;DET:AUTO?") == "RMS;0"


# ---- channels -------------------------------------------------------------------------------------------------------


def test_channels_are_opened_chosen_renamed_and_closed(bench: FsvBench) -> None:
    assert bench.ask("INST?;:INST:LIST?") == "SAN;'SANALYZER','Spectrum'"
    bench.tell("INST:CRE:NEW IQ,'IQ Analyzer'")
    assert bench.ask("INST?") == "IQ"
    bench.tell("INST:CRE SANALYZER,'Second'")
    assert bench.ask("INST?") == "Second"
    assert bench.ask("INST:LIST?") == "'SANALYZER','Spectrum','IQ','IQ Analyzer','SANALYZER','Second'"
    bench.tell("INST:REN 'Second','Third'", "INST:SEL SAN")
    assert bench.ask("INST?") == "SAN"
    bench.tell('INST "Third"', "INST:DEL 'Third'")
    assert bench.ask("INST?;:INST:LIST?") == "SAN;'SANALYZER','Spectrum','IQ','IQ Analyzer'"
    assert bench.ask("SYST:ERR?") == NO_ERROR


def test_a_change_of_channel_takes_time_and_no_other_application_sweeps(bench: FsvBench) -> None:
    bench.set_up()
    bench.tell("INST:CRE:NEW PNOISE,'Phase Noise'")
    begin = bench.time.now()
    assert bench.ask("*OPC?") == "1"
    assert bench.time.now() - begin == pytest.approx(1.0)
    for message in ("INIT", "INIT:CONM", "TRAC? TRACE1"):
        bench.tell(message)
        assert bench.ask("SYST:ERR?").startswith("-221,")


# ---- sweeping in lab time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["AVER", "WRIT", "MAXH"])
def test_the_count_is_kept_in_every_trace_mode(bench: FsvBench, mode: str) -> None:
    bench.set_up(f"DISP:TRAC:MODE {mode}", sweeps=20)
    assert bench.number("SWE:TIME?") == pytest.approx(0.15)
    bench.tell("INIT;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(3.0)


def test_two_bits_tell_of_a_sweep_and_the_count_of_its_progress(bench: FsvBench) -> None:
    bench.set_up(sweeps=20)
    bench.tell("INIT")
    assert bench.ask("STAT:OPER:COND?") == "24"
    assert bench.ask("SWE:COUN:CURR?") == "1"
    bench.time.elapse(1.0)
    assert bench.ask("SWE:COUN:CURR?") == "7"
    bench.time.elapse(2.1)
    assert bench.ask("STAT:OPER:COND?;:SWE:COUN:CURR?") == "0;20"


def test_opc_is_noted_in_the_event_register(bench: FsvBench) -> None:
    bench.set_up(sweeps=20)
    bench.tell("*CLS", "INIT;*OPC")
    assert bench.ask("*ESR?") == "0"
    bench.time.elapse(3.1)
    assert bench.ask("*ESR?") == "1"


def test_an_abort_leaves_part_of_the_average_and_a_start_forgets_it(bench: FsvBench) -> None:
    bench.set_up(sweeps=100)
    bench.tell("INIT")
    bench.time.elapse(15 * 0.15 + 0.01)
    bench.tell("ABOR")
    assert bench.ask("STAT:OPER:COND?") == "0"
    power = 10 ** (bench.singles("TRAC? TRACE1") / 10)
    assert power.std() / power.mean() == pytest.approx(1 / math.sqrt(15), rel=4 / math.sqrt(2 * 1001))
    bench.tell("SWE:COUN 1")
    power = 10 ** (bench.sweep() / 10)
    assert power.std() / power.mean() == pytest.approx(1.0, rel=0.15)


def test_a_start_while_sweeping_begins_again(bench: FsvBench) -> None:
    bench.set_up(sweeps=20)
    bench.tell("INIT")
    bench.time.elapse(2.0)
    bench.tell("INIT;*OPC?")
    assert bench.twin.ready_at() == pytest.approx(bench.time.now() + 3.0)


def test_a_continued_measurement_keeps_what_it_has(bench: FsvBench) -> None:
    bench.set_up("DISP:TRAC:MODE MAXH;:DET SAMP", sweeps=5)
    before = bench.sweep()
    assert bench.ask("INIT:CONM;*OPC?") == "1"
    after = bench.singles("TRAC? TRACE1")
    assert np.all(after >= before) and np.mean(after - before) > 1.0


def test_speed_compresses_lab_time_only() -> None:
    bench = FsvBench(speed=100.0)
    bench.set_up(sweeps=20)
    assert bench.number("SWE:TIME?") == pytest.approx(0.15)
    bench.sweep()
    assert bench.time.now() == pytest.approx(0.03, rel=1e-3)


def test_each_sweep_sees_the_input_of_its_own_time(bench: FsvBench) -> None:
    bench.set_up(vbw_hz=1, sweeps=4)
    bench.tell("INIT")
    for step in range(1, 65):
        bench.time.elapse(0.1)
        bench.twin.advance(bench.time.now())
        bench.input.factor = 1.0 if step < 20 else 100.0
    mean = np.mean(10 ** (bench.singles("TRAC? TRACE1") / 10))
    expected = 10 ** (level_dbm(10) / 10) * (1 + 3 * 100) / 4
    assert mean == pytest.approx(expected, rel=4 / math.sqrt(1001 * 10 * 3))


def test_continuous_sweeping_averages_over_ten(bench: FsvBench) -> None:
    bench.set_up(sweeps=0)
    bench.tell("INIT:CONT ON")
    for factor, seconds in ((1.0, 15.1), (100.0, 1.5)):
        bench.input.factor = factor
        bench.time.elapse(seconds)
        bench.twin.advance(bench.time.now())
    kept = 0.9**10
    expected = 10 ** (level_dbm(10) / 10) * (kept + (1 - kept) * 100)
    assert np.mean(10 ** (bench.singles("TRAC? TRACE1") / 10)) == pytest.approx(expected, rel=0.1)


# ---- anything on the wire -------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    bench = FsvBench()
    for piece in pieces:
        bench.twin.on_bytes(piece)
    bench.tell("", ":ABOR;*CLS")
    bench.time.elapse(5.0)
    bench.twin.take()
    assert ",FSW-13," in bench.ask("*IDN?")


_COMMANDS = """
FREQ:CENT FREQ:SPAN FREQ:STAR FREQ:STOP BAND BAND:VID BAND:TYPE SWE:POIN SWE:TIME SWE:TYPE SWE:COUN SWE:COUN:CURR?
AVER:TYPE DET DISP:TRAC:MODE TRAC? TRAC:X? FORM INIT:CONT INIT INIT:CONM ABOR CALC:UNIT:POW INP:ATT INST INST:CRE
INST:DEL INST:REN DISP:TRAC:Y:SPAC SWE:MODE DISP:TRAC2:MODE DISP:TRAC3:MODE DET2 DET2:AUTO DET:AUTO SYST:ERR:ALL?
CALC:MARK CALC:MARK2:STAT CALC:MARK:X CALC:MARK2:X? CALC:MARK:Y? CALC:MARK:TRAC CALC:MARK2:FUNC:NOIS CALC:MARK:MAX
CALC:MARK2:FUNC:NOIS:RES? CALC:MARK:MAX:NEXT CALC:MARK2:MAX:RIGH CALC:MARK:MIN CALC:MARK:PEXC CALC:MARK:AOFF
"""
_VALUES = """
0 1 7 101 1E3 4.3E6 1E30 -5 MAX MIN AVER WRIT MAXH POS APE RMS VID POW LIN FFT REAL,32 SAN IQ,'a' 'a' 'a','b' TRACE1 W
PERC LIST VIEW BLAN ON OFF 2 TRACE2
"""


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_COMMANDS.split()), st.sampled_from(_VALUES.split()), st.floats(0, 3)), max_size=12
    )
)
def test_any_order_of_settings_is_survived(commands: list[tuple[str, str, float]]) -> None:
    bench = FsvBench()
    bench.tell("SWE:POIN 101")
    for header, value, seconds in commands:
        if (header, value) == ("SWE:POIN", "MAX"):
            continue  # right, but slow
        bench.tell(f"{header} {value}", header)
        bench.time.elapse(seconds)
        bench.twin.advance(bench.time.now())
        bench.twin.take()
    bench.tell("INST:CRE SAN,'another'", ":ABOR;*RST;*CLS;:SWE:POIN 101")
    bench.time.elapse(5.0)
    bench.twin.take()
    bench.set_up("SWE:POIN 101")
    assert np.all(bench.sweep() < 0)
