"""Efficiency of the optical calibrations: fringe, cavity, coupling, gain, squeezing, jitter, sums, linearity, PDH.

Data are drawn from the closed forms: 1000 samples and noise of 1 % of the peak for scans, Gamma(K, S/K) for spectra.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from efficiency import Row, table

from labctl.estimation.cavity_scan import Axis, CavityScanFit, fit_cavity_scan
from labctl.estimation.estimate import Estimate, in_decibels
from labctl.estimation.free_spectral_range import fsr_from_piezo_scans
from labctl.estimation.fringe import FringeFit, fit_fringe, visibility
from labctl.estimation.likelihood import fit_white
from labctl.estimation.network import NetworkCovariance, remove_loss
from labctl.estimation.optomechanical_coupling import CalibrationTone, OptomechanicalCoupling, fit_coupling
from labctl.estimation.parametric_gain import parametric_gain
from labctl.estimation.pdh_slope import PdhFit, fit_pdh
from labctl.estimation.phase_jitter import Beside, PhaseJitter, SharedSource, phase_jitter
from labctl.estimation.shot_noise_linearity import ShotNoiseLinearity, fit_shot_noise_linearity
from labctl.estimation.squeezing_model import SqueezingModel, fit_squeezing, noise_over_shot
from labctl.estimation.summing_errors import summing_errors
from labctl.physics import cavity, opa
from labctl.physics.constants import BOLTZMANN_J_PER_K, PLANCK_J_S, SPEED_OF_LIGHT_M_PER_S
from labctl.physics.line_shape import filtered_lorentzian
from labctl.physics.shared_state import shared_state
from labctl.physics.squeezing import after_loss, with_phase_noise
from labctl.spectra.acquisition import Acquisition, FloatArray
from labctl.spectra.estimate import DB_PER_NEPER
from labctl.spectra.trace import Spectrum, Unit

SAMPLES = 1000
NOISE = 0.01
Theta = FloatArray
Signal = Callable[[Theta], FloatArray]


# Bounds from the Fisher information of the model of the data.


def slopes_of(function: Callable[[Theta], FloatArray | float], theta: Theta) -> FloatArray:
    """Numerical derivatives (n, p), or (1, p) of a scalar."""
    columns = []
    for i, value in enumerate(theta):
        h = np.zeros_like(theta)
        h[i] = 1e-6 * max(abs(value), 1e-3)
        up, down = np.atleast_1d(function(theta + h)), np.atleast_1d(function(theta - h))
        columns.append((up - down) / (2 * h[i]))
    return np.column_stack(columns)


def bound_of(information: FloatArray, theta: Theta, wanted: Callable[[Theta], float]) -> float:
    scale = np.sqrt(np.diag(information))
    inverse = np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    gradient = slopes_of(wanted, theta)[0]
    return math.sqrt(float(gradient @ inverse @ gradient))


def bound_in_white_noise(signal: Signal, theta: Theta, sigma: float, wanted: Callable[[Theta], float]) -> float:
    j = slopes_of(signal, theta)
    return bound_of(j.T @ j / sigma**2, theta, wanted)


def bound_of_powers(power: Signal, theta: Theta, averages: FloatArray, wanted: Callable[[Theta], float]) -> float:
    j = slopes_of(lambda t: np.log(power(t)), theta)
    return bound_of((j * averages[:, None]).T @ j, theta, wanted)


# Homodyne fringe.

VOLTS = np.linspace(1.0, 9.0, SAMPLES)
FRINGE = np.array([0.1, 0.8, 0.7, math.pi * 2.3, math.pi * 0.115])  # offset, amplitude, phase, rate, bow; 2.3 fringes
BEAMS = (1.0, 0.04)  # levels of the two beams; the fringe has amplitude 2 vis sqrt(I1 I2)
VISIBILITY = 0.95


def x_of(volts: FloatArray) -> FloatArray:
    return (volts - volts.mean()) / (np.ptp(volts) / 2)


def fringe_signal(theta: Theta) -> FloatArray:
    x = x_of(VOLTS)
    return theta[0] + theta[1] * np.cos(theta[2] + theta[3] * x + theta[4] * x**2)


@cache
def fringe_data(seed: int) -> FloatArray:
    return fringe_signal(FRINGE) + NOISE * FRINGE[1] * np.random.default_rng(seed).standard_normal(SAMPLES)


@cache
def fringe_fit(seed: int) -> FringeFit:
    return fit_fringe(VOLTS, fringe_data(seed))


def v_pi_of(theta: Theta) -> float:
    return math.pi * float(np.ptp(VOLTS)) / 2 / float(theta[3])


def sine_on_volts(seed: int) -> Estimate:
    """V_pi of a sine without bow: the piezo bends it, and only the correlated residuals tell."""
    x = x_of(VOLTS)

    def curve(t: Theta) -> tuple[FloatArray, FloatArray]:
        phase = t[2] + t[3] * x
        slope = -t[1] * np.sin(phase)
        return t[0] + t[1] * np.cos(phase), np.column_stack([np.ones_like(x), np.cos(phase), slope, slope * x])

    fit = fit_white(curve, fringe_data(seed), FRINGE[:4])
    v_pi = v_pi_of(fit.theta)
    return Estimate(v_pi, v_pi * math.sqrt(fit.covariance[3, 3]) / fit.theta[3])


def two_beams(seed: int) -> tuple[FloatArray, Estimate, Estimate, float]:
    """Fringe of unequal beams, and each beam alone over as many samples, with the same noise."""
    rng = np.random.default_rng(seed)
    sigma = NOISE * math.sqrt(BEAMS[0] * BEAMS[1]) * 2
    theta = np.array([sum(BEAMS), 2 * VISIBILITY * math.sqrt(BEAMS[0] * BEAMS[1]), *FRINGE[2:]])
    error = sigma / math.sqrt(SAMPLES)
    first, second = (Estimate(level + error * rng.standard_normal(), error) for level in BEAMS)
    return fringe_signal(theta) + sigma * rng.standard_normal(SAMPLES), first, second, sigma


def visibility_trial(seed: int) -> Estimate:
    signal, first, second, _ = two_beams(seed)
    return visibility(fit_fringe(VOLTS, signal).amplitude, first, second)


def visibility_of_extremes(seed: int) -> tuple[float, float]:
    signal = two_beams(seed)[0]
    high, low = float(signal.max()), float(signal.min())
    return (high - low) / (high + low), math.nan


def visibility_bound() -> float:
    theta = np.array([sum(BEAMS), 2 * VISIBILITY * math.sqrt(BEAMS[0] * BEAMS[1]), *FRINGE[2:]])
    sigma = two_beams(0)[3]
    amplitude = bound_in_white_noise(fringe_signal, theta, sigma, lambda t: float(t[1])) / theta[1]
    levels = [sigma / math.sqrt(SAMPLES) / level / 2 for level in BEAMS]
    return VISIBILITY * math.hypot(amplitude, *levels)


def fringe_rows() -> list[Row]:
    sigma = NOISE * FRINGE[1]
    wanted: dict[str, Callable[[Theta], float]] = {
        "offset": lambda t: float(t[0]),
        "amplitude": lambda t: float(t[1]),
        "v_pi": v_pi_of,
        "phase": lambda t: float(t[2]),
    }
    rows = [
        Row(
            f"fringe {name}",
            lambda seed, name=name: fringe_fit(seed).parameters[name],
            of(FRINGE),
            bound_in_white_noise(fringe_signal, FRINGE, sigma, of),
            long=True,
        )
        for name, of in wanted.items()
    ]
    v_pi_bound = bound_in_white_noise(fringe_signal, FRINGE, sigma, v_pi_of)
    rows += [
        Row("fringe V_pi, sine on volts", sine_on_volts, v_pi_of(FRINGE), v_pi_bound, naive=True),
        Row("visibility, unequal beams", visibility_trial, VISIBILITY, visibility_bound(), long=True),
        Row("visibility, (max-min)/(max+min)", visibility_of_extremes, VISIBILITY, visibility_bound(), naive=True),
    ]
    return rows


# Cavity in transmission: survival sqrt(0.302), 0.5 mm.

SURVIVAL = math.sqrt(0.302)
FSR_HZ = float(cavity.free_spectral_range_hz(0.5e-3))
CENTRE_HZ = SPEED_OF_LIGHT_M_PER_S / 1550e-9
PIEZO_V = np.linspace(0.0, 120.0, SAMPLES)
PIEZO = np.array([0.02, 1.0, SURVIVAL, 0.4, math.pi * 2.1, math.pi * 2.1 * 0.075])  # 4.2 fringes, 15 % bow to each end


def airy(phi: FloatArray, survival: float) -> FloatArray:
    return 1 / (1 + 4 * survival / (1 - survival) ** 2 * np.sin(phi) ** 2)


def piezo_signal(theta: Theta) -> FloatArray:
    x = x_of(PIEZO_V)
    return theta[0] + theta[1] * airy(theta[3] + theta[4] * x + theta[5] * x**2, theta[2])


def finesse_of(theta: Theta) -> float:
    return float(cavity.airy_finesse(float(theta[2])))


@cache
def piezo_data(seed: int) -> FloatArray:
    return piezo_signal(PIEZO) + NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)


@cache
def piezo_fit(seed: int) -> CavityScanFit:
    return fit_cavity_scan(PIEZO_V, piezo_data(seed))


def crossings(signal: FloatArray, level: float, first: int, last: int) -> tuple[float, float]:
    """Where the smoothed trace passes `level` on either side of its peak between two samples."""
    smooth = np.convolve(signal, np.ones(9) / 9, "same")
    top = first + int(np.argmax(smooth[first:last]))
    left = top - int(np.argmax(smooth[top::-1] < level))
    right = top + int(np.argmax(smooth[top:] < level))
    before = (level - smooth[left]) / (smooth[left + 1] - smooth[left])
    after = (level - smooth[right]) / (smooth[right - 1] - smooth[right])
    return left + float(before), right - float(after)


def widths_read_off(seed: int, *, peak: int, neighbour: int) -> tuple[float, float]:
    """Finesse as the spacing to a neighbouring peak over the width at half height, on a bowed scan."""
    y = piezo_data(seed) - PIEZO[0]
    x = x_of(PIEZO_V)
    phase = (PIEZO[3] + PIEZO[4] * x + PIEZO[5] * x**2) / math.pi
    places = [int(np.argmin(np.abs(phase - m))) for m in range(math.ceil(phase[0]), math.floor(phase[-1]) + 1)]
    spacing = abs(places[neighbour] - places[peak])
    at = places[peak]
    left, right = crossings(y, 0.5, max(at - spacing // 2, 0), at + spacing // 2)
    return spacing / (right - left), math.nan


def tuning_axis(span_hz: float, offset: float = 0.0) -> FloatArray:
    return CENTRE_HZ + span_hz * (offset + np.linspace(-0.5, 0.5, SAMPLES))


TUNING = {"10 nm": tuning_axis(1.2484e12), "1 FSR": tuning_axis(FSR_HZ, 0.12), "100 GHz": tuning_axis(1e11, 0.05)}
TUNED = np.array([0.0, 1.0, SURVIVAL, 0.0, FSR_HZ])  # background, height, survival, half phase at the centre, FSR


def tuned_signal(axis: FloatArray, known_background: bool) -> Signal:
    def signal(theta: Theta) -> FloatArray:
        background, rest = (0.0, theta) if known_background else (theta[0], theta[1:])
        return background + rest[0] * airy(rest[2] + math.pi * (axis - CENTRE_HZ) / rest[3], rest[1])

    return signal


@cache
def tuned_fit(span: str, known_background: bool, seed: int) -> CavityScanFit:
    axis = TUNING[span]
    y = tuned_signal(axis, False)(TUNED) + NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)
    nanometres = SPEED_OF_LIGHT_M_PER_S / axis / 1e-9
    return fit_cavity_scan(nanometres, y, axis=Axis.WAVELENGTH_NM, background=0.0 if known_background else None)


def kappa_of_tail(theta: Theta) -> float:
    return float(cavity.airy_linewidth(float(theta[-3]), float(theta[-1])))


def tuning_rows() -> list[Row]:
    rows = []
    for span, known in (("10 nm", True), ("10 nm", False), ("1 FSR", True), ("100 GHz", True)):
        theta = TUNED[1:] if known else TUNED
        signal = tuned_signal(TUNING[span], known)
        which = f"{span}, offset {'known' if known else 'free'}"
        for name, of in (("fsr_hz", lambda t: float(t[-1])), ("kappa_hz", kappa_of_tail)):
            rows.append(
                Row(
                    f"{name} {which}",
                    lambda seed, name=name, span=span, known=known: tuned_fit(span, known, seed).parameters[name],
                    of(theta),
                    bound_in_white_noise(signal, theta, NOISE, of),
                )
            )
    return rows


def one_period(seed: int) -> tuple[FloatArray, FloatArray]:
    axis = CENTRE_HZ + FSR_HZ * np.linspace(-0.5, 0.5, SAMPLES)
    noise = NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)
    return axis - CENTRE_HZ, tuned_signal(axis, False)(TUNED) + noise


def lorentzian_kappa(seed: int, *, offset: bool) -> Estimate:
    """Width of a Lorentzian fitted to one period."""
    d, y = one_period(seed)
    d = d / FSR_HZ

    def curve(t: Theta) -> tuple[FloatArray, FloatArray]:
        u = (d - t[1]) / t[2]
        line = 1 / (1 + u**2)
        columns = [line, t[0] * 2 * u / t[2] * line**2, t[0] * 2 * u**2 / t[2] * line**2]
        return t[0] * line + (t[3] if offset else 0.0), np.column_stack(columns + [np.ones_like(d)] * offset)

    fit = fit_white(curve, y, np.array([1.0, 0.0, 0.1] + [0.0] * offset))
    return Estimate(2 * abs(fit.theta[2]) * FSR_HZ, 2 * math.sqrt(fit.covariance[2, 2]) * FSR_HZ)


def small_loss_kappa(seed: int) -> tuple[float, float]:
    fit = tuned_fit("10 nm", True, seed)
    return float(cavity.small_loss_linewidth(fit.survival.value, fit.fsr_hz.value)), math.nan


def half_above_minimum_kappa(seed: int) -> tuple[float, float]:
    d, y = one_period(seed)
    low = float(np.concatenate([y[:25], y[-25:]]).mean())
    left, right = crossings(y, (1.0 + low) / 2, 300, 700)
    return (right - left) * float(d[1] - d[0]), math.nan


SHIFT_STEP_HZ = 100e9
REPEATABILITY = 0.005


def two_scan_fsr(seed: int) -> Estimate:
    rng = np.random.default_rng(seed)
    moved = PIEZO.copy()
    moved[3] += math.pi * (SHIFT_STEP_HZ / FSR_HZ + REPEATABILITY * rng.standard_normal())
    fits = [fit_cavity_scan(PIEZO_V, piezo_signal(t) + NOISE * rng.standard_normal(SAMPLES)) for t in (PIEZO, moved)]
    return fsr_from_piezo_scans(fits[0], fits[1], Estimate(SHIFT_STEP_HZ, 0.0))


def two_scan_bound() -> float:
    phase = bound_in_white_noise(piezo_signal, PIEZO, NOISE, lambda t: float(t[3])) / math.pi
    return FSR_HZ * math.hypot(phase, phase, REPEATABILITY) / (SHIFT_STEP_HZ / FSR_HZ)


RULED_FSR_HZ, RULER_HZ, RULED_SURVIVAL = 3.69e9, 300e6, 0.915
RULED = np.array([0.01, 1.0, RULED_SURVIVAL, 0.3, math.pi * 1.1, 0.1, 0.15, math.pi * RULER_HZ / RULED_FSR_HZ])


def ruled_signal(theta: Theta) -> FloatArray:
    x = np.linspace(-1, 1, 2 * SAMPLES)
    phi = theta[3] + theta[4] * x + theta[5] * x**2
    beside = airy(phi + theta[7], theta[2]) + airy(phi - theta[7], theta[2])
    return theta[0] + theta[1] * (airy(phi, theta[2]) + theta[6] * beside)


def ruled_kappa(theta: Theta) -> float:
    return float(cavity.airy_linewidth(float(theta[2]), math.pi * RULER_HZ / float(theta[7])))


@cache
def ruled_fit(seed: int) -> CavityScanFit:
    y = ruled_signal(RULED) + NOISE * np.random.default_rng(seed).standard_normal(2 * SAMPLES)
    return fit_cavity_scan(np.linspace(0.0, 0.02, 2 * SAMPLES), y, axis=Axis.SECOND, sideband_hz=RULER_HZ)


def cavity_rows() -> list[Row]:
    def volts(t: Theta) -> float:
        return math.pi * 60.0 / float(t[4])

    finesse, finesse_bound = finesse_of(PIEZO), bound_in_white_noise(piezo_signal, PIEZO, NOISE, finesse_of)
    kappa = float(cavity.airy_linewidth(SURVIVAL, FSR_HZ))
    axis = CENTRE_HZ + FSR_HZ * np.linspace(-0.5, 0.5, SAMPLES)
    kappa_bound = bound_in_white_noise(tuned_signal(axis, True), TUNED[1:], NOISE, kappa_of_tail)
    rows = [
        Row("finesse, bowed piezo", lambda s: piezo_fit(s).finesse, finesse, finesse_bound),
        Row(
            "V per half wavelength",
            lambda s: piezo_fit(s).spacing,
            volts(PIEZO),
            bound_in_white_noise(piezo_signal, PIEZO, NOISE, volts),
        ),
    ]
    rows += [
        Row(
            f"finesse read off {which} fringe",
            lambda s, p=peak, n=neighbour: widths_read_off(s, peak=p, neighbour=n),
            finesse,
            finesse_bound,
            naive=True,
        )
        for which, peak, neighbour in (("first", 0, 1), ("third", 2, 1))
    ]
    rows += tuning_rows()
    rows += [
        Row("kappa, Lorentzian, no offset", lambda s: lorentzian_kappa(s, offset=False), kappa, kappa_bound, True),
        Row("kappa, Lorentzian, offset", lambda s: lorentzian_kappa(s, offset=True), kappa, kappa_bound, True),
        Row("kappa, half above minimum", half_above_minimum_kappa, kappa, kappa_bound, True),
        Row("kappa, (1-R) of high finesse", small_loss_kappa, kappa, kappa_bound, True),
        Row("fsr_hz, two piezo scans 100 GHz", two_scan_fsr, FSR_HZ, two_scan_bound()),
    ]
    for name, of in (("kappa_hz", ruled_kappa), ("fsr_hz", lambda t: math.pi * RULER_HZ / float(t[7]))):
        bound = bound_in_white_noise(ruled_signal, RULED, NOISE, of)
        rows.append(Row(f"{name}, sidebands as ruler", lambda s, n=name: ruled_fit(s).parameters[n], of(RULED), bound))
    return rows


# g0 / kappa from a tone: RBW 10 Hz, VBW 1 Hz, 50 swept traces.

ACQUISITION = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=4.0)
MODE_HZ = np.arange(-1000.0, 1000.1, 2.0)
TONE_OFFSET_HZ, DEPTH_RAD, TEMPERATURE_K = 350.0, 1e-5, 300.0
MODE = np.array([0.0, 41.0, 5.0, 1.0])  # f0 from 4.3 MHz, Gamma, A, V
F_MODE = 4.3e6
G0_OVER_KAPPA = 3.5e-10
LOG_AVERAGE = 10 ** (-0.2507)


def occupation() -> float:
    return BOLTZMANN_J_PER_K * TEMPERATURE_K / (PLANCK_J_S * F_MODE)


def tone_truth() -> float:
    """Displayed height of the tone that goes with the mode's area and g0 / kappa."""
    variance = (4 * G0_OVER_KAPPA) ** 2 * 2 * occupation()
    return math.pi / 4 * MODE[2] * MODE[1] * DEPTH_RAD**2 / (variance * ACQUISITION.enbw_hz)


