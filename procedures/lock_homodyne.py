"""Lock the local-oscillator phase of one sensor and measure its visibility."""

from __future__ import annotations

import math

from pymeasure.experiment import IntegerParameter

from labctl.errors import ConfigurationError
from labctl.locks.servo_loop import LOOK_READINGS
from labctl.physics.homodyne import fringe_amplitude_a
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure
from procedures.traces import open_beams

POWER_RELATIVE_SIGMA = 0.01  # of each of the two powers that the station file states


class LockHomodyne(LabProcedure):
    """Scan the fringe of one detector, lock at the quadrature that the station file names, and report the
    visibility."""

    title = "Lock a homodyne phase"
    roles = ("homodyne",)
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    DATA_COLUMNS = ["Lab time (s)", "Residual"]

    def measure(self) -> None:
        """Raises `LockError` when the loop cannot be locked."""
        bench = self.on_bench
        loop = bench.loops.of_sensor(self.sensor)
        self.ensure_locked(bench.loops.source)
        open_beams(self)
        self.progress(0.1)
        self.ensure_locked([loop])
        verdict = loop.verify()
        self.row(lab_time=bench.clock.now(), residual=verdict.residual)
        self.keep(
            f"sensor{self.sensor}.lock_residual_rad",
            Estimate(
                verdict.residual,
                verdict.residual / math.sqrt(2.0 * LOOK_READINGS),
                "rad",
                "rms of the DC witness, its own noise included",
            ),
        )
        self.keep(f"sensor{self.sensor}.visibility", self._visibility())

    def _visibility(self) -> Estimate:
        """Return the visibility from the fringe amplitude and the powers of the station file."""
        file = self.on_bench.station.file
        calibration = self.on_bench.loops.of_sensor(self.sensor).calibration
        if file.light is None or file.detectors is None or calibration is None:
            raise ConfigurationError(
                "Visibility needs [light] and [detectors].", remedy="Add them to the station file."
            )
        full_v = file.detectors.dc_volts_per_ampere * float(
            fringe_amplitude_a(
                file.detectors.responsivity, file.light.local_oscillator_power, file.light.probe_power, 1.0
            )
        )
        value = calibration.amplitude_v / full_v
        relative = math.hypot(
            calibration.amplitude_sigma_v / calibration.amplitude_v,
            0.5 * POWER_RELATIVE_SIGMA,
            0.5 * POWER_RELATIVE_SIGMA,
        )
        return Estimate(
            value, value * relative, "", "fringe amplitude over 2 R sqrt(P_LO P_s); enters efficiency squared"
        )
