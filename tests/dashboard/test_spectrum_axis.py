from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.dashboard.spectrum_axis import CalmAxis, round_ticks


@settings(max_examples=50, deadline=None)
@given(st.floats(-200, 200), st.floats(1e-3, 400), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low: float, width: float, most: int) -> None:
    step, places = round_ticks(low, low + width, most)
    assert len(places) <= most + 1
    assert all(low - 1e-6 * step <= place <= low + width + 1e-6 * step for place in places)
    assert float(f"{step:.0e}") == pytest.approx(step)


def test_frequencies_are_read_in_megahertz() -> None:
    axis = CalmAxis("bottom", 1e-6, "MHz")
    step, places = axis.ticks(4.08e6, 4.56e6, 500)
    assert axis.tickStrings(places, 1.0, step) == ["4.1", "4.2", "4.3", "4.4", "4.5"]


def test_levels_have_a_true_minus() -> None:
    assert CalmAxis("left", 1.0).tickStrings([-5.0, 0.0, 5.0], 1.0, 5.0) == ["−5", "0", "5"]
