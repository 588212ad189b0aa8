"""The numbers of the publication, and what labctl.physics makes of its printed parameters.

`published_values.toml` of the report holds a part of them; MODEL_OF gives, for each of its quantities with a model, the
same numbers from the formulae. ROWS are those that it does not hold. Nothing here is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from published_parameters import (
    DELAYS_S,
    DENSITY,
    EFFICIENCY,
    F0_HZ,
    FLUX,
    FSR_HZ,
    GAMMA_OF_FORCE_HZ,
    GAMMA_OF_WIDTHS_HZ,
    IMPRECISION_FN,
    INDIVIDUAL,
    JOINT,
    KAPPA_HZ,
    LENGTH_M,
    MASS_KG,
    MODE,
    OPTICAL_HZ,
    OVERLAP,
    PEAK_OF_FORCE,
    PEAK_OF_OPTICS,
    PEAK_OF_WIDTHS,
    PHOTONS,
    PRINTED_GAMMA_HZ,
    R_SLAB,
    SIDE_M,
    SLOPE,
    SURVIVAL,
    TEMPERATURE_K,
    THERMAL_FN,
    THICKNESS_M,
    WAVELENGTH_M,
    ZERO_POINT_M,
    back_action_n,
    db,
    detuning_hz,
    exact_imprecision_n,
    four_sensors,
    resonant_imprecision_n,
    sql_power_w,
    summed,
    thermal_n,
)
from scipy.optimize import brentq

from labctl.physics import (
    cavity,
    double_resonance,
    force_noise,
    homodyne,
    membrane,
    membrane_cavity,
    network,
    opa,
    sensing,
    squeezing,
)

_JOINT_DB = summed(four_sensors())
_MARGINAL_DB = db(four_sensors().marginal()[0])
_READ_WITH = {
    "coherent": 1.0,
    "separable": INDIVIDUAL,
    "entangled": JOINT,
    "conditional": float(four_sensors().conditional()[0]),
}
"""Variance of the light that a force is read with, over shot noise."""
_OFF_RESONANCE_N = 197e-15
_G0_OF_SPOT_HZ = float(membrane.coupling_of_slope_hz(SLOPE * OVERLAP, ZERO_POINT_M, 58.9e9))
_SQUEEZING, _ANTISQUEEZING = (float(v) for v in opa.quadrature_variances(0.54, 4.32e6 / 51.5e6, 1.0))
_SOURCE_EFFICIENCY = (1.0 - 10**-0.71) / (1.0 - _SQUEEZING)
"""What loss takes from the squeezing of an amplifier at 0.54 of its threshold, down to -7.1 dB."""
_RMSE = [
    float(sensing.rmse(sensing.entangled_variance(PHOTONS, EFFICIENCY), 4)),
    float(sensing.rmse(sensing.separable_variance(PHOTONS, 4, EFFICIENCY), 4)),
]

MODEL_OF: dict[str, list[float]] = {
    "Joint noise, hardware sum": [_JOINT_DB],
    "Joint noise, sum of records": [_JOINT_DB],
    "Joint noise, re-phased": [_JOINT_DB],
    "Noise of one sensor, mean of all": [_MARGINAL_DB],
    "Noise of one sensor, records": [_MARGINAL_DB],
    "Noise of one sensor, given the others": [db(four_sensors().conditional()[0])],
    "Squeezing of the source": [db(opa.quadrature_variances(0.54, 4.32e6 / 51.5e6, 0.885)[0])],
    "Antisqueezing of the source": [db(opa.quadrature_variances(0.54, 4.32e6 / 51.5e6, 0.885)[1])],
    "Efficiency of the source": [_SOURCE_EFFICIENCY],
    "Channel efficiency": [float(homodyne.detection_efficiency(0.92, 0.99, 0.95))],
    "Energy damping rate": [0.5 * (GAMMA_OF_FORCE_HZ + GAMMA_OF_WIDTHS_HZ)],
    "Energy damping rate, from the decay": [0.5 * (GAMMA_OF_FORCE_HZ + GAMMA_OF_WIDTHS_HZ)],
    "Thermal peak over shot noise": [(PEAK_OF_FORCE + PEAK_OF_WIDTHS + PEAK_OF_OPTICS) / 3.0],
    "Cavity linewidth κ": [float(cavity.airy_linewidth(SURVIVAL, FSR_HZ))],
    "Finesse of the cavity": [float(cavity.airy_finesse(SURVIVAL))],
    "Optomechanical coupling g₀/2π": [_G0_OF_SPOT_HZ],
    "Coupling over linewidth g₀/κ": [_G0_OF_SPOT_HZ / float(cavity.airy_linewidth(SURVIVAL, FSR_HZ))],
    "Thermal force noise, two-sided": [thermal_n()],
    **{
        f"Force noise on resonance, {kind}": [1e-15 * float(np.hypot(THERMAL_FN, IMPRECISION_FN * np.sqrt(variance)))]
        for kind, variance in _READ_WITH.items()
    },
    **{
        f"Force noise off resonance, {kind}": [_OFF_RESONANCE_N * float(np.sqrt(variance))]
        for kind, variance in _READ_WITH.items()
    },
    "RMS error, four sensors": _RMSE,
    "Advantage of entanglement": [100.0 * (float(sensing.advantage(PHOTONS, m, EFFICIENCY)) - 1.0) for m in (2, 3, 4)],
    "Splitting ratio of the taps": network.tap_reflectivities([0.25] * 4)[:3].tolist(),
}


@dataclass(frozen=True)
class Row:
    """`model`: what the formulae give; `expected`: as worked out apart from this program; `tolerance` relative.

    `published` as printed, None where it is not. `remark` says why a tolerance is not 1 %, or what the row is for.
    """

    name: str
    published: float | None
    model: Any
    expected: float
    tolerance: float = 0.01
    remark: str = ""


def _mode_hz(stress_pa: float) -> float:
    return float(membrane.mode_frequency_hz(stress_pa, DENSITY, SIDE_M, MODE))


def _resolution_change(parameter: str, factor: float) -> float:
    """Relative change of the force resolution, %: eq. (2) with its sign."""
    on_resonance = parameter == "gamma"
    power = {"gamma": 1.0, "g0": -2.0, "kappa": 2.0}[parameter]
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, PRINTED_GAMMA_HZ, MASS_KG)
    if on_resonance:
        psd = [float(force_noise.thermal_force_psd(g, MASS_KG, 300.0)) for g in (50.0, 50.0 * factor)]
    else:
        kappa, g0 = (KAPPA_HZ * factor, 822.0) if parameter == "kappa" else (KAPPA_HZ, 822.0 * factor)
        psd = [
            float(force_noise.equation_one_imprecision(k, g, ZERO_POINT_M, FLUX, 1.0, chi))
            for k, g in ((KAPPA_HZ, 822.0), (kappa, g0))
        ]
    size = 100.0 * float(force_noise.inconsistency(psd[1], psd[0]))
    return size if (factor > 1.0) == (power > 0.0) else -size


_FOUR_G = float(membrane_cavity.adiabatic_phase_slope(OPTICAL_HZ, LENGTH_M, KAPPA_HZ))
_ANGLES = network.half_wave_plate_angles_deg([0.25] * 4)
_JITTER = four_sensors(0.8218, 0.1003, 0.06)
_G0 = float(membrane.single_photon_coupling_hz(OPTICAL_HZ, LENGTH_M, ZERO_POINT_M))
_GAS = float(membrane.gas_damping_quality(DENSITY, THICKNESS_M, F0_HZ, 1.333e-4, TEMPERATURE_K))
_THERMAL_2 = thermal_n(50.0, MASS_KG) ** 2
_PER_KELVIN = 0.2615

ROWS = [
    *(
        Row(f"resonance frequency {i + 1}, Hz", printed, _mode_hz(stress), printed)
        for i, (printed, stress) in enumerate(
            [(4.276e6, 0.809e9), (4.301e6, 0.819e9), (4.338e6, 0.833e9), (4.365e6, 0.843e9)]
        )
    ),
    Row("(5,6) mode at 0.9 GPa, Hz", 4.3e6, _mode_hz(0.9e9), 4.509e6, remark="printed one holds for 0.818 GPa"),
    Row("neighbour (3,7), Hz", None, membrane.mode_frequency_hz(0.819e9, DENSITY, SIDE_M, (3, 7)), 4.19e6),
    Row("laser frequency, Hz", 1.9e14, OPTICAL_HZ, 1.934e14),
    Row("free spectral range, Hz", None, FSR_HZ, 299.8e9),
    Row("finesse", None, cavity.airy_finesse(SURVIVAL), 5.09),
    Row("kappa from energy decay, Hz", 60e9, cavity.decay_linewidth(SURVIVAL, FSR_HZ), 57.1e9),
    Row("kappa from peak finesse, Hz", 60e9, FSR_HZ / cavity.peak_finesse(SURVIVAL), 58.0e9),
    Row("kappa as 1 - R, Hz", 60e9, cavity.small_loss_linewidth(SURVIVAL, FSR_HZ), 33.3e9, remark="high finesse only"),
    Row("length FWHM, m", None, cavity.airy_linewidth(SURVIVAL, 0.5 * WAVELENGTH_M), 152e-9),
    Row("membrane reflectivity, n = 2.169", 0.302, abs(R_SLAB) ** 2, 0.302),
    Row(
        "membrane reflectivity, n = 2.00",
        0.302,
        abs(membrane_cavity.slab_amplitudes(2.0, THICKNESS_M, WAVELENGTH_M)[0]) ** 2,
        0.228,
    ),
    Row("phase slope, rad/m", None, abs(SLOPE), 1.978e7),
    Row("4G/kappa over 2k", None, _FOUR_G * WAVELENGTH_M / (4.0 * np.pi), 3.18),
    Row("effective mass, kg", 1.7e-11, MASS_KG, 1.6875e-11),
    Row("zero-point motion, m", None, ZERO_POINT_M, 3.388e-16),
    Row("phonons", 1e6, membrane.thermal_occupancy(4.3e6, 300.0), 1.454e6),
    Row("g0, rad/s", None, 2.0 * np.pi * _G0, 823.5, remark="the printed 822 Hz is this"),
    Row("g0 with the spot, Hz", None, _G0 * OVERLAP, 27.5),
    Row(
        "g0 with spot and exact slope, Hz",
        None,
        membrane.coupling_of_slope_hz(SLOPE * OVERLAP, ZERO_POINT_M, 58.9e9),
        20.8,
    ),
    Row("spot overlap", None, OVERLAP, 0.210),
    Row("spot overlap, w = 48 um", None, membrane.spot_overlap(48e-6, SIDE_M, MODE), 0.50),
    Row("gas damping at 1e-6 Torr, Hz", None, F0_HZ / _GAS, 0.9e-3, 0.06, "the model value has one digit"),
    Row("thermal force one-sided, N/rtHz", None, np.sqrt(2.0) * thermal_n(), 9.41e-15),
    Row("thermal force at 45 Hz, N/rtHz", 6.3e-15, thermal_n(45.0), 6.31e-15),
    Row("thermal force of route 1, fN/rtHz", None, THERMAL_FN, 5.99),
    Row("imprecision of route 1, fN/rtHz", None, IMPRECISION_FN, 3.01),
    Row("Gamma of the printed force noise, Hz", 50.0, GAMMA_OF_FORCE_HZ, 40.5),
    Row("Gamma of the printed widths, Hz", 50.0, GAMMA_OF_WIDTHS_HZ, 41.7),
    Row("A of the printed force noise", None, PEAK_OF_FORCE, 3.95),
    Row("A of the printed widths", None, PEAK_OF_WIDTHS, 5.5),
    Row("A of the optics", None, PEAK_OF_OPTICS, 5.7),
    Row("imprecision, 2 pi 822 rad/s, S_det 1, N/rtHz", None, resonant_imprecision_n(822.0, 1.0), 0.1008e-15),
    Row(
        "imprecision, 822 rad/s, S_det 1, N/rtHz",
        None,
        resonant_imprecision_n(822.0 / (2 * np.pi), 1.0),
        0.629e-15,
        0.012,
        "worked out with g0 = 823.5 rad/s",
    ),
    Row("imprecision, exact, N/rtHz", None, exact_imprecision_n(), 3.07e-15),
    Row("detuning of 197 fN, as the publication, Hz", None, detuning_hz(resonant_imprecision_n(822.0, 1.0)), 49.2e3),
    Row("detuning of 197 fN, exact, Hz", None, detuning_hz(exact_imprecision_n()), 1.6e3),
    Row(
        "temperature of the thermomechanical limit, K",
        0.060,
        300.0 * resonant_imprecision_n(822.0, 1.0) ** 2 / _THERMAL_2,
        0.068,
        0.025,
        "the model value has two digits; the printed one needs the slip of 2 pi as well",
    ),
    Row("back-action, 4G/kappa, N/rtHz", 9.7e-22, back_action_n(_FOUR_G), 1.70e-20, remark="printed one breaks hbar/2"),
    Row("back-action, exact, N/rtHz", 9.7e-22, back_action_n(SLOPE), 1.30e-20),
    Row("back-action with the spot, N/rtHz", 9.7e-22, back_action_n(SLOPE * OVERLAP), 2.73e-21),
    Row("SQL power, 4G/kappa, W", None, sql_power_w(_FOUR_G), 0.132),
    Row("SQL power, exact, W", None, sql_power_w(SLOPE), 0.2234, remark="given as 0.22"),
    Row("SQL power with the spot, W", None, sql_power_w(SLOPE * OVERLAP), 5.1),
    Row("first plate, deg", None, _ANGLES[0], 15.0),
    Row("second plate, deg", None, _ANGLES[1], 17.632),
    Row("third plate, deg", None, _ANGLES[2], 22.5),
    Row("joint, delays, dB", -3.7, summed(four_sensors(0.8218), DELAYS_S), -3.76),
    Row("joint, delays undone, dB", None, summed(four_sensors(0.8218)), -4.71),
    Row("joint, jitter, dB", -3.7, summed(_JITTER), -3.69),
    Row("individual, jitter, dB", -0.8, db(_JITTER.marginal()[0]), -0.65),
    Row("conditional, jitter, dB", None, db(_JITTER.conditional()[0]), -1.22, 0.02, "measured on simulated records"),
    Row("photons of a pure -7.1 dB", 2.3, squeezing.photon_number(10**-0.71, 10**0.71), 0.83),
    Row("squeezing of 2.3 photons, dB", -7.1, db(squeezing.pure_variance(2.3)), -10.46),
    Row("the same through 0.885, dB", -7.1, db(squeezing.after_loss(squeezing.pure_variance(2.3), 0.885)), -7.1),
    Row("photons of -7.1 and +10.42 dB", 2.3, squeezing.photon_number(10**-0.71, 10**1.042), 2.30),
    Row("source of -3.7 dB behind 0.82, dB", None, db(squeezing.before_loss(JOINT, 0.82)), -5.22),
    Row(
        "advantage of coherent light, M = 4, no loss",
        2.0,
        sensing.advantage(2.3, 4, 1.0),
        1.656,
        remark="sqrt(4) needs N_s / M >> 1",
    ),
    Row("V behind the printed 0.130, dB", None, db(16 * 0.130**2), -5.68),
    Row("Gamma +6 %, %", 3.0, _resolution_change("gamma", 1.06), 2.96),
    Row("Gamma -6 %, %", -3.0, _resolution_change("gamma", 0.94), -3.05),
    Row("g0 +3 %, %", -3.0, _resolution_change("g0", 1.03), -2.91),
    Row("g0 -3 %, %", 3.0, _resolution_change("g0", 0.97), 3.09),
    Row("kappa +3 %, %", 3.0, _resolution_change("kappa", 1.03), 3.00),
    Row("seed finesse", None, np.pi / 0.088, 35.7),
    Row("seed escape efficiency", None, cavity.escape_efficiency(0.157, 0.005), 0.969),
    Row("seed linewidth, Hz", None, cavity.decay_linewidth(np.sqrt(0.843 * 0.995), 3.69e9), 103e6),
    Row("double resonance HWHM, K", None, 0.088 / _PER_KELVIN, 0.336),
    Row("double resonances apart, K", None, np.pi / _PER_KELVIN, 12.0),
    Row(
        "phase matching FWHM, K",
        None,
        2.0 * brentq(lambda k: float(double_resonance.phase_matching(k, _PER_KELVIN)) - 0.5, 1.0, 20.0),
        21.3,
    ),
]

NOT_FROM_FORMULAE = {
    "Homodyne visibility": "a printed input of the model, with no model of its own",
    "Inconsistency of the sensors": "what four membranes came to; eq. (2) and its windows are rows above",
    "Resonance frequency": "four stresses fit the four printed numbers; they are rows above",
    "Vacuum": "an interlock",
    "Acquisition": "the time of a sweep belongs to the plan of a measurement, not to this model",
}
