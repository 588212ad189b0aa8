"""Turn the quarter-wave plate of one sensor to where most of its light goes to the detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import IntegerParameter

from labctl.alignment.fringe_power import FringePower
from labctl.errors import LabError
from labctl.estimation.wave_plate_scan import PERIOD_DEG, PlateFit, fit_extraction_scan
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.loop import Loop
from labctl.spectra.estimate import Estimate
from labctl.station.roles import Rotator
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.traces import LOCKING_S, open_beams

SCAN_BEGIN_DEG: Final = 10.0
RUN_UP_DEG: Final = 5.0
ARRIVAL_DEG: Final = 0.03  # of the mean over angles that were reached from both sides by turns
LEVEL_SCANS: Final = 8  # of the fringe, at the angle where the plate was found and at the best one
FIRST_SCANS: Final = 4  # of a piezo that has just begun to move, not used: it creeps
SEED_READINGS: Final = 4
SCAN_S: Final = 2.0  # a scan of the fringe, and the turn to its angle


class ExtractionEfficiency(LabProcedure):
    """Scan the quarter-wave plate of one sensor, read the power of the fringe at its detector at every angle, and leave
    the plate at the best one.

    The homodyne loop is opened meanwhile. A station without the mount is told so, and nothing is done.
    """

    title = "Extraction from a sensor"
    roles = ("homodyne", "extraction")
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    angles = IntegerParameter("Angles", default=9, minimum=6, maximum=100)
    DATA_COLUMNS = ["Angle (deg)", "Power"]

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        return float(LOCKING_S + (2.0 * LEVEL_SCANS + FIRST_SCANS + self.angles) * SCAN_S)

    def measure(self) -> None:
        """Raises `AnalysisRefused` where the light does not follow the plate, `LockError` where there is no light."""
        bench = self.on_bench
        loop = bench.loops.of_sensor(self.sensor)
        name = f"extraction{self.sensor}"
        if name not in bench.station.rotators:
            self.event("info", f"This station has no rotator {name}: its quarter-wave plate is set by hand.")
            return
        mount = bench.station.rotators[name]
        open_beams(self)
        needed = self._needed(loop)
        self.ensure_locked(needed)
        with self._open_loop(loop):
            look = self._looks(loop, needed)
            for _ in range(FIRST_SCANS):
                look()
            found = [look().value for _ in range(LEVEL_SCANS)]
            self.progress(0.2)
            started_at = bench.clock.now()
            begun_deg = mount.angle_deg()
            try:
                fit = self._scan(mount, look, started_at)
            except BaseException:
                with suppress(LabError):
                    mount.move_to(begun_deg)
                raise
            best = fit.best_deg.value + (PERIOD_DEG if fit.best_deg.value < RUN_UP_DEG else 0.0)
            mount.move_to(best - RUN_UP_DEG)
            mount.move_to(best)
            self._keep_findings(fit, np.array(found), np.array([look().value for _ in range(LEVEL_SCANS)]))

    def _needed(self, loop: HomodyneLock) -> list[Loop]:
        """Return the loops that give this sensor its light."""
        bench = self.on_bench
        names = bench.supervisor.with_needs([loop.name])
        return [bench.loops.by_name[name] for name in names if name != loop.name]

    @contextmanager
    def _open_loop(self, loop: HomodyneLock) -> Iterator[None]:
        """Open the homodyne loop, and ask for it again afterwards where somebody wanted it."""
        supervisor = self.on_bench.supervisor
        wanted = supervisor.machines[loop.name].wanted
        supervisor.hold([loop.name], "Its quarter-wave plate turns.")
        supervisor.release([loop.name])
        try:
            yield
        finally:
            with suppress(LabError):  # the error that brought us here is the one to tell
                loop.servo.set_output(0.0)
            if wanted:
                supervisor.request([loop.name])

    def _looks(self, loop: HomodyneLock, needed: list[Loop]) -> Callable[[], Estimate]:
        """Return readings of the fringe's power in V^2, each with its light locked before and after."""
        bench = self.on_bench
        witness = bench.station.file.loops[loop.name].witness
        assert witness is not None  # `build_loops` refuses a loop without one
        scan = FringePower(loop.servo, bench.station.monitors[witness], 1.0)
        scan.light = self._light()

        def look() -> Estimate:
            while True:
                self.check_stop()
                self.ensure_locked(needed)
                power = scan()
                if all(bench.supervisor.machines[one.name].is_locked for one in needed):
                    return power

        return look

    def _light(self) -> Callable[[], float]:
        """Return readings of the probe's power over that of now, where the station has a monitor of the seed."""
        bench = self.on_bench
        names = [entry.witness for entry in bench.station.file.loops.values() if entry.kind == "pump_phase"]
        if not names or names[0] is None:
            return lambda: 1.0
        volts = bench.station.monitors[names[0]].volts
        at_start_v = sum(volts() for _ in range(SEED_READINGS)) / SEED_READINGS
        return lambda: volts() / at_start_v

    def _scan(self, mount: Rotator, look: Callable[[], Estimate], started_at: float) -> PlateFit:
        """Return the fit to one period; every second angle on the way up, the others on the way down, so that the play
        of the mount moves the mean of both by nothing."""
        every = SCAN_BEGIN_DEG + PERIOD_DEG * np.arange(self.angles) / self.angles
        order = np.concatenate([every[::2], every[1::2][::-1]])
        mount.move_to(float(order[0]) - RUN_UP_DEG)
        powers = []
        for done, angle in enumerate(order, start=1):
            mount.move_to(float(angle))
            powers.append(look())
            self.row(angle=float(angle), power=powers[-1].value)
            self.progress(0.2 + 0.6 * done / len(order))
        values, sigmas = (np.array([getattr(power, what) for power in powers]) for what in ("value", "sigma"))
        self._keep_scan(order, np.stack([values, sigmas]), started_at)
        return fit_extraction_scan(order, values, sigmas)

    def _keep_findings(self, fit: PlateFit, found: NDArray[np.float64], best: NDArray[np.float64]) -> None:
        """Keep angle and gain; what the power scatters from scan to scan is the same before and after."""
        share = float(found.mean() / best.mean())
        scatter2 = [float(power.var(ddof=1) / power.mean() ** 2) / LEVEL_SCANS for power in (found, best)]
        self.keep(
            f"sensor{self.sensor}.extraction",
            Estimate(
                share,
                share * math.sqrt(sum(scatter2)),
                "",
                "light at the detector where the quarter-wave plate was found, over that at its best angle",
            ),
        )
        sigma_deg = math.hypot(fit.best_deg.sigma, ARRIVAL_DEG)
        self.keep(
            f"sensor{self.sensor}.extraction_deg",
            Estimate(
                fit.best_deg.value, sigma_deg, "deg", "mount angle of the quarter-wave plate, most light, 0 to 90"
            ),
        )
        self.event(
            "info",
            f"Sensor {self.sensor}: quarter-wave plate at {fit.best_deg.value:.1f} degrees; it let {100 * share:.1f} % "
            "of that through where it was found.",
        )

    def _keep_scan(self, angle_deg: NDArray[np.float64], powers: NDArray[np.float64], started_at: float) -> None:
        bench = self.on_bench
        bench.record.add_trace(
            TraceRecord(
                name=f"sensor{self.sensor}.extraction_scan",
                step=self.step_name,
                axis_name="angle",
                axis_unit="deg",
                values_unit="V^2",
                axis=angle_deg,
                values=powers,
                conventions={
                    "rows": "square of the fringe amplitude at the DC output, at one power of the seed; sigma",
                    "order": "as taken, upwards and then downwards",
                },
                valid=True,
                invalid_reason="",
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )
