"""Runs on disk and the catalogue of runs.

A run is a folder: `manifest.json` before anything moves, `run.db` while it happens, `data.nc`, `results.json` and
`end.json` when it ends or is recovered. What `RunWriter` has acknowledged survives a kill and a power cut;
`labctl.store.recover` closes a run that could not close itself.
"""

from labctl.store.catalogue import Catalogue
from labctl.store.losses import LossRecord
from labctl.store.reader import RunReader
from labctl.store.records import (
    AskedSetting,
    EndRecord,
    EventRecord,
    InstrumentSnapshot,
    Manifest,
    NamedResult,
    RunState,
    RunSummary,
    SettingValue,
    StepRecord,
    StepState,
    TraceInfo,
    TraceRecord,
)
from labctl.store.writer import RunWriter

__all__ = [
    "AskedSetting",
    "Catalogue",
    "EndRecord",
    "EventRecord",
    "InstrumentSnapshot",
    "LossRecord",
    "Manifest",
    "NamedResult",
    "RunReader",
    "RunState",
    "RunSummary",
    "RunWriter",
    "SettingValue",
    "StepRecord",
    "StepState",
    "TraceInfo",
    "TraceRecord",
]
