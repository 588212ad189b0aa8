"""The markers of a simulated X-series analyzer: what they say, where they go, and what they read there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from x_series_bench import Bench, LineBench

from labctl.simulation.instruments.analyzer_markers import peaks

NONE = 9.91e37
NO_ERROR = '+0,"No error"'
LINES_DBM = {4.26e6: -60.0, 4.29e6: -50.0, 4.31e6: -70.0, 4.34e6: -55.0}  # each on a point


@pytest.fixture
def bench() -> LineBench:
    """Return an analyzer on four lines far above the noise, with an average of 400 sweeps in trace 1."""
    bench = LineBench(LINES_DBM)
    bench.set_up(averages=400)
    bench.sweep()
    return bench


def error(bench: Bench) -> int:
    return int(bench.ask("SYST:ERR?").split(",")[0])


# ---- on, off and where ----------------------------------------------------------------------------------------------


def test_markers_are_off_after_preset_and_say_that_they_measure_nothing(bench: Bench) -> None:
    for number in range(1, 13):
        asked = ("MODE", "FUNC", "TRAC", "REF", "X", "X:POS", "Y", "FUNC:BAND:SPAN")
        state = [bench.ask(f"CALC:MARK{number}:{setting}?") for setting in asked]
        assert state[:4] == ["OFF", "OFF", "1", str(number % 12 + 1)]
        assert state[4:7] == ["9.91E+37"] * 3
        assert float(state[7]) == 0.0
    bench.tell("CALC:MARK3:X 4.3 MHZ")  # has no effect while it is off
    assert bench.number("CALC:MARK3:X?") == NONE
    assert error(bench) == 0


def test_a_marker_comes_on_at_the_center_and_goes_where_it_is_sent(bench: Bench) -> None:
    bench.tell("CALC:MARK:MODE POS")
    assert (bench.number("CALC:MARK1:X?"), bench.number("CALC:MARK:X:POS?")) == (4.3e6, 500.0)
    bench.tell("CALC:MARK1:X 4.34 MHZ")
    assert bench.number("CALC:MARK:Y?") == pytest.approx(-55.0, abs=0.05)
    bench.tell("CALC:MARK1:X 4.34004E6")  # is kept as it is; the nearest point is read
    assert bench.number("CALC:MARK:X:POS?") == pytest.approx(900.4)
    assert bench.number("CALC:MARK:Y?") == pytest.approx(-55.0, abs=0.05)
    bench.tell("CALC:MARK1:X:POS 400")
    assert (bench.number("CALC:MARK:X?"), bench.number("CALC:MARK:Y?")) == (4.29e6, pytest.approx(-50.0, abs=0.05))
    bench.tell("CALC:MARK1:MODE OFF")
    assert bench.number("CALC:MARK:Y?") == NONE


def test_off_the_screen_a_marker_keeps_its_place_and_measures_nothing(bench: Bench) -> None:
    bench.tell("CALC:MARK2:MODE POS;X 4.36 MHZ")
    assert (bench.number("CALC:MARK2:X?"), bench.number("CALC:MARK2:X:POS?")) == (4.36e6, 1100.0)
    assert bench.ask("CALC:MARK2:Y?") == "9.91E+37"
    bench.tell("FREQ:SPAN 200 KHZ")
    bench.sweep()
    assert bench.number("CALC:MARK2:Y?") < -80


def test_without_a_sweep_there_is_nothing_to_measure(bench: Bench) -> None:
    bench.tell("BAND:VID 3", "CALC:MARK:MODE POS")
    assert bench.number("CALC:MARK:Y?") == NONE
    bench.tell("CALC:MARK:MAX")
    assert error(bench) == 202


def test_a_unit_that_is_not_that_of_the_axis_is_an_invalid_suffix(bench: Bench) -> None:
    bench.tell("CALC:MARK:MODE POS;X 3 MS")
    assert error(bench) == -131
    bench.tell("FREQ:SPAN:ZERO", "SWE:TIME 2 S", "CALC:MARK:X 4.3 MHZ")
    assert error(bench) == -131
    bench.tell("CALC:MARK:X 500 MS")
    assert bench.ask("SYST:ERR?") == NO_ERROR
    assert (bench.number("CALC:MARK:X?"), bench.number("CALC:MARK:X:POS?")) == (0.5, 250.0)
    bench.tell("CALC:MARK:Y -50 HZ")
    assert error(bench) == -131


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("CALC:MARK13:MODE POS", -114),
        ("CALC:MARK0:Y?", -114),
        ("CALC:MARK:MODE NORM", -224),
        ("CALC:MARK:FUNC RMS", -224),
        ("CALC:MARK:TRAC 7", -222),
        ("CALC:MARK:X 1E13", -222),
        ("CALC:MARK:X:POS 1E13", -222),
        ("CALC:MARK:REF 1", -221),
        ("CALC:MARK:REF 13", -222),
        ("CALC:MARK:FUNC:BAND:SPAN -1", -222),
        ("CALC:MARK:Y 900", -222),
        ("CALC:MARK:PEAK:EXC 101", -222),
        ("FETC:SAN7?", -221),
        ("READ:SAN8?", -221),
        ("FETC:SAN9?", -114),
    ],
)
def test_refusals(bench: Bench, message: str, code: int) -> None:
    before = bench.ask("STAT:OPER:COND?")
    bench.tell(message)
    assert bench.twin.take() == b""
    assert error(bench) == code
    assert bench.ask("STAT:OPER:COND?") == before


# ---- delta and fixed ------------------------------------------------------------------------------------------------


def test_a_delta_marker_is_relative_to_the_next_one(bench: Bench) -> None:
    bench.tell("CALC:MARK:MODE POS;X 4.29 MHZ", "CALC:MARK:MODE DELT")
    assert bench.ask("CALC:MARK2:MODE?") == "FIX"
    assert [bench.number(f"CALC:MARK1:{value}?") for value in ("X", "X:POS", "Y")] == [0, 0, 0]
    bench.tell("CALC:MARK1:X 50 KHZ")
    assert bench.number("CALC:MARK1:Y?") == pytest.approx(-5.0, abs=0.05)
    assert bench.number("CALC:MARK1:X:POS?") == pytest.approx(500)
    assert bench.number("CALC:MARK2:X?") == 4.29e6
    bench.tell("UNIT:POW V")
    assert bench.number("CALC:MARK1:Y?") == pytest.approx(10 ** (-5 / 20), rel=0.01)
    bench.tell("UNIT:POW W")
    assert bench.number("CALC:MARK1:Y?") == pytest.approx(10 ** (-5 / 10), rel=0.02)
    bench.tell("CALC:MARK1:MODE POS")
    assert bench.ask("CALC:MARK2:MODE?") == "OFF"  # a fixed reference goes with its delta marker
    assert bench.number("CALC:MARK1:X?") == pytest.approx(4.34e6)


def test_a_delta_marker_relative_to_a_marker_that_is_on(bench: Bench) -> None:
    bench.tell("CALC:MARK5:MODE POS;X 4.31 MHZ", "CALC:MARK1:MODE POS;X 4.26 MHZ", "CALC:MARK1:REF 5")
    assert bench.ask("CALC:MARK1:MODE?;:CALC:MARK5:MODE?") == "DELT;POS"
    assert bench.number("CALC:MARK1:X?") == pytest.approx(-50e3)
    assert bench.number("CALC:MARK1:Y?") == pytest.approx(10.0, abs=0.1)
    bench.tell("CALC:MARK5:MODE OFF")
    assert bench.ask("CALC:MARK1:MODE?") == "POS"


def test_a_fixed_marker_stays_while_the_trace_moves(bench: LineBench) -> None:
    bench.tell("CALC:MARK:MODE POS;X 4.29 MHZ", "CALC:MARK:MODE FIX")
    bench.lines.lines_dbm = {}
    bench.sweep()
    assert bench.number("CALC:MARK:Y?") == pytest.approx(-50.0, abs=0.05)
    bench.tell("CALC:MARK:Y -33.5", "CALC:MARK:X 4.2 MHZ")
    assert (bench.number("CALC:MARK:Y?"), bench.number("CALC:MARK:X?")) == (pytest.approx(-33.5), 4.2e6)
    bench.tell("CALC:MARK:Y 73.5 DBUV")
    assert bench.number("CALC:MARK:Y?") == pytest.approx(73.5 - 106.99, abs=0.01)
    bench.tell("CALC:MARK:FUNC NOIS")
    assert error(bench) == -221


def test_the_level_of_a_marker_on_its_trace_cannot_be_set(bench: Bench) -> None:
    bench.tell("CALC:MARK:MODE POS;X 4.29 MHZ", "CALC:MARK:Y -20")
    assert bench.number("CALC:MARK:Y?") == pytest.approx(-50.0, abs=0.05)
    assert error(bench) == 0


def test_writing_a_level_while_a_function_is_on_is_a_conflict(bench: Bench) -> None:
    bench.tell("CALC:MARK:FUNC NOIS", "CALC:MARK:Y -20")
    assert error(bench) == -221


# ---- searches -------------------------------------------------------------------------------------------------------


def test_searches_go_from_peak_to_peak(bench: Bench) -> None:
    def go(*searches: str) -> float:
        bench.tell(*(f"CALC:MARK4:{search}" for search in searches))
        return bench.number("CALC:MARK4:X?")

    bench.tell("CALC:MARK:PEAK:THR -80")
    assert go("MAX") == 4.29e6
    assert [go("MAX:NEXT") for _ in range(3)] == [4.34e6, 4.26e6, 4.31e6]
    assert error(bench) == 0
    assert go("MAX:NEXT") == 4.31e6  # there is no lower one: it stays
    assert bench.ask("SYST:ERR?") == '+202,"No peak found"'
    assert go("MAX:LEFT") == 4.29e6
    assert go("MAX:LEFT", "MAX:LEFT") == 4.26e6
    assert error(bench) == 202
    assert go("MAX:RIGHt", "MAX:RIGH", "MAX:RIGH") == 4.34e6
    assert error(bench) == 0
    lowest = 4.25e6 + 100 * int(np.argmin(bench.doubles("TRAC? TRACE1")))
    assert go("MIN") == pytest.approx(lowest)


def test_a_search_switches_a_marker_on_at_the_highest_point(bench: Bench) -> None:
    for search in ("MAX", "MAX:NEXT", "MAX:LEFT"):
        bench.tell("CALC:MARK:AOFF", f"CALC:MARK7:{search}")
        assert bench.ask("CALC:MARK7:MODE?") == "POS"
        assert bench.number("CALC:MARK7:X?") == 4.29e6


def test_what_counts_as_a_peak(bench: Bench) -> None:
    bench.tell("CALC:MARK:PEAK:THR -62", "CALC:MARK:MAX")
    # It has to rise by the excursion, 6 dB, above the threshold.
    bench.tell("CALC:MARK:MAX:NEXT", "CALC:MARK:MAX:NEXT")
    assert (bench.number("CALC:MARK:X?"), error(bench)) == (4.34e6, 202)
    bench.tell("CALC:MARK:PEAK:THR:STAT OFF;:CALC:MARK:MAX:NEXT")
    assert (bench.number("CALC:MARK:X?"), error(bench)) == (4.26e6, 0)
    bench.tell("CALC:MARK:PEAK:SEAR:MODE PAR;:CALC:MARK:PEAK:EXC 50 DB;:CALC:MARK:MAX")
    assert (bench.number("CALC:MARK:X?"), error(bench)) == (4.26e6, 202)
    bench.tell("CALC:MARK:PEAK:EXC 35;:CALC:MARK:MAX")
    assert (bench.number("CALC:MARK:X?"), error(bench)) == (4.29e6, 0)
    bench.tell("CALC:MARK:PEAK:EXC:STAT OFF", "CALC:MARK:MAX:RIGH")
    assert bench.number("CALC:MARK:X?") < 4.31e6  # a ripple of the noise
    assert (
        bench.ask("CALC:MARK:PEAK:EXC?;THR?;EXC:STAT?;:CALC:MARK:PEAK:THR:STAT?;:CALC:MARK:PEAK:SEAR:MODE?")
        == "35.00;-62.00;0;0;PAR"
    )


def test_a_marker_searches_its_own_trace(bench: LineBench) -> None:
    bench.tell("TRAC1:UPD OFF", "TRAC2:TYPE AVER")
    bench.lines.lines_dbm = {4.33e6: -65.0}
    bench.tell("INIT;*WAI", "CALC:MARK1:TRAC 2", "CALC:MARK1:MAX", "CALC:MARK2:MAX")
    assert bench.ask("*OPC?") == "1"
    bench.tell("CALC:MARK1:MAX", "CALC:MARK2:MAX")
    assert (bench.number("CALC:MARK1:X?"), bench.number("CALC:MARK2:X?")) == (4.33e6, 4.29e6)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=40), st.integers(0, 10))
def test_peaks_rise_and_fall_by_the_excursion(levels: list[int], excursion: int) -> None:
    found = peaks(levels, excursion)
    assert found == sorted(set(found))
    edges = [0, *found, len(levels) - 1]
    for before, at, after in zip(edges, found, edges[2:], strict=False):
        left, right = levels[before:at], levels[at + 1 : after + 1]
        assert left and levels[at] - min(left) >= max(excursion, 1)
        assert right and levels[at] - min(right) >= max(excursion, 1)
    if not found and levels:
        rise = max((levels[j] - levels[i] for j in range(len(levels)) for i in range(j)), default=0)
        highest = levels.index(max(levels))
        fall = levels[highest] - min(levels[highest:])
        climb = levels[highest] - min(levels[: highest + 1])
        assert rise < max(excursion, 1) or min(fall, climb) < max(excursion, 1)
