"""The mask of spoiled samples against a plain array of booleans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra.validity import ValidityMask

LENGTH = 60
STRETCHES = st.lists(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted), max_size=12)


@given(STRETCHES, st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted))
def test_agrees_with_booleans(stretches, asked):
    mask, spoiled = ValidityMask(), np.zeros(LENGTH, dtype=bool)
    for start, stop in stretches:
        mask.spoil(start, stop)
        spoiled[start:stop] = True
    start, stop = asked
    if start < stop:
        assert mask.is_good(start, stop) == (not spoiled[start:stop].any())
    assert sum(b - a for a, b in mask.stretches) == spoiled.sum()
    assert all(b < c for (_, b), (c, _) in zip(mask.stretches, mask.stretches[1:], strict=False))


@given(st.lists(st.booleans(), max_size=LENGTH))
def test_a_mask_of_samples_is_the_same(bad):
    mask = ValidityMask()
    mask.spoil_where(np.array(bad, dtype=bool), 100)
    assert [not mask.is_good(100 + i, 101 + i) for i in range(len(bad))] == bad


def test_what_is_past_is_forgotten():
    mask = ValidityMask()
    for start in range(0, 1000, 10):
        mask.spoil(start, start + 5)
        mask.forget(start)
    assert mask.stretches == [(990, 995)]


def test_a_stretch_that_ends_before_it_starts_is_refused():
    with pytest.raises(AnalysisRefused, match="no stretch"):
        ValidityMask().spoil(5, 4)