def mode_power(theta: Theta) -> FloatArray:
    return theta[3] + theta[2] * filtered_lorentzian(MODE_HZ, float(theta[0]), float(theta[1]), ACQUISITION.rbw_hz)


def tone_shape() -> FloatArray:
    return np.exp(-4 * math.log(2.0) * ((MODE_HZ - TONE_OFFSET_HZ) / ACQUISITION.rbw_hz) ** 2)


@cache
def coupling_fit(seed: int, noise_factor: float = 1.0) -> OptomechanicalCoupling:
    rng = np.random.default_rng(seed)
    k, s = ACQUISITION.effective_k, noise_factor * mode_power(MODE)
    values = rng.noncentral_chisquare(2 * k, 2 * k * tone_truth() * tone_shape() / s) * s / (2 * k)
    spectrum = Spectrum(F_MODE + MODE_HZ, values, Unit.RATIO_TO_SHOT, ACQUISITION)
    tone = CalibrationTone(F_MODE + TONE_OFFSET_HZ, Estimate(DEPTH_RAD, 0.0))
    return fit_coupling(spectrum, tone, Estimate(TEMPERATURE_K, 0.0))


def rbw_for_enbw(seed: int) -> tuple[float, float]:
    return coupling_fit(seed).g0_over_kappa.value * math.sqrt(ACQUISITION.enbw_hz / ACQUISITION.rbw_hz), math.nan


