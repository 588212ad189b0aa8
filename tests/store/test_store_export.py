"""Runs for other programs: what CSV, NetCDF and MATLAB files hold, and that nothing is overwritten."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray
from scipy.io import loadmat
from store_samples import manifest

from labctl.errors import StoreError
from labctl.store.export import ExportFormat, export_run
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState, TraceRecord
from labctl.store.writer import RunWriter

AXIS = np.array([1.0, 2.0, 3.0])


def trace(name: str, values: object, unit: str = "V") -> TraceRecord:
    conventions = {"rbw_hz": 10.0, "averaging": "power"}
    return TraceRecord(
        name, "a_step", "frequency", "Hz", unit, AXIS, np.asarray(values), conventions, True, "", 1.0, 2.0
    )


@pytest.fixture(params=[RunState.COMPLETE, None], ids=["ended", "running"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunReader:
    writer = RunWriter.create(tmp_path / "runs", manifest("night"))
    writer.add_result(NamedResult("joint.raw_db", -3.7, 0.03, "dB", "one-sided, with a comma", "joint"))
    writer.add_traces(
        [
            trace("joint.signal", [0.1, 0.2, 1 / 3]),
            trace("joint.signal", [4.0, 5.0, 6.0]),
            trace("sensor1.ringdown", [1 + 2j, 3 - 4j, 5j]),
            trace("joint.matrix", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ""),
        ]
    )
    if request.param is not None:
        writer.finish(request.param, "", "")
    else:
        request.addfinalizer(writer.close)
    return RunReader(writer.path)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_csv_has_a_file_for_each_trace(run: RunReader, tmp_path: Path) -> None:
    folder = export_run(run, ExportFormat.CSV, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("joint.matrix.csv", "joint.signal-2.csv", "joint.signal.csv", "results.csv", "sensor1.ringdown.csv"),
        "traces.csv",
    ]
    header, *numbers = rows_of(folder / "joint.signal.csv")
    assert header == ["frequency (Hz)", "joint.signal (V)"]
    assert [float(row[1]) for row in numbers] == [0.1, 0.2, 1 / 3]  # every digit
    assert rows_of(folder / "sensor1.ringdown.csv")[:3] == [
        ["frequency (Hz)", "sensor1.ringdown real (V)", "sensor1.ringdown imaginary (V)"],
        ["1.0", "1.0", "2.0"],
        ["2.0", "3.0", "-4.0"],
    ]
    assert rows_of(folder / "joint.matrix.csv")[1] == ["1.0", "1.0", "4.0"]
    assert rows_of(folder / "results.csv")[1] == [
        *("joint.raw_db", "-3.7", "0.03", "dB", "one-sided, with a comma", "joint")
    ]
    assert rows_of(folder / "traces.csv")[1][-1] == '{"averaging": "power", "rbw_hz": 10.0}'


def test_netcdf_is_the_file_of_the_run_or_made(run: RunReader, tmp_path: Path) -> None:
    path = export_run(run, ExportFormat.NETCDF, tmp_path / "out.nc")
    with xarray.open_dataset(path) as data:
        assert data["joint_signal_2"].values.tolist() == [4.0, 5.0, 6.0]
        assert float(data["joint_raw_db"]) == -3.7
    if run.end is not None:
        assert path.read_bytes() == (run.path / "data.nc").read_bytes()


def test_matlab_reads_results_and_traces(run: RunReader, tmp_path: Path) -> None:
    found = loadmat(export_run(run, ExportFormat.MAT, tmp_path / "out.mat"), simplify_cells=True)
    assert found["results"]["joint_raw_db"]["value"] == -3.7 and found["results"]["joint_raw_db"]["unit"] == "dB"
    assert found["traces"]["sensor1_ringdown"]["values"].tolist() == [1 + 2j, 3 - 4j, 5j]
    assert found["traces"]["joint_signal_2"]["values"].tolist() == [4.0, 5.0, 6.0]
    assert found["run_id"] == "night"


@pytest.mark.parametrize("to", list(ExportFormat))
def test_nothing_is_overwritten(run: RunReader, to: ExportFormat, tmp_path: Path) -> None:
    place = tmp_path / "there"
    place.write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="nothing is overwritten"):
        export_run(run, to, place)
    assert place.read_text(encoding="utf-8") == "mine"
    with pytest.raises(StoreError, match="is not there"):
        export_run(run, to, tmp_path / "nowhere" / "out")


def test_a_failure_leaves_nothing_behind(run: RunReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labctl.store.export._write_trace", full)
    with pytest.raises(StoreError, match="the disk is full"):
        export_run(run, ExportFormat.CSV, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_it_is_named_after_the_run(run: RunReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_run(run, ExportFormat.CSV) == Path("night-csv") and Path("night-csv").is_dir()
