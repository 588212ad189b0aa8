"""Zero angle and extinction of a wave plate from a scan of its angle.

A half-wave plate at angle theta before a polarizing beam splitter turns the polarization by 2 theta, so the share that
the splitter taps is r = r_min + (r_max - r_min) sin^2(2 (theta - theta0)): r_min is the leak of what should pass, and
1 - r_max that of what should be tapped. One output shows s r and the others together u (1 - r), in any units: their
minima and maxima tell r_min, r_max and s / u. A quarter-wave plate that is passed twice follows the same law with
r_min = 0 and r_max = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.likelihood import Curve, Solution, fit_measured
from labctl.spectra.acquisition import FloatArray

PERIOD_DEG: Final = 90.0
FEWEST_ANGLES: Final = 6
LEAST_RANGE_DEG: Final = 60.0  # of the angles that tell: less of a period does not show how low and high it goes
LEAST_CONTRAST_SIGMAS: Final = 20.0
UNSEEN: Final = 1e6  # of its uncertainty: what an output that is left out counts
DERIVATIVE_STEP: Final = 1e-3  # in standard deviations
REWEIGHTED: Final = 2  # times: the weights follow the fit


@dataclass(frozen=True, eq=False)
class TapScan:
    """Readings (n,) at plate angles (n,) in degrees, in any units, offsets taken off.

    `tapped` is the output that the splitter feeds, `behind` the sum of the outputs behind it, each over its scale; nan
    where one was not seen (beyond its range). `sigma_tapped` and `sigma_behind` are independent standard
    uncertainties of one reading, `sigma_light` a relative one that both share (the power of the light), and
    `sigma_deg` how far from its angle the plate stops. `from_below` (n,): whether it came from smaller angles.
    """

    angle_deg: FloatArray
    tapped: FloatArray
    behind: FloatArray
    from_below: NDArray[np.bool_]
    sigma_tapped: float
    sigma_behind: float
    sigma_light: float = 0.0
    sigma_deg: float = 0.0


@dataclass(frozen=True, eq=False)
class TapFit:
    """What a scan tells of one stage.

    `zero_deg`: angle of the least tap, 0 to 90, mean of both directions; `play_deg`: by how much more the mount must be
    told where it comes from above than where it comes from below; `least` and `largest`: r_min and r_max; `extinction`:
    r_min / r_max; `scale`: s / u, light of the tapped output over that of the others for equal shares; `brightest`: the
    tapped output at its largest, in its units.
    """

    zero_deg: Estimate
    play_deg: Estimate
    least: Estimate
    largest: Estimate
    extinction: Estimate
    scale: Estimate
    brightest: float
    chi2_per_dof: float

    def tap(self, angle_deg: float, *, from_below: bool = True) -> float:
        """Return the share that the stage takes at an angle of the mount."""
        zero = self.zero_deg.value + (-0.5 if from_below else 0.5) * self.play_deg.value
        turned = math.sin(math.radians(2.0 * (angle_deg - zero))) ** 2
        return self.least.value + (self.largest.value - self.least.value) * turned


def fit_tap_scan(scan: TapScan) -> TapFit:
    """Fit one stage. Refuses a scan with too few angles or too small a range, and one whose light does not follow the
    plate."""
    _require(scan)
    theta = _start(scan)
    solution: Solution | None = None
    for _ in range(REWEIGHTED):
        whiten = _whitening(scan, theta)
        solution = fit_measured(_whitened_curve(scan, whiten), _whitened_values(scan, whiten), _ones(scan), theta)
        theta = solution.theta
    assert solution is not None
    covariance = solution.covariance * max(1.0, solution.chi2_per_dof)
    return _fit_of(theta, covariance, solution.chi2_per_dof)


@dataclass(frozen=True, eq=False)
class PlateFit:
    """`best_deg`: angle of the largest signal, 0 to 90; `largest`: the signal there."""

    best_deg: Estimate
    largest: Estimate


def fit_extraction_scan(angle_deg: FloatArray, power: FloatArray, sigma: FloatArray) -> PlateFit:
    """Fit power = P sin^2(2 (theta - theta0)) to `power` (n,) with standard uncertainties `sigma` (n,) up to a common
    factor, which the residuals tell.

    Refuses too few angles and power that does not follow the plate.
    """
    angle, values = np.asarray(angle_deg, dtype=np.float64), np.asarray(power, dtype=np.float64)
    if len(angle) < FEWEST_ANGLES or float(np.ptp(angle)) < LEAST_RANGE_DEG:
        raise AnalysisRefused(f"{len(angle)} angles do not tell where a wave plate stands.", remedy="Scan 60 degrees.")
    turn = np.radians(4.0 * angle)
    basis = np.column_stack([np.ones_like(turn), -np.cos(turn), -np.sin(turn)])
    weight = 1.0 / np.asarray(sigma, dtype=np.float64)
    mean, cosine, sine = np.linalg.lstsq(basis * weight[:, None], values * weight, rcond=None)[0]
    if not math.hypot(cosine, sine) > LEAST_CONTRAST_SIGMAS * float(np.median(sigma)) / math.sqrt(len(angle)):
        raise AnalysisRefused(
            "The light at the detector does not follow the quarter-wave plate.",
            remedy="Look at the beam, the mount and which plate it holds.",
        )

    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        turned = 2.0 * (np.radians(angle) - theta[1])
        return theta[0] * np.sin(turned) ** 2, np.column_stack(
            [np.sin(turned) ** 2, -2.0 * theta[0] * np.sin(2.0 * turned)]
        )

    start = np.array([2.0 * abs(mean), 0.25 * math.atan2(sine, cosine)])
    solution = fit_measured(curve, values, np.asarray(sigma, dtype=np.float64), start)
    spread = np.sqrt(np.diag(solution.covariance) * solution.chi2_per_dof)
    best = (math.degrees(float(solution.theta[1])) + 0.5 * PERIOD_DEG) % PERIOD_DEG
    return PlateFit(
        Estimate(best, math.degrees(float(spread[1])), "deg", "quarter-wave plate, largest signal"),
        Estimate(float(solution.theta[0]), float(spread[0]), "", "signal at the best angle"),
    )


# ---- the model: theta = (tapped at least, its rise, behind at most, its fall, zero in rad, play in rad) --------------


def _model(scan: TapScan, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return both signals (2, n), their slopes with the parameters (2, n, 6), and with the angle in rad (2, n)."""
    side = np.where(scan.from_below, -0.5, 0.5)
    turned = 2.0 * (np.radians(scan.angle_deg) - theta[4] - side * theta[5])
    s, ds = np.sin(turned) ** 2, 2.0 * np.sin(2.0 * turned)
    values = np.stack([theta[0] + theta[1] * s, theta[2] - theta[3] * s])
    by_angle = np.stack([theta[1] * ds, -theta[3] * ds])
    slopes = np.zeros((2, len(s), 6))
    slopes[0, :, 0], slopes[0, :, 1] = 1.0, s
    slopes[1, :, 2], slopes[1, :, 3] = 1.0, -s
    slopes[:, :, 4], slopes[:, :, 5] = -by_angle, -by_angle * side
    return values, slopes, by_angle


