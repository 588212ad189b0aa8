"""Fixtures of the store tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import manifest

from labctl.store.writer import RunWriter


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def writer(runs: Path) -> Iterator[RunWriter]:
    writer = RunWriter.create(runs, manifest())
    yield writer
    writer.close()
