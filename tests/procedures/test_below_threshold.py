"""More pump gives more antisqueezing, or something is wrong that no fit should be asked about."""

from __future__ import annotations

import pytest

from labctl.errors import AnalysisRefused
from labctl.spectra.estimate import Estimate
from procedures.squeezing_against_pump import require_below_threshold


def points(*variances: float) -> list[tuple[Estimate, Estimate]]:
    return [(Estimate(2e-3 * (n + 1), 1e-6), Estimate(value, 0.05)) for n, value in enumerate(variances)]


def test_a_pump_above_the_threshold_is_named() -> None:
    said = r"At 8\.00 mW .* \(1\.06 times .* 6\.00 mW \(6\.42\).* above the threshold"
    with pytest.raises(AnalysisRefused, match=said):
        require_below_threshold(points(2.45, 3.93, 6.42, 1.06))


def test_what_rises_or_falls_by_chance_is_let_through() -> None:
    require_below_threshold(points(2.45, 3.93, 6.42, 10.6))
    require_below_threshold(points(2.45, 2.20, 6.42))
    with pytest.raises(AnalysisRefused, match="less antisqueezed"):
        require_below_threshold(points(2.45, 2.05, 6.42))
