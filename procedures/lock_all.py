"""Lock the loops of a table, all or some, and report how well each holds and how long it took."""

from __future__ import annotations

import math

from pymeasure.experiment import BooleanParameter, Parameter

from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import ConfigurationError
from labctl.locks.machine import WINDOW
from labctl.locks.quality import Window
from labctl.spectra.estimate import Estimate
from procedures.align_sensor import AlignSensor
from procedures.base import LabProcedure
from procedures.bringing_up import bring_up_all, prepare

ALL = "all"
TYPICAL_S = 30.0  # a loop
LOOK_S = 2.0  # a window of readings, and a little more
LONGEST_LOOK_S = 30.0
TOLD_WITHIN_S = 0.2


class LockAll(LabProcedure):
    """Lock loops, and those that they need, in the order of their needs.

    `loops` are their names with commas between, or "all". With `align_first` the mirrors of the sensors whose homodyne
    loop is among them are aligned once the source is locked.
    """

    title = "Lock the table"
    roles = ("scan", "opa_length", "pump_phase", "homodyne")
    prepares = True
    loops = Parameter("Loops", default=ALL)
    align_first = BooleanParameter("Align the sensors first", default=False)
    DATA_COLUMNS = ["Lab time (s)", "Residual"]

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        return TYPICAL_S * len(self._wanted())

    def measure(self) -> None:
        """Raises `LockError` when a loop cannot be locked; the others are locked then."""
        bench = self.on_bench
        wanted = self._wanted()
        took_s = dict.fromkeys(wanted, 0.0)  # one that was locked already took no time

        def note(name: str, seconds: float) -> None:
            took_s[name] += seconds
            self.progress(sum(bench.supervisor.machines[one].is_locked for one in wanted) / len(wanted))

        prepare(bench.station, [name for name in wanted if not bench.supervisor.machines[name].is_locked])
        if self.align_first:
            self._align(wanted)
        failures = bring_up_all(bench, wanted, self.wait, note)
        if not failures:
            self._look_for_a_window(wanted)
        for name in wanted:
            if name not in failures:
                self._report(name, took_s[name])
        if failures:
            raise next(iter(failures.values()))

    def _wanted(self) -> list[str]:
        """Return the loops and all that they need, in their order."""
        supervisor = self.on_bench.supervisor
        chosen = [name.strip() for name in str(self.loops).split(",") if name.strip()]
        if not chosen:
            raise ConfigurationError("LockAll: loops is empty.", remedy='Name them with commas between, or "all".')
        return supervisor.with_needs(supervisor.machines if chosen == [ALL] else chosen)

    def _look_for_a_window(self, names: list[str]) -> None:
        """Wait until every loop has a whole window of readings, all of the time in which it was locked."""
        machines = self.on_bench.supervisor.machines
        began_at = self.on_bench.clock.now()
        self.wait(LOOK_S)
        while any(len(machines[name].readings) < WINDOW for name in names):
            if self.on_bench.clock.now() - began_at > LONGEST_LOOK_S:
                break
            self.wait(TOLD_WITHIN_S)

    def _align(self, names: list[str]) -> None:
        bench = self.on_bench
        for name in names:
            entry = bench.station.file.loops[name]
            if isinstance(entry, HomodyneLoop) and not bench.supervisor.machines[name].is_locked:
                aligning = AlignSensor.bind(bench)()
                aligning.set_parameters({"sensor": entry.sensor})
                aligning.step, aligning.should_stop = self.step_name, self.should_stop
                aligning.emit = lambda topic, what: None
                aligning.measure()

    def _report(self, name: str, took_s: float) -> None:
        bench = self.on_bench
        machine = bench.supervisor.machines[name]
        self.keep(f"{name}.time_to_lock_s", Estimate(took_s, 0.0, "s", "lab time from asked for to proven; 0: it was"))
        readings = list(machine.readings)
        if not readings:
            return
        window = Window.of(readings)
        if math.isnan(window.rms):  # this loop shows its lock by its light alone
            self.keep(
                f"{name}.light_over_lock",
                Estimate(window.witness, _spread([one.witness for one in readings]), "", "mean of the last readings"),
            )
            return
        self.row(lab_time=bench.clock.now(), residual=window.rms)
        self.keep(
            f"{name}.lock_residual",
            Estimate(
                window.rms,
                window.rms / math.sqrt(2.0 * len(readings)),
                machine.loop.unit,
                "rms of the last readings of its error, their own noise included",
            ),
        )


def _spread(values: list[float]) -> float:
    """Return the standard uncertainty of the mean."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return math.sqrt(variance / len(values))
