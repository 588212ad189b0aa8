"""data.nc opens in one line and holds everything, exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from store_samples import AXIS, POINTS, manifest, result, trace

from labctl.errors import StoreError
from labctl.store.netcdf import write_netcdf
from labctl.store.records import EndRecord, EventRecord, RunState, StepRecord, StepState, TraceRecord


def written(path: Path, traces: list[TraceRecord], **changes: Any) -> Path:
    write_netcdf(path, changes.pop("manifest", manifest()), traces, changes.pop("results", {}), [], **changes)
    return path


def test_one_line_each(tmp_path: Path) -> None:
    end = EndRecord(RunState.STOPPED, "the operator asked", "37 of 50 averages", "2026-01-02T04:00:00+00:00")
    events = [EventRecord(1.0, "info", "lo2", "locked µ\0"), EventRecord(2.5, "error", "lo2", "")]
    steps = [StepRecord("joint", "measure_joint", StepState.DONE, parameters={"rbw": 1e3})]
    path = tmp_path / "data.nc"
    write_netcdf(
        path,
        manifest(station_file="x" * 200_000),  # longer than an HDF5 object header may be
        [trace(), trace("joint.shot", valid=False, invalid_reason="lo2 unlocked")],
        {"joint.raw_db": result()},
        events,
        steps=steps,
        end=end,
    )
    dataset = xr.open_dataset(path)
    file = h5py.File(path)
    with dataset, file:
        np.testing.assert_array_equal(dataset["joint_signal"].values, trace().values)
        np.testing.assert_array_equal(dataset["joint_signal"].coords["frequency"].values, AXIS)
        np.testing.assert_array_equal(file["joint_signal"][:], trace().values)
        assert dataset["frequency"].attrs["units"] == "Hz"
        assert (dataset["joint_signal"] - dataset["joint_shot"]).dims == ("frequency",)
        attributes = dataset["joint_shot"].attrs
        expected = {
            "kind": "trace",
            "long_name": "joint.shot",
            "units": "V^2/Hz",
            "step": "measure_joint",
            "valid": 0,
            "invalid_reason": "lo2 unlocked",
            "started_at_s": 1.0,
            "ended_at_s": 2.5,
            "convention_rbw_hz": 1e3,
            "convention_detector": "rms",
            "convention_k": 50,
            "convention_one_sided": "true",
        }
        assert attributes == expected
        assert float(dataset["joint_raw_db"]) == -3.7
        assert dataset["joint_raw_db"].attrs["uncertainty"] == 0.1
        assert dataset["joint_raw_db"].attrs["convention"] == "relative to shot noise"
        assert dataset["event_text"].values.tolist() == ["locked µ\\x00", ""]
        assert dataset["event_at"].values.tolist() == [1.0, 2.5]
        assert json.loads(dataset.attrs["manifest"])["station_file"] == "x" * 200_000
        assert json.loads(dataset.attrs["steps"])[0]["parameters"] == {"rbw": 1000.0}
        assert [dataset.attrs[name] for name in ("state", "coverage")] == ["stopped", "37 of 50 averages"]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint64", "float32", "float64"])
def test_real_numbers_of_every_type_survive(tmp_path: Path, dtype: str) -> None:
    values = (np.arange(2 * POINTS).reshape(2, POINTS) % 3).astype(dtype)
    if dtype == "int64":
        values[0, 0] = 2**53 + 1
    with xr.open_dataset(written(tmp_path / "data.nc", [trace(values=values)])) as dataset:
        variable = dataset["joint_signal"]
        assert variable.dims == ("channel_2", "frequency")
        assert variable.dtype == values.dtype
        np.testing.assert_array_equal(variable.values, values)


@pytest.mark.parametrize(("dtype", "part"), [("complex64", "float32"), ("complex128", "float64")])
def test_complex_numbers_are_pairs(tmp_path: Path, dtype: str, part: str) -> None:
    values = (np.arange(POINTS) * (1 - 0.1j)).astype(dtype)
    with xr.open_dataset(written(tmp_path / "data.nc", [trace(values=values)])) as dataset:
        variable = dataset["joint_signal"]
        assert variable.dims == ("frequency", "complex_part")
        assert variable.dtype == part
        assert variable.attrs["complex"] == "last dimension: 0 real part, 1 imaginary part"
        np.testing.assert_array_equal(variable.values[:, 0] + 1j * variable.values[:, 1], values)


def test_half_precision_is_widened_and_nan_kept(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, POINTS).astype(np.float16)
    values[3] = math.nan
    with xr.open_dataset(written(tmp_path / "data.nc", [trace(values=values)])) as dataset:
        np.testing.assert_array_equal(dataset["joint_signal"].values, values.astype(np.float32))


def test_names_never_clash(tmp_path: Path) -> None:
    axes = [AXIS, AXIS + 1.0, AXIS]
    names = ["a.b_c", "a_b.c", "a.b_c_2", "a.b_c", "frequency.x", "event.at"]
    traces = [
        trace(
            name, np.full(POINTS, float(number)), axis=axes[number % 3], axis_name=["frequency", "a_b_c"][number // 5]
        )
        for number, name in enumerate(names)
    ]
    with xr.open_dataset(written(tmp_path / "data.nc", traces, results={"a.b_c": result("a.b_c")})) as dataset:
        stored = {variable.attrs["long_name"]: [] for variable in dataset.values()}
        for variable in dataset.values():
            if variable.attrs["kind"] == "trace":
                stored[variable.attrs["long_name"]].append(float(variable.values[0]))
        assert stored == {
            "a.b_c": [0.0, 3.0],
            "a_b.c": [1.0],
            "a.b_c_2": [2.0],
            "frequency.x": [4.0],
            "event.at": [5.0],
        }
        assert float(dataset["a_b_c"]) == -3.7


def test_odd_units_and_conventions_open_without_being_acted_on(tmp_path: Path) -> None:
    odd = {"scale_factor": 2.0, "_FillValue": 1.0, "calendar": "x", "RBW Hz": 1, "RBW_Hz": 2, "big": 2**80, "empty": ""}
    path = written(tmp_path / "data.nc", [trace(conventions=odd, axis_unit="", values_unit="", axis_name="")])
    with xr.open_dataset(path) as dataset:
        np.testing.assert_array_equal(dataset["joint_signal"].values, trace().values)
        attributes = dataset["joint_signal"].attrs
        assert (attributes["convention_RBW_Hz"], attributes["convention_RBW_Hz_"]) == (1, 2)
        assert attributes["convention_big"] == float(2**80)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "data.nc", [trace()])
    before = path.read_bytes()

    def broken_source() -> Any:
        yield trace()
        raise OSError(5, "Input/output error")

    with pytest.raises(StoreError, match=r"data\.nc.*hardware error"):
        write_netcdf(path, manifest(), broken_source(), {}, [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