def coupling_bound() -> float:
    """Mode and tone together: displayed mean S + T h, variance (S^2 + 2 S T h) / K."""
    theta = np.append(MODE, tone_truth())
    theta[0] = 1e-9  # a step in f0 of the size of the others
    shape, k = tone_shape(), ACQUISITION.effective_k
    s = mode_power(theta)
    deviation = np.sqrt((s**2 + 2 * s * theta[4] * shape) / k)
    j = np.column_stack([slopes_of(mode_power, theta)[:, :4], shape]) / deviation[:, None]
    correlated = ACQUISITION.correlated_sum(MODE_HZ, j)
    information = j.T @ j @ np.linalg.inv(j.T @ correlated) @ j.T @ j

    def ratio(t: Theta) -> float:
        return G0_OVER_KAPPA * math.sqrt(float(t[1] * t[2] / (MODE[1] * MODE[2]) * theta[4] / t[4]))

    return bound_of(information, theta, ratio)


def coupling_rows() -> list[Row]:
    bound = coupling_bound()
    return [
        Row("g0/kappa from a tone", lambda s: coupling_fit(s).g0_over_kappa, G0_OVER_KAPPA, bound),
        Row(
            "g0/kappa, log average",
            lambda s: coupling_fit(s, LOG_AVERAGE).g0_over_kappa,
            G0_OVER_KAPPA,
            bound,
            naive=True,
        ),
        Row("g0/kappa, RBW for ENBW", rbw_for_enbw, G0_OVER_KAPPA, bound, naive=True),
    ]


