"""Messages to values of the wire, and back. What comes from a wire is checked: a value that is not what it says is
refused with `BadMessage`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from p4p import Value

from labctl.bus.messages import FigureRow, Row, RunSummaryRow, Severity
from labctl.bus.names import TABLES
from labctl.bus.normative_types import (
    ACQUISITION,
    ENUM,
    LEGEND,
    REPLY,
    SCALAR,
    SPECTRUM,
    TEXT,
    column_types,
    curve_type,
    table_type,
)
from labctl.bus.replies import Reply
from labctl.bus.spectra import Curve, LiveSpectrum
from labctl.errors import LabError

RowT = TypeVar("RowT", bound=Row)
NANOSECONDS = 1e9
_LONGEST_QUOTED = 200  # characters
ANSWERED: tuple[type[Row], ...] = (*TABLES, RunSummaryRow, FigureRow)


_NOT_AS_SAID = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


class BadMessage(LabError):
    """What came over the bus is not what its name says."""


@dataclass(frozen=True)
class Scalar:
    """One number as foreign clients see it; a limit is nan where there is none."""

    value: float
    unit: str
    at: float  # wall time, s since the epoch
    low: float = math.nan  # what it can be
    high: float = math.nan
    alarm_low: float = math.nan  # what it should be
    alarm_high: float = math.nan
    severity: int = Severity.NONE
    message: str = ""
    description: str = ""


def _short(error: Exception) -> str:
    return str(error)[:_LONGEST_QUOTED]  # it may quote all that came


def time_stamp(at: float) -> dict[str, int]:
    """Return the fields of a time stamp; 0 where the time is not known."""
    if not math.isfinite(at):
        return {"secondsPastEpoch": 0, "nanoseconds": 0}
    seconds = math.floor(at)
    return {"secondsPastEpoch": seconds, "nanoseconds": int((at - seconds) * NANOSECONDS)}


def stamped_at(value: Value) -> float:
    """Return the time stamp of a value in s since the epoch; nan where it is not known. Raises `BadMessage`."""
    try:
        stamp = value["timeStamp"]
        seconds = float(stamp["secondsPastEpoch"]) + float(stamp["nanoseconds"]) / NANOSECONDS
    except _NOT_AS_SAID as error:
        raise BadMessage(f"A value came without its time stamp ({_short(error)}).") from error
    return seconds or math.nan


# ---- to the wire ----------------------------------------------------------------------------------------------------


def encode_rows(kind: type[RowT], rows: Sequence[RowT], at: float) -> Value:
    """Return the NTTable of rows."""
    names = list(column_types(kind))
    columns = {name: [getattr(row, name) for row in rows] for name in names}
    return Value(
        table_type(kind),
        {"labels": names, "value": columns, "descriptor": kind.__name__, "timeStamp": time_stamp(at)},
    )


def encode_spectrum(spectrum: LiveSpectrum) -> Value:
    """Return the NTTable of a spectrum; one that is not valid carries an alarm."""
    return Value(
        SPECTRUM,
        {
            "labels": ["frequency (Hz)", "power density (V^2/Hz)"],
            "value": {"frequency": spectrum.frequency_hz, "psd": spectrum.psd_v2_per_hz},
            "descriptor": f"{spectrum.channel} {spectrum.kind}, one-sided",
            "alarm": _validity(spectrum.valid, spectrum.reason),
            "timeStamp": time_stamp(spectrum.taken_at),
            "acquisition": {name: getattr(spectrum, name) for name, _ in ACQUISITION},
        },
    )


def encode_curve(curve: Curve) -> Value:
    """Return the NTTable of a curve."""
    return Value(
        curve_type(list(curve.columns)),
        {
            "labels": [f"{curve.x_label} ({curve.x_unit})", *curve.columns],
            "value": {"x": curve.x, **curve.columns},
            "descriptor": curve.title,
            "alarm": _validity(curve.valid, curve.reason),
            "timeStamp": time_stamp(curve.taken_at),
            "legend": {name: getattr(curve, name) for name, _ in LEGEND},
        },
    )


def encode_scalar(scalar: Scalar) -> Value:
    """Return the NTScalar of a number."""
    alarmed = math.isfinite(scalar.alarm_low) or math.isfinite(scalar.alarm_high)
    return Value(
        SCALAR,
        {
            "value": scalar.value,
            "alarm": {"severity": int(scalar.severity), "message": scalar.message},
            "timeStamp": time_stamp(scalar.at),
            "display": {
                "limitLow": _or_zero(scalar.low),
                "limitHigh": _or_zero(scalar.high),
                "description": scalar.description,
                "units": scalar.unit,
            },
            "valueAlarm": {
                "active": alarmed,
                "lowAlarmLimit": scalar.alarm_low,
                "highAlarmLimit": scalar.alarm_high,
                "lowWarningLimit": math.nan,
                "highWarningLimit": math.nan,
            },
        },
    )


def encode_text(text: str, at: float, severity: int = Severity.NONE) -> Value:
    """Return the NTScalar of a text."""
    return Value(TEXT, {"value": text, "alarm": {"severity": int(severity)}, "timeStamp": time_stamp(at)})


def encode_state(state: str, choices: Sequence[str], at: float, severity: int, message: str) -> Value:
    """Return the NTEnum of a state; raises `ValueError` for one that is not among the choices."""
    return Value(
        ENUM,
        {
            "value": {"index": list(choices).index(state), "choices": list(choices)},
            "alarm": {"severity": int(severity), "message": message},
            "timeStamp": time_stamp(at),
        },
    )


def encode_reply(reply: Reply, at: float) -> Value:
    """Return the structure of a reply; its rows are all of one class."""
    fields: dict[str, Any] = {
        "value": reply.text,
        "data": np.frombuffer(reply.data, dtype=np.uint8),
        "timeStamp": time_stamp(at),
    }
    if reply.rows:
        kind = type(reply.rows[0])
        fields["rows"] = encode_rows(kind, reply.rows, at)
    return Value(REPLY, fields)


def _validity(valid: bool, reason: str) -> dict[str, Any]:
    return {"severity": int(Severity.NONE if valid else Severity.INVALID), "message": reason}


def _or_zero(limit: float) -> float:
    """Clients take equal display limits for none."""
    return limit if math.isfinite(limit) else 0.0


# ---- from the wire --------------------------------------------------------------------------------------------------


def decode_rows(kind: type[RowT], value: Value) -> tuple[RowT, ...]:
    """Return the rows of a table; columns that this version does not know are left out.

    Raises `BadMessage` where a column is missing, or is not as long as the others.
    """
    try:
        columns = value["value"]
        lists = [list(map(hint, _cells(columns[name]))) for name, hint in column_types(kind).items()]
    except _NOT_AS_SAID as error:
        raise BadMessage(f"A table of {kind.__name__} came without its columns ({_short(error)}).") from error
    if len({len(column) for column in lists}) > 1:
        raise BadMessage(f"A table of {kind.__name__} came with columns of unlike length.")
    return tuple(kind(*cells) for cells in zip(*lists, strict=True))


def _cells(column: Any) -> Any:
    if isinstance(column, str):
        raise TypeError("a text where a column should be")
    return () if column is None else column  # an array without elements may come as None


def _numbers(column: Any) -> NDArray[np.float64]:
    array = np.asarray(_cells(column), dtype=np.float64)
    if array.ndim != 1:
        raise TypeError("a number where an array should be")
    return array


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"s": str, "d": float, "l": int, "?": bool}


def _fields(value: Any, specification: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {name: _CONVERSIONS[code](value[name]) for name, code in specification}


def decode_spectrum(value: Value) -> LiveSpectrum:
    """Return a spectrum. Raises `BadMessage`."""
    try:
        acquisition = _fields(value["acquisition"], ACQUISITION)
        frequency, psd = _numbers(value["value"]["frequency"]), _numbers(value["value"]["psd"])
    except _NOT_AS_SAID as error:
        raise BadMessage(f"A spectrum came without {_short(error)}.") from error
    if frequency.shape != psd.shape or acquisition["kind"] not in ("psd", "shot", "dark"):
        raise BadMessage(
            f"A spectrum of {acquisition['channel'][:_LONGEST_QUOTED]!r} came with an axis that does not fit."
        )
    return LiveSpectrum(frequency_hz=frequency, psd_v2_per_hz=psd, taken_at=stamped_at(value), **acquisition)


def decode_curve(value: Value) -> Curve:
    """Return a curve. Raises `BadMessage`."""
    try:
        legend = _fields(value["legend"], LEGEND)
        columns = {name: _numbers(column) for name, column in value["value"].items()}
        x = columns.pop("x")
    except _NOT_AS_SAID as error:
        raise BadMessage(f"A curve came without {_short(error)}.") from error
    if any(column.shape != x.shape for column in columns.values()):
        raise BadMessage(f"The curve {legend['system']}:{legend['name']} came with columns of unlike length.")
    return Curve(x=x, columns=columns, taken_at=stamped_at(value), **legend)


def decode_reply(value: Value) -> Reply:
    """Return a reply. Raises `BadMessage`."""
    try:
        text, rows, data = str(value["value"]), value["rows"], bytes(np.asarray(_cells(value["data"]), dtype=np.uint8))
        descriptor = "" if rows is None else str(rows["descriptor"])
    except _NOT_AS_SAID as error:
        raise BadMessage(f"A reply came without {_short(error)}.") from error
    if rows is None:
        return Reply(text, (), data)
    for kind in ANSWERED:
        if kind.__name__ == descriptor:
            return Reply(text, decode_rows(kind, rows), data)
    raise BadMessage(f"A reply came with a table of {descriptor[:_LONGEST_QUOTED]!r}, which nobody knows.")
