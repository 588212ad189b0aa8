"""Fixtures of the store tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import manifest

from labctl.store.writer import RunWriter

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which an fsync takes no time, where there is one: what it did is recorded all the same."""
    if not SHARED_MEMORY.is_dir() or not os.access(SHARED_MEMORY, os.W_OK):
        yield tmp_path_factory.mktemp("cut")
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY, prefix="labctl-test-") as folder:
        yield Path(folder)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def writer(runs: Path) -> Iterator[RunWriter]:
    writer = RunWriter.create(runs, manifest())
    yield writer
    writer.close()