# Parametric gain, squeezing level and squeezing against pump.

PUMP_X = 0.5385
PUMP_PHASES_RAD = 0.4 + math.pi * 2.3 * x_of(VOLTS)


def seed_signal(theta: Theta) -> FloatArray:
    """Height, x, phase, rate and bow of the seed's power against pump phase."""
    x = x_of(VOLTS)
    return np.asarray(theta[0] * opa.parametric_gain(theta[1], theta[2] + theta[3] * x + theta[4] * x**2))


SEED_FRINGE = np.array([1.0, PUMP_X, 0.4, math.pi * 2.3, 1e-3])
SEED_NOISE = NOISE * float(opa.parametric_gain(PUMP_X, 0.0))


def gain_trial(seed: int) -> Estimate:
    y = seed_signal(SEED_FRINGE) + SEED_NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)
    return parametric_gain(fit_fringe(VOLTS, y)).x


LEVEL_K = 1e4
LEVEL, CLEARANCE = 10**-0.37, 10.0  # -3.7 dB; shot noise alone over dark noise


def levels(seed: int) -> tuple[Estimate, Estimate, Estimate]:
    rng = np.random.default_rng(seed)
    powers = np.array([LEVEL + 1 / CLEARANCE, 1 + 1 / CLEARANCE, 1 / CLEARANCE]) * rng.gamma(LEVEL_K, 1 / LEVEL_K, 3)
    signal, shot, dark = (Estimate(float(p), float(p) / math.sqrt(LEVEL_K)) for p in powers)
    return signal, shot, dark


