"""What may go into a run. Every refusal says what is wrong with which record."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np

from labctl.errors import RecordRefused, StoreError
from labctl.store.blobs import MOST_DIMENSIONS
from labctl.store.records import EventLevel, EventRecord, Manifest, NamedResult, StepRecord, TraceRecord

_DOTTED_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_LONGEST_NAME = 200
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RESERVED_RUN_IDS = {"last"}


def check_name(kind: str, name: object) -> None:
    """Names of traces and results: lower case, at least two dotted parts."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _DOTTED_NAME.fullmatch(name):
        raise RecordRefused(
            f"{str(name)[:_LONGEST_NAME]!r} is no name for a {kind}.",
            remedy="Names are lower case and dotted, such as joint.raw_db or sensor1.f0_hz.",
        )


def check_result(result: NamedResult) -> NamedResult:
    """The result with plain floats; refuses what JSON cannot hold and what is no uncertainty."""
    check_name("result", result.name)
    try:
        value, sigma = float(result.value), float(result.sigma)
    except (TypeError, ValueError) as error:
        raise RecordRefused(f"Result {result.name} is no real number ({error}).") from error
    if not (math.isfinite(value) and math.isfinite(sigma) and sigma >= 0):
        raise RecordRefused(
            f"Result {result.name} = {value} +- {sigma} {result.unit} cannot be stored.",
            remedy="Value and uncertainty must be finite, and the uncertainty not negative.",
        )
    return NamedResult(result.name, value, sigma, result.unit, result.convention, result.source)


def check_trace(trace: TraceRecord) -> None:
    """Name, shapes and times of a trace."""
    check_name("trace", trace.name)
    axis, values = np.asarray(trace.axis), np.asarray(trace.values)
    if axis.ndim != 1 or axis.size == 0 or axis.dtype.kind not in "iuf":
        raise RecordRefused(f"The axis of trace {trace.name} must be n > 0 real numbers; it is {_described(axis)}.")
    if not 1 <= values.ndim <= MOST_DIMENSIONS or values.size == 0 or values.shape[-1] != axis.size:
        raise RecordRefused(
            f"The values of trace {trace.name} must be ({axis.size},) or (m, {axis.size}) numbers; "
            f"they are {_described(values)}."
        )
    for key, value in trace.conventions.items():
        if not isinstance(value, str | bool | int | float | np.bool_ | np.integer | np.floating):
            raise RecordRefused(
                f"Convention {key!r} of trace {trace.name} is a {type(value).__name__}, not a plain value."
            )
    for what, time in (("start", trace.started_at), ("end", trace.ended_at)):
        _check_time(f"The {what} of trace {trace.name}", time)


def check_event(event: EventRecord) -> None:
    """Level and time of an event."""
    if event.level not in get_args(EventLevel):
        raise StoreError(f"The event level {event.level!r} is none of {', '.join(get_args(EventLevel))}.")
    _check_time("The time of an event", event.at)


def check_step(step: StepRecord) -> None:
    """Times of a step, where it has any."""
    for time in (step.started_at, step.ended_at):
        if time is not None:
            _check_time(f"A time of step {step.name}", time)


def check_manifest(manifest: Manifest) -> None:
    """The run id must be a folder name on every system, and `created` a UTC time."""
    run_id = manifest.run_id
    if (
        not isinstance(run_id, str)
        or not _RUN_ID.fullmatch(run_id)
        or run_id.endswith(".")
        or run_id in _RESERVED_RUN_IDS
    ):
        raise StoreError(
            f"{str(run_id)[:_LONGEST_NAME]!r} is no run id.",
            remedy="Use up to 128 letters, digits, '.', '_' and '-', beginning with a letter or digit.",
        )
    parse_created(manifest.created)


def parse_created(created: str) -> datetime:
    """Wall time of an ISO 8601 text; raises StoreError unless it is in UTC."""
    try:
        moment = datetime.fromisoformat(created)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"The creation time {str(created)[:40]!r} is not ISO 8601.", remedy="Write UTC with offset."
        ) from error
    if moment.utcoffset() != timedelta(0):
        raise StoreError(f"The creation time {created!r} is not in UTC.", remedy="Write it with +00:00 or Z.")
    return moment.astimezone(UTC)


def _check_time(what: str, time: float) -> None:
    if not math.isfinite(time):
        raise StoreError(f"{what} is {time}.", remedy="Lab time is a finite number of seconds.")


def _described(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return f"{array.dtype} of shape {array.shape}"
