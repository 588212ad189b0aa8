"""The gain of the seed against pump power and pump phase, and the threshold of the source from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import LockError
from labctl.estimation.fringe import fit_fringe
from labctl.estimation.parametric_gain import ParametricGain
from labctl.estimation.pump_threshold import PumpPoint, fit_threshold
from labctl.locks.servo_loop import SETTLE_S
from labctl.spectra.estimate import Estimate
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.pump_power import TYPICAL_CHANGE_S, TYPICAL_LEARNING_S, PumpPower, changed_pump, loops_wanted
from procedures.seed_levels import (
    TYPICAL_LEVELS_S,
    SeedLevels,
    deamplified,
    pump_phase_lock,
    require_weaker,
    seed_monitor,
    seed_now,
)
from procedures.traces import LOCKING_S, TRIES

SCAN_POINTS = 120
SCAN_SHARE = 0.5  # of the range of the pump phase
TYPICAL_LOCK_S = 8.0


@dataclass(frozen=True)
class _Point:
    """What one pump power showed."""

    power_w: Estimate
    levels: SeedLevels


# A length loop that holds to some hundredths of a linewidth, and an oven some millikelvins from the best temperature,
# leave the light in the cavity this much below what double resonance would have.
SHORT_OF_RESONANCE = Estimate(2e-4, 2e-4, "", "share of the power in the cavity")


class ParametricGainAgainstPump(LabProcedure):
    """Lock the source at several pump powers, and read the seed where it is amplified and where it is de-amplified.

    The threshold is the pump power at which x^2 = P / P_threshold reaches 1, from all powers; the power that was there
    is back afterwards, and the loops are locked again.
    """

    title = "Parametric gain against pump"
    roles = ("scan", "opa_length", "pump_phase", "homodyne", "pump_power")
    powers = IntegerParameter("Pump powers", default=5, minimum=2, maximum=30)
    lowest = FloatParameter("Lowest share of the present power", default=0.1, minimum=0.03, maximum=0.9)
    highest = FloatParameter("Highest share of the present power", default=1.3, minimum=0.5, maximum=2.0)
    DATA_COLUMNS = ["Pump power (W)", "Pump parameter", "Amplification", "De-amplification"]

    def expected_s(self) -> float:
        """Return the time of the plate, the locks at each power and afterwards, and the readings, in s."""
        each_s = TYPICAL_CHANGE_S + TYPICAL_LOCK_S + TYPICAL_LEVELS_S
        return float(TYPICAL_LEARNING_S + self.powers * each_s + LOCKING_S)

    def measure(self) -> None:
        """Raises `LockError` where the source does not lock at a power, `ConfigurationError` for a station without a
        plate before the pump, `AnalysisRefused` where there is no gain."""
        bench = self.on_bench
        self.ensure_locked(bench.loops.source)
        wanted = loops_wanted(self)
        started_at = bench.clock.now()
        with changed_pump(self) as pump:
            self._scan_fringe(pump)
            self.progress(0.15)
            points = []
            for power_w in pump.shares(self.powers, self.lowest, self.highest):
                points.append(self._at(pump, power_w))
                self.progress(0.15 + 0.75 * len(points) / self.powers)
        self._keep_points(points, started_at)
        fit = fit_threshold([PumpPoint(point.power_w, point.levels.gain.x) for point in points])
        if fit.poor:
            self.event(
                "warning",
                f"x^2 does not follow the pump power (chi2 per degree of freedom {fit.chi2_per_dof:.1f}): does the "
                "temperature drift, or is the zero of the seed monitor off?",
            )
        fit = fit.at_resonance(SHORT_OF_RESONANCE)
        x = fit.x_at(pump.read())
        self.keep("source.threshold_w", fit.threshold_w)
        self.keep("source.pump_parameter", x)
        self.keep("source.parametric_gain", ParametricGain(x).amplification)
        self.ensure_locked(wanted)

    def _at(self, pump: PumpPower, power_w: float) -> _Point:
        """Set a pump power, lock the source, and read the seed at both of its levels."""
        measured_w = pump.go(power_w)
        for attempt in range(1, TRIES + 1):
            self.ensure_locked([pump_phase_lock(self)])
            try:
                high = seed_now(self)
                with deamplified(self):
                    levels = SeedLevels(high, seed_now(self))
                require_weaker(levels)
                break
            except LockError as error:
                if attempt == TRIES:
                    raise
                self.event("warning", f"Seed at {1e3 * power_w:.3g} mW (try {attempt}): {error}")
        gain = levels.gain
        self.row(
            pump_power=measured_w.value,
            pump_parameter=gain.x.value,
            amplification=gain.amplification.value,
            **{"de-amplification": gain.deamplification.value},
        )
        return _Point(measured_w, levels)

    def _scan_fringe(self, pump: PumpPower) -> None:
        """Scan the pump phase at the working power, and keep the gain of the seed against it."""
        bench, loop = self.on_bench, pump_phase_lock(self)
        self.ensure_locked([loop])
        started_at = bench.clock.now()
        bench.supervisor.hold([loop.name], "The pump phase is scanned.")
        before_v, reach_v = loop.servo.output_v(), SCAN_SHARE * loop.servo.output_limit_v
        outputs = np.linspace(-reach_v, reach_v, SCAN_POINTS)
        try:
            loop.servo.set_output(float(outputs[0]))
            self.wait(SETTLE_S)
            signal = loop.servo.sweep(outputs, seed_monitor(self).volts)
        finally:
            loop.servo.set_output(before_v)
        fit = fit_fringe(outputs, signal)
        high, low = fit.offset.value + fit.amplitude.value, fit.offset.value - fit.amplitude.value
        unpumped_v = SeedLevels(Estimate(high, 0.0), Estimate(max(low, 1e-6 * high), 0.0)).unpumped_v
        self._keep_trace(
            "source.gain_against_phase",
            ("phase", "rad"),
            np.array([fit.phase_at(float(volts)).value for volts in outputs]),
            np.array([signal / unpumped_v]),
            {"rows": "gain", "phase": "0 amplifies", "pump_power_w": pump.working.value},
            started_at,
        )

    def _keep_points(self, points: list[_Point], started_at: float) -> None:
        ordered = sorted(points, key=lambda point: point.power_w.value)
        gains = [point.levels.gain for point in ordered]
        up, down = [gain.amplification for gain in gains], [gain.deamplification for gain in gains]
        self._keep_trace(
            "source.gain_against_pump",
            ("pump power", "W"),
            np.array([point.power_w.value for point in ordered]),
            np.array([[e.value for e in up], [e.sigma for e in up], [e.value for e in down], [e.sigma for e in down]]),
            {"rows": "amplification, its sigma, de-amplification, its sigma", "reference": "seed without pump"},
            started_at,
        )

    def _keep_trace(
        self,
        name: str,
        axis: tuple[str, str],
        at: NDArray[np.float64],
        values: NDArray[np.float64],
        conventions: dict[str, str | float],
        started_at: float,
    ) -> None:
        bench = self.on_bench
        bench.record.add_trace(
            TraceRecord(
                name=name,
                step=self.step_name,
                axis_name=axis[0],
                axis_unit=axis[1],
                values_unit="1",
                axis=at,
                values=values,
                conventions=conventions,
                valid=True,
                invalid_reason="",
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )
