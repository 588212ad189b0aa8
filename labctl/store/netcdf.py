"""data.nc: a whole run in one NetCDF-4 (hence HDF5) file.

Opens in one line with `xarray.open_dataset(path)`, `h5py.File(path)` or MATLAB's `ncread`. Every trace is a variable
(`joint.signal` is `joint_signal`, the next of that name `joint_signal_2`) on the coordinate of its axis. Traces on
equal axes share one: they divide and subtract as they are, and the file opens fast. A complex trace has a last
dimension of 2: real, imaginary. Results are scalar variables with the attribute `uncertainty`. The manifest is a JSON
attribute of the file.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
from numpy.typing import NDArray

from labctl.host.durability import sync_file
from labctl.store import json_codec
from labctl.store.durable import aside, commit
from labctl.store.failures import store_error
from labctl.store.losses import LossRecord
from labctl.store.netcdf_losses import add_loss
from labctl.store.netcdf_text import printable
from labctl.store.records import (
    AskedSetting,
    ConventionValue,
    EndRecord,
    EventRecord,
    InstrumentSnapshot,
    Manifest,
    NamedResult,
    StepRecord,
    TraceRecord,
)

DATA_FILE = "data.nc"
CONVENTION_PREFIX = "convention_"  # keeps conventions apart from attributes that readers act on, such as scale_factor

_COMPLEX_DIMENSION = "complex_part"
_EVENT_DIMENSION = "event"
_Texts = NDArray[np.object_]


def write_netcdf(
    path: Path,
    manifest: Manifest,
    traces: Iterable[TraceRecord],
    results: Mapping[str, NamedResult],
    events: Iterable[EventRecord],
    *,
    steps: Iterable[StepRecord] = (),
    snapshots: Iterable[InstrumentSnapshot] = (),
    asked_settings: Iterable[AskedSetting] = (),
    losses: Iterable[LossRecord] = (),
    end: EndRecord | None = None,
) -> None:
    """Write the file aside, fsync it and rename it to `path`; traces are taken one by one.

    Raises StoreError naming the folder; `path` is then as it was before.
    """
    part = aside(path)
    try:
        sink = _Sink(part)
        try:
            with h5netcdf.File(sink, "w") as file:
                contents = _Contents(file)
                contents.add_run(manifest, list(steps), list(snapshots), end)
                contents.add_settings(list(asked_settings))
                contents.add_events(list(events))
                contents.add_losses(losses)
                for result in results.values():
                    contents.add_result(result)
                for trace in traces:
                    contents.add_trace(trace)
                    if sink.failure is not None:
                        break
            sink.finish()
        finally:
            sink.close()
        commit(part, path)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:  # h5py raises all of these
        raise store_error(f"write {path.name}", path.parent, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


class _Sink(FileIO):
    """A file that never fails: once it cannot be written it goes on in memory, and remembers why.

    HDF5 brings the whole process down (segmentation fault) when a write fails, as on a full disk, or when it does not
    find what it wrote. So it is never told; the file is thrown away at the end instead.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.failure: OSError | None = None
        self._memory: io.BytesIO | None = None

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left and self._memory is None:
            try:
                left = left[super().write(left) or 0 :]
            except OSError as error:
                self._go_on_in_memory(error)
        if left and self._memory is not None:
            self._memory.write(left)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        if self._memory is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._go_on_in_memory(error)
        assert self._memory is not None
        wanted = self._memory.tell() if size is None else size
        here, length = self._memory.tell(), len(self._memory.getbuffer())
        if wanted > length:
            self._memory.seek(length)
            self._memory.write(bytes(wanted - length))
            self._memory.seek(here)
        return self._memory.truncate(wanted)

    def readinto(self, buffer: Any, /) -> int | None:
        return super().readinto(buffer) if self._memory is None else self._memory.readinto(buffer)

    def read(self, size: int | None = -1, /) -> Any:
        return super().read(-1 if size is None else size) if self._memory is None else self._memory.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return super().seek(offset, whence) if self._memory is None else self._memory.seek(offset, whence)

    def tell(self) -> int:
        return super().tell() if self._memory is None else self._memory.tell()

    def finish(self) -> None:
        """Make the file durable; raises the first error that was kept from HDF5."""
        if self.failure is not None:
            raise self.failure
        sync_file(self.fileno())

    def _go_on_in_memory(self, error: OSError) -> None:
        here = super().tell()
        super().seek(0)
        memory = io.BytesIO(super().readall())
        memory.seek(here)
        self.failure, self._memory = error, memory


