"""Bring the squeezed-light source up: piezos to their bias, cavity length, then seed-pump phase."""

from __future__ import annotations

from labctl.errors import LockError
from labctl.estimation.parametric_gain import ParametricGain
from labctl.locks.pump_phase import PumpPhaseLock
from procedures.base import LabProcedure

TYPICAL_S = 60.0  # piezos to their bias, the length found and held, then the phase; for estimates
GAIN_FACTOR = 2.0  # how far the gain may be from the expected one


class LockSource(LabProcedure):
    """Lock the source at amplification of the seed, and report the parametric gain that the scan showed."""

    title = "Lock the source"
    roles = ("scan", "opa_length", "pump_phase")
    prepares = True
    DATA_COLUMNS = ["Lab time (s)", "Residual"]

    def expected_s(self) -> float:
        """Return how long a source that is warm takes, in s."""
        return TYPICAL_S

    def measure(self) -> None:
        """Raises `LockError` when a loop cannot be locked."""
        bench = self.on_bench
        bench.station.raise_piezos()
        self.let_pump_in()
        self.progress(0.2)
        for done, loop in enumerate(bench.loops.source, start=1):
            if isinstance(loop, PumpPhaseLock) and loop.gain is None:  # taken over: the gain is in the scan alone
                bench.supervisor.release([loop.name])
            self.ensure_locked([loop])
            self.row(lab_time=bench.clock.now(), residual=loop.verify().residual)
            self.progress(0.2 + 0.8 * done / len(bench.loops.source))
            if isinstance(loop, PumpPhaseLock) and loop.gain is not None:
                self._report_gain(loop.gain)

    def _report_gain(self, found: ParametricGain) -> None:
        """Keep what the seed's fringe says of the pump. Raises `LockError` where the gain is far from the expected."""
        self.keep("source.pump_parameter", found.x)
        self.keep("source.parametric_gain", found.amplification)
        gain = found.amplification.value
        light = self.on_bench.station.file.light
        if light is not None and not 1.0 / GAIN_FACTOR < gain / light.seed_gain_expected < GAIN_FACTOR:
            raise LockError(
                f"The seed is amplified {gain:.1f} times, not about {light.seed_gain_expected:g} times.",
                remedy="Check oven temperature and pump power, or correct [light] seed_gain_expected.",
            )
