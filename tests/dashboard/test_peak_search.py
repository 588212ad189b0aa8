from __future__ import annotations

import numpy as np

from labctl.dashboard.peak_search import peaks


def test_lines_are_found_in_the_order_of_their_height() -> None:
    power = np.random.default_rng(2).gamma(50, 1 / 50, 5000)
    for index, height in ((700, 5.0), (2500, 8.0), (4100, 6.0)):
        power[index - 1 : index + 2] += [height / 2, height, height / 2]
    assert list(peaks(power, 50)) == [2500, 4100, 700]


def test_pure_noise_has_its_highest_point_only() -> None:
    power = np.random.default_rng(4).gamma(50, 1 / 50, 5000)
    assert list(peaks(power, 50)) == [int(np.argmax(power))]


def test_a_shoulder_is_no_peak_of_its_own() -> None:
    x = np.arange(1000.0)
    power = 1 + 50 / (1 + ((x - 500) / 20) ** 2)
    power[540] *= 1.2
    assert list(peaks(power, 50)) == [500]


def test_what_is_not_a_number_is_no_peak() -> None:
    assert list(peaks(np.array([np.nan, 1.0, 3.0, 1.0, np.inf]), 50)) == [2]
    assert not len(peaks(np.full(5, np.nan), 50))