def level_db(seed: int) -> Estimate:
    return in_decibels(noise_over_shot(*levels(seed)))


def level_db_with_dark(seed: int) -> Estimate:
    signal, shot, _ = levels(seed)
    sigma = signal.value / shot.value * math.sqrt(2 / LEVEL_K)
    return in_decibels(Estimate(signal.value / shot.value, sigma))


def level_bound_db() -> float:
    def powers(t: Theta) -> FloatArray:
        return np.array([t[0] * t[1] + t[2], t[1] + t[2], t[2]])

    theta = np.array([LEVEL, 1.0, 1 / CLEARANCE])
    sigma = bound_of_powers(powers, theta, np.full(3, LEVEL_K), lambda t: float(t[0]))
    return DB_PER_NEPER * sigma / LEVEL


EFFICIENCY, EFFICIENCY_SIGMA, LEVEL_SIGMA = 0.82, 0.01, 0.02


def source_trial(seed: int) -> Estimate:
    """V before loss from V = 0.4266 +- 0.02 and eta = 0.82 +- 0.01."""
    rng = np.random.default_rng(seed)
    measured = Estimate(LEVEL + LEVEL_SIGMA * rng.standard_normal(), LEVEL_SIGMA)
    return remove_loss(measured, Estimate(EFFICIENCY + EFFICIENCY_SIGMA * rng.standard_normal(), EFFICIENCY_SIGMA))