class _Contents:
    """The file while it is being filled."""

    def __init__(self, file: h5netcdf.File) -> None:
        self._file = file
        self._taken: dict[str, int] = {}  # name: how many were named after it
        self._axes: dict[tuple[str, str, bytes], str] = {}
        self._channels: dict[int, str] = {}
        self._complex = self._claim(_COMPLEX_DIMENSION)
        self._file.dimensions[self._complex] = 2

    def add_run(
        self,
        manifest: Manifest,
        steps: list[StepRecord],
        snapshots: list[InstrumentSnapshot],
        end: EndRecord | None,
    ) -> None:
        """The manifest and the journal, as attributes of the file."""
        attributes = self._file.attrs
        attributes["title"] = printable(manifest.title)
        attributes["run_id"] = manifest.run_id
        attributes["created"] = manifest.created
        attributes["manifest"] = _json(manifest, "manifest")
        attributes["steps"] = _json(steps, "steps")
        attributes["snapshots"] = _json(snapshots, "snapshots")
        if end is not None:
            attributes["state"] = end.state.value
            attributes["reason"] = printable(end.reason)
            attributes["coverage"] = printable(end.coverage)

    def add_settings(self, asked: list[AskedSetting]) -> None:
        """What settings were last asked to be, as an attribute of the file."""
        self._file.attrs["asked_settings"] = _json(asked, "asked settings")

    def add_events(self, events: list[EventRecord]) -> None:
        """Events as four variables along one dimension; absent when nothing happened."""
        if not events:
            return
        dimension = self._claim(_EVENT_DIMENSION)
        self._file.dimensions[dimension] = len(events)
        times = self._file.create_variable(
            self._claim("event_at"), (dimension,), np.float64, data=np.array([event.at for event in events])
        )
        times.attrs["units"] = "s"
        times.attrs["long_name"] = "lab time"
        for name in ("level", "source", "text"):
            texts: _Texts = np.array([printable(getattr(event, name)) for event in events], dtype=np.object_)
            self._file.create_variable(self._claim(f"event_{name}"), (dimension,), h5py.string_dtype(), data=texts)

    def add_losses(self, losses: Iterable[LossRecord]) -> None:
        """Lost locks, each with the signals of all loops around it."""
        for number, loss in enumerate(losses, start=1):
            add_loss(self._file, self._claim, loss, number)

    def add_result(self, result: NamedResult) -> None:
        """A scalar with its standard uncertainty."""
        name = self._claim(result.name)
        variable = self._file.create_variable(name, (), np.float64, data=np.float64(result.value))
        variable.attrs["kind"] = "result"
        variable.attrs["long_name"] = result.name
        variable.attrs["units"] = printable(result.unit)
        variable.attrs["uncertainty"] = np.float64(result.sigma)
        variable.attrs["convention"] = printable(result.convention)
        variable.attrs["source"] = printable(result.source)

    def add_trace(self, trace: TraceRecord) -> None:
        """A variable on its axis, with everything that is known about it."""
        name = self._claim(trace.name)
        values = np.asarray(trace.values)
        dimensions: tuple[str, ...] = (self._axis(trace),)
        if values.ndim == 2:
            dimensions = (self._channel(values.shape[0]), *dimensions)
        attributes: dict[str, Any] = {"kind": "trace", "long_name": trace.name, "units": printable(trace.values_unit)}
        if np.iscomplexobj(values):
            dimensions = (*dimensions, self._complex)
            attributes["complex"] = "last dimension: 0 real part, 1 imaginary part"
        elif values.dtype == np.bool_:
            attributes["dtype"] = "bool"  # xarray's own mark for truth values, which NetCDF lacks
        values = as_kept(values)
        attributes |= {
            "step": printable(trace.step),
            "valid": np.int8(trace.valid),
            "invalid_reason": printable(trace.invalid_reason),
            "started_at_s": np.float64(trace.started_at),
            "ended_at_s": np.float64(trace.ended_at),
        }
        for key, value in trace.conventions.items():
            attribute = CONVENTION_PREFIX + legal_name(key)
            while attribute in attributes:  # two keys that differ only in what a name cannot hold
                attribute += "_"
            attributes[attribute] = _attribute(value)
        variable = self._file.create_variable(name, dimensions, values.dtype, data=values)
        for key, value in attributes.items():
            variable.attrs[key] = value

    def _axis(self, trace: TraceRecord) -> str:
        axis = np.asarray(trace.axis, dtype=np.float64)
        key = (trace.axis_name, trace.axis_unit, axis.tobytes())
        if key not in self._axes:
            name = self._axes[key] = self._claim(trace.axis_name or "axis")
            self._file.dimensions[name] = axis.size
            variable = self._file.create_variable(name, (name,), np.float64, data=axis)
            variable.attrs["long_name"] = printable(trace.axis_name)
            variable.attrs["units"] = printable(trace.axis_unit)
        return self._axes[key]

    def _channel(self, size: int) -> str:
        if size not in self._channels:
            name = self._channels[size] = self._claim(f"channel_{size}")
            self._file.dimensions[name] = size
        return self._channels[size]

    def _claim(self, wanted: str) -> str:
        """A legal name that nothing in the file has yet."""
        first = name = legal_name(wanted)
        while name in self._taken:
            self._taken[first] += 1
            name = f"{first}_{self._taken[first]}"
        self._taken[name] = 1
        return name


def as_kept(values: NDArray[Any]) -> NDArray[Any]:
    """The numbers of a trace as NetCDF can hold them, none of them changed."""
    if np.iscomplexobj(values):
        return np.stack([values.real, values.imag], axis=-1)
    if values.dtype == np.bool_:
        return values.astype(np.int8)
    if values.dtype == np.float16:
        return values.astype(np.float32)  # NetCDF has no half precision; single holds it exactly
    return values


def legal_name(name: str) -> str:
    """The name of a variable for a trace or result: letters, digits and underscores, a letter first."""
    legal = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return legal if legal[:1].isalpha() else f"x{legal}"


def _attribute(value: ConventionValue) -> Any:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int | np.integer):
        return np.int64(value) if abs(int(value)) <= sys.maxsize else np.float64(value)
    return np.float64(value)


def _json(value: object, where: str) -> str:
    return json_codec.as_bytes(json_codec.encode(value, where)).decode("utf-8")
