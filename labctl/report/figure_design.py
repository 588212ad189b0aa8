"""What the station file of a run states of its sensors, and the design sensor that eq. (2) compares each one with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import ValidationError

from labctl.configuration.station_file import Light, Membranes
from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.sensor_consistency import Design
from labctl.physics.membrane import zero_point_motion_m
from labctl.physics.noise_budget import Oscillator, Readout
from labctl.report.contents import RunContents
from labctl.report.station_design import station_design
from labctl.store.station_text import parsed_station

CHANNEL_EFFICIENCY = "network.channel_efficiency"


@dataclass(frozen=True)
class StatedSensors:
    """Tables of the station file; `efficiency` from sensor to photocurrent, as measured where the run has it."""

    membranes: Membranes
    light: Light
    resonance_hz: float  # mean of where the sensors are looked for
    efficiency: Estimate


def stated_sensors(run: RunContents) -> StatedSensors:
    """Raises AnalysisRefused where the station file in the manifest does not state the sensors' design."""
    stated = station_design(run.manifest)
    light = _light(run)
    if stated.membranes is None or light is None or not stated.sensors:
        lacking = "[membranes]" if stated.membranes is None else "[light]" if light is None else "[[sensors]]"
        raise AnalysisRefused(f"The station file of the run has no {lacking}, so the design of the sensors is unknown.")
    measured = run.results.get(CHANNEL_EFFICIENCY)
    if measured is not None:
        efficiency = Estimate(min(measured.value, 1.0), measured.sigma)
    else:
        path = math.fsum(one.propagation_efficiency.value for one in stated.sensors) / len(stated.sensors)
        efficiency = Estimate(path * (stated.detectors.quantum_efficiency.value if stated.detectors else 1.0), 0.0)
    resonance = math.fsum(float(one.resonance) for one in stated.sensors) / len(stated.sensors)
    return StatedSensors(stated.membranes, light, resonance, efficiency)


def _light(run: RunContents) -> Light | None:
    try:
        return Light.model_validate(parsed_station(run.manifest.station_file).get("light"))
    except ValidationError:
        return None


def design_of(stated: StatedSensors) -> Design:
    """The sensor that every one should be, probed with coherent light: s = 4 g0 / (x_zpf kappa)."""
    membranes, light = stated.membranes, stated.light
    mass = membranes.effective_mass.value
    zero_point = float(zero_point_motion_m(mass, stated.resonance_hz))
    slope = 4.0 * membranes.coupling / (zero_point * membranes.linewidth)
    oscillator = Oscillator(stated.resonance_hz, membranes.damping, mass, membranes.temperature.value, slope)
    readout = Readout(light.probe_power, light.wavelength, stated.efficiency.value)
    return Design(oscillator, readout, membranes.coupling, membranes.linewidth)
