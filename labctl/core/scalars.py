"""Single numbers and states for clients that know nothing of labctl: archivers, alarm servers, panels, scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from labctl.bus.messages import LoopRow, ReadingRow, RunRow, Severity
from labctl.bus.names import result_name
from labctl.bus.server import BusServer
from labctl.bus.wire import Scalar
from labctl.core.core import Core
from labctl.locks.states import LockState

STATES: Final = [str(state) for state in LockState]
RUN_STATES: Final = ["idle", "running", "pausing", "paused", "complete", "stopped", "failed", "crashed"]
_BAD: Final[Mapping[str, Severity]] = {
    LockState.SUSPECT: Severity.MINOR,
    LockState.RELOCK: Severity.MINOR,
    LockState.STALLED: Severity.MAJOR,
    LockState.FAULT: Severity.MAJOR,
}


SAID_AGAIN_S: Final = 1.0  # what did not change


class Scalars:
    """Tells the numbers of a core, each when it changed or once a second."""

    def __init__(self, server: BusServer, core: Core) -> None:
        self._server = server
        self._core = core
        self._said: dict[str, tuple[object, float]] = {}

    def tell(self, loops: Sequence[LoopRow], readings: Sequence[ReadingRow], run: RunRow, now: float) -> None:
        """Tell what changed."""
        for loop in loops:
            self._tell_loop(loop, now)
        for reading in readings:
            self._number(
                f"{reading.name}:value",
                Scalar(
                    reading.value,
                    reading.unit,
                    reading.read_at,
                    alarm_low=reading.low,
                    alarm_high=reading.high,
                    severity=reading.severity,
                    message=reading.state,
                    description=reading.label,
                ),
                now,
            )
        for name, measured in self._core.board.measured.items():
            result = measured.result
            scalar = Scalar(result.value, result.unit, measured.at, description=result.convention)
            self._number(result_name(name), scalar, now)
            sigma = Scalar(result.sigma, result.unit, measured.at, description=f"standard uncertainty of {name}")
            self._number(f"{result_name(name)}_sigma", sigma, now)
        self._tell_run(run, now)
        self._tell_alarms(now)

    def _tell_loop(self, row: LoopRow, now: float) -> None:
        name = row.name
        severity = _BAD.get(row.state, Severity.NONE) if row.wanted else Severity.NONE
        # A table that stands still grows old, also where nobody wants a loop and so nobody looks at it.
        seen_at = row.looked_at if row.wanted and math.isfinite(row.looked_at) else self._table_at()
        self._state(f"{name}:state", row.state, STATES, severity, row.why, f"state of {name}", now, seen_at)
        stale = Severity.NONE if math.isfinite(row.looked_at) else Severity.INVALID
        numbers = {
            "error": Scalar(row.error, row.unit, row.looked_at, alarm_low=-row.error_limit, alarm_high=row.error_limit),
            "residual": Scalar(row.residual, row.unit, row.looked_at, 0.0, alarm_high=row.residual_limit),
            "witness": Scalar(row.witness, "", row.looked_at, alarm_low=row.witness_limit),
            "output": Scalar(row.output_v, "V", row.looked_at, row.low_v, row.high_v),
            "locked_share": Scalar(row.locked_share, "", now, 0.0, 1.0),
        }
        for quantity, scalar in numbers.items():
            described = replace(
                scalar,
                severity=max(stale, _severity(scalar, severity)),
                message=row.why if severity else "",
                description=f"{quantity.replace('_', ' ')} of {name}",
            )
            self._number(f"{name}:{quantity}", described, now)

    def _tell_run(self, run: RunRow, now: float) -> None:
        self._state("run:state", run.state, RUN_STATES, Severity.NONE, run.reason, "state of the run", now)
        self._number("run:progress", Scalar(100.0 * run.fraction, "%", now, 0.0, 100.0, description="of the run"), now)
        self._number("run:eta", Scalar(run.eta_s, "s", now, description="lab time left"), now)
        self._text("run:step", run.step, "step that runs", now)
        self._text("run:title", run.title, "title of the run", now)

    def _tell_alarms(self, now: float) -> None:
        rows = [row for row in self._core.board.alarms.rows(now) if not row.shelved_until >= now]
        worst = max((row.severity for row in rows if row.active), default=0)
        text = rows[0].text if rows else ""
        count = Scalar(
            float(sum(not row.acknowledged for row in rows)),
            "",
            now,
            severity=worst,
            message=text,
            description="alarms that nobody acknowledged",
        )
        self._number("alarm:unacknowledged", count, now)
        latch = self._core.board.latch
        severity = Severity.MAJOR if latch.stopped else Severity.NONE
        said = f"{latch.by}: {latch.reason}" if latch.stopped else ""
        self._state(
            "core:stop", "stopped" if latch.stopped else "released", ["released", "stopped"], severity, said,
            "software stop", now,
        )  # fmt: skip

    # ---- what did not change is said once a second ------------------------------------------------------------------

    def _is_due(self, name: str, said: object, now: float) -> bool:
        before, at = self._said.get(name, (None, 0.0))
        if now - at < SAID_AGAIN_S and repr(before) == repr(said):
            return False
        self._said[name] = (said, now)
        return True

    def _number(self, name: str, scalar: Scalar, now: float) -> None:
        if self._is_due(name, (scalar.value, scalar.severity, scalar.alarm_low), now):
            self._server.tell_scalar(name, scalar)

    def _text(self, name: str, text: str, description: str, now: float) -> None:
        if self._is_due(name, text, now):
            self._server.tell_text(name, text, description)

    def _state(
        self,
        name: str,
        state: str,
        choices: Sequence[str],
        severity: int,
        message: str,
        description: str,
        now: float,
        seen_at: float = math.nan,
    ) -> None:
        if self._is_due(name, (state, severity, message), now):
            self._server.tell_state(name, state, choices, severity, message, description, seen_at)

    def _table_at(self) -> float:
        """Return the wall time of the lab time that it is."""
        return self._core.board.times.wall_of(self._core.bench.clock.now())


def _severity(scalar: Scalar, otherwise: int) -> int:
    """Return how bad a number is by its own limits, and at least `otherwise`."""
    if math.isnan(scalar.value):
        return max(otherwise, Severity.INVALID)
    outside = scalar.value < scalar.alarm_low or scalar.value > scalar.alarm_high
    return max(otherwise, Severity.MINOR if outside else Severity.NONE)
