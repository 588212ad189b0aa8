"""Warm the crystal oven and wait until it is settled."""

from __future__ import annotations

import numpy as np
from pymeasure.experiment import FloatParameter

from labctl.errors import LabError, StepTimeout
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure

POLL_S = 2.0
READINGS_AT_END = 20
ROOM_C = 25.0  # where an estimate of the duration starts
BEST_TEMPERATURE = "oven.best_temperature_c"  # the result of tuning


class WarmOven(LabProcedure):
    """Ramp the oven to its target and wait until every reading of a whole window lies within the tolerance.

    Once the oven was tuned in this run, the temperature found is the target: what the recipe says is where to begin.
    """

    title = "Warm the oven"
    roles = ("oven",)
    prepares = True
    runs_while_paused = True
    target = FloatParameter("Target", units="degC", default=35.0, minimum=-20.0, maximum=200.0)
    ramp = FloatParameter("Ramp", units="K/s", default=0.02, minimum=1e-4, maximum=1.0)
    tolerance = FloatParameter("Tolerance", units="K", default=0.005, minimum=1e-4, maximum=1.0)
    window = FloatParameter("Settled for", units="s", default=60.0, minimum=1.0, maximum=3600.0)
    soak = FloatParameter("Then wait for the table", units="s", default=0.0, minimum=0.0, maximum=86400.0)
    patience = FloatParameter("Give up after", units="s", default=5400.0, minimum=10.0, maximum=86400.0)
    DATA_COLUMNS = ["Lab time (s)", "Temperature"]

    def expected_s(self) -> float:
        """Return the time of a ramp from 25 degC and of settling, in s."""
        return float(abs(self.target - ROOM_C) / self.ramp + 2.0 * self.window + self.soak)

    def measure(self) -> None:
        """Raises `StepTimeout` when it does not settle, `LabError` when the controller stops regulating."""
        bench = self.on_bench
        oven = bench.station.oven
        start_c, target_c = oven.temperature_c(), self._target_c()
        oven.set_target(target_c, self.ramp)
        started_at = bench.clock.now()
        settled_since: float | None = None
        expected_s = abs(target_c - start_c) / self.ramp + self.window
        while settled_since is None or bench.clock.now() - settled_since < self.window:
            self.wait(POLL_S)
            now, temperature_c = bench.clock.now(), oven.temperature_c()
            self.row(lab_time=now, temperature=temperature_c)
            self.progress((now - started_at) / expected_s)
            if abs(temperature_c - target_c) > self.tolerance:
                settled_since = None
            elif settled_since is None:
                settled_since = now
            if not oven.regulating():
                raise LabError(
                    "The oven stopped regulating.",
                    remedy="Look at the controller: it reports an error or was switched off.",
                )
            if now - started_at > self.patience:
                raise StepTimeout(
                    f"The oven is at {temperature_c:.3f} degC and not settled at "
                    f"{target_c:.3f} degC after {now - started_at:.0f} s.",
                    remedy="Check its heat sink, or raise the patience of the step.",
                )
        self.wait(self.soak)
        readings = np.array([self._read_later() for _ in range(READINGS_AT_END)])
        self.keep(
            "oven.temperature_c",
            Estimate(float(readings.mean()), float(readings.std(ddof=1)), "degC", "mean of readings; sigma of one"),
        )

    def _target_c(self) -> float:
        tuned = self.on_bench.results().get(BEST_TEMPERATURE)
        return float(self.target if tuned is None else tuned.value)

    def _read_later(self) -> float:
        self.wait(POLL_S)
        return self.on_bench.station.oven.temperature_c()
