"""What a station file says of the table that it simulates: the truth that its seed draws, and the design around it."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.configuration.disturbances import MembraneDoublet
from labctl.configuration.station_file import Detectors, HomodyneLoop, Light, SimulatedBackend, StationFile
from labctl.errors import ConfigurationError
from labctl.simulation.truth import Scenario, Truth, draw_truth, generator

POWER_RELATIVE_SIGMA = 0.01  # of each of the two powers that a station file states
HIGHEST_QUANTUM_EFFICIENCY = 0.999
USUAL_PUMP_UNITY_GAIN_HZ = 500.0
USUAL_UNITY_GAIN_HZ = 3e3


@dataclass(frozen=True)
class Design:
    """Light, detectors and loops as they are, near to what the station file says of them; tuples have one entry a
    sensor.

    `quadratures` are +1 for a detector that is locked at +pi/2 and -1 for -pi/2; unity gains are those of the loops of
    pump phase and local oscillators, the usual ones where the file has no such loop. Without an oven its target is
    None.
    """

    wavelength_m: float
    probe_power_w: float
    local_oscillator_w: float
    responsivity_a_per_w: float
    dc_volts_per_ampere: float
    quantum_efficiency: float
    oven_target_c: float | None
    pump_unity_gain_hz: float
    unity_gain_hz: tuple[float, ...]
    quadratures: tuple[int, ...]


def truth_of(station: StationFile) -> Truth:
    """Return the truth that seed and scenario of a station on the simulated table draw.

    Raises `ConfigurationError` when its backend is another.
    """
    backend = station.backend
    if not isinstance(backend, SimulatedBackend):
        raise ConfigurationError(
            "This station file names real instruments.", remedy='Set [backend] kind = "simulated".'
        )
    return draw_truth(
        backend.seed,
        Scenario(backend.scenario),
        [sensor.resonance for sensor in station.sensors],
        [disturbance for disturbance in backend.disturbances if isinstance(disturbance, MembraneDoublet)],
        cold=backend.start == "cold",
    )


def design_of(station: StationFile) -> Design:
    """Return what the station file says, and of what it knows to some uncertainty what the seed draws from that.

    Raises `ConfigurationError` where it has no light or detectors.
    """
    light, detectors = _light_and_detectors(station)
    stated = detectors.quantum_efficiency
    probe_w, oscillator_w, quantum_efficiency = light.probe_power, light.local_oscillator_power, stated.value
    if isinstance(station.backend, SimulatedBackend):
        rng = generator(station.backend.seed, "stated light and detectors")
        probe_w *= 1.0 + rng.normal(0.0, POWER_RELATIVE_SIGMA)
        oscillator_w *= 1.0 + rng.normal(0.0, POWER_RELATIVE_SIGMA)
        quantum_efficiency = min(stated.value + rng.normal(0.0, stated.sigma), HIGHEST_QUANTUM_EFFICIENCY)
    homodyne = {loop.sensor: loop for loop in station.loops.values() if isinstance(loop, HomodyneLoop)}
    each = [homodyne.get(number) for number in range(1, len(station.sensors) + 1)]
    pump = [loop.unity_gain for loop in station.loops.values() if loop.kind == "pump_phase"]
    return Design(
        wavelength_m=light.wavelength,
        probe_power_w=probe_w,
        local_oscillator_w=oscillator_w,
        responsivity_a_per_w=detectors.responsivity,
        dc_volts_per_ampere=detectors.dc_volts_per_ampere,
        quantum_efficiency=quantum_efficiency,
        oven_target_c=None if station.oven is None else station.oven.target,
        pump_unity_gain_hz=pump[0] if pump else USUAL_PUMP_UNITY_GAIN_HZ,
        unity_gain_hz=tuple(USUAL_UNITY_GAIN_HZ if loop is None else loop.unity_gain for loop in each),
        quadratures=tuple(-1 if loop is not None and loop.quadrature == "-pi/2" else 1 for loop in each),
    )


def _light_and_detectors(station: StationFile) -> tuple[Light, Detectors]:
    if station.light is None or station.detectors is None:
        raise ConfigurationError(
            "The simulated table needs [light] and [detectors].", remedy="Add both tables to the station file."
        )
    return station.light, station.detectors
