"""What is true on the simulated table: drawn from the seed, known to the simulation and its tests alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from labctl.configuration.disturbances import MembraneDoublet
from labctl.simulation.crystal import DoubleResonance, double_resonances, draw_crystal

RMS_DELAY_S = 13.3e-9  # cable mismatch that costs the published joint spectrum its decibel
COMMON_JITTER_RAD = 0.1003
PRIVATE_JITTER_RAD = 0.06
EXTRA_TRANSMISSION = 0.868
TILT_OF_VISIBILITY_RAD = 1.445e-3  # visibility falls as exp(-(tilt / this)^2), from the slab model at 0.5 mrad
LEFT_POWER_SHARE = (0.03, 0.30)  # of the interference at best alignment, in power, on a table that was taken apart
STEP_ASYMMETRY = 0.6  # steps backward over steps forward are within 1 +- this
CAVITY_OFFSET_M = 387.5e-9  # a quarter wavelength to either side: anywhere in a fringe


class Scenario(StrEnum):
    """Which imperfection keeps the joint noise reduction from what the source and the losses promise."""

    IDEAL = "ideal"
    DELAYS = "delays"
    JITTER = "jitter"
    LOSS = "loss"


@dataclass(frozen=True)
class SensorTruth:
    """One membrane sensor, its light path and its homodyne detector."""

    f0_hz: float
    gamma_hz: float
    peak_to_shot: float  # A: resonance peak over shot noise at the design visibility
    weight: float  # share of the squeezed light
    propagation_efficiency: float
    visibility: float  # at perfect alignment
    detector_gain: float
    delay_s: float
    dc_offset_v: float
    dark_db: float  # dark noise relative to shot noise
    volts_per_pi: float  # at the piezo, small voltage
    piezo_bow: float
    misalignment_rad: tuple[float, float]  # pitch, yaw at start
    step_rad: tuple[float, float]  # tilt per picomotor step, pitch and yaw
    backward_ratio: tuple[float, float]
    backlash_steps: float = 0.0  # of each axis, taken up before the mirror follows after a change of direction
    path_mismatch_m: float = 0.0  # local oscillator longer than probe
    cavity_length_m: float = 0.5e-3
    cavity_offset_m: float = 0.0  # of the cavity at its design bias from resonance
    cavity_piezo_bow: float = 0.1
    doublet_split_hz: float = 0.0  # to the second member of the degenerate pair
    doublet_share: float = 0.0  # its height over that of the first
    common_mode_rejection_db: float = 55.0  # of the laser's excess noise, by the balance of the detector


@dataclass(frozen=True)
class Truth:
    """Everything that estimators must find out from the instruments."""

    seed: int
    scenario: Scenario
    sensors: tuple[SensorTruth, ...]
    pump: float = 0.5385  # x at the best double resonance
    source_efficiency: float = 0.885
    best_temperature_c: float = 35.0  # of the double resonance with the lowest threshold
    opa_resonance_v: float = 0.0  # piezo voltage of a resonance of the source cavity, doubly resonant at the best
    pump_volts_per_pi: float = 15.0
    pump_phase_offset_rad: float = 0.0
    common_jitter_rad: float = 0.0
    private_jitter_rad: float = 0.0
    extra_transmission: float = 1.0
    modulator_volts_per_pi: float = 5.0  # of the probe modulator that the calibration tones drive
    phase_matching_offset_k: float = 0.0  # perfect phase matching above the best temperature
    crystal_edge_rad: float = 0.0  # phase between pump and seed at the cut end of the crystal
    thermal_m_per_k: float = 0.0  # how the source cavity grows with the temperature of the crystal
    cold: bool = False  # the best temperature is for the night to find: no file says it
    pump_threshold_w: float = 0.03  # pump power at which the source would oscillate, at the best double resonance

    def plate_zero_deg(self, plate: str) -> float:
        """Return the angle of the mount at which the axis of a wave plate is that of its beam splitter, in degrees."""
        return float(generator(self.seed, f"wave plate {plate}").uniform(20.0, 60.0))

    @property
    def pump_power_w(self) -> float:
        """The pump power where the table was aligned, in W."""
        return self.pump**2 * self.pump_threshold_w

    def double_resonances(self) -> tuple[DoubleResonance, ...]:
        """Return the double resonances of the source that its oven reaches, upwards."""
        return double_resonances(self.best_temperature_c, self.phase_matching_offset_k, self.crystal_edge_rad)

    def to_json(self) -> dict[str, object]:
        """Return plain values for the truth file that only tests and `--reveal` read."""
        return asdict(self)


def generator(seed: int, stream: str) -> np.random.Generator:
    """Return the random generator of one named stream: independent of all others and of the order in which they are
    made."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(stream.encode())])))


