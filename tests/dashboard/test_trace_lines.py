from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spectrum_scene import fill

from labctl.bus.latest import Latest
from labctl.dashboard.trace_lines import fitting_range, reference_line, trace_line
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_store import Trace, TraceStore


@pytest.fixture
def store() -> TraceStore:
    latest, store = Latest(), TraceStore()
    fill(latest)
    store.take(latest)
    return store


def line(trace: Trace | None, relative: bool = True) -> tuple[np.ndarray, np.ndarray]:
    assert trace is not None
    return trace_line(trace, relative, 4.08e6, 4.56e6, 600)


def test_levels_are_those_of_the_noise_and_lines_keep_their_height(store: TraceStore) -> None:
    x, joint = line(store.trace("joint"))
    _, rephased = line(store.trace("rephased"))
    _, first = line(store.trace("bhd1"))
    assert len(x) <= 602
    assert np.median(joint) == pytest.approx(-3.7, abs=0.03)
    assert np.median(rephased) == pytest.approx(-4.6, abs=0.03)
    assert np.median(first) == pytest.approx(-0.8, abs=0.03)
    assert first.max() > 4.0
    assert x[np.argmax(first)] == pytest.approx(4.276e6, abs=900)


def test_dark_noise_is_shown_relative_to_the_same_shot_noise(store: TraceStore) -> None:
    trace = store.trace("joint")
    assert trace is not None and trace.dark is not None
    _, dark = reference_line(trace.dark, trace.shot, 4.08e6, 4.56e6, 600)
    assert np.median(dark) == pytest.approx(-20.0, abs=0.05)


def test_holds_show_their_extremes_even_when_frozen(store: TraceStore) -> None:
    level = {}
    for mode in (TraceMode.WRITE, TraceMode.MAX_HOLD, TraceMode.MIN_HOLD):
        store.use_mode("rephased", mode)
        level[mode] = np.median(line(store.trace("rephased"))[1])
    assert level[TraceMode.MIN_HOLD] + 0.5 < level[TraceMode.WRITE] < level[TraceMode.MAX_HOLD] - 0.5
    store.use_mode("rephased", TraceMode.VIEW)
    assert np.median(line(store.trace("rephased"))[1]) == level[TraceMode.MIN_HOLD]


@settings(max_examples=60, deadline=None)
@given(st.floats(-150, 50), st.floats(0, 80))
def test_the_range_holds_all_and_is_at_rest(low: float, height: float) -> None:
    lines = [np.array([low, np.nan]), np.array([low + height])]
    found = fitting_range(lines)
    assert found[0] <= low and low + height <= found[1]
    assert fitting_range(lines, found) == found
    assert fitting_range([np.array([low - 100, low + height])], found) != found


def test_nothing_to_fit_changes_nothing() -> None:
    assert fitting_range([np.array([np.nan])], (-3.0, 4.0)) == (-3.0, 4.0)
