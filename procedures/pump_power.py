"""Change the pump power by its wave plate, and bring it back whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from drivers.errors import InstrumentError
from labctl.configuration.station_file import SourceLoop
from labctl.errors import ConfigurationError, LabError
from labctl.estimation.half_wave_plate import PERIOD_DEG, PlateCurve, fit_plate
from labctl.locks.loop import Loop
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure

METER = "pump"
ROTATOR = "pump_power"
FROM_BELOW_DEG = 3.0  # every arrival comes from this far below: a mount arrives elsewhere from above
LEARNT_DEG = [FROM_BELOW_DEG + PERIOD_DEG * k / 6 for k in range(6)]
NEAR_DEG = 60.0  # where the plate is used: of the angles of one power the nearest
METER_READINGS = 20
BACK_WITHIN = 0.004  # of the power that was there: what the mount repeats
BACK_AT_MOST = 0.015
BACK_TRIES = 4
TYPICAL_CHANGE_S = 4.0  # two moves and the readings, for estimates
TYPICAL_LEARNING_S = 25.0


class PumpPower:
    """The plate before the pump, the meter behind it, and the curve between them once it was learnt.

    The loops are held while the plate turns; `working` is the power that was there at first.
    """

    def __init__(self, procedure: LabProcedure) -> None:
        station = procedure.on_bench.station
        if ROTATOR not in station.rotators or METER not in station.power_meters or station.file.light is None:
            raise ConfigurationError(
                "This station cannot change its pump power.",
                remedy=f"Add [rotators.{ROTATOR}], [power_meters.{METER}] and [light].",
            )
        self._procedure = procedure
        self._supervisor = procedure.on_bench.supervisor
        self._rotator = station.rotators[ROTATOR]
        self._meter = station.power_meters[METER]
        self._shutter = station.shutters.get("pump")
        self._meter.set_wavelength(0.5 * station.file.light.wavelength)
        self._curve: PlateCurve | None = None
        self._seen_w: list[float] = []
        self.working = self.read()

    def read(self) -> Estimate:
        """Return the power now, mean of several readings; their scatter is the uncertainty, the scale taken as
        exact."""
        readings = [self._meter.power_w() for _ in range(METER_READINGS)]
        sigma = float(np.std(readings, ddof=1)) / math.sqrt(METER_READINGS)
        return Estimate(float(np.mean(readings)), sigma, "W", "mean of readings, scale of the meter taken as exact")

    def shares(self, count: int, lowest: float, highest: float) -> list[float]:
        """Return `count` powers in W from `highest` down to `lowest` of the working power, evenly spaced in the pump
        parameter, as far as the plate reaches."""
        assert self._curve is not None
        most_w = min(highest * self.working.value, self._curve.most_w)
        least_w = max(lowest * self.working.value, self._curve.least_w)
        return [float(root**2) for root in np.linspace(math.sqrt(most_w), math.sqrt(least_w), count)]

    def learn(self) -> None:
        """Turn the plate through a period, the pump blocked behind it: the first move may go through any power."""
        self._learn(self._procedure.check_stop)

    def _learn(self, check: Callable[[], None]) -> None:
        """Go on where it was interrupted; where the mount stood at first nobody knows before it was homed."""
        self._hold()
        if self._shutter is not None:
            self._shutter.close()
        for angle_deg in LEARNT_DEG[len(self._seen_w) :]:
            check()
            self._rotator.move_to(angle_deg)
            self._seen_w.append(self.read().value)
        self._curve = fit_plate(LEARNT_DEG, self._seen_w)
        self._turn_to(self.working.value)
        if self._shutter is not None:
            self._shutter.open()

    def go(self, power_w: float) -> Estimate:
        """Hold the loops, set about this power, and return the power that is there, in W."""
        self._procedure.check_stop()
        self._hold()
        self._turn_to(power_w)
        return self.read()

    def restore(self) -> None:
        """Bring the working power back, the loops held. Raises `InstrumentError` where it does not come back."""
        self._hold()
        if self._curve is None:
            self._learn(lambda: None)
        assert self._curve is not None
        asked_w = self.working.value
        for _ in range(BACK_TRIES):
            self._turn_to(asked_w)
            off = self.read().value / self.working.value - 1.0
            if abs(off) < BACK_WITHIN:
                return
            asked_w = min(max(asked_w / (1.0 + off), self._curve.least_w), self._curve.most_w)
        if abs(off) > BACK_AT_MOST:
            raise InstrumentError(
                ROTATOR,
                f"left the pump {100.0 * off:+.1f} % from the {1e3 * self.working.value:.3g} mW that were there",
                remedy="Look at the mount, the laser and the meter; then set the pump power.",
            )

    def _hold(self) -> None:
        self._supervisor.hold([source_loop(self._procedure, "opa_length").name], "The pump power is changed.")

    def _turn_to(self, power_w: float) -> None:
        assert self._curve is not None
        angle_deg = self._curve.angle_deg(power_w, NEAR_DEG)
        self._rotator.move_to((angle_deg - FROM_BELOW_DEG) % 360.0)
        self._rotator.move_to(angle_deg)


@contextmanager
def changed_pump(procedure: LabProcedure) -> Iterator[PumpPower]:
    """Hold the loops, learn the plate and give the pump power into hand; afterwards the working power is back and the
    loops that were wanted are asked for again. Raises what the plate or the meter raise."""
    wanted = [loop.name for loop in loops_wanted(procedure)]
    pump = PumpPower(procedure)
    try:
        pump.learn()
        yield pump
    except BaseException:
        with suppress(LabError):  # the error that brought us here is the one to tell
            pump.restore()
        raise
    else:
        pump.restore()
    finally:
        if wanted:
            procedure.on_bench.supervisor.request(wanted)


def loops_wanted(procedure: LabProcedure) -> list[Loop]:
    """Return the loops that are to be locked now: not those that somebody holds."""
    bench = procedure.on_bench
    machines = bench.supervisor.machines.items()
    return [bench.loops.by_name[name] for name, machine in machines if machine.wanted and not machine.parked]


def source_loop(procedure: LabProcedure, kind: str) -> Loop:
    """Return the loop of a kind, opa_length or pump_phase. Raises `ConfigurationError` for a station without it."""
    bench = procedure.on_bench
    for name, entry in bench.station.file.loops.items():
        if isinstance(entry, SourceLoop) and entry.kind == kind:
            return bench.loops.by_name[name]
    raise ConfigurationError(f"This station has no loop of kind {kind}.", remedy="Add it under [loops].")
