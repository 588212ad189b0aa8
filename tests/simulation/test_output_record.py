"""The record of true outputs: what a station does within its limits is none of its excesses, and whatever goes round
the station is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.simulation.output_limits import READ_BACK_V, excesses
from labctl.simulation.output_record import MoveTrack, OutputRecord, OutputTrack
from labctl.simulation.simulation import Simulation
from labctl.simulation.truth_file import read_truth
from labctl.station.bring_up import link_to, open_station
from labctl.station.safe_state import make_safe
from labctl.store.durable import write_durably

SLEW, TO_REST = 50.0, 300.0  # V/s


class Table:
    """The shipped station, open."""

    def __init__(self) -> None:
        self.file: StationFile = load_station(template_directory() / "simulated.toml")
        link = link_to(self.file)
        assert link.simulation is not None
        self.link = link
        self.simulation: Simulation = link.simulation
        self.station = open_station(self.file, link)

    def excesses(self) -> list[str]:
        return excesses(self.simulation.outputs, self.file)

    def send(self, instrument: str, data: bytes) -> None:
        """Write straight at a twin, where no limit of the station is."""
        self.simulation.wires[instrument].on_bytes(data)


class Time:
    """Lab time of a record that belongs to no table."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.record = OutputRecord(lambda: self.now_s)
        self.track = OutputTrack("V")
        self.record.add("out", self.track, rate=SLEW, rate_to_rest=TO_REST, instrument="amplifier")

    def go(self, *steps: tuple[float, float]) -> None:
        """Wait, and set the output, for each pair."""
        for seconds, volts in steps:
            self.now_s += seconds
            self.track.at(volts)

    def ramp(self, to_v: float, slew: float, step_s: float = 0.1) -> None:
        here = self.track.last
        count = max(1, round(abs(to_v - here) / (slew * step_s)))
        self.go(*((step_s, here + (to_v - here) * k / count) for k in range(1, count + 1)))


@pytest.fixture(scope="module")
def used() -> Table:
    """A table that was brought up, moved about, and left safe."""
    table = Table()
    station = table.station
    station.raise_piezos()
    for shutter in station.shutters.values():
        shutter.open()
    station.piezos["lo1"].ramp_to(20.0)
    station.servos["lo1"].set_output(-2.0)
    station.oven.set_target(26.0, 0.02)
    station.mirrors["sensor1"].move("pitch", 2000)
    station.mirrors["sensor1"].move("pitch", 2000)
    station.clock.sleep(60.0)
    assert make_safe(station) == []
    return table


def test_what_a_station_does_is_within_its_limits(used: Table) -> None:
    assert used.excesses() == []
    outputs = used.simulation.outputs
    setting = outputs["piezo.lo1.setting"]
    assert (setting.lowest, setting.highest) == (0.0, pytest.approx(75.0, abs=0.01))
    assert SLEW * 0.1 - 0.05 < setting.excess < SLEW * 0.1 + READ_BACK_V
    assert outputs["piezo.lo1.voltage"].lowest == 0.0 and outputs["servo.lo1.output"].lowest == -2.0
    assert SLEW * 0.1 < outputs["piezo.lo2.setting"].excess_to_rest <= TO_REST * 0.1
    pitch = outputs["mirror.sensor1.pitch"]
    assert (pitch.highest, pitch.most_per_hour) == (2000.0, 4000.0)
    assert outputs["oven.target"].highest == pytest.approx(26.0, abs=0.05)
    assert outputs["shutter.pump"].highest == 1.0 and outputs["light.pump"].highest > 1e-3


@pytest.mark.parametrize(
    ("instrument", "data", "named"),
    [
        ("piezo_a", b"zvoltage=60\r", "piezo.lo1.setting changed faster than 50 V/s"),
        ("oven", b"", "oven.target was at 60 degC"),
        ("laser", b":POW 12\r:POW:STAT 1\r", "laser.power was at 0.01"),
        ("tone", b"SOUR1:FREQ 2E6\nSOUR1:VOLT 5\nOUTP1 ON\n", "tone.phase_calibration.amplitude was at 2.5 V"),
        ("picomotors", b"1>1PR2500\r", "mirror.sensor1.pitch was at 2500 steps"),
        ("servos", b'SNDT 3,"MOUT 6;AMAN 0"\r\n', "servo.lo1.output was at 6 V"),
        ("servos", b'SNDT 3,"AMAN 0"\r\nSNDT 3,"MOUT 2"\r\n', "servo.lo1.open_above changed faster than 20 V/s"),
        ("servos", b'SNDT 3,"AMAN 0"\r\nSNDT 3,"MOUT -2"\r\n', "servo.lo1.open_below changed faster than 20 V/s"),
    ],
)
def test_what_goes_round_the_station_is_found(instrument: str, data: bytes, named: str) -> None:
    table = Table()
    table.simulation.table.elapse(1.0)
    table.send(instrument, data)
    if instrument == "oven":
        table.simulation.table.oven.regulate(60.0)
    table.simulation.table.elapse(3.0)
    assert any(text.startswith(named) for text in table.excesses()), table.excesses()


