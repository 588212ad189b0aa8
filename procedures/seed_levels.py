"""The seed where it is amplified and where it is de-amplified, the pump phase locked at either."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from labctl.configuration.station_file import SourceLoop
from labctl.errors import ConfigurationError, LabError, LockError
from labctl.estimation.parametric_gain import ParametricGain, gain_from_levels
from labctl.locks.pump_phase import PumpPhaseLock
from labctl.locks.servo_loop import SETTLE_S
from labctl.spectra.estimate import Estimate
from labctl.station.roles import Monitor
from procedures.base import LabProcedure
from procedures.pump_power import source_loop

READINGS = 100
PERIOD_S = 0.01
LEAST_CHANGE = 0.1  # of the amplified seed, by which it must get weaker half a turn on
TYPICAL_LEVELS_S = 5.0  # both levels, for estimates


@dataclass(frozen=True)
class SeedLevels:
    """The seed at the monitor with the pump phase locked at its highest and at its lowest, in V."""

    amplified: Estimate
    deamplified: Estimate

    @property
    def gain(self) -> ParametricGain:
        """What the two levels say of the pump; needs no level without pump."""
        return gain_from_levels(self.amplified, self.deamplified)

    @property
    def unpumped_v(self) -> float:
        """The level without pump, in V: 1 / sqrt(G) is 1 - x and 1 + x, whose mean is 1."""
        high, low = math.sqrt(self.amplified.value), math.sqrt(self.deamplified.value)
        return (2.0 * high * low / (high + low)) ** 2


def pump_phase_lock(procedure: LabProcedure) -> PumpPhaseLock:
    """Return the loop of the pump phase. Raises `ConfigurationError` for a station without it."""
    loop = source_loop(procedure, "pump_phase")
    assert isinstance(loop, PumpPhaseLock)
    return loop


def seed_monitor(procedure: LabProcedure) -> Monitor:
    """Return the monitor of the seed: the witness of the pump phase."""
    station, name = procedure.on_bench.station, pump_phase_lock(procedure).name
    entry = station.file.loops[name]
    if not isinstance(entry, SourceLoop) or entry.witness is None:
        raise ConfigurationError(f"[loops.{name}] has no witness.", remedy="Name the monitor of the seed.")
    return station.monitors[entry.witness]


def seed_now(procedure: LabProcedure) -> Estimate:
    """Return the mean of many readings of the seed, in V; the offset of the monitor is that of the station file."""
    monitor, volts = seed_monitor(procedure), []
    for _ in range(READINGS):
        volts.append(monitor.volts())
        procedure.wait(PERIOD_S)
    return Estimate(float(np.mean(volts)), float(np.std(volts, ddof=1)) / math.sqrt(READINGS), "V")


@contextmanager
def deamplified(procedure: LabProcedure) -> Iterator[None]:
    """Hold all that needs the pump phase, and lock that half a turn on, where the seed is de-amplified; afterwards it
    is held where it was. Raises `LockError` where it does not hold there."""
    loop = pump_phase_lock(procedure)
    supervisor = procedure.on_bench.supervisor
    supervisor.hold([loop.name], "The pump phase is turned by half a turn.")
    before_v = loop.servo.output_v()
    away_v, point = loop.half_a_turn_away(before_v)
    try:
        loop.servo.set_output(away_v)
        loop.servo.forget_conditions()
        loop.servo.close_loop(point.setpoint_v, point.integral_gain_per_s)
        procedure.wait(SETTLE_S)
        require_held(loop)
        yield
        require_held(loop)
    finally:
        with suppress(LabError):  # the error that brought us here is the one to tell
            loop.servo.set_output(before_v)


def require_held(loop: PumpPhaseLock) -> None:
    """Raise `LockError` where the servo of the pump phase is open or at a rail."""
    state = loop.servo.state()
    if not state.closed or state.at_limit:
        raise LockError(f"{loop.name}: does not hold where the seed is de-amplified.", remedy="Look at its output.")


def require_weaker(levels: SeedLevels) -> None:
    """Raise `LockError` where the seed half a turn on is not clearly weaker."""
    if not levels.deamplified.value < (1.0 - LEAST_CHANGE) * levels.amplified.value:
        raise LockError(
            f"The seed is at {levels.deamplified.value:.4f} V half a turn from {levels.amplified.value:.4f} V.",
            remedy="Lock the pump phase again.",
        )