PUMPS_W = np.linspace(2e-3, 24e-3, 12)
SQUEEZER = np.array([0.726, 0.03**2, 30e-3])  # efficiency, phase variance, threshold
SIDEBAND = 4.3e6 / 51.5e6
SQUEEZER_K = 1e4


def squeezer_powers(theta: Theta) -> FloatArray:
    x = np.sqrt(PUMPS_W / theta[2])
    low, high = opa.quadrature_variances(x, SIDEBAND, 1.0)
    low, high = after_loss(low, float(theta[0])), after_loss(high, float(theta[0]))
    theta_rad = math.sqrt(float(theta[1]))
    return np.concatenate([with_phase_noise(low, high, theta_rad), with_phase_noise(high, low, theta_rad)])


@cache
def squeezer_data(seed: int) -> FloatArray:
    return squeezer_powers(SQUEEZER) * np.random.default_rng(seed).gamma(SQUEEZER_K, 1 / SQUEEZER_K, 2 * len(PUMPS_W))


@cache
def squeezer_fit(seed: int) -> SqueezingModel:
    low, high = np.split(squeezer_data(seed), 2)
    return fit_squeezing(PUMPS_W, low, high, averages=SQUEEZER_K, sideband_over_hwhm=SIDEBAND)


def efficiency_of_one_pump(seed: int) -> tuple[float, float]:
    """Loss that turns a pure state of the antisqueezing's size into the measured pair, phase noise forgotten."""
    low, high = (part[-1] for part in np.split(squeezer_data(seed), 2))
    return float((1 - low) * (high - 1) / (high + low - 2)), math.nan  # pure: (1-V-)(V+-1) = V- + V+ - 2


