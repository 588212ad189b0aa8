"""A run for other programs: a folder of CSV files, one NetCDF file, or one MATLAB file. Nothing is overwritten."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from labctl.errors import StoreError
from labctl.store.archive_flag import refuse_archived
from labctl.store.durable import aside
from labctl.store.failures import reported, store_error
from labctl.store.netcdf import DATA_FILE, write_netcdf
from labctl.store.netcdf_text import printable
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState, TraceInfo, TraceRecord

RESULTS_TABLE = "results.csv"
TRACES_TABLE = "traces.csv"
_LONGEST_MATLAB_NAME = 63
_LARGEST_MATLAB_BYTES = 2**31 - 1  # of one variable in a version 5 file


class ExportFormat(StrEnum):
    """What a run can be exported to."""

    CSV = "csv"
    NETCDF = "netcdf"
    MAT = "mat"


_ENDINGS = {ExportFormat.CSV: "-csv", ExportFormat.NETCDF: ".nc", ExportFormat.MAT: ".mat"}


def export_run(run: RunReader, to: ExportFormat, output: Path | None = None) -> Path:
    """Export a run and return what was written: `output`, else the id of the run with an ending, in the current folder.

    It is whole or absent. Raises `StoreError` where something is there already or it cannot be written.
    """
    place = output or Path(f"{run.run_id}{_ENDINGS[to]}")
    if place.exists():
        raise StoreError(f"{place} is there already, and nothing is overwritten.", remedy="Give another --output.")
    if not place.absolute().parent.is_dir():
        raise StoreError(f"The folder of {place} is not there.", remedy="Make it, or give another --output.")
    refuse_archived(place)
    part = aside(place)
    try:
        with reported(f"export to {place.name}", place.absolute().parent):
            _WRITERS[to](run, part)
            part.replace(place)
    finally:
        with suppress(OSError):
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
    return place


def _write_csv(run: RunReader, folder: Path) -> None:
    folder.mkdir()
    results = [
        (one.name, repr(one.value), repr(one.sigma), one.unit, one.convention, one.source)
        for one in sorted(run.results().values(), key=lambda result: result.name)
    ]
    _write_table(folder / RESULTS_TABLE, ("name", "value", "sigma", "unit", "convention", "source"), results)
    index = []
    for file_name, info in _named(run.traces()):
        trace = run.trace_number(info.identity)
        _write_trace(folder / f"{file_name}.csv", trace)
        index.append((f"{file_name}.csv", *_about(trace)))
    header = ("file", "name", "step", "axis", "unit", "valid", "invalid_reason", "started_s", "ended_s", "conventions")
    _write_table(folder / TRACES_TABLE, header, index)


def _about(trace: TraceRecord) -> tuple[object, ...]:
    return (
        *(trace.name, trace.step, f"{trace.axis_name} ({trace.axis_unit})", trace.values_unit),
        *("yes" if trace.valid else "no", trace.invalid_reason, repr(trace.started_at), repr(trace.ended_at)),
        json.dumps(dict(trace.conventions), sort_keys=True, default=str),
    )


def _write_trace(path: Path, trace: TraceRecord) -> None:
    """One column for the axis, then one a channel; a complex channel has two, its real and its imaginary part."""
    unit = f" ({trace.values_unit})" if trace.values_unit else ""
    channels = np.atleast_2d(trace.values)
    header, columns = [f"{trace.axis_name} ({trace.axis_unit})"], [np.asarray(trace.axis, dtype=np.float64)]
    for number, channel in enumerate(channels, start=1):
        name = trace.name if len(channels) == 1 else f"{trace.name}[{number}]"
        if np.iscomplexobj(channel):
            header += [f"{name} real{unit}", f"{name} imaginary{unit}"]
            columns += [channel.real, channel.imag]
        else:
            header.append(f"{name}{unit}")
            columns.append(channel)
    _write_table(path, header, zip(*(column.tolist() for column in columns), strict=True))


def _write_table(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _write_netcdf(run: RunReader, path: Path) -> None:
    if run.state is not RunState.RUNNING and (run.path / DATA_FILE).is_file():
        shutil.copyfile(run.path / DATA_FILE, path)
        return
    write_netcdf(
        path,
        run.manifest,
        (run.trace_number(info.identity) for info in run.traces()),
        run.results(),
        run.events(),
        steps=run.steps(),
        snapshots=run.snapshots(),
        asked_settings=run.asked_settings() or (),
        losses=run.losses(),
        end=run.end,
    )


def _write_mat(run: RunReader, path: Path) -> None:
    from scipy.io import savemat  # scipy takes a moment to load: only who exports should wait

    contents = {
        "run_id": run.run_id,
        "created": printable(run.manifest.created),
        "title": printable(run.manifest.title),
        "station": printable(run.manifest.station_name),
        "results": _structure({name: _result_fields(one) for name, one in run.results().items()}),
        "traces": _structure(
            {name: _trace_fields(run.trace_number(info.identity)) for name, info in _named(run.traces())}
        ),
    }
    try:
        with path.open("wb") as file:
            savemat(file, contents, long_field_names=True, do_compression=True)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise store_error("write a MATLAB file", path.absolute().parent, error) from error


def _result_fields(one: NamedResult) -> dict[str, Any]:
    texts = {"unit": one.unit, "convention": one.convention, "source": one.source}
    return {"value": one.value, "sigma": one.sigma} | {key: printable(text) for key, text in texts.items()}


def _trace_fields(trace: TraceRecord) -> dict[str, Any]:
    values = np.asarray(trace.values)
    if values.nbytes > _LARGEST_MATLAB_BYTES:
        raise StoreError(
            f"Trace {trace.name} has {values.nbytes / 1e9:.1f} GB, more than a MATLAB file takes.",
            remedy="Export to netcdf: MATLAB reads that too.",
        )
    return {
        "name": trace.name,
        "axis": np.asarray(trace.axis),
        "axis_name": printable(trace.axis_name),
        "axis_unit": printable(trace.axis_unit),
        "values": values,
        "values_unit": printable(trace.values_unit),
        "step": printable(trace.step),
        "valid": bool(trace.valid),
        "invalid_reason": printable(trace.invalid_reason),
        "started_at_s": trace.started_at,
        "ended_at_s": trace.ended_at,
        "conventions": printable(json.dumps(dict(trace.conventions), sort_keys=True, default=str)),
    }


def _structure(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the fields under names that MATLAB takes: "joint.raw_db" becomes joint_raw_db."""
    found: dict[str, dict[str, Any]] = {}
    for name, content in fields.items():
        legal = re.sub(r"[^A-Za-z0-9_]", "_", name)[:_LONGEST_MATLAB_NAME]
        number = 1
        while (legal if number == 1 else f"{legal}_{number}") in found:
            number += 1
        found[legal if number == 1 else f"{legal}_{number}"] = content
    return found


def _named(traces: Sequence[TraceInfo]) -> Iterator[tuple[str, TraceInfo]]:
    """Each trace with a name of its own: the second joint.signal is joint.signal-2."""
    seen: dict[str, int] = {}
    for info in traces:
        seen[info.name] = seen.get(info.name, 0) + 1
        yield (info.name if seen[info.name] == 1 else f"{info.name}-{seen[info.name]}"), info


_WRITERS = {ExportFormat.CSV: _write_csv, ExportFormat.NETCDF: _write_netcdf, ExportFormat.MAT: _write_mat}
