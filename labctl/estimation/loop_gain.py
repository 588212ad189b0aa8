"""Open-loop gain of a loop, from how the noise of its path changes with its gain; and the largest gain that is safe.

Model: an integrator with delay, and an actuator with one resonance where the data show it,
L(f) = (f_u / i f) e^{-2 pi i f T} / (1 - (f/f_r)^2 + i f / (f_r Q)). Negative feedback: noise is left as 1 / (1 + L).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, least_squares
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.loop_noise import NoiseSpectrum
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.trace import Band

ComplexArray = npt.NDArray[np.complex128]

FEWEST_POINTS = 6
BANDS_PER_OCTAVE = 6
FEWEST_BINS_IN_BAND = 3
LARGEST_RELATIVE_SIGMA = 0.2  # of a unity gain that is worth telling
LARGEST_SHARE = 0.7  # of the full gain that the other record may have
RESONANCE_EVIDENCE = 25.0  # by how much chi^2 must fall for a resonance to be believed: five sigma
DELAY_SCALE_S = 1e-6
DELAY_START = 1.0  # in its scale; a delay is never below 0
RESONANCE_STARTS = (4.0, 8.0, 16.0, 32.0)  # times the unity gain
QUALITY_START = 4.0
POOR_FIT_PROBABILITY = 1e-3
NAMES = ("ln integrator", "delay in us", "ln resonance", "ln quality")
STARTS = 40
BEYOND = 10.0  # how far out of the band a fit may look
LOG_QUALITY = (math.log(0.5), math.log(300.0))
LONGEST_DELAY = 0.25  # turns at the lowest frequency
GATHERED_PER_OCTAVE = 60
STEPS = (1e-4, 1e-2, 1e-4, 1e-3)


@dataclass(frozen=True)
class Resonance:
    """A mechanical resonance of an actuator."""

    frequency_hz: float
    quality: float


@dataclass(frozen=True)
class LoopModel:
    """An integrator with delay behind which an actuator may resonate."""

    integrator_hz: float  # unity gain of the integrator alone
    delay_s: float
    resonance: Resonance | None = None

    def gain(self, frequency_hz: npt.ArrayLike) -> ComplexArray:
        """L at frequencies in Hz, above zero."""
        f = np.asarray(frequency_hz, dtype=np.float64)
        gain = self.integrator_hz / (1j * f) * np.exp(-2j * np.pi * f * self.delay_s)
        if self.resonance is not None:
            ratio = f / self.resonance.frequency_hz
            gain = gain / (1.0 - ratio**2 + 1j * ratio / self.resonance.quality)
        return np.asarray(gain)

    def unity_gain_hz(self) -> float:
        """The lowest frequency where |L| is 1, in Hz."""

        def above(log_f: float) -> float:
            return math.log(abs(complex(self.gain(math.exp(log_f)))))

        start = math.log(self.integrator_hz)
        grid = start + np.linspace(-0.7, 3.0, 400)
        values = np.array([above(x) for x in grid])
        below = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
        if below.size == 0:
            return self.integrator_hz
        return math.exp(float(brentq(above, grid[below[0]], grid[below[0] + 1])))

    def phase_margin_deg(self) -> float:
        """180 degrees and the phase of L where its magnitude is 1."""
        gain = complex(self.gain(self.unity_gain_hz()))
        return 180.0 + math.degrees(math.atan2(gain.imag, gain.real))


@dataclass(frozen=True, eq=False)
class LoopGainFit(Fit):
    """A fitted loop: `unity_gain`, `delay` and `phase_margin`, and the `resonance` if the data show one."""

    model: LoopModel = LoopModel(1.0, 0.0)

    @property
    def unity_gain(self) -> Estimate:
        """Where |L| is 1, in Hz."""
        return self.parameters["unity_gain"]

    @property
    def delay(self) -> Estimate:
        """Delay in s, with all that lags like one."""
        return self.parameters["delay"]

    @property
    def phase_margin(self) -> Estimate:
        """In degrees."""
        return self.parameters["phase_margin"]


def gain_from_noise(full: NoiseSpectrum, other: NoiseSpectrum, share: float, band: Band) -> LoopGainFit:
    """Fit the loop from the error signal at full gain, and at `share` of it: 0 for the free path.

    The ratio of the two is |1 + share L|^2 / |1 + L|^2 at every frequency, whatever the noise of path and detector is:
    so it must not have changed in between, and noise that the loop does not see must be small. Refuses gains that
    differ by too little, and data that do not determine the unity gain within a fifth.
    """
    if not 0.0 <= share <= LARGEST_SHARE:
        raise AnalysisRefused(
            f"Gains in the ratio {share:g} are too alike to tell a loop from.",
            remedy="Change the gain by half or more.",
        )
    first, second = full.within(band), other.within(band)
    if first.frequency_hz.shape != second.frequency_hz.shape:
        raise AnalysisRefused("Spectra at different frequencies.", remedy="Record both with the same settings.")
    edges = _band_edges(first)
    seen, before = (np.add.reduceat(part.psd, edges) for part in (first, second))
    sigma = np.sqrt(_band_sigma2(first, edges) / seen**2 + _band_sigma2(second, edges) / before**2)
    f, power, starts = _gathered(second, edges)

    def residuals(model: LoopModel) -> FloatArray:
        gain = model.gain(f)
        ratio = np.abs((1.0 + share * gain) / (1.0 + gain)) ** 2
        return np.asarray(np.log(seen / np.add.reduceat(power * ratio, starts)) / sigma)

    return fit_loop(residuals, band)


@dataclass(frozen=True)
class GainProposal:
    """A unity gain within safe bounds, what it is over the present one, its phase margin, and what bounds it."""

    unity_gain_hz: float
    factor: float
    phase_margin_deg: float
    bound: str


def propose_gain(
    fit: LoopGainFit, *, least_margin_deg: float = 45.0, gain_margin: float = 3.0, resonance: Resonance | None = None
) -> GainProposal:
    """Return the largest unity gain that leaves the phase margin, PM = 90 - 360 f_u T, and a `gain_margin` at the
    resonance, f_u <= f_r / (3 Q), with the delay taken two sigma long.

    `resonance` is one known otherwise. Refuses a delay that is not known well enough to bound anything where no
    resonance does.
    """
    delay_s = max(fit.delay.value, 0.0) + 2.0 * fit.delay.sigma
    by_delay = (90.0 - least_margin_deg) / (360.0 * delay_s) if delay_s > 0.0 else math.inf
    found = resonance or fit.model.resonance
    by_resonance = found.frequency_hz / (gain_margin * found.quality) if found else math.inf
    if found is None and fit.delay.value < 2.0 * fit.delay.sigma:
        raise AnalysisRefused(
            f"A delay of {fit.delay} and no resonance bound no gain.",
            remedy="Average longer, or measure to higher frequencies.",
        )
    unity_gain_hz = min(by_delay, by_resonance)
    model = LoopModel(unity_gain_hz, delay_s, found)
    bound = (
        f"phase margin {least_margin_deg:g} deg with a delay of {delay_s * 1e6:.1f} us"
        if by_delay <= by_resonance or found is None
        else f"resonance at {found.frequency_hz:.0f} Hz with a quality of {found.quality:.1f}"
    )
    return GainProposal(
        unity_gain_hz, unity_gain_hz / fit.parameters["integrator"].value, model.phase_margin_deg(), bound
    )


def fit_loop(residuals: Callable[[LoopModel], FloatArray], band: Band, clock_sigma_s: float = 0.0) -> LoopGainFit:
    """Fit an integrator with delay; and with a resonance, which is kept where chi^2 falls by enough.

    An error of `clock_sigma_s` in the delay is one of the unity gain as well: 1 + L is 1 - 2 pi f_u T - i f_u / f.
    """

    def cost(model: LoopModel) -> float:
        return float(np.sum(residuals(model) ** 2))

    start = min(np.geomspace(*band, STARTS), key=lambda f_u: cost(LoopModel(f_u, DELAY_START * DELAY_SCALE_S)))
    plain = best = _solve(residuals, [math.log(start), DELAY_START], band)
    for ratio in RESONANCE_STARTS:
        centre = ratio * math.exp(plain.x[0])
        if centre < band[1]:
            found = _solve(residuals, [*plain.x, math.log(centre), math.log(QUALITY_START)], band)
            if found.cost < best.cost and band[0] < math.exp(found.x[2]) < band[1]:
                best = found
    if 2.0 * (plain.cost - best.cost) < RESONANCE_EVIDENCE * max(1.0, 2.0 * best.cost / best.fun.size):
        best = plain
    return _report(best, band, clock_sigma_s / DELAY_SCALE_S)


def _solve(residuals: Callable[[LoopModel], FloatArray], start: list[float], band: Band) -> Any:
    size = len(start)
    steps = np.diag(STEPS[:size])
    slowest, fastest = math.log(band[0] / BEYOND), math.log(band[1] * BEYOND)
    lowest = [slowest, 0.0, slowest, LOG_QUALITY[0]]
    highest = [fastest, LONGEST_DELAY / (band[0] * DELAY_SCALE_S), fastest, LOG_QUALITY[1]]

    def of(theta: FloatArray) -> FloatArray:
        return residuals(_model(theta))

    def slopes(theta: FloatArray) -> FloatArray:
        return np.column_stack([(of(theta + step) - of(theta - step)) / (2.0 * step.sum()) for step in steps])

    return least_squares(of, start, jac=slopes, bounds=(lowest[:size], highest[:size]), x_scale="jac")


def _model(theta: FloatArray) -> LoopModel:
    resonance = Resonance(math.exp(theta[2]), math.exp(theta[3])) if len(theta) > 2 else None
    return LoopModel(math.exp(theta[0]), float(theta[1]) * DELAY_SCALE_S, resonance)


def _report(solution: Any, band: Band, clock_sigma: float) -> LoopGainFit:
    theta, jacobian = solution.x, solution.jac
    dof = solution.fun.size - theta.size
    chi2_sum = float(2.0 * solution.cost)
    try:
        covariance = np.linalg.inv(jacobian.T @ jacobian) * max(1.0, chi2_sum / dof)
    except np.linalg.LinAlgError:
        raise AnalysisRefused("The data do not determine the loop.", remedy="Average longer.") from None
    found_hz = math.exp(theta[0])
    shift = np.array([-2.0 * math.pi * found_hz * DELAY_SCALE_S, 1.0, 0.0, 0.0])[: theta.size] * clock_sigma
    covariance += np.outer(shift, shift)
    relative = math.sqrt(max(covariance[0, 0], 0.0))
    if not relative < LARGEST_RELATIVE_SIGMA or not band[0] < found_hz < band[1]:
        raise AnalysisRefused(
            f"The data do not show the unity gain: {found_hz:.4g} Hz, with a relative uncertainty of {relative:.2g}.",
            remedy="Change the gain more between the records, average longer, or look to higher frequencies.",
        )
    model = _model(theta)
    derived: dict[str, tuple[Callable[[LoopModel], float], str]] = {
        "integrator": (lambda m: m.integrator_hz, "Hz"),
        "delay": (lambda m: m.delay_s, "s"),
        "unity_gain": (LoopModel.unity_gain_hz, "Hz"),
        "phase_margin": (LoopModel.phase_margin_deg, "deg"),
    }
    if model.resonance is not None:
        derived["resonance"] = (lambda m: m.resonance.frequency_hz if m.resonance else math.nan, "Hz")
        derived["quality"] = (lambda m: m.resonance.quality if m.resonance else math.nan, "")
    parameters = {
        name: Estimate(of(model), _sigma(of, theta, covariance), unit) for name, (of, unit) in derived.items()
    }
    p_value = float(chi2.sf(chi2_sum, dof))
    return LoopGainFit(
        parameters=parameters,
        covariance=covariance,
        names=NAMES[: theta.size],
        chi2_per_dof=chi2_sum / dof,
        p_value=p_value,
        reason=""
        if p_value > POOR_FIT_PROBABILITY
        else f"an integrator with delay leaves structure (chi2 per degree of freedom {chi2_sum / dof:.2f})",
        model=model,
    )


def _sigma(of: Callable[[LoopModel], float], theta: FloatArray, covariance: FloatArray) -> float:
    steps = np.diag(STEPS[: theta.size])
    slopes = np.array([(of(_model(theta + step)) - of(_model(theta - step))) / (2.0 * step.sum()) for step in steps])
    return math.sqrt(max(0.0, float(slopes @ covariance @ slopes)))


def _band_edges(spectrum: NoiseSpectrum) -> npt.NDArray[np.intp]:
    """First index of every band: evenly spaced in the logarithm, with enough bins each."""
    f = spectrum.frequency_hz
    wanted = np.arange(math.log2(f[0]), math.log2(f[-1]), 1.0 / BANDS_PER_OCTAVE)
    edges = [0]
    for index in np.searchsorted(f, 2.0**wanted):
        if index - edges[-1] >= FEWEST_BINS_IN_BAND and f.size - index >= FEWEST_BINS_IN_BAND:
            edges.append(int(index))
    if len(edges) < FEWEST_POINTS:
        raise AnalysisRefused(f"A spectrum of {f.size} points is too short to tell a loop from.")
    return np.array(edges)


def _gathered(
    spectrum: NoiseSpectrum, edges: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Power of neighbouring bins together, at their centre of gravity, and where the bands begin among them: a loop
    does not change from one bin to the next."""
    f = spectrum.frequency_hz
    fine = np.searchsorted(f, 2.0 ** np.arange(math.log2(f[0]), math.log2(f[-1]), 1.0 / GATHERED_PER_OCTAVE))
    groups = np.unique(np.concatenate([edges, fine[fine < f.size]]))
    power = np.add.reduceat(spectrum.psd, groups)
    return np.add.reduceat(spectrum.psd * f, groups) / power, power, np.searchsorted(groups, edges)


def _band_sigma2(spectrum: NoiseSpectrum, edges: npt.NDArray[np.intp]) -> FloatArray:
    """Variance of the sum of each band; neighbouring bands are taken for independent."""
    correlated = spectrum.acquisition.correlated_sum(spectrum.frequency_hz, spectrum.point_sigma)
    return np.asarray(np.add.reduceat(spectrum.point_sigma * correlated, edges))
