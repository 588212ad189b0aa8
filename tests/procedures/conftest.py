"""One locked table for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from procedure_bench import LockedTable


@pytest.fixture(scope="module")
def table() -> Iterator[LockedTable]:
    """A warm, locked table for the tests of one file, each with a record of its own."""
    locked = LockedTable.make()
    yield locked
    locked.opened.station.close()