def draw_truth(
    seed: int,
    scenario: Scenario,
    nominal_f0_hz: list[float],
    doublets: Sequence[MembraneDoublet] = (),
    *,
    cold: bool = False,
) -> Truth:
    """Draw a table with realistic spreads around the nominal resonances, one sensor each; a `cold` one is as somebody
    left it who took it apart."""
    rng = generator(seed, "truth")
    count = len(nominal_f0_hz)
    delays = _delays(count) if scenario is Scenario.DELAYS else np.zeros(count)
    sensors = tuple(_draw_sensor(rng, f0, count, delay) for f0, delay in zip(nominal_f0_hz, delays, strict=True))
    split = {doublet.sensor: doublet for doublet in doublets}
    sensors = tuple(
        replace(sensor, doublet_split_hz=split[number].split, doublet_share=split[number].share)
        if number in split
        else sensor
        for number, sensor in enumerate(sensors, start=1)
    )
    jitter = scenario is Scenario.JITTER
    truth = Truth(
        seed=seed,
        scenario=scenario,
        sensors=sensors,
        best_temperature_c=35.0 + rng.normal(0.0, 3e-3),
        opa_resonance_v=rng.uniform(50.0, 100.0),
        pump_volts_per_pi=15.0 * (1 + rng.normal(0, 0.05)),
        pump_phase_offset_rad=rng.uniform(-np.pi, np.pi),
        common_jitter_rad=COMMON_JITTER_RAD if jitter else 0.0,
        private_jitter_rad=PRIVATE_JITTER_RAD if jitter else 0.0,
        extra_transmission=EXTRA_TRANSMISSION if scenario is Scenario.LOSS else 1.0,
        modulator_volts_per_pi=5.0 * (1 + rng.normal(0, 0.03)),
        pump_threshold_w=generator(seed, "pump threshold").uniform(0.025, 0.035),
        source_efficiency=0.885 + generator(seed, "source efficiency").normal(0.0, 0.005),
    )
    return _as_it_was_left(truth, generator(seed, "cold start")) if cold else truth


def _as_it_was_left(truth: Truth, rng: np.random.Generator) -> Truth:
    """Return the table misaligned and off resonance, the crystal in its source another one."""
    crystal = draw_crystal(generator(truth.seed, "cold crystal"))
    return replace(
        truth,
        sensors=tuple(_misaligned(sensor, rng) for sensor in truth.sensors),
        best_temperature_c=crystal.best_temperature_c,
        opa_resonance_v=crystal.opa_resonance_v,
        phase_matching_offset_k=crystal.phase_matching_offset_k,
        crystal_edge_rad=crystal.edge_phase_rad,
        thermal_m_per_k=crystal.thermal_m_per_k,
        cold=True,
    )


def _misaligned(sensor: SensorTruth, rng: np.random.Generator) -> SensorTruth:
    """Return a sensor whose interference has a few percent of its power, at mounts as they are made."""
    least, most = LEFT_POWER_SHARE
    share = least * (most / least) ** rng.uniform()
    tilt_rad = TILT_OF_VISIBILITY_RAD * math.sqrt(-0.5 * math.log(share))  # power goes as visibility squared
    direction = rng.uniform(0.0, 2.0 * math.pi)
    return replace(
        sensor,
        misalignment_rad=(tilt_rad * math.cos(direction), tilt_rad * math.sin(direction)),
        backward_ratio=(
            1.0 + rng.uniform(-STEP_ASYMMETRY, STEP_ASYMMETRY),
            1.0 + rng.uniform(-STEP_ASYMMETRY, STEP_ASYMMETRY),
        ),
        backlash_steps=rng.uniform(5.0, 20.0),
        cavity_offset_m=rng.uniform(-CAVITY_OFFSET_M, CAVITY_OFFSET_M),
    )


def _delays(count: int) -> np.ndarray:
    """Return evenly spread delays of rms `RMS_DELAY_S`; -1.35, -0.45, 0.45, 1.35 of it for four detectors."""
    if count == 1:
        return np.zeros(1)
    spread = np.linspace(-1.0, 1.0, count)
    return np.asarray(RMS_DELAY_S * spread / np.sqrt(np.mean(spread**2)))


def _draw_sensor(rng: np.random.Generator, f0_hz: float, count: int, delay_s: float) -> SensorTruth:
    return SensorTruth(
        f0_hz=f0_hz + rng.normal(0.0, 600.0),
        gamma_hz=41.0 * (1 + rng.normal(0.0, 0.01)),
        peak_to_shot=5.0 * (1 + rng.normal(0.0, 0.015)),
        weight=1.0 / count,
        propagation_efficiency=0.92 + rng.normal(0.0, 0.005),
        visibility=0.951 + rng.normal(0.0, 0.002),
        detector_gain=1 + rng.normal(0.0, 0.02),
        delay_s=delay_s,
        dc_offset_v=rng.normal(0.0, 0.01),
        dark_db=-20.0 + rng.normal(0.0, 0.5),
        volts_per_pi=14.9 * (1 + rng.normal(0.0, 0.05)),
        piezo_bow=rng.uniform(0.05, 0.15),
        misalignment_rad=(rng.normal(0.0, 3e-5), rng.normal(0.0, 3e-5)),
        step_rad=(0.4e-6 * (1 + rng.normal(0, 0.1)), 0.4e-6 * (1 + rng.normal(0, 0.1))),
        backward_ratio=(rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2)),
        path_mismatch_m=rng.normal(0.0, 0.05),
        cavity_length_m=0.5e-3 * (1 + rng.normal(0.0, 0.01)),
        cavity_offset_m=rng.normal(0.0, 2e-9),
        cavity_piezo_bow=rng.uniform(0.05, 0.15),
        common_mode_rejection_db=rng.uniform(45.0, 65.0),
    )
