"""Lock the length of one sensor's cavity on resonance, and report what its scan and its dither show."""

from __future__ import annotations

import math

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import ConfigurationError, LockError
from labctl.locks.sensor_cavity import CavityLock
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure
from procedures.traces import open_beams

LOCKING_S = 15.0
FEWEST_LOOKS = 4
NM_PER_M = 1e9


class LockCavity(LabProcedure):
    """Scan the cavity of one sensor, lock it on the resonance nearest to the middle of its piezo's range, and watch it
    for a while."""

    title = "Lock a sensor cavity"
    roles = ("cavity",)
    prepares = True
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    look = FloatParameter("Look", units="s", default=20.0, minimum=0.0, maximum=3600.0)
    DATA_COLUMNS = ["Lab time (s)", "Error (nm)", "Witness"]

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        return LOCKING_S + float(self.look)

    def measure(self) -> None:
        """Raises `LockError` when the cavity cannot be locked, or is lost meanwhile."""
        bench = self.on_bench
        loop = self._loop()
        self.ensure_locked(bench.loops.source)
        open_beams(self)
        self.progress(0.1)
        self.ensure_locked([loop])
        self.progress(LOCKING_S / self.expected_s())
        self._report_scan(loop)
        self._report_lock(loop, self._watched(loop))

    def _loop(self) -> CavityLock:
        """Return the loop of the sensor's cavity. Raises `ConfigurationError` where the station has none."""
        bench = self.on_bench
        for name, entry in bench.station.file.loops.items():
            loop = bench.loops.by_name.get(name)
            if entry.kind == "cavity" and entry.sensor == self.sensor and isinstance(loop, CavityLock):
                return loop
        raise ConfigurationError(
            f"This station has no loop for the cavity of sensor {self.sensor}.",
            remedy='Add a loop with kind = "cavity" to [loops].',
        )

    def _watched(self, loop: CavityLock) -> list[float]:
        """Return the error in m at each step of the dither. Raises `LockError` when the lock is lost."""
        bench = self.on_bench
        machine = bench.supervisor.machines[loop.name]
        period_s = self._period_s(loop)
        looks = max(FEWEST_LOOKS, round(float(self.look) / period_s))
        errors_m = []
        for done in range(1, looks + 1):
            self.wait(period_s)
            if not machine.is_locked:
                raise LockError(f"{loop.name} was lost while it was watched: {machine.why}")
            errors_m.append(loop.error_m)
            witness = machine.readings[-1].witness if machine.readings else math.nan
            self.row(lab_time=bench.clock.now(), error=NM_PER_M * loop.error_m, witness=witness)
            self.progress((LOCKING_S + done * period_s) / (LOCKING_S + looks * period_s))
        return errors_m

    def _period_s(self, loop: CavityLock) -> float:
        entry = self.on_bench.station.file.loops[loop.name]
        assert entry.kind == "cavity"
        return entry.servo.period_s

    def _report_scan(self, loop: CavityLock) -> None:
        """Keep what the scan showed; a lock that was taken over has none."""
        if loop.fit is not None:
            self.keep(f"{loop.name}.finesse", loop.fit.finesse)
            self.keep(f"{loop.name}.fringe_v", loop.fit.spacing)

    def _report_lock(self, loop: CavityLock, errors_m: list[float]) -> None:
        calibration = loop.calibration
        assert calibration is not None  # as it is locked
        centre_v = loop.actuator().output_v
        mean_m, spread_m = float(np.mean(errors_m)), float(np.std(errors_m, ddof=1))
        share = 1.0 / math.sqrt(len(errors_m))
        self.keep(
            f"{loop.name}.centre_v",
            Estimate(centre_v, spread_m / abs(calibration.metres_per_volt), "V", "centre of the dither at the piezo"),
        )
        self.keep(
            f"{loop.name}.centre_offset_nm",
            Estimate(
                NM_PER_M * mean_m, NM_PER_M * spread_m * share, "nm", "mean error of the dither, longer than resonance"
            ),
        )
        residual_m = float(np.sqrt(np.mean(np.square(errors_m))))
        self.keep(
            f"{loop.name}.lock_residual_nm",
            Estimate(
                NM_PER_M * residual_m,
                NM_PER_M * residual_m * share / math.sqrt(2.0),
                "nm",
                "rms error of the dither, its own noise included; the dither itself is not in it",
            ),
        )
        self.event(
            "info",
            f"{loop.name} locked at {centre_v:.1f} V, residual {NM_PER_M * residual_m:.2f} nm "
            f"({residual_m / loop.linewidth_m:.4f} linewidths).",
        )
