"""An hour of a table that is knocked, drifts and hops: locked and valid most of the time, and never valid wrongly for
long."""

from __future__ import annotations

import pytest
from disturbed_night import disturbances, live_through
from night_score import LONGEST_FALSE_S, score

LEAST_VALID = 0.96  # of one hour: few losses, so their number scatters
DETECTED_S = 0.75


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_hour_is_valid_and_its_losses_are_seen_at_once() -> None:
    night = live_through(51, 1.0, disturbances(0.01))
    found = score(night)
    assert night.error == ""
    assert found.losses > 0 and found.stalls == 0
    assert found.valid > LEAST_VALID
    assert found.longest_false_s <= LONGEST_FALSE_S
    assert max(found.delays_s, default=0.0) < DETECTED_S
