"""Scans of wave plates: what the fit tells against what was put in, and how near it comes to the best possible."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.likelihood import inverse
from labctl.estimation.wave_plate_scan import TapScan, _model, _whitening, fit_extraction_scan, fit_tap_scan

LEAST, LARGEST = 0.005, 0.999
ZERO_DEG, PLAY_DEG = 37.2, 0.1
TAPPED_V, BEHIND_V = 0.9, 0.6  # at a share of 1
NOISE = 1e-3
TRUE = np.array(
    [
        TAPPED_V * LEAST,
        TAPPED_V * (LARGEST - LEAST),
        BEHIND_V * (1 - LEAST),
        BEHIND_V * (LARGEST - LEAST),
        math.radians(ZERO_DEG),
        math.radians(PLAY_DEG),
    ]
)
UP_DEG = np.linspace(10.0, 106.0, 13)


def scan_of(rng: np.random.Generator, *, full_v: float = math.inf) -> TapScan:
    angles = np.concatenate([UP_DEG, UP_DEG[::-1]])
    empty = np.zeros(len(angles))
    scan = TapScan(angles, empty, empty, np.arange(len(angles)) < len(UP_DEG), NOISE, NOISE, 1e-3, 0.012)
    values, _, by_angle = _model(scan, TRUE)
    values = values + by_angle * math.radians(scan.sigma_deg) * rng.standard_normal(len(angles))
    values = values * (1 + scan.sigma_light * rng.standard_normal(len(angles)))
    values = values + NOISE * rng.standard_normal(values.shape)
    tapped = np.where(values[0] < full_v, values[0], np.nan)
    return TapScan(angles, tapped, values[1], scan.from_below, NOISE, NOISE, scan.sigma_light, scan.sigma_deg)


@pytest.mark.parametrize("full_v", [math.inf, 0.4])
def test_a_stage_is_told_as_well_as_can_be(full_v: float) -> None:
    """150 scans: each width has 6 % uncertainty, so its pulls lie within 0.77 and 1.25 (4 sigma), and the variance is
    within 1.5 of the Cramer-Rao bound."""
    rng = np.random.default_rng(7)
    fits = [fit_tap_scan(scan_of(rng, full_v=full_v)) for _ in range(150)]
    true = {
        "zero_deg": ZERO_DEG,
        "play_deg": PLAY_DEG,
        "least": LEAST,
        "largest": LARGEST,
        "extinction": LEAST / LARGEST,
        "scale": TAPPED_V / BEHIND_V,
    }
    for name, value in true.items():
        found = [getattr(fit, name) for fit in fits]
        pulls = np.array([(one.value - value) / one.sigma for one in found])
        assert abs(pulls.mean()) < 4 / math.sqrt(150), name
        assert 0.77 < pulls.std() < 1.25, name  # a scan that scatters more than its noise says counts less
    scan = scan_of(rng, full_v=full_v)
    slopes = np.einsum("nij,jnp->inp", _whitening(scan, TRUE), _model(scan, TRUE)[1]).reshape(-1, 6)
    bound_deg = math.degrees(math.sqrt(inverse(slopes.T @ slopes)[4, 4]))
    assert np.std([fit.zero_deg.value for fit in fits]) < math.sqrt(1.5) * bound_deg
    assert fits[0].tap(ZERO_DEG - 0.5 * PLAY_DEG + 15.0) == pytest.approx(
        LEAST + (LARGEST - LEAST) * 0.25, abs=6 * 2 * math.sin(math.pi / 3) * math.radians(bound_deg) + 1e-3
    )


def test_zero_is_told_within_one_period() -> None:
    rng = np.random.default_rng(1)
    scan = scan_of(rng)
    moved = TapScan(
        scan.angle_deg - 40.0, scan.tapped, scan.behind, scan.from_below, NOISE, NOISE, scan.sigma_light, 0.012
    )
    assert fit_tap_scan(moved).zero_deg.value == pytest.approx(ZERO_DEG - 40.0 + 90.0, abs=0.1)


def test_light_that_does_not_follow_the_plate_is_refused() -> None:
    rng = np.random.default_rng(2)
    scan = scan_of(rng)
    steady = 0.3 + NOISE * rng.standard_normal(len(scan.angle_deg))
    with pytest.raises(AnalysisRefused, match="does not follow its wave plate"):
        fit_tap_scan(TapScan(scan.angle_deg, scan.tapped, steady, scan.from_below, NOISE, NOISE))
    with pytest.raises(AnalysisRefused, match="which monitor belongs"):
        fit_tap_scan(TapScan(scan.angle_deg, scan.behind, scan.behind, scan.from_below, NOISE, NOISE))
    with pytest.raises(AnalysisRefused, match="5 angles"):
        fit_tap_scan(TapScan(scan.angle_deg[:5], scan.tapped[:5], scan.behind[:5], scan.from_below[:5], NOISE, NOISE))


def test_a_quarter_wave_plate() -> None:
    """200 scans: pulls of mean 0 within 0.28 and width 1 within 0.2, 4 sigma each."""
    rng = np.random.default_rng(3)
    angle = np.arange(9) * 10.0 + 3.0
    sigma = np.full(9, 0.01)
    pulls = []
    for _ in range(200):
        power = np.sin(np.radians(2 * (angle - 21.0))) ** 2 + sigma * rng.standard_normal(9)
        fit = fit_extraction_scan(angle, power, sigma)
        pulls.append([(fit.best_deg.value - 66.0) / fit.best_deg.sigma, (fit.largest.value - 1.0) / fit.largest.sigma])
    found = np.array(pulls)
    assert (np.abs(found.mean(axis=0)) < 0.28).all()
    assert (np.abs(found.std(axis=0) - 1.0) < 0.2).all()
    with pytest.raises(AnalysisRefused, match="quarter-wave plate"):
        fit_extraction_scan(angle, sigma * rng.standard_normal(9), sigma)
