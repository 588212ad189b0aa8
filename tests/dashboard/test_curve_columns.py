"""What of a curve is drawn: nothing that stands out is lost where points are fewer than they were."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from labctl.bus.spectra import Curve
from labctl.dashboard.curve_columns import bin_means, columns_of, envelope, log10_or_nan


def a_curve(**columns: np.ndarray) -> Curve:
    return Curve("lo1", "scan", "", "", "", "", "", np.arange(4.0), columns)


def test_fit_comes_last_and_uncertainties_belong_to_their_column() -> None:
    ones = np.ones(4)
    columns = columns_of(a_curve(fit=ones, power=2 * ones, power_sigma=3 * ones, short=np.ones(3), lone_sigma=ones))
    assert [column.name for column in columns] == ["power", "lone_sigma", "fit"]
    assert columns[0].sigma is not None and columns[0].sigma[0] == 3.0
    assert columns[1].sigma is None and columns[2].is_fit


@pytest.mark.parametrize("ascends", [True, False])
def test_envelope_keeps_every_peak(ascends: bool) -> None:
    x = np.linspace(0.0, 1.0, 10_000) if ascends else np.abs(np.linspace(-1.0, 1.0, 10_000))
    y = np.zeros(10_000)
    y[1234], y[8765] = 5.0, -7.0
    thin_x, thin_y = envelope(x, y, 300)
    assert len(thin_x) == len(thin_y) <= 600
    assert thin_y.max() == 5.0 and thin_y.min() == -7.0
    assert thin_x[np.argmax(thin_y)] == pytest.approx(x[1234], abs=1 / 150)


def test_few_points_stay_as_they_are() -> None:
    x, y = np.arange(600.0), np.sin(np.arange(600.0))
    assert envelope(x, y, 300)[1] is y
    assert bin_means(x, y, 300)[1] is y


def test_gaps_stay_gaps_without_a_warning() -> None:
    x, y = np.arange(1000.0), np.ones(1000)
    y[300:500] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(envelope(x, y, 100)[1]).sum() == 40
        assert np.isnan(bin_means(x, y, 100)[1]).sum() == 20


def test_power_is_averaged_as_power_and_pixels_are_of_equal_width() -> None:
    x = log10_or_nan(np.arange(1.0, 10_001.0))  # evenly spaced in frequency: dense at the end
    y = np.random.default_rng(1).gamma(1.0, 1.0, 10_000)
    thin_x, means = bin_means(x, y, 400)
    assert means[-5:].mean() == pytest.approx(1.0, abs=0.2)
    assert np.diff(thin_x).max() < np.log10(2) + 1e-9
    assert (thin_x < 1.0).sum() == 9  # each of the first points is alone


def test_what_has_no_logarithm_is_unknown() -> None:
    found = log10_or_nan(np.array([100.0, 0.0, -1.0, np.inf, np.nan]))
    assert found[0] == 2.0 and np.isnan(found[1:]).all()
