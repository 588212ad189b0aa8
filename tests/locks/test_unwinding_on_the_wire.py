"""A path that drifts for ten minutes under a supervised loop is out of lock nowhere but in the hops announced."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ideal_table import open_table, phase_error_rad, station_at

from labctl.locks.loops import build_loops, build_supervisor
from labctl.simulation.disturbances import Disturber, wanted

RAD_PER_S = 0.8
LOOK_S = 0.1
OUT_OF_LOCK_RAD = 0.3
PERIOD_S = 0.25  # of the looks: the faster a path drifts, the more often somebody has to look
LONGEST_HOP_S = 1.6  # on a serial line at 9600 baud, with the three looks that prove it


@pytest.mark.parametrize("drift_s", [120.0, pytest.param(600.0, marks=pytest.mark.slow)])
def test_a_steady_drift_is_locked_but_for_the_hops(drift_s: float) -> None:
    shipped = station_at(31)
    often = shipped.supervisor.model_copy(update={"period": PERIOD_S})
    opened = open_table(shipped.model_copy(update={"supervisor": often}))
    table, clock = opened.table, opened.station.clock
    loops = build_loops(opened.station)
    supervisor = build_supervisor(opened.station, loops)
    supervisor.bring_up(["lo1"], clock.sleep)
    drift = wanted.PathDrift(kind="path_drift", sensor=1, rad_per_s=RAD_PER_S, after=table.now())
    table.disturber = Disturber([drift], table.room, 1)
    times, errors = [], []
    with supervisor.watch(["lo1"], quiet=False) as watch:
        began_at = clock.now()
        while clock.now() - began_at < drift_s:
            clock.sleep(LOOK_S)
            times.append(clock.now())
            errors.append(phase_error_rad(table.sensors[0], 1))
    valid = watch.mask(np.array(times))
    assert np.max(np.abs(np.array(errors)[valid])) < OUT_OF_LOCK_RAD
    assert supervisor.losses == []
    machine = supervisor.machines["lo1"]
    turns = RAD_PER_S * drift_s / (2.0 * math.pi)
    assert machine.unwinds >= turns / 4  # the range holds four turns
    assert max(end - start for start, end in watch.invalid) < LONGEST_HOP_S
    assert len(watch.invalid) <= machine.unwinds
    assert watch.valid_share > 0.9
    opened.station.close()


def test_while_data_are_taken_a_hop_waits_as_long_as_it_can() -> None:
    opened = open_table(station_at(32))
    clock = opened.station.clock
    supervisor = build_supervisor(opened.station, build_loops(opened.station))
    supervisor.bring_up(["lo2"], clock.sleep)
    limit_v = opened.station.servos["lo2"].output_limit_v
    drift = wanted.PathDrift(kind="path_drift", sensor=2, rad_per_s=0.3, after=opened.table.now())
    opened.table.disturber = Disturber([drift], opened.table.room, 1)
    outputs = []
    machine = supervisor.machines["lo2"]
    with supervisor.watch(["lo2"]):
        while machine.unwinds == 0:
            clock.sleep(LOOK_S)
            outputs.append(opened.table.sensors[1].servo.output_volts())
    assert 0.9 * limit_v < max(map(abs, outputs)) < limit_v
    opened.station.close()
