"""data.nc held against run.db: the same traces, bit for bit, and the same results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from labctl.store.netcdf import as_kept, legal_name
from labctl.store.netcdf_text import printable
from labctl.store.records import NamedResult, TraceRecord


def differences(path: Path, traces: Iterable[TraceRecord], results: Mapping[str, NamedResult]) -> Iterator[str]:
    """Yield a sentence for everything in which data.nc differs; traces are taken one by one.

    Raises OSError, RuntimeError, KeyError or ValueError where the file cannot be read.
    """
    with h5py.File(path, "r") as file:
        waiting = _variables(file, "trace")
        for trace in traces:
            same_name = waiting.get(trace.name)
            if not same_name:
                yield f"trace {trace.name} of step {trace.step} is missing."
                continue
            yield from _trace_differences(file, same_name.pop(0), trace)
        for name, left in waiting.items():
            if left:
                yield f"there are {len(left)} traces {name} more than in run.db."
        yield from _result_differences(file, results)


def _variables(file: h5py.File, kind: str) -> dict[str, list[str]]:
    """Long name -> variables of that kind in the order in which they were written."""
    found: dict[str, list[tuple[int, str]]] = {}
    for variable, dataset in file.items():
        if dataset.attrs.get("kind") == kind:
            name = str(dataset.attrs["long_name"])
            rest = variable.removeprefix(legal_name(name)).removeprefix("_")
            found.setdefault(name, []).append((int(rest) if rest else 1, variable))
    return {name: [variable for _, variable in sorted(numbered)] for name, numbered in found.items()}


def _trace_differences(file: h5py.File, variable: str, trace: TraceRecord) -> Iterator[str]:
    dataset = file[variable]
    values = np.asarray(trace.values)
    axis = file[dataset.dims[values.ndim - 1][0].name]
    said = f"trace {trace.name} of step {trace.step} ({variable})"
    if not _same_bits(dataset[...], as_kept(values)):
        yield f"the numbers of {said} are not those of run.db."
    if not _same_bits(axis[...], np.asarray(trace.axis, dtype=np.float64)):
        yield f"the axis of {said} is not that of run.db."
    expected: dict[str, object] = {
        "units": printable(trace.values_unit),
        "step": printable(trace.step),
        "valid": int(trace.valid),
        "invalid_reason": printable(trace.invalid_reason),
        "started_at_s": trace.started_at,
        "ended_at_s": trace.ended_at,
    }
    for name, value in expected.items():
        if (found := _attribute(dataset, name)) != value:
            yield f"{name} of {said} is {found!r}, and in run.db {value!r}."


def _result_differences(file: h5py.File, results: Mapping[str, NamedResult]) -> Iterator[str]:
    variables = _variables(file, "result")
    for name in sorted(results.keys() ^ variables.keys()):
        yield f"result {name} is {'missing' if name in results else 'not in run.db'}."
    for name in sorted(results.keys() & variables.keys()):
        dataset, result = file[variables[name][0]], results[name]
        found = (float(dataset[()]), _attribute(dataset, "uncertainty"))
        if found != (result.value, result.sigma):
            yield f"result {name} is {found[0]!r} +- {found[1]!r}, and in run.db {result.value!r} +- {result.sigma!r}."


def _attribute(dataset: h5py.Dataset, name: str) -> object:
    """An attribute as the plain value that it is: numbers are kept as arrays of one."""
    found = dataset.attrs[name]
    return found.item() if isinstance(found, np.ndarray | np.generic) and found.size == 1 else found


def _same_bits(found: Any, expected: np.ndarray[Any, Any]) -> bool:
    found = np.ascontiguousarray(found)
    same_kind = (found.dtype, found.shape) == (expected.dtype, expected.shape)
    return same_kind and found.tobytes() == np.ascontiguousarray(expected).tobytes()