def _whitening(scan: TapScan, theta: FloatArray) -> FloatArray:
    """Return what makes the two readings of each angle independent with unit variance, (n, 2, 2)."""
    values, _, by_angle = _model(scan, theta)
    n = len(scan.angle_deg)
    covariance = np.zeros((n, 2, 2))
    covariance[:, 0, 0] = scan.sigma_tapped**2
    covariance[:, 1, 1] = scan.sigma_behind**2
    for part in (math.radians(scan.sigma_deg) * by_angle, scan.sigma_light * values):
        covariance += np.einsum("in,jn->nij", part, part)
    covariance[~np.isfinite(scan.tapped), 0, 0] *= UNSEEN**2
    covariance[~np.isfinite(scan.behind), 1, 1] *= UNSEEN**2
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))


def _whitened_curve(scan: TapScan, whiten: FloatArray) -> Curve:
    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        values, slopes, _ = _model(scan, theta)
        return _flat(whiten, values, scan), np.einsum("nij,jnp->inp", whiten, slopes).reshape(-1, 6)

    return curve


def _whitened_values(scan: TapScan, whiten: FloatArray) -> FloatArray:
    return _flat(whiten, np.nan_to_num(np.stack([scan.tapped, scan.behind])), scan)


def _flat(whiten: FloatArray, values: FloatArray, scan: TapScan) -> FloatArray:
    return np.asarray(np.einsum("nij,jn->in", whiten, values).reshape(-1))


def _ones(scan: TapScan) -> FloatArray:
    return np.ones(2 * len(scan.angle_deg))


