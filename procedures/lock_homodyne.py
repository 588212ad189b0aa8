"""Lock the local-oscillator phase of one sensor and measure its visibility."""

from __future__ import annotations

import math

from pymeasure.experiment import IntegerParameter

from labctl.configuration.station_file import Light
from labctl.errors import ConfigurationError
from labctl.locks.servo_loop import LOOK_READINGS
from labctl.physics.homodyne import fringe_amplitude_a
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure
from procedures.oscillator_light import LIGHT, METER_RELATIVE_SIGMA, metered_w, power_meter
from procedures.traces import open_beams

TYPICAL_S = 28.0  # to scan a fringe, lock and prove it, for estimates
POWER_RELATIVE_SIGMA = 0.01  # of each of the two powers that the station file states
SHARE_RELATIVE_SIGMA = 0.01  # of a share of the network that nobody measured: plates within 0.1 degrees


class LockHomodyne(LabProcedure):
    """Scan the fringe of one detector, lock at the quadrature that the station file names, and report the
    visibility."""

    title = "Lock a homodyne phase"
    roles = ("homodyne",)
    prepares = True
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    DATA_COLUMNS = ["Lab time (s)", "Residual"]

    def expected_s(self) -> float:
        """Return how long a loop takes with the source locked, in s."""
        return TYPICAL_S

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
        """Return the visibility from the fringe amplitude, and the powers as well as they are known."""
        file = self.on_bench.station.file
        calibration = self.on_bench.loops.of_sensor(self.sensor).calibration
        if file.light is None or file.detectors is None or calibration is None:
            raise ConfigurationError(
                "Visibility needs [light] and [detectors].", remedy="Add them to the station file."
            )
        oscillator, probe = self._oscillator_w(file.light), self._probe_w(file.light)
        full_v = file.detectors.dc_volts_per_ampere * float(
            fringe_amplitude_a(file.detectors.responsivity, oscillator.value, probe.value, 1.0)
        )
        value = calibration.amplitude_v / full_v
        relative = math.hypot(
            calibration.amplitude_sigma_v / calibration.amplitude_v,
            0.5 * oscillator.relative_sigma,
            0.5 * probe.relative_sigma,
        )
        return Estimate(
            value, value * relative, "", "fringe amplitude over 2 R sqrt(P_LO P_s); enters efficiency squared"
        )

    def _oscillator_w(self, light: Light) -> Estimate:
        """Return the power of the local oscillator in W: by its meter, or as the station file states it."""
        if LIGHT not in self.on_bench.station.power_meters:
            stated_w = light.local_oscillator_power
            return Estimate(stated_w, POWER_RELATIVE_SIGMA * stated_w, "W")
        found = metered_w(power_meter(self))
        return Estimate(found.value, math.hypot(found.sigma, METER_RELATIVE_SIGMA * found.value), "W")

    def _probe_w(self, light: Light) -> Estimate:
        """Return the power of the probe on this sensor in W: as the station file states it for equal shares, times the
        share where it was measured."""
        bench = self.on_bench
        share, unknown = 1.0, SHARE_RELATIVE_SIGMA if len(bench.loops.homodyne) > 1 else 0.0
        weight = bench.results().get(f"sensor{self.sensor}.weight")
        if weight is not None and weight.value > 0.0:
            share, unknown = weight.value * len(bench.loops.homodyne), weight.sigma / weight.value
        value = share * light.probe_power
        return Estimate(value, value * math.hypot(POWER_RELATIVE_SIGMA, unknown), "W")