def test_an_amplifier_that_loses_its_power_is_no_excess() -> None:
    table = Table()
    table.station.raise_piezos()
    table.simulation.inject("piezo_a", "power_cycle", lasting=5.0)
    table.station.clock.sleep(10.0)
    assert table.simulation.outputs["piezo.lo1.setting"].lowest == 0.0
    assert table.excesses() == []
    table.send("piezo_a", b"zvoltage=60\r")
    assert len(table.excesses()) == 1


def test_the_truth_of_a_run_has_the_outputs_once_it_has_ended(used: Table, tmp_path: Path) -> None:
    used.link.keep_truth(tmp_path, write_durably)
    assert read_truth(tmp_path).outputs is None
    used.link.keep_truth(tmp_path, write_durably, ended=True)
    outputs = read_truth(tmp_path).outputs
    assert outputs == dict(used.simulation.outputs)
    assert outputs and "rotator.network1.angle" in outputs


def test_a_ramp_at_the_slew_is_one_step_ahead_and_a_faster_one_more_and_more() -> None:
    time = Time()
    time.go((0.0, 0.0))
    time.ramp(75.0, SLEW)
    assert time.record["out"].excess == pytest.approx(5.0)
    time.ramp(125.0, 1.2 * SLEW)
    assert time.record["out"].excess == pytest.approx(5.0 + 50.0 * 0.2 / 1.2, abs=2.0)
    assert 1.5 < time.record["out"].excess_at < 2.5


def test_a_fast_way_down_is_one_to_rest_only_if_it_ends_there() -> None:
    time = Time()
    time.go((0.0, 75.0))
    time.ramp(30.0, TO_REST)
    time.ramp(0.0, TO_REST)
    output = time.record["out"]
    assert (output.excess, output.excess_to_rest) == (0.0, pytest.approx(30.0))
    time.ramp(60.0, SLEW)
    time.ramp(30.0, TO_REST)
    assert time.record["out"].excess == pytest.approx(5.0)  # of the way up: it may be on its way to rest
    time.now_s += 2.0
    assert time.record["out"].excess > 20.0  # it was not
    time.ramp(35.0, SLEW)
    time.ramp(0.0, SLEW)
    assert time.record["out"].excess > 20.0


@pytest.mark.parametrize(("fault_s", "counts"), [((0.0, 0.5), True), ((1.15, 9.0), False), ((2.7, 9.0), True)])
def test_a_fast_way_down_that_a_fault_cut_off_was_one_to_rest(fault_s: tuple[float, float], counts: bool) -> None:
    time = Time()
    time.record.was_cut_off = lambda name, since, until: (
        name == "amplifier" and fault_s[0] <= until and fault_s[1] >= since
    )
    time.go((0.0, 75.0), (1.0, 75.0), (0.2, 45.0))
    time.now_s = 3.0
    output = time.record["out"]
    assert (output.excess, output.excess_to_rest) == (30.0 if counts else 0.0, 30.0)
    time.go((0.1, 46.0))  # it is where it was left, to a volt
    assert time.record["out"].excess == (30.0 if counts else 1.0)
    time.now_s = 20.0
    time.go((0.1, 26.0))
    time.now_s = 30.0
    assert time.record["out"].excess == (30.0 if counts else 20.0)


@given(st.lists(st.tuples(st.floats(1e-3, 2.0), st.floats(-50.0, 150.0)), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_excess_is_the_largest_over_all_pairs_of_moments(steps: list[tuple[float, float]]) -> None:
    now = [0.0]
    record, track = OutputRecord(lambda: now[0]), OutputTrack("V")
    record.add("out", track, rate=SLEW)
    times, before = [], []  # when it was set, and what it was until then
    largest = 0.0
    for place, (seconds, volts) in enumerate(steps):
        now[0] += seconds
        if place:
            times.append(now[0])
            before.append(track.last)
            for at, was in zip(times, before, strict=True):
                largest = max(largest, abs(volts - was) - SLEW * (now[0] - at))
        track.at(volts)
    assert record["out"].excess == pytest.approx(largest, abs=1e-9)


def test_a_move_that_turns_round_is_another_one_and_hours_are_counted_apart() -> None:
    now = [0.0]
    record, track = OutputRecord(lambda: now[0]), MoveTrack()
    record.add("motor", track)
    assert "motor" not in record
    for hour, steps in ((0, 300), (0, 200), (0, -400), (1, 500)):
        now[0] = 3600.0 * hour + 1.0
        if hour:
            track.begin()
        track.step(steps)
    output = record["motor"]
    assert (output.lowest, output.highest, output.most_per_hour) == (-400.0, 500.0, 900.0)


def test_who_watches_is_told_what_went_further_than_before() -> None:
    time = Time()
    told: list[str] = []
    time.record.watch = told.append
    time.go((0.0, 1.0), (1.0, 2.0), (1.0, 1.5))
    count = len(told)
    time.go((1.0, 1.8), (1.0, 1.4))
    assert count and told == ["out"] * count
