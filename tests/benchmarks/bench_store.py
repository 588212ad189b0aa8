"""Speed of the store. Run with: pytest tests/benchmarks/bench_store.py

Every transaction waits for the disk, so the figures are those of the disk under the temporary folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labctl.store.netcdf import write_netcdf
from labctl.store.records import Manifest, TraceRecord
from labctl.store.writer import RunWriter

POINTS = 1001
TRACES_IN_A_TRANSACTION = 5
ROUNDS = 300
MANIFEST = Manifest("bench", "2026-01-01T00:00:00Z", "bench", "", "bench", "", "simulated")


def traces(count: int) -> list[TraceRecord]:
    axis = np.linspace(4.0e6, 4.4e6, POINTS)
    generator = np.random.default_rng(1)
    conventions = {"rbw_hz": 1e3, "enbw_hz": 1.06e3, "detector": "rms", "k": 50, "one_sided": True}
    return [
        TraceRecord(
            *(f"sensor{index + 1}.signal", "bench", "frequency", "Hz", "V^2/Hz", axis),
            *(generator.standard_exponential(POINTS), conventions, True, "", 0.0, 1.0),
        )
        for index in range(count)
    ]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    writer = RunWriter.create(tmp_path, MANIFEST)
    yield writer
    writer.close()


@pytest.mark.parametrize("count", [1, TRACES_IN_A_TRANSACTION])
def test_durable_traces(benchmark: Any, writer: RunWriter, count: int) -> None:
    together = traces(count)
    identities = benchmark.pedantic(writer.add_traces, args=(together,), rounds=400, warmup_rounds=5)
    benchmark.extra_info["traces_per_second"] = count / benchmark.stats.stats.mean
    assert len(identities) == count


def test_netcdf_of_100_traces(benchmark: Any, tmp_path: Path) -> None:
    given = traces(100)
    benchmark.pedantic(write_netcdf, args=(tmp_path / "data.nc", MANIFEST, given, {}, []), rounds=3)
    assert (tmp_path / "data.nc").stat().st_size > 100 * POINTS * 8


def test_durable_traces_with_and_without_checksums(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """What the checksum of every trace costs: the same transactions with and without it, in turn."""
    given, took_s = traces(TRACES_IN_A_TRANSACTION), {"with": 0.0, "without": 0.0}
    for _ in range(ROUNDS):
        for how in took_s:
            with monkeypatch.context() as patch:
                if how == "without":
                    patch.setattr("labctl.store.trace_rows.digest_of", lambda *fields: bytes(16))
                began = time.perf_counter()
                writer.add_traces(given)
                took_s[how] += time.perf_counter() - began
    ratio = took_s["with"] / took_s["without"]
    record_property("ratio", ratio)
    print(f"time with checksums / without: {ratio:.3f}")  # noqa: T201 - read by who runs it
