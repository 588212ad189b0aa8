"""What the markers of a simulated X-series analyzer measure in a band, and the tables of markers and peaks.

Means are compared within 4 standard errors, fixed seeds.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from x_series_bench import K_OF_RBW_10_VBW_1, NOISE_DBM_HZ, Bench, LineBench, level_dbm

NONE = 9.91e37
LINES_DBM = {4.26e6: -60.0, 4.29e6: -50.0, 4.31e6: -70.0, 4.34e6: -55.0}  # each on a point


@pytest.fixture
def bench() -> LineBench:
    """Return an analyzer on four lines far above the noise, with an average of 400 sweeps in trace 1."""
    bench = LineBench(LINES_DBM)
    bench.set_up(averages=400)
    bench.sweep()
    return bench


@pytest.fixture
def noise() -> Bench:
    """Return an analyzer on white noise with an average of 400 sweeps in trace 1."""
    bench = Bench(seed=5)
    bench.set_up(averages=400)
    bench.sweep()
    return bench


def spread(bench: Bench, points: int = 50) -> float:
    """Return the standard error in dB of a mean over points of a trace of 400 sweeps."""
    return 10 / math.log(10) / math.sqrt(points * 400 * K_OF_RBW_10_VBW_1)


def test_the_noise_marker_reads_the_density_of_the_input(noise: Bench) -> None:
    noise.tell("CALC:MARK:FUNC NOIS")
    assert noise.ask("CALC:MARK:MODE?;FUNC?") == "POS;NOIS"
    assert noise.number("CALC:MARK:FUNC:BAND:SPAN?") == pytest.approx(5e3)  # 5 % of the span
    assert noise.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=4 * spread(noise))
    # Not the RBW but the noise bandwidth is divided by: 0.27 dB less.
    noise.tell("CALC:MARK:FUNC OFF")
    plain = np.mean(10 ** (noise.doubles("TRAC? TRACE1")[475:526] / 10))
    by_rbw = 10 * math.log10(plain / 10)
    noise.tell("CALC:MARK:FUNC NOIS")
    assert by_rbw - noise.number("CALC:MARK:Y?") == pytest.approx(10 * math.log10(1.0645), abs=0.01)


@pytest.mark.parametrize("average_type", ["RMS", "LOG", "SCAL"])
@pytest.mark.parametrize("bandwidths", ["BAND:TYPE DB3;VID 1", "BAND:TYPE NOIS;VID 100", "BAND:TYPE DB6;VID 10"])
def test_the_noise_marker_is_free_of_the_bias_of_averages(average_type: str, bandwidths: str) -> None:
    bench = Bench(seed=6)
    bench.set_up(averages=400)
    bench.tell(bandwidths, f"AVER:TYPE {average_type}", "CALC:MARK:FUNC NOIS;FUNC:BAND:SPAN 60E3")
    bench.sweep()
    # 600 points of at least 400 averages; logarithms spread by pi / sqrt 6 more.
    error_db = 10 / math.log(10) * math.pi / math.sqrt(6) / math.sqrt(600 * 400)
    assert bench.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=4 * error_db)


def test_the_noise_of_a_single_log_sweep_is_unbiased_too() -> None:
    bench = Bench(seed=9)
    bench.set_up(vbw_hz=100)
    bench.tell("TRAC:TYPE WRIT;:DET:TRAC SAMP;:AVER:TYPE LOG", "CALC:MARK:FUNC NOIS;FUNC:BAND:SPAN 99E3")
    bench.sweep()
    error_db = 10 / math.log(10) * math.pi / math.sqrt(6) / math.sqrt(990)
    assert bench.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=4 * error_db)


def test_a_noise_marker_at_the_edge_uses_what_is_on_the_trace(noise: Bench) -> None:
    noise.tell("CALC:MARK:FUNC NOIS;X 4.25 MHZ")
    assert noise.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=4 * spread(noise, 25))
    noise.tell("CALC:MARK:X 4.24 MHZ")
    assert noise.number("CALC:MARK:Y?") == NONE


def test_band_power_and_band_density(noise: Bench) -> None:
    noise.tell("CALC:MARK:FUNC BPOW;FUNC:BAND:SPAN 20 KHZ")
    total = NOISE_DBM_HZ + 10 * math.log10(20e3)
    assert noise.number("CALC:MARK:Y?") == pytest.approx(total, abs=4 * spread(noise, 200))
    noise.tell("CALC:MARK:FUNC BDEN")
    assert noise.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=4 * spread(noise, 200))
    noise.tell("CALC:MARK:X 4.255 MHZ")  # a band that is partly off the screen
    assert noise.number("CALC:MARK:Y?") == NONE


def test_band_power_of_a_line_is_the_power_of_the_line() -> None:
    bench = LineBench({4.3e6: -50.0})
    bench.set_up(span_hz=1e3, averages=400)  # points a tenth of the RBW apart
    bench.sweep()
    bench.tell("CALC:MARK:FUNC BPOW;FUNC:BAND:SPAN 100")
    assert bench.number("CALC:MARK:Y?") == pytest.approx(-50.0, abs=0.05)


def test_over_time_band_power_is_the_mean(noise: Bench) -> None:
    noise.tell("FREQ:SPAN:ZERO", "SWE:TIME 100 S", "SWE:POIN 101", "AVER:COUN 100")
    noise.sweep()
    noise.tell("CALC:MARK:FUNC BPOW;FUNC:BAND:SPAN 50 S")
    level = level_dbm(10)
    assert noise.number("CALC:MARK:Y?") == pytest.approx(level, abs=0.1)
    noise.tell("CALC:MARK:FUNC BDEN")
    assert noise.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ, abs=0.1)


def test_a_noise_marker_relative_to_a_carrier(bench: Bench) -> None:
    bench.tell("CALC:MARK:MODE POS;X 4.29 MHZ", "CALC:MARK:MODE DELT;X 11 KHZ;FUNC NOIS")
    bench.tell("CALC:MARK:FUNC:BAND:SPAN 2 KHZ")
    assert bench.number("CALC:MARK:Y?") == pytest.approx(NOISE_DBM_HZ + 50.0, abs=4 * spread(bench, 20) + 0.05)


def test_a_function_selects_power_averages_where_they_are_automatic() -> None:
    bench = Bench()
    bench.tell("INIT:CONT OFF")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "NORM;LOG"
    bench.tell("CALC:MARK2:FUNC BPOW")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "AVER;RMS"
    bench.tell("CALC:MARK2:FUNC OFF")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "NORM;LOG"
    bench.tell("CALC:MARK2:FUNC NOIS", "CALC:MARK2:MODE OFF")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "NORM;LOG"
    bench.tell("DET:TRAC POS", "CALC:MARK2:FUNC NOIS")
    assert bench.ask("DET:TRAC?;:AVER:TYPE?") == "POS;RMS"


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_the_peak_table(bench: Bench) -> None:
    bench.tell("CALC:MARK:PEAK:TABL ON;:CALC:MARK:PEAK:THR -80")
    pairs = bench.doubles("FETC:SAN7?").reshape(-1, 2)
    assert pairs[:, 0].tolist() == [4.29e6, 4.34e6, 4.26e6, 4.31e6]
    assert pairs[:, 1] == pytest.approx([-50.0, -55.0, -60.0, -70.0], abs=0.1)
    bench.tell("CALC:MARK:PEAK:SORT FREQ")
    assert bench.doubles("FETC:SAN7?")[0::2].tolist() == sorted(LINES_DBM)
    bench.tell("CALC:MARK:PEAK:THR -30")
    assert bench.doubles("FETC:SAN7?").tolist() == [NONE, NONE]
    bench.tell("CALC:MARK:PEAK:THR:STAT OFF;:CALC:MARK:PEAK:EXC:STAT OFF")
    assert bench.doubles("FETC:SAN7?").size == 2 * 20


def test_reading_a_table_starts_and_waits(bench: Bench) -> None:
    bench.tell("CALC:MARK:PEAK:TABL ON;:CALC:MARK:PEAK:THR -80;:AVER:COUN 10")
    begin = bench.time.now()
    assert bench.doubles("READ:SAN7?").size == 8
    assert bench.time.now() - begin == pytest.approx(15.0)


def test_a_table_that_is_switched_off_while_it_is_waited_for_still_comes(bench: Bench) -> None:
    bench.tell("CALC:MARK:PEAK:TABL ON;:CALC:MARK:TABL ON", "READ:SAN7?", "READ:SAN8?", "*RST")
    bench.time.elapse(1e4)
    peaks, markers = bench.twin.take().decode().splitlines()
    assert (peaks.split(","), markers.split(",")) == (["+9.91000E+37"] * 2, ["+9.91000E+37"] * 6)


def test_the_marker_table(bench: Bench) -> None:
    bench.tell("CALC:MARK:TABL ON")
    assert bench.doubles("FETC:SAN8?").tolist() == [NONE] * 6
    bench.tell("CALC:MARK2:MODE POS;X 4.26 MHZ", "CALC:MARK11:MODE POS;X 4.32 MHZ;FUNC NOIS")
    rows = bench.doubles("FETC:SAN8?").reshape(-1, 6)
    assert rows[:, :3].tolist() == [[2, 1, 4.26e6], [11, 1, 4.32e6]]
    assert rows[0, 3:] == pytest.approx([-60.0, NONE, NONE], abs=0.05)
    assert rows[1, 3] == pytest.approx(level_dbm(10), abs=0.5)
    assert rows[1, 4:] == pytest.approx([5e3, bench.number("CALC:MARK11:Y?")])
    bench.tell("*RST")
    assert bench.ask("CALC:MARK:TABL?;:CALC:MARK:PEAK:TABL?;:CALC:MARK2:MODE?") == "0;0;OFF"
