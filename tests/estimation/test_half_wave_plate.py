"""The plate before the pump: its curve from a few angles, and the angle of a power."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.half_wave_plate import PlateCurve, fit_plate

TRUE = PlateCurve(mean_w=5e-3, swing_w=4.95e-3, brightest_deg=77.0)
ANGLES_DEG = 3.0 + 15.0 * np.arange(6)


def powers_w(noise: float = 0.0) -> list[float]:
    scatter = noise * np.random.default_rng(3).standard_normal(ANGLES_DEG.size)
    return [TRUE.power_w(float(angle)) * (1.0 + k) for angle, k in zip(ANGLES_DEG, scatter, strict=True)]


def test_curve_and_angle() -> None:
    found = fit_plate(ANGLES_DEG, powers_w(1e-3))
    assert found.brightest_deg == pytest.approx(TRUE.brightest_deg, abs=0.05)
    assert found.most_w == pytest.approx(TRUE.most_w, rel=3e-3)
    for power, near in ((8e-3, 20.0), (1e-3, 200.0), (5e-3, 355.0)):
        angle = found.angle_deg(power, near)
        assert 0.0 <= angle <= 360.0
        assert abs(angle - near) <= 45.0
        assert TRUE.power_w(angle) == pytest.approx(power, rel=0.01)


def test_what_it_does_not_reach_and_what_is_no_plate() -> None:
    with pytest.raises(AnalysisRefused, match="lets"):
        TRUE.angle_deg(11e-3, 0.0)
    with pytest.raises(AnalysisRefused, match="does not follow"):
        fit_plate(ANGLES_DEG, [5e-3] * 6)
    with pytest.raises(AnalysisRefused, match="does not follow"):
        fit_plate(ANGLES_DEG, [1e-3, 9e-3, 1e-3, 9e-3, 1e-3, 9e-3])
    with pytest.raises(AnalysisRefused, match="angles"):
        fit_plate([0.0, 10.0, 20.0], [1.0, 2.0, 3.0])
