"""Simulated Red Pitayas in a chain: the trigger of one board reaches those after it, at its own time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from redpitaya_bench import Bench, Ramps, Signals, volts_at
from stepped_time import SteppedTime

from labctl.simulation.instruments.redpitaya_chain import TriggerCable
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.shared_records import SharedRecords

RATE_HZ = 125e6 / 64
BUFFER_S = 16384 / RATE_HZ


class Chain:
    """Boards on one lab time, each with the bench that speaks to it."""

    def __init__(self, *fast: Ramps, sharing: bool = True) -> None:
        self.time = SteppedTime()
        self.cables = [TriggerCable() for _ in fast[1:]]
        self.benches = [Bench(signals) for signals in fast]
        for bench, (before, after) in zip(self.benches, pairwise([None, *self.cables, None]), strict=True):
            bench.time = self.time
            bench.board = SimulatedRedPitaya(
                self.time,
                bench.fast,
                bench.slow,
                bench.levels,
                {},
                np.random.default_rng(1),
                variant="4-input",
                from_before=before,
                to_next=after,
            )
            bench.say("ACQ:DEC:Factor 64", "ACQ:TRig:DLY 8192", f"DAISY:SYNC:TRig {'ON' if sharing else 'OFF'}")

    def arm(self, *sources: str) -> None:
        """Arm the boards from the last to the first, a little apart."""
        for bench, source in reversed(list(zip(self.benches, sources, strict=True))):
            bench.say("ACQ:START", f"ACQ:TRig {source}")
            self.time.elapse(3.3e-4)

    def states(self) -> list[str]:
        return [bench.ask("ACQ:TRig:STAT?") for bench in self.benches]


def test_all_boards_are_triggered_by_the_first_and_see_the_same_time() -> None:
    chain = Chain(Ramps(), Ramps(), Ramps())
    chain.arm("NOW", "EXT_NE", "EXT_NE")
    assert chain.states() == ["TD", "TD", "TD"]
    chain.time.elapse(2 * BUFFER_S)
    starts = [bench.fast.captures for bench in chain.benches]
    records = [bench.codes("ACQ:SOUR2:DATA?") for bench in chain.benches]
    for bench in chain.benches:
        assert bench.ask("ACQ:TRig:FILL?") == "1"
    # The signal is a ramp in time: one sample is 0.05 mV, less than a step of the converter.
    for record in records[1:]:
        assert np.abs(record - records[0]).max() <= 1
    assert all(abs(captures[0][1] - starts[0][0][1]) * RATE_HZ < 1.0 for captures in starts)
    assert records[0][0] == pytest.approx(8192 * volts_at(2, 2 * 3.3e-4), abs=2)


@pytest.mark.parametrize("silent", [0, 1])
def test_no_trigger_passes_where_one_of_the_two_does_not_share_it(silent: int) -> None:
    chain = Chain(Ramps(), Ramps())
    chain.benches[silent].say("DAISY:SYNC:TRig OFF")
    chain.arm("NOW", "EXT_NE")
    chain.time.elapse(2 * BUFFER_S)
    assert chain.states() == ["TD", "WAIT"]
    assert [bench.ask("DAISY:SYNC:TRig?") for bench in chain.benches] == (
        ["OFF", "ON"] if silent == 0 else ["ON", "OFF"]
    )


@pytest.mark.parametrize(
    ("source", "state"), [("EXT_NE", "TD"), ("EXT_AE", "TD"), ("EXT_PE", "WAIT"), ("CH1_NE", "WAIT")]
)
def test_what_arrives_is_a_falling_edge_of_the_external_trigger(source: str, state: str) -> None:
    chain = Chain(Ramps(), Ramps())
    chain.arm("NOW", source)
    assert chain.states() == ["TD", state]


def test_a_level_that_nobody_has_noticed_yet_triggers_the_chain_at_its_own_time() -> None:
    crossing_s = 2.5 * BUFFER_S
    step = Signals(in1=lambda time: np.where(time < crossing_s, 0.0, 0.5))
    same = Signals(in1=lambda time: np.where(time < crossing_s + BUFFER_S / 2, 0.0, 0.5))
    chain = Chain(step, same)
    chain.benches[0].say("ACQ:TRig:LEV 0.25")
    chain.arm("CH1_PE", "EXT_NE")
    chain.time.elapse(6 * BUFFER_S)
    second = chain.benches[1]
    assert second.ask("ACQ:TRig:STAT?") == "TD"  # asked before the first board
    record = second.codes("ACQ:SOUR1:DATA?")
    assert abs(int(np.argmax(record > 0)) - 8192) <= 1  # half a buffer after the trigger at the beginning


def test_edges_within_the_hold_off_are_missed() -> None:
    chain = Chain(Ramps(), Ramps())
    chain.benches[1].say("ACQ:TRig:EXT:DEBouncer:US 5000")
    chain.arm("NOW", "EXT_NE")
    chain.arm("NOW", "EXT_NE")
    assert chain.states() == ["TD", "WAIT"]
    chain.time.elapse(6e-3)
    chain.arm("NOW", "EXT_NE")
    assert chain.states() == ["TD", "TD"]


def test_sharing_is_off_after_power_on_and_unknown_to_old_releases() -> None:
    bench = Bench()
    assert [bench.ask(f"DAISY:SYNC:{node}?") for node in ("TRig", "CLK")] == ["OFF", "OFF"]
    bench.say("DAISY:SYNC:CLK ON")
    assert [bench.ask(f"DAISY:SYNC:{node}?") for node in ("TRig", "CLK")] == ["OFF", "ON"]
    assert bench.errors() == []
    bench.say("DAISY:SYNC:CLK sideways")
    assert bench.errors() != []
    old = Bench(firmware="2.00-15")
    old.say("DAISY:SYNC:TRig ON")
    assert old.errors() == [-113]


class Drawn:
    """Draws records of rising numbers, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def records(self, sensors: range, started_at: float, rate_hz: float, samples: int, average: int) -> np.ndarray:
        self.count += 1
        return np.add.outer(10.0 * np.arange(len(sensors)), np.full(samples, 100.0 * self.count))


def test_a_record_is_drawn_once_for_one_moment_and_each_takes_its_rows() -> None:
    source = Drawn()
    shared = SharedRecords(source, 6)
    rate_hz = 15.625e6
    first = shared.records([0, 1, 2, 3], 1.0, rate_hz, 8, 8)
    second = shared.records([5, 4], 1.0 + 0.9 / rate_hz, rate_hz, 8, 8)
    assert source.count == 1
    assert first[:, 0].tolist() == [100.0, 110.0, 120.0, 130.0]
    assert second[:, 0].tolist() == [150.0, 140.0]
    assert shared.records([0], 1.0 + 1.1 / rate_hz, rate_hz, 8, 8)[0, 0] == 200.0
    assert shared.records([0], 1.0 + 1.1 / rate_hz, rate_hz, 8, 1)[0, 0] == 300.0
    assert shared.records([0], 1.0 + 1.1 / rate_hz, rate_hz, 4, 1).shape == (1, 4)
