"""Threshold of the source from x at several pump powers, and the light before the network."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.pump_threshold import PumpPoint, fit_threshold
from labctl.estimation.source_light import antisqueezing, phase_noise, source_efficiency
from labctl.estimation.squeezing_model import fit_squeezing
from labctl.physics.opa import quadrature_variances
from labctl.physics.squeezing import with_phase_noise

THRESHOLD_W, SIDEBAND = 0.03, 0.084
POWERS_W = THRESHOLD_W * np.array([0.03, 0.09, 0.17, 0.27, 0.38])
PUMPS_W = THRESHOLD_W * np.array([0.08, 0.16, 0.27, 0.38])
EFFICIENCY, CHANNEL = 0.885, Estimate(0.82, 0.004)
K = 12000.0
WORKING_W = Estimate(0.29 * THRESHOLD_W, 1e-6)


def points(rng: np.random.Generator, bent: float = 0.0) -> list[PumpPoint]:
    found = []
    for power in POWERS_W:
        x = math.sqrt(power / THRESHOLD_W) * (1.0 + bent * power / THRESHOLD_W)
        measured = power * (1.0 + 3e-4 * rng.standard_normal())
        found.append(PumpPoint(Estimate(measured, 3e-4 * power), Estimate(x + 4e-4 * rng.standard_normal(), 4e-4)))
    return found


def test_its_uncertainty_covers_the_scatter() -> None:
    """200 draws: mean pull within 4 standard errors, width within 4 of theirs."""
    rng = np.random.default_rng(1)
    fits = [fit_threshold(points(rng)) for _ in range(200)]
    pulls = np.array([(fit.threshold_w.value - THRESHOLD_W) / fit.threshold_w.sigma for fit in fits])
    assert abs(pulls.mean()) < 4.0 / math.sqrt(200)
    assert abs(pulls.std(ddof=1) - 1.0) < 4.0 / math.sqrt(400)
    x = fits[0].x_at(Estimate(POWERS_W[3], 0.0))
    assert abs(x.value - math.sqrt(0.27)) < 4.5 * x.sigma


def test_a_law_that_does_not_hold_is_told_and_widens() -> None:
    straight, bent = (fit_threshold(points(np.random.default_rng(2), b)) for b in (0.0, 0.1))
    assert not straight.poor
    assert bent.poor
    assert bent.threshold_w.sigma > 2.0 * straight.threshold_w.sigma
    with pytest.raises(AnalysisRefused, match="needs 2"):
        fit_threshold(points(np.random.default_rng(2))[:1])


def test_light_before_the_network() -> None:
    """60 draws: mean pull within 4 standard errors, width 0.7 to 1.35."""
    rng, true_db = np.random.default_rng(4), float(quadrature_variances(math.sqrt(0.29), SIDEBAND, EFFICIENCY)[1])
    pulls = []
    for _ in range(60):
        channel = Estimate(CHANNEL.value + CHANNEL.sigma * rng.standard_normal(), CHANNEL.sigma)
        x = np.sqrt(PUMPS_W / THRESHOLD_W)
        pure = quadrature_variances(x, SIDEBAND, EFFICIENCY * CHANNEL.value)
        low, high = with_phase_noise(pure[0], pure[1], 0.05), with_phase_noise(pure[1], pure[0], 0.05)
        noisy = [v * (1.0 + rng.standard_normal(4) / math.sqrt(K)) for v in (low, high)]
        model = fit_squeezing(PUMPS_W, *noisy, averages=K, sideband_over_hwhm=SIDEBAND)
        efficiency, top = source_efficiency(model, channel), antisqueezing(model, channel, WORKING_W)
        pulls.append(((efficiency.value - EFFICIENCY) / efficiency.sigma, (top.value - true_db) / top.sigma))
        noise = phase_noise(model)
        assert ("upper limit" in noise.convention) or abs(noise.value - 0.05) < 4.5 * noise.sigma
    mean, width = np.mean(pulls, axis=0), np.std(pulls, axis=0, ddof=1)
    assert (np.abs(mean) < 4.0 / math.sqrt(60)).all()
    assert ((width > 0.7) & (width < 1.35)).all()


def test_no_phase_noise_is_an_upper_limit() -> None:
    x = np.sqrt(PUMPS_W / THRESHOLD_W)
    model = fit_squeezing(PUMPS_W, *quadrature_variances(x, SIDEBAND, 0.7), averages=K, sideband_over_hwhm=SIDEBAND)
    noise = phase_noise(model)
    assert "upper limit" in noise.convention
    assert 0.0 < noise.value < 0.1
