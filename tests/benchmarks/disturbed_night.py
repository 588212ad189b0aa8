"""A night of a simulated table that is knocked, drifts and hops, with the locks supervised, beside what was true."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ideal_table import open_table, phase_error_rad
from numpy.typing import NDArray

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.losses import Evidence, Loss
from labctl.locks.machine import Level
from labctl.locks.states import LockState
from labctl.locks.supervisor import Supervisor
from labctl.locks.watch import LockWatch
from labctl.simulation.disturbances import Happening
from labctl.simulation.sensor_cavity import SensorCavity
from labctl.simulation.source_plant import _HWHM_M, PUMP_LENGTH_FSR_M
from labctl.simulation.table import SimulatedTable

_STATION = Path(__file__).parents[2] / "config" / "simulated.toml"
PHASE_LOST_RAD = 0.5
CAVITY_HWHM_M = 76e-9
QUIET_S = 400.0  # all loops are up before the first disturbance
AT_LEAST_S, AT_MOST_S = 5.0, 60.0  # how long after a loss its evidence goes on
HOUR_S = 3600.0


def disturbances(path_drift_rad_per_s: float) -> list[dict[str, object]]:
    """Return what disturbs the night, as in a station file."""
    after = f"{QUIET_S:g} s"
    return [
        {"kind": "kicks", "strength": 1.0, "every": "40 min", "after": after},
        {"kind": "kicks", "strength": 2.0, "every": "40 min", "after": after},
        {"kind": "door_slam", "every": "60 min", "after": after},
        {"kind": "power_drop", "share": 0.8, "lasting": "60 s", "every": "60 min", "after": after},
        {"kind": "mode_hop", "jump": "300 MHz", "every": "60 min", "after": after},
        {"kind": "oven_drift", "per_hour": "0.01 K", "after": after},
        {"kind": "path_drift", "rad_per_s": path_drift_rad_per_s, "after": after},
        {"kind": "cavity_drift", "after": after},
    ]


def disturbed_station(seed: int, what: list[dict[str, object]]) -> StationFile:
    """Return the shipped station with these disturbances."""
    content = json.loads(station_text(_STATION))
    content["backend"] |= {"seed": seed, "scenario": "ideal", "disturbances": what}
    return StationFile.model_validate(content)


class TruthLog:
    """How far each loop truly is from its point at every tick of the table: rad, for lengths half linewidths."""

    def __init__(self, table: SimulatedTable, quadratures: dict[str, tuple[int, int]]) -> None:
        self._table = table
        self._quadratures = quadratures
        cavities = [f"cavity{number}" for number in range(1, len(table.sensors) + 1)]
        self.names = ("opa_length", "pump_phase", *quadratures, *cavities)
        self._limits = (1.0, *[PHASE_LOST_RAD] * (1 + len(quadratures)), *[1.0] * len(cavities))
        self.at: list[float] = []
        self.away: list[tuple[float, ...]] = []
        table.attach(self)

    def advance(self, now: float) -> None:
        """Note one tick."""
        source = self._table.source
        piezo_v = source._length_piezo.motion_v(source.length_servo.output_volts())
        length_m = math.remainder(source._length_at(piezo_v), PUMP_LENGTH_FSR_M)
        sensors = (
            abs(phase_error_rad(self._table.sensors[sensor - 1], quadrature))
            for sensor, quadrature in self._quadratures.values()
        )
        self.at.append(now)
        cavities = (abs(_off_resonance_m(sensor.cavity)) / CAVITY_HWHM_M for sensor in self._table.sensors)
        self.away.append((abs(length_m) / _HWHM_M, abs(source.pump_phase_error_rad()), *sensors, *cavities))

    def gone_now(self) -> tuple[bool, ...]:
        """Return for each loop whether its lock was truly gone at the last tick."""
        return tuple(away > limit for away, limit in zip(self.away[-1], self._limits, strict=True))

    def gone(self) -> NDArray[np.bool_]:
        """Return for each loop and tick, shape (loops, ticks), whether the lock was truly gone."""
        return np.asarray(np.array(self._limits)[:, None] < np.array(self.away).T)


def _off_resonance_m(cavity: SensorCavity) -> float:
    """Return how much longer a cavity is than at the nearest resonance, in m."""
    return math.remainder(cavity.gap_m() - cavity._resonant_gap_m, 0.5 * cavity._design_m)


@dataclass
class Night:
    """What happened in one night: truth, what the supervisor said, and the evidence of each loss."""

    names: tuple[str, ...]
    needs: dict[str, tuple[str, ...]]
    began_at: float
    ended_at: float
    at: NDArray[np.float64]
    away: NDArray[np.float64]
    gone: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    happened: list[Happening]
    losses: list[Loss]
    evidence: list[Evidence]
    settled: list[Evidence]
    told: list[tuple[float, Level, str, str]]
    invalid: tuple[tuple[float, float], ...]
    states: dict[str, str]
    cpu_s: float
    bring_up_s: float
    error: str = ""
    unwinds: dict[str, int] = field(default_factory=dict)


def live_through(seed: int, hours: float, what: list[dict[str, object]], only: tuple[str, ...] | None = None) -> Night:
    """Bring all loops up, watch them for `hours`, and return what happened."""
    began = time.process_time()
    file = disturbed_station(seed, what)
    opened = open_table(file)
    clock = opened.station.clock
    loops = build_loops(opened.station)
    if only is not None:
        loops = Loops({name: loop for name, loop in loops.by_name.items() if name in only})
    names = list(loops.by_name)
    supervisor = build_supervisor(opened.station, loops)
    told: list[tuple[float, Level, str, str]] = []
    evidence: list[Evidence] = []
    supervisor.tell = lambda level, name, text: told.append((clock.now(), level, name, text))
    supervisor.on_loss = evidence.append
    began_at = clock.now()
    supervisor.bring_up(names, clock.sleep)
    bring_up_s = clock.now() - began_at
    clock.sleep(max(0.0, QUIET_S - 10.0 - clock.now()))
    homodyne = {loop.name: (number, loop.quadrature) for number, loop in enumerate(loops.homodyne, start=1)}
    truth = TruthLog(opened.table, homodyne)
    watch: LockWatch = supervisor.watch(names)
    start, error = clock.now(), ""
    settled: list[Evidence] = []
    try:
        while clock.now() < start + hours * HOUR_S:
            clock.sleep(1.0)
            watch.still_good()
            settled += _settled(supervisor, settled, clock.now())
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    watch.close()
    at = np.array(truth.at)
    return Night(
        names=truth.names,
        needs={name: tuple(need for need in file.loops[name].needs if need in names) for name in names},
        began_at=start,
        ended_at=clock.now(),
        at=at,
        away=np.array(truth.away).T,
        gone=truth.gone(),
        valid=watch.mask(at),
        happened=list(opened.table.disturber.happened),
        losses=list(supervisor.losses),
        evidence=evidence,
        settled=settled,
        told=told,
        invalid=watch.invalid,
        states={machine.name: str(machine.state) for machine in supervisor.machines.values()},
        cpu_s=time.process_time() - began,
        bring_up_s=bring_up_s,
        error=error,
        unwinds={machine.name: machine.unwinds for machine in supervisor.machines.values()},
    )


def _settled(supervisor: Supervisor, known: list[Evidence], now: float) -> list[Evidence]:
    """Return the evidence of losses whose loop has been locked again, or given up, since the last call."""
    found = []
    for loss in supervisor.losses[len(known) :]:
        machine = supervisor.machines[loss.loop]
        over = machine.is_locked or machine.state in (LockState.STALLED, LockState.FAULT, LockState.OFF)
        if not ((over and now - loss.detected_at > AT_LEAST_S) or now - loss.detected_at > AT_MOST_S):
            break
        found.append(supervisor.history.evidence(loss))
    return found
