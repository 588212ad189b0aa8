"""`labctl verify` and `labctl archive`: what they say and their exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.store.records import Manifest, NamedResult, RunState
from labctl.store.writer import RunWriter


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name in ("one", "two"):
        writer = RunWriter.create(
            folder, Manifest(name, "2026-01-01T20:00:00+00:00", "t", "", "bench", "", "simulated")
        )
        writer.add_result(NamedResult("joint.raw_db", -3.7, 0.1, "dB", "", "a_step"))
        writer.finish(RunState.COMPLETE, "", "")
    return folder


def test_verify_tells_what_is_wrong_and_what_to_do(runs: Path) -> None:
    well = run_labctl("verify", "one", "two", "--runs", runs)
    assert well.returncode == 0 and "one: well. Checked:" in well.stdout and "two: well." in well.stdout
    (runs / "two" / "results.json").write_text("{}")
    found = run_labctl("verify", "one", "two", "none", "--runs", runs)
    assert found.returncode == 1
    assert "one: well." in found.stdout and "two: 2 faults." in found.stdout
    assert "results.json is not what it was when the run was closed: its checksum differs. Restore it" in found.stdout
    assert "none: There is no run 'none'" in found.stdout


def test_archive_and_its_way_back(runs: Path) -> None:
    assert "verified and archived" in run_labctl("archive", "one", "--runs", runs).stdout
    assert "archived already" in run_labctl("archive", "one", "--runs", runs).stdout
    refused = run_labctl("recover", "one", "--runs", runs)
    assert refused.returncode == 1 and "one is archived: nothing is written into it" in refused.stderr
    assert "writable again" in run_labctl("archive", "one", "--undo", "--runs", runs).stdout
    (runs / "two" / "data.nc").unlink()
    refused = run_labctl("archive", "two", "--runs", runs)
    assert refused.returncode == 1 and "data.nc is missing" in refused.stderr