def squeezing_rows() -> list[Row]:
    k = np.full(2 * len(PUMPS_W), SQUEEZER_K)
    rows = [
        Row(
            "pump parameter x from the seed",
            gain_trial,
            PUMP_X,
            bound_in_white_noise(seed_signal, SEED_FRINGE, SEED_NOISE, lambda t: float(t[1])),
            long=True,
        ),
        Row("squeezing in dB", level_db, -3.7, level_bound_db(), long=True),
        Row("squeezing in dB, dark left in", level_db_with_dark, -3.7, level_bound_db(), naive=True),
        Row(
            "variance before loss",
            source_trial,
            1 - (1 - LEVEL) / EFFICIENCY,
            math.hypot(LEVEL_SIGMA / EFFICIENCY, (1 - LEVEL) / EFFICIENCY**2 * EFFICIENCY_SIGMA),
        ),
    ]
    for i, name in enumerate(("efficiency", "phase_variance", "threshold_w")):
        bound = bound_of_powers(squeezer_powers, SQUEEZER, k, lambda t, i=i: float(t[i]))
        rows.append(
            Row(f"{name} against pump", lambda s, n=name: squeezer_fit(s).parameters[n], SQUEEZER[i], bound, long=True)
        )
    for quadrature, name in enumerate(("V-", "V+")):
        last = (quadrature + 1) * len(PUMPS_W) - 1
        rows.append(
            Row(
                f"{name} at 24 mW, joint fit",
                lambda s, q=quadrature: squeezer_fit(s).variances_at(float(PUMPS_W[-1]))[q],
                float(squeezer_powers(SQUEEZER)[last]),
                bound_of_powers(squeezer_powers, SQUEEZER, k, lambda t, at=last: float(squeezer_powers(t)[at])),
                long=True,
            )
        )
    bound = bound_of_powers(squeezer_powers, SQUEEZER, k, lambda t: float(t[0]))
    rows.append(Row("efficiency of one pump, no jitter", efficiency_of_one_pump, SQUEEZER[0], bound, naive=True))
    return rows


# Jitter, sums, linearity.

SENSORS, NETWORK_K = 4, 1e5
SOURCE = SharedSource(Estimate(0.195, 0.0), Estimate(9.94, 0.0), Estimate(0.82, 0.0))
JITTER = np.array([0.1003**2, 0.06**2])


def eigenvalues(theta: Theta) -> FloatArray:
    state = shared_state(0.195, 9.94, 0.82 / SENSORS * np.ones(SENSORS), 0.0, *np.sqrt(theta))
    joint = float(state.weighted_sum(np.ones(SENSORS)))
    return np.array([joint, (SENSORS * float(state.marginal().mean()) - joint) / (SENSORS - 1)])


@cache
def network(seed: int) -> NetworkCovariance:
    """Complex Wishart of K averages by Bartlett's decomposition."""
    rng = np.random.default_rng(seed)
    target = shared_state(0.195, 9.94, 0.82 / SENSORS * np.ones(SENSORS), 0.0, *np.sqrt(JITTER)).matrix()
    z = rng.standard_normal((2, SENSORS, SENSORS)) / math.sqrt(2)
    lower = np.tril(z[0] + 1j * z[1], -1) + np.diag(np.sqrt(rng.gamma(NETWORK_K - np.arange(SENSORS))))
    root = np.linalg.cholesky(target) @ lower
    return NetworkCovariance(root @ root.conj().T / NETWORK_K, np.eye(SENSORS, dtype=complex), NETWORK_K, 1e12)


def jitter(seed: int, beside: Beside) -> PhaseJitter:
    return phase_jitter(network(seed), SOURCE, beside)


def all_private(seed: int) -> tuple[float, float]:
    """Phase variance from the marginals alone, all of it called common."""
    marginal = float(network(seed).covariance.diagonal().real.mean())
    variance = 1 - SENSORS * (1 - marginal) / 0.82
    sin2 = (variance - 0.195) / (9.94 - 0.195)
    return -0.5 * math.log(1 - 2 * sin2), math.nan


DELAY_S, SUM_HZ = 13.3e-9, 4.32e6
MARGINAL = 1 - (1 - 10**-0.469) / SENSORS
RAW_SUM = 1 - math.exp(-((2 * math.pi * SUM_HZ * DELAY_S) ** 2)) * (1 - 10**-0.469)


def delay_trial(seed: int) -> Estimate:
    rng = np.random.default_rng(seed)
    drawn = np.array([MARGINAL] * SENSORS + [RAW_SUM]) * rng.gamma(NETWORK_K, 1 / NETWORK_K, SENSORS + 1)
    estimates = [Estimate(float(v), float(v) / math.sqrt(NETWORK_K)) for v in drawn]
    return summing_errors(estimates[:SENSORS], estimates[SENSORS], SUM_HZ).rms_delay_s


def delay_bound() -> float:
    def powers(t: Theta) -> FloatArray:
        joint = 1 - SENSORS * (1 - t[0])
        return np.array([t[0]] * SENSORS + [1 - np.exp(-((2 * math.pi * SUM_HZ * t[1] * 1e-9) ** 2)) * (1 - joint)])

    k = np.full(SENSORS + 1, NETWORK_K)
    return 1e-9 * bound_of_powers(powers, np.array([MARGINAL, DELAY_S * 1e9]), k, lambda t: float(t[1]))


LIGHT = np.arange(400.0, 1401.0, 100.0)
SHOT_K = 1e4
SHOT = np.array([math.log(0.9), 1.0, 0.12])  # ln a at 1, exponent, dark; light over 700