def _start(scan: TapScan) -> FloatArray:
    """Return where the fit starts, from the sine and cosine of four times the angle in the light behind."""
    seen = np.isfinite(scan.behind)
    turn = np.radians(4.0 * scan.angle_deg)
    basis = np.column_stack([np.ones_like(turn), np.cos(turn), np.sin(turn)])
    mean, cosine, sine = np.linalg.lstsq(basis[seen], scan.behind[seen], rcond=None)[0]
    swing = math.hypot(cosine, sine)
    if not swing > LEAST_CONTRAST_SIGMAS * scan.sigma_behind / math.sqrt(len(turn)):
        raise AnalysisRefused(
            "The light behind the stage does not follow its wave plate.",
            remedy="Look for light at its outputs, and whether this mount holds this plate.",
        )
    zero = 0.25 * math.atan2(sine, cosine)  # the light behind is strongest there
    s = np.sin(2.0 * (np.radians(scan.angle_deg) - zero)) ** 2
    seen = np.isfinite(scan.tapped)
    low, rise = np.linalg.lstsq(np.column_stack([np.ones(seen.sum()), s[seen]]), scan.tapped[seen], rcond=None)[0]
    if not rise > 0.0:
        raise AnalysisRefused(
            "The output of this stage has least light where those behind it have least.",
            remedy="Check which monitor belongs to which sensor.",
        )
    return np.array([low, rise, mean + swing, 2.0 * swing, zero, 0.0])


def _fit_of(theta: FloatArray, covariance: FloatArray, chi2_per_dof: float) -> TapFit:
    def of(take: Callable[[FloatArray], float], unit: str, convention: str) -> Estimate:
        return _propagated(take, theta, covariance, unit, convention)

    zero = of(lambda t: math.degrees(t[4]), "deg", "mount angle of the least tap, mean of both directions")
    return TapFit(
        Estimate(zero.value % PERIOD_DEG, zero.sigma, zero.unit, zero.convention),
        of(lambda t: math.degrees(t[5]), "deg", "angle told from above less that from below, for one place"),
        of(lambda t: _extremes(t)[0], "", "least share that the stage takes"),
        of(lambda t: _extremes(t)[1], "", "largest share that the stage takes"),
        of(lambda t: float(t[0] / (t[0] + t[1])), "", "least over largest tap"),
        of(_scale, "", "light of the tapped output over that of the others, for equal shares"),
        float(theta[0] + theta[1]),
        chi2_per_dof,
    )


def _extremes(theta: FloatArray) -> tuple[float, float]:
    """Return r_min and r_max: with a = r_min / r_max and b = (1 - r_max) / (1 - r_min), r_max = (1 - b) / (1 - a b)."""
    a = float(theta[0] / (theta[0] + theta[1]))
    b = float((theta[2] - theta[3]) / theta[2])
    largest = (1.0 - b) / (1.0 - a * b)
    return a * largest, largest


def _scale(theta: FloatArray) -> float:
    least, largest = _extremes(theta)
    return float((theta[0] + theta[1]) / largest * (1.0 - least) / theta[2])


def _propagated(
    take: Callable[[FloatArray], float], theta: FloatArray, covariance: FloatArray, unit: str, convention: str
) -> Estimate:
    sigma = np.sqrt(np.diag(covariance))
    slopes = np.empty(len(theta))
    for i, spread in enumerate(sigma):
        step = np.zeros_like(theta)
        step[i] = DERIVATIVE_STEP * spread
        slopes[i] = (take(theta + step) - take(theta - step)) / (2.0 * step[i])
    return Estimate(take(theta), math.sqrt(float(slopes @ covariance @ slopes)), unit, convention)


def _require(scan: TapScan) -> None:
    shapes = {part.shape for part in (scan.angle_deg, scan.tapped, scan.behind, scan.from_below)}
    if len(shapes) != 1 or scan.angle_deg.ndim != 1:
        raise AnalysisRefused("Every angle needs one reading of the tapped output and one of those behind it.")
    fewest = min(int(np.isfinite(part).sum()) for part in (scan.tapped, scan.behind))
    if fewest < FEWEST_ANGLES or float(np.ptp(scan.angle_deg)) < LEAST_RANGE_DEG:
        raise AnalysisRefused(
            f"{fewest} angles over {float(np.ptp(scan.angle_deg)):.0f} degrees do not tell where a wave plate stands.",
            remedy=f"Take {FEWEST_ANGLES} or more over {LEAST_RANGE_DEG:.0f} degrees, with less light.",
        )
