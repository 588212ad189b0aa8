"""The triggers of the simulated Red Pitaya: levels that the signal crosses, the trigger pin, the generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from redpitaya_bench import Bench, Signals

from drivers.errors import Refused
from drivers.redpitaya.stemlab import BUFFER_SAMPLES, RedPitaya4Input
from labctl.simulation.instruments.redpitaya_triggers import MOST_PIECES, LevelWatch, search

RATE_HZ = 125e6 / 64
BUFFER_S = BUFFER_SAMPLES / RATE_HZ
LEVEL = round(0.25 * 8192)


def step_at(moment: float, low: float = 0.0, high: float = 0.5) -> Any:
    """Return a signal that goes from `low` to `high` at `moment` (s)."""
    return lambda time: np.where(time < moment, low, high)


def arm(bench: Bench, source: str, *more: str, delay: int = 8192) -> None:
    bench.say("ACQ:DEC:Factor 64", "ACQ:TRig:LEV 0.25", f"ACQ:TRig:DLY {delay}", *more)
    bench.say("ACQ:START", f"ACQ:TRig {source}")


# ---- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["CH1_PE", "CH1_AE"])
@pytest.mark.parametrize("polls", [1, 7, 300])
def test_a_rising_edge_triggers_at_its_sample_however_often_one_looks(source: str, polls: int) -> None:
    crossing_s = 1.5 * BUFFER_S
    bench = Bench(fast=Signals(in1=step_at(crossing_s), in2=lambda time: 0.3 * time / BUFFER_S))
    arm(bench, source, delay=0)
    for _ in range(polls):
        bench.time.elapse(3 * BUFFER_S / polls)
        bench.ask("ACQ:TRig:STAT?")
    assert bench.say("ACQ:TRig:STAT?;FILL?") == b"TD;1\r\n"
    first = bench.codes("ACQ:SOUR1:DATA?")
    assert first[8191] < LEVEL <= first[8192]
    # The other input was recorded with it: its ramp is where it was at the crossing.
    assert bench.codes("ACQ:SOUR2:DATA?")[8192] == pytest.approx(0.45 * 8192, abs=2)


@pytest.mark.parametrize("source", ["CH1_NE", "CH1_AE"])
def test_a_falling_edge(source: str) -> None:
    bench = Bench(fast=Signals(in1=step_at(0.3 * BUFFER_S, 0.5, 0.0)))
    arm(bench, source)
    bench.time.elapse(2 * BUFFER_S)
    assert bench.say("ACQ:TRig:STAT?;FILL?") == b"TD;1\r\n"
    codes = bench.codes("ACQ:SOUR1:DATA?")
    assert (codes == 0).all()  # all of it after the edge


@pytest.mark.parametrize(("source", "high"), [("CH1_NE", 0.5), ("CH2_PE", 0.5), ("CH1_PE", 0.2), ("CH2_AE", 0.5)])
def test_what_does_not_cross_leaves_it_waiting_while_time_goes_on(source: str, high: float) -> None:
    bench = Bench(fast=Signals(in1=step_at(0.5 * BUFFER_S, 0.0, high)))
    arm(bench, source)
    for _ in range(20):
        bench.time.elapse(0.5 * BUFFER_S)
        assert bench.say("ACQ:TRig:STAT?;FILL?") == b"WAIT;0\r\n"
    assert bench.ask("ACQ:TPOS?") == "0"


def test_a_signal_that_is_already_above_has_to_come_back_first() -> None:
    bench = Bench(fast=Signals(in1=lambda time: np.where((time > BUFFER_S) & (time < 1.5 * BUFFER_S), 0.1, 0.5)))
    arm(bench, "CH1_PE")
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
    bench.time.elapse(2 * BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "TD"


def test_hysteresis_keeps_small_ripples_from_triggering() -> None:
    def ripple(time: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.25 + 0.01 * np.sin(2 * np.pi * 2e3 * time) + 0.1

    bench = Bench(fast=Signals(in1=ripple))
    arm(bench, "CH1_PE", "ACQ:TRig:LEV 0.35", "ACQ:TRig:HYST 0.02")
    assert bench.ask("ACQ:TRig:HYST?") == "0.02"
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
    bench.say("ACQ:TRig:HYST 0.005")
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "TD"


def test_a_hysteresis_beyond_the_range_is_ignored_as_by_the_server(bench: Bench) -> None:
    bench.say("ACQ:TRig:HYST 1.5")
    assert bench.errors() == []
    assert bench.ask("ACQ:TRig:HYST?") == "0.005"


def test_the_level_is_meant_in_volts_of_the_gain() -> None:
    bench = Bench(fast=Signals(in1=step_at(0.5 * BUFFER_S, 0.0, 8.0)))
    arm(bench, "CH1_PE", "ACQ:SOUR1:GAIN HV", "ACQ:TRig:LEV 6")
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "TD"
    bench.say("ACQ:SOUR1:GAIN LV")
    assert bench.ask("ACQ:TRig:LEV?") == "1"  # no level outside the range


def test_old_samples_do_not_trigger() -> None:
    """The edge came after the start but before the source was set: it is in the record, and nothing waits for it."""
    bench = Bench(fast=Signals(in1=step_at(0.1 * BUFFER_S)))
    bench.say("ACQ:DEC:Factor 64", "ACQ:TRig:LEV 0.25", "ACQ:START")
    bench.time.elapse(0.5 * BUFFER_S)
    bench.say("ACQ:TRig CH1_PE")
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"


@pytest.mark.parametrize("delay", [-8192, -8000, 0, 8192, 30000])
def test_the_delay_places_the_crossing(delay: int) -> None:
    bench = Bench(fast=Signals(in1=lambda time: 0.5 * (time / BUFFER_S - 1.0)))  # 0.25 V at 1.5 buffers
    arm(bench, "CH1_PE", delay=delay)
    bench.time.elapse(10 * BUFFER_S)
    assert bench.say("ACQ:TRig:STAT?;FILL?") == b"TD;1\r\n"
    codes = bench.codes("ACQ:SOUR1:DATA?")
    at = 8192 - delay
    expected = np.clip(LEVEL + (np.arange(BUFFER_SAMPLES) - at) * 0.5 * 8192 / BUFFER_SAMPLES, -8192, 8191)
    np.testing.assert_allclose(codes, expected, atol=1.01)


@pytest.mark.parametrize("side", ["PRE_TRIG", "POST_TRIG", "PRE_POST_TRIG"])
def test_data_around_the_trigger(side: str) -> None:
    bench = Bench(fast=Signals(in1=lambda time: 0.5 * (time / BUFFER_S - 1.0)))
    arm(bench, "CH1_PE", delay=0)
    bench.time.elapse(10 * BUFFER_S)
    everything = bench.codes("ACQ:SOUR1:DATA?")
    first, last = {"PRE_TRIG": (8092, 8192), "POST_TRIG": (8192, 8292), "PRE_POST_TRIG": (8092, 8292)}[side]
    np.testing.assert_array_equal(bench.codes(f"ACQ:SOUR1:DATA:TRig? 100,{side}"), everything[first : last + 1])
    bench.say(f"ACQ:SOUR1:DATA:TRig? 100,{side}_X")
    assert bench.errors() == [-109, -224]


# ---- a bounded search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffers", [0.2, 31.5, 40.0, 977.3, 12345.6])
def test_a_late_look_finds_the_crossing_to_the_sample_in_few_captures(buffers: float) -> None:
    bench = Bench(fast=Signals(in1=step_at(buffers * BUFFER_S)))
    arm(bench, "CH1_PE", delay=0)
    bench.time.elapse((buffers * 1.3 + 1) * BUFFER_S)
    assert bench.ask("ACQ:TRig:STAT?") == "TD"
    assert bench.ask("ACQ:TRig:FILL?") == "1"
    codes = bench.codes("ACQ:SOUR1:DATA?")
    assert len(bench.fast.captures) <= MOST_PIECES + 20
    if buffers > 1.0:
        assert (codes[:8192] == 0).all()
    assert (codes[8192:] == 4096).all()


def test_a_long_wait_costs_a_bounded_number_of_captures(bench: Bench) -> None:
    arm(bench, "CH1_NE")
    for _ in range(3):
        before = len(bench.fast.captures)
        bench.time.elapse(1e5 * BUFFER_S)
        assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
        assert len(bench.fast.captures) - before <= MOST_PIECES + 1


@given(
    st.lists(st.tuples(st.floats(0.0, 40.0), st.sampled_from([-2000, 0, 1500, 2300, 4000])), min_size=1, max_size=8),
    st.sampled_from(["CH1_PE", "CH1_NE", "CH1_AE"]),
    st.integers(0, 600),
)
@settings(max_examples=80, deadline=None)
def test_a_search_without_a_gap_finds_the_first_edge_that_a_loop_finds(
    steps: list[tuple[float, int]], source: str, hysteresis: int
) -> None:
    row = np.zeros(40 * 64, dtype=np.int16)
    for place, code in sorted(steps):
        row[int(place * 64) :] = code
    watch = LevelWatch(source, 0, lambda: (2048.0, float(hysteresis)))
    pieces = [piece for k in range(0, row.size, 64) for piece in search(watch, lambda a, b: row[None, a:b], k, k + 64)]
    found = next((piece.start + piece.hit for piece in pieces if piece.hit is not None), None)
    assert found == first_edge(row.tolist(), source, 2048, hysteresis)


def first_edge(row: list[int], source: str, level: int, hysteresis: int) -> int | None:
    """The definition of an edge, sample by sample."""
    was_below = was_above = False
    for place, code in enumerate(row):
        if (source[-2] in "PA" and was_below and code >= level) or (source[-2] in "NA" and was_above and code <= level):
            return place
        was_below = was_below or code < level - hysteresis
        was_above = was_above or code > level + hysteresis
    return None


# ---- the trigger pin -------------------------------------------------------------------------------------------------


def test_the_trigger_pin_from_outside(bench: Bench) -> None:
    arm(bench, "EXT_PE")
    bench.time.elapse(1e-3)
    bench.levels.by_pin["DIO1_P"] = 1
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
    bench.levels.by_pin["DIO0_P"] = 1
    assert bench.say("ACQ:TRig:STAT?;FILL?") == b"TD;0\r\n"
    bench.time.elapse(BUFFER_S)
    assert bench.ask("ACQ:TRig:FILL?") == "1"


@pytest.mark.parametrize(
    ("source", "levels", "state"),
    [("EXT_PE", "10", "TD"), ("EXT_NE", "1", "WAIT"), ("EXT_NE", "1 0", "TD"), ("EXT_AE", "1", "TD")],
)
def test_the_trigger_pin_driven_by_the_board_itself(bench: Bench, source: str, levels: str, state: str) -> None:
    bench.say("DIG:PIN:DIR OUT,DIO0_P", "ACQ:TRig:EXT:DEBouncer:US 100")
    arm(bench, source)
    for burst in levels.split():
        bench.say(*(f"DIG:PIN DIO0_P,{level}" for level in burst))
        bench.time.elapse(1e-3)
    assert bench.ask("ACQ:TRig:STAT?") == state


def test_the_trigger_pin_bounces(bench: Bench) -> None:
    """Up and down within the hold-off: the second edge is not heard, whatever waits for it."""
    bench.say("DIG:PIN:DIR OUT,DIO0_P", "ACQ:TRig:EXT:DEBouncer:US 2000")
    assert bench.ask("ACQ:TRig:EXT:DEB?") == "2000"
    arm(bench, "EXT_NE")
    for level in (1, 0):
        bench.say(f"DIG:PIN DIO0_P,{level}")
        bench.time.elapse(1e-3)
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
    bench.time.elapse(2e-3)
    bench.say("DIG:PIN DIO0_P,1")
    bench.time.elapse(3e-3)
    bench.say("DIG:PIN DIO0_P,0")
    assert bench.ask("ACQ:TRig:STAT?") == "TD"
    bench.say("ACQ:TRig:EXT:DEB -1")
    assert bench.errors() == [9515]


# ---- the generator ---------------------------------------------------------------------------------------------------


def test_a_running_train_of_bursts_triggers_at_its_next_burst(bench: Bench) -> None:
    bench.say("SOUR1:BURS:STAT BURST", "SOUR1:BURS:NCYC 2", "SOUR1:BURS:NOR 10", "SOUR1:BURS:INT:PER 10000")
    bench.say("SOUR1:TRig:INT")
    bench.time.elapse(0.024)
    arm(bench, "AWG_PE")
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"
    bench.time.elapse(0.5)
    assert bench.say("ACQ:TRig:STAT?;FILL?") == b"TD;1\r\n"
    bench.say("ACQ:SOUR1:DATA?")
    assert bench.fast.captures[-1][1] == pytest.approx(0.03, abs=1.0 / RATE_HZ)
    arm(bench, "AWG_PE")
    bench.time.elapse(0.5)
    assert bench.ask("ACQ:TRig:STAT?") == "WAIT"  # the train is over


# ---- a trigger for every input ---------------------------------------------------------------------------------------


def test_split_triggers_are_independent() -> None:
    bench = Bench(fast=Signals(in2=step_at(1e-3), in3=step_at(2e-3)), variant="4-input")
    bench.say("ACQ:SPLIT:TRig ON", "ACQ:DEC:CH2 64", "ACQ:DEC:Factor:CH3 100", "ACQ:TRig:LEV 0.25")
    bench.say("ACQ:TRig:DLY:CH2 8192", "ACQ:AVG:CH3 OFF")
    assert bench.ask("ACQ:SPLIT:TRig?") == "1"
    assert [bench.ask(f"ACQ:DEC:CH{n}?") for n in (1, 2, 3, 4)] == ["1", "64", "100", "1"]
    assert bench.ask("ACQ:SRATe:CH3?") == "  1250000 Hz"
    bench.say("ACQ:START:CH2", "ACQ:TRig:CH2 CH2_PE", "ACQ:START:CH3", "ACQ:TRig:CH3 CH3_PE")
    bench.time.elapse(1.5e-3)
    assert [bench.ask(f"ACQ:TRig:STAT:CH{n}?") for n in (2, 3)] == ["TD", "WAIT"]
    bench.time.elapse(0.1)
    assert [bench.ask(f"ACQ:TRig:FILL:CH{n}?") for n in (1, 2, 3)] == ["0", "1", "1"]
    assert (bench.codes("ACQ:SOUR2:DATA?") == 4096).all()
    assert {call[0] for call in bench.fast.captures} == {(2,), (3,)}
    averages = {call[0]: call[-1] for call in bench.fast.captures}
    assert averages == {(2,): 64, (3,): 1}
    assert int(bench.ask("ACQ:WPOS:CH2?")) != int(bench.ask("ACQ:WPOS:CH3?"))
    assert bench.errors() == []


def test_a_command_for_all_inputs_reaches_every_split_one(bench: Bench) -> None:
    bench.say("ACQ:SPLIT:TRig ON", "ACQ:DEC 16", "ACQ:AVG OFF", "ACQ:START", "ACQ:TRig NOW")
    bench.time.elapse(1.0)
    assert [bench.ask(f"ACQ:DEC:CH{n}?") for n in (1, 2)] == ["16", "16"]
    assert [bench.ask(f"ACQ:TRig:FILL:CH{n}?") for n in (1, 2)] == ["1", "1"]
    bench.say("ACQ:RST:CH2")
    assert [bench.ask(f"ACQ:AVG:CH{n}?") for n in (1, 2)] == ["OFF", "ON"]
    bench.say("ACQ:SPLIT:TRig OFF")
    assert bench.ask("ACQ:DEC?") == "16"


def test_settings_of_one_input_need_the_split(bench: Bench) -> None:
    bench.say("ACQ:DEC:CH1 8", "ACQ:START:CH1", "ACQ:TRig:DLY:CH2 5")
    assert bench.errors() == [9524, 9524, 9524]
    bench.say("ACQ:DEC:CH3 8")
    assert bench.errors() == [9500]
    bench.say("ACQ:TRig:LEV:CH2 0.5")  # but this one
    assert [bench.ask(f"ACQ:TRig:LEV:CH{n}?") for n in (1, 2)] == ["0", "0.5"]
    assert bench.ask("ACQ:DEC:CH2?") == "1"


def test_a_board_does_not_trigger_on_an_input_that_it_lacks(bench: Bench) -> None:
    bench.say("ACQ:TRig CH3_PE")
    assert bench.errors() == [9524]


# ---- times -----------------------------------------------------------------------------------------------------------


def test_a_delay_in_time_follows_the_rate(bench: Bench) -> None:
    bench.say("ACQ:DEC:Factor 8", "ACQ:TRig:DLY:NS 64000")
    assert bench.say("ACQ:TRig:DLY?;DLY:NS?") == b"1000;64000\r\n"
    bench.say("ACQ:DEC:Factor 16")
    assert bench.say("ACQ:TRig:DLY?;DLY:NS?") == b"500;64000\r\n"
    bench.say("ACQ:TRig:DLY 600", "ACQ:DEC:Factor 8")
    assert bench.ask("ACQ:TRig:DLY?") == "600"


def test_the_clock_of_triggers() -> None:
    bench = Bench(firmware="3.00-57", fast=Signals(in1=step_at(0.25)))
    bench.time.elapse(0.1)
    bench.say("ACQ:TS 0", "ACQ:DEC 64", "ACQ:TRig:LEV 0.25", "ACQ:START", "ACQ:TRig CH1_PE")
    bench.time.elapse(0.5)
    assert int(bench.ask("ACQ:TS:CH1?")) == pytest.approx(0.15e9, abs=1e9 / RATE_HZ)
    bench.say("ACQ:TS 1.7e308", "ACQ:TS -1")
    assert bench.errors() == [-104, -104]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- the driver on the twin ------------------------------------------------------------------------------------------


def test_driver_triggers_on_a_level() -> None:
    bench = Bench(fast=Signals(in4=step_at(0.02)), variant="4-input")
    board = bench.open(RedPitaya4Input)
    board.initialise()
    board.trigger_level = 0.25
    board.trigger_hysteresis = 0.01
    assert board.trigger_hysteresis == 0.01
    board.arm(64, "CH4_PE", delay=0)
    assert not board.is_triggered()
    with pytest.raises(Refused, match="no complete record"):
        board.read_around_trigger([4], 10)
    bench.time.elapse(0.1)
    assert board.is_triggered()
    around = board.read_around_trigger([4, 1], 3)
    np.testing.assert_allclose(around[0], [0, 0, 0, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(around[1], np.zeros(7))
    assert board.read_around_trigger([4], 3, "POST_TRIG").shape == (1, 4)
    assert board.trigger_position == (board.write_position - 8191) % BUFFER_SAMPLES
    board.trigger_delay_s = -1e-3
    assert board.trigger_delay_s == pytest.approx(-1e-3, abs=1 / RATE_HZ)
    board.external_trigger_holdoff = 1e-3
    assert board.external_trigger_holdoff == pytest.approx(1e-3)
    assert board.buffer_size == BUFFER_SAMPLES


def test_driver_with_triggers_of_their_own() -> None:
    bench = Bench(fast=Signals(in1=step_at(0.02)), variant="4-input", firmware="3.00-57")
    board = bench.open(RedPitaya4Input)
    board.initialise()
    with pytest.raises(Refused, match="not split"):
        board.inputs[1].arm(64)
    board.split_trigger = True
    assert board.split_trigger is True
    one, two = board.inputs[1], board.inputs[2]
    one.trigger_level = 0.25
    one.arm(64, "CH1_PE")
    two.averaging = False
    two.arm(128)
    bench.time.elapse(0.01)
    assert (one.is_triggered(), two.is_triggered()) == (False, True)
    with pytest.raises(Refused, match=r"no complete record after 'ACQ:TRig:FILL:CH1\?'"):
        one.read_record()
    bench.time.elapse(0.1)
    np.testing.assert_allclose(one.read_record(100), 0.5)
    assert two.read_record().shape == (BUFFER_SAMPLES,)
    assert (one.sample_rate_hz, two.sample_rate_hz) == (1953125.0, 976562.0)  # the server rounds
    assert one.triggered_at == pytest.approx(0.02, abs=1e-4)
    two.stop()