def shot_powers(theta: Theta) -> FloatArray:
    return np.append(np.exp(theta[0]) * (LIGHT / 700) ** theta[1] + theta[2], theta[2])


@cache
def linearity(seed: int) -> ShotNoiseLinearity:
    drawn = shot_powers(SHOT) * np.random.default_rng(seed).gamma(SHOT_K, 1 / SHOT_K, len(LIGHT) + 1)
    return fit_shot_noise_linearity(LIGHT, drawn[:-1], float(drawn[-1]), averages=SHOT_K)


def network_rows() -> list[Row]:
    k = NETWORK_K * np.array([1.0, SENSORS - 1])
    rows = []
    for i, name in enumerate(("common", "private")):
        bound = bound_of_powers(eigenvalues, JITTER, k, lambda t, i=i: float(t[i]))
        rows += [
            Row(
                f"{name} phase variance, {beside}",
                lambda s, n=name, b=beside: getattr(jitter(s, b), f"{n}_variance"),
                JITTER[i],
                bound,
                long=True,
            )
            for beside in Beside
        ]
    common = bound_of_powers(eigenvalues, JITTER, k, lambda t: float(t[0]))
    exponent = bound_of_powers(shot_powers, SHOT, np.full(len(LIGHT) + 1, SHOT_K), lambda t: float(t[1]))
    return [
        *rows,
        Row("common phase variance, marginals only", all_private, JITTER[0], common, naive=True),
        Row("rms delay from marginals and sum", delay_trial, DELAY_S, delay_bound()),
        Row("shot-noise exponent", lambda s: linearity(s).exponent, 1.0, exponent, long=True),
        Row("shot-noise exponent, dark left in", lambda s: linearity(s).raw_exponent, 1.0, exponent, naive=True),
    ]


# Pound-Drever-Hall: linewidth 19 MHz, sidebands at 36 MHz, 120 MHz/V.

PDH_V = np.linspace(-0.6, 0.6, SAMPLES)
MODULATION_HZ, PUMP_FSR_HZ, R_IN, R_REST = 36e6, 3.69e9, math.sqrt(1 - 0.022), math.sqrt(1 - 0.01)
PDH = np.array([0.02, 1.0, 0.07, 120e6, R_IN, R_REST])  # offset, amplitude, centre, Hz per V, mirrors
PDH_NOISE = 0.02


def pdh_signal(theta: Theta) -> FloatArray:
    d = (PDH_V - theta[2]) * theta[3]
    error = cavity.pound_drever_hall_error(d, MODULATION_HZ, PUMP_FSR_HZ, float(theta[4]), float(theta[5]))
    return np.asarray(theta[0] + theta[1] * error)


@cache
def pdh_data(seed: int) -> FloatArray:
    return pdh_signal(PDH) + PDH_NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)


@cache
def pdh_fit(seed: int) -> PdhFit:
    return fit_pdh(PDH_V, pdh_data(seed), modulation_hz=MODULATION_HZ)


def pdh_slope_of(theta: Theta) -> float:
    ends = cavity.pound_drever_hall_error(
        np.array([-1e4, 1e4]), MODULATION_HZ, PUMP_FSR_HZ, float(theta[4]), float(theta[5])
    )
    return float(theta[1] * (ends[1] - ends[0]) / 2e4)


def pdh_linewidth_of(theta: Theta) -> float:
    return float(cavity.decay_linewidth(float(theta[4] * theta[5]), PUMP_FSR_HZ))


def straight_line(seed: int) -> tuple[float, float]:
    """Slope of a straight line through the middle half of the line, the scale in Hz taken as known."""
    near = np.abs(PDH_V - PDH[2]) * PDH[3] < 0.25 * pdh_linewidth_of(PDH)
    return float(np.polyfit((PDH_V[near] - PDH[2]) * PDH[3], pdh_data(seed)[near], 1)[0]), math.nan


def pdh_rows() -> list[Row]:
    slope = bound_in_white_noise(pdh_signal, PDH, PDH_NOISE, pdh_slope_of)
    width = bound_in_white_noise(pdh_signal, PDH, PDH_NOISE, pdh_linewidth_of)
    return [
        Row("PDH slope, V/Hz", lambda s: pdh_fit(s).slope_v_per_hz, pdh_slope_of(PDH), slope, long=True),
        Row("PDH linewidth, Hz", lambda s: pdh_fit(s).linewidth_hz, pdh_linewidth_of(PDH), width, long=True),
        Row("PDH slope, straight line", straight_line, pdh_slope_of(PDH), slope, naive=True),
    ]


def rows() -> list[Row]:
    """Every row of the family."""
    return [*fringe_rows(), *cavity_rows(), *coupling_rows(), *squeezing_rows(), *network_rows(), *pdh_rows()]


if __name__ == "__main__":
    print(table(rows()))  # noqa: T201
