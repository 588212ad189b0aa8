"""A scan of a cavity in transmission: finesse, fringe spacing, linewidth, from an Airy line fitted with the scan's bow.

The linewidth is that of the fitted reflectivity, FSR (2/pi) asin((1 - rho) / (2 sqrt rho)), never a width read off
the trace: a piezo's bow, the background and the tails of the neighbours do not enter. Model: `airy_model`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.airy_fit import fit_airy
from labctl.estimation.airy_model import Term, airy_signal, survival_of_coefficient
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.likelihood import Solution
from labctl.estimation.scan_axis import Axis, Scan, ordered_scan
from labctl.physics.cavity import airy_finesse
from labctl.spectra.acquisition import FloatArray

FEWEST_SAMPLES = 30
FEWEST_SAMPLES_IN_LINE = 4.0
LARGEST_RELATIVE_SIGMA = 0.1
"""Beyond it a finesse or a spacing says nothing."""
SMALLEST_F = 1.05
"""Below F = 1 an Airy line never falls to half its height, and has no linewidth."""
FEWEST_CLIPPED_SAMPLES = 5
CLIPPED_SHARE_FACTOR = 3.0
NAMES = ("background", "height", "survival", "phase", "rate", "bow", "sideband_power", "sideband_phase")


@dataclass(frozen=True, eq=False)
class CavityScanFit(Fit):
    """Fit of one scan; positions in `axis_unit` (V, s or Hz; wavelengths become Hz).

    Fitted: background, height (signal's unit), survival (amplitude after a round trip, |r1 r2|), phase (rad, half a
    round trip, at `middle`, in (-pi/2, pi/2]), rate (rad per axis unit there), bow (rad per unit squared), and with a
    ruler the sidebands' relative power and half phase. Derived: finesse, spacing (axis units per half wavelength or
    free spectral range at `middle`), linewidth (FWHM, axis units, there); on an optical axis or with a ruler also
    fsr_hz, kappa_hz, and hz_per_unit. Phase grows with the axis.
    """

    middle: float = 0.0
    axis_unit: str = "V"
    first: float = 0.0
    last: float = 0.0

    @property
    def finesse(self) -> Estimate:
        """FSR over FWHM, exact at any finesse."""
        return self.parameters["finesse"]

    @property
    def survival(self) -> Estimate:
        """Amplitude left after one round trip, |r1 r2|."""
        return self.parameters["survival"]

    @property
    def spacing(self) -> Estimate:
        """Axis units between resonances at the middle of the scan: volts per half wavelength of a piezo."""
        return self.parameters["spacing"]

    @property
    def linewidth(self) -> Estimate:
        """FWHM in axis units at the middle of the scan."""
        return self.parameters["linewidth"]

    @property
    def fsr_hz(self) -> Estimate:
        """Free spectral range, Hz; refuses a scan of a piezo without sidebands."""
        return self._optical("fsr_hz")

    @property
    def kappa_hz(self) -> Estimate:
        """Linewidth (FWHM), Hz, from the fitted survival; refuses a scan of a piezo without sidebands."""
        return self._optical("kappa_hz")

    def phase_at(self, position: float) -> Estimate:
        """Half the round-trip phase, rad, not wrapped, at a position within the scan."""
        d = position - self.middle
        gradient = {"phase": 1.0, "rate": d, "bow": d**2}
        return Estimate(self._value(gradient), self._sigma(gradient), "rad", "half a round trip, grows with the axis")

    def spacing_at(self, position: float) -> Estimate:
        """Axis units per resonance at `position`, pi / (rate + 2 bow d)."""
        d = position - self.middle
        gradient = {"rate": 1.0, "bow": 2 * d}
        rate = self._value(gradient)
        if rate <= 0:
            raise AnalysisRefused(f"The fitted phase does not grow at {position:g} {self.axis_unit}.")
        spacing = math.pi / rate
        return Estimate(spacing, spacing * self._sigma(gradient) / rate, self.axis_unit, f"at {position:g}")

    @property
    def resonances(self) -> tuple[float, ...]:
        """Positions of the resonances within the scan, ascending, axis units."""
        grid = np.linspace(self.first, self.last, 2001)
        d = grid - self.middle
        p = self.parameters
        phase = (p["phase"].value + p["rate"].value * d + p["bow"].value * d**2) / math.pi
        orders = np.arange(math.ceil(phase[0]), math.floor(phase[-1]) + 1)
        return tuple(float(v) for v in np.interp(orders, phase, grid))

    def model(self, position: FloatArray) -> FloatArray:
        """Fitted signal (n,) at `position` (n,) in axis units."""
        p = {name: self.parameters[name].value for name in NAMES if name in self.parameters}
        full = np.array([p.get(name, 0.0) for name in NAMES])
        full[Term.LOG_F] = math.log(4 * p["survival"] / (1 - p["survival"]) ** 2)
        return airy_signal(np.asarray(position) - self.middle, full)[0]

    def _optical(self, name: str) -> Estimate:
        if name not in self.parameters:
            raise AnalysisRefused(
                f"A scan in {self.axis_unit} has no scale in Hz.",
                remedy="Tune the laser, or add sidebands of known frequency as a ruler.",
            )
        return self.parameters[name]

    def _value(self, gradient: dict[str, float]) -> float:
        return sum(g * self.parameters[name].value for name, g in gradient.items())

    def _sigma(self, gradient: dict[str, float]) -> float:
        g = np.array([gradient.get(name, 0.0) for name in self.names])
        return math.sqrt(max(0.0, float(g @ self.covariance @ g)))


def fit_cavity_scan(
    position: npt.ArrayLike,
    transmission: npt.ArrayLike,
    *,
    axis: Axis = Axis.VOLT,
    reference: npt.ArrayLike | None = None,
    background: float | None = None,
    sideband_hz: float | None = None,
    saturation: tuple[float, float] | None = None,
    bowed: bool | None = None,
) -> CavityScanFit:
    """Fit a scan in one direction: `position` (n,) on `axis`, `transmission` (n,) with one resonance or more.

    `reference` (n,): the input power recorded with it, divided out; `background`: the level without light, where it was
    measured (fitted if None, which costs precision on less than one period); `sideband_hz`: modulation frequency of
    phase sidebands on the light, a ruler for a piezo's axis; `saturation`: limits of the input; `bowed`: fit a
    quadratic phase (default: on volts and seconds).
    Raises AnalysisRefused for malformed, turning or saturated scans, no resonance, fewer than 4 samples across the
    line, a line without a half maximum, sidebands that do not show, a phase that turns back, or a finesse or spacing
    known to no better than 10 %.
    """
    scan = ordered_scan(position, transmission, fewest=FEWEST_SAMPLES, what="A cavity scan", axis=axis)
    _require_below_saturation(scan.signal, saturation)
    if reference is not None:
        scan = _divided(scan, position, reference, axis)
    if axis.is_optical and sideband_hz is not None:
        raise AnalysisRefused("A laser's own frequency axis needs no sidebands as a ruler.", remedy="Leave one out.")
    with_bow = not axis.is_optical if bowed is None else bowed
    full, free, solution = fit_airy(scan.x, scan.signal, background, bowed=with_bow, sidebands=sideband_hz is not None)
    _require_flat_top_is_line(scan, full)
    return _report(scan, full, free, solution, sideband_hz)


def _divided(scan: Scan, position: npt.ArrayLike, reference: npt.ArrayLike, axis: Axis) -> Scan:
    """The scan over its reference trace, which keeps its mean."""
    power = ordered_scan(position, reference, fewest=FEWEST_SAMPLES, what="The reference trace", axis=axis).signal
    if not (power > 0).all():
        raise AnalysisRefused("The reference trace is not positive throughout.", remedy="Subtract its dark level.")
    return Scan(scan.position, np.asarray(scan.signal * power.mean() / power), scan.unit)


def _require_below_saturation(y: FloatArray, saturation: tuple[float, float] | None) -> None:
    if saturation is not None:
        clipped = int(((y <= saturation[0]) | (y >= saturation[1])).sum())
        if clipped:
            raise AnalysisRefused(f"{clipped} samples are saturated.", remedy="Lower the gain or widen the range.")


def _require_flat_top_is_line(scan: Scan, p: FloatArray) -> None:
    """Clipping without known limits: far more samples at the highest value than the fitted line has near its top."""
    y = scan.signal
    top = float(y.max())
    count = int((y == top).sum())
    if count <= FEWEST_CLIPPED_SAMPLES:
        return
    below = y[y < top]
    step = top - float(below.max()) if len(below) else 0.0
    model = airy_signal(scan.x, p)[0]
    expected = int((model >= float(model.max()) - step).sum())
    if count > CLIPPED_SHARE_FACTOR * expected or float(model.max()) > top + 10 * step:
        raise AnalysisRefused(
            f"{count} samples sit at the highest value: the signal is clipped.",
            remedy="Lower the gain or widen the range.",
        )


def _report(
    scan: Scan, p: FloatArray, free: npt.NDArray[np.intp], solution: Solution, sideband_hz: float | None
) -> CavityScanFit:
    f = math.exp(p[Term.LOG_F])
    _require_line(scan, p, f)
    rho = survival_of_coefficient(f)
    half = scan.half
    phase = math.remainder(p[Term.PHASE], math.pi)
    height = p[Term.HEIGHT]
    values = np.array([p[0], height, rho, phase, p[Term.RATE] / half, p[Term.BOW] / half**2, p[6], p[7]])
    scale = np.array([1.0, 1.0, rho * (1 - rho) / (1 + rho), 1.0, 1 / half, 1 / half**2, 1.0, 1.0])[free]
    covariance = np.asarray(solution.covariance * np.outer(scale, scale))
    names = tuple(NAMES[i] for i in free)
    sigma = np.zeros(len(NAMES))
    sigma[free] = np.sqrt(np.diag(covariance))
    unit = scan.unit
    units = ("", "", "", "rad", f"rad/{unit}", f"rad/{unit}^2", "", "rad")
    kept = len(NAMES) if sideband_hz is not None else Term.SIDEBAND_POWER
    parameters = {name: Estimate(float(values[i]), float(sigma[i]), units[i]) for i, name in enumerate(NAMES[:kept])}
    parameters |= _derived(parameters, names, covariance, unit, scan.middle, sideband_hz)
    reason = ""
    if solution.poor:
        reason = (
            f"an Airy line leaves structure (chi2 per degree of freedom {solution.chi2_per_dof:.2f}): other modes, "
            "hysteresis, or laser power that changes?"
        )
    for name in ("finesse", "spacing"):
        if parameters[name].relative_sigma > LARGEST_RELATIVE_SIGMA:
            raise AnalysisRefused(
                f"The {name} would be {parameters[name]}, too uncertain to mean anything"
                f"{'; ' + reason if reason else '.'}",
                remedy="Record a reference trace of the power, or scan in one direction."
                if reason
                else "Scan a whole period, or measure the background and give it.",
            )
    return CavityScanFit(
        parameters=parameters,
        covariance=covariance,
        names=names,
        chi2_per_dof=solution.chi2_per_dof,
        p_value=solution.p_value,
        reason=reason,
        middle=scan.middle,
        axis_unit=unit,
        first=float(scan.position[0]),
        last=float(scan.position[-1]),
    )


def _require_line(scan: Scan, p: FloatArray, f: float) -> None:
    if p[Term.RATE] <= 2 * abs(p[Term.BOW]):
        raise AnalysisRefused("The fitted phase turns back within the scan.", remedy="Scan one way, further.")
    if f < SMALLEST_F:
        raise AnalysisRefused(
            f"With F = {f:.2g} the line never falls to half its height: it has no linewidth.",
            remedy="Check the background and that the light is the transmitted one.",
        )
    samples = 2 * math.asin(1 / math.sqrt(f)) * len(scan.signal) / (2 * (p[Term.RATE] + 2 * abs(p[Term.BOW])))
    if samples < FEWEST_SAMPLES_IN_LINE:
        raise AnalysisRefused(
            f"The line has {samples:.1f} samples; it needs {FEWEST_SAMPLES_IN_LINE:.0f}.",
            remedy="Scan less far or sample faster.",
        )


def _derived(
    parameters: dict[str, Estimate],
    names: tuple[str, ...],
    covariance: FloatArray,
    unit: str,
    middle: float,
    sideband_hz: float | None,
) -> dict[str, Estimate]:
    """Finesse, spacing and linewidth, and what a scale in Hz adds; all are monomials, so logarithmic slopes do."""
    rho, rate = parameters["survival"].value, parameters["rate"].value
    finesse = float(airy_finesse(rho))
    width = 0.5 * math.pi / finesse
    by_rho = (1 + rho) / (4 * rho**1.5 * math.cos(width) * width)  # d ln(finesse) / d rho
    spacing = math.pi / rate

    def estimate(value: float, slopes: dict[str, float], unit: str, convention: str) -> Estimate:
        g = np.array([slopes.get(name, 0.0) for name in names])
        return Estimate(value, abs(value) * math.sqrt(max(0.0, float(g @ covariance @ g))), unit, convention)

    per_rate = -1 / rate
    found = {
        "finesse": estimate(finesse, {"survival": by_rho}, "", "FSR over FWHM of the fitted Airy line"),
        "spacing": estimate(spacing, {"rate": per_rate}, unit, f"one free spectral range at {middle:g} {unit}"),
        "linewidth": estimate(
            spacing / finesse, {"rate": per_rate, "survival": -by_rho}, unit, f"FWHM at {middle:g} {unit}"
        ),
    }
    if unit == "Hz":
        found["fsr_hz"] = found["spacing"]
        found["kappa_hz"] = found["linewidth"]
    elif sideband_hz is not None:
        shift = parameters["sideband_phase"].value
        fsr = math.pi * sideband_hz / shift
        ruler = {"sideband_phase": -1 / shift}
        how = f"sidebands at {sideband_hz:g} Hz as ruler"
        found["fsr_hz"] = estimate(fsr, ruler, "Hz", how)
        found["kappa_hz"] = estimate(fsr / finesse, {**ruler, "survival": -by_rho}, "Hz", f"FWHM, {how}")
        found["hz_per_unit"] = estimate(fsr / spacing, {**ruler, "rate": 1 / rate}, f"Hz/{unit}", how)
    return found
