"""The fits behind the estimators: exact solutions, honest covariances, goodness of fit, refusals."""

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.likelihood import fit_measured, fit_power, fit_white

X = np.linspace(-1, 1, 400)


def parabola(theta):
    return theta[0] + theta[1] * X + theta[2] * X**2, np.column_stack([np.ones_like(X), X, X**2])


def exponential(theta):
    s = np.exp(theta[0] + theta[1] * X)
    return s, np.column_stack([s, s * X])


def test_white_noise_is_fitted_as_polyfit_does():
    y = 1 + 2 * X - X**2 + 0.1 * np.random.default_rng(1).standard_normal(400)
    fit = fit_white(parabola, y, np.zeros(3))
    coefficients, covariance = np.polyfit(X, y, 2, cov="unscaled")
    assert fit.theta[::-1] == pytest.approx(coefficients)
    assert fit.covariance[::-1, ::-1] == pytest.approx(covariance * fit.noise**2)
    assert fit.noise == pytest.approx(0.1, rel=0.1)
    assert not fit.poor


def test_structure_makes_a_poor_fit_and_a_wider_covariance():
    rng = np.random.default_rng(2)
    good = fit_white(parabola, 0.1 * rng.standard_normal(400), np.zeros(3))
    poor = fit_white(parabola, 0.1 * rng.standard_normal(400) + 0.3 * np.sin(9 * X), np.zeros(3))
    assert poor.poor
    assert (np.diag(poor.covariance) > 10 * np.diag(good.covariance)).all()


def test_false_alarms_of_the_goodness_of_fit_are_as_rare_as_it_says():
    """400 draws: p below 0.05 in 5 % of them, within four standard errors."""
    rng = np.random.default_rng(3)
    low = [fit_white(parabola, rng.standard_normal(400), np.zeros(3)).p_value < 0.05 for _ in range(400)]
    assert np.mean(low) == pytest.approx(0.05, abs=0.044)


def test_powers_are_not_pulled_down_by_few_averages():
    """K = 4, 200 draws: the mean of ln S is unbiased within 4 standard errors and a 1/(2 K n) bias of its own."""
    rng = np.random.default_rng(4)
    truth, k = np.array([0.3, 1.5]), np.full(400, 4.0)
    found = [
        fit_power(exponential, exponential(truth)[0] * rng.gamma(4.0, 0.25, 400), k, np.zeros(2)) for _ in range(200)
    ]
    pulls = np.array([(f.theta - truth) / np.sqrt(np.diag(f.covariance)) for f in found])
    assert (np.abs(pulls.mean(axis=0)) < 4 / np.sqrt(200)).all()
    assert pulls.std(axis=0) == pytest.approx(1.0, abs=0.2)
    assert np.mean([f.p_value for f in found]) == pytest.approx(0.5, abs=0.1)


def test_known_uncertainties_are_used():
    sigma = 0.1 * (2 + X)
    y = parabola([1.0, 2.0, -1.0])[0] + sigma * np.random.default_rng(5).standard_normal(400)
    fit = fit_measured(parabola, y, sigma, np.zeros(3))
    coefficients, covariance = np.polyfit(X, y, 2, w=1 / sigma, cov="unscaled")
    assert fit.theta[::-1] == pytest.approx(coefficients)
    assert fit.covariance[::-1, ::-1] == pytest.approx(covariance)
    assert fit.p_value > 1e-4


def test_refusals():
    y = np.random.default_rng(6).standard_normal(400)

    def twice_the_same(theta):
        return (theta[0] + theta[1]) * X, np.column_stack([X, X])

    with pytest.raises(AnalysisRefused, match="tell the parameters apart"):
        fit_white(twice_the_same, y, np.zeros(2))
    with pytest.raises(AnalysisRefused, match="every parameter"):
        fit_white(lambda t: (t[0] * X, np.column_stack([X, 0 * X])), y, np.zeros(2))
    with pytest.raises(AnalysisRefused, match="do not determine"):
        fit_white(parabola, y[:4], np.zeros(3))
