"""How far each sensor is from the design, eq. (2), from what the run has measured, and what to turn where it is too
far."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pymeasure.experiment import FloatParameter

from labctl.configuration.station_file import Membranes
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.estimate import Estimate
from labctl.estimation.sensor_consistency import (
    ALL_PARAMETERS,
    ALLOWED,
    Design,
    Inconsistency,
    Parameter,
    sensor_inconsistencies,
)
from labctl.estimation.uniform_sensors import advice
from labctl.physics.membrane import zero_point_motion_m
from labctl.physics.noise_budget import Oscillator, Readout
from procedures.base import LabProcedure

ROWS = {Parameter.GAMMA: "gamma", Parameter.G0: "coupling", Parameter.KAPPA: "linewidth", ALL_PARAMETERS: ""}
MAGNITUDE = "eq. (2), a fraction of the design's force resolution, "
SIGNED = "the same with its sign: above 0 it resolves forces worse than the design"


class Uniformity(LabProcedure):
    """Compare damping, coupling and linewidth of every sensor with the design in the station file.

    Damping and all together are compared on resonance, where thermal noise decides; coupling and linewidth, which act
    on the imprecision, `detuning` away from it, and all together there too. What is not measured yet is left out.
    """

    title = "Uniformity of the sensors"
    roles = ()
    detuning = FloatParameter("Off resonance", units="Hz", default=1600.0, minimum=0.0, maximum=1e6)
    DATA_COLUMNS = ["Sensor", "Gamma (percent)", "Coupling (percent)", "Linewidth (percent)", "All (percent)"]

    def expected_s(self) -> float:
        """Return the time of arithmetic, in s."""
        return 1.0

    def measure(self) -> None:
        """Raises `ConfigurationError` where the station file has no design; what is not measured is told."""
        design = self._design()
        for sensor in range(1, self.on_bench.station.file.station.sensors + 1):
            measured = self._measured(sensor)
            missing = [ROWS[p] for p in (Parameter.GAMMA, Parameter.G0, Parameter.KAPPA) if p not in measured]
            if missing:
                self.event("warning", f"sensor{sensor}: {', '.join(missing)} not measured yet, and left out.")
            try:
                self._compare(sensor, design, measured)
            except AnalysisRefused as refusal:
                self.event("warning", f"sensor{sensor}: {refusal}")

    # ---- what is compared -------------------------------------------------------------------------------------------

    def _design(self) -> Design:
        file = self.on_bench.station.file
        membranes, light, detectors = file.membranes, file.light, file.detectors
        if membranes is None or light is None or detectors is None:
            raise ConfigurationError(
                "Uniformity is a comparison with the design.", remedy="Add [membranes], [light] and [detectors]."
            )
        sensors = file.sensors
        f0_hz = sum(sensor.resonance for sensor in sensors) / len(sensors)
        path = sum(sensor.propagation_efficiency.value for sensor in sensors) / len(sensors)
        readout = Readout(
            light.probe_power, light.wavelength, detectors.quantum_efficiency.value * path * self._interference()
        )
        return Design(_oscillator(membranes, f0_hz), readout, membranes.coupling, membranes.linewidth)

    def _interference(self) -> float:
        """Return the mean square of the visibilities that were measured, 1 where none was."""
        results = self.on_bench.results()
        found = [value.value for name, value in results.items() if name.endswith(".visibility")]
        return sum(value**2 for value in found) / len(found) if found else 1.0

    def _measured(self, sensor: int) -> dict[Parameter, Estimate]:
        """Return what is known of one sensor; g0 comes from itself, or from its ratio to kappa."""
        gamma, kappa = self._result(sensor, "gamma_hz"), self._result(sensor, "kappa_hz")
        g0, ratio = self._result(sensor, "g0_hz"), self._result(sensor, "g0_over_kappa")
        if g0 is None and ratio is not None and kappa is not None:
            value = ratio.value * kappa.value
            g0 = Estimate(value, value * math.hypot(ratio.relative_sigma, kappa.relative_sigma), "Hz")
        found = {Parameter.GAMMA: gamma, Parameter.G0: g0, Parameter.KAPPA: kappa}
        return {name: estimate for name, estimate in found.items() if estimate is not None}

    def _result(self, sensor: int, what: str) -> Estimate | None:
        found = self.on_bench.results().get(f"sensor{sensor}.{what}")
        return None if found is None else Estimate(found.value, found.sigma, found.unit)

    def _together(
        self, sensor: int, design: Design, measured: Mapping[Parameter, Estimate]
    ) -> dict[Parameter, Estimate]:
        """Return what enters all together: g0 and kappa through their measured ratio, whose parts are not
        independent."""
        ratio = self._result(sensor, "g0_over_kappa")
        if ratio is None:
            return dict(measured)
        slope = design.oscillator.phase_slope_rad_per_m * ratio.value / (design.g0_hz / design.kappa_hz)
        found = {Parameter.PHASE_SLOPE: Estimate(slope, slope * ratio.relative_sigma, "rad/m")}
        return found | {name: value for name, value in measured.items() if name is Parameter.GAMMA}

    # ---- what comes of it -------------------------------------------------------------------------------------------

    def _compare(self, sensor: int, design: Design, measured: Mapping[Parameter, Estimate]) -> None:
        prefix, detuning_hz = f"sensor{sensor}", float(self.detuning)
        found: dict[str, Inconsistency] = {}
        for parameter, value in measured.items():
            at_hz = 0.0 if parameter is Parameter.GAMMA else detuning_hz
            one = sensor_inconsistencies(design, {sensor: {parameter: value}}, detuning_hz=at_hz)[0]
            found[ROWS[parameter]] = one
            self._keep_one(f"{prefix}.inconsistency_{ROWS[parameter]}", one)
        together = {sensor: self._together(sensor, design, measured)}
        on, off = (sensor_inconsistencies(design, together, detuning_hz=at_hz)[-1] for at_hz in (0.0, detuning_hz))
        self._keep_one(f"{prefix}.inconsistency", on)
        self.keep(f"{prefix}.inconsistency_signed", on.signed, convention=SIGNED)
        self._keep_one(f"{prefix}.inconsistency_off", off)
        self._tell(sensor, design, found, on, off)
        percent = {
            row: 100.0 * found[row].value.value if row in found else math.nan
            for row in ("gamma", "coupling", "linewidth")
        }
        self.row(sensor=sensor, all=100.0 * on.value.value, **percent)

    def _keep_one(self, name: str, one: Inconsistency) -> None:
        where = "on resonance" if one.detuning_hz == 0.0 else f"{one.detuning_hz:g} Hz off resonance"
        sign = "worse" if one.signed.value > 0.0 else "better"
        self.keep(name, one.value, unit="", convention=f"{MAGNITUDE}{where}; {sign} than the design")

    def _tell(
        self, sensor: int, design: Design, found: Mapping[str, Inconsistency], on: Inconsistency, off: Inconsistency
    ) -> None:
        for sentence in advice(sensor, design, found, off):
            self.event("warning", sentence)
        worst = max(on.value.value, off.value.value)
        verdict = "within" if worst <= ALLOWED else "outside"
        self.event(
            "info",
            f"sensor{sensor} is {verdict} {100 * ALLOWED:g} %: {100 * on.signed.value:+.2f} +- "
            f"{100 * on.signed.sigma:.2f} % on resonance, {100 * off.signed.value:+.2f} +- "
            f"{100 * off.signed.sigma:.2f} % {off.detuning_hz:g} Hz off it.",
        )


def _oscillator(membranes: Membranes, f0_hz: float) -> Oscillator:
    """Return the design's mode: a displacement x turns the phase by 4 g0 / kappa of x / x_zpf."""
    mass_kg = membranes.effective_mass.value
    slope = 4.0 * membranes.coupling / membranes.linewidth / float(zero_point_motion_m(mass_kg, f0_hz))
    return Oscillator(f0_hz, membranes.damping, mass_kg, membranes.temperature.value, slope)
