"""The table of efficiencies of mechanical modes, with few seeds always and with 400 when slow tests run."""

import math

import numpy as np
import pytest
from efficiency import Row, run_row, shortfalls, table
from efficiency_mechanics import rows
from mechanics_data import F0, GAMMA, RECORD_S, bound

from labctl.errors import AnalysisRefused
from labctl.physics.line_shape import lorentzian
from labctl.spectra.estimate import Estimate

FEW = range(8)


@pytest.fixture(scope="module")
def every_row():
    return rows()


def test_few_seeds_meet_the_bounds_within_three_standard_errors(every_row):
    faults = [fault for row in every_row if not row.naive for fault in shortfalls(row, run_row(row, FEW))]
    assert faults == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_hundred_seeds_meet_the_bounds(every_row):
    faults = [fault for row in every_row for fault in shortfalls(row, run_row(row))]
    assert faults == []


def test_what_naive_estimators_lose(every_row):
    """The filter left in, the floor under the half maximum, the floor under the tail of a decay."""
    found = {row.name: run_row(row, FEW) for row in every_row if row.naive}
    assert found["swept, coherent, width 3 dB below top: Gamma"].bias_sigma > 5
    assert found["swept, coherent, least squares on power: Gamma"].bias_sigma > 1
    assert found["ringdown, straight line on dB: Gamma"].bias_sigma < -20
    assert found["ringdown, least squares on power: Gamma"].efficiency < 0.8


@pytest.mark.parametrize(
    ("peak", "floor", "published"),
    [
        (5.0, 1.0, (4.00, 9.89, 0.228, 0.0257)),
        (5.0, 0.857, (3.80, 9.31, 0.221, 0.0259)),
        (1.25, 0.4266, (4.94, 12.61, 0.263, 0.0252)),
    ],
)
def test_bounds_are_those_of_the_model_without_filter(peak, floor, published):
    """sigma sqrt(T) of f0, Gamma, A/A, V/V over 2 kHz."""
    axis = F0 + 2.0 * np.arange(-500, 501)
    sigma = bound(lambda x: x[3] + x[2] * lorentzian(axis, x[0], x[1]), (F0, GAMMA, peak, floor), 2.0)
    relative = (sigma[0], sigma[1], sigma[2] / peak, sigma[3] / floor)
    assert relative == pytest.approx(published, rel=6e-3)
    assert 187 < RECORD_S < 189


def test_the_harness_sees_a_bad_estimator():
    """One of half efficiency, one with a bias, one whose interval is too narrow, one that refuses."""

    def noise(seed, spread=1.0):
        return float(np.random.default_rng(seed).normal(0.0, spread))

    good = Row("good", lambda seed: Estimate(10 + noise(seed), 1.0), 10.0, 1.0)
    assert shortfalls(good, run_row(good)) == []
    wide = Row("wide", lambda seed: (10 + noise(seed, 1.5), 1.5), 10.0, 1.0)
    assert "efficiency" in shortfalls(wide, run_row(wide))[0]
    biased = Row("biased", lambda seed: (10.5 + noise(seed), 1.2), 10.0, 1.0)
    assert "bias" in shortfalls(biased, run_row(biased))[0]
    proud = Row("proud", lambda seed: (10 + noise(seed), 0.5), 10.0, 1.0)
    assert "coverage" in shortfalls(proud, run_row(proud))[0]

    def shy(seed):
        if seed % 4 == 0:
            raise AnalysisRefused("no")
        return 10 + noise(seed), 1.0

    assert "refused" in shortfalls(Row("shy", shy, 10.0, 1.0), run_row(Row("shy", shy, 10.0, 1.0)))[0]
    naive = Row("naive", lambda seed: (12.0 + noise(seed), math.nan), 10.0, 1.0, naive=True)
    assert shortfalls(naive, run_row(naive)) == []
    assert "~ naive" in table([naive], range(5))
