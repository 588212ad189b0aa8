"""An open station on the simulated table, one for each test."""

from __future__ import annotations

import pytest
from station_bench import Bench, open_bench


@pytest.fixture
def bench() -> Bench:
    """The shipped table, switched on and open."""
    return open_bench()
