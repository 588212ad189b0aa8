from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spectrum_scene import spectrum

from labctl.dashboard.trace_modes import TraceMemory, TraceMode

POINTS = 5
inputs = st.lists(arrays(np.float64, POINTS, elements=st.floats(1e-3, 1e3)), min_size=1, max_size=8)
verdicts = st.lists(st.booleans(), min_size=8, max_size=8)


def fed(mode: TraceMode, powers: list[np.ndarray], valid: list[bool] | None = None) -> TraceMemory:
    memory = TraceMemory(mode)
    for number, power in enumerate(powers):
        good = valid is None or valid[number]
        memory.take(spectrum("joint", power, taken_at=float(number), valid=good))
    return memory


@settings(max_examples=50, deadline=None)
@given(inputs, verdicts)
def test_hold_and_average_are_those_of_the_valid_inputs(powers: list[np.ndarray], valid: list[bool]) -> None:
    good = [power for power, is_good in zip(powers, valid, strict=False) if is_good]
    for mode, of in (
        (TraceMode.MAX_HOLD, np.max),
        (TraceMode.MIN_HOLD, np.min),
        (TraceMode.AVERAGE, np.mean),
    ):
        memory = fed(mode, powers, valid)
        assert (memory.count, memory.skipped) == (len(good), len(powers) - len(good))
        if good:
            np.testing.assert_allclose(memory.power, of(good, axis=0), rtol=1e-12)
        else:
            assert not memory.is_shown


@settings(max_examples=20, deadline=None)
@given(arrays(np.float64, POINTS, elements=st.floats(1e-3, 1e3)), st.integers(1, 20))
def test_average_of_equal_traces_is_the_trace(power: np.ndarray, count: int) -> None:
    memory = fed(TraceMode.AVERAGE, [power] * count)
    assert memory.count == count
    assert np.array_equal(memory.power, power)


def test_restart_begins_with_the_newest() -> None:
    memory = fed(TraceMode.MAX_HOLD, [np.full(POINTS, 9.0), np.full(POINTS, 2.0)])
    memory.restart()
    assert memory.power is not None
    assert (memory.power[0], memory.count) == (2.0, 1)


def test_another_axis_restarts() -> None:
    memory = fed(TraceMode.AVERAGE, [np.full(POINTS, 9.0)] * 3)
    other = spectrum("joint", np.ones(POINTS), frequency_hz=np.arange(1.0, POINTS + 1), taken_at=10.0)
    memory.take(other)
    assert memory.count == 1
    assert np.array_equal(memory.power, np.ones(POINTS))
    assert np.array_equal(memory.frequency_hz, other.frequency_hz)


def test_what_is_not_a_number_never_enters_an_average() -> None:
    memory = fed(TraceMode.AVERAGE, [np.ones(POINTS), np.array([1, np.nan, 1, 1, 1])])
    assert np.array_equal(memory.power, np.ones(POINTS))


def test_the_same_spectrum_again_is_not_counted_again() -> None:
    memory = fed(TraceMode.AVERAGE, [np.ones(POINTS)])
    memory.take(spectrum("joint", np.ones(POINTS), taken_at=0.0))
    assert memory.count == 1


def test_view_keeps_what_was_shown_and_write_goes_on() -> None:
    memory = fed(TraceMode.MAX_HOLD, [np.full(POINTS, 9.0)])
    memory.use_mode(TraceMode.VIEW)
    memory.take(spectrum("joint", np.ones(POINTS), taken_at=5.0))
    assert memory.power is not None
    assert (memory.power[0], memory.taken_at, memory.made_by) == (9.0, 0.0, TraceMode.MAX_HOLD)
    memory.use_mode(TraceMode.WRITE)
    assert memory.power[0] == 1.0


def test_blank_shows_nothing() -> None:
    memory = fed(TraceMode.WRITE, [np.ones(POINTS)])
    memory.use_mode(TraceMode.BLANK)
    memory.take(spectrum("joint", np.ones(POINTS), taken_at=5.0))
    assert not memory.is_shown


@pytest.mark.parametrize("mode", [TraceMode.AVERAGE, TraceMode.MAX_HOLD, TraceMode.MIN_HOLD])
def test_what_is_taken_is_not_written_to(mode: TraceMode) -> None:
    power = np.ones(POINTS)
    power.flags.writeable = False
    memory = fed(mode, [power, 2 * power])
    assert memory.count == 2
    assert replace(spectrum("joint", power)).psd_v2_per_hz is power
