"""Records for the tests of the store, and for the processes that those tests kill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.store.records import InstrumentSnapshot, Manifest, NamedResult, SettingValue, TraceRecord

POINTS = 101
AXIS: NDArray[np.float64] = np.linspace(4.0e6, 4.4e6, POINTS)


def manifest(run_id: str = "night", created: str = "2026-01-02T03:04:05+00:00", **changes: Any) -> Manifest:
    entries: dict[str, Any] = {
        "title": "Joint squeezing",
        "station_file": '[station]\nname = "bench"\n',
        "station_name": "bench",
        "recipe": "steps = []\n",
        "backend": "simulated",
        "seed": 7,
        "scenario": "quiet",
        "parameters": {"rbw": 1234567.891234, "sensors": [1, 2, 3, 4], "nothing": None},
        "versions": {"labctl": "0.1.0"},
        "git_commit": None,
        "instruments": [
            InstrumentSnapshot(
                "analyzer", "drivers.x.Y", "TCPIP::a", "Maker,Model,1", {"rbw": SettingValue(1e3, 0.5, "read")}
            )
        ],
    }
    return Manifest(run_id=run_id, created=created, **(entries | changes))


def trace(name: str = "joint.signal", values: Any = None, **changes: Any) -> TraceRecord:
    entries: dict[str, Any] = {
        "step": "measure_joint",
        "axis_name": "frequency",
        "axis_unit": "Hz",
        "values_unit": "V^2/Hz",
        "axis": AXIS,
        "values": np.arange(POINTS, dtype=np.float64) if values is None else values,
        "conventions": {"rbw_hz": 1e3, "detector": "rms", "k": 50, "one_sided": True},
        "valid": True,
        "invalid_reason": "",
        "started_at": 1.0,
        "ended_at": 2.5,
    }
    return TraceRecord(name=name, **(entries | changes))


def result(name: str = "joint.raw_db", value: float = -3.7, sigma: float = 0.1) -> NamedResult:
    return NamedResult(name, value, sigma, "dB", "relative to shot noise", "measure_joint")


def same_trace(a: TraceRecord, b: TraceRecord) -> bool:
    """Equal in everything: metadata, dtype, shape and every bit of the numbers."""
    metadata = [name for name in TraceRecord.__dataclass_fields__ if name not in ("axis", "values")]
    left, right = np.asarray(a.values), np.asarray(b.values)
    return (
        all(getattr(a, name) == getattr(b, name) for name in metadata)
        and np.asarray(a.axis).tobytes() == np.asarray(b.axis).tobytes()
        and (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())
    )
