"""What a core tells on the bus, as rows of tables.

Each class is one table: a field is a column of float, int, str or bool. All times are wall time in s since the epoch,
except where a name says lab time; nan where there is none. Units are SI, or those that a field `unit` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is, as EPICS counts."""

    NONE = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


@dataclass(frozen=True)
class CoreRow:
    """The process that holds the table; the table has one row."""

    prefix: str  # of all its channels: "labctl"
    station: str  # "simulated table"
    backend: str  # "simulated" or "visa"
    version: str
    pid: int
    sensors: int
    started_at: float
    now: float  # when this was told
    lab_time_s: float
    speed: float  # lab seconds per wall second; 0 where lab time goes as fast as it can
    control_holder: str  # who has the control lease; "" nobody
    control_until: float  # when it ends unless it is renewed
    stopped: bool  # the software stop is latched
    stop_reason: str
    stopped_by: str
    stopped_at: float


@dataclass(frozen=True)
class RunRow:
    """The run that goes on, or the last one; the table has one row."""

    run_id: str
    title: str
    state: str  # "idle", "running", "pausing", "paused", or how it ended: "complete", "stopped", "failed"
    reason: str
    step: str  # the step that runs; "" none
    step_number: int  # from 1
    steps: int
    step_fraction: float  # 0 to 1
    fraction: float  # 0 to 1, of the expected lab time of all steps
    eta_s: float  # lab time left
    started_at: float


@dataclass(frozen=True)
class QueueRow:
    """One step of the queue, done, running or waiting, in order."""

    identity: int
    name: str  # "lock_homodyne[2]"
    procedure: str
    parameters: str  # "sensor = 2, averages = 50"
    state: str  # a `StepState`: "waiting", "running", "done", "failed", "skipped", "stopped"
    attempt: int
    fraction: float
    expected_s: float  # lab time
    started_at: float
    ended_at: float
    needs: str  # names of other steps, separated by ", "
    reason: str


@dataclass(frozen=True)
class LoopRow:
    """One loop, as the last look at it showed; a limit is nan where there is none."""

    name: str  # "lo1"
    kind: str  # "opa_length", "pump_phase", "cavity", "homodyne"
    sensor: int  # 0 for the source
    state: str  # a `LockState`: "locked", "suspect", "scan", "stalled" ...
    why: str
    since: float
    wanted: bool
    parked: str  # why it is held for the moment; "" it is not
    needs: str
    unit: str  # of error and residual
    error: float
    error_limit: float  # a single reading is bad beyond
    residual: float  # rms of the last readings
    residual_limit: float
    witness: float  # light over that at lock: 1 where it holds
    witness_limit: float  # bad below
    output_v: float
    low_v: float
    high_v: float
    losses: int  # in the last hour
    relocks_left: int
    locked_share: float  # of the time that it was wanted
    looked_at: float


@dataclass(frozen=True)
class ReadingRow:
    """One slow reading of the table: oven, vacuum, light."""

    name: str  # "oven", "vacuum"
    label: str  # "Oven"
    value: float
    unit: str
    low: float  # of the window in which it should be
    high: float
    severity: int
    state: str  # "settled", "ramping", "no reply"
    read_at: float


@dataclass(frozen=True)
class CalibrationRow:
    """One calibrated quantity of a sensor (0: of the source), from the last run that measured it."""

    sensor: int
    quantity: str  # "f0", "gamma", "kappa", "fsr", "g0_over_kappa", "visibility", "weight" ...
    label: str  # "f₀"
    value: float
    sigma: float
    unit: str
    low: float  # of the window in which it may be used; nan: no window
    high: float
    measured_at: float
    step: str
    run_id: str
    convention: str


@dataclass(frozen=True)
class ResultRow:
    """A named result of the run that goes on, or of the last one."""

    name: str  # "joint.rephased_db"
    value: float
    sigma: float
    unit: str
    convention: str
    source: str  # step
    measured_at: float


@dataclass(frozen=True)
class AlarmRow:
    """One alarm: raised (latched), acknowledged, cleared; it leaves the list when it is cleared and acknowledged."""

    identity: int
    source: str  # "lo2", "oven", "queue", "bus"
    text: str
    severity: int
    active: bool  # the condition still holds
    acknowledged: bool
    acknowledged_by: str
    raised_at: float
    cleared_at: float  # nan while active
    shelved_until: float  # nan: not shelved
    shelved_why: str
    count: int  # how often it was raised since it was acknowledged
    consequences: str  # what else this first cause brought down: "joint invalid, cavity2 held"


@dataclass(frozen=True)
class EventRow:
    """One line of the event log, the newest last."""

    number: int  # counts all events of this core
    at: float
    lab_time_s: float
    level: str  # "info", "warning", "error"
    source: str
    text: str


@dataclass(frozen=True)
class InstrumentRow:
    """One instrument: who it is, whether it answers, what went wrong last."""

    name: str
    model: str
    driver: str
    address: str
    identity: str
    answers: bool
    latency_s: float
    last_error: str
    last_error_at: float
    checked_at: float
    messages: int  # written and read since the core began


@dataclass(frozen=True)
class ProcedureRow:
    """One procedure that can be put into the queue."""

    name: str
    title: str
    purpose: str  # one or two sentences


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of a procedure, as pymeasure declares it: what a form needs."""

    procedure: str
    name: str
    label: str
    kind: str  # "float", "integer", "boolean", "choice", "text"
    unit: str
    default: str
    minimum: float  # nan: none
    maximum: float
    choices: str  # separated by "|"
    description: str


@dataclass(frozen=True)
class SettingRow:
    """Something of the core that an operator may change at any time, and undo."""

    name: str  # "live.averages"
    label: str
    value: float
    unit: str
    low: float
    high: float
    is_whole: bool


@dataclass(frozen=True)
class RunSummaryRow:
    """One run on disk, as `list_runs` answers."""

    run_id: str
    created: str  # ISO 8601, UTC
    title: str
    state: str
    coverage: str
    reason: str


@dataclass(frozen=True)
class FigureRow:
    """One stored figure of a run, as `list_figures` answers."""

    name: str
    caption: str


@dataclass(frozen=True)
class ChannelRow:
    """One channel of the bus."""

    name: str  # "labctl:lo1:error"
    form: str  # "table", "spectrum", "curve", "scalar", "state", "text", "command"
    unit: str
    description: str


Row = (
    ChannelRow
    | CoreRow
    | RunRow
    | QueueRow
    | LoopRow
    | ReadingRow
    | CalibrationRow
    | ResultRow
    | AlarmRow
    | EventRow
    | InstrumentRow
    | ProcedureRow
    | ParameterRow
    | SettingRow
    | RunSummaryRow
    | FigureRow
)
