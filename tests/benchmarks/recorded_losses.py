"""Readings of loops that are lost while nobody steps in, with what was true: what the rule of loss is judged by."""

from __future__ import annotations

import numpy as np
from disturbed_night import QUIET_S, TruthLog
from ideal_table import lock_homodyne, lock_source, open_table, station_at

from labctl.locks.loop import Loop, Tolerance
from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.replay import Recording
from labctl.simulation.disturbances import SLAM_NOISE
from labctl.simulation.ports import ServoSettings

PERIOD_S = 0.1
QUIET_READINGS = 150
LOST_READINGS = 60
LOOPS = ("opa_length", "pump_phase", "lo1", "lo2", "lo3", "lo4")


def recorded_losses(seed: int, episodes: int) -> dict[str, tuple[Tolerance, list[Recording]]]:
    """Lock a quiet table; knock it, shake it, or open one of its servos, and read on; return all by the loop.

    Between the episodes the loops are closed again by somebody who knows the truth.
    """
    opened = open_table(station_at(seed))
    clock, table = opened.station.clock, opened.table
    built = build_loops(opened.station)
    loops = Loops({name: loop for name, loop in built.by_name.items() if name in LOOPS})
    supervisor = build_supervisor(opened.station, loops)
    supervisor.bring_up(LOOPS, clock.sleep)
    supervisor.stop()
    clock.sleep(max(0.0, QUIET_S - clock.now()))
    rng = np.random.default_rng(seed)
    truth = TruthLog(table, {loop.name: (n, loop.quadrature) for n, loop in enumerate(loops.homodyne, start=1)})
    found: dict[str, list[Recording]] = {name: [] for name in LOOPS}
    for episode in range(episodes):
        rows: list[tuple[float, ...]] = []
        gone: list[tuple[bool, ...]] = []
        for reading in range(QUIET_READINGS + LOST_READINGS):
            if reading == QUIET_READINGS:
                if episode % 2:
                    table.room.loudness = SLAM_NOISE
                    table.room.kick(rng, float(rng.uniform(1.0, 3.0)))
                else:
                    servo = table.sensors[episode // 2 % len(table.sensors)].servo
                    servo.apply(ServoSettings(closed=False, manual_output_v=servo.output_volts()))
            clock.sleep(PERIOD_S)
            rows.append(_readings(loops.by_name, clock.now()))
            gone.append(truth.gone_now())
        signals = np.array(rows)
        for index, name in enumerate(LOOPS):
            error, witness = signals[:, 1 + 2 * index], signals[:, 2 + 2 * index]
            lost = np.array(gone)
            # Without its cavity the seed is gone, whatever its phase.
            locked = ~(lost[:, 0] | lost[:, 1]) if name == "pump_phase" else ~lost[:, index]
            found[name].append(Recording(signals[:, 0], error, witness, locked))
        table.room.loudness = 1.0
        lock_source(table)
        lock_homodyne(table)
        clock.sleep(1.0)
    return {name: (loops.by_name[name].tolerance, found[name]) for name in LOOPS}


def _readings(loops: dict[str, Loop], now: float) -> tuple[float, ...]:
    row = [now]
    for name in LOOPS:
        reading = loops[name].read()
        row += [reading.error, reading.witness]
    return tuple(row)
