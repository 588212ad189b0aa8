"""Traces 2 to 6 and the markers of a simulated FSV, raw bytes; means within 4 standard errors, fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from fsv_bench import NO_ERROR, FsvBench
from numpy.typing import NDArray
from x_series_bench import K_OF_RBW_10_VBW_1, NOISE_DBM_HZ, Lines

from labctl.simulation.instruments.fsv_receiver import FsvReceiver

SWEEP_S = 0.15
NONE = 9.91e37
LINES_DBM = {4.26e6: -60.0, 4.29e6: -50.0, 4.31e6: -70.0, 4.34e6: -55.0}  # each on a point


class LineBench(FsvBench):
    """An analyzer on lines in white noise, with an average of 100 sweeps in trace 1."""

    def __init__(self, lines_dbm: Mapping[float, float]) -> None:
        self.lines = Lines(lines_dbm)
        super().__init__(seed=2, rf_input=self.lines)
        self.set_up(sweeps=100)
        self.sweep()


@pytest.fixture
def bench() -> LineBench:
    return LineBench(LINES_DBM)


@pytest.fixture
def noise() -> FsvBench:
    return FsvBench(seed=5)


def trace(bench: FsvBench, number: int) -> NDArray[np.float64]:
    """Return a trace in mW."""
    return np.asarray(10 ** (bench.singles(f"TRAC? TRACE{number}") / 10))


def code(bench: FsvBench) -> int:
    return int(bench.ask("SYST:ERR?").split(",")[0])


# ---- traces ---------------------------------------------------------------------------------------------------------


def test_modes_after_preset(noise: FsvBench) -> None:
    assert [noise.ask(f"DISP:TRAC{n}:MODE?") for n in range(1, 7)] == ["WRIT"] + ["BLAN"] * 5


def test_each_mode_makes_its_own_of_the_same_sweeps(noise: FsvBench) -> None:
    noise.set_up("DISP:TRAC1:MODE WRIT", sweeps=10)
    for number, mode in enumerate(("AVER", "MAXH", "MINH"), start=2):
        noise.tell(f"DISP:TRAC{number}:MODE {mode};:DET{number} RMS")
    noise.tell("INIT")
    sweeps = []
    for _ in range(10):
        noise.time.elapse(SWEEP_S)
        noise.twin._looked_at = -math.inf  # short sweeps share a look at the input otherwise
        noise.twin.advance(noise.time.now())
        sweeps.append(trace(noise, 1))
    assert noise.ask("STAT:OPER:COND?;:SWE:COUN:CURR?") == "0;10"
    assert len({sweep.tobytes() for sweep in sweeps}) == 10
    assert trace(noise, 2) == pytest.approx(np.mean(sweeps, axis=0), rel=1e-4)
    assert trace(noise, 3) == pytest.approx(np.max(sweeps, axis=0), rel=1e-4)
    assert trace(noise, 4) == pytest.approx(np.min(sweeps, axis=0), rel=1e-4)


def test_automatic_detectors_follow_the_mode_of_each_trace(noise: FsvBench) -> None:
    noise.set_up("DISP:TRAC2:MODE MAXH;:DISP:TRAC3:MODE MINH;:DISP:TRAC4:MODE WRIT", span_hz=75e3, sweeps=1)
    assert noise.ask("DET1?;DET2?;DET3?;DET4?;DET2:AUTO?;:DET1:AUTO?") == "RMS;POS;NEG;APE;1;0"
    noise.tell("DET2 SAMP")
    assert noise.ask("DET2?;DET2:AUTO?;:DISP:TRAC2:MODE?") == "SAMP;0;MAXH"
    noise.tell("DET2:AUTO ON", "DISP:TRAC2:MODE AVER")
    assert noise.ask("DET2?") == "SAMP"
    noise.sweep()
    assert np.all(trace(noise, 3) < trace(noise, 4))


def test_a_view_keeps_its_data_and_a_blank_trace_forgets_them(noise: FsvBench) -> None:
    noise.set_up("DISP:TRAC2:MODE AVER;:DET2 RMS")
    noise.sweep()
    before = trace(noise, 2)
    noise.tell("DISP:TRAC2:MODE VIEW", "FREQ:CENT 5 MHZ", "AVER:TYPE LIN")
    noise.sweep()
    assert np.array_equal(trace(noise, 2), before)
    assert noise.singles("TRAC:X? TRACE2")[[0, -1]] == pytest.approx([4.25e6, 4.35e6])
    assert noise.singles("TRAC:X? TRACE1")[[0, -1]] == pytest.approx([4.95e6, 5.05e6])
    noise.tell("DISP:TRAC2:MODE BLAN;MODE VIEW")
    assert noise.ask("DISP:TRAC2:MODE?") == "VIEW"
    assert np.all(noise.singles("TRAC? TRACE2") > 9e37)


def test_a_mode_restarts_its_trace_alone(noise: FsvBench) -> None:
    noise.set_up("DISP:TRAC2:MODE AVER;:DET2 RMS", "SWE:COUN 100", "INIT:CONT ON")
    noise.time.elapse(20.1 * SWEEP_S)
    noise.tell("DISP:TRAC2:MODE AVER")
    assert np.all(noise.singles("TRAC? TRACE2") > 9e37)
    noise.time.elapse(20.1 * SWEEP_S)
    spread = [trace(noise, n).std() / trace(noise, n).mean() for n in (1, 2)]
    assert spread[0] / spread[1] == pytest.approx(math.sqrt(20 / 40), rel=4 / math.sqrt(1001))


def test_a_single_trace_takes_one_draw_of_all_its_sweeps() -> None:
    bench = FsvBench(seed=3)
    bench.set_up(sweeps=5)
    receiver = FsvReceiver(
        13.6e9,
        start_hz=4.25e6,
        stop_hz=4.35e6,
        rbw_set_hz=10,
        vbw_set_hz=10,
        average_count=5,
        trace_type="AVER",
        detector_set="RMS",
        average_type_set="POW",
    )
    expected = receiver.draw(receiver.noise(np.random.default_rng(3)), receiver.mean_power_w(bench.input), 5)
    assert np.array_equal(bench.sweep(), (10 * np.log10(expected / 1e-3)).astype("<f4"))


@pytest.mark.parametrize(("model", "taken"), [("FSW-13", False), ("FSV-7", False), ("FSV3007", True)])
def test_newer_models_send_doubles_and_halves_too(model: str, taken: bool) -> None:
    bench = FsvBench(model=model)
    bench.set_up()
    levels = bench.sweep()
    for width, tolerance in (("64", 1e-6), ("16", 1e-3)):
        bench.tell(f"FORM REAL,{width}")
        assert code(bench) == (0 if taken else -224)
        if taken:
            assert bench.ask("FORM?") == f"REAL,{width}"
            block = bench.raw("TRAC? TRACE1")
            values = np.frombuffer(block[2 + int(block[1:2]) : -1], f"<f{int(width) // 8}")
            assert values == pytest.approx(levels, rel=tolerance)
            assert bench.raw("TRAC? TRACE2").startswith(b"#")


def test_all_errors_come_in_one_reply(noise: FsvBench) -> None:
    noise.tell("*CLS", "NONSENSE", "SWE:POIN 7")
    assert noise.ask("SYST:ERR:ALL?") == '-113,"Undefined header",-222,"Data out of range"'
    assert noise.ask("SYST:ERR:ALL?") == NO_ERROR
    assert noise.ask("SYST:ERR?") == NO_ERROR


# ---- markers --------------------------------------------------------------------------------------------------------


def test_a_marker_comes_on_at_the_highest_point(bench: LineBench) -> None:
    assert bench.ask("CALC:MARK3?") == "0"
    bench.tell("CALC:MARK3:STAT ON")
    assert (bench.ask("CALC:MARK3:STAT?"), bench.number("CALC:MARK3:X?")) == ("1", 4.29e6)
    assert bench.number("CALC:MARK3:Y?") == pytest.approx(-50.0, abs=0.1)
    bench.tell("CALC:MARK3:STAT OFF")
    assert bench.number("CALC:MARK3:X?") == 4.29e6  # a question is enough
    assert bench.ask("CALC:MARK3:STAT?;:CALC:MARK4:STAT?") == "1;0"
    bench.tell("CALC:MARK:AOFF")
    assert bench.ask("CALC:MARK3:STAT?") == "0"


def test_a_marker_goes_where_it_is_sent(bench: LineBench) -> None:
    bench.tell("CALC:MARK2:X 4.34 MHZ")
    assert bench.number("CALC:MARK2:Y?") == pytest.approx(-55.0, abs=0.1)
    bench.tell("CALC:UNIT:POW DBUV")
    assert bench.number("CALC:MARK2:Y?") == pytest.approx(-55.0 + 106.99, abs=0.1)
    bench.tell("CALC:MARK2:X4.31E6")  # without a space
    assert bench.number("CALC:MARK2:X?") == 4.31e6
    bench.tell("FREQ:CENT 5 MHZ")
    bench.sweep()
    assert bench.number("CALC:MARK2:Y?") == NONE


def test_searches_go_from_peak_to_peak(bench: LineBench) -> None:
    def go(*searches: str) -> float:
        bench.tell(*(f"CALC:MARK:{search}" for search in searches))
        return bench.number("CALC:MARK:X?")

    assert go("MAX") == 4.29e6
    assert [go("MAX:NEXT") for _ in range(3)] == [4.34e6, 4.26e6, 4.31e6]
    assert code(bench) == 0
    assert go("MAX:NEXT") == 4.31e6
    assert bench.ask("SYST:ERR?") == '-200,"Execution error"'
    assert go("MAX:LEFT", "MAX:LEFT") == 4.26e6
    assert go("MAX:RIGHt") == 4.29e6
    assert code(bench) == 0
    lowest = 4.25e6 + 100 * int(np.argmin(bench.singles("TRAC? TRACE1")))
    assert go("MIN:PEAK") == pytest.approx(lowest)


def test_where_no_peak_has_the_excursion_the_search_is_an_error(noise: FsvBench) -> None:
    noise.set_up(sweeps=100)  # the noise has a spread of half a decibel
    noise.sweep()
    noise.tell("CALC:MARK:X 4.3 MHZ", "CALC:MARK:MAX")
    assert (code(noise), noise.number("CALC:MARK:X?")) == (-200, 4.3e6)
    noise.tell("CALC:MARK:PEXC 0.1 DB", "CALC:MARK:MAX")
    assert code(noise) == 0
    assert noise.number("CALC:MARK:Y?") == pytest.approx(noise.singles("TRAC? TRACE1").max(), abs=1e-4)
    assert noise.number("CALC:MARK7:PEXC?") == 0.1  # one for all
    noise.tell("*RST")
    assert noise.number("CALC:MARK:PEXC?") == 6.0


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("CALC:MARK17 ON", -114),
        ("CALC:MARK:X 5 MHZ", -222),
        ("CALC:MARK:X 3 MS", -131),
        ("CALC:MARK:TRAC 2", -221),
        ("CALC:MARK:TRAC 7", -222),
        ("CALC:MARK:PEXC 81", -222),
        ("CALC:MARK:Y -50", -113),
        ("CALC:MARK:FUNC:NOIS:RES?", -221),
    ],
)
def test_refusals(bench: LineBench, message: str, error: int) -> None:
    bench.tell(message)
    assert bench.twin.take() == b""
    assert code(bench) == error


def test_a_marker_on_another_trace(bench: LineBench) -> None:
    bench.tell("DISP:TRAC1:MODE VIEW", "DISP:TRAC2:MODE AVER;:DET2 RMS")
    bench.lines.lines_dbm = {4.33e6: -65.0}
    bench.sweep()
    bench.tell("CALC:MARK1:TRAC 2;MAX", "CALC:MARK2:MAX")
    assert (bench.number("CALC:MARK1:X?"), bench.number("CALC:MARK2:X?")) == (4.33e6, 4.29e6)
    assert bench.ask("CALC:MARK1:TRAC?;:CALC:MARK2:TRAC?") == "2;1"


def test_a_zero_span_has_its_markers_in_time(noise: FsvBench) -> None:
    noise.set_up("FREQ:SPAN 0", "SWE:TIME 2 S")
    noise.sweep()
    noise.tell("CALC:MARK:X 500 MS")
    assert noise.number("CALC:MARK:X?") == 0.5
    noise.tell("CALC:MARK:X 4.3 MHZ")
    assert code(noise) == -131


# ---- noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        "DET RMS;:AVER:TYPE POW",
        "DET SAMP;:AVER:TYPE VID;:BAND:VID 1000",
        "DET SAMP;:AVER:TYPE VID;:BAND:VID 1",
        "DET SAMP;:AVER:TYPE LIN;:BAND:VID 1000",
        "DET SAMP;:AVER:TYPE POW;:BAND:VID 1000",
        "DET AVER;:AVER:TYPE LIN",
    ],
)
def test_the_noise_marker_reads_the_density_of_the_input(noise: FsvBench, settings: str) -> None:
    noise.set_up(settings, "CALC:MARK2:FUNC:NOIS ON;:CALC:MARK2:X 4.3 MHZ", sweeps=2000)
    noise.sweep()
    # 17 points of 2000 averages or more; logarithms spread by pi / sqrt 6 more.
    error_db = 10 / math.log(10) * math.pi / math.sqrt(6) / math.sqrt(17 * 2000)
    assert noise.number("CALC:MARK2:FUNC:NOIS:RES?") == pytest.approx(NOISE_DBM_HZ, abs=4 * error_db)


def test_the_noise_marker_chooses_the_sample_detector(noise: FsvBench) -> None:
    assert noise.ask("DET?") == "APE"
    noise.tell("CALC:MARK:FUNC:NOIS ON")
    assert noise.ask("DET?;:CALC:MARK:FUNC:NOIS?") == "SAMP;1"
    noise.tell("CALC:MARK OFF")
    assert noise.ask("DET?") == "APE"


def test_a_narrow_video_filter_in_one_sweep_is_corrected_too(noise: FsvBench) -> None:
    noise.set_up("DISP:TRAC:MODE WRIT;:DET SAMP", vbw_hz=1, sweeps=1)
    noise.tell("CALC:MARK:FUNC:NOIS ON")
    densities = []
    for x in np.linspace(4.251e6, 4.349e6, 50):
        noise.sweep()
        noise.tell(f"CALC:MARK:X {x}")
        densities.append(noise.number("CALC:MARK:FUNC:NOIS:RES?"))
    error_db = 10 / math.log(10) * math.pi / math.sqrt(6) / math.sqrt(50 * 17 * K_OF_RBW_10_VBW_1)
    assert np.mean(densities) == pytest.approx(NOISE_DBM_HZ, abs=4 * error_db)
