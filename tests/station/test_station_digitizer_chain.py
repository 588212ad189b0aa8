"""A digitizer of several boards on the wire: one moment for all, rows in the order of the detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from many_sensors import content_for, keep_draws, station_for
from station_bench import Bench, open_bench

from labctl.configuration.station_file import StationFile
from labctl.errors import BadReply, ConfigurationError, LabError
from labctl.station.revival import revive

BOARDS = ("digitizer_a", "digitizer_b", "digitizer_c")
STEP_V = 1 / 8192


def bench_for(**digitizer: Any) -> Bench:
    content = content_for(9)
    content["digitizer"] |= digitizer
    return open_bench(StationFile.model_validate(content))


def board(name: str, **inputs: int) -> dict[str, Any]:
    return {"instrument": name, "inputs": inputs}


def test_a_record_of_all_boards_is_one_draw_of_one_moment() -> None:
    bench = bench_for()
    bench.station.shutters["local_oscillator"].open()
    drawn = keep_draws(bench)  # type: ignore[arg-type]  (it has the table)
    digitizer = bench.station.digitizer
    assert digitizer.sample_rate_hz == 125e6 / 8
    for count in (1, 2, 3):
        record = digitizer.record()
        assert record.shape == (9, 16384)
        assert len(drawn) == count
        np.testing.assert_allclose(record, drawn[-1], atol=0.51 * STEP_V)
    assert not np.array_equal(drawn[1], drawn[2])


def test_rows_come_in_the_order_of_the_detectors_on_whatever_board_they_are() -> None:
    bench = bench_for(
        inputs={"bhd9": 1, "bhd2": 4},
        chain=[board("digitizer_c", bhd1=2, bhd8=1, bhd4=3), board("digitizer_b", bhd7=1, bhd6=2, bhd5=4, bhd3=3)],
    )
    bench.station.shutters["local_oscillator"].open()
    drawn = keep_draws(bench)  # type: ignore[arg-type]
    np.testing.assert_allclose(bench.station.digitizer.record(), drawn[0], atol=0.51 * STEP_V)


def test_the_others_are_armed_before_the_first_is_triggered() -> None:
    bench = bench_for()
    digitizer = bench.station.digitizer
    for name in BOARDS:
        assert b"DAISY:SYNC:CLK ON" in bench.sent[name]
        assert b"DAISY:SYNC:TRig ON" in bench.sent[name]
    bench.forget()
    digitizer.record()
    assert [b"ACQ:TRig NOW" in bench.sent[name] for name in BOARDS] == [True, False, False]
    assert [b"ACQ:TRig EXT_NE" in bench.sent[name] for name in BOARDS] == [False, True, True]
    armed = [bench.order.index(name) for name in BOARDS]
    assert armed[0] == max(armed)


def test_every_board_has_gain_and_average_of_the_file() -> None:
    bench = bench_for(gain="HV", decimation=64)
    bench.station.digitizer.record()
    for name in BOARDS:
        driver: Any = bench.station.driver(name)
        assert driver.averaging
        assert driver.decimation == 64
    wired = {"digitizer_a": {1, 2, 3, 4}, "digitizer_b": {1, 2, 3, 4}, "digitizer_c": {1}}
    for name, numbers in wired.items():
        driver = bench.station.driver(name)
        assert {n for n in driver.inputs if driver.inputs[n].gain == "HV"} == numbers


def test_short_records_come_one_after_the_other() -> None:
    """At the full rate a record is shorter than the hold-off of the external trigger after power-on."""
    digitizer = bench_for(decimation=1).station.digitizer
    for _ in range(5):
        assert digitizer.record().shape == (9, 16384)


def test_a_pulled_cable_names_the_board_that_was_not_triggered() -> None:
    bench = bench_for()
    digitizer = bench.station.digitizer
    digitizer.record()
    twin: Any = bench.simulation.instruments["digitizer_a"]
    twin.chain._to_next.taker = lambda at: None
    started = bench.clock.now()
    with pytest.raises(BadReply, match=r"digitizer_b: never filled its buffer .* cable to this board"):
        digitizer.record()
    assert bench.clock.now() - started < 5.0


def test_a_detector_without_an_input_is_named() -> None:
    content = content_for(9)
    content["digitizer"]["chain"][0]["inputs"].pop("bhd6")
    station = open_bench(StationFile.model_validate(content)).station
    with pytest.raises(ConfigurationError, match=r"\[digitizer\] has no input for bhd6"):
        _ = station.digitizer


@pytest.mark.parametrize("name", ["digitizer_a", "digitizer_b"])
def test_a_board_that_was_off_finds_its_place_in_the_chain_again(name: str) -> None:
    bench = open_bench(station_for(9))
    station = bench.station
    station.digitizer.record()
    bench.simulation.inject(name, "power_cycle", lasting=30.0)
    bench.clock.sleep(1.0)
    with pytest.raises(LabError):
        station.digitizer.record()
    bench.clock.sleep(60.0)
    assert revive(station).changed
    assert station.digitizer.record().shape == (9, 16384)
