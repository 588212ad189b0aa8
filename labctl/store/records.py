"""What a run holds: plain frozen records, in SI units, with their conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ConventionValue = str | float | int | bool
EventLevel = Literal["info", "warning", "error"]
HowObtained = Literal["read", "cached", "failed"]


class StepState(StrEnum):
    """Where a step of a recipe stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = "stopped"


class RunState(StrEnum):
    """How a run stands or ended. CRASHED: its process is gone and did not close it."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"


@dataclass(frozen=True, eq=False)
class TraceRecord:
    """One trace with its axis: `values` has shape (n,), or (m, n) for m channels, real or complex."""

    name: str  # lower case, dotted: "joint.signal"
    step: str  # the step that took it
    axis_name: str  # "frequency"
    axis_unit: str  # "Hz"
    values_unit: str  # "V^2/Hz"
    axis: NDArray[np.float64]  # (n,)
    values: NDArray[Any]
    conventions: Mapping[str, ConventionValue]  # RBW, ENBW, detector, averaging, K, one-sided ...
    valid: bool  # verdict of the locks that the trace needed
    invalid_reason: str
    started_at: float  # lab time, s
    ended_at: float  # lab time, s


@dataclass(frozen=True)
class TraceInfo:
    """A stored trace without its numbers; `identity` is its row, unique within the run."""

    identity: int
    name: str
    step: str
    axis_name: str
    axis_unit: str
    values_unit: str
    shape: tuple[int, ...]
    dtype: str
    conventions: Mapping[str, ConventionValue]
    valid: bool
    invalid_reason: str
    started_at: float  # lab time, s
    ended_at: float  # lab time, s


@dataclass(frozen=True)
class DoubtfulTrace:
    """A trace that was marked invalid after it was kept: its step, its name and when it was begun (lab time, s)."""

    step: str
    name: str
    started_at: float


@dataclass(frozen=True)
class NamedResult:
    """One number with its standard uncertainty `sigma`, both in `unit`."""

    name: str  # "joint.raw_db"
    value: float
    sigma: float
    unit: str
    convention: str
    source: str  # name of the step that gave it


@dataclass(frozen=True)
class EventRecord:
    """Something that happened, at lab time `at` in s."""

    at: float
    level: EventLevel
    source: str
    text: str


@dataclass(frozen=True)
class StepRecord:
    """One attempt at one step; times are lab time in s, None where it has not happened."""

    name: str
    procedure: str
    state: StepState
    attempt: int = 1
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SettingValue:
    """A setting of an instrument, when it was obtained (lab time, s) and how."""

    value: Any
    at: float
    how: HowObtained


@dataclass(frozen=True)
class InstrumentSnapshot:
    """An instrument as it was found; `name` is its role in the station file."""

    name: str
    driver: str
    address: str
    identity: str  # what it answers to *IDN? or the like
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True)
class AskedSetting:
    """What a setting of an instrument was last asked to be, in `unit` ("" where it is not known).

    `source` is the step during which it was asked.
    """

    instrument: str
    setting: str  # "module_1.integral_gain"
    value: Any
    unit: str
    source: str


@dataclass(frozen=True)
class Manifest:
    """Everything needed to repeat the run, written before anything moves.

    `created` is wall time, ISO 8601 in UTC. `station_file` and `recipe` are the texts, not the paths.
    """

    run_id: str
    created: str
    title: str
    station_file: str
    station_name: str
    recipe: str
    backend: str
    seed: int | None = None
    scenario: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    instruments: list[InstrumentSnapshot] = field(default_factory=list)


@dataclass(frozen=True)
class EndRecord:
    """How a run ended. `ended` and `recovered_at` are wall time, ISO 8601 in UTC."""

    state: RunState
    reason: str
    coverage: str  # "37 of 50 averages", "7 of 12 steps"
    ended: str
    recovered_at: str | None = None
    problems: tuple[str, ...] = ()  # what could not be written or read back when the run was closed


@dataclass(frozen=True)
class RunSummary:
    """One line of the catalogue."""

    run_id: str
    path: Path
    created: str
    title: str
    station_name: str
    backend: str
    state: RunState
    reason: str
    coverage: str
