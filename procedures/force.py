"""Force resolution of every sensor, on its resonance and beside it, with its own thermal motion as the ruler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pymeasure.experiment import FloatParameter

from labctl.errors import ConfigurationError
from labctl.estimation.force_resolution import Calibration, Reading, Sidedness, force_resolution, resolution_with
from labctl.spectra.estimate import Estimate, from_decibels
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.kept_records import ModeSpectrum
from procedures.sensor_modes import mode_spectrum

JOINT = "joint.raw_db"  # the sum in hardware, as the joint spectrum shows it
UNIT = "N/sqrt(Hz)"
SIDES = "two-sided"
LOOKING_S = 1.0


@dataclass(frozen=True)
class _Kind:
    """One way to read a sensor: the noise beside its line over shot noise, None for what its own spectrum shows."""

    variance: Estimate | None
    reading: Reading
    words: str


class ForceResolution(LabProcedure):
    """Turn the spectrum of every sensor into force noise: with coherent light, alone, given the other sensors, and with
    the sum of all.

    Nothing moves. The mode of the sensor is the same for all four, only the noise beside it is another. The entangled
    one holds for a force that is common to all sensors; a force on one of M appears in the sum with 1/M of its power.
    """

    title = "Force resolution"
    detuning = FloatParameter("Detuning off resonance", units="Hz", default=1600.0, minimum=1.0, maximum=1e6)
    DATA_COLUMNS = ["Sensor", "Coherent", "Separable", "Entangled", "Conditional"]

    def expected_s(self) -> float:
        """Return about a second."""
        return LOOKING_S

    def measure(self) -> None:
        """Raises `MissingResult` when a spectrum or a result that it needs is missing, `AnalysisRefused` where a
        spectrum is not fit for it."""
        bench = self.on_bench
        membranes = bench.station.file.membranes
        if membranes is None:
            raise ConfigurationError(
                "Force resolution needs [membranes]: mass and temperature are its ruler.",
                remedy="Add the table to the station file.",
            )
        ruler = Calibration(
            Estimate(membranes.effective_mass.value, membranes.effective_mass.sigma, "kg"),
            Estimate(membranes.temperature.value, membranes.temperature.sigma, "K"),
        )
        count = bench.station.file.station.sensors
        for sensor in range(1, count + 1):
            self._resolve(sensor, mode_spectrum(bench, sensor), ruler)
            self.progress(sensor / count)
        exact = Estimate(self.detuning, 0.0, "Hz", "above the resonance, where force resolution off resonance is told")
        self.keep("force.detuning_hz", exact)

    def _kinds(self, sensor: int) -> Mapping[str, _Kind]:
        coherent = Estimate(1.0, 0.0, "", "shot noise")
        return {
            "coherent": _Kind(coherent, Reading.MARGINAL, "coherent light of the same power, V = 1"),
            "separable": _Kind(None, Reading.MARGINAL, "its own spectrum, marginal"),
            "entangled": _Kind(
                self._variance(JOINT), Reading.JOINT, "noise of the hardware sum, for a force common to all sensors"
            ),
            "conditional": _Kind(
                self._variance(f"sensor{sensor}.conditional_db"), Reading.CONDITIONAL, "given the records of all others"
            ),
        }

    def _variance(self, name: str) -> Estimate:
        found = self.on_bench.result(name)
        return from_decibels(Estimate(found.value, found.sigma, "dB", found.convention))

    def _resolve(self, sensor: int, found: ModeSpectrum, ruler: Calibration) -> None:
        """Keep results and spectra of one sensor."""
        kinds = self._kinds(sensor)
        on_resonance = {}
        for name, kind in kinds.items():
            for where, detuning_hz in (("on", 0.0), ("off", self.detuning)):
                resolution = resolution_with(
                    found.mode, ruler, detuning_hz, kind.variance, sidedness=Sidedness.TWO_SIDED
                )
                place = "on resonance" if where == "on" else f"{detuning_hz:g} Hz off resonance"
                self.keep(
                    f"sensor{sensor}.force_{name}_{where}",
                    resolution,
                    unit=UNIT,
                    convention=f"{SIDES}; {kind.words}; {place}",
                )
                if where == "on":
                    on_resonance[name] = resolution.value
        self._keep_spectra(sensor, found, kinds, ruler)
        self.row(sensor=sensor, **on_resonance)

    def _keep_spectra(self, sensor: int, found: ModeSpectrum, kinds: Mapping[str, _Kind], ruler: Calibration) -> None:
        """Keep the force noise of the measured points; for another noise beside the line each point keeps how far it
        lies from the fit."""
        spectrum, mode = found.spectrum, found.mode
        fitted = mode.model(spectrum.frequency_hz, spectrum.acquisition)
        rows = []
        for kind in kinds.values():
            floor = mode.floor.value if kind.variance is None else kind.variance.value
            values = spectrum.values * (fitted - mode.floor.value + floor) / fitted
            force = force_resolution(
                replace(spectrum, values=values), mode, ruler, sidedness=Sidedness.TWO_SIDED, reading=kind.reading
            )
            rows.append(force.resolution)
        now = self.on_bench.clock.now()
        self.on_bench.record.add_trace(
            TraceRecord(
                name=f"sensor{sensor}.force",
                step=self.step_name,
                axis_name="frequency",
                axis_unit="Hz",
                values_unit=UNIT,
                axis=spectrum.frequency_hz,
                values=np.array(rows),
                conventions={
                    "rows": ", ".join(kinds),
                    "sidedness": SIDES,
                    "force": "entangled: common to all sensors",
                    "effective_mass_kg": ruler.mass_kg.value,
                    "temperature_k": ruler.temperature_k.value,
                    "enbw_hz": spectrum.acquisition.enbw_hz,
                    "effective_averages": spectrum.acquisition.effective_k,
                },
                valid=True,
                invalid_reason="",
                started_at=now,
                ended_at=now,
            )
        )
