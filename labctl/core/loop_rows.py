"""What the supervisor knows of the loops, as rows and curves of the bus."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from labctl.bus.messages import LoopRow
from labctl.bus.spectra import Curve
from labctl.configuration.station_file import Loop, StationFile
from labctl.core.lab_times import LabTimes
from labctl.locks.locked_time import LoopTime
from labctl.locks.machine import LoopMachine
from labctl.locks.scan_look import ScanLook
from labctl.locks.supervisor import Supervisor

HOUR_S = 3600.0


def loop_rows(supervisor: Supervisor, file: StationFile, times: LabTimes, lab_now: float) -> list[LoopRow]:
    """Return the row of each loop, in the order in which they are locked."""
    shares = {time.loop: time for time in supervisor.locked_time.times()}
    losses: dict[str, int] = {}
    for loss in tuple(supervisor.losses):
        if lab_now - loss.at <= HOUR_S:
            losses[loss.loop] = losses.get(loss.loop, 0) + 1
    return [
        _row(machine, file.loops[name], times, lab_now, shares, losses.get(name, 0))
        for name, machine in supervisor.machines.items()
    ]


def _row(
    machine: LoopMachine,
    loop: Loop,
    times: LabTimes,
    lab_now: float,
    shares: Mapping[str, LoopTime],
    losses: int,
) -> LoopRow:
    last, actuator, tolerance = machine.last, machine.actuator, machine.loop.tolerance
    share = shares.get(machine.name)
    return LoopRow(
        name=machine.name,
        kind=loop.kind,
        sensor=loop.sensor if loop.kind in ("homodyne", "cavity") else 0,
        state=str(machine.state),
        why=machine.why,
        since=times.wall_of(machine.since),
        wanted=machine.wanted,
        parked=machine.parked,
        needs=", ".join(loop.needs),
        unit=machine.loop.unit,
        error=math.nan if last is None else last.error,
        error_limit=_finite(tolerance.largest_error),
        residual=_residual(machine),
        residual_limit=_finite(tolerance.rms),
        witness=math.nan if last is None else last.witness,
        witness_limit=tolerance.least_witness or math.nan,
        output_v=math.nan if actuator is None else actuator.output_v,
        low_v=math.nan if actuator is None else actuator.low_v,
        high_v=math.nan if actuator is None else actuator.high_v,
        losses=losses,
        relocks_left=machine.budget.left(lab_now),
        locked_share=math.nan if share is None else share.share,
        looked_at=times.wall_of(math.nan if last is None else last.at),
    )


def _residual(machine: LoopMachine) -> float:
    """Return the rms error of the last readings of a loop that is locked."""
    errors = [reading.error for reading in tuple(machine.readings)]
    return math.sqrt(float(np.mean(np.square(errors)))) if errors and machine.is_locked else math.nan


def _finite(limit: float) -> float:
    return limit if math.isfinite(limit) else math.nan


def history_curve(supervisor: Supervisor, name: str, unit: str, wall_s: float) -> Curve:
    """Return the last minutes of a loop: error, witness and output over lab time before now, in s."""
    recent = supervisor.history.of(name)
    return Curve(
        system=name,
        name="history",
        title=f"{name.upper().replace('_', ' ')}: the last minutes",
        x_label="time",
        x_unit="s",
        y_label="error",
        y_unit=unit,
        x=recent[0] - recent[0][-1] if recent.shape[1] else recent[0],
        columns={"error": recent[1], "witness": recent[2], "output": recent[3]},
        taken_at=wall_s,
    )


def scan_curve(name: str, look: ScanLook, times: LabTimes) -> Curve:
    """Return the last scan of a loop with its fit."""
    return Curve(
        system=name,
        name="scan",
        title=f"{name.upper().replace('_', ' ')}: {look.title}",
        x_label=look.x_label,
        x_unit="V",
        y_label=look.y_label,
        y_unit="V",
        x=look.x_v,
        columns={"measured": look.measured_v, "fit": look.fit_v},
        text="\n".join(look.numbers),
        taken_at=times.wall_of(look.at),
    )
