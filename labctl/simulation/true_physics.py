"""What is true of source, cavities, mechanics and force of a simulated table, and of what its sum loses, in closed
form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from labctl.physics.cavity import airy_finesse, free_spectral_range_hz
from labctl.physics.force_noise import thermal_force_psd, two_sided
from labctl.physics.membrane_cavity import resonant_gap_m, slab_amplitudes
from labctl.simulation.sensor_cavity import MEMBRANE_INDEX, MEMBRANE_M, MIRROR_AMPLITUDE, reflection_depth_m
from labctl.simulation.true_number import TrueNumber
from labctl.simulation.truth import Scenario
from labctl.simulation.working_point import WorkingPoint

UNSEEN_LENGTH_M = 5e-9  # within which a lock keeps the length of a cavity
FORCE_UNIT = "N/sqrt(Hz)"
FORCE_DETUNING_HZ = 1600.0  # at which procedures tell the force off resonance, if not told otherwise
UNRESOLVED = "Not there, or too small to be resolved: the result is an upper limit."
FOLLOWS_FORCE = "Follows from linewidth, peak and noise of the same spectrum."
DESIGN_PEAK = "Rests on the peak over shot noise, whose true value is a design value."
SAME_LIGHT = "Follows from pump parameter and efficiency of the source."


def source_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    """Give what is true of the source."""
    truth = point.truth
    _, antisqueezed = point.source()
    db = 10.0 * math.log10(antisqueezed)
    jitter = truth.scenario is Scenario.JITTER
    yield TrueNumber("source.threshold_w", truth.pump_threshold_w, "W")
    yield TrueNumber("source.total_efficiency", truth.source_efficiency * truth.extra_transmission, "")
    yield TrueNumber("source.antisqueezing_db", db, "dB", remark=SAME_LIGHT, counted=False)
    remark = "" if jitter else UNRESOLVED
    yield TrueNumber("source.phase_noise_rad", point.common_jitter_rad(), "rad", remark=remark, counted=jitter)
    yield TrueNumber("oven.best_temperature_c", truth.best_temperature_c, "degC")


def sum_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    """Give what the sum loses, to what."""
    if len(point.sensors) < 2:
        return
    truth = point.truth
    late, turned = truth.scenario is Scenario.DELAYS, truth.scenario is Scenario.JITTER
    promised = 1.0 - len(point.sensors) * (1.0 - float(np.mean(point.light().marginal())))
    yield TrueNumber("joint.promised_db", _db(promised), "dB", remark="Follows from the spectra.", counted=False)
    raw = float(point.plain_sum(point.middle_hz()))
    remark = "Follows from other numbers of this table."
    yield TrueNumber("joint.missing_db", _db(raw / promised), "dB", remark=remark, counted=False)
    delay_s = point.delay_s() - point.delay_s().mean()
    for number, delay in enumerate(delay_s, start=1):
        yield TrueNumber(f"joint.delay{number}_s", float(delay), "s")
    rms_s, unresolved = float(np.sqrt(np.mean(delay_s**2))), UNRESOLVED
    yield TrueNumber("joint.rms_delay_s", rms_s, "s", remark="" if late else unresolved, counted=late)
    private = float(np.sqrt(np.mean(point.private_jitter_rad() ** 2)))
    seen = "" if turned else unresolved
    yield TrueNumber("joint.common_jitter_rad", point.common_jitter_rad(), "rad", remark=seen, counted=turned)
    yield TrueNumber("joint.private_jitter_rad", private, "rad", remark=seen, counted=turned)
    still, with_jitter = _joint(_still(point)), _joint(point)
    coherence = abs(np.exp(2j * np.pi * point.middle_hz() * delay_s).mean()) ** 2
    plain = 1.0 - coherence * (1.0 - with_jitter)
    yield TrueNumber(
        "joint.lost_to_delays_db", _db(plain / with_jitter), "dB", remark="" if late else unresolved, counted=late
    )
    yield TrueNumber("joint.lost_to_jitter_db", _db(with_jitter / still), "dB", remark=seen, counted=turned)
    kept = _joint(_still(_without_loss(point)))
    yield TrueNumber("joint.lost_to_loss_db", _db(still / kept), "dB")


def cavity_numbers(point: WorkingPoint) -> Iterator[TrueNumber]:
    """Give lengths and linewidths of the cavities on resonance, and what they make of motion."""
    wavelength_m = point.design.wavelength_m
    r, _ = slab_amplitudes(MEMBRANE_INDEX, MEMBRANE_M, wavelength_m)
    finesse = float(airy_finesse(abs(complex(r)) * MIRROR_AMPLITUDE))
    g0_over_kappa, phase_rms = point.g0_over_kappa(), np.sqrt(point.thermal_phase_variance())
    for index, sensor in enumerate(point.sensors):
        name = f"sensor{index + 1}"
        gap_m = float(resonant_gap_m(complex(r), sensor.cavity_length_m, wavelength_m))
        length_m = gap_m + reflection_depth_m(wavelength_m)
        fsr_hz = float(free_spectral_range_hz(length_m))
        wander = UNSEEN_LENGTH_M / length_m
        yield TrueNumber(f"{name}.fsr_hz", fsr_hz, "Hz", wander * fsr_hz)
        same = "The same as the free spectral range."
        yield TrueNumber(f"{name}.length_m", length_m, "m", UNSEEN_LENGTH_M, same, counted=False)
        yield TrueNumber(f"{name}.fsr_two_colour_hz", fsr_hz, "Hz", wander * fsr_hz)
        yield TrueNumber(f"{name}.finesse", finesse, "")
        follows = "Free spectral range over finesse."
        yield TrueNumber(f"{name}.kappa_hz", fsr_hz / finesse, "Hz", remark=follows, counted=False)
        ratio = float(g0_over_kappa[index])
        yield TrueNumber(f"{name}.g0_over_kappa", ratio, "")
        yield TrueNumber(f"{name}.g0_hz", ratio * fsr_hz / finesse, "Hz", remark=DESIGN_PEAK, counted=False)
        yield TrueNumber(f"{name}.phase_rms_rad", float(phase_rms[index]), "rad", remark=DESIGN_PEAK, counted=False)
        yield TrueNumber(f"{name}.gamma_ringdown_hz", sensor.gamma_hz, "Hz")
        yield TrueNumber(f"{name}.common_mode_rejection_db", sensor.common_mode_rejection_db, "dB")


def force_numbers(
    point: WorkingPoint, conditional: list[float], raw: float, mass_kg: float = 1.69e-11
) -> Iterator[TrueNumber]:
    """Give the force resolution of every sensor, `raw` being the variance of the hardware sum."""
    marginal = point.light().marginal()
    for index, sensor in enumerate(point.sensors):
        name = f"sensor{index + 1}"
        thermal = thermal_force_psd(sensor.gamma_hz, mass_kg, point.membrane_temperature_k())
        kinds = {
            "coherent": 1.0,
            "separable": float(marginal[index]),
            "entangled": raw,
            "conditional": conditional[index],
        }
        for where, detuning_hz in (("on", 0.0), ("off", FORCE_DETUNING_HZ)):
            shape = 1.0 + (2.0 * detuning_hz / sensor.gamma_hz) ** 2
            for kind, variance in kinds.items():
                psd = float(two_sided(thermal)) * (1.0 + variance * shape / sensor.peak_to_shot)
                # On resonance the thermal force is most of it, which the linewidth tells; off it the peak counts.
                first = where == "on" and kind == "separable"
                remark = "" if first else FOLLOWS_FORCE
                yield TrueNumber(
                    f"{name}.force_{kind}_{where}",
                    math.sqrt(psd),
                    FORCE_UNIT,
                    remark=remark,
                    counted=not remark,
                )


def _still(point: WorkingPoint) -> WorkingPoint:
    """Return the table without any phase noise."""
    return _StillPoint(point.truth, point.design)


class _StillPoint(WorkingPoint):
    def common_jitter_rad(self) -> float:
        return 0.0

    def private_jitter_rad(self) -> NDArray[np.float64]:
        return np.zeros(len(self.sensors))


def _without_loss(point: WorkingPoint) -> WorkingPoint:
    return WorkingPoint(replace(point.truth, extra_transmission=1.0), point.design)


def _joint(point: WorkingPoint) -> float:
    """Return the variance of the sum in step, equal weights."""
    return float(point.light().weighted_sum(np.sign(np.array(point.design.quadratures, dtype=float))))


def _db(ratio: float) -> float:
    return float(10.0 * np.log10(ratio))
